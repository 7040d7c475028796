"""Looking at the graph: a node, its neighbours by type and direction, and what lies between given nodes."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from intel_grapher import keys, schema
from intel_grapher.ask import cypher
from intel_grapher.ask.engines import Graph
from intel_grapher.errors import BadValue
from intel_grapher.load.quote import quote
from intel_grapher.model import Label, NodeRef, Property

ORDERED = 5000  # sorting more neighbours than these before the first is shown would make one wait
FEW = 50  # so many pairs of nodes are sooner asked one by one than out of all neighbours of a hub
NONE: Mapping[str, int] = {}

Group = tuple[str, str, str]
"""A kind of neighbour: the relationship's type, "->", "<-" or "--" as seen from the node, and the other's label."""


@dataclass(frozen=True)
class Neighbour:
    """One relationship of a node, seen from it: `direction` is "->", "<-" or "--"."""

    type: str
    direction: str
    label: str
    key: str
    properties: dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """A node, its properties, and its neighbours; `counts` says how many there are by (type, direction, label)."""

    label: str
    key: str
    properties: dict[str, Any]
    neighbours: list[Neighbour]
    counts: dict[Group, int]


@dataclass(frozen=True)
class Edge:
    """One relationship between two nodes, as it is stored."""

    start: NodeRef
    type: str
    end: NodeRef
    properties: dict[str, Any]


def labels_of(raw: str) -> list[tuple[Label, str]]:
    """Return each label with the canonical key that a string (a defanged one, too) has under it, likeliest first."""
    found: dict[str, tuple[Label, str]] = {}
    plain = keys.refang(raw)
    for kind in schema.KINDS.values():
        try:
            label, key = kind.resolve(plain)
        except (BadValue, IndexError):
            continue
        found.setdefault(label.name, (label, key))
    return list(found.values())


def node(graph: Graph, label: Label, key: str) -> dict[str, Any] | None:
    """Return a node's properties, or None where it is not in the graph."""
    columns = _columns("n", label.properties)
    answer = graph.ask(f"MATCH {cypher.keyed('n', label, 'key')} RETURN {columns}", {"key": key})
    return _named(label.properties, answer.rows[0]) if answer.rows else None


def counts(graph: Graph, label: Label, key: str) -> dict[Group, int]:
    """Return how many neighbours a node has of each kind, in the schema's order."""
    found: dict[Group, int] = {}
    for direction, question in cypher.counts(graph, label):
        for type_, other, many in graph.ask(question, {"key": key}).rows:
            if type_ in schema.RELATIONSHIPS and other in schema.LABELS:
                group = type_, cypher.seen_from(type_, direction), other
                found[group] = found.get(group, 0) + many
    order = {type_: place for place, type_ in enumerate(schema.RELATIONSHIPS)}
    return dict(sorted(found.items(), key=lambda each: (order[each[0][0]], each[0])))


def degree(graph: Graph, label: Label, key: str) -> int:
    """Return how many relationships a node has that say something of it."""
    return int(graph.ask(cypher.degree(graph, label), {"key": key}).rows[0][0])


def neighbours(
    graph: Graph,
    label: Label,
    key: str,
    group: Group,
    *,
    many: int,
    limit: int,
    skip: int = 0,
    without: Collection[str] = (),
) -> list[Neighbour]:
    """Return some of a node's neighbours of one kind, of which there are `many`: by key, or as stored if very many.

    Those whose keys are in `without` are passed over.
    """
    if skip >= many:  # the embedded engine dies of an ORDER BY with a SKIP beyond the last row
        return []
    type_, direction, other_name = group
    other, properties = schema.LABELS[other_name], schema.RELATIONSHIPS[type_].properties
    match = cypher.keyed("n", label, "key") + cypher.step("r", type_, direction, f"(m:{quote(other_name)})")
    order = " ORDER BY other" if many <= ORDERED else ""
    columns = _columns("r", properties)
    besides = f" WHERE NOT m.{quote(other.key)} IN $without" if without else ""
    answer = graph.ask(
        f"MATCH {match}{besides} RETURN m.{quote(other.key)} AS other, {columns}{order}"
        f" SKIP {int(skip)} LIMIT {int(limit)}",
        {"key": key, "without": list(without)} if without else {"key": key},
        limit=limit,
    )
    return [Neighbour(type_, direction, other_name, row[0], _known(properties, row[1:])) for row in answer.rows]


def show(graph: Graph, label: Label, key: str, *, limit: int, more: Mapping[str, int] = NONE) -> Shown | None:
    """Return a node with at most `limit` neighbours of each kind; None where it is not in the graph.

    `more` has higher limits for neighbours of some labels.
    """
    properties = node(graph, label, key)
    if properties is None:
        return None
    found = counts(graph, label, key)
    each_ = [
        neighbour
        for group, many in found.items()
        for neighbour in neighbours(graph, label, key, group, many=many, limit=max(limit, more.get(group[2], 0)))
    ]
    return Shown(label.name, key, properties, each_, found)


def there(graph: Graph, nodes: Iterable[NodeRef]) -> dict[NodeRef, dict[str, Any]]:
    """Return those of the nodes that are in the graph, with their properties.

    One question a node: by its key each takes a fraction of a millisecond, where a list of keys is a scan.
    """
    found: dict[NodeRef, dict[str, Any]] = {}
    for ref in dict.fromkeys(nodes):
        properties = node(graph, schema.LABELS[ref.label], ref.key) if ref.label in schema.LABELS else None
        if properties is not None:
            found[ref] = {each: value for each, value in properties.items() if value is not None}
    return found


def between(graph: Graph, nodes: Iterable[NodeRef], new: Iterable[NodeRef] | None = None, *, limit: int) -> list[Edge]:
    """Return at most `limit` relationships among the nodes; if `new` are given, those that touch one of them."""
    among = dict.fromkeys(nodes)
    edges: dict[tuple[NodeRef, str, NodeRef], Edge] = {}
    for each in among if new is None else dict.fromkeys(new):
        label = schema.LABELS[each.label]
        few = degree(graph, label, each.key) <= ORDERED
        for ends in _touching(graph, each, among) if few else _tied(graph, each, among):
            edges.setdefault(ends, Edge(*ends, {}))
        if len(edges) >= limit:
            break
    return [edge(graph, *ends) or found for ends, found in list(edges.items())[:limit]]


def _touching(graph: Graph, one: NodeRef, among: Container[NodeRef]) -> Iterator[tuple[NodeRef, str, NodeRef]]:
    """Yield the relationships of a node with some others, as they are stored."""
    for direction, question in cypher.around(graph, schema.LABELS[one.label], ORDERED):
        rows = graph.ask(question, {"key": one.key}, limit=ORDERED).rows
        for type_, other in filter(None, map(cypher.neighbour, rows)):
            if other in among:
                yield (one, type_, other) if direction == "->" else (other, type_, one)


def _tied(graph: Graph, hub: NodeRef, among: Iterable[NodeRef]) -> Iterator[tuple[NodeRef, str, NodeRef]]:
    """Yield a hub's relationships with some others: asked for each of a few, or once over all its neighbours."""
    by_label: dict[str, list[str]] = {}
    for other in among:
        by_label.setdefault(other.label, []).append(other.key)
    for name, keys_ in by_label.items():
        left = cypher.keyed("n", schema.LABELS[hub.label], "key")
        other_label = schema.LABELS[name]
        for arrow, outward in (("-[r]->", True), ("<-[r]-", False)):
            if len(keys_) <= FEW:
                right = cypher.keyed("m", other_label, "other")
                question = f"MATCH {left}{arrow}{right} RETURN DISTINCT {graph.type_of('r')} AS type"
                found = [
                    (row[0], key) for key in keys_ for row in graph.ask(question, {"key": hub.key, "other": key}).rows
                ]
            else:
                own = f"m.{quote(other_label.key)}"
                question = (
                    f"MATCH {left}{arrow}(m:{quote(name)}) WHERE {own} IN $others"
                    f" RETURN DISTINCT {graph.type_of('r')} AS type, {own} AS other"
                )
                answer = graph.ask(question, {"key": hub.key, "others": keys_}, limit=20 * len(keys_))
                found = [(row[0], row[1]) for row in answer.rows]
            for type_, key in found:
                other = NodeRef(name, key)
                yield (hub, type_, other) if outward else (other, type_, hub)


def edge(graph: Graph, start: NodeRef, type_: str, end: NodeRef) -> Edge | None:
    """Return one relationship as it is stored, or None where it is not in the graph."""
    properties = schema.RELATIONSHIPS[type_].properties
    to = cypher.keyed("m", schema.LABELS[end.label], "other")
    match = cypher.keyed("n", schema.LABELS[start.label], "key") + cypher.step("r", type_, "->", to)
    rows = graph.ask(f"MATCH {match} RETURN {_columns('r', properties)}", {"key": start.key, "other": end.key}).rows
    return Edge(start, type_, end, _known(properties, rows[0])) if rows else None


def _columns(variable: str, properties: Iterable[Property]) -> str:
    return ", ".join(f"{variable}.{quote(each.name)} AS {quote(each.name)}" for each in properties)


def _named(properties: Iterable[Property], values: list[Any]) -> dict[str, Any]:
    return {each.name: value for each, value in zip(properties, values, strict=True)}


def _known(properties: Iterable[Property], values: list[Any]) -> dict[str, Any]:
    return {name: value for name, value in _named(properties, values).items() if value is not None}
