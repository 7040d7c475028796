"""What two things are to each other, by a word that a report has for it: MISP's references, STIX's relationships.

Both things say what they are: a file, a host, a URL, a name of malware; and the same word means one thing between a
file and a URL, and another between two files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any, NamedTuple

from intel_grapher.errors import SourceError
from intel_grapher.model import Fact, Kind, Relationship
from intel_grapher.schema import (
    ASSOCIATED,
    CONNECTS_TO,
    CONTACTS,
    CONTAINS,
    DELIVERS,
    DETECTED_AS,
    DIGEST,
    DROPS,
    EXECUTES,
    INDICATES,
    REDIRECTS_TO,
    RESOLVES,
)


class Thing(NamedTuple):
    """What one of the two is: a file by its longest digest."""

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


@cache
def from_kind(type_: Relationship[Any, Any], kind: Kind[Any]) -> Relationship[Any, Any]:
    """Return a type for raw strings of one kind at its start, where all of the kind's labels can be there."""
    try:
        return type_.starting(kind)
    except SourceError:
        return type_


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
