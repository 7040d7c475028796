"""ThreatMiner: passive DNS, URIs, files, registrations and reports. No key; reported down.

https://www.threatminer.org/api.php, known from its documentation and clients: `rt` is what is asked for, and each has
results of its own shape. `status_code` "404" says that there are none. Dates have no zone and are UTC. A size may have
its unit behind it: "546304 bytes".

Certificates of an address, a file's traffic, mutants and registry keys, and questions for import hashes, ssdeep,
certificates, names of malware, reports and the reports of an e-mail address are not mapped.

Compared on 2026-11-26 with the stored text of https://www.threatminer.org/api.php, which has the codes and the rate but
not the results' shapes; and for those with a client (MISP/misp-modules, expansion/threatminer.py).
"""

from typing import Any

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import (
    ADDRESS,
    ANNOUNCED_BY,
    AS_NUMBER,
    ASSOCIATED,
    CIDR,
    CONTACTS,
    DETECTED_AS,
    DIGEST,
    DOMAIN_NAME,
    IN_NETWORK,
    LINK,
    NAME_SERVER,
    ON,
    OPERATED_BY,
    OWNS,
    REFERENCE,
    REGISTERED_TO,
    REPORTED_IN,
    RESOLVES,
    Address,
    ASNumber,
    Digest,
    DomainName,
    EmailAddress,
    Hostname,
    Link,
    MalwareName,
    OrganizationName,
    Reference,
    SubdomainName,
    byte_count,
    hosts,
    on_hosts,
    registered,
    same_file,
)
from intel_grapher.source import MINUTES, Outcome, Rate, Source


class Reply(Struct):
    status_code: str | int = ""
    results: list[Any] = []


class Subdomains(Reply):
    results: list[SubdomainName] = []


class Domains(Reply):
    results: list[DomainName] = []


class Files(Reply):
    results: list[Digest] = []


class Resolution(Struct):
    ip: Address | None = None
    domain: Hostname | None = None
    first_seen: str | None = None
    last_seen: str | None = None


class Resolutions(Reply):
    results: list[Resolution] = []


class Uri(Struct):
    uri: Link
    ip: Address | None = None
    last_seen: str | None = None


class Uris(Reply):
    results: list[Uri] = []


class Page(Struct, rename={"url": "URL"}):
    url: Reference | None = None
    filename: str | None = None


class Pages(Reply):
    results: list[Page] = []


class Owner(Struct, frozen=True, rename={"organization": "Organization"}):
    organization: OrganizationName | None = None


class Whois(Struct):
    registrar: str | None = None
    creation_date: str | None = None
    updated_date: str | None = None
    expiration_date: str | None = None
    registrant_info: Owner = Owner()
    emails: dict[str, EmailAddress | None] = {}
    nameservers: list[Hostname] = []


class Registration(Struct):
    whois: Whois | None = None


class Registrations(Reply):
    results: list[Registration] = []


class Route(Struct):
    asn: ASNumber | None = None
    asn_name: str | None = None
    bgp_prefix: CIDR | None = None
    cc: str | None = None
    org_name: OrganizationName | None = None


class Routes(Reply):
    results: list[Route] = []


class Metadata(Struct):
    md5: Digest | None = None
    sha1: Digest | None = None
    sha256: Digest | None = None
    sha512: Digest | None = None
    file_name: str | None = None
    file_size: int | str | None = None
    file_type: str | None = None
    imphash: str | None = None
    ssdeep: str | None = None


class Metadatas(Reply):
    results: list[Metadata] = []


class Contacted(Struct):
    domain: Hostname


class Traffic(Struct):
    domains: list[Contacted] = []
    hosts: list[Address] = []


class Traffics(Reply):
    results: list[Traffic] = []


class Detection(Struct):
    detection: MalwareName | None = None


class Scan(Struct):
    av_detections: list[Detection] = []


class Scans(Reply):
    results: list[Scan] = []


def judge(reply: Reply) -> Outcome:
    """Tell by the code in the reply; status 200 stands above either."""
    if str(reply.status_code) == "200" and reply.results:
        return Outcome.FOUND
    return Outcome.NOT_FOUND if str(reply.status_code) in {"200", "404"} else Outcome.FAILED


source = Source(
    "threatminer",
    title="ThreatMiner",
    home="https://api.threatminer.org/v2",
    limits=(Rate(10, per=MINUTES),),
    judge=judge,
    retired="since 2025: reported down",
)


def asks(rt: int) -> dict[str, str]:
    """Return the parameters of a question."""
    return {"q": "{key}", "rt": str(rt)}


def _uris(reply: Uris) -> Facts:
    links = [each.uri for each in reply.results]
    yield LINK.each(links, last_seen=[each.last_seen for each in reply.results])
    yield on_hosts(links)
    served = [(each.uri, each.ip) for each in reply.results if each.ip]
    yield ON.each([link for link, _ in served], [address for _, address in served])


def _pages(asked: Hostname | Address | Digest, reply: Pages) -> Facts:
    known = [(each.url, each.filename) for each in reply.results if each.url]
    yield REFERENCE.each([url for url, _ in known], title=[name for _, name in known])
    yield REPORTED_IN.each(asked, [url for url, _ in known])


@source.get("/domain.php", asks(1))
def domain_whois(asked: Hostname, reply: Registrations) -> Facts:
    """A domain's registrar, contacts, name servers and age."""
    domain = registered(asked)
    for whois in [each.whois for each in reply.results if each.whois]:
        yield DOMAIN_NAME.each(
            domain,
            registrar=whois.registrar,
            created=whois.creation_date,
            updated=whois.updated_date,
            expires=whois.expiration_date,
        )
        if whois.registrant_info.organization:
            yield REGISTERED_TO.each(domain, whois.registrant_info.organization)
        yield OWNS.each([each for each in whois.emails.values() if each], domain)
        yield NAME_SERVER.each(domain, whois.nameservers)


@source.get("/domain.php", asks(2))
def domain_passive_dns(asked: Hostname, reply: Resolutions) -> Facts:
    """Addresses that a name had, and when."""
    for each in reply.results:
        if each.ip:
            seen = {"first_seen": each.first_seen, "last_seen": each.last_seen, "last_resolved": each.last_seen}
            yield RESOLVES.each(asked, each.ip, **seen)


@source.get("/domain.php", asks(3))
def domain_uris(asked: Hostname, reply: Uris) -> Facts:
    """URLs on a name."""
    yield from _uris(reply)


@source.get("/domain.php", asks(4))
def domain_samples(asked: Hostname, reply: Files) -> Facts:
    """Files seen with a name."""
    yield ASSOCIATED.each(asked, reply.results)


@source.get("/domain.php", asks(5))
def domain_subdomains(asked: Hostname, reply: Subdomains) -> Facts:
    """Names beneath a domain."""
    yield hosts(reply.results)


@source.get("/domain.php", asks(6))
def domain_reports(asked: Hostname, reply: Pages) -> Facts:
    """Reports that name a domain."""
    yield from _pages(asked, reply)


@source.get("/host.php", asks(1))
def host_whois(asked: Address, reply: Routes) -> Facts:
    """An address's network, AS, country and owner."""
    for each in reply.results:
        yield ADDRESS.each(asked, country=each.cc)
        if each.bgp_prefix:
            yield IN_NETWORK.each(asked, each.bgp_prefix)
        if each.asn:
            yield ANNOUNCED_BY.each(asked, each.asn)
            yield AS_NUMBER.each(each.asn, name=each.asn_name)
        if each.org_name:
            yield OPERATED_BY.each(asked, each.org_name)


@source.get("/host.php", asks(2))
def host_passive_dns(asked: Address, reply: Resolutions) -> Facts:
    """Names that had an address, and when."""
    for each in reply.results:
        if each.domain:
            seen = {"first_seen": each.first_seen, "last_seen": each.last_seen, "last_resolved": each.last_seen}
            yield RESOLVES.each(each.domain, asked, **seen)


@source.get("/host.php", asks(3))
def host_uris(asked: Address, reply: Uris) -> Facts:
    """URLs at an address."""
    yield from _uris(reply)
    yield ON.each([each.uri for each in reply.results], asked)


@source.get("/host.php", asks(4))
def host_samples(asked: Address, reply: Files) -> Facts:
    """Files seen with an address."""
    yield ASSOCIATED.each(asked, reply.results)


@source.get("/host.php", asks(6))
def host_reports(asked: Address, reply: Pages) -> Facts:
    """Reports that name an address."""
    yield from _pages(asked, reply)


@source.get("/sample.php", asks(1))
def sample_metadata(asked: Digest, reply: Metadatas) -> Facts:
    """A file's digests, names, size and type."""
    for each in reply.results:
        names = [name for name in (each.file_name,) if name]
        yield DIGEST.each(
            asked,
            size=byte_count(each.file_size),
            file_type=each.file_type,
            imphash=each.imphash,
            ssdeep=each.ssdeep,
            names=names,
        )
        yield same_file(asked, each.md5, each.sha1, each.sha256, each.sha512)


@source.get("/sample.php", asks(3))
def sample_hosts(asked: Digest, reply: Traffics) -> Facts:
    """Names and addresses that a file contacts."""
    for each in reply.results:
        yield CONTACTS.each(asked, [name.domain for name in each.domains])
        yield CONTACTS.each(asked, each.hosts)


@source.get("/sample.php", asks(6))
def sample_av_detections(asked: Digest, reply: Scans) -> Facts:
    """What scanners call a file."""
    yield DETECTED_AS.each(
        asked, [each.detection for scan in reply.results for each in scan.av_detections if each.detection]
    )


@source.get("/sample.php", asks(7))
def sample_reports(asked: Digest, reply: Pages) -> Facts:
    """Reports that name a file."""
    yield from _pages(asked, reply)


@source.get("/email.php", {"q": "{key}"})
def email(asked: EmailAddress, reply: Domains) -> Facts:
    """Domains registered with an e-mail address."""
    yield OWNS.each(asked, reply.results)
