"""Publishing: merged rows → the flat files, rejects and manifest of a new set.

A group whose inputs are those of the previous run is not written: its files are given second names in the new set (hard
links), once their bytes have been checked.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher import schema
from intel_grapher.cache.marks import Marks
from intel_grapher.cache.segment import Segment
from intel_grapher.files import Content, Files, Group, GroupWriter, Manifest, SegmentRead
from intel_grapher.model import Merge
from intel_grapher.transform.facts import PRECISIONS, Reject
from intel_grapher.transform.merge import Merger, end_of, renumbered, with_pairs
from intel_grapher.transform.options import Options
from intel_grapher.transform.staged import REJECTS, Staged
from intel_grapher.transform.store import Checksum, GroupState, RowsWriter, checksum

MANIFEST_VERSION = 1
FEW_REJECTS = 10_000
"""Python sorts so many sooner than DuckDB has begun."""


class Publisher:
    """Makes a new set of files, `new`, from merged rows and from the files of the `old` set.

    `previous` has the state of each group as of the previous run, by name. `inputs` has the digest of every group's
    inputs; empty if this run's state is not to be kept.
    """

    def __init__(
        self, old: Files, new: Files, formats: Sequence[str], previous: dict[str, GroupState], inputs: dict[Group, str]
    ) -> None:
        self._old = old
        self._new = new
        self._formats = tuple(formats)
        self._previous = previous
        self._inputs = inputs

    def reuse(self, groups: Iterable[Group]) -> dict[Group, GroupState]:
        """Link the files of all groups that would come out the same; return the states of those groups."""
        groups = list(groups)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            states = pool.map(self._reuse, groups)
            return {group: state for group, state in zip(groups, states, strict=True) if state}

    def _reuse(self, group: Group) -> GroupState | None:
        state = self._previous.get(str(group))
        if state is None or state.inputs != self._inputs.get(group) or state.files.keys() != set(self._formats):
            return None
        linked = [self._new.path(group, suffix) for suffix in self._formats]
        is_whole = False
        with suppress(OSError):  # a file is gone, or this file system has no hard links
            for suffix, new in zip(self._formats, linked, strict=True):
                new.parent.mkdir(parents=True, exist_ok=True)
                os.link(self._old.path(group, suffix), new, follow_symlinks=False)
            is_whole = all(
                checksum(new) == state.files[suffix] for suffix, new in zip(self._formats, linked, strict=True)
            )
        if not is_whole:
            for new in linked:
                new.unlink(missing_ok=True)  # else what is written there would go into the old set
        return state if is_whole else None

    def write(self, merger: Merger, group: Group, work: Path) -> GroupState:
        """Write the files of a merged group, and its rows for the next run into `work`; return its state."""
        all_keys = [merger.keys(label) for label in group.labels]
        keys, stable_ids = [each.array() for each in all_keys], [each.stable_ids() for each in all_keys]
        writer = GroupWriter(self._new, group, self._formats)
        rows_writer = RowsWriter(work / f"{group}.rows") if group in self._inputs else None
        content = merger.previous_content(group)
        for piece in merger.pieces(group):
            made = columns(merger, group, piece.rows, keys)
            writer.write(made)
            if piece.new.num_rows:
                added = made if piece.new is piece.rows else columns(merger, group, piece.new, keys)
                content += merger.content(group, added)
            if piece.replaced.num_rows:
                content -= merger.content(group, columns(merger, group, piece.replaced, keys))
            if rows_writer:
                rows_writer.write(with_pairs(piece.rows, renumbered(piece.rows["pair"], stable_ids)))
        writer.close()
        rows = rows_writer.close() if rows_writer else None
        files = {suffix: self._checksum(group, suffix) for suffix in self._formats} if rows else {}
        return GroupState(self._inputs.get(group, ""), content, rows, files)

    def _checksum(self, group: Group, suffix: str) -> Checksum:
        path = self._new.path(group, suffix)
        found = checksum(path)
        if found is None:
            raise OSError(f"{path} can't be read")
        return found

    def write_rejects(
        self, cursor: Callable[[], duckdb.DuckDBPyConnection], staged: list[Staged], others: list[Reject]
    ) -> dict[str, int]:
        """Write the distinct rejects of all segments, and others, sorted; return their number by reason.

        `cursor` returns a cursor of DuckDB, which is asked for if there are many.
        """
        reasons: Counter[str] = Counter()
        tables = [segment.read(REJECTS) for segment in staged if segment.rows(REJECTS)]
        tables += [Reject.table(others)] if others else []
        with (self._new.root / "rejects.jsonl").open("wb") as out:
            for reject in _distinct(tables, cursor):
                reasons[reject.reason] += reject.more or 1
                listed = reject._asdict()
                if not reject.more:
                    del listed["more"]
                out.write(msgspec.json.encode(listed) + b"\n")
        return dict(sorted(reasons.items()))

    def write_manifest(
        self,
        staged: list[tuple[Segment, Staged]],
        contents: dict[Group, Content],
        rejects: dict[str, int],
        options: Options,
        marks: Marks,
    ) -> Manifest:
        """Write the manifest and return it. Segments of which all replies are out of use are not named in it."""
        outcomes = sum((Counter(file.outcomes) for _, file in staged), Counter[str]())
        manifest = Manifest(
            version=MANIFEST_VERSION,
            schema=schema.VERSION,
            nodes={str(group): content for group, content in contents.items() if not group.type},
            relationships={str(group): content for group, content in contents.items() if group.type},
            rejects=rejects,
            replies=sum(outcomes.values()),
            outcomes=dict(sorted(outcomes.items())),
            damaged=sum(file.damaged for _, file in staged) + marks.damaged,
            segments=[
                SegmentRead(f"{segment.source}/{segment.endpoint}/{segment.number:06}", file.records)
                for segment, file in staged
                if file.records or file.damaged or not marks.inputs(segment)
            ],
            as_of=options.as_of,
            seen_since=dict(sorted(options.seen_since.items())),
        )
        path = self._new.root / "manifest.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        return manifest


def _distinct(tables: list[pa.Table], cursor: Callable[[], duckdb.DuckDBPyConnection]) -> Iterator[Reject]:
    """Yield the distinct rejects of some tables, sorted."""
    if sum(table.num_rows for table in tables) <= FEW_REJECTS:
        rows = (zip(*(column.to_pylist() for column in table.columns), strict=True) for table in tables)
        yield from map(Reject._make, sorted(set(chain.from_iterable(rows))))
        return
    with cursor() as connection:
        connection.register("rejects", pa.concat_tables(tables))
        found = connection.execute("SELECT DISTINCT * FROM rejects ORDER BY ALL")
        while chunk := found.fetchmany(10_000):
            yield from map(Reject._make, chunk)


def columns(merger: Merger, group: Group, rows: pa.Table, keys: list[pa.LargeStringArray]) -> pa.Table:
    """Return the columns of a group's files for merged rows; `keys` are those of its labels, by rank."""
    pair = rows["pair"]
    ranks = [end_of(pair, 0), end_of(pair, 1)] if group.type else [pair]
    ends = {name: of_label.take(rank) for name, of_label, rank in zip(group.keys, keys, ranks, strict=True)}
    return published(group, ends, rows, merger.source_names(rows))


def published(group: Group, ends: dict[str, pa.Array], rows: pa.Table, sources: pa.Array) -> pa.Table:
    """Return the columns of a group's files: its keys, and what merged rows say of each property."""
    made = dict(ends)
    for declared in group.properties:
        name = declared.name
        if declared.derive is not None:
            made[name] = pa.array(map(declared.derive, ends[group.keys[0]].to_pylist()), declared.type.arrow)
        elif name == "sources":
            made[name] = sources
        elif name not in rows.column_names:
            made[name] = pa.nulls(len(rows), declared.type.arrow)
        elif name == "precision":
            made[name] = pa.array(PRECISIONS).take(rows[name])
        elif declared.merge is Merge.NEWEST and pa.types.is_struct(rows[name].type):
            made[name] = pc.struct_field(rows[name], "value").cast(declared.type.arrow)
        else:
            made[name] = rows[name].cast(declared.type.arrow)
    return pa.table(made)
