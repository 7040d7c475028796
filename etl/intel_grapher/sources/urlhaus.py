"""URLhaus by abuse.ch: URLs that give malware, and what they gave.

https://urlhaus-api.abuse.ch: forms are posted, with a free Auth-Key; numbers come as texts, timestamps end in UTC. The
lists that it offers for download come in by `cache add`: CSV with # before its header, or JSON by number. A file has
its imphash, ssdeep and TLSH in both answers that describe it. Looked at on 2026-11-26: descriptions of that page by
others (publicapi.dev, PSURLhaus, which shows whole answers, and the wiki of TundraSoft/tundra-connect of 2026-10-02 for
`query_status`); no copy of the page itself was found. The downloads are known from the lists themselves.
"""

from collections.abc import Sequence

from msgspec import Struct

from intel_grapher.model import Fact, Facts
from intel_grapher.schema import (
    ADDRESS,
    ANNOUNCED_BY,
    DELIVERS,
    DETECTED_AS,
    DIGEST,
    LINK,
    ON,
    REPORTED_IN,
    RESOLVES,
    Address,
    ASNumber,
    Digest,
    Hostname,
    Link,
    MalwareName,
    Reference,
    Term,
    on_hosts,
    same_file,
)
from intel_grapher.source import ApiKey, Outcome, Rate, Source, Subject
from intel_grapher.sources._rows import is_prose, rows

NOTHING = {"no_results", "invalid_sha256_hash", "invalid_md5_hash"}  # it knows no file by another digest
MD5 = 32  # hex digits


class Listed(Struct):
    url: Link
    url_status: str | None = None
    date_added: str | None = None
    urlhaus_reference: Reference | None = None
    tags: list[str] | None = None


class Reply(Struct):
    query_status: str = ""


class Urls(Reply):
    urlhaus_reference: Reference | None = None
    urls: list[Listed] = []


class Payload(Struct):
    response_sha256: Digest
    response_md5: Digest | None = None
    response_size: int | None = None
    file_type: str | None = None
    filename: str | None = None
    imphash: str | None = None
    ssdeep: str | None = None
    tlsh: str | None = None
    signature: MalwareName | None = None
    firstseen: str | None = None


class Url(Reply):
    url: Link = Link("")
    url_status: str | None = None
    date_added: str | None = None
    urlhaus_reference: Reference | None = None
    tags: list[str] | None = None
    payloads: list[Payload] | None = None


class Given(Struct):
    url: Link
    url_status: str | None = None
    urlhaus_reference: Reference | None = None
    filename: str | None = None
    firstseen: str | None = None
    lastseen: str | None = None


class File(Reply):
    sha256_hash: Digest = Digest("")
    md5_hash: Digest | None = None
    file_size: int | None = None
    file_type: str | None = None
    imphash: str | None = None
    ssdeep: str | None = None
    tlsh: str | None = None
    signature: MalwareName | None = None
    firstseen: str | None = None
    lastseen: str | None = None
    urls: list[Given] | None = None


class Dumped(Struct):
    url: Link
    url_status: str | None = None
    dateadded: str | None = None
    urlhaus_link: Reference | None = None
    tags: list[str] | None = None


def judge(reply: Reply | dict[str, list[Dumped]] | str) -> Outcome:
    """Tell an answer by its query_status, a list by whether it has a row."""
    if isinstance(reply, Reply):
        held = {"ok": Outcome.FOUND, **dict.fromkeys(NOTHING, Outcome.NOT_FOUND)}
        return held.get(reply.query_status, Outcome.FAILED)
    if isinstance(reply, str):
        if reply.lstrip().startswith("<") or is_prose(reply):
            return Outcome.FAILED
        return Outcome.FOUND if next(rows(reply), None) else Outcome.NOT_FOUND
    return Outcome.FOUND if reply else Outcome.NOT_FOUND


source = Source(
    "urlhaus",
    title="URLhaus",
    home="https://urlhaus-api.abuse.ch/v1",
    limits=(Rate(1),),
    key=ApiKey("ABUSECH_AUTH_KEY", header="Auth-Key"),
    judge=judge,
    terms="fair use; commercial use by licence",
    status="answers (2026-11)",
    subjects=(Subject("host"), Subject("url"), Subject("sha256_hash", sure=False)),
)


def _listed(
    urls: Sequence[Link],
    statuses: Sequence[str | None],
    tags: Sequence[list[str] | None],
    references: Sequence[Reference | None],
    seen: Sequence[str | None],
) -> Facts:
    """Yield what a list of URLs tells: their state, tags, hosts, and the pages that report them."""
    yield LINK.each(urls, tags=[each or [] for each in tags])
    yield _states(urls, statuses, seen)
    yield on_hosts(urls)
    reported = [each for each in zip(urls, references, seen, strict=True) if each[1]]
    yield REPORTED_IN.each(
        [url for url, _, _ in reported],
        [reference for _, reference, _ in reported if reference],
        seen=[when for _, _, when in reported],
    )


def _states(urls: Sequence[Link], statuses: Sequence[str | None], seen: Sequence[str | None]) -> Fact:
    """Return the state of each URL; where it is listed more than once, the newest."""
    rows = sorted(zip(urls, statuses, seen, strict=True), key=lambda row: row[2] or "")
    newest = {url: status for url, status, _ in rows if status}
    return LINK.each(list(newest), status=list(newest.values()))


@source.post("/host/", form={"host": "{key}"})
def host(asked: Hostname | Address, reply: Urls) -> Facts:
    """URLs of a host that give malware, and the page that reports the host."""
    yield from _urls(reply)
    if reply.urlhaus_reference:
        yield REPORTED_IN.each(asked, reply.urlhaus_reference)


@source.post("/urls/recent/", kept_only="it is asked for no indicator")
def urls_recent(asked: Term, reply: Urls) -> Facts:
    """The newest URLs that give malware."""
    yield from _urls(reply)


def _urls(reply: Urls) -> Facts:
    return _listed(
        [each.url for each in reply.urls],
        [each.url_status for each in reply.urls],
        [each.tags for each in reply.urls],
        [each.urlhaus_reference for each in reply.urls],
        [each.date_added for each in reply.urls],
    )


@source.post("/url/", form={"url": "{key}"})
def url(asked: Link, reply: Url) -> Facts:
    """A URL's state, and the files that it gave."""
    yield from _listed([reply.url], [reply.url_status], [reply.tags], [reply.urlhaus_reference], [reply.date_added])
    for each in reply.payloads or []:
        yield DELIVERS.each(reply.url, each.response_sha256, seen=each.firstseen)
        names = [name for name in (each.filename,) if name]
        yield DIGEST.each(
            each.response_sha256,
            size=each.response_size,
            file_type=each.file_type,
            names=names,
            imphash=each.imphash,
            ssdeep=each.ssdeep,
            tlsh=each.tlsh,
        )
        yield from _file(each.response_sha256, each.response_md5, each.signature, each.firstseen, each.firstseen)


@source.post("/payload/", form=lambda key: {"md5_hash" if len(key) == MD5 else "sha256_hash": "{key}"})
def payload(asked: Digest, reply: File) -> Facts:
    """A file's digests and name of malware, and the URLs that gave it."""
    given = reply.urls or []
    names = [each.filename for each in given if each.filename]
    yield DIGEST.each(
        reply.sha256_hash,
        size=reply.file_size,
        file_type=reply.file_type,
        names=names,
        imphash=reply.imphash,
        ssdeep=reply.ssdeep,
        tlsh=reply.tlsh,
    )
    yield from _file(reply.sha256_hash, reply.md5_hash, reply.signature, reply.firstseen, reply.lastseen)
    urls = [each.url for each in given]
    first, last = [each.firstseen for each in given], [each.lastseen or each.firstseen for each in given]
    yield DELIVERS.each(urls, reply.sha256_hash, first_seen=first, last_seen=last)
    yield from _listed(
        urls,
        [each.url_status for each in given],
        [None] * len(given),
        [each.urlhaus_reference for each in given],
        first,
    )


def _file(
    sha256: Digest, md5: Digest | None, signature: MalwareName | None, first: str | None, last: str | None
) -> Facts:
    yield same_file(sha256, md5)
    if signature:
        yield DETECTED_AS.each(sha256, signature, first_seen=first, last_seen=last or first)


# --- lists for download -----------------------------------------------------------------------------------------------

BY_ADDING = "lists are brought in with `cache add`"


@source.get("/json_recent/", kept_only=BY_ADDING, also=("json", "json_online"))
def json_recent(asked: Term, reply: dict[str, list[Dumped]]) -> Facts:
    """A list of URLs that give malware, as JSON."""
    listed = [each for entries in reply.values() for each in entries]
    yield from _listed(
        [each.url for each in listed],
        [each.url_status for each in listed],
        [each.tags for each in listed],
        [each.urlhaus_link for each in listed],
        [each.dateadded for each in listed],
    )


@source.get("/csv_recent/", kept_only=BY_ADDING, format="text", also=("csv", "csv_online"))
def csv_recent(asked: Term, reply: str) -> Facts:
    """A list of URLs that give malware, as CSV."""
    known = []
    for line, cells in rows(reply):
        match cells:
            case [_, added, link, status, _, _, tags, page, _] | [_, added, link, status, _, tags, page, _]:
                known.append((Link(link), status, tags.split(","), Reference(page), added))
            case _:
                yield LINK.each(Link(line))  # is no URL: what it is, the rejects tell
    if known:
        yield from _listed(*map(list, zip(*known, strict=True)))


@source.get("/feeds/country/{key}/", kept_only=BY_ADDING, format="text", also=("feeds_asn", "feeds_tld"))
def feeds_country(asked: Term, reply: str) -> Facts:
    """URLs of a country, an AS or a top-level domain that give malware, as CSV, with addresses and their AS."""
    known = []
    for line, cells in rows(reply):
        if len(cells) == len(("added", "url", "status", "threat", "host", "address", "as", "country")):
            known.append(cells)
        else:
            yield LINK.each(Link(line))
    added, urls, statuses, threats, hosts, addresses, numbers, countries = (
        zip(*known, strict=True) if known else [()] * 8
    )
    yield LINK.each([Link(each) for each in urls], tags=[[each] for each in threats])
    yield _states([Link(each) for each in urls], list(statuses), list(added))
    yield ON.each([Link(each) for each in urls], [Hostname(each) for each in hosts], seen=list(added))
    yield ADDRESS.each([Address(each) for each in addresses], country=list(countries))
    yield ANNOUNCED_BY.each(
        [Address(each) for each in addresses], [ASNumber(each) for each in numbers], seen=list(added)
    )
    named = [each for each in zip(hosts, addresses, added, strict=True) if each[0] != each[1]]
    yield RESOLVES.each(
        [Hostname(name) for name, _, _ in named],
        [Address(address) for _, address, _ in named],
        last_resolved=[when for _, _, when in named],
        seen=[when for _, _, when in named],
    )
