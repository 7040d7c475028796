"""GreyNoise: whether an address scans the whole internet, or belongs to a common service.

https://docs.greynoise.io: `noise` tells that it was seen to scan, `riot` that a known service runs it; `name` is then
its owner's or its actor's. The ports and vulnerabilities that are told of it are what it tries at others: they say
nothing of what it has itself, and are left out. The community's API is free; the others need a paid key.

Version 3 answers of an address and of a query in two parts: `internet_scanner_intelligence` (noise) and
`business_service_intelligence` (riot), each with `found`. Version 2 had a request for each, and ended on 2026-01-01:
its kept replies stay readable as `context`, `riot` and `gnql`.

Compared with https://docs.greynoise.io on 2026-11-26.
"""

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import (
    ADDRESS,
    ANNOUNCED_BY,
    OPERATED_BY,
    RESOLVES,
    Address,
    ASNumber,
    Hostname,
    OrganizationName,
    Term,
)
from intel_grapher.source import DAYS, ApiKey, Outcome, Rate, Source, Subject

PAID = "for paid keys only"
ENDED = "version 2 ended on 2026-01-01; ip says the same"


class Community(Struct):
    classification: str | None = None
    ip: Address = Address("")
    last_seen: str | None = None
    name: OrganizationName | None = None
    noise: bool = False
    riot: bool = False


class Metadata(Struct, frozen=True):
    asn: ASNumber | None = None
    country_code: str | None = None
    organization: OrganizationName | None = None
    rdns: Hostname | None = None
    tor: bool = False


class Context(Struct):
    classification: str | None = None
    first_seen: str | None = None
    ip: Address = Address("")
    last_seen: str | None = None
    metadata: Metadata = Metadata()
    tags: list[str] = []
    vpn: bool = False


class Tag(Struct):
    name: str = ""


class Whereabouts(Struct, frozen=True):
    asn: ASNumber | None = None
    organization: OrganizationName | None = None
    rdns: Hostname | None = None
    source_country_code: str | None = None


class Scanner(Struct, frozen=True):
    classification: str | None = None
    first_seen: str | None = None
    found: bool = False
    last_seen: str | None = None
    metadata: Whereabouts = Whereabouts()
    tags: list[Tag] = []
    tor: bool = False
    vpn: bool = False


class Service(Struct, frozen=True):
    category: str | None = None
    found: bool = False
    last_updated: str | None = None
    name: OrganizationName | None = None


class Lookup(Struct, rename={"scanner": "internet_scanner_intelligence", "service": "business_service_intelligence"}):
    ip: Address = Address("")
    scanner: Scanner = Scanner()
    service: Service = Service()


class Result(Context, rename={"scanner": "internet_scanner_intelligence", "service": "business_service_intelligence"}):
    """What a query found of one address: in version 2 a context, in version 3 two parts."""

    scanner: Scanner = Scanner()
    service: Service = Service()


class Query(Struct):
    data: list[Result] = []


class Riot(Struct):
    category: str | None = None
    ip: Address = Address("")
    last_updated: str | None = None
    name: OrganizationName | None = None
    riot: bool = False


def judge(reply: Community | Context | Lookup | Query | Riot) -> Outcome:
    """Tell an address that was never seen to scan, and is no service's, from the others."""
    if isinstance(reply, Lookup):
        return Outcome.FOUND if reply.scanner.found or reply.service.found else Outcome.NOT_FOUND
    if isinstance(reply, Community):
        return Outcome.FOUND if reply.noise or reply.riot else Outcome.NOT_FOUND
    if isinstance(reply, Riot):
        return Outcome.FOUND if reply.riot else Outcome.NOT_FOUND
    return Outcome.FOUND


source = Source(
    "greynoise",
    title="GreyNoise",
    home="https://api.greynoise.io",
    limits=(Rate(1), Rate(50, per=7 * DAYS)),
    key=ApiKey("GREYNOISE_API_KEY", header="key", required=False, free="/ping"),
    judge=judge,
    terms="the community's API is for non-commercial use",
    status="answers (2026-11)",
    subjects=(Subject("ip"),),
)


@source.get("/v3/community/{key}")
def community(asked: Address | Term, reply: Community) -> Facts:
    """Whether an address scans the internet or is a common service's, and whose it is."""
    tags = [name for name, holds in (("noise", reply.noise), ("riot", reply.riot)) if holds]
    yield ADDRESS.each(reply.ip, classification=reply.classification, tags=tags, last_seen=reply.last_seen)
    if reply.name:
        yield OPERATED_BY.each(reply.ip, reply.name, last_seen=reply.last_seen)


@source.get("/v3/ip/{key}", kept_only=PAID)
def ip(asked: Address | Term, reply: Lookup) -> Facts:
    """Classification, tags, network, name and common service of an address."""
    yield from _looked_up(reply)


@source.get("/v2/noise/context/{key}", kept_only=ENDED)
def context(asked: Address | Term, reply: Context) -> Facts:
    """Classification, tags, network and name of an address that scans the internet."""
    yield from _scanner(reply)


@source.get("/v3/gnql", {"query": "{key}"}, kept_only=PAID)
def gnql(asked: Term, reply: Query) -> Facts:
    """What a query found: classification, tags, networks and names of addresses that scan the internet."""
    for each in reply.data:
        yield from _looked_up(each) if each.scanner.found or each.service.found else _scanner(each)


def _scanner(it: Context) -> Facts:
    told, seen = it.metadata, {"first_seen": it.first_seen, "last_seen": it.last_seen}
    tags = [*it.tags, *(name for name, holds in (("vpn", it.vpn), ("tor", told.tor)) if holds)]
    yield ADDRESS.each(it.ip, classification=it.classification, country=told.country_code, tags=tags, **seen)
    if told.asn:
        yield ANNOUNCED_BY.each(it.ip, told.asn, **seen)
    if told.organization:
        yield OPERATED_BY.each(it.ip, told.organization, **seen)
    if told.rdns:
        yield RESOLVES.each(told.rdns, it.ip, **seen)


def _looked_up(it: Lookup | Result) -> Facts:
    known, service, where = it.scanner, it.service, it.scanner.metadata
    if known.found:
        seen = {"first_seen": known.first_seen, "last_seen": known.last_seen}
        marks = (("noise", True), ("vpn", known.vpn), ("tor", known.tor))
        tags = [*(each.name for each in known.tags), *(name for name, holds in marks if holds)]
        country = where.source_country_code
        yield ADDRESS.each(it.ip, classification=known.classification, country=country, tags=tags, **seen)
        if where.asn:
            yield ANNOUNCED_BY.each(it.ip, where.asn, **seen)
        if where.organization:
            yield OPERATED_BY.each(it.ip, where.organization, **seen)
        if where.rdns:
            yield RESOLVES.each(where.rdns, it.ip, **seen)
    if service.found:
        tags = ["riot", *([service.category] if service.category else [])]
        yield ADDRESS.each(it.ip, tags=tags, last_seen=service.last_updated)
        if service.name:
            yield OPERATED_BY.each(it.ip, service.name, last_seen=service.last_updated)


@source.get("/v2/riot/{key}", kept_only=ENDED)
def riot(asked: Address | Term, reply: Riot) -> Facts:
    """The common service that an address belongs to."""
    yield ADDRESS.each(reply.ip, tags=[each for each in (reply.category,) if each], last_seen=reply.last_updated)
    if reply.name:
        yield OPERATED_BY.each(reply.ip, reply.name, last_seen=reply.last_updated)
