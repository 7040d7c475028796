"""Shodan: what answers at an address's ports, and the DNS as Shodan saw it.

https://developer.shodan.io/api: a host comes with a banner for each service; of a port that has no banner the transport
is not told. Banners of IPv6 hosts have `ipv6` in place of `ip_str`. A certificate's serial number is an integer beyond
64 bits, its dates are ASN.1's, its names lie in the raw extension. A banner's `vulns` is an object, a host's is a list;
one that begins with "!" was found not to be there. The numbers to which Shodan hashes a banner, a page or an icon are
kept as text. Where an address lies, what a page holds, ciphers and a certificate's own key are left out.

Compared with https://developer.shodan.io/api/banner-specification on 2026-11-26.
"""

import re
from typing import Any

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import (
    ADDRESS,
    ALIAS_OF,
    ANNOUNCED_BY,
    CERTIFICATE_ID,
    CVE,
    DOMAIN_NAME,
    EXPOSES,
    MAIL_SERVER,
    NAME_SERVER,
    OPERATED_BY,
    RESOLVES,
    SERVICE_NAME,
    USES,
    VULNERABLE_TO,
    Address,
    ASNumber,
    CertificateId,
    DomainName,
    Hostname,
    OrganizationName,
    ServiceName,
    Term,
    certificate_names,
    fingerprint,
    hosts,
    service_name,
)
from intel_grapher.source import ApiKey, Outcome, Rate, Source, Subject

NO_INFORMATION = "No information available"
ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|(.))", re.DOTALL)
CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
DNS_NAME = re.compile(r"\x82([\x01-\x7f])([\x20-\x7e]+)")  # in a certificate's list of names: tag, length, name


class Party(Struct, frozen=True, rename={"name": "CN", "organization": "O"}):
    name: str | None = None
    organization: str | None = None


class Fingerprint(Struct):
    sha256: CertificateId
    sha1: str | None = None


class Extension(Struct):
    name: str = ""
    data: str = ""


class Certificate(Struct):
    fingerprint: Fingerprint
    expires: str | None = None
    extensions: list[Extension] = []
    issued: str | None = None
    issuer: Party = Party()
    serial: int | None = None
    subject: Party = Party()


class Tls(Struct, frozen=True):
    cert: Certificate | None = None
    ja3s: str | None = None
    jarm: str | None = None


class Icon(Struct, frozen=True):
    hash: int | None = None


class Http(Struct, frozen=True):
    favicon: Icon | None = None
    html_hash: int | None = None


class Location(Struct, frozen=True):
    country_code: str | None = None


class Banner(Struct):
    port: int
    asn: ASNumber | None = None
    cpe: str | list[str] = []
    cpe23: str | list[str] = []
    hash: int | None = None
    hostnames: list[Hostname] = []
    http: Http | None = None
    ip_str: Address | None = None
    isp: str | None = None
    ipv6: Address | None = None
    location: Location = Location()
    org: OrganizationName | None = None
    product: str | int | float | None = None
    ssl: Tls | None = None
    tags: list[str] = []
    timestamp: str | None = None
    transport: str | None = None
    version: str | int | float | None = None
    vulns: dict[CVE, Any] | list[CVE] = []


class Reply(Struct):
    error: str = ""


class Host(Reply):
    asn: ASNumber | None = None
    country_code: str | None = None
    data: list[Banner] = []
    hostnames: list[Hostname] = []
    ip_str: Address = Address("")
    isp: str | None = None
    last_update: str | None = None
    org: OrganizationName | None = None
    ports: list[int] = []
    tags: list[str] = []
    vulns: dict[CVE, Any] | list[CVE] = []


class Found(Reply):
    matches: list[Banner] = []


class Record(Struct):
    last_seen: str | None = None
    subdomain: str = ""
    type: str = ""
    value: str = ""


class Zone(Reply):
    data: list[Record] = []
    domain: Hostname = Hostname("")
    subdomains: list[str] = []
    tags: list[str] = []


def judge(reply: Any) -> Outcome:  # noqa: ANN401 - any of the replies
    """Tell an error from an answer; that of resolve and reverse is an object whose names are hosts and addresses."""
    if isinstance(reply, dict) and reply and not any("." in name or ":" in name or name == "error" for name in reply):
        return Outcome.FAILED  # such as {"message": "Rate limit exceeded"}
    error = reply.get("error") if isinstance(reply, dict) else reply.error
    if not isinstance(error, str) or not error:
        return Outcome.FOUND
    return Outcome.NOT_FOUND if error.startswith(NO_INFORMATION) else Outcome.FAILED


source = Source(
    "shodan",
    title="Shodan",
    home="https://api.shodan.io",
    limits=(Rate(1),),
    key=ApiKey("SHODAN_API_KEY", query="key", free="/api-info"),
    judge=judge,
    terms="each dns_domain takes one of the key's query credits",
    status="answers (2026-11)",
    subjects=(Subject("ip_str"), Subject("domain")),
)


@source.get("/shodan/host/{key}")
def host(asked: Address | Term, reply: Host) -> Facts:
    """Services, certificates, names, network and possible vulnerabilities of an address."""
    address, seen = reply.ip_str, reply.last_update
    cpes = [cpe for each in reply.data for cpe in _cpes(each)]
    others = set(reply.ports) - {each.port for each in reply.data}
    if address:
        yield ADDRESS.each(
            address, country=reply.country_code, isp=reply.isp, cpes=cpes, tags=reply.tags, last_seen=seen
        )
        yield RESOLVES.each(reply.hostnames, address, last_seen=seen)
        yield EXPOSES.each(address, [service_name(address, port) for port in sorted(others)], last_seen=seen)
        yield VULNERABLE_TO.each(address, list(reply.vulns), last_seen=seen)
        yield from _placed(address, reply.asn, reply.org)
    for each in reply.data:
        yield from _banner(each.ip_str or each.ipv6 or address, each)


@source.get("/shodan/host/search", {"query": "{key}"}, kept_only="takes query credits", also=("search",))
def host_search(asked: Term, reply: Found) -> Facts:
    """Services, certificates, names, networks and possible vulnerabilities that a search found."""
    for each in reply.matches:
        address = each.ip_str or each.ipv6 or Address("")
        yield ADDRESS.each(
            address, country=each.location.country_code, isp=each.isp, cpes=_cpes(each), seen=each.timestamp
        )
        yield from _placed(address, each.asn, each.org)
        yield from _banner(address, each)


def _placed(address: Address, number: ASNumber | None, organization: OrganizationName | None) -> Facts:
    if number:
        yield ANNOUNCED_BY.each(address, number)
    if organization:
        yield OPERATED_BY.each(address, organization)


def _banner(address: Address, it: Banner) -> Facts:
    service, seen = service_name(address, it.port, it.transport), it.timestamp
    tls, http = it.ssl or Tls(), it.http or Http()
    yield SERVICE_NAME.each(
        service,
        product=_text(it.product),
        version=_text(it.version),
        banner_hash=_text(it.hash),
        html_hash=_text(http.html_hash),
        favicon_hash=_text(http.favicon.hash) if http.favicon else None,
        jarm=fingerprint(tls.jarm),
        ja3s=fingerprint(tls.ja3s),
        tags=it.tags,
    )
    yield EXPOSES.each(address, service, seen=seen)
    yield RESOLVES.each(it.hostnames, address, seen=seen)
    yield VULNERABLE_TO.each(service, list(it.vulns), seen=seen)
    if tls.cert:
        yield from _certificate(service, tls.cert, seen)


def _certificate(service: ServiceName, it: Certificate, seen: str | None) -> Facts:
    number = it.fingerprint.sha256
    yield CERTIFICATE_ID.each(
        number,
        serial=None if it.serial is None else f"{it.serial:x}",  # hex, as all others write it
        sha1=fingerprint(it.fingerprint.sha1),
        issuer=it.issuer.name or it.issuer.organization,
        subject=it.subject.name or it.subject.organization,
        not_before=it.issued,
        not_after=it.expires,
    )
    yield USES.each(service, number, seen=seen)
    for each in it.extensions:
        if each.name == "subjectAltName":
            yield from certificate_names(number, _names(each.data))


def _names(extension: str) -> list[Hostname]:
    r"""Return the DNS names in a certificate's list of names: its bytes, the unprintable ones written as \x82."""
    raw = ESCAPE.sub(lambda at: chr(int(at[1], 16)) if at[1] else CONTROLS.get(at[2], at[2]), extension)
    return [Hostname(name[: ord(length)]) for length, name in DNS_NAME.findall(raw)]


def _cpes(it: Banner) -> list[str]:
    return [cpe for told in (it.cpe, it.cpe23) for cpe in ([told] if isinstance(told, str) else told)]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


@source.get("/dns/domain/{key}")
def dns_domain(asked: DomainName | Term, reply: Zone) -> Facts:
    """Sub-domains and DNS records of a domain: the first page, since each takes a query credit."""
    domain = DomainName(reply.domain)
    yield DOMAIN_NAME.each(domain, tags=reply.tags)
    yield hosts([_beneath(domain, each) for each in reply.subdomains])
    for each in reply.data:
        name, seen = _beneath(domain, each.subdomain), each.last_seen
        if each.type in {"A", "AAAA"}:
            yield RESOLVES.each(name, Address(each.value), last_resolved=seen, seen=seen)
        elif each.type == "CNAME":
            yield ALIAS_OF.each(name, Hostname(each.value), seen=seen)
        elif each.type == "MX":
            yield MAIL_SERVER.each(name, Hostname(each.value), seen=seen)
        elif each.type == "NS":
            yield NAME_SERVER.each(name, Hostname(each.value), seen=seen)


def _beneath(domain: DomainName, label: str) -> Hostname:
    return Hostname(f"{label}.{domain}") if label else domain


@source.get("/dns/resolve", {"hostnames": "{key}"})
def dns_resolve(asked: Hostname | Term, reply: dict[Hostname, Address | None]) -> Facts:
    """The address that a name has now."""
    found = {name: address for name, address in reply.items() if address}
    yield RESOLVES.each(list(found), list(found.values()))


@source.get("/dns/reverse", {"ips": "{key}"})
def dns_reverse(asked: Address | Term, reply: dict[Address, list[Hostname] | None]) -> Facts:
    """The names that an address is given by the DNS (PTR)."""
    for address, names in reply.items():
        yield RESOLVES.each(names or [], address)
