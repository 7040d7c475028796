"""GreyNoise: whether an address scans the whole internet, or belongs to a common service.

https://docs.greynoise.io: `noise` tells that it was seen to scan, `riot` that a known service runs it; `name` is then
its owner's or its actor's. The ports and vulnerabilities that are told of it are what it tries at others: they say
nothing of what it has itself, and are left out. The community's API is free; the others need a paid key.
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
from intel_grapher.source import DAYS, ApiKey, Outcome, Rate, Source

PAID = "for paid keys only"


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


class Query(Struct):
    data: list[Context] = []


class Riot(Struct):
    category: str | None = None
    ip: Address = Address("")
    last_updated: str | None = None
    name: OrganizationName | None = None
    riot: bool = False


def judge(reply: Community | Context | Query | Riot) -> Outcome:
    """Tell an address that was never seen to scan, and is no service's, from the others."""
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
    key=ApiKey("GREYNOISE_API_KEY", header="key", required=False),
    judge=judge,
    terms="the community's API is for non-commercial use",
    status="answers (2026-11)",
)


@source.get("/v3/community/{key}")
def community(asked: Address | Term, reply: Community) -> Facts:
    """Whether an address scans the internet or is a common service's, and whose it is."""
    tags = [name for name, holds in (("noise", reply.noise), ("riot", reply.riot)) if holds]
    yield ADDRESS.each(reply.ip, classification=reply.classification, tags=tags, last_seen=reply.last_seen)
    if reply.name:
        yield OPERATED_BY.each(reply.ip, reply.name, last_seen=reply.last_seen)


@source.get("/v2/noise/context/{key}", kept_only=PAID)
def context(asked: Address | Term, reply: Context) -> Facts:
    """Classification, tags, network and name of an address that scans the internet."""
    yield from _scanner(reply)


@source.get("/v2/experimental/gnql", {"query": "{key}"}, kept_only=PAID)
def gnql(asked: Term, reply: Query) -> Facts:
    """What a query found: classification, tags, networks and names of addresses that scan the internet."""
    for each in reply.data:
        yield from _scanner(each)


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


@source.get("/v2/riot/{key}", kept_only=PAID)
def riot(asked: Address | Term, reply: Riot) -> Facts:
    """The common service that an address belongs to."""
    yield ADDRESS.each(reply.ip, tags=[each for each in (reply.category,) if each], last_seen=reply.last_updated)
    if reply.name:
        yield OPERATED_BY.each(reply.ip, reply.name, last_seen=reply.last_updated)
