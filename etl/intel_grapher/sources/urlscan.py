"""urlscan.io: pages that its browser visited, where they led, and what answered for them.

https://docs.urlscan.io: a search finds visits (`task` is what was asked for, `page` where the browser ended up); a
visit's result has every request that the page made, with the address that answered and the SHA-256 of what it gave.
Only public visits are found. A next page is asked for by the last visit's `sort`: milliseconds and id.
"""

from collections.abc import Mapping

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import (
    ADDRESS,
    ANNOUNCED_BY,
    AS_NUMBER,
    DELIVERS,
    LINK,
    ON,
    REDIRECTS_TO,
    REFERENCE,
    REPORTED_IN,
    RESOLVES,
    Address,
    ASNumber,
    Digest,
    Hostname,
    Link,
    Reference,
    Term,
    on_hosts,
)
from intel_grapher.source import DAYS, MINUTES, ApiKey, Outcome, Rate, Source

PAGE = {"size": "100"}


class Task(Struct):
    url: Link
    uuid: str
    tags: list[str] = []
    time: str | None = None


class Page(Struct, frozen=True):
    asn: ASNumber | None = None
    asnname: str | None = None
    country: str | None = None
    domain: Hostname | None = None
    ip: Address | None = None
    url: Link | None = None


class Overall(Struct, frozen=True):
    malicious: bool = False


class Verdicts(Struct, frozen=True):
    malicious: bool = False
    overall: Overall = Overall()


class Visit(Struct):
    task: Task
    page: Page = Page()
    sort: list[int | str] = []
    verdicts: Verdicts = Verdicts()


class Search(Struct):
    has_more: bool = False
    results: list[Visit] = []


class Asked(Struct):
    url: Link


class Sent(Struct):
    request: Asked


class Transfer(Struct, frozen=True, rename={"remote_address": "remoteIPAddress"}):
    remote_address: Address | None = None


class Got(Struct, frozen=True):
    hash: Digest | None = None
    response: Transfer = Transfer()


class Exchange(Struct):
    request: Sent
    response: Got = Got()


class Traffic(Struct, frozen=True):
    requests: list[Exchange] = []


class Result(Struct):
    data: Traffic = Traffic()
    page: Page = Page()
    task: Task | None = None
    verdicts: Verdicts = Verdicts()


def next_page(reply: Search) -> Mapping[str, str] | None:
    """Return what stands for the last visit of a page."""
    return {"search_after": ",".join(map(str, reply.results[-1].sort))} if reply.has_more and reply.results else None


def judge(reply: Search | Result) -> Outcome:
    """Tell a search that found something, and a visit that took place, from the others."""
    found = reply.results if isinstance(reply, Search) else reply.task
    return Outcome.FOUND if found else Outcome.NOT_FOUND


source = Source(
    "urlscan",
    title="urlscan.io",
    home="https://urlscan.io/api/v1",
    limits=(Rate(30, per=MINUTES), Rate(1000, per=DAYS)),
    key=ApiKey("URLSCAN_API_KEY", header="API-Key"),
    judge=judge,
    terms="not to be mirrored wholesale; what a URL tells of a person is to be taken out",
    status="answers (2026-11)",
)


@source.get("/search/", {"q": 'domain:"{key}"', **PAGE}, more=next_page)
def search(asked: Hostname | Term, reply: Search) -> Facts:
    """Visits to pages that asked a name for something: where they led, and what answered."""
    for each in reply.results:
        yield from _visit(each.task, each.page, each.verdicts)


@source.get("/search/", {"q": 'ip:"{key}"', **PAGE}, more=next_page)
def search_ip(asked: Address, reply: Search) -> Facts:
    """Visits to pages that asked an address for something."""
    yield from search(Term(asked), reply)


@source.get("/search/", {"q": 'hash:"{key}"', **PAGE}, more=next_page)
def search_hash(asked: Digest, reply: Search) -> Facts:
    """Visits to pages that were given a file."""
    yield from search(Term(asked), reply)


@source.get("/result/{key}/", kept_only="asked for by a visit's id")
def result(asked: Term, reply: Result) -> Facts:
    """A visit to a page: where it led, every URL it asked for, what answered and what it gave."""
    if reply.task is None:
        return
    yield from _visit(reply.task, reply.page, reply.verdicts)
    requests, seen = reply.data.requests, reply.task.time
    links = [each.request.request.url for each in requests]
    yield on_hosts(links)
    yield REPORTED_IN.each(links, _reference(reply.task), seen=seen)
    for each in requests:
        url, answer = each.request.request.url, each.response
        if answer.response.remote_address:
            yield ON.each(url, answer.response.remote_address, seen=seen)
        if answer.hash:
            yield DELIVERS.each(url, answer.hash, seen=seen)


def _visit(task: Task, page: Page, verdicts: Verdicts) -> Facts:
    seen, end = task.time, page.url or task.url
    malicious = ["malicious"] if verdicts.malicious or verdicts.overall.malicious else []
    yield LINK.each([task.url, end], tags=[*task.tags, *malicious], seen=seen)
    yield on_hosts([task.url, end])
    if end != task.url:
        yield REDIRECTS_TO.each(task.url, end, seen=seen)
    yield REPORTED_IN.each([task.url, end], _reference(task), seen=seen)
    yield REFERENCE.each(_reference(task), created=seen)
    if page.ip:
        yield ADDRESS.each(page.ip, country=page.country)
        yield ON.each(end, page.ip, seen=seen)
        if page.domain:
            yield RESOLVES.each(page.domain, page.ip, last_resolved=seen, seen=seen)
        if page.asn:
            yield ANNOUNCED_BY.each(page.ip, page.asn, seen=seen)
            yield AS_NUMBER.each(page.asn, name=page.asnname)


def _reference(task: Task) -> Reference:
    return Reference(f"urlscan:{task.uuid}")
