"""Analysts' own facts, notes, tags and verdicts: entries of the raw cache, so that they survive every rebuild.

The page writes them (`intel_grapher.analyst`). A reply's key is the entry's id. Entries of the endpoints `take_out` and
`undo` give no facts and have no mapping: they override other facts (`intel_grapher.analyst.overrides`).
"""

from typing import Any

from intel_grapher.analyst.entries import (
    NodeEntry,
    NoteEntry,
    RelationshipEntry,
    ReviewEntry,
    SameAsEntry,
    TagEntry,
    VerdictEntry,
)
from intel_grapher.model import Facts, NodeRef, Relationship
from intel_grapher.schema import (
    ABOUT,
    ANY_NODE,
    EXPOSES,
    KINDS,
    NOTE_ID,
    RELATIONSHIPS,
    REPORTED,
    REPORTED_IN,
    SERVICE_NAME,
    Address,
    AnyNode,
    Hostname,
    Link,
    NoteId,
    Reference,
    ServiceName,
    on_hosts,
)
from intel_grapher.source import Rate, Source

source = Source(
    "analyst",
    title="The analyst",
    home="about:analyst",
    limits=(Rate(1),),
    retired="never asked: these are the analyst's own entries",
)
NO_NODE = "an entry that adds to the graph is no node of its own"


def _raw(node: NodeRef) -> AnyNode:
    """Return a node as a raw string of the kind that any node is of."""
    return AnyNode(str(node))


@source.get("/{key}", untied=NO_NODE)
def node(asked: NoteId, reply: NodeEntry) -> Facts:
    """A node that an analyst adds."""
    entry = reply.checked()
    yield ANY_NODE.each(_raw(NodeRef(entry.label, entry.key)))


@source.get("/{key}", untied=NO_NODE)
def relationship(asked: NoteId, reply: RelationshipEntry) -> Facts:
    """A relationship that an analyst adds, between nodes that its type joins."""
    entry = reply.checked()
    seen = {"first_seen": entry.first_seen, "last_seen": entry.last_seen}
    dates = {name: value for name, value in seen.items() if value is not None}
    yield _from_label(RELATIONSHIPS[entry.type], entry.start.label).each(entry.start.key, entry.end.key, **dates)


def _from_label(type_: Relationship[Any, Any], label: str) -> Relationship[Any, Any]:
    """Return a type for raw keys of one label at its start: the same text may be a key of several."""
    for kind in KINDS.values():
        if label in {each.name for each in kind.labels} and {*kind.labels} <= {*type_.start.labels}:
            return type_.starting(kind)
    return type_


@source.get("/{key}")
def note(asked: NoteId, reply: NoteEntry) -> Facts:
    """What an analyst notes about a node."""
    entry = reply.checked()
    yield NOTE_ID.each(asked, author=entry.author, text=entry.text)
    yield ABOUT.each(asked, _raw(entry.about))


@source.get("/{key}")
def tag(asked: NoteId, reply: TagEntry) -> Facts:
    """What an analyst tags a node with."""
    entry = reply.checked()
    yield NOTE_ID.each(asked, author=entry.author, tag=entry.tag)
    yield ABOUT.each(asked, _raw(entry.about))


@source.get("/{key}")
def verdict(asked: NoteId, reply: VerdictEntry) -> Facts:
    """What an analyst holds a node for: malicious, suspicious, benign or unknown."""
    entry = reply.checked()
    yield NOTE_ID.each(asked, author=entry.author, verdict=entry.verdict)
    yield ABOUT.each(asked, _raw(entry.about))


@source.get("/{key}")
def same_as(asked: NoteId, reply: SameAsEntry) -> Facts:
    """That two nodes are one: all that is told of the other is told of the one."""
    entry = reply.checked()
    yield NOTE_ID.each(asked, author=entry.author, text=f"also known as {entry.other.key}")
    yield ABOUT.each(asked, _raw(entry.one))


@source.get("/{key}", untied=NO_NODE)
def review(asked: NoteId, reply: ReviewEntry) -> Facts:
    """That a report reports indicators which it mentions, as an analyst found."""
    entry = reply.checked()
    accepted = [each for each in entry.decisions if each.state == "accepted"]
    names = [Hostname(each.indicator) for each in accepted]
    report = Reference(entry.report)
    comments = [[each.comment] if each.comment else [] for each in accepted]
    yield REPORTED_IN.each(names, report, comments=comments)
    services = [name for name in names if REPORTED.resolve(name)[0] in SERVICE_NAME.labels]
    addresses = [Address(service.rpartition(":")[0].strip("[]")) for service in services]
    yield REPORTED_IN.each(addresses, report)
    yield EXPOSES.each(addresses, [ServiceName(service) for service in services])
    yield on_hosts([Link(name) for name in names if "://" in name])
