"""What relationships, sightings, notes and opinions say of the objects that they refer to.

A relationship of STIX's own is read by the types of its ends. One that has the name of one of our relationship types,
in lower case with hyphens (`connects-to`), for a label or for its type, is of that type where it joins its ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import msgspec

from intel_grapher.errors import BadValue
from intel_grapher.model import Fact, Facts, Kind, LeftOut, NodeRef, Relationship
from intel_grapher.schema import (
    ABOUT,
    ATTRIBUTED_TO,
    DETECTED_AS,
    DIGEST_BY,
    EMPLOYS,
    GROUP_ID,
    INDICATES,
    MALWARE_NAME,
    MITIGATES,
    MITIGATION_ID,
    NOTE_ID,
    RELATIONSHIPS,
    SOFTWARE_ID,
    SUBTECHNIQUE_OF,
    TECHNIQUE_ID,
    AnyNode,
    NoteId,
)
from intel_grapher.sources._ties import RULES, Thing, from_kind
from intel_grapher.sources.stix.contents import Contents, Named
from intel_grapher.sources.stix.observed import routed
from intel_grapher.sources.stix.shapes import Item

OWN = {each.type.lower().replace("_", "-"): each for each in RELATIONSHIPS.values()}
STEERED = {"beacons-to", "communicates-with", "downloads", "exfiltrates-to"}
"""What malware does with a host or URL that thereby serves or steers it."""
NO_PLACE = "a relationship that has no place in the graph"
# Relationships between threats: our type, and the kinds at its ends.
_BETWEEN: dict[str, tuple[Relationship[Any, Any], set[Kind[Any]], set[Kind[Any]]]] = {
    "uses": (EMPLOYS, {GROUP_ID, SOFTWARE_ID, MALWARE_NAME}, {TECHNIQUE_ID, SOFTWARE_ID, MALWARE_NAME}),
    "mitigates": (MITIGATES, {MITIGATION_ID}, {TECHNIQUE_ID}),
    "subtechnique-of": (SUBTECHNIQUE_OF, {TECHNIQUE_ID}, {TECHNIQUE_ID}),
}


def related(contents: Contents) -> Facts:
    """Yield what the relationships say."""
    unread = []
    for item in contents.of("relationship"):
        seen = {"first_seen": item.start_time, "last_seen": item.stop_time or item.start_time}
        facts = [_dated(each, {**seen, "confidence": item.confidence}) for each in _said(contents, item)]
        yield from facts
        ends_known = all(each in contents.by_id for each in (item.source_ref, item.target_ref))
        if not facts and ends_known and item.relationship_type != "based-on":
            unread.append(item.relationship_type)
    yield LeftOut(unread, [NO_PLACE] * len(unread))


def _said(contents: Contents, item: Item) -> Iterator[Fact]:
    starts, ends = contents.end(item.source_ref), contents.end(item.target_ref)
    how = item.relationship_type.lower()
    ours = [OWN[each] for each in item.labels if each in OWN]
    found = [each for type_ in ours for start, end in product(starts, ends) for each in _own(type_, start, end)]
    if not found:
        found = list(_threatening(how, starts, ends, contents.thing(item.source_ref), contents.thing(item.target_ref)))
    if not found and how == "belongs-to":
        found = [each for each in routed(starts, ends) if isinstance(each, Fact) and each.ends]
    if not found and how in RULES:
        found = list(RULES[how](contents.thing(item.source_ref), contents.thing(item.target_ref)))
    if not found and how in OWN:
        found = [each for start, end in product(starts, ends) for each in _own(OWN[how], start, end)]
    yield from found


def _threatening(how: str, starts: list[Named], ends: list[Named], one: Thing, other: Thing) -> Iterator[Fact]:
    """Yield what a relationship says of a threat, if it is of one."""
    if how in _BETWEEN:
        type_, from_, to = _BETWEEN[how]
        for start, end in product(starts, ends):
            if start.kind in from_ and end.kind in to:
                yield from_kind(type_, start.kind).each(start.value, end.value)
    elif how in {"indicates", "attributed-to"}:
        yield from _attributed(starts, ends)
    if how == "indicates":
        files = [each.value for each in starts if each.kind in DIGEST_BY.values()]
        for malware in other.malware:
            yield from _pairs(DETECTED_AS, files, malware)
            yield from _pairs(INDICATES, [*one.hosts, *one.links], malware)
    elif how in STEERED:
        for malware in one.malware:
            yield from _pairs(INDICATES, other.places, malware)


def _attributed(starts: list[Named], ends: list[Named]) -> Iterator[Fact]:
    """Yield which indicators a group is said to use."""
    for start, end in product(starts, ends):
        if end.kind is GROUP_ID and {*start.kind.labels} <= {*ATTRIBUTED_TO.start.labels}:
            yield from_kind(ATTRIBUTED_TO, start.kind).each(start.value, end.value)


def _pairs(type_: Relationship[Any, Any], starts: list[str], end: str) -> Iterator[Fact]:
    if starts:
        yield type_.each(starts, end)


def _own(type_: Relationship[Any, Any], start: Named, end: Named) -> Iterator[Fact]:
    """Yield a relationship of ours, if it joins labels that the ends may have."""
    if {*start.kind.labels} & {*type_.start.labels} and {*end.kind.labels} & {*type_.end.labels}:
        yield from_kind(type_, start.kind).each(start.value, end.value)


def _dated(fact: Fact, told: dict[str, Any]) -> Fact:
    names = fact.what.names
    return msgspec.structs.replace(
        fact,
        properties={**{name: value for name, value in told.items() if value is not None and name in names},
                    **fact.properties},
    )  # fmt: skip


def sampled(contents: Contents) -> Facts:
    """Yield which files are samples of malware."""
    for item in contents.of("malware"):
        files = [each.value for sample in item.sample_refs for each in contents.nodes(sample)]
        if item.name and files:
            yield DETECTED_AS.each(files, item.name)  # type: ignore[arg-type] # what is no digest is a reject


def dated(contents: Contents) -> Facts:
    """Yield when observed data and sightings say that their objects were seen."""
    for item in contents.of("observed-data"):
        yield from _seen(contents, item.object_refs, item.first_observed, item.last_observed)
    for item in contents.of("sighting"):
        first, last = item.first_seen, item.last_seen or item.first_seen
        yield from _seen(contents, [item.sighting_of_ref, *item.observed_data_refs], first, last)


def _seen(contents: Contents, references: list[str], first: str | None, last: str | None) -> Facts:
    for each in dict.fromkeys(other for one in references for other in contents.nodes(one)):
        yield each.kind.each(each.value, first_seen=first, last_seen=last)


def noted(contents: Contents) -> Facts:
    """Yield notes and opinions, and what they are about."""
    for item in contents.of("note", "opinion"):
        note = NoteId(f"stix:{item.id}")
        said = f"{item.opinion}: {item.explanation}".removesuffix(": ") if item.type == "opinion" else item.content
        text = "\n".join(filter(None, (item.abstract, said)))
        yield NOTE_ID.each(note, author=", ".join(item.authors) or None, text=text or None)
        yield ABOUT.each(note, [*_any_nodes(contents, item.object_refs)])


def _any_nodes(contents: Contents, references: list[str]) -> Iterator[AnyNode]:
    for kind, value in dict.fromkeys(other for each in references for other in contents.nodes(each)):
        try:
            label, key = kind.resolve(value)
        except BadValue:
            continue  # a reject where it is told of by itself
        yield AnyNode(str(NodeRef(label.name, key)))
