"""The embedded graph, opened to be read: where it lies, the manifest of what it holds, and its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self, cast

import ladybug
import msgspec
import pyarrow as pa

from intel_grapher import schema
from intel_grapher.errors import LoadError, NoGraphError, StaleGraphError
from intel_grapher.files import ARRAY_DELIMITER, SEPARATOR, Group, Manifest
from intel_grapher.load.embedded.statements import rows_statement, text
from intel_grapher.load.prefetch import prefetched
from intel_grapher.load.quote import quote
from intel_grapher.load.row_diff import text_schema
from intel_grapher.machine import quarter_of_memory
from intel_grapher.model import Property, Type

STORE = "graph.lbug"
MANIFEST = "manifest.json"
PROOF = "proof.json"
LOG = f"{STORE}.wal"
SLICE = 1 << 17  # nodes whose rows are read back together, so that memory is bounded
LEAST_POOL = 64 << 20
_ATTEMPTS = 5  # at opening a graph that is replaced meanwhile


@dataclass(frozen=True)
class Embedded:
    """An embedded graph in the folder `place`; `memory` is the engine's buffer pool while it builds, in bytes."""

    place: Path
    memory: int = field(default_factory=quarter_of_memory)

    def __str__(self) -> str:
        return str(self.place)


def open_embedded(place: Path, manifest: Manifest | None = None, *, memory: int = 0) -> EmbeddedStore:
    """Open the embedded graph at `place`, read-only; `memory` bounds its buffer pool, in bytes (0: the engine's own).

    Raises LoadError where there is none, where it was built with another schema, or, if a manifest is given, from
    other files.
    """
    loaded = open_manifest(place)
    if manifest is not None and dict(manifest.groups()) != dict(loaded.groups()):
        raise StaleGraphError(f"the graph at {place} was built from other files than these")
    for _ in range(_ATTEMPTS):
        before = _mark(place)
        try:
            opened = EmbeddedStore(place / STORE, memory)
        except RuntimeError as wrong:
            if _mark(place) == before:
                raise StaleGraphError(f"the graph at {place} can't be opened ({wrong})") from wrong
        else:
            if _mark(place) == before:  # else store and overlay may be those of two graphs
                return opened
            opened.close()
    raise LoadError(f"the graph at {place} is replaced again and again: try again when that has ended")


def _mark(place: Path) -> tuple[int, ...]:
    """Return what tells the graph at a place from the one that replaces it."""
    try:
        folder, manifest = place.stat(), (place / MANIFEST).stat()
    except OSError:
        return ()
    return folder.st_ino, manifest.st_ino, manifest.st_mtime_ns


class Checked(msgspec.Struct, frozen=True):
    """The size (bytes) and CRC-32 of a file."""

    size: int
    crc: int


class Proof(msgspec.Struct, frozen=True):
    """Store and overlay as they were when they were proved to hold the rows of the files.

    `engine` is the version of the engine that wrote them, `changes` how many rows are in the overlay. A graph without a
    proof, as older versions of this program made, is read, but built anew by the next load.
    """

    engine: str = ""
    store: Checked | None = None
    log: Checked | None = None
    changes: int = 0

    def has_log(self, place: Path) -> bool:
        """Tell whether the overlay in a folder is as long as it was; the engine would open the store without one."""
        try:
            return self.log is None or (place / LOG).stat().st_size == self.log.size
        except OSError:
            return False


def proof_of(place: Path) -> Proof:
    """Return the proof of the graph at `place`; an empty one where there is none that can be read."""
    try:
        return msgspec.json.decode((place / PROOF).read_bytes(), type=Proof)
    except (OSError, msgspec.MsgspecError):
        return Proof()


def open_manifest(place: Path) -> Manifest:
    """Return the manifest of the files that the graph at `place` was built from.

    Raises LoadError where there is no graph, one of another schema, or one whose overlay is not there.
    """
    try:
        loaded = msgspec.json.decode((place / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError as missing:
        raise NoGraphError(f"there is no graph at {place}", "run `intel-grapher load` first") from missing
    except (OSError, msgspec.MsgspecError) as wrong:
        raise StaleGraphError(f"the graph at {place} can't be read ({wrong})") from wrong
    if loaded.schema != schema.VERSION:
        raise StaleGraphError(
            f"the graph at {place} has schema {loaded.schema}, this program {schema.VERSION}", of_files=True
        )
    if not proof_of(place).has_log(place):
        raise StaleGraphError(f"the graph at {place} lacks a part of {LOG}")
    return loaded


class EmbeddedStore:
    """An open embedded graph, read-only. `connection` takes Cypher; close it, or use it as a context."""

    READERS: ClassVar[int] = 2
    reads_types = False

    def __init__(self, store: Path, memory: int = 0) -> None:
        self._database = ladybug.Database(store, buffer_pool_size=memory and max(memory, LEAST_POOL), read_only=True)
        self.connection = ladybug.Connection(self._database)
        self._last: dict[str, int] = {}  # the last offset of each label's nodes, -1 where there is none

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the store."""
        self.connection.close()
        self._database.close()

    def others(self, known: Mapping[Group, int]) -> Iterator[Group]:
        """Yield every other group that may have rows, given how many the known ones have."""
        nodes = sum(rows for group, rows in known.items() if not group.type)
        # To count all at once costs a few ms, a query for each label and type some 50.
        if self._nodes != nodes:
            for label in schema.LABELS:
                if Group(label) not in known and self._count(f"MATCH (n:{quote(label)}) RETURN count(n)"):
                    yield Group(label)
        if self._count("MATCH ()-[r]->() RETURN count(r)") == sum(known.values()) - nodes:
            return
        for each in schema.RELATIONSHIPS.values():
            groups = [Group(start.name, each.type, end.name) for start, end in each.joins]
            # Counting a type's relationships costs less than planning a query for each pair of labels that it joins.
            rows = self._count(f"MATCH ()-[r:{quote(each.type)}]->() RETURN count(r)")
            if rows != sum(known.get(group, 0) for group in groups):
                yield from (group for group in groups if group not in known)

    def types(self) -> dict[str, int]:
        """Return nothing: the tables admit no relationship but between the labels that its type joins."""
        return {}

    def rows(self, group: Group) -> Iterator[pa.RecordBatch]:
        """Yield a group's rows, in batches."""
        columns = [f"{value} AS {quote(to)}" for value, to in zip(_values(group), group.arrow.names, strict=True)]
        for table in self._slices(self.connection, group, ", ".join(columns)):
            # The engine tells moments in UTC but without the zone.
            yield from table.cast(group.arrow).to_batches()

    def rows_named(self, group: Group, file: Path) -> pa.Table:
        """Return the rows of a group whose keys a Parquet file has, in its columns `k0` and `k1`."""
        columns = [f"{value} AS {quote(to)}" for value, to in zip(_values(group), group.arrow.names, strict=True)]
        return _run(self.connection, rows_statement(group, file, ", ".join(columns))).cast(group.arrow)

    def count(self, group: Group) -> int:
        """Return how many rows a group has."""
        return self._count(f"MATCH {_match(group)} RETURN count({'r' if group.type else 'n'})")

    def texts(self, group: Group) -> Iterator[pa.Table]:
        """Yield the texts of a group's rows, as `Database` has it; by a connection of its own."""
        keys = len(group.keys)
        values = _values(group)
        parts = [_text_of(each, value) for each, value in zip(group.properties, values[keys:], strict=True)]
        columns = ["offset(id(n))", "offset(id(m))" if group.type else values[0]]
        columns += [f"concat_ws({text(SEPARATOR)}, {', '.join(parts)})"]
        named = (f"{value} AS {quote(to)}" for value, to in zip(columns, text_schema(group).names, strict=True))
        with ladybug.Connection(self._database) as connection:
            yield from self._slices(connection, group, ", ".join(named))

    def _slices(self, connection: ladybug.Connection, group: Group, columns: str) -> Iterator[pa.Table]:
        """Ask for a group's rows, those of some nodes at a time: the engine holds a whole answer in memory."""
        if self._nodes <= SLICE:  # else it would take half as long again to plan
            yield _run(connection, f"MATCH {_match(group)} RETURN {columns}")
            return
        if group.start not in self._last:
            last = _run(connection, f"MATCH (n:{quote(group.start)}) RETURN max(offset(id(n)))")[0][0].as_py()
            self._last[group.start] = -1 if last is None else last
        # One condition, where two bounds say the same: from two, the engine expects few rows, and joins the wrong way
        # round, at twice the cost.
        near = f"abs(2 * offset(id(n)) - (2 * $first + {SLICE - 1})) <= {SLICE - 1}"
        query = f"MATCH {_match(group)} WHERE {near} RETURN {columns}"
        firsts = range(0, self._last[group.start] + 1, SLICE)

        def read(first: int) -> pa.Table:
            return _run(connection, query, first=first)

        # A thread for one costs more.
        yield from prefetched(read, firsts) if len(firsts) > 1 else map(read, firsts)

    @cached_property
    def _nodes(self) -> int:
        """Return how many nodes there are."""
        return self._count("MATCH (n) RETURN count(n)")

    def _count(self, query: str) -> int:
        return int(_run(self.connection, query)[0][0].as_py())


def _run(connection: ladybug.Connection, query: str, **parameters: object) -> pa.Table:
    with cast("ladybug.QueryResult", connection.execute(query, parameters)) as result:
        return result.get_as_arrow(chunk_size=SLICE)


def _match(group: Group) -> str:
    end = f"-[r:{quote(group.type)}]->(m:{quote(group.end)})" if group.type else ""
    return f"(n:{quote(group.start)}){end}"


def _values(group: Group) -> list[str]:
    """Return the expressions of a group's columns."""
    own, ends = ("r", [("n", group.start), ("m", group.end)]) if group.type else ("n", [("n", group.start)])
    keys = [f"{node}.{quote(schema.LABELS[label].key)}" for node, label in ends]
    return keys + [f"{own}.{quote(each.name)}" for each in group.properties]


def _text_of(each: Property, value: str) -> str:
    """Return the expression of a property's text in a row's text."""
    found = {
        Type.TEXT: value,
        Type.TEXTS: f"list_to_string({text(ARRAY_DELIMITER)}, {value})",
        Type.TIMESTAMP: f"CAST(to_epoch_ms({value}) / 1000 AS STRING)",
    }.get(each.type, f"CAST({value} AS STRING)")
    return f"coalesce({found}, '')"
