"""A graph that can be asked: the embedded one and a Neo4j, in Cypher that only reads, within limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from intel_grapher import schema
from intel_grapher.ask import readonly
from intel_grapher.ask.question_process import LARGEST
from intel_grapher.ask.sandbox import Sandbox, refusal, too_large
from intel_grapher.ask.values import Answer, ValueReader
from intel_grapher.errors import UsageError
from intel_grapher.load.embedded import (
    STORE,
    Embedded,
    EmbeddedStore,
    open_embedded,
    open_manifest,
)
from intel_grapher.load.neo4j import session
from intel_grapher.load.quote import quote
from intel_grapher.machine import quarter_of_memory
from intel_grapher.neo4j.connection import Server

if TYPE_CHECKING:
    import neo4j
    import neo4j.exceptions
else:
    from intel_grapher.neo4j import driver as neo4j

LIMIT = 1000
TOGETHER = 10_000  # rows that are read together
TIMEOUT = 30.0
MOST_POOL = 1 << 30
"""Bytes of the buffer pool for questions of our own; a larger one takes longer to open, and no question less."""


class Graph(Protocol):
    """A graph that can be asked.

    `ask` and `query` run Cypher that only reads; of more than `limit` rows the first are returned, and `timeout` is in
    seconds. A parameter that is a datetime stands for a timestamp of the graph. Both raise UsageError, which says what
    is wrong with the question.
    """

    def ask(
        self, cypher: str, parameters: Mapping[str, object] = ..., *, limit: int = ..., timeout: float = ...
    ) -> Answer:
        """Return the answer to Cypher of our own."""
        ...

    def query(
        self, cypher: str, parameters: Mapping[str, object] = ..., *, limit: int = ..., timeout: float = ...
    ) -> Answer:
        """Return the answer to Cypher that a user wrote, which may ask for any amount of memory, or kill the engine."""
        ...

    def type_of(self, relationship: str) -> str:
        """Return the expression for a relationship's type; the dialects differ."""
        ...

    def label_of(self, node: str) -> str:
        """Return the expression for the label of the schema's that a node has."""
        ...

    def key_of(self, node: str) -> str:
        """Return the expression for the key of a node of any label."""
        ...


class EmbeddedGraph:
    """The embedded graph, opened read-only.

    Questions of our own use `connection`; a user's Cypher runs in a process of `sandbox`'s.
    """

    def __init__(self, connection: Any, sandbox: Sandbox) -> None:  # noqa: ANN401 - the engine has no types
        self._connection = connection
        self._sandbox = sandbox

    def ask(
        self,
        cypher: str,
        parameters: Mapping[str, object] | None = None,
        *,
        limit: int = LIMIT,
        timeout: float = TIMEOUT,
    ) -> Answer:
        """Return the answer to Cypher of our own."""
        readonly.check(cypher)
        values = {name: _without_zone(value) for name, value in (parameters or {}).items()}
        self._connection.set_query_timeout(int(timeout * 1000))
        try:
            with self._connection.execute(cypher, values) as result:
                reader = ValueReader()
                rows: list[list[Any]] = []
                size = 0
                while len(rows) < limit and result.has_next():
                    some = result.get_n(min(limit - len(rows), TOGETHER))
                    rows += ([reader.plain(value) for value in row] for row in some)
                    if len(rows) >= TOGETHER:  # fewer are not worth the measuring
                        size += len(msgspec.json.encode(rows[-len(some) :], enc_hook=str))
                        if size > LARGEST:
                            raise UsageError(too_large(f"{LARGEST >> 20} MiB"))
                return Answer(result.get_column_names(), rows, result.has_next(), reader.nodes)
        except RuntimeError as wrong:  # LadybugDB raises RuntimeError for everything
            raise UsageError(refusal(str(wrong), timeout, 0)) from wrong

    def query(
        self,
        cypher: str,
        parameters: Mapping[str, object] | None = None,
        *,
        limit: int = LIMIT,
        timeout: float = TIMEOUT,
    ) -> Answer:
        """Return the answer to Cypher that a user wrote."""
        readonly.check(cypher)
        return self._sandbox.ask(cypher, parameters or {}, limit=limit, timeout=timeout)

    def type_of(self, relationship: str) -> str:
        """Return the expression for a relationship's type."""
        return f"label({relationship})"

    def label_of(self, node: str) -> str:
        """Return the expression for a node's label, of which each has one."""
        return f"label({node})"

    def key_of(self, node: str) -> str:
        """Return the expression for the key of a node of any label."""
        labels: dict[str, list[str]] = {}
        for label in schema.LABELS.values():
            labels.setdefault(label.key, []).append(f"'{label.name}'")
        cases = (
            f"WHEN label({node}) IN [{', '.join(names)}] THEN {node}.{quote(key)}" for key, names in labels.items()
        )
        return f"CASE {' '.join(cases)} END"


class _OpenedWhenAsked:
    """A connection to an embedded graph that is opened for its first question: a user's Cypher needs none."""

    def __init__(self, target: Embedded) -> None:
        self._target = target
        self._store: EmbeddedStore | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the engine's connection has
        if self._store is None:
            self._store = open_embedded(self._target.place, memory=min(self._target.memory, MOST_POOL))
        return getattr(self._store.connection, name)

    def close(self) -> None:
        if self._store is not None:
            self._store.close()


class Neo4jGraph:
    """A Neo4j database. What a transaction may take of its memory is a setting of the server's.

    A user's Cypher runs in a process of `sandbox`'s, if there is one: a server may send any amount.
    """

    def __init__(self, session: neo4j.Session, sandbox: Sandbox | None = None) -> None:
        self._session = session
        self._sandbox = sandbox

    def ask(
        self,
        cypher: str,
        parameters: Mapping[str, object] | None = None,
        *,
        limit: int = LIMIT,
        timeout: float = TIMEOUT,
    ) -> Answer:
        """Return the answer to Cypher: the server refuses to write in a transaction of this access mode."""
        readonly.check(cypher)

        @neo4j.unit_of_work(timeout=timeout)
        def work(transaction: neo4j.ManagedTransaction) -> Answer:
            try:
                result = transaction.run(cypher, dict(parameters or {}))
                return _read(result, limit)
            except neo4j.exceptions.TransientError as wrong:  # the driver would ask it again and again
                if "OutOfMemory" in str(wrong.code):
                    raise UsageError(refusal("alloc", timeout, 0)) from wrong
                raise

        try:
            return self._session.execute_read(work)
        except neo4j.exceptions.Neo4jError as wrong:
            raise UsageError(refusal(wrong.message or str(wrong), timeout, 0)) from wrong

    def query(
        self,
        cypher: str,
        parameters: Mapping[str, object] | None = None,
        *,
        limit: int = LIMIT,
        timeout: float = TIMEOUT,
    ) -> Answer:
        """Return the answer to Cypher that a user wrote."""
        readonly.check(cypher)
        if self._sandbox is None:
            return self.ask(cypher, parameters, limit=limit, timeout=timeout)
        return self._sandbox.ask(cypher, parameters or {}, limit=limit, timeout=timeout)

    def type_of(self, relationship: str) -> str:
        """Return the expression for a relationship's type."""
        return f"type({relationship})"

    def label_of(self, node: str) -> str:
        """Return the expression for the first of the schema's labels whose key a node has.

        Others may have given it labels of their own, and these may come first among its labels.
        """
        return self._of_label(node, "label[0]")

    def key_of(self, node: str) -> str:
        """Return the expression for the key that a node has under that label."""
        return self._of_label(node, f"{node}[label[1]]")

    @staticmethod
    def _of_label(node: str, found: str) -> str:
        # A list and not a CASE: planning a condition for each label would take longer than most questions.
        pairs = ", ".join(f"['{label.name}', '{label.key}']" for label in schema.LABELS.values())
        known = f"label[0] IN labels({node}) AND {node}[label[1]] IS NOT NULL"
        return f"head([label IN [{pairs}] WHERE {known} | {found}])"


class RecordingGraph:
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
        """Return the graph's answer to Cypher of our own."""
        self.asked.setdefault(cypher, dict(parameters or {}))
        return self._graph.ask(cypher, parameters or {}, limit=limit, timeout=timeout)

    def query(
        self,
        cypher: str,
        parameters: Mapping[str, object] | None = None,
        *,
        limit: int = LIMIT,
        timeout: float = TIMEOUT,
    ) -> Answer:
        """Return the graph's answer to Cypher that a user wrote."""
        self.asked.setdefault(cypher, dict(parameters or {}))
        return self._graph.query(cypher, parameters or {}, limit=limit, timeout=timeout)

    def type_of(self, relationship: str) -> str:
        """Return the expression for a relationship's type."""
        return self._graph.type_of(relationship)

    def label_of(self, node: str) -> str:
        """Return the expression for a node's label."""
        return self._graph.label_of(node)

    def key_of(self, node: str) -> str:
        """Return the expression for a node's key."""
        return self._graph.key_of(node)


@contextmanager
def opened(target: Embedded | Server, memory: int | None = None) -> Iterator[Graph]:
    """Open a graph to ask it; `memory` bounds what a user's Cypher may take, in bytes: a quarter of all by default.

    Raises LoadError where there is none.
    """
    if isinstance(target, Embedded):
        target = target if memory is None else Embedded(target.place, memory)
        open_manifest(target.place)
        connection, sandbox = _OpenedWhenAsked(target), Sandbox(target.place / STORE, target.memory)
        try:
            yield EmbeddedGraph(connection, sandbox)
        finally:
            sandbox.close()
            connection.close()
    else:
        with session.connected(target) as database:
            sandbox = Sandbox(target, quarter_of_memory() if memory is None else memory)
            try:
                yield Neo4jGraph(database.session, sandbox)
            finally:
                sandbox.close()


def _read(result: neo4j.Result, limit: int) -> Answer:
    """Return the first rows of a result. Raises UsageError where they are larger than an answer may be."""
    reader = ValueReader()
    rows: list[list[Any]] = []
    size, cut = 0, False
    for record in result:
        cut = len(rows) == limit
        if cut:
            break
        rows.append([reader.plain(value) for value in record])
        size += len(msgspec.json.encode(rows[-1], enc_hook=str))
        if size > LARGEST:
            raise UsageError(too_large(f"{LARGEST >> 20} MiB"))
    return Answer(list(result.keys()), rows, cut, reader.nodes)


def _without_zone(value: object) -> object:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value
