"""Which nodes and relationships the analyst's entries may have taken out of the graph, or joined into others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from intel_grapher import edits, schema
from intel_grapher.cache import Cache
from intel_grapher.model import NodeRef

RelationshipRef = tuple[NodeRef, str, NodeRef]


def overridden(cache: Cache) -> tuple[frozenset[NodeRef], frozenset[RelationshipRef]]:
    """Return the nodes and the relationships of which a database may hold what no longer holds.

    These are what entries in force take out, both nodes of a `same_as`, and what undone entries told of. A database
    that is added to, and never emptied, needs them: `load.Retraction` takes them.
    """
    nodes: set[NodeRef] = set()
    relationships: set[RelationshipRef] = set()
    for entry in edits.entries(cache):
        if entry.what not in {"take_out", "same_as"} and not entry.undone:
            continue
        ends = dict(_nodes(entry.body))
        if "start" in ends and "end" in ends:
            start, end, type_ = ends["start"], ends["end"], str(entry.body.get("type"))
            relationships.add((start, type_, end))
            if type_ in schema.RELATIONSHIPS and schema.RELATIONSHIPS[type_].both_ways:
                relationships.add((end, type_, start))
        elif entry.what in {"node", "take_out", "same_as"}:
            nodes |= set(ends.values())
        if entry.undone and entry.what in {"note", "tag", "verdict", "same_as"}:
            note = NodeRef(schema.NOTE_ID.labels[0].name, entry.id)
            nodes.add(note)
            relationships |= {(note, schema.ABOUT.type, each) for each in ends.values()}
    return frozenset(nodes), frozenset(relationships)


def _nodes(body: dict[str, Any]) -> Iterator[tuple[str, NodeRef]]:
    """Yield each node that an entry's body names, with the member that names it."""
    for name, value in {**body, "itself": body}.items():
        try:
            yield name, msgspec.convert(value, NodeRef)
        except msgspec.ValidationError:
            continue
