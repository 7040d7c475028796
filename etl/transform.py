"""Raw cache → flat files: replies are mapped to facts by several processes, and DuckDB groups them out of core.

    segments ─▶ workers: decode, map, canonicalise ─▶ staged facts ─▶ group, merge by the schema's rules, sort ─▶ files

The result depends on what is in the cache alone, not on the order it came in. It is written beside the old one and put
in its place when whole.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa

from etl import schema
from etl.cache import Cache, Damage, Segment
from etl.errors import TransformError
from etl.facts import Batch, Reject, Reply
from etl.files import (
    Content,
    Files,
    Group,
    Manifest,
    ParquetFile,
    SegmentRead,
    Writer,
    content,
    literal,
    locked,
    quoted,
    recover,
    swap_in,
    sync,
)
from etl.graph import Merge, Property, Type
from etl.rulings import SOURCE as ANALYST
from etl.rulings import Rulings, given, rulings
from etl.source import discover

BATCH = 8 << 20  # bytes of replies that are mapped together
INLINE = 16 << 20  # a cache smaller than this is not worth other processes
MAX_SOURCES = 126  # bits of DuckDB's HUGEINT
VERSION = 1


@dataclass(frozen=True)
class Read:
    """What one segment gave."""

    segment: SegmentRead
    outcomes: Counter[str]
    damaged: int


@dataclass
class Options:
    """How to transform: which formats to write, and how much to use. `memory` is in bytes."""

    formats: tuple[str, ...] = ("parquet", "csv")
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    memory: int = field(default_factory=lambda: os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4)
    progress: Callable[[int, int], None] = lambda _done, _of: None


def transform(cache: Cache, place: Path, options: Options | None = None) -> Manifest:
    """Make the flat files of a cache at `place`; return their manifest.

    Raises BusyError where another transform is at work there, TransformError where they can't be written; the old set
    is then as it was.
    """
    options = options or Options()
    place = place.absolute()
    new = place.parent / f".{place.name}.new"
    try:
        with locked(place.parent / f".{place.name}.lock", str(place)):
            recover(place)
            shutil.rmtree(new, ignore_errors=True)
            try:
                (new / "stage").mkdir(parents=True)
                manifest = _make(cache, Files(new), new / "stage", options)
                shutil.rmtree(new / "stage")
                swap_in(new, place)
            finally:
                shutil.rmtree(new, ignore_errors=True)
    except (OSError, pa.ArrowException, duckdb.Error) as wrong:
        raise TransformError(
            f"the flat files can't be written at {place}: {wrong}; what was there is as it was"
        ) from wrong
    return manifest


def _make(cache: Cache, files: Files, stage: Path, options: Options) -> Manifest:
    sources = discover()
    if len(sources) > MAX_SOURCES:
        raise TransformError(f"{len(sources)} sources are more than the {MAX_SOURCES} that one graph can tell apart")
    ruled = rulings(cache)
    segments = sorted(filter(given, cache.segments()), key=lambda each: each.path)
    reads = list(_map_all(segments, stage, options, ruled.undone))
    merged = _Merge(stage, list(sources), options, ruled)
    outcomes = sum((each.outcomes for each in reads), Counter[str]())
    manifest = Manifest(
        version=VERSION,
        schema=schema.VERSION,
        relationships={},
        nodes={},
        rejects={},
        replies=sum(outcomes.values()),
        outcomes=dict(sorted(outcomes.items())),
        damaged=sum(each.damaged for each in reads),
        segments=[each.segment for each in reads],
    )
    for group in merged.relationship_groups():
        manifest.relationships[str(group)] = merged.write(files, group)
    for group in merged.node_groups():
        manifest.nodes[str(group)] = merged.write(files, group)
    manifest.rejects = merged.write_rejects(files)
    merged.close()
    path = files.root / "manifest.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    sync(path)
    return manifest


# --- replies → staged facts -------------------------------------------------------------------------------------------


def _map_all(segments: list[Segment], stage: Path, options: Options, undone: frozenset[str]) -> Iterator[Read]:
    """Map all segments' replies, the largest first, in as many processes as that is worth."""
    order = sorted(range(len(segments)), key=lambda place: -segments[place].size)
    tasks = [(place, segments[place]) for place in order]
    total, done = sum(each.size for each in segments), 0
    work = partial(_map_segment, stage=stage, undone=undone)
    reads: dict[int, Read] = {}
    processes = 1 if total < INLINE else min(options.processes, len(segments))
    if processes <= 1:
        results: Iterable[tuple[int, Read]] = map(work, tasks)
        pool = None
    else:
        pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"))
        results = pool.map(work, tasks)
    try:
        for place, read in results:
            reads[place] = read
            done += segments[place].size
            options.progress(done, total)
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)
    return iter([reads[place] for place in range(len(segments))])


def _map_segment(task: tuple[int, Segment], stage: Path, undone: frozenset[str]) -> tuple[int, Read]:
    """Map one segment's replies and stage their facts, save for undone entries; runs in a process of its own."""
    place, segment = task
    sources = discover()
    source = sources.get(segment.source)
    endpoint = source.endpoint(segment.endpoint) if source else None
    staged = _Stage(stage, place)
    records = 0
    outcomes: Counter[str] = Counter()
    damage: list[Damage] = []
    if endpoint is None:
        for _ in segment.read(damage.append):
            records += 1
        outcomes["no mapping"] = records
    else:
        batch = Batch(endpoint, list(sources).index(segment.source))
        size = 0
        for record in segment.read(damage.append):
            reply = record.envelope
            if undone and segment.source == ANALYST and reply.key in undone:
                continue
            content = reply.body if reply.form == "json" else reply.content
            batch.add(Reply(reply.key, reply.epoch, reply.status, content))
            records += 1
            size += record.length
            if size > BATCH:
                staged.put(batch)
                size = 0
        staged.put(batch)
        outcomes = batch.outcomes
    staged.close()
    return place, Read(
        SegmentRead(f"{segment.source}/{segment.endpoint}/{segment.number:06}", records), outcomes, len(damage)
    )


class _Stage:
    """Writes one segment's facts into files that `_Merge` reads: `GROUP~PLACE.parquet`, `rejects~PLACE.parquet`."""

    def __init__(self, folder: Path, place: int) -> None:
        self.folder = folder
        self.place = place
        self.writers: dict[str, ParquetFile] = {}

    def put(self, batch: Batch) -> None:
        for group, table in batch.tables():
            self._write(str(group), _complete(table, _staged(group)))
        if batch.rejects:
            columns = zip(*batch.rejects, strict=True)
            self._write("rejects", pa.table([pa.array(each, pa.string()) for each in columns], list(Reject._fields)))
            batch.rejects.clear()

    def _write(self, name: str, table: pa.Table) -> None:
        if name not in self.writers:
            path = self.folder / f"{name}~{self.place}.parquet"
            self.writers[name] = ParquetFile(path, table.schema, compression="lz4")
        self.writers[name].write_table(table)

    def close(self) -> None:
        for each in self.writers.values():
            each.close()


def _staged(group: Group) -> pa.Schema:
    """Return the columns of a group's staged facts: moments are still numbers, the source a number."""
    names = ("start", "end") if group.type else ("key",)
    own = [each for each in group.properties if each.name not in {"sources", "fetched_at"} and each.derive is None]
    return pa.schema(
        [pa.field(name, pa.string()) for name in names]
        + [pa.field("source", pa.int64()), pa.field("fetched_at", pa.int64())]
        + [pa.field(each.name, pa.int64() if each.type is Type.MOMENT else each.type.arrow) for each in own]
    )


def _complete(table: pa.Table, to: pa.Schema) -> pa.Table:
    """Return the table with the columns that it lacks, empty."""
    columns = [
        table[each.name] if each.name in table.column_names else pa.nulls(table.num_rows, each.type) for each in to
    ]
    return pa.table(columns, schema=to)


# --- staged facts → files ---------------------------------------------------------------------------------------------


class _Merge:
    """Groups staged facts and merges their properties by the schema's rules."""

    def __init__(self, stage: Path, sources: list[str], options: Options, ruled: Rulings) -> None:
        self.stage = stage
        self.sources = sources
        self.options = options
        self.connection = duckdb.connect(str(stage / "merge.duckdb"))
        for name, value in {
            "memory_limit": f"{max(options.memory >> 20, 256)}MiB",
            "threads": str(options.processes),
            "temp_directory": str(stage / "spill"),
            "preserve_insertion_order": "false",
        }.items():
            self.connection.execute(f"SET {name} = {literal(value)}")
        self.ruled = ruled
        ruled.prepare(self.connection)
        self.staged: dict[str, list[Path]] = {}
        for path in sorted(stage.glob("*~*.parquet")):
            self.staged.setdefault(path.name.partition("~")[0], []).append(path)
        self.mentions: dict[str, list[str]] = {}  # by label: queries for key, bits, fetched_at

    def close(self) -> None:
        self.connection.close()

    def relationship_groups(self) -> list[Group]:
        """Merge every relationship group, and return them."""
        groups = [Group.parse(name) for name in sorted(self.staged) if "-" in name]
        for group in groups:
            table = quoted(str(group))
            self.connection.execute(
                f'CREATE TABLE {table} AS SELECT start, "end", {self._merged(group.properties)} '
                f"FROM ({self._facts(group)}) GROUP BY ALL"
            )
            for label, key in ((group.start, "start"), (group.end, '"end"')):
                self.mentions.setdefault(label, []).append(f"SELECT {key} AS key, bits, fetched_at FROM {table}")
        return groups

    def node_groups(self) -> list[Group]:
        """Merge every label's nodes, those that relationships name among them, and return their groups."""
        own = {name for name in self.staged if "-" not in name and name != "rejects"}
        groups = [Group(label) for label in sorted(own | self.mentions.keys())]
        for group in groups:
            label = group.start
            parts = [f"({query})" for query in self.mentions.get(label, [])]
            if label in own:
                parts.append(f"({self._facts(group)})")
            self.connection.execute(
                f"CREATE TABLE {quoted(label)} AS SELECT key, {self._merged(group.properties, complete=label in own)} "
                f"FROM ({' UNION ALL BY NAME '.join(parts)}) GROUP BY key"
            )
        return groups

    def _facts(self, group: Group) -> str:
        paths = ", ".join(literal(str(path)) for path in self.staged[str(group)])
        facts = f"SELECT *, 1::HUGEINT << source::INTEGER AS bits FROM read_parquet([{paths}])"
        return self.ruled.applied(group, facts)

    def _merged(self, properties: Iterable[Property], *, complete: bool = True) -> str:
        """Return the SQL columns that merge a group's properties; only what all nodes have, where not `complete`."""
        columns = ["bit_or(bits) AS bits", "max(fetched_at) AS fetched_at"]
        for each in properties:
            if each.name in {"sources", "fetched_at"} or each.derive is not None:
                continue
            name = quoted(each.name)
            columns.append(f"{_merge(each) if complete else 'NULL'} AS {name}")
        return ", ".join(columns)

    def write(self, files: Files, group: Group) -> Content:
        """Write a merged group, sorted, in every format; return what is in it."""
        table = quoted(str(group))
        key = 'start, "end"' if group.type else "key"
        names = ", ".join(literal(name) for name in self.sources)
        sources = f"list_filter([{names}], lambda name, place: (bits >> (place - 1)::INTEGER) & 1 = 1)"
        columns = [key if group.type else f"key AS {quoted(group.keys[0])}"] + [
            f"{sources} AS sources" if each.name == "sources"
            else f"make_timestamp({quoted(each.name)} * 1000000) AS {quoted(each.name)}" if each.type is Type.MOMENT
            else quoted(each.name)
            for each in group.properties if each.derive is None
        ]  # fmt: skip
        query = f"SELECT {', '.join(columns)} FROM {table} ORDER BY {key}"
        writer = Writer(files, group, {"parquet", *self.options.formats})  # the checksum is read back from Parquet
        derived = [each for each in group.properties if each.derive is not None]
        for batch in self.connection.sql(query).to_arrow_reader(1 << 16):
            rows = pa.Table.from_batches([batch])
            for each in derived:
                rows = rows.append_column(each.name, _derived(each, rows[group.keys[0]]))
            writer.write(rows)
        writer.close()
        written = files.path(group, "parquet")
        counted = content(self.connection, f"read_parquet({literal(str(written))})", group)
        if "parquet" not in self.options.formats:
            written.unlink()
        return counted

    def write_rejects(self, files: Files) -> dict[str, int]:
        """Write the rejects, each once, sorted; return how many there are of each reason."""
        path = files.root / "rejects.jsonl"
        reasons: Counter[str] = Counter()
        with path.open("wb") as out:
            if "rejects" in self.staged:
                paths = ", ".join(literal(str(each)) for each in self.staged["rejects"])
                rows = self.connection.execute(f"SELECT DISTINCT * FROM read_parquet([{paths}]) ORDER BY ALL")
                while chunk := rows.fetchmany(10_000):
                    for row in chunk:
                        reasons[row[-1]] += 1
                        out.write(msgspec.json.encode(Reject(*row)._asdict()) + b"\n")
        sync(path)
        return dict(sorted(reasons.items()))


def _merge(declared: Property) -> str:
    """Return the SQL aggregate of a property's merge rule."""
    name = quoted(declared.name)
    if declared.merge is Merge.NEWEST:
        return f"arg_max({name}, ROW(fetched_at, {name})) FILTER ({name} IS NOT NULL)"
    if declared.merge is Merge.UNION:
        return f"list_sort(list_distinct(flatten(list({name}) FILTER ({name} IS NOT NULL))))"
    return f"{'min' if declared.merge is Merge.MIN else 'max'}({name})"


def _derived(declared: Property, keys: pa.ChunkedArray) -> pa.Array:
    derive = declared.derive
    if derive is None:
        raise AssertionError(declared.name)
    return pa.array([derive(key) for key in keys.to_pylist()], declared.type.arrow)
