"""What the last run merged, kept beside the staged facts: a run that only has more of these adds to it.

    base.json         which staged files went in, and where the rest lies
    LABEL.N.keys …    a label's keys (see `etl/intel_grapher/transform/ranks.py`), as the Nth run left them
    GROUP.N.merged    a group's merged rows in order, their ends as ids of keys; an Arrow file

What came since is merged with those rows that it is about; all others are taken as they are. A row says of each
property that follows the newest observation when that was, so that a later one can be told from it. A segment that was
open then and has grown counts as new as a whole: to merge what was merged before changes nothing.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher.cache import Segment
from intel_grapher.files import NOTHING, Content, Group
from intel_grapher.transform.ranks import Keys
from intel_grapher.transform.stage import COMPRESSED, Staged

INDEX = "base.json"
BATCH_ROWS = 1 << 17


class Rows(msgspec.Struct, frozen=True):
    """A group's merged rows: a mark of what they came from, their file, the first pair of each batch, their content."""

    mark: str
    name: str
    firsts: list[int]
    content: Content


class Index(msgspec.Struct):
    """What there is. `code` is a mark of all that merges, `checksums` has every file's CRC-32.

    `staged` has the names of the files that went in, and of those from open segments which these were: area, source,
    endpoint and number, size in bytes. The name covers the bytes that were read.
    """

    code: str = ""
    run: int = 0
    staged: dict[str, tuple[str, int] | None] = {}
    groups: set[str] = set()
    checksums: dict[str, int | None] = {}
    keys: dict[str, tuple[str, int, bool]] = {}
    rows: dict[str, Rows] = {}


def names_in(kept: Path) -> set[str]:
    """Return the names of the files that there are of it in a folder, its index among them."""
    return {INDEX, *_read(kept).checksums}


def _read(kept: Path) -> Index:
    with suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((kept / INDEX).read_bytes(), type=Index)
    return Index()


class Base:
    """What was merged before, and what is merged now. `work` is for files in the making.

    `marks` has for each group a mark of all that its rows follow from, `code` is one of what all of them do.
    """

    def __init__(
        self, kept: Path, work: Path, staged: list[tuple[Segment, Staged]], code: str, marks: dict[Group, str]
    ) -> None:
        self._kept = kept
        self._work = work
        self._of = {Path(each.path).name: segment for segment, each in staged if Path(each.path).parent == kept}
        self._at = {_place(segment): segment for segment in self._of.values()}
        self._code = code
        self._marks = marks
        self._index = _read(kept)
        self._rows: dict[str, Rows] = {}
        self.staged = [each for _, each in staged]
        self.adds = False

    def begin(self, groups: list[Group], name_of: Callable[[Segment], str]) -> None:
        """Find out what there is to add to for some groups, and with it, which of the staged facts are new.

        `name_of` tells the name of the file that keeps what a segment gives.
        """
        before = self._index
        self.adds = (
            before.code == self._code
            and all(self._is_in(name, name_of) for name in before.staged)
            and all(str(group) in before.rows or str(group) not in before.groups for group in groups)
            and self._is_whole(groups)
        )
        if self.adds:
            known = {self._kept / name for name in before.staged}
            self.staged = [each for each in self.staged if Path(each.path) not in known]

    def _is_in(self, name: str, name_of: Callable[[Segment], str]) -> bool:
        """Tell whether all that a staged file gave is in one that is here now."""
        if name in self._of:
            return True
        place, size = self._index.staged[name] or ("", 0)
        segment = self._at.get(place)
        return segment is not None and name == name_of(segment.prefix(size))

    def _is_whole(self, groups: list[Group]) -> bool:
        """Tell whether the files are as they were written."""
        labels = {label for each in groups for label in each.labels} & self._index.keys.keys()
        paths = [path for label in labels for path in self._keys(label).files()]
        paths += [self._kept / rows.name for each in groups if (rows := self._index.rows.get(str(each))) and rows.name]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(_checksum, paths)
            return all(
                mark is not None and mark == self._index.checksums.get(path.name)
                for mark, path in zip(found, paths, strict=True)
            )

    def keys(self, label: str) -> Keys | None:
        """Return the keys of a label that were there before; None where there were none, or all are sorted again."""
        found = self._keys(label) if self.adds and label in self._index.keys else None
        return found if found and found.total else None

    def _keys(self, label: str) -> Keys:
        name, total, moved = self._index.keys[label]
        return Keys(self._kept / name, total, moved)

    def rows(self, group: Group) -> Rows:
        """Return what is known of a group's rows that were merged before; they have no file where there are none."""
        return (self._index.rows.get(str(group)) if self.adds else None) or Rows("", "", [], NOTHING)

    def read(self, rows: Rows) -> pa.RecordBatchFileReader:
        """Return a reader of a group's rows, which are decoded a batch at a time."""
        return pa.ipc.open_file(pa.memory_map(str(self._kept / rows.name)))

    def writer(self, group: Group) -> Writer:
        """Return what keeps a group's rows for the next run."""
        return Writer(self, group, self._marks.get(group, ""), self._work / f"{group}.merged")

    def note(self, group: Group, rows: Rows) -> None:
        """Remember a group's rows that have been written."""
        self._rows[str(group)] = rows

    def keep(self, ranked: dict[str, Keys]) -> None:
        """Keep what was merged now for the next run: with it, what was before, where that is the same still."""
        if not self._marks:
            return
        before, run = self._index, self._index.run + 1
        checksums: dict[str, int | None] = {}

        def take(path: Path) -> str:
            """Put a new file among those that are kept, under a name of its own."""
            new = self._kept / f"{path.name.partition('.')[0]}.{run}{path.suffix}"
            checksums[new.name] = _checksum(path)
            path.rename(new)
            return new.name

        keys = dict(before.keys)
        for label, each in ranked.items():
            if each.path.parent != self._kept:
                name, *_ = map(take, each.files())
                keys[label] = name, each.total, each.moved
        anew = set() if self.adds else ranked.keys()
        rows = {
            name: had
            for name, had in before.rows.items()
            if had.mark == self._marks.get(Group.parse(name)) and anew.isdisjoint(Group.parse(name).labels)
        }
        for name, written in self._rows.items():
            rows[name] = msgspec.structs.replace(written, name=written.name and take(self._work / written.name))
        used = {each.name for each in rows.values()}
        used |= {path.name for name, total, moved in keys.values() for path in Keys(Path(name), total, moved).files()}
        checksums |= {name: each for name, each in before.checksums.items() if name in used}
        staged = {name: None if each.closed else (_place(each), each.size) for name, each in self._of.items()}
        index = Index(self._code, run, staged, set(map(str, self._marks)), checksums, keys, rows)
        new = self._kept / f"{INDEX}.new"
        new.write_bytes(msgspec.json.encode(index))
        new.rename(self._kept / INDEX)
        for name in before.checksums.keys() - checksums.keys():
            (self._kept / name).unlink(missing_ok=True)


class Writer:
    """Keeps a group's rows as they come, in batches of about one size. Without a mark of them, it keeps nothing."""

    def __init__(self, base: Base, group: Group, mark: str, path: Path) -> None:
        self._base = base
        self._group = group
        self._mark = mark
        self._path = path
        self._file: pa.RecordBatchFileWriter | None = None
        self._firsts: list[int] = []
        self._waiting: list[pa.Table] = []

    def write(self, rows: pa.Table) -> None:
        """Take rows, in order; all have the same columns."""
        if not self._mark:
            return
        self._waiting.append(rows)
        if sum(each.num_rows for each in self._waiting) >= BATCH_ROWS // 2:
            self._put()

    def close(self, content: Content) -> None:
        """Write what is left. `content` is what is in the group."""
        if self._waiting:
            self._put()
        if self._file is not None:
            self._file.close()
        if self._mark:
            name = self._path.name if self._file else ""
            self._base.note(self._group, Rows(self._mark, name, self._firsts, content))

    def _put(self) -> None:
        rows = pa.concat_tables(self._waiting).combine_chunks()
        self._waiting = []
        if self._file is None:
            self._file = pa.ipc.new_file(str(self._path), rows.schema, options=COMPRESSED)
        for batch in rows.to_batches():
            self._firsts.append(batch["pair"][0].as_py())
            self._file.write_batch(batch)


class Piece(NamedTuple):
    """Rows in order; which of them came since, and what there was before in the place of these."""

    rows: pa.Table
    come: pa.Table
    gone: pa.Table


def interleaved(before: Iterator[pa.Table], since: Iterator[pa.Table], schema: pa.Schema) -> Iterator[Piece]:
    """Yield the rows of both, each in order of their pairs, as one; of two with the same pair, that which came since.

    Neither has a table without rows. All that come out have the columns of the schema.
    """
    none = schema.empty_table()

    def whole(*tables: pa.Table) -> pa.Table:
        return pa.concat_tables([none, *tables], promote_options="default")

    old, new = next(before, None), next(since, None)
    while old is not None and new is not None:
        last = pc.min_element_wise(old["pair"][-1], new["pair"][-1])
        of_old, of_new = (pc.search_sorted(each["pair"], last, side="right").as_py() for each in (old, new))
        had, come = old.slice(0, of_old), new.slice(0, of_new)
        is_gone = pc.is_in(had["pair"], come["pair"])
        rows = whole(had.filter(pc.invert(is_gone)), come)
        yield Piece(
            rows.take(pc.sort_indices(rows["pair"])) if of_new else rows, whole(come), whole(had.filter(is_gone))
        )
        old = old.slice(of_old) if of_old < old.num_rows else next(before, None)
        new = new.slice(of_new) if of_new < new.num_rows else next(since, None)
    while old is not None:
        yield Piece(whole(old), none, none)
        old = next(before, None)
    while new is not None:
        yield Piece(rows := whole(new), rows, none)
        new = next(since, None)


def _place(segment: Segment) -> str:
    return f"{segment.area}/{segment.source}/{segment.endpoint}/{segment.number}"


def _checksum(path: Path) -> int | None:
    try:
        with pa.memory_map(str(path)) as file:
            return zlib.crc32(file.read_buffer())
    except (OSError, ValueError):
        return None
