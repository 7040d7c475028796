"""An analyst's rulings on facts: entries that are undone, nodes and relationships taken out, nodes that are one.

They are entries of the raw cache under the source `analyst`, and work on whatever the sources tell, now and later: what
is taken out stays out, however often a source tells it again, until the ruling is undone. They are applied where the
transform groups its staged facts (`etl/intel_grapher/transform/merge.py`), and cost nothing where there are none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from intel_grapher import schema
from intel_grapher.cache import Cache, Segment
from intel_grapher.cache.envelope import Envelope
from intel_grapher.files import Group
from intel_grapher.model import NodeRef

T = TypeVar("T")
SOURCE: Final = "analyst"
ENDPOINTS: Final = frozenset({"take_out", "undo"})
"""Those whose entries give no facts, and so have no mapping."""


class Body(msgspec.Struct, frozen=True):
    """What the entries say that rulings are made of; each has some of these members."""

    author: str = ""
    node: NodeRef | None = None
    start: NodeRef | None = None
    type: str = ""
    end: NodeRef | None = None
    one: NodeRef | None = None
    other: NodeRef | None = None
    undoes: str = ""


@dataclass(frozen=True)
class Rulings:
    """What holds: ids of undone entries; nodes and relationships that are out; for each node that is another, which."""

    undone: frozenset[str] = frozenset()
    nodes_out: frozenset[tuple[str, str]] = frozenset()
    relationships_out: frozenset[tuple[str, str, str]] = frozenset()  # group, start, end
    same: dict[tuple[str, str], str] = field(default_factory=dict)

    def keys(self, label: str) -> set[str]:
        """Return the keys of a label's nodes that are named in what holds."""
        ends = [(Group.parse(name), start, end) for name, start, end in self.relationships_out]
        return (
            {key for of, key in self.nodes_out if of == label}
            | {each for (of, key), one in self.same.items() if of == label for each in (key, one)}
            | {start for group, start, _ in ends if group.start == label}
            | {end for group, _, end in ends if group.end == label}
        )


def rulings(cache: Cache, until: int | None = None) -> Rulings:
    """Return what the analyst's entries rule; of those made until a moment, in epoch seconds, where one is given."""
    entries = [
        (entry.key, endpoint, body)
        for entry, endpoint, body in read(cache, Body)
        if until is None or entry.epoch <= until
    ]
    if not entries:
        return Rulings()
    undone = _undone({name: body.undoes for name, endpoint, body in entries if endpoint == "undo"})
    valid = [(endpoint, body) for name, endpoint, body in entries if name not in undone]
    out = [body for endpoint, body in valid if endpoint == "take_out"]
    ends = [(body.start, body.type, body.end) for body in out if body.start and body.end]
    same = {
        (body.other.label, body.other.key): body.one.key
        for endpoint, body in valid
        if endpoint == "same_as" and body.one and body.other and body.one != body.other
    }
    return Rulings(
        undone,
        frozenset((each.node.label, each.node.key) for each in out if each.node),
        frozenset(each for start, type_, end in ends for each in _relationship(start, type_, end)),
        _resolved(same),
    )


def given(segment: Segment) -> bool:
    """Tell whether a segment's entries are asked for facts: rulings are not."""
    return not (segment.source == SOURCE and segment.endpoint in ENDPOINTS)


def read(cache: Cache, type_: type[T]) -> Iterator[tuple[Envelope, str, T]]:
    """Yield the analyst's entries whose bodies are of a type: each, its endpoint, its body.

    What is damaged is passed over: the transform counts it.
    """
    for segment in cache.segments():
        if segment.source != SOURCE:
            continue
        for entry in segment.envelopes(lambda _damage: None):
            try:
                body = msgspec.json.decode(entry.content, type=type_)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
            yield entry, segment.endpoint, body


def _undone(undoes: dict[str, str]) -> frozenset[str]:
    """Return the ids that are undone. An undo that is undone itself undoes nothing."""
    undone_by: dict[str, list[str]] = {}
    for name, target in undoes.items():
        undone_by.setdefault(target, []).append(name)

    def is_undone(name: str, passed: frozenset[str]) -> bool:
        if name in passed:
            return False
        return any(not is_undone(each, passed | {name}) for each in undone_by.get(name, []))

    return frozenset(name for name in undone_by if is_undone(name, frozenset()))


def _relationship(start: NodeRef, type_: str, end: NodeRef) -> Iterator[tuple[str, str, str]]:
    known = schema.RELATIONSHIPS.get(type_)
    if known is not None:
        one, other = (start, end) if not known.both_ways or start.key <= end.key else (end, start)
        yield str(Group(one.label, type_, other.label)), one.key, other.key


def _resolved(same: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """Follow chains of nodes that are one to their end; the lesser key stands for a ring."""
    found = {}
    for label, key in same:
        passed = [key]
        while (next_ := same.get((label, passed[-1]))) is not None and next_ not in passed:
            passed.append(next_)
        ring = passed[passed.index(next_) :] if next_ in passed else passed[-1:]
        one = min(ring)
        if one != key:
            found[label, key] = one
    return found
