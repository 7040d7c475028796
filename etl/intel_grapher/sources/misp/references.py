"""What objects and attributes of an event are to each other, by the references between them.

https://github.com/MISP/misp-objects/blob/main/relationships/definition.json. A reference goes from the object that has
it to another object or attribute. Both say what they are: a file, a host, a URL, a name of malware, an actor; and the
same word means one thing between a file and a URL, and another between two files. What no rule here takes is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

from intel_grapher.model import Fact, Facts, Relationship
from intel_grapher.schema import (
    ADDRESS,
    ASSOCIATED,
    CONNECTS_TO,
    CONTACTS,
    CONTAINS,
    DELIVERS,
    DETECTED_AS,
    DIGEST,
    DIGEST_BY,
    DROPS,
    EXECUTES,
    HOSTNAME,
    INDICATES,
    LINK,
    REDIRECTS_TO,
    RESOLVES,
)
from intel_grapher.sources.misp.attributes import named
from intel_grapher.sources.misp.objects import digests, signatures
from intel_grapher.sources.misp.shapes import Attribute, Object


class Thing(NamedTuple):
    """What an object or an attribute is, for those that refer to it: a file by its longest digest."""

    file: list[str] = []
    names: list[str] = []
    addresses: list[str] = []
    links: list[str] = []
    malware: list[str] = []
    imphash: str | None = None

    @property
    def hosts(self) -> list[str]:
        """Return its names and addresses."""
        return [*self.names, *self.addresses]

    @property
    def places(self) -> list[str]:
        """Return where it is: its URLs, or else its names and addresses."""
        return self.links or self.hosts


# Which relations of an object say where it is; of others, names, addresses that are a destination, and URLs.
PLACES: dict[str, tuple[str, ...]] = {
    "dns-record": ("queried-domain",),
    "passive-dns": ("rrname",),
    "whois": ("domain", "ip-address"),
    "network-connection": ("hostname-dst", "ip-dst"),
    "network-socket": ("hostname-dst", "ip-dst"),
    "network-traffic": ("dst_hostname", "dst_ip"),
    "netflow": ("ip-dst",),
    "ip-port": ("domain", "hostname", "ip", "ip-dst"),
    "domain-ip": ("domain", "hostname", "ip"),
    "email": (),
    "x509": (),
    "user-account": (),
    "twitter-account": (),
}


def thing(one: Object | Attribute) -> Thing:
    """Return what an object or an attribute is."""
    if isinstance(one, Attribute):
        found = list(named(one))
        malware: list[str] = []
    else:
        relations = PLACES.get(one.name)
        told = [each for each in one.attributes if relations is None or each.object_relation in relations]
        skip = "ip-src" if relations is None and one.name != "c2-list" else ""
        found = [each for own in told if own.type != skip for each in named(own, one)]
        malware = [*signatures(one)]
    of = {kind: [each.value for each in found if each.kind is kind] for kind in (HOSTNAME, ADDRESS, LINK)}
    files = (
        digests(one)[:1]
        if isinstance(one, Object)
        else [each.value for each in found if each.kind in DIGEST_BY.values()]
    )
    imphash = one.first("imphash") if isinstance(one, Object) and one.name == "pe" else None
    return Thing([*files], of[HOSTNAME], of[ADDRESS], of[LINK], malware, imphash)


Rule = Callable[[Thing, Thing], Iterator[Fact]]


def _pairs(type_: Relationship[Any, Any], starts: list[str], ends: list[str]) -> Iterator[Fact]:
    pairs = list(product(starts, ends))
    if pairs:
        yield type_.each([start for start, _ in pairs], [end for _, end in pairs])


def _contacts(one: Thing, other: Thing) -> Iterator[Fact]:
    if one.file:
        yield from _pairs(CONTACTS, one.file, [*other.links, *other.hosts])
    elif other.file:
        yield from _pairs(CONTACTS, other.file, one.places)
    elif not one.links and len(one.hosts) == 1 and len(other.hosts) == 1:
        yield from _pairs(CONNECTS_TO, one.hosts, other.hosts)


def _downloads(one: Thing, other: Thing) -> Iterator[Fact]:
    """Yield that `one` fetched `other`, or gave it."""
    if one.file and other.file:
        yield from _pairs(DROPS, one.file, other.file)
    elif one.file:
        yield from _pairs(CONTACTS, one.file, other.places)
    elif one.links:
        yield from _pairs(DELIVERS, one.links, other.file)
    else:
        yield from _pairs(ASSOCIATED, one.hosts, other.file)


def _drops(one: Thing, other: Thing) -> Iterator[Fact]:
    if one.file:
        yield from _pairs(DROPS, one.file, other.file)
    else:
        yield from _downloads(one, other)


def _contains(one: Thing, other: Thing) -> Iterator[Fact]:
    if one.file and other.file:
        yield from _pairs(CONTAINS, one.file, other.file)
    elif one.file and other.imphash:
        yield DIGEST.each(one.file, imphash=other.imphash)  # type: ignore[arg-type]
    elif one.file:
        yield from _pairs(ASSOCIATED, other.places, one.file)


def _resolves(one: Thing, other: Thing) -> Iterator[Fact]:
    names, addresses = (one.names, other.addresses) if one.names else (other.names, one.addresses)
    if len(names) == 1 or len(addresses) == 1:
        yield from _pairs(RESOLVES, names, addresses)


def _detected(one: Thing, other: Thing) -> Iterator[Fact]:
    if one.file:
        yield from _pairs(DETECTED_AS, one.file, other.malware)
    else:
        yield from _pairs(INDICATES, one.places, other.malware)


def _together(one: Thing, other: Thing) -> Iterator[Fact]:
    """Yield that a file has been seen with a host or a URL, whichever way the reference goes."""
    yield from _pairs(ASSOCIATED, other.places if one.file else one.places, one.file or other.file)


def _executes(one: Thing, other: Thing) -> Iterator[Fact]:
    yield from _pairs(EXECUTES, one.file, other.file)


def _redirects(one: Thing, other: Thing) -> Iterator[Fact]:
    yield from _pairs(REDIRECTS_TO, one.links, other.links)


def _back(rule: Rule) -> Rule:
    return lambda one, other: rule(other, one)


_GIVEN: Rule = _back(_downloads)
RULES: dict[str, Rule] = {
    **dict.fromkeys(("connected-to", "connects-to", "communicates-with", "beacons-to", "exfiltrates-to"), _contacts),
    **dict.fromkeys(("contacts", "contacted"), _contacts),
    "connected-from": _back(_contacts),
    **dict.fromkeys(("downloaded", "downloads", "delivers", "serves", "hosts"), _downloads),
    **dict.fromkeys(("downloaded-from", "retrieved-from", "delivered-by", "hosted-on", "hosted-by"), _GIVEN),
    **dict.fromkeys(("drops", "dropped", "writes", "creates"), _drops),
    **dict.fromkeys(("dropped-by", "created-by"), _back(_drops)),
    **dict.fromkeys(("contains", "includes"), _contains),
    **dict.fromkeys(("extracted-from", "included-in", "contained-by", "contained-in", "found-in"), _back(_contains)),
    "contained-within": _back(_contains),
    **dict.fromkeys(("executes", "executed", "runs"), _executes),
    **dict.fromkeys(("executed-by", "run-by"), _back(_executes)),
    **dict.fromkeys(("resolved-to", "resolves-to"), _resolves),
    "redirects-to": _redirects,
    **dict.fromkeys(("detected-as", "indicates"), _detected),
    "indicated-by": _back(_detected),
    **dict.fromkeys(("uses", "used-by", "related-to", "associated-with"), _together),
}


def referring(one: Object, how: str, other: Object | Attribute) -> Facts:
    """Yield what a reference says."""
    rule = RULES.get(how.lower())
    if rule is not None:
        yield from rule(thing(one), thing(other))
