"""A graph that can be asked: the embedded one and a Neo4j, in Cypher that only reads, within limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import neo4j
import neo4j.exceptions

from intel_grapher import schema
from intel_grapher.ask import reading
from intel_grapher.errors import UsageError
from intel_grapher.load import Embedded, Server, connected, open_embedded
from intel_grapher.model import NodeRef

LIMIT = 1000
TIMEOUT = 30.0


@dataclass(frozen=True)
class Answer:
    """A query's columns and rows. `cut` tells that there were more rows; `nodes` are the nodes among the values."""

    columns: list[str]
    rows: list[list[Any]]
    cut: bool = False
    nodes: list[NodeRef] = field(default_factory=list)


class Graph(Protocol):
    """A graph that can be asked."""

    def ask(
        self, cypher: str, parameters: Mapping[str, object] = ..., *, limit: int = ..., timeout: float = ...
    ) -> Answer:
        """Run Cypher that only reads; `timeout` is in seconds. UsageError tells what is wrong with the query.

        A parameter that is a datetime stands for a moment of the graph.
        """
        ...

    def type_of(self, relationship: str) -> str:
        """Return the expression for a relationship's type; the dialects differ."""
        ...

    def label_of(self, node: str) -> str:
        """Return the expression for a node's label."""
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
        reading.check(cypher)
        given = {name: _without_zone(value) for name, value in (parameters or {}).items()}
        self._connection.set_query_timeout(int(timeout * 1000))
        try:
            with self._connection.execute(cypher, given) as result:
                read = _Read()
                rows = [[read.plain(value) for value in row] for row in result.get_n(limit)]
                return Answer(result.get_column_names(), rows, result.has_next(), read.nodes)
        except RuntimeError as wrong:  # LadybugDB raises RuntimeError for everything
            raise UsageError(_refusal(str(wrong), timeout)) from wrong

    def type_of(self, relationship: str) -> str:
        """Return the expression for a relationship's type."""
        return f"label({relationship})"

    def label_of(self, node: str) -> str:
        """Return the expression for a node's label."""
        return f"label({node})"


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
        reading.check(cypher)

        @neo4j.unit_of_work(timeout=timeout)
        def work(transaction: neo4j.ManagedTransaction) -> Answer:
            result = transaction.run(cypher, dict(parameters or {}))
            columns, records = list(result.keys()), result.fetch(limit + 1)
            read = _Read()
            rows = [[read.plain(value) for value in record] for record in records[:limit]]
            return Answer(columns, rows, len(records) > limit, read.nodes)

        try:
            return self._session.execute_read(work)
        except neo4j.exceptions.Neo4jError as wrong:
            raise UsageError(_refusal(wrong.message or str(wrong), timeout)) from wrong

    def type_of(self, relationship: str) -> str:
        """Return the expression for a relationship's type."""
        return f"type({relationship})"

    def label_of(self, node: str) -> str:
        """Return the expression for a node's label."""
        return f"labels({node})[0]"


class Told:
    """A graph that remembers what it was asked: `asked` has each Cypher once, with the parameters it came with first.

    Questions of our own that differ in their parameters alone are one.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.asked: dict[str, dict[str, object]] = {}

    def ask(
        self,
        cypher: str,
        parameters: Mapping[str, object] | None = None,
        *,
        limit: int = LIMIT,
        timeout: float = TIMEOUT,
    ) -> Answer:
        """Pass the question on."""
        self.asked.setdefault(cypher, dict(parameters or {}))
        return self._graph.ask(cypher, parameters or {}, limit=limit, timeout=timeout)

    def type_of(self, relationship: str) -> str:
        """Return the expression for a relationship's type."""
        return self._graph.type_of(relationship)

    def label_of(self, node: str) -> str:
        """Return the expression for a node's label."""
        return self._graph.label_of(node)


@contextmanager
def opened(target: Embedded | Server) -> Iterator[Graph]:
    """Open a graph to ask it. Raises LoadError where there is none."""
    if isinstance(target, Embedded):
        with open_embedded(target.place) as embedded:
            yield EmbeddedGraph(embedded.connection)
    else:
        with connected(target) as database:
            yield Neo4jGraph(database.session)


def _refusal(text: str, timeout: float) -> str:
    folded = text.lower()
    if "interrupted" in folded or "timed out" in folded or "timeout" in folded:
        return f"the query took longer than {timeout:g} s: ask for less, such as with LIMIT, or give it more time"
    return f"the graph refused the query: {text}"


def _without_zone(value: object) -> object:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


class _Read:
    """Turns values of either engine into what JSON has, and notes the nodes among them."""

    def __init__(self) -> None:
        self._seen: dict[NodeRef, None] = {}

    @property
    def nodes(self) -> list[NodeRef]:
        return list(self._seen)

    def plain(self, value: Any) -> Any:  # noqa: ANN401 - any value of either engine
        """Return a value as JSON has it: moments in ISO 8601, nodes and relationships as their properties."""
        if isinstance(value, neo4j.graph.Path):
            return {"nodes": self.plain(value.nodes), "relationships": self.plain(value.relationships)}
        if isinstance(value, neo4j.graph.Entity):
            if isinstance(value, neo4j.graph.Node):
                self._note(next(iter(value.labels), ""), dict(value))
            return {name: self.plain(each) for name, each in value.items()}
        if hasattr(value, "to_native"):
            value = value.to_native()
        if isinstance(value, datetime):
            return (value.astimezone(UTC) if value.tzinfo else value).strftime("%Y-%m-%dT%H:%M:%SZ")
        if isinstance(value, dict):
            return self._dictionary({name.lower() if name[:1] == "_" else name: each for name, each in value.items()})
        if isinstance(value, list | tuple):
            return [self.plain(each) for each in value]
        return value

    def _dictionary(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return the embedded engine's node, relationship or path, or a map, without its inner names."""
        if "_nodes" in value:
            return {"nodes": self.plain(value["_nodes"]), "relationships": self.plain(value["_rels"])}
        if "_label" in value and "_src" not in value:
            self._note(value["_label"], value)
        # A node of several possible labels has every label's properties, null where they are another's.
        inner = "_label" in value
        return {
            name: self.plain(each) for name, each in value.items() if not (name[:1] == "_" or (inner and each is None))
        }

    def _note(self, label: str, properties: dict[str, Any]) -> None:
        known = schema.LABELS.get(label)
        if known is not None and isinstance(properties.get(known.key), str):
            self._seen[NodeRef(label, properties[known.key])] = None
