"""What Spark's executors run: mapping segments, reading staged facts, writing parts.

Each function takes Arrow batches of task numbers, or of merged rows, and yields batches. The files lie in folders that
all machines share, but for the segments of a store, which are read from there. A task may run twice, on another machine
too: what it writes is the same bytes, renamed into place.
"""

from __future__ import annotations

import secrets
import shutil
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher.analyst.overrides import Overrides
from intel_grapher.cache.segment import Segment
from intel_grapher.errors import TransformError
from intel_grapher.files import NOTHING, Files, Group, GroupWriter, content_of_table
from intel_grapher.objects import Objects
from intel_grapher.registry import Registry
from intel_grapher.sql import connect
from intel_grapher.transform.few import WORD
from intel_grapher.transform.fingerprint import code_of
from intel_grapher.transform.interning import interned
from intel_grapher.transform.merge import HALF, end_of, paired, source_names
from intel_grapher.transform.overriding import Overriding
from intel_grapher.transform.publish import published
from intel_grapher.transform.retirement import Counting
from intel_grapher.transform.segments import found_in, stage_part
from intel_grapher.transform.spark.plan import Key, MergeJob, Spread, StagedSummary, holding
from intel_grapher.transform.staged import KEYS, REJECTS, Staged, keys_of
from intel_grapher.transform.workers import Mapper, prepare_arrow

STAGED_SCHEMA = "segment int, summary binary"
WRITTEN_SCHEMA = "name string, part int, rows bigint, checksum string"
BATCH_ROWS = 1 << 16
MAPPER_BYTES = 128 << 20  # of what a process that maps has interned
SQL_BYTES = 256 << 20  # of DuckDB, which sums checksums
REPEATED = 1.25  # rows a pair from which on equal rows are brought together before they are sent

Batches = Iterable[pa.RecordBatch]
_COLUMNS = {"bigint": pa.int64(), "string": pa.string(), "array<string>": pa.list_(pa.string())}


# --- segments → staged segments -----------------------------------------------------------------------------------


def stage(
    batches: Batches,
    tasks: Sequence[Sequence[tuple[int, Segment, str]]],
    *,
    registry: Registry,
    overriding: Overriding,
    folder: Path,
    store: str,
    code: str,
    sampled: int,
    which: Counting | None = None,
) -> Iterator[pa.RecordBatch]:
    """Find or make the staged file of each segment in a folder, and yield STAGED_SCHEMA.

    A task has (index, segment, name of the file of a part). Where `which` says what counts of the replies, files of a
    part are made, and none is looked for. A segment whose file is not on this machine is read from the store of that
    URL. One row of `sampled` is a sample. Raises TransformError where the driver has other code.
    """
    if code != own_code():
        raise TransformError("an executor has another intel-grapher, or another Python, than the driver")
    mapper = _mapper(registry, overriding, folder)
    for task in _tasks(batches):
        found = []
        for index, listed, name in tasks[task]:
            with _here(listed, store) as segment:
                if which is not None:
                    made = stage_part(segment, folder / name, overriding, mapper.interning, which)
                else:
                    made = found_in(folder, segment, registry, overriding) or mapper.stage(segment)
                found.append((index, made))
        summaries = [msgspec.json.encode(summary(staged, sampled)) for _, staged in found]
        indices = pa.array([index for index, _ in found], pa.int32())
        yield pa.record_batch({"segment": indices, "summary": pa.array(summaries, pa.binary())})


@contextmanager
def _here(segment: Segment, store: str) -> Iterator[Segment]:
    """Yield a segment whose file is on this machine: what the store has is what a mirror would bring."""
    if not store or segment.path.exists():
        yield segment
        return
    objects, name = Objects(store), "/".join(segment.path.parts[-4:])
    content = objects.get(name)
    with TemporaryDirectory(prefix="intel-grapher-") as folder:
        path = Path(folder, name)
        path.parent.mkdir(parents=True)
        path.write_bytes(content if segment.is_whole(content) else objects.get(name))
        yield replace(segment, path=path)


def own_code() -> str:
    """Return a digest of the code that runs here."""
    return code_of(__name__)


_mappers: dict[tuple[object, ...], Mapper] = {}


def _mapper(registry: Registry, overriding: Overriding, folder: Path) -> Mapper:
    """Return the process's mapper for these; what it has interned serves for many tasks."""
    prepare_arrow()
    known = (str(folder), repr(overriding.merge_inputs()))
    if known not in _mappers:
        _mappers.clear()
        _mappers[known] = Mapper(registry, overriding, folder, interned(MAPPER_BYTES))
    return _mappers[known]


def summary(staged: Staged, sampled: int) -> StagedSummary:
    """Return the summary of a staged segment, with the keys of one row of `sampled`."""
    samples: dict[str, list[Key]] = {}
    columns: dict[str, list[str]] = {}
    keys = {name: staged.read(name)["key"] for name in staged.tables if name.startswith(KEYS)}
    first = zlib.crc32(staged.name.encode()) % sampled  # so that small segments are sampled, too
    for name, of_label in keys.items():
        samples[name] = [(key,) for key in of_label[first::sampled].to_pylist()]
    for name in staged.tables.keys() - keys.keys() - {REJECTS}:
        table, labels = staged.read(name), Group.parse(name).labels
        columns[name] = table.column_names[len(labels) :]
        some = pa.array(range(first, table.num_rows, sampled), pa.int64())
        ends = [
            keys[keys_of(label)].take(column.take(some)).to_pylist()
            for label, column in zip(labels, table.columns, strict=False)
        ]
        samples[name] = list(zip(*ends, strict=True))
    return StagedSummary(staged, columns, samples)


# --- staged segments → rows -----------------------------------------------------------------------------------------


def read(
    batches: Batches, job: MergeJob, staged: Sequence[Staged], sources: Sequence[str], overrides: Overrides
) -> Iterator[pa.RecordBatch]:
    """Yield the facts of a job's groups, with keys as texts: batches of `MergeJob.schema`."""
    prepare_arrow()
    for task in _tasks(batches):
        for index in job.tasks[task]:
            facts = _SegmentFacts(staged[index], overrides)
            source = sources.index(staged[index].source)
            for kind, spread in enumerate(job.spreads):
                for table in facts.of(spread.group):
                    rows = _rows(job, kind, source, table, facts)
                    yield from rows.to_batches(max_chunksize=BATCH_ROWS)


class _SegmentFacts:
    """The facts of one staged segment that count, with pairs of ranks: positions among the segment's sorted keys."""

    def __init__(self, staged: Staged, overrides: Overrides) -> None:
        self._staged = staged
        self._overriding = Overriding(overrides)
        self._ranked: dict[str, tuple[pa.Array, pa.Array]] = {}
        self._ends: dict[str, list[pa.Table]] | None = None

    def keys(self, label: str) -> pa.Array:
        """Return a label's keys, sorted; those that overrides name are among them."""
        return self._rank(label)[0]

    def of(self, group: Group) -> Iterator[pa.Table]:
        """Yield a group's facts: `pair`, `fetched_at`, properties; of a label also those of relationships' ends."""
        if self._staged.rows(str(group)):
            yield self._paired(group)
        if not group.type:
            yield from self._ends_of(group.start)

    def _paired(self, group: Group) -> pa.Table:
        ranks = [self._rank(label)[1] for label in group.labels]
        table = paired(self._staged.read(str(group)), group, ranks, self._overriding)
        names = [name for name in table.column_names if name not in {"pair", "fetched_at"}]
        if names and pc.count_distinct(table["pair"]).as_py() * REPEATED < table.num_rows:
            return _without_repeats(table, names)
        return table

    def _ends_of(self, label: str) -> Iterator[pa.Table]:
        """Yield which nodes of a label relationships start or end at: each once, with the newest `fetched_at`."""
        if self._ends is None:
            self._ends = defaultdict(list)
            for name in self._staged.tables:
                if name != REJECTS and not name.startswith(KEYS) and (group := Group.parse(name)).type:
                    facts = self._paired(group).select(["pair", "fetched_at"])
                    for end, of_end in enumerate(group.labels):
                        self._ends[of_end].append(facts.set_column(0, "pair", end_of(facts["pair"], end)))
        if label in self._ends:
            yield _newest(pa.concat_tables(self._ends[label]), ["pair"])

    def _rank(self, label: str) -> tuple[pa.Array, pa.Array]:
        """Return a label's sorted keys, and the rank (int32) of each local_id."""
        if label not in self._ranked:
            named, name = pa.array(self._overriding.named(label), pa.string()), keys_of(label)
            has_some = self._staged.rows(name)
            own = self._staged.read(name)["key"].combine_chunks() if has_some else pa.array([], pa.string())
            encoded = pa.concat_arrays([named, own]).dictionary_encode()
            order = pc.sort_indices(encoded.dictionary).cast(pa.int32())
            ranks = pc.inverse_permutation(order).take(encoded.indices)
            known = ranks.slice(0, len(named)).to_pylist()
            self._overriding.rank_named(label, dict(zip(named.to_pylist(), known, strict=True)))
            ranks = self._overriding.survivors(label, ranks.slice(len(named)))
            self._ranked[label] = encoded.dictionary.take(order), ranks
        return self._ranked[label]


def _without_repeats(table: pa.Table, names: list[str]) -> pa.Table:
    """Return facts without those that say the same at an earlier time: no merge rule would miss one."""
    lists = {name: table[name] for name in names if pa.types.is_list(table[name].type)}
    for name, column in lists.items():  # Arrow groups by texts, not by lists
        table = table.set_column(table.column_names.index(name), name, pc.binary_join(column, "\0"))
    table = _newest(table, ["pair", *names])
    for name in lists:
        table = table.set_column(table.column_names.index(name), name, pc.split_pattern(table[name], "\0"))
    return table


def _newest(table: pa.Table, names: list[str]) -> pa.Table:
    """Return the distinct rows of some columns, each with its greatest `fetched_at`."""
    found = table.group_by(names).aggregate([("fetched_at", "max")])
    return found.rename_columns({"fetched_at_max": "fetched_at"})


def _rows(job: MergeJob, kind: int, source: int, table: pa.Table, facts: _SegmentFacts) -> pa.Table:
    """Return facts as rows of a job, sorted: what comes sorted is soon sorted again, and compresses better."""
    spread, table = job.spreads[kind], table.take(pc.sort_indices(table["pair"]))
    rows, pair, group = table.num_rows, table["pair"].combine_chunks(), spread.group
    ranks = [end_of(pair, 0), end_of(pair, 1)] if group.type else [pair]
    ends = [facts.keys(label).take(rank) for label, rank in zip(group.labels, ranks, strict=True)]
    firsts = pa.array([_pair(bound, group, facts) for bound in spread.bounds], pa.int64())
    part = pc.add(pc.search_sorted(firsts, pair, side="right").cast(pa.int32()), pa.scalar(spread.first, pa.int32()))
    made = {"part": part, "kind": pa.repeat(pa.scalar(kind, pa.int32()), rows), "start_key": ends[0]}
    made["end_key"] = ends[1] if group.type else pa.repeat(pa.scalar(""), rows)
    for number, word in enumerate(job.words):
        bit = 1 << source % WORD if source // WORD == number else 0
        made[word] = pa.repeat(pa.scalar(bit, pa.int64()), rows)
    made["fetched_at"] = table["fetched_at"].cast(pa.int64())
    values = {
        slot: pc.coalesce(*columns).cast(_COLUMNS[slot.column])
        for name, slot in spread.slots.items()
        if (columns := [table[column] for column in holding(table.column_names, name)])
    }
    for slot in job.slots:
        made[slot.name] = values[slot] if slot in values else pa.nulls(rows, _COLUMNS[slot.column])
    return pa.table(made)


def _pair(bound: Key, group: Group, facts: _SegmentFacts) -> int:
    """Return the least pair of a segment's ranks that is not before the key of a bound."""
    ranks = [pc.search_sorted(facts.keys(label), key).as_py() for label, key in zip(group.labels, bound, strict=True)]
    if not group.type:
        return int(ranks[0])
    starts = facts.keys(group.start)
    is_there = ranks[0] < len(starts) and starts[ranks[0]].as_py() == bound[0]
    return int(ranks[0]) << HALF | (int(ranks[1]) if is_there else 0)


# --- merged rows → parts ----------------------------------------------------------------------------------------------


def write(
    batches: Batches, job: MergeJob, root: Path, *, sources: Sequence[str], formats: Sequence[str], sort: bool
) -> Iterator[pa.RecordBatch]:
    """Write merged rows to the parts of their groups below a root; yield WRITTEN_SCHEMA.

    They come sorted by their keys; with `sort`, they are sorted here, where the engine keeps no order.
    """
    prepare_arrow()
    if sort and (some := list(batches)):
        whole = pa.Table.from_batches(some)
        batches = whole.sort_by([("start_key", "ascending"), ("end_key", "ascending")]).to_batches()
    work = root / "work" / secrets.token_hex(8)
    parts: dict[tuple[int, int], _Part] = {}
    with connect(SQL_BYTES, work, 1) as connection:
        for batch in batches:
            table = pa.Table.from_batches([batch])
            code = pc.add(pc.shift_left(table["part"].cast(pa.int64()), HALF), table["kind"])
            codes = pc.unique(code).to_pylist()
            for each in codes:
                partition, kind = each >> HALF, each & ((1 << HALF) - 1)
                if (partition, kind) not in parts:
                    parts[partition, kind] = _Part(job.spreads[kind], partition, work, formats, connection)
                parts[partition, kind].write(table if len(codes) == 1 else table.filter(pc.equal(code, each)), sources)
        written = [part.close(root) for part in parts.values()]
    shutil.rmtree(work, ignore_errors=True)
    names, numbers, rows, checksums = zip(*written, strict=True) if written else ((), (), (), ())
    yield pa.record_batch(
        {
            "name": pa.array(names, pa.string()),
            "part": pa.array(numbers, pa.int32()),
            "rows": pa.array(rows, pa.int64()),
            "checksum": pa.array(checksums, pa.string()),
        }
    )


class _Part:
    """A part of a group in the making, in a folder of its own."""

    def __init__(
        self, spread: Spread, partition: int, work: Path, formats: Sequence[str], connection: duckdb.DuckDBPyConnection
    ) -> None:
        self._spread = spread
        self._number = spread.part(partition)
        self._files = Files(work)
        self._formats = formats
        self._connection = connection
        self._writer = GroupWriter(self._files, spread.group, formats, self._number)
        self._content = NOTHING

    def write(self, rows: pa.Table, sources: Sequence[str]) -> None:
        """Append merged rows."""
        group = self._spread.group
        values = {name: rows[slot.name] for name, slot in self._spread.slots.items()}
        properties = pa.table({"fetched_at": rows["fetched_at"], **values})
        ends = dict(zip(group.keys, (rows["start_key"], rows["end_key"]), strict=False))
        made = published(group, ends, properties, source_names(rows, sources)).select(group.arrow.names)
        self._writer.write(made)
        self._content += content_of_table(self._connection.cursor, made.cast(group.arrow), group)

    def close(self, root: Path) -> tuple[str, int | None, int, str]:
        """Move the files to their places below a root, and return what is in them."""
        self._writer.close()
        group = self._spread.group
        for suffix in self._formats:
            made = self._files.path(group, suffix, self._number)
            target = Files(root).path(group, suffix, self._number)
            target.parent.mkdir(exist_ok=True)
            made.rename(target)
        return str(group), self._number, self._content.rows, self._content.checksum


def _tasks(batches: Batches) -> Iterator[int]:
    """Yield the numbers of the tasks in batches."""
    for batch in batches:
        yield from batch.column(0).to_pylist()
