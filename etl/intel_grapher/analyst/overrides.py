"""What the entries of a cache change of other facts: entries undone, nodes and relationships out, nodes that are one.

Overrides hold for whatever sources say, now and later: a node that is taken out stays out, however often a source names
it again, until the entry is undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from intel_grapher import schema
from intel_grapher.analyst.entries import (
    SOURCE,
    WITHOUT_FACTS,
    AnalystEntry,
    NodeEntry,
    NoteEntry,
    RelationshipEntry,
    ReviewEntry,
    SameAsEntry,
    TagEntry,
    TakeOutEntry,
    UndoEntry,
    VerdictEntry,
    encode,
    read,
)
from intel_grapher.cache import Cache, Segment
from intel_grapher.cache.envelope import Envelope
from intel_grapher.errors import BadValue
from intel_grapher.files import Group
from intel_grapher.model import NodeRef

RelationshipRef = tuple[NodeRef, str, NodeRef]
_NOTE = schema.NOTE_ID.labels[0].name
_REPORTS = ("reports", "document")  # the source and the endpoint that keep them
_MENTION = schema.MENTION_ID.labels[0].name


class RefusedEntry(NamedTuple):
    """An entry that must not be applied: its variant's tag, its id, the body, and a fixed phrase that says why."""

    what: str
    id: str
    body: bytes
    reason: str


@dataclass(frozen=True)
class Overrides:
    """What the valid entries of a cache override.

    `undone` are the ids of entries that give nothing any more: those that were undone, and the reviews of reports that
    were taken back. `relationships_out` are (name of the group, key of the
    start, key of the end). `same` maps a node that was merged into another of its label to that one's key. `stale`
    are the nodes and the relationships of which a database that is only added to may hold what no longer holds; it is
    what `load.Retraction` takes. `refused` are the overriding entries that were passed over.
    """

    undone: frozenset[str] = frozenset()
    nodes_out: frozenset[NodeRef] = frozenset()
    relationships_out: frozenset[tuple[str, str, str]] = frozenset()
    same: dict[NodeRef, str] = field(default_factory=dict)
    stale: tuple[frozenset[NodeRef], frozenset[RelationshipRef]] = frozenset(), frozenset()
    refused: tuple[RefusedEntry, ...] = ()
    outdated: dict[str, frozenset[str]] = field(default_factory=dict)

    def counted(self, reply: Envelope) -> Envelope | None:
        """Return what of a reply counts: None of an undone entry, of a review what no newer one says otherwise."""
        if reply.source != SOURCE:
            return reply
        if reply.key in self.undone:
            return None
        outdated = self.outdated.get(reply.key)
        if outdated is None:
            return reply
        review = msgspec.json.decode(reply.content, type=ReviewEntry).checked()
        decisions = tuple(each for each in review.decisions if each.indicator not in outdated)
        body = msgspec.Raw(encode(msgspec.structs.replace(review, decisions=decisions)))
        return msgspec.structs.replace(reply, body=body, text=msgspec.UNSET, base64=msgspec.UNSET)

    @property
    def entry_inputs(self) -> object:
        """Return what the facts of entries depend on besides themselves."""
        return sorted(self.undone), sorted((id_, sorted(names)) for id_, names in self.outdated.items())

    def keys(self, label: str) -> set[str]:
        """Return the keys of a label's nodes that the overrides name."""
        ends = [(Group.parse(name), start, end) for name, start, end in self.relationships_out]
        return (
            {node.key for node in self.nodes_out if node.label == label}
            | {key for node, one in self.same.items() if node.label == label for key in (node.key, one)}
            | {start for group, start, _ in ends if group.start == label}
            | {end for group, _, end in ends if group.end == label}
        )


def overrides_of(cache: Cache, until: int | None = None) -> Overrides:
    """Return what the entries of a cache override; of those alone that were made by `until` (epoch seconds)."""
    refused: list[RefusedEntry] = []
    found: list[tuple[int, str, str, AnalystEntry]] = []
    for reply, what in replies(cache):
        if until is not None and reply.epoch > until:
            continue
        try:
            found.append((reply.epoch, reply.key, what, read(what, reply.content)))
        except BadValue as bad:
            if what in WITHOUT_FACTS:
                refused.append(RefusedEntry(what, reply.key, reply.content, bad.reason))
    # By time and id, so that the result does not depend on the order in which the cache has them: the newest wins.
    entries = [(id_, entry) for _, id_, _, entry in sorted(found, key=lambda row: row[:3])]
    undone = _undone((id_, entry.undoes) for id_, entry in entries if isinstance(entry, UndoEntry))
    undone |= _taken_back(cache, [(id_, entry) for id_, entry in entries if isinstance(entry, ReviewEntry)])
    valid = [entry for id_, entry in entries if id_ not in undone]
    out = [entry for entry in valid if isinstance(entry, TakeOutEntry)]
    same = [entry for entry in valid if isinstance(entry, SameAsEntry)]
    reviews = [(id_, entry) for id_, entry in entries if isinstance(entry, ReviewEntry)]
    outdated, reviewed = _reviewed([each for each in reviews if each[0] not in undone])
    return Overrides(
        undone,
        frozenset(entry.node for entry in out if entry.node) | reviewed,
        frozenset(_relationship(entry.start, entry.type, entry.end) for entry in out if entry.start and entry.end),
        _survivors({entry.other: entry.one.key for entry in same}),
        _stale(entries, undone, outdated),
        tuple(entry for entry in refused if entry.id not in undone),
        outdated,
    )


def decisions_of(cache: Cache) -> dict[tuple[str, str], str]:
    """Return what the reviews of a cache decide: by report and indicator, the state."""
    undone = overrides_of(cache).undone
    found: dict[tuple[str, str], str] = {}
    rows = [(reply.epoch, reply.key, reply.content) for reply, what in replies(cache) if what == "review"]
    for _, id_, body in sorted(rows, key=lambda row: row[:2]):
        try:
            entry = read("review", body)
        except BadValue:
            continue
        if id_ not in undone and isinstance(entry, ReviewEntry):
            found |= {(entry.report, each.indicator): each.state for each in entry.decisions}
    return found


def _taken_back(cache: Cache, reviews: Iterable[tuple[str, ReviewEntry]]) -> frozenset[str]:
    """Return the ids of the reviews whose report was taken back: what it mentions is reported no more.

    A review of a report that the cache never had, as a colleague's may be, counts.
    """
    if not cache.marks:
        return frozenset()
    gone: dict[str, bool] = {}
    for _, entry in reviews:
        if entry.report not in gone:
            asked = (entry.report.removeprefix(f"{_REPORTS[0]}:"), *_REPORTS)
            gone[entry.report] = bool(cache.taken_back(*asked)) and not cache.history(*asked)
    return frozenset(id_ for id_, entry in reviews if gone[entry.report])


def _reviewed(reviews: Iterable[tuple[str, ReviewEntry]]) -> tuple[dict[str, frozenset[str]], frozenset[NodeRef]]:
    """Return what newer reviews say otherwise, by the older one's id, and the mentions that are none any more."""
    newest: dict[tuple[str, str], str] = {}
    open_: set[tuple[str, str]] = set()
    older: dict[str, set[str]] = {}
    for id_, entry in reviews:
        for each in entry.decisions:
            mention = entry.report, each.indicator
            if mention in newest:
                older.setdefault(newest[mention], set()).add(each.indicator)
            newest[mention] = id_
            (open_.add if each.state == "left" else open_.discard)(mention)
    return (
        {id_: frozenset(indicators) for id_, indicators in older.items()},
        frozenset(_mention(*mention) for mention in newest if mention not in open_),
    )


def _mention(report: str, indicator: str) -> NodeRef:
    return NodeRef(_MENTION, f"{report}#{indicator}")


def gives_facts(segment: Segment) -> bool:
    """Tell whether a segment's replies are mapped to facts: entries that only override are not."""
    return not (segment.source == SOURCE and segment.endpoint in WITHOUT_FACTS)


def replies(cache: Cache) -> Iterator[tuple[Envelope, str]]:
    """Yield each of the analysts' replies in a cache with its endpoint. Damaged ones are passed over."""
    for segment in cache.segments():
        if segment.source == SOURCE:
            for reply in cache.replies(segment):
                yield reply, segment.endpoint


def _stale(
    entries: Iterable[tuple[str, AnalystEntry]], undone: frozenset[str], outdated: dict[str, frozenset[str]]
) -> tuple[frozenset[NodeRef], frozenset[RelationshipRef]]:
    """Return what entries in force take out, both nodes of a `same_as`, and what undone entries told of."""
    nodes: set[NodeRef] = set()
    relationships: set[RelationshipRef] = set()
    for id_, entry in entries:
        if isinstance(entry, RelationshipEntry | TakeOutEntry) and entry.start and entry.end:
            if id_ in undone or isinstance(entry, TakeOutEntry):
                relationships.add((entry.start, entry.type, entry.end))
                if schema.RELATIONSHIPS[entry.type].both_ways:
                    relationships.add((entry.end, entry.type, entry.start))
        elif isinstance(entry, TakeOutEntry | SameAsEntry) or (id_ in undone and isinstance(entry, NodeEntry)):
            nodes |= set(entry.nodes)
        if isinstance(entry, ReviewEntry):
            nodes |= {_mention(entry.report, each.indicator) for each in entry.decisions}
            for each in entry.decisions:
                if each.state == "accepted" and (id_ in undone or each.indicator in outdated.get(id_, ())):
                    stated, tie = _stated(each.indicator, entry.nodes[0])
                    nodes |= stated
                    relationships.add(tie)
        if id_ in undone and isinstance(entry, NoteEntry | TagEntry | VerdictEntry | SameAsEntry):
            note = NodeRef(_NOTE, id_)
            nodes.add(note)
            relationships |= {(note, schema.ABOUT.type, node) for node in entry.nodes}
    return frozenset(nodes), frozenset(relationships)


def _stated(indicator: str, report: NodeRef) -> tuple[set[NodeRef], RelationshipRef]:
    """Return the nodes that accepting an indicator adds, and its relationship to the report."""
    label, key = schema.REPORTED.resolve(indicator)
    node = NodeRef(label.name, key)
    nodes = {node}
    if label in schema.LINK.labels or label in schema.SERVICE_NAME.labels:
        host = urlsplit(key).hostname if label in schema.LINK.labels else key.rpartition(":")[0].strip("[]")
        with suppress(BadValue):
            on, name = schema.HOST.resolve(host or "")
            nodes.add(NodeRef(on.name, name))
    return nodes, (node, schema.ACCEPTED.type, report)


def _undone(undoes: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the ids of undone entries, where `undoes` are pairs of an undoing entry's id and the id that it undoes.

    An undo that is itself undone undoes nothing. In a ring of undos, which the page never makes, the one that is looked
    at first stands: ids are taken in their order.
    """
    undone_by: dict[str, list[str]] = {}
    for id_, target in sorted(set(undoes)):
        undone_by.setdefault(target, []).append(id_)
    known: dict[str, bool] = {}
    for name in sorted(undone_by):
        path = [name]
        while path:
            top = path[-1]
            known.setdefault(top, False)  # while its own undoers are looked at: a ring ends here
            waiting = [each for each in undone_by.get(top, []) if each not in known]
            if waiting:
                path.append(waiting[0])
                continue
            known[top] = any(not known[each] for each in undone_by.get(top, []))
            path.pop()
    return frozenset(name for name in undone_by if known[name])


def _relationship(start: NodeRef, type_: str, end: NodeRef) -> tuple[str, str, str]:
    """Return a relationship as the flat files name it: those without a direction have the lesser key first."""
    if schema.RELATIONSHIPS[type_].both_ways and start.key > end.key:
        start, end = end, start
    return str(Group(start.label, type_, end.label)), start.key, end.key


def _survivors(same: dict[NodeRef, str]) -> dict[NodeRef, str]:
    """Follow chains of merged nodes to the last one; of a ring, the node with the least key survives."""
    found = {}
    for node in same:
        chain = [node.key]
        while (next_ := same.get(NodeRef(node.label, chain[-1]))) is not None and next_ not in chain:
            chain.append(next_)
        ring = chain[chain.index(next_) :] if next_ is not None else chain[-1:]
        survivor = min(ring)
        if survivor != node.key:
            found[node] = survivor
    return found
