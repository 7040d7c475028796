"""Asking the graph, the embedded one and Neo4j alike: Cypher that only reads, and the neighbours of an indicator.

What ships with us is written in the Cypher that both dialects share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import neo4j
import neo4j.exceptions

from etl import schema
from etl.errors import BadValue, UsageError
from etl.graph import Label, Relationship
from etl.load import Embedded, Server, connected, open_embedded

LIMIT = 1000
TIMEOUT = 30.0


@dataclass(frozen=True)
class Answer:
    """A query's columns and rows. `cut` tells that there were more rows than asked for."""

    columns: list[str]
    rows: list[list[Any]]
    cut: bool = False


class Graph(Protocol):
    """A graph that can be asked."""

    def ask(
        self, cypher: str, parameters: Mapping[str, object] = ..., *, limit: int = ..., timeout: float = ...
    ) -> Answer:
        """Run Cypher that only reads; `timeout` is in seconds. UsageError tells what is wrong with the query."""
        ...


class EmbeddedGraph:
    """The embedded graph, opened read-only."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - the engine has no types
        self._connection = connection

    def ask(
        self,
        cypher: str,
        parameters: Mapping[str, object] | None = None,
        *,
        limit: int = LIMIT,
        timeout: float = TIMEOUT,
    ) -> Answer:
        """Run Cypher that only reads."""
        self._connection.set_query_timeout(int(timeout * 1000))
        try:
            with self._connection.execute(cypher, dict(parameters or {})) as result:
                columns = result.get_column_names()
                rows = [[_plain(value) for value in row] for row in result.get_n(limit)]
                return Answer(columns, rows, result.has_next())
        except RuntimeError as wrong:  # LadybugDB raises RuntimeError for everything
            raise UsageError(f"the graph refused the query: {wrong}") from wrong


class Neo4jGraph:
    """A Neo4j database."""

    def __init__(self, session: neo4j.Session) -> None:
        self._session = session

    def ask(
        self,
        cypher: str,
        parameters: Mapping[str, object] | None = None,
        *,
        limit: int = LIMIT,
        timeout: float = TIMEOUT,
    ) -> Answer:
        """Run Cypher that only reads: the server refuses to write in a transaction of this access mode."""

        @neo4j.unit_of_work(timeout=timeout)
        def work(transaction: neo4j.ManagedTransaction) -> Answer:
            result = transaction.run(cypher, dict(parameters or {}))
            columns, records = list(result.keys()), result.fetch(limit + 1)
            rows = [[_plain(value) for value in record] for record in records[:limit]]
            return Answer(columns, rows, len(records) > limit)

        try:
            return self._session.execute_read(work)
        except neo4j.exceptions.Neo4jError as wrong:
            raise UsageError(f"the graph refused the query: {wrong.message}") from wrong


@contextmanager
def opened(target: Embedded | Server) -> Iterator[Graph]:
    """Open a graph to ask it. Raises LoadError where there is none."""
    if isinstance(target, Embedded):
        with open_embedded(target.place) as embedded:
            yield EmbeddedGraph(embedded.connection)
    else:
        with connected(target) as database:
            yield Neo4jGraph(database.session)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of either engine
    """Return a value of either engine as JSON has it: moments in ISO 8601, nodes as their properties."""
    if isinstance(value, neo4j.graph.Entity):
        return {name: _plain(each) for name, each in value.items()}
    if hasattr(value, "to_native"):
        value = value.to_native()
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value.tzinfo else f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if not name.startswith("_")}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


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
    counts: dict[tuple[str, str, str], int]


def labels_of(raw: str) -> list[tuple[Label, str]]:
    """Return each label with the canonical key that a string has under it, the likeliest first."""
    found: dict[str, tuple[Label, str]] = {}
    for kind in schema.KINDS.values():
        try:
            label, key = kind.resolve(raw)
        except (BadValue, IndexError):
            continue
        found.setdefault(label.name, (label, key))
    return list(found.values())


def node(graph: Graph, label: Label, key: str) -> dict[str, Any] | None:
    """Return a node's properties, or None where it is not in the graph."""
    names = [each.name for each in label.properties]
    columns = ", ".join(f"n.`{name}`" for name in names)
    answer = graph.ask(f"MATCH (n:`{label.name}` {{`{label.key}`: $key}}) RETURN {columns}", {"key": key})
    return dict(zip(names, answer.rows[0], strict=True)) if answer.rows else None


def steps(label: Label) -> Iterator[tuple[Relationship[Any, Any], str, Label]]:
    """Yield each relationship type that a label has, with its direction as seen from there and the other label."""
    for each in schema.RELATIONSHIPS.values():
        for start, end in each.joins:
            if start is label:
                yield each, "--" if each.both_ways else "->", end
            if end is label and not each.both_ways:
                yield each, "<-", start


def pattern(each: Relationship[Any, Any], direction: str, other: Label) -> str:
    """Return the Cypher pattern from n over r to m."""
    left, right = {"->": ("-", "->"), "<-": ("<-", "-"), "--": ("-", "-")}[direction]
    return f"{left}[r:`{each.type}`]{right}(m:`{other.name}`)"


def show(graph: Graph, label: Label, key: str, *, limit: int) -> Shown | None:
    """Return a node with at most `limit` neighbours of each kind; None where it is not in the graph."""
    properties = node(graph, label, key)
    if properties is None:
        return None
    neighbours: list[Neighbour] = []
    counts: dict[tuple[str, str, str], int] = {}
    for each, direction, other in steps(label):
        match = f"MATCH (n:`{label.name}` {{`{label.key}`: $key}}){pattern(each, direction, other)}"
        count = graph.ask(f"{match} RETURN count(m)", {"key": key}).rows[0][0]
        if not count:
            continue
        counts[each.type, direction, other.name] = count
        names = [own.name for own in each.properties]
        columns = ", ".join(f"r.`{name}`" for name in names)
        ordered = f"{match} RETURN m.`{other.key}` AS other, {columns} ORDER BY other LIMIT {int(limit)}"
        for key_, *values in graph.ask(ordered, {"key": key}, limit=limit).rows:
            told = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            neighbours.append(Neighbour(each.type, direction, other.name, key_, told))
    return Shown(label.name, key, properties, neighbours, counts)
