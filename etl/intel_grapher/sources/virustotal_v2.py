"""VirusTotal v2: reports on domains, addresses, files and URLs. Version 3 took its place; kept replies serve on.

https://docs.virustotal.com/v2.0/reference: response_code is 1 for an answer, 0 for none. Files seen with a host come in
six lists: `communicating` ones contact it, `downloaded` ones came from it, `referrer` ones hold it; `detected` and
`undetected` only tell whether an engine calls them malicious. A URL that none does is a list: the URL, its SHA-256, how
many do, of how many, when. Dates are UTC without saying so.
"""

from itertools import chain

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
    HOSTNAME,
    HOSTS,
    IN_NETWORK,
    LINK,
    RESOLVES,
    Address,
    ASNumber,
    Digest,
    Hostname,
    Link,
    MalwareName,
    SubdomainName,
    Term,
    on_hosts,
    registrable,
    same_file,
)
from intel_grapher.source import Outcome, Source
from intel_grapher.sources.virustotal.objects import registration


class Sample(Struct):
    sha256: Digest
    positives: int | None = None
    date: str | None = None


class DetectedUrl(Struct):
    url: Link
    positives: int | None = None
    scan_date: str | None = None


class HostReport(Struct):
    response_code: int = -1
    detected_communicating_samples: list[Sample] = []
    detected_downloaded_samples: list[Sample] = []
    detected_referrer_samples: list[Sample] = []
    detected_urls: list[DetectedUrl] = []
    undetected_communicating_samples: list[Sample] = []
    undetected_downloaded_samples: list[Sample] = []
    undetected_referrer_samples: list[Sample] = []
    undetected_urls: list[tuple[Link, str, int, int, str]] = []


class DomainResolution(Struct):
    ip_address: Address
    last_resolved: str | None = None


class DomainReport(HostReport):
    categories: list[str] = []
    domain_siblings: list[SubdomainName] = []
    resolutions: list[DomainResolution] = []
    subdomains: list[SubdomainName] = []
    whois: str = ""
    whois_timestamp: int | None = None


class AddressResolution(Struct):
    hostname: Hostname
    last_resolved: str | None = None


class AddressReport(HostReport):
    as_owner: str | None = None
    asn: int | None = None
    country: str | None = None
    network: CIDR | None = None
    resolutions: list[AddressResolution] = []


class Scan(Struct):
    detected: bool = False
    result: MalwareName | None = None


class FileReport(Struct):
    response_code: int = -1
    md5: Digest | None = None
    positives: int | None = None
    scan_date: str | None = None
    scans: dict[str, Scan] = {}
    sha1: Digest | None = None
    sha256: Digest = Digest("")


class UrlReport(Struct):
    response_code: int = -1
    positives: int | None = None
    scan_date: str | None = None
    url: Link = Link("")


source = Source(
    "virustotal_v2",
    title="VirusTotal v2",
    home="https://www.virustotal.com/vtapi/v2",
    limits=(),
    judge=lambda reply: {1: Outcome.FOUND, 0: Outcome.NOT_FOUND}.get(reply.response_code, Outcome.FAILED),
    retired="in favour of v3: ask the source virustotal",
    terms="a public key was not for commercial products or services, nor for business workflows",
)


@source.get("/domain/report", {"domain": "{key}"}, also=("domain_report_notfound", "domain"))
def domain_report(asked: Hostname, reply: DomainReport) -> Facts:
    """Addresses, sub-domains, registration, files and URLs of a domain."""
    seen = [each.last_resolved for each in reply.resolutions]
    yield HOSTNAME.each(asked, tags=reply.categories)
    yield RESOLVES.each(asked, [each.ip_address for each in reply.resolutions], last_resolved=seen, seen=seen)
    yield HOSTS.each(registrable(asked), [*reply.subdomains, *reply.domain_siblings])
    record = (line.partition(": ")[::2] for line in reply.whois.splitlines())
    yield from registration(asked, record, seen=reply.whois_timestamp)
    yield from _files_and_urls(asked, reply)


@source.get("/ip-address/report", {"ip": "{key}"}, also=("ip_report", "ip"))
def ip_address_report(asked: Address, reply: AddressReport) -> Facts:
    """Names, network, files and URLs of an address."""
    seen = [each.last_resolved for each in reply.resolutions]
    yield ADDRESS.each(asked, country=reply.country)
    yield RESOLVES.each([each.hostname for each in reply.resolutions], asked, last_resolved=seen, seen=seen)
    if reply.network:
        yield IN_NETWORK.each(asked, reply.network)
    if reply.asn:
        number = ASNumber(f"AS{reply.asn}")
        yield ANNOUNCED_BY.each(asked, number)
        yield AS_NUMBER.each(number, name=reply.as_owner)
    yield from _files_and_urls(asked, reply)


def _files_and_urls(host: Hostname | Address, reply: HostReport) -> Facts:
    contacting = reply.detected_communicating_samples + reply.undetected_communicating_samples
    downloaded = reply.detected_downloaded_samples + reply.undetected_downloaded_samples
    holding = reply.detected_referrer_samples + reply.undetected_referrer_samples
    seen = [each.date for each in contacting]
    yield CONTACTS.each([each.sha256 for each in contacting], host, seen=seen)
    seen = [each.date for each in chain(downloaded, holding)]
    yield ASSOCIATED.each(host, [each.sha256 for each in chain(downloaded, holding)], seen=seen)
    scans = sorted(contacting + downloaded + holding, key=lambda each: each.date or "")
    newest = {each.sha256: each.positives for each in scans}  # the last of a file's scans, which stand in several lists
    yield DIGEST.each(list(newest), malicious=list(newest.values()))
    urls = [(each.url, each.positives, each.scan_date) for each in reply.detected_urls]
    urls += [(url, positives, date) for url, _, positives, _, date in reply.undetected_urls]
    links = [url for url, _, _ in urls]
    yield LINK.each(links, malicious=[count for _, count, _ in urls], seen=[date for _, _, date in urls])
    yield on_hosts(links)


@source.get("/file/report", {"resource": "{key}"}, also=("file",))
def file_report(asked: Digest | Term, reply: FileReport) -> Facts:
    """A file's digests and what the engines call it."""
    yield DIGEST.each(reply.sha256, malicious=reply.positives)
    yield same_file(reply.md5, reply.sha1, reply.sha256)
    called = [each.result for each in reply.scans.values() if each.detected and each.result]
    yield DETECTED_AS.each(reply.sha256, called, seen=reply.scan_date)


@source.get("/url/report", {"resource": "{key}"}, also=("url",))
def url_report(asked: Link | Term, reply: UrlReport) -> Facts:
    """How many engines call a URL malicious, and its host."""
    yield LINK.each(reply.url, malicious=reply.positives, seen=reply.scan_date)
    yield on_hosts([reply.url])
