"""The transform's kept state, in the folder `.NAME.stage` beside the flat files. It can be deleted at any time.

    index              JSON, and in a second line its SHA-256: what the last run kept, and what it was made of
    DIGEST             a staged segment (`staged`)
    LABEL.N.keys …     the sorted keys of a label as of run N (`key_ranks.Keys`)
    GROUP.N.rows       the merged rows of a group as of run N, sorted by their ends' stable_ids: an Arrow file

One rule of validity: an artefact is used only if the digest of all that it was made of is the one of now, and its bytes
have the checksum that was noted. For staged segments the digest is the name, and the checksum is in the file; for all
others, the published files too, both are in the index. What does not hold is made anew, and so is the whole state if
the index has another version or is damaged.

One commit: `Store.commit` syncs the new files, replaces the index, and then removes every file that the index does not
know. A run that is killed before leaves staged segments that the next run uses.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa

from intel_grapher import disk
from intel_grapher.cache.segment import Segment
from intel_grapher.files import NOTHING, Content, Group
from intel_grapher.transform.key_ranks import Keys
from intel_grapher.transform.staged import Staged, layout

VERSION = 1
INDEX = "index"
BATCH_ROWS = 1 << 17
TICK = 0.02
"""Seconds by which the time of a file that is written now may lie before that of the clock."""


def kept_folder(folder: Path) -> Path:
    """Return the folder of what a transform keeps for the flat files in `folder`, which is no symbolic link."""
    return folder.parent / f".{folder.name}.stage"


class Checksum(msgspec.Struct, frozen=True):
    """The size (bytes) and CRC-32 of a file."""

    size: int
    crc: int


class Rows(msgspec.Struct, frozen=True):
    """The file with a group's merged rows, empty if there are none, and the first pair of each of its batches."""

    name: str
    firsts: list[int]


class GroupState(msgspec.Struct, frozen=True):
    """What is known of a group: the digest of its inputs, its content, its rows (if kept), its published files."""

    inputs: str
    content: Content
    rows: Rows | None
    files: dict[str, Checksum]


class OpenSegment(msgspec.Struct, frozen=True):
    """An open segment as it was staged: where it is in the cache, and its size (bytes). It may have grown since."""

    area: str
    source: str
    endpoint: str
    number: int
    size: int

    @classmethod
    def of(cls, segment: Segment) -> OpenSegment:
        """Return the state of a segment that is open now."""
        return cls(segment.area, segment.source, segment.endpoint, segment.number, segment.size)

    def is_of(self, segment: Segment) -> bool:
        """Tell whether a segment is this one, grown or closed."""
        return (self.area, self.source, self.endpoint, self.number) == (
            segment.area, segment.source, segment.endpoint, segment.number,
        )  # fmt: skip


class StoreIndex(msgspec.Struct):
    """The content of the index. `code` is the digest `fingerprint.merge_code`; `run` counts commits.

    `staged` has the names of the staged files that were merged. `keys` has the arguments of `key_ranks.Keys` by label,
    with a file's name for its path; `merges` is `fingerprint.merges_by_label`. `checksums` has every file that `keys`
    and `groups` name.
    """

    version: int = VERSION
    code: str = ""
    run: int = 0
    staged: dict[str, OpenSegment | None] = {}
    keys: dict[str, tuple[str, int, bool]] = {}
    groups: dict[str, GroupState] = {}
    merges: dict[str, str] = {}
    checksums: dict[str, Checksum] = {}


class Previous:
    """The keys and rows of the previous run, all valid, to which a run adds the segments that have come since.

    Rows of a group are not valid if nodes of one of its labels are merged otherwise now: `changed` are those labels.
    """

    def __init__(self, folder: Path, index: StoreIndex, changed: set[str]) -> None:
        self._folder = folder
        self._index = index
        self._changed = changed

    def has_rows(self, group: Group) -> bool:
        """Tell whether the rows of a group are valid; if not, it is merged from all segments."""
        return self._changed.isdisjoint(group.labels)

    def has(self, staged: Staged) -> bool:
        """Tell whether a staged segment has been merged."""
        return staged.name in self._index.staged

    def keys(self, label: str) -> Keys | None:
        """Return the keys of a label; None if there are none."""
        keys = _keys(self._folder, self._index, label)
        return keys if keys and keys.total else None

    def content(self, group: Group) -> Content:
        """Return the content of a group."""
        state = self._index.groups.get(str(group))
        return state.content if state and self.has_rows(group) else NOTHING

    def firsts(self, group: Group) -> list[int]:
        """Return the first pair (of stable_ids) of each batch of a group's rows."""
        rows = self._rows(group)
        return rows.firsts if rows else []

    def reader(self, group: Group) -> pa.RecordBatchFileReader | None:
        """Return a reader of a group's rows, which decodes a batch at a time; None if there are none."""
        rows = self._rows(group)
        return pa.ipc.open_file(pa.memory_map(str(self._folder / rows.name))) if rows and rows.name else None

    def _rows(self, group: Group) -> Rows | None:
        state = self._index.groups.get(str(group))
        return state.rows if state and self.has_rows(group) else None


class Kept(NamedTuple):
    """What a run keeps: `keys` by label and `groups` by name. Files that are not in the folder yet are moved there.

    `staged` are all staged segments that were merged, with their segments.
    """

    code: str
    merges: dict[str, str]
    staged: list[tuple[Segment, Staged]]
    keys: dict[str, Keys]
    groups: dict[str, GroupState]


class Store:
    """The kept state in a folder, which must exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = _read(folder)
        self._opened = time.time() - TICK

    def previous(
        self,
        groups: Iterable[Group],
        staged: list[tuple[Segment, Staged]],
        code: str,
        merges: dict[str, str],
        staged_name: Callable[[Segment], str],
    ) -> Previous | None:
        """Return the previous run's keys and rows; None unless all that `groups` need can be added to.

        That is: the same code, every segment that was merged is among those of `staged` (it may have grown since), and
        all files are whole. `staged_name` returns the name of a segment's staged file.
        """
        index, groups = self.index, list(groups)
        changed = {
            label for label in merges.keys() | index.merges.keys() if merges.get(label) != index.merges.get(label)
        }
        if index.code != code:
            return None
        for name in index.staged.keys() - {file.name for _, file in staged}:
            was = index.staged[name]
            segment = next((segment for segment, _ in staged if was and was.is_of(segment)), None)
            if was is None or segment is None or staged_name(segment.prefix(was.size)) != name:
                return None
        states = [
            index.groups[str(group)]
            for group in groups
            if str(group) in index.groups and changed.isdisjoint(group.labels)
        ]
        if any(state.rows is None for state in states):
            return None
        labels = {label for group in groups for label in group.labels}
        paths = [path for label in labels if (keys := _keys(self.folder, index, label)) for path in keys.files()]
        paths += [self.folder / state.rows.name for state in states if state.rows and state.rows.name]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            whole = pool.map(lambda path: checksum(path) == index.checksums.get(path.name, False), paths)
            return Previous(self.folder, index, changed) if all(whole) else None

    def commit(self, kept: Kept, work: Path) -> None:
        """Keep what a run has made, in place of what was kept before. `work` is the folder with the new rows' files."""
        index = StoreIndex(VERSION, kept.code, self.index.run + 1, merges=kept.merges)

        def take(path: Path) -> str:
            """Return the name in the folder of a file that may still be elsewhere."""
            if path.parent == self.folder:
                index.checksums[path.name] = self.index.checksums[path.name]
                return path.name
            new = self.folder / f"{path.name.partition('.')[0]}.{index.run}{path.suffix}"
            found = checksum(path)
            if found is None:
                raise OSError(f"{path} can't be read")
            index.checksums[new.name] = found
            path.rename(new)
            return new.name

        for label, keys in kept.keys.items():
            name, *_ = map(take, keys.files())
            index.keys[label] = name, keys.total, keys.moved
        for name, state in kept.groups.items():
            if state.rows and state.rows.name:
                path = work / state.rows.name
                rows = Rows(take(path if path.exists() else self.folder / state.rows.name), state.rows.firsts)
                index.groups[name] = msgspec.structs.replace(state, rows=rows)
            else:
                index.groups[name] = state
        for segment, staged in kept.staged:
            index.staged[staged.name] = None if segment.closed else OpenSegment.of(segment)
        # These alone: what a fetch stages meanwhile may be moved at any moment.
        disk.sync_all([*(self.folder / name for name in (*index.checksums, *index.staged)), self.folder])
        data = msgspec.json.encode(index)
        disk.write_atomically(self.folder / INDEX, data + b"\n" + sha256(data).hexdigest().encode() + b"\n")
        self.index = index
        self.clean(staged for _, staged in kept.staged)

    def clean(self, staged: Iterable[Staged]) -> None:
        """Remove every file but the index, those that it knows, some staged segments, and those that came meanwhile.

        A fetch that is under way stages segments too (`early_process`). Keys and rows, LABEL.N.…, are a run's alone.
        """
        known = {INDEX, *self.index.checksums, *(each.name for each in staged)}
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):  # moved by the process that made it
                is_of_a_run = "." in path.name[1:] and not path.name.startswith(".")
                if path.name not in known and (is_of_a_run or path.lstat().st_mtime < self._opened):
                    disk.remove(path)

    def keys_of(self, labels: Iterable[str]) -> dict[str, Keys]:
        """Return the keys of those labels that have some, as the index has them."""
        return {label: keys for label in labels if (keys := _keys(self.folder, self.index, label))}


class RowsWriter:
    """Writes the merged rows of a group, in order, in batches of about one size."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: pa.RecordBatchFileWriter | None = None
        self._firsts: list[int] = []
        self._waiting: list[pa.Table] = []

    def write(self, rows: pa.Table) -> None:
        """Append rows; all must have the same columns, `pair` (of stable_ids) among them."""
        self._waiting.append(rows)
        if sum(table.num_rows for table in self._waiting) >= BATCH_ROWS // 2:
            self._flush()

    def close(self) -> Rows:
        """Write what is left; return what has been written."""
        if self._waiting:
            self._flush()
        if self._file is not None:
            self._file.close()
        return Rows(self._path.name if self._file else "", self._firsts)

    def _flush(self) -> None:
        rows = pa.concat_tables(self._waiting).combine_chunks()
        self._waiting = []
        if self._file is None:
            self._file = pa.ipc.new_file(str(self._path), rows.schema, options=layout(rows))
        for batch in rows.to_batches():
            self._firsts.append(batch["pair"][0].as_py())
            self._file.write_batch(batch)


def checksum(path: Path) -> Checksum | None:
    """Return the size and CRC-32 of a file; None if it can't be read."""
    try:
        if not path.stat().st_size:  # an empty file can't be mapped
            return Checksum(0, 0)
        with pa.memory_map(str(path)) as file:
            return Checksum(file.size(), zlib.crc32(file.read_buffer()))
    except (OSError, ValueError):
        return None


def _keys(folder: Path, index: StoreIndex, label: str) -> Keys | None:
    if label not in index.keys:
        return None
    name, total, moved = index.keys[label]
    return Keys(folder / name, total, moved)


def _read(folder: Path) -> StoreIndex:
    """Return the index; an empty one if there is none, or it is of another version, or damaged."""
    try:
        data, digest, _ = (folder / INDEX).read_bytes().split(b"\n")
        if sha256(data).hexdigest().encode() != digest:
            return StoreIndex()
        index = msgspec.json.decode(data, type=StoreIndex)
    except (OSError, ValueError):
        return StoreIndex()
    return index if index.version == VERSION else StoreIndex()
