"""urlscan.io: pages that its browser visited, where they led, and what answered for them.

https://docs.urlscan.io: a search finds visits (`task` is what was asked for, `page` where the browser ended up); a
visit's result has every request that the page made, with the address that answered and the SHA-256 of what it gave. A
request that was redirected has the answers on the way, each as `redirectResponse` of the request that it led to. A
verdict's brands are names in one place and objects in another. Only public visits are found. A next page is asked for
by the last visit's `sort`: milliseconds and id. Looked at on 2026-11-26, in stored copies: the reference of the Result
API, of 2024-01-08, and the changelog, to 2025-09-09. The answers within `data.requests` are the browser's own, and it
says that they may change: they and `sort` are known from replies.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

from intel_grapher.errors import BadValue
from intel_grapher.model import Facts
from intel_grapher.schema import (
    ADDRESS,
    ANNOUNCED_BY,
    AS_NUMBER,
    ASSOCIATED,
    CIDR,
    CIDR_RANGE,
    DELIVERS,
    IN_NETWORK,
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
    ptr: Hostname | None = None
    title: str | None = None
    url: Link | None = None


class Brand(Struct, frozen=True):
    name: str | None = None


Brands = list[Brand | str]


class Verdict(Struct, frozen=True):
    malicious: bool = False
    brands: Brands = []


class Verdicts(Struct, frozen=True):
    malicious: bool = False
    overall: Verdict = Verdict()
    urlscan: Verdict = Verdict()

    @property
    def bad(self) -> bool:
        """Tell whether the visit is held for malicious."""
        return self.malicious or self.overall.malicious or self.urlscan.malicious


class Visit(Struct):
    task: Task
    page: Page = Page()
    sort: list[int | str] = []
    verdicts: Verdicts = Verdicts()
    brand: Brands | None = None

    @property
    def brands(self) -> list[str]:
        """Return the brands that the page imitates."""
        return _named(self.brand or [], self.verdicts)


class Search(Struct):
    has_more: bool = False
    results: list[Visit] | None = None


class Asked(Struct):
    url: Link


class Transfer(Struct, frozen=True, rename={"remote_address": "remoteIPAddress"}):
    url: Link | None = None
    remote_address: Address | None = None


class Sent(Struct, rename={"redirect": "redirectResponse"}):
    """A request; `redirect` is the answer to the one before it, which led to it."""

    request: Asked
    redirect: Transfer | None = None


class System(Struct, frozen=True):
    """The AS and the route of an address."""

    ip: Address | None = None
    asn: ASNumber | None = None
    country: str | None = None
    description: str | None = None
    route: CIDR | None = None


class Got(Struct, frozen=True):
    hash: Digest | None = None
    response: Transfer = Transfer()
    asn: System | None = None


class Exchange(Struct):
    request: Sent
    requests: list[Sent] = []
    response: Got = Got()


class Traffic(Struct, frozen=True):
    requests: list[Exchange] = []


class Systems(Struct, frozen=True):
    data: list[System] = []


class Place(Struct, frozen=True):
    country: str | None = None


class Located(Struct, frozen=True):
    ip: Address
    geoip: Place = Place()


class Places(Struct, frozen=True):
    data: list[Located] = []


class Pointer(Struct, frozen=True):
    ip: Address
    ptr: Hostname


class Pointers(Struct, frozen=True):
    data: list[Pointer] = []


class Processors(Struct, frozen=True):
    asn: Systems = Systems()
    geoip: Places = Places()
    rdns: Pointers = Pointers()


class Meta(Struct, frozen=True):
    processors: Processors = Processors()


class Result(Struct):
    data: Traffic = Traffic()
    meta: Meta = Meta()
    page: Page = Page()
    task: Task | None = None
    verdicts: Verdicts = Verdicts()


def next_page(reply: Search) -> Mapping[str, str] | None:
    """Return what stands for the last visit of a page."""
    return {"search_after": ",".join(map(str, reply.results[-1].sort))} if reply.has_more and reply.results else None


def judge(reply: Search | Result) -> Outcome:
    """Tell a search that found something, and a visit that took place, from the others and from an error."""
    if isinstance(reply, Result):
        return Outcome.FOUND if reply.task else Outcome.NOT_FOUND
    if reply.results is None:
        return Outcome.FAILED
    return Outcome.FOUND if reply.results else Outcome.NOT_FOUND


source = Source(
    "urlscan",
    title="urlscan.io",
    home="https://urlscan.io/api/v1",
    limits=(Rate(30, per=MINUTES), Rate(1000, per=DAYS)),
    key=ApiKey("URLSCAN_API_KEY", header="API-Key", free="/quotas"),
    judge=judge,
    terms="not to be mirrored wholesale; what a URL tells of a person is to be taken out",
    status="answers (2026-11)",
)


@source.get("/search/", {"q": 'domain:"{key}"', **PAGE}, more=next_page)
def search(asked: Hostname | Term, reply: Search) -> Facts:
    """Visits to pages that asked a name for something: where they led, and what answered."""
    visits = reply.results or []
    for each in visits:
        yield from _visit(each.task, each.page, each.verdicts, each.brands)
    yield from _described([(each.task, each.page) for each in visits])


@source.get("/search/", {"q": 'ip:"{key}"', **PAGE}, more=next_page)
def search_ip(asked: Address, reply: Search) -> Facts:
    """Visits to pages that asked an address for something."""
    yield from search(Term(asked), reply)


@source.get("/search/", {"q": 'hash:"{key}"', **PAGE}, more=next_page)
def search_hash(asked: Digest, reply: Search) -> Facts:
    """Visits to pages that were given a file."""
    yield from search(Term(asked), reply)
    visits = reply.results or []
    yield ASSOCIATED.each(
        [each.page.url or each.task.url for each in visits], asked, seen=[each.task.time for each in visits]
    )


@source.get("/result/{key}/", kept_only="asked for by a visit's id")
def result(asked: Term, reply: Result) -> Facts:
    """A visit to a page: where it led, every URL it asked for, what answered and what it gave, the routes there."""
    if reply.task is None:
        return
    yield from _visit(reply.task, reply.page, reply.verdicts, _named([], reply.verdicts))
    seen = reply.task.time
    for each in reply.data.requests:
        yield from _exchanged(each, _reference(reply.task), seen)
    yield from _located(reply.meta.processors, seen)
    answering = [each.response.asn for each in reply.data.requests if each.response.asn]
    systems = {each.ip: each for each in (*answering, *reply.meta.processors.asn.data) if each.ip}
    yield from _routed(systems.values(), seen)
    numbers = {f"AS{each.asn.upper().removeprefix('AS')}" for each in systems.values() if each.asn and each.description}
    located = {each.ip for each in reply.meta.processors.geoip.data if each.geoip.country}
    yield from _described([(reply.task, reply.page)], besides=numbers | located)


def _visit(task: Task, page: Page, verdicts: Verdicts, brands: list[str]) -> Facts:
    seen, end = task.time, page.url or task.url
    malicious = ["malicious"] if verdicts.bad else []
    yield LINK.each([task.url, end], tags=[*task.tags, *malicious], seen=seen)
    yield LINK.each(end, brands=brands)
    yield on_hosts([task.url, end])
    yield from _redirected(task.url, end, seen)
    yield REPORTED_IN.each([task.url, end], _reference(task), seen=seen)
    yield REFERENCE.each(_reference(task), created=seen)
    if page.ip:
        yield ON.each(end, page.ip, seen=seen)
        for name in (page.domain, page.ptr):
            if name:
                yield RESOLVES.each(name, page.ip, last_resolved=seen, seen=seen)
        if page.asn:
            yield ANNOUNCED_BY.each(page.ip, page.asn, seen=seen)


def _described(visits: Sequence[tuple[Task, Page]], besides: Collection[str] = ()) -> Facts:
    """Yield the titles of pages, the countries of addresses and the names of AS; of several, what the last visit saw.

    `besides` are addresses and AS of which the reply says more in another place.
    """
    titles, countries, names = {}, {}, {}
    for task, page in sorted(visits, key=lambda visit: visit[0].time or ""):
        titles[page.url or task.url] = page.title
        if page.ip and page.ip not in besides:
            countries[page.ip] = page.country
        if page.asn and page.asn not in besides:
            names[page.asn] = page.asnname
    yield LINK.each(list(titles), title=list(titles.values()))
    yield ADDRESS.each(list(countries), country=list(countries.values()))
    yield AS_NUMBER.each(list(names), name=list(names.values()))


def _redirected(link: Link, end: Link, seen: str | None) -> Facts:
    """Yield that a URL leads to another: not to itself, which a browser only spells otherwise."""
    with suppress(BadValue):
        if LINK.canonical(link) != LINK.canonical(end):
            yield REDIRECTS_TO.each(link, end, seen=seen)


def _exchanged(exchange: Exchange, reference: Reference, seen: str | None) -> Facts:
    """Yield what a request and those that led to it tell, and what answered each."""
    link, got = exchange.request.request.url, exchange.response
    answers = [(link, got.response.remote_address)]
    for hop in (*exchange.requests, exchange.request):
        if hop.redirect and hop.redirect.url:
            answers.append((hop.redirect.url, hop.redirect.remote_address))
            yield from _redirected(hop.redirect.url, hop.request.url, seen)
    links = list(dict.fromkeys(each for each, _ in answers))
    yield on_hosts(links)
    yield REPORTED_IN.each(links, reference, seen=seen)
    known = [(each, address) for each, address in dict.fromkeys(answers) if address]
    yield ON.each([each for each, _ in known], [address for _, address in known], seen=seen)
    if got.hash:
        yield DELIVERS.each(link, got.hash, seen=seen)


def _located(processors: Processors, seen: str | None) -> Facts:
    places, pointers = processors.geoip.data, processors.rdns.data
    yield ADDRESS.each([each.ip for each in places], country=[each.geoip.country for each in places])
    yield RESOLVES.each([each.ptr for each in pointers], [each.ip for each in pointers], last_resolved=seen, seen=seen)


def _routed(systems: Iterable[System], seen: str | None) -> Facts:
    for each in systems:
        if each.ip and each.route:
            yield IN_NETWORK.each(each.ip, each.route, seen=seen)
            yield CIDR_RANGE.each(each.route, country=each.country)
        if each.asn:
            yield AS_NUMBER.each(each.asn, name=each.description)
            ends: list[Address | CIDR] = [end for end in (each.ip, each.route) if end]
            yield ANNOUNCED_BY.each(ends, each.asn, seen=seen)


def _named(brands: Brands, verdicts: Verdicts) -> list[str]:
    """Return the names of brands; those that are keys (paypal) where another place has names (PayPal) are dropped."""
    told = [*brands, *verdicts.urlscan.brands]
    whole = [each.name for each in told if isinstance(each, Brand) and each.name]
    keys = [each for each in (*told, *verdicts.overall.brands) if isinstance(each, str)]
    return list(dict.fromkeys(whole or keys))


def _reference(task: Task) -> Reference:
    return Reference(f"urlscan:{task.uuid}")
