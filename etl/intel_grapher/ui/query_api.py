"""Cypher, saved queries and searches on the page: rows with the nodes that each names, values with who has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any, Final

import msgspec

from intel_grapher import schema
from intel_grapher.ask import find, properties
from intel_grapher.ask.documents import node_document
from intel_grapher.ask.engines import LIMIT, Graph
from intel_grapher.ask.named import nodes_named
from intel_grapher.errors import BadValue
from intel_grapher.model import NodeRef
from intel_grapher.ui.graph_api import MOST, SECONDS, TypedText

LISTED: Final = 5000  # indicators in lists of an answer's rows that are told as nodes


class CypherQuestion(msgspec.Struct, frozen=True):
    """Cypher, or the name of a saved query with its parameters as texts."""

    cypher: str = ""
    saved: str = ""
    parameters: dict[str, str] = {}


def rows(graph: Graph, cypher: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns and rows of a query, the nodes that it names, and for each row the places of its nodes.

    A row names the nodes among its values, those that its columns name, and the indicators in its lists. Indicators
    among the parameters are nodes of the answer, of no row.
    """
    answer = graph.query(cypher, dict(values), limit=LIMIT, timeout=SECONDS)
    found: dict[NodeRef, int] = {}
    drawn = {(schema.LABELS[each.label].key, each.key): each for each in answer.nodes}
    by_row = []
    listed = LISTED
    for row in answer.rows:
        own = [*_drawn(row, drawn), *nodes_named(answer.columns, [row])]
        if listed > 0:
            some = list(islice(_listed(row), MOST))
            listed -= len(some)
            own += some
        by_row.append(list(dict.fromkeys(found.setdefault(each, len(found)) for each in own)))
    for each in [*answer.nodes, *_indicators(values.values())]:
        found.setdefault(each, len(found))
    return {
        "columns": answer.columns,
        "rows": answer.rows,
        "cut": answer.cut,
        "nodes": [node_document(each) for each in list(found)[:MOST]],
        "more_nodes": max(0, len(found) - MOST),
        "by_row": [[place for place in places if place < MOST] for places in by_row],
        "lines_alone": not found and any(_is_line(value) for row in answer.rows for value in row),
    }


def _drawn(value: Any, nodes: Mapping[tuple[str, str], NodeRef]) -> Iterator[NodeRef]:  # noqa: ANN401 - any value
    """Yield the nodes within a value, in which a node is its properties."""
    if isinstance(value, dict):
        for name, each in value.items():
            if isinstance(each, str):
                if (node := nodes.get((name, each))) is not None:
                    yield node
            else:
                yield from _drawn(each, nodes)
    elif isinstance(value, list):
        for each in value:
            yield from _drawn(each, nodes)


def _listed(row: Iterable[Any]) -> Iterator[NodeRef]:
    for value in row:
        if isinstance(value, list):
            yield from _indicators(value[:MOST])


def _indicators(values: Iterable[Any]) -> Iterator[NodeRef]:
    for value in values:
        if isinstance(value, str):
            try:
                yield find.named(value)
            except BadValue:
                continue


def _is_line(value: Any) -> bool:  # noqa: ANN401 - any value
    """Tell whether a value is a relationship: its sources and times without a key of any label."""
    return isinstance(value, dict) and "sources" in value


def search(graph: Graph, asked: TypedText) -> dict[str, Any]:
    """Return values of properties that have a typed text in them, and whether there was no time to look at all."""
    found = properties.values(graph, asked.text[:400])
    return {"values": [asdict(each) for each in found.found], "cut": found.cut}


class ValueQuestion(msgspec.Struct, frozen=True):
    """A question for the nodes that have a value for a property."""

    property: str
    value: str | int


def having(graph: Graph, asked: ValueQuestion) -> dict[str, Any]:
    """Return at most MOST nodes that have the value, and whether there are more."""
    found, cut = properties.having(graph, asked.property, asked.value, most=MOST)
    return {"nodes": [node_document(each) for each in found], "cut": cut}
