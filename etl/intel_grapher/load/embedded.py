"""The embedded graph: a projection of the flat files in LadybugDB, built beside, checked, swapped in, only read.

    graph/graph.lbug        the store
    graph/manifest.json     the manifest of the files that it was built from

A build never touches the store in use: it is made in `.graph.new`, and one rename puts it in place when parity holds.
Who has the old one open goes on reading it. A failed or killed build leaves the old one as it was; what it left beside
is removed by the next. All tables of the schema exist, so that a query over a label without nodes finds none.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self, cast

import ladybug
import msgspec
import pyarrow as pa

from intel_grapher import disk, schema
from intel_grapher.errors import LoadError, NoGraphError
from intel_grapher.files import ARRAY_DELIMITER, SEPARATOR, Files, Group, Manifest
from intel_grapher.load import parity
from intel_grapher.load.prefetch import prefetched
from intel_grapher.load.quote import quote
from intel_grapher.load.row_diff import text_schema
from intel_grapher.lock import locked
from intel_grapher.model import Label, Property, Relationship, Type

STORE = "graph.lbug"
MANIFEST = "manifest.json"
SLICE = 1 << 17  # nodes whose rows are read back together, so that memory is bounded
FEW = 100_000  # rows that are copied in one transaction: each commit takes as long as copying some thousands
_LEAST_POOL = 64 << 20
_LITTLE = 256 << 20  # bytes of a disk: less may be what a copy failed for
_SCRIPT = Path(__file__).with_name("copy_process.py")
_TYPES = {Type.TEXT: "STRING", Type.TEXTS: "STRING[]", Type.INTEGER: "INT64", Type.TIMESTAMP: "TIMESTAMP"}
# The store, what the engine keeps beside it, the manifest: all that a load may delete.
_OURS = re.compile(
    re.escape(STORE) + r"(\.(wal|shadow|tmp|checkpoint|wal\.checkpoint|checkpoint\.(intent|apply)\.lock))?"
    "|" + re.escape(MANIFEST)
)


def quarter_of_memory() -> int:
    """Return a quarter of this machine's memory, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


@dataclass(frozen=True)
class Embedded:
    """An embedded graph in the folder `place`; `memory` is the engine's buffer pool while it builds, in bytes."""

    place: Path
    memory: int = field(default_factory=quarter_of_memory)

    def __str__(self) -> str:
        return str(self.place)


def build(files: Files, manifest: Manifest, target: Embedded, progress: parity.Progress) -> parity.Parity:
    """Build the embedded graph of the files and put it in place; return how it compares with them.

    Raises BusyError where another build is at work there, LoadError where the graph can't be built or differs from the
    files; the old one is then as it was.
    """
    place = disk.real(target.place)
    if not place.name:
        raise LoadError(f"{place} can't be an embedded graph: name a folder of its own with --db")
    new = place.parent / f".{place.name}.new"
    try:
        with locked(place.parent / f".{place.name}.lock", str(place), failure=LoadError):
            disk.recover(place)
            disk.remove(new)
            _refuse_foreign(place)
            try:
                new.mkdir()
                _copy(files, manifest, new / STORE, target.memory, progress)
                with EmbeddedStore(new / STORE, target.memory) as graph:
                    found = parity.check(files, graph, progress)
                if not found.equal:
                    raise LoadError(_differs(place, found))
                disk.write_atomically(new / MANIFEST, msgspec.json.encode(manifest))
                disk.sync(new / STORE)
                _refuse_foreign(place)  # a build takes minutes: something may have been put there meanwhile
                disk.swap_in(new, place)
            finally:
                shutil.rmtree(new, ignore_errors=True)
    except (OSError, RuntimeError) as wrong:  # LadybugDB raises RuntimeError for everything
        hint = ": give it more with --memory" if "uffer" in str(wrong) else ""
        if isinstance(wrong, OSError) and wrong.errno in {errno.ENOSPC, errno.EDQUOT}:
            hint = ": free some room on that disk"
        raise LoadError(
            f"the embedded graph can't be built at {place} ({wrong}){hint}; what was there is as it was"
        ) from wrong
    return found


def open_embedded(place: Path, manifest: Manifest | None = None, *, memory: int = 0) -> EmbeddedStore:
    """Open the embedded graph at `place`, read-only; `memory` bounds its buffer pool, in bytes (0: the engine's own).

    Raises LoadError where there is none, where it was built with another schema, or, if a manifest is given, from
    other files.
    """
    loaded = open_manifest(place)
    again = "run `intel-grapher load`"
    if manifest is not None and dict(manifest.groups()) != dict(loaded.groups()):
        raise LoadError(f"the graph at {place} was built from other files than these: {again} to build it again")
    try:
        return EmbeddedStore(place / STORE, memory)
    except RuntimeError as wrong:
        raise LoadError(f"the graph at {place} can't be opened ({wrong}): {again} to build it again") from wrong


def open_manifest(place: Path) -> Manifest:
    """Return the manifest of the files that the graph at `place` was built from.

    Raises LoadError where there is no graph, or one of another schema.
    """
    again = "run `intel-grapher load`"
    try:
        loaded = msgspec.json.decode((place / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError as missing:
        raise NoGraphError(f"there is no graph at {place}", f"{again} first") from missing
    except (OSError, msgspec.MsgspecError) as wrong:
        raise LoadError(f"the graph at {place} can't be read ({wrong}): {again} to build it again") from wrong
    if loaded.schema != schema.VERSION:
        raise LoadError(
            f"the graph at {place} has schema {loaded.schema}, this program {schema.VERSION}:"
            f" run `intel-grapher transform`, then `intel-grapher load`"
        )
    return loaded


class EmbeddedStore:
    """An open embedded graph, read-only. `connection` takes Cypher; close it, or use it as a context."""

    READERS: ClassVar[int] = 2

    def __init__(self, store: Path, memory: int = 0) -> None:
        self._database = ladybug.Database(store, buffer_pool_size=memory and max(memory, _LEAST_POOL), read_only=True)
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
        for label in schema.LABELS:
            if Group(label) not in known and self._count(f"MATCH (n:{quote(label)}) RETURN count(n)"):
                yield Group(label)
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

    def texts(self, group: Group) -> Iterator[pa.Table]:
        """Yield the texts of a group's rows, as `Database` has it; by a connection of its own."""
        keys = len(group.keys)
        values = _values(group)
        parts = [_text_of(each, value) for each, value in zip(group.properties, values[keys:], strict=True)]
        columns = ["offset(id(n))", "offset(id(m))" if group.type else values[0]]
        columns += [f"concat_ws({_text(SEPARATOR)}, {', '.join(parts)})"]
        named = (f"{value} AS {quote(to)}" for value, to in zip(columns, text_schema(group).names, strict=True))
        with ladybug.Connection(self._database) as connection:
            yield from self._slices(connection, group, ", ".join(named))

    def _slices(self, connection: ladybug.Connection, group: Group, columns: str) -> Iterator[pa.Table]:
        """Ask for a group's rows, those of some nodes at a time: the engine holds a whole answer in memory."""
        if group.start not in self._last:
            last = _run(connection, f"MATCH (n:{quote(group.start)}) RETURN max(offset(id(n)))")[0][0].as_py()
            self._last[group.start] = -1 if last is None else last
        # One condition, where two bounds say the same: from two, the engine expects few rows, and joins the wrong way
        # round, at twice the cost.
        near = f"abs(2 * offset(id(n)) - (2 * $first + {SLICE - 1})) <= {SLICE - 1}"
        query = f"MATCH {_match(group)} WHERE {near} RETURN {columns}"
        firsts = range(0, self._last[group.start] + 1, SLICE)
        return prefetched(lambda first: _run(connection, query, first=first), firsts)

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
    text = {
        Type.TEXT: value,
        Type.TEXTS: f"list_to_string({_text(ARRAY_DELIMITER)}, {value})",
        Type.TIMESTAMP: f"CAST(to_epoch_ms({value}) / 1000 AS STRING)",
    }.get(each.type, f"CAST({value} AS STRING)")
    return f"coalesce({text}, '')"


def _copy(files: Files, manifest: Manifest, store: Path, memory: int, progress: parity.Progress) -> None:
    """Make the tables and fill them, in a process of its own: on a full disk, the engine may end the one that it is in.

    Raises RuntimeError, with the engine's text, or with how the process ended.
    """
    groups = list(manifest.groups())
    total, done = sum(content.rows for _, content in groups), 0
    steps = [(statement, 0) for statement in tables()]
    copies = [(copy_statement(files, group), content.rows) for group, content in groups]
    steps += [("BEGIN TRANSACTION", 0), *copies, ("COMMIT", 0)] if total <= FEW else copies
    arguments = [str(store), str(max(memory, _LEAST_POOL)), str(os.getpid())]
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-P", str(_SCRIPT), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            with suppress(BrokenPipeError):  # it has ended, and says why
                process.stdin.write("".join(json.dumps(statement) + "\n" for statement, _ in steps))
                process.stdin.close()
            for _, rows in [*steps, ("CHECKPOINT", 0)]:
                line = process.stdout.readline().strip()
                if line != "done":
                    raise RuntimeError(_why(json.loads(line) if line else "", process, store))
                done += rows
                if rows:
                    progress("copy", done, total)
        finally:
            process.kill()


def _why(text: str, process: subprocess.Popen[str], store: Path) -> str:
    """Return why a copy failed: what the engine said, or how it ended; and the room left, where that is little."""
    if not text:
        code = process.wait()
        text = f"the engine ended with {signal.Signals(-code).name if code < 0 else code}"
        if code == -signal.SIGABRT:
            text += ", which it does where the disk has no room"
        if code == -signal.SIGKILL:
            text += ", perhaps for want of memory"
    free = shutil.disk_usage(store.parent).free
    return text if free >= _LITTLE else f"{text}; {free >> 20} MiB of room are left on that disk: free some"


def tables() -> list[str]:
    """Return the statements that make the schema's tables."""
    return [*map(_node_table, schema.LABELS.values()), *map(_relationship_table, schema.RELATIONSHIPS.values())]


def _node_table(label: Label) -> str:
    columns = [f"{quote(label.key)} STRING", *map(_column, label.properties), f"PRIMARY KEY ({quote(label.key)})"]
    return f"CREATE NODE TABLE {quote(label.name)} ({', '.join(columns)})"


def _relationship_table(each: Relationship[str, str]) -> str:
    columns = [f"FROM {quote(start.name)} TO {quote(end.name)}" for start, end in each.joins]
    columns += map(_column, each.properties)
    return f"CREATE REL TABLE {quote(each.type)} ({', '.join(columns)})"


def _column(each: Property) -> str:
    return f"{quote(each.name)} {_TYPES[each.type]}"  # no DEFAULT: a store that has one may not open after a crash


def copy_statement(files: Files, group: Group) -> str:
    """Return the statement that fills a group's table from its Parquet file."""
    path = files.path(group, "parquet")
    names = [each.name for each in group.properties] if group.type else group.arrow.names
    # Parquet columns are taken by position; a relationship's first two are its ends' keys.
    columns = f"({', '.join(map(quote, names))})" if names else ""
    ends = f" (from = {_text(group.start)}, to = {_text(group.end)})" if group.type else ""
    return f"COPY {quote(group.type or group.start)}{columns} FROM {_text(glob.escape(str(path.absolute())))}{ends}"


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _refuse_foreign(place: Path) -> None:
    """Raise LoadError where `place` is anything but an embedded graph: it is replaced as a whole, with all in it."""
    if not place.exists():
        return
    if not place.is_dir():
        raise LoadError(f"{place} is there and is no folder: move it away, or name another place with --db")
    with os.scandir(place) as entries:
        names = {
            each.name for each in entries if not _OURS.fullmatch(each.name) or not each.is_file(follow_symlinks=False)
        }
        if not names and any(place.iterdir()) and not (place / STORE).exists():
            names = {MANIFEST}
    if names:
        raise LoadError(
            f"{place} holds more than an embedded graph ({', '.join(sorted(names)[:3])}), and is replaced as a whole:"
            " move that away, or name another place with --db"
        )


def _differs(place: Path, found: parity.Parity) -> str:
    lines = "\n  ".join(found.differences())
    return f"the graph built at {place} differs from the files, and was not put in place:\n  {lines}"
