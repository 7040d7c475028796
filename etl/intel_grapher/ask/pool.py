"""The graph, open for many questions at once, and opened again when a load has put a new one in its place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ladybug

from intel_grapher.ask.engines import EmbeddedGraph, Graph, Neo4jGraph
from intel_grapher.ask.sandbox import Sandbox
from intel_grapher.load import Embedded, Server, open_embedded
from intel_grapher.load.embedded import MANIFEST, STORE, EmbeddedStore
from intel_grapher.load.neo4j.session import open_session
from intel_grapher.machine import quarter_of_memory
from intel_grapher.neo4j.connection import connect

if TYPE_CHECKING:
    import neo4j
else:
    from intel_grapher.neo4j import driver as neo4j


class GraphPool:
    """The graph of a target, open for the questions of many threads."""

    def __init__(self, target: Embedded | Server) -> None:
        self.target = target
        self._lock = threading.Lock()
        self._embedded: _Shared | None = None
        self._driver: neo4j.Driver | None = None
        self._sandbox: Sandbox | None = None

    @contextmanager
    def use(self) -> Iterator[Graph]:
        """Give the graph as it is now. Raises LoadError where there is none."""
        if isinstance(self.target, Embedded):
            with ExitStack() as stack:
                with self._lock:
                    shared = self._current(self.target.place)
                    connection = stack.enter_context(shared.connection())
                yield EmbeddedGraph(connection, shared.sandbox)
        else:
            with self._lock:
                if self._driver is None:
                    self._driver = connect(self.target)
                if self._sandbox is None:
                    self._sandbox = Sandbox(self.target, quarter_of_memory())
                sandbox = self._sandbox
            with open_session(self._driver) as session:
                yield Neo4jGraph(session, sandbox)

    def none_yet(self) -> bool:
        """Tell whether an embedded graph has still to be made."""
        return isinstance(self.target, Embedded) and not (self.target.place / MANIFEST).exists()

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            if self._embedded is not None:
                self._embedded.retire()
            if self._driver is not None:
                self._driver.close()
            if self._sandbox is not None:
                self._sandbox.close()
            self._embedded = self._driver = self._sandbox = None

    def _current(self, place: Path) -> _Shared:
        """Return the store that is in place; one that was replaced is closed when its last question is answered."""
        mark = _mark(place)
        if self._embedded is None or self._embedded.mark != mark:
            memory = self.target.memory if isinstance(self.target, Embedded) else 0
            fresh = _Shared(open_embedded(place, memory=memory), mark, Sandbox(place / STORE, memory))
            if self._embedded is not None:
                self._embedded.retire()
            self._embedded = fresh
        return self._embedded


def _mark(place: Path) -> tuple[int, int]:
    try:
        found = (place / MANIFEST).stat()
    except OSError:
        return 0, 0
    return found.st_ino, found.st_mtime_ns


class _Shared:
    """One open store with its connections: each serves one question at a time."""

    def __init__(self, store: EmbeddedStore, mark: tuple[int, int], sandbox: Sandbox) -> None:
        self.mark = mark
        self.sandbox = sandbox
        self._store = store
        self._idle: list[Any] = [store.connection]
        self._busy = 0
        self._retired = False
        self._lock = threading.Lock()

    @contextmanager
    def connection(self) -> Iterator[Any]:
        with self._lock:
            connection = self._idle.pop() if self._idle else ladybug.Connection(self._store.connection.database)
            self._busy += 1
        try:
            yield connection
        finally:
            with self._lock:
                self._idle.append(connection)
                self._busy -= 1
                ended = self._retired and not self._busy
            if ended:
                self._close()

    def retire(self) -> None:
        with self._lock:
            self._retired = True
            ended = not self._busy
        if ended:
            self._close()

    def _close(self) -> None:
        for each in self._idle:
            if each is not self._store.connection:
                each.close()
        self._idle.clear()
        self.sandbox.close()
        self._store.close()
