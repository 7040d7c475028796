"""VirusTotal v2: reports on domains, addresses, files and URLs. Version 3 took its place; kept replies serve on.

https://docs.virustotal.com/v2.0/reference: response_code is 1 for an answer, 0 for none. Files seen with a host come in
six lists: `communicating` ones contact it, `downloaded` ones came from it, `referrer` ones hold it; `detected` and
`undetected` only tell whether an engine calls them malicious. A URL that none does is a list: the URL, its SHA-256, how
many do, of how many, when. Dates are UTC without saying so. Files and URLs may be asked for many at once: the reply is
then a list of reports. A URL's `filescan_id` begins with the SHA-256 of the file that it gave. A host's lists name one
URL or file several times: the newest scan counts.

Captures, vendors' categories and ranks are left out.

The reference was not found on 2026-11-26, but for its title page. Compared that day with a client of v2
(Genbox/VirusTotalNet: reports of a domain, a file and a URL) and with an address's reply in the tests of STIX-Shifter.
"""

from collections.abc import Generator, Iterable
from itertools import chain
from typing import Any, TypeVar

from msgspec import Struct

from intel_grapher.model import Fact, Facts
from intel_grapher.schema import (
    ADDRESS,
    ANNOUNCED_BY,
    AS_NUMBER,
    ASSOCIATED,
    CIDR,
    CONTACTS,
    DELIVERS,
    DETECTED_AS,
    DIGEST,
    HOSTNAME,
    IN_NETWORK,
    LINK,
    ON,
    RESOLVES,
    Address,
    ASNumber,
    Digest,
    Hostname,
    Link,
    MalwareName,
    SubdomainName,
    Term,
    hosts,
    on_hosts,
    same_file,
)
from intel_grapher.source import Outcome, Source, Subject
from intel_grapher.sources._whois import domain_name, pairs, registration

FOUND, NOT_FOUND = 1, 0
Report = TypeVar("Report", "FileReport", "UrlReport")


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
    first_seen: str | None = None
    md5: Digest | None = None
    positives: int | None = None
    scan_date: str | None = None
    scans: dict[str, Scan] = {}
    sha1: Digest | None = None
    sha256: Digest = Digest("")
    size: int | None = None
    ssdeep: str | None = None
    submission_names: list[str] = []
    tags: list[str] = []
    type: str | None = None


class UrlReport(Struct):
    response_code: int = -1
    filescan_id: str | None = None
    positives: int | None = None
    scan_date: str | None = None
    url: Link = Link("")


def judge(reply: Any) -> Outcome:  # noqa: ANN401 - any of the replies
    """Tell by the code in the reply, in a list by that of any report."""
    codes = {each.response_code for each in reply} if isinstance(reply, list) else {reply.response_code}
    if codes & {FOUND}:
        return Outcome.FOUND
    return Outcome.NOT_FOUND if codes <= {NOT_FOUND} else Outcome.FAILED


source = Source(
    "virustotal_v2",
    title="VirusTotal v2",
    home="https://www.virustotal.com/vtapi/v2",
    limits=(),
    judge=judge,
    retired="in favour of v3: ask the source virustotal",
    terms="a public key was not for commercial products or services, nor for business workflows",
    subjects=(
        Subject("url"),
        Subject("whois", lambda record: domain_name(pairs(record)), sure=False),
        Subject("sha256", sure=False),
        Subject("md5", sure=False),
    ),
)


@source.get("/domain/report", {"domain": "{key}"}, also=("domain_report_notfound", "domain"))
def domain_report(asked: Hostname, reply: DomainReport) -> Facts:
    """Addresses, sub-domains, registration, files and URLs of a domain."""
    seen = [each.last_resolved for each in reply.resolutions]
    yield HOSTNAME.each(asked, tags=reply.categories)
    yield RESOLVES.each(asked, [each.ip_address for each in reply.resolutions], last_resolved=seen, seen=seen)
    yield hosts([*reply.subdomains, *reply.domain_siblings])
    yield from registration(asked, pairs(reply.whois), seen=reply.whois_timestamp)
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
    links = yield from _files_and_urls(asked, reply)
    yield ON.each(links, asked)


def _files_and_urls(host: Hostname | Address, reply: HostReport) -> Generator[Fact, None, list[Link]]:
    """Yield the facts of a host's files and URLs; return the URLs."""
    contacting = reply.detected_communicating_samples + reply.undetected_communicating_samples
    downloaded = reply.detected_downloaded_samples + reply.undetected_downloaded_samples
    holding = reply.detected_referrer_samples + reply.undetected_referrer_samples
    seen = [each.date for each in contacting]
    yield CONTACTS.each([each.sha256 for each in contacting], host, seen=seen)
    seen = [each.date for each in chain(downloaded, holding)]
    yield ASSOCIATED.each(host, [each.sha256 for each in chain(downloaded, holding)], seen=seen)
    samples = _newest((each.sha256.lower(), each.positives, each.date) for each in contacting + downloaded + holding)
    yield DIGEST.each([Digest(each) for each in samples], malicious=list(samples.values()))
    urls = [(each.url, each.positives, each.scan_date) for each in reply.detected_urls]
    urls += [(url, positives, date) for url, _, positives, _, date in reply.undetected_urls]
    links = [url for url, _, _ in urls]
    verdicts = _newest((_plain(url), positives, date) for url, positives, date in urls)
    yield LINK.each([Link(each) for each in verdicts], malicious=list(verdicts.values()))
    yield LINK.each(links, seen=[date for _, _, date in urls])
    yield on_hosts(links)
    return links


def _newest(scans: Iterable[tuple[str, int | None, str | None]]) -> dict[str, int | None]:
    """Return how many engines call each thing malicious by its newest scan; scans without a date are the oldest."""
    return {name: positives for name, positives, _ in sorted(scans, key=lambda each: each[2] or "")}


def _plain(url: Link) -> str:
    """Return a URL in its canonical form, for two spellings are one; itself where it has none: a reject tells."""
    try:
        return LINK.canonical(url)
    except ValueError:
        return url


@source.get("/file/report", {"resource": "{key}"}, also=("file",))
def file_report(asked: Digest | Term, reply: FileReport | list[FileReport]) -> Facts:
    """A file's digests and what the engines call it; of several files where several were asked for."""
    for each in _found(reply):
        yield DIGEST.each(
            each.sha256,
            malicious=each.positives,
            size=each.size,
            file_type=each.type,
            names=each.submission_names,
            ssdeep=each.ssdeep,
            tags=each.tags,
            first_seen=each.first_seen,
        )
        yield same_file(each.md5, each.sha1, each.sha256)
        called = [scan.result for scan in each.scans.values() if scan.detected and scan.result]
        yield DETECTED_AS.each(each.sha256, called, seen=each.scan_date)


@source.get("/url/report", {"resource": "{key}"}, also=("url",))
def url_report(asked: Link | Term, reply: UrlReport | list[UrlReport]) -> Facts:
    """How many engines call a URL malicious, its host and the file that it gave; of several URLs, too."""
    for each in _found(reply):
        yield LINK.each(each.url, malicious=each.positives, seen=each.scan_date)
        yield on_hosts([each.url])
        if each.filescan_id:
            yield DELIVERS.each(each.url, Digest(each.filescan_id.partition("-")[0]))


def _found(reply: Report | list[Report]) -> list[Report]:
    """Return the reports that found something."""
    return [each for each in (reply if isinstance(reply, list) else [reply]) if each.response_code == FOUND]
