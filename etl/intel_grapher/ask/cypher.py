"""Cypher derived from the schema, for both dialects: names come from there alone, every value is a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from intel_grapher import schema
from intel_grapher.ask.engines import Graph
from intel_grapher.load.quote import quote
from intel_grapher.model import Label, NodeRef

_KEYS: Final = tuple(dict.fromkeys(label.key for label in schema.LABELS.values()))
"""The names of all keys. A column of each is planned in half the time that the embedded engine takes for a CASE."""
ARROWS = {"->": ("-", "->"), "<-": ("<-", "-"), "--": ("-", "-")}


def keyed(variable: str, label: Label, parameter: str) -> str:
    """Return the pattern of the node that has a key."""
    return f"({variable}:{quote(label.name)} {{{quote(label.key)}: ${parameter}}})"


def step(variable: str, type_: str, direction: str, other: str) -> str:
    """Return what follows a node in a pattern: one relationship of a type, seen from there, and the other node."""
    left, right = ARROWS[direction]
    return f"{left}[{variable}:{quote(type_)}]{right}{other}"


def counts(graph: Graph, label: Label) -> Iterator[tuple[str, str]]:
    """Yield, for each direction, the query for a node's (type, other label, how many)."""
    for direction in ("->", "<-"):
        left, right = ARROWS[direction]
        yield (
            direction,
            (
                f"MATCH {keyed('n', label, 'key')}{left}[r]{right}(m)"
                f" RETURN {graph.type_of('r')} AS type, {graph.label_of('m')} AS label, count(*) AS many"
            ),
        )


def around(graph: Graph, label: Label, most: int, *, ties: bool = False) -> Iterator[tuple[str, str]]:
    """Yield, for each direction, the query for at most so many of a node's neighbours, in rows that `neighbour` reads.

    With `ties`, only relationships that say something of what they join. The limit is no parameter: the embedded engine
    plans a query with one anew each time, which takes it 20 ms.
    """
    for direction in ("->", "<-"):
        left, right = ARROWS[direction]
        yield direction, _around(graph, label, f"{left}[r]{right}", most, ties=ties)


def ties(graph: Graph, label: Label, most: int) -> str:
    """Return the query for at most so many of a node's ties, whichever way they point, in rows as those of `around`.

    It is planned in half the time that those two take, and `only_direction` mostly knows which way a tie points.
    """
    return _around(graph, label, "-[r]-", most, ties=True)


def _around(graph: Graph, label: Label, step: str, most: int, *, ties: bool) -> str:
    keys = ", ".join(f"m.{quote(key)} AS {quote(key)}" for key in _KEYS)
    return (
        f"MATCH {keyed('n', label, 'key')}{step}(m){_only_ties(graph, label) if ties else ''}"
        f" RETURN {graph.type_of('r')} AS type, {graph.label_of('m')} AS label, {keys} LIMIT {int(most)}"
    )


def neighbour(row: Sequence[Any]) -> tuple[str, NodeRef] | None:
    """Return the type and the other node that a row of `around` or `ties` tells; None if one is not of the schema."""
    type_, label, *keys = row
    if type_ not in schema.RELATIONSHIPS or label not in schema.LABELS:
        return None
    return type_, NodeRef(label, keys[_KEYS.index(schema.LABELS[label].key)])


@cache
def only_direction(label: str, type_: str, other: str) -> str | None:
    """Return the direction that a type has between a label and another, seen from the first.

    None where the schema has both, or neither.
    """
    joins = {(start.name, end.name) for start, end in schema.RELATIONSHIPS[type_].joins}
    outward, inward = (label, other) in joins, (other, label) in joins
    if outward == inward:
        return "->" if outward and schema.RELATIONSHIPS[type_].both_ways else None
    return "->" if outward else "<-"


def degree(graph: Graph, label: Label) -> str:
    """Return the query for how many relationships a node has that say something of it."""
    return f"MATCH {keyed('n', label, 'key')}-[r]-(){_only_ties(graph, label)} RETURN count(r) AS many"


def _only_ties(graph: Graph, label: Label) -> str:
    """Return the condition that leaves out relationships that say nothing of a label's nodes; "" where it has none."""
    types = [
        each.type
        for each in schema.RELATIONSHIPS.values()
        if not each.is_tie and label in {*each.start.labels, *each.end.labels}
    ]
    return "".join(f" {'AND' if at else 'WHERE'} {graph.type_of('r')} <> '{type_}'" for at, type_ in enumerate(types))


def seen_from(type_: str, direction: str) -> str:
    """Return the direction as it is shown: a type that goes both ways has none."""
    return "--" if schema.RELATIONSHIPS[type_].both_ways else direction
