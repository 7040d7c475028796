"""Answers out of the graph: each function takes a question of the page and returns what goes out as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from intel_grapher import schema
from intel_grapher.ask import find, look
from intel_grapher.ask import path as paths
from intel_grapher.ask import rank as ranking
from intel_grapher.ask.documents import node_document, paths_document, ranking_document
from intel_grapher.ask.engines import Graph
from intel_grapher.ask.explore import HUB, Step
from intel_grapher.errors import UsageError
from intel_grapher.model import Label, NodeRef

MOST = 500  # nodes or neighbours in one answer
EDGES = 5000  # relationships in one answer
SECONDS = 20.0  # time limit of a query


def label_of(ref: NodeRef) -> Label:
    """Return the label of a node that the page names. Raises UsageError where the schema has no such label."""
    if ref.label not in schema.LABELS:
        raise UsageError(f"there is no label {ref.label!r}")
    return schema.LABELS[ref.label]


def _known(refs: Iterable[NodeRef]) -> list[NodeRef]:
    """Return the references. Raises UsageError where the schema has no such label."""
    return [NodeRef(label_of(ref).name, ref.key) for ref in refs]


class TypedText(msgspec.Struct, frozen=True):
    """A text that was typed or pasted."""

    text: str


def complete(graph: Graph, asked: TypedText) -> dict[str, Any]:
    """Return the nodes whose keys fit a typed text, then those whose titles do, with the title as `why`."""
    text = asked.text[:4000]
    found = find.complete(graph, text)
    titles = find.titled(graph, text, most=find.MOST - len(found)) if len(found) < find.MOST else {}
    return {
        "nodes": [node_document(each) for each in found]
        + [node_document(each) | {"why": title} for each, title in titles.items() if each not in found]
    }


class NodeSet(msgspec.Struct, frozen=True):
    """A set of nodes. `new` are those of them whose relationships are wanted; None for all."""

    nodes: list[NodeRef]
    new: list[NodeRef] | None = None


def nodes(graph: Graph, asked: NodeSet) -> dict[str, Any]:
    """Return the nodes that are in the graph, with properties and degree."""
    return {"nodes": described(graph, _known(asked.nodes[:MOST]))}


def between(graph: Graph, asked: NodeSet) -> dict[str, Any]:
    """Return at most EDGES relationships among nodes; `cut` says that there may be more.

    Of `new`, the first MOST are looked at: the page asks about a large picture in parts.
    """
    new = None if asked.new is None else _known(asked.new[:MOST])
    edges = look.between(graph, _known(asked.nodes), new, limit=EDGES)
    return {"edges": [_edge(each) for each in edges], "cut": len(edges) == EDGES}


def read(graph: Graph, asked: NodeRef) -> dict[str, Any]:
    """Return a node's properties, its degree, and the number of its neighbours by type, direction and label."""
    label, key = label_of(asked), asked.key
    properties = look.node(graph, label, key)
    if properties is None:
        return {"label": label.name, "key": key, "missing": True}
    counts = look.counts(graph, label, key)
    return {
        "label": label.name,
        "key": key,
        "properties": {name: value for name, value in properties.items() if value not in (None, [])},
        "groups": [_group(group, many) for group, many in counts.items()],
        "degree": sum(counts.values()),
    }


class NeighbourQuestion(msgspec.Struct, frozen=True):
    """A question for `limit` more neighbours of a node, of one kind, or of each kind if none is named.

    `have` are the keys of those that are shown already, by kind: "TYPE DIRECTION LABEL".
    """

    label: str
    key: str
    type: str = ""
    direction: str = ""
    other: str = ""
    limit: int = 25
    have: dict[str, list[str]] = {}


def grow(graph: Graph, asked: NeighbourQuestion) -> dict[str, Any]:
    """Return neighbours of a node, their relationships with it, and the number of all of each kind."""
    one = NodeRef(asked.label, asked.key)
    label, key = label_of(one), one.key
    counts = look.counts(graph, label, key)
    wanted = {asked_group: many for asked_group, many in counts.items() if _is_asked(asked, asked_group)}
    limit = max(1, min(asked.limit, MOST))
    groups: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    found: dict[NodeRef, None] = {}
    for group, many in wanted.items():
        have = dict.fromkeys(asked.have.get(" ".join(group), []))
        some = look.neighbours(graph, label, key, group, many=many, limit=limit, without=have)
        groups.append(_group(group, many) | {"shown": min(len(have) + len(some), many)})
        for each in some:
            other = NodeRef(each.label, each.key)
            start, end = _ends(one, each.direction, other)
            edges.append(_edge(look.Edge(start, each.type, end, each.properties)))
            found[other] = None
    return {"groups": groups, "nodes": described(graph, found), "edges": edges}


class PathQuestion(msgspec.Struct, frozen=True):
    """A question for paths of at most `longest` steps; nodes with more than `hub` neighbours are not entered."""

    start: NodeRef
    end: NodeRef
    longest: int = paths.LONGEST
    hub: int = HUB


def path(graph: Graph, asked: PathQuestion) -> dict[str, Any]:
    """Return the shortest paths between two nodes, with their nodes and relationships, and the hubs not entered."""
    start, end = _known([asked.start, asked.end])
    found = paths.paths(graph, start, end, longest=max(1, min(asked.longest, 10)), hub=max(1, asked.hub))
    return {
        **paths_document(replace(found, hubs=found.hubs[:20])),
        "nodes": described(graph, _on(found.found)),
        "edges": _edges(graph, found.found),
    }


class RankQuestion(msgspec.Struct, frozen=True):
    """A question for what ties nodes, the seeds, together."""

    seeds: list[NodeRef]
    hub: int = HUB


def rank(graph: Graph, asked: RankQuestion) -> dict[str, Any]:
    """Return the nodes that tie the seeds together, best first, with score, ways, and all nodes on the ways."""
    ranked = ranking.rank(graph, _known(asked.seeds[:50]), hub=max(1, asked.hub))
    ways = [way for tie in ranked.ties for way in tie.ways.values()]
    return {
        **ranking_document(replace(ranked, hubs=ranked.hubs[:20])),
        "nodes": described(graph, _on(ways)),
        "edges": _edges(graph, ways),
    }


def described(graph: Graph, nodes_: Iterable[NodeRef]) -> list[dict[str, Any]]:
    """Return the nodes that are in the graph, each with its properties and its degree."""
    return [
        node_document(each)
        | {"properties": properties, "degree": look.degree(graph, schema.LABELS[each.label], each.key)}
        for each, properties in look.there(graph, nodes_).items()
    ]


def _is_asked(asked: NeighbourQuestion, group: look.Group) -> bool:
    wanted = (asked.type, asked.direction, asked.other)
    return all(not want or want == have for want, have in zip(wanted, group, strict=True))


def _ends(one: NodeRef, direction: str, other: NodeRef) -> tuple[NodeRef, NodeRef]:
    """Return start and end as they are stored: a relationship without a direction has the lesser key first."""
    if direction == "--":
        first, second = sorted([one, other], key=lambda each: each.key)
        return first, second
    return (one, other) if direction == "->" else (other, one)


def _on(ways: Iterable[Sequence[Step]]) -> dict[NodeRef, None]:
    return {node: None for way in ways for step in way for node in (step.start, step.end)}


def _edges(graph: Graph, ways: Iterable[Sequence[Step]]) -> list[dict[str, Any]]:
    steps = {(*_ends(step.start, step.direction, step.end), step.type): None for way in ways for step in way}
    found = (look.edge(graph, start, type_, end) for start, end, type_ in steps)
    return [_edge(each) for each in found if each is not None]


def _group(group: look.Group, many: int) -> dict[str, Any]:
    return {"type": group[0], "direction": group[1], "label": group[2], "count": many}


def _edge(edge: look.Edge) -> dict[str, Any]:
    return {
        "start": node_document(edge.start),
        "type": edge.type,
        "end": node_document(edge.end),
        "properties": edge.properties,
    }
