"""Adding replies: appended to open segments, which are closed (compressed, counted, checked) when they are full.

A record counts as written when its newline is. Whatever a crash leaves behind is dealt with when the next writer opens
the folder: a torn last line goes to the quarantine, the remains of a half-done closing are finished or removed.

Nothing is written, cut or deleted through a symbolic link in the cache's folders.
"""

import hashlib
import os
import resource
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Final, NamedTuple, Self

from intel_grapher import disk
from intel_grapher.cache.envelope import Area, Entry, crc_holds, digest, encode
from intel_grapher.cache.frames import frames
from intel_grapher.cache.index import Index
from intel_grapher.cache.marks import Marks
from intel_grapher.cache.segment import (
    Corruption,
    Segment,
    closed_as,
    is_leftover,
    leftovers,
    list_folder,
    next_number,
    open_segments,
)
from intel_grapher.errors import CacheError

SEGMENT_BYTES: Final = 32 << 20
QUARANTINE: Final = "set-aside"
"""The folder, under the cache's root, of what could not stay in its segment."""
MAX_DESCRIPTORS: Final = 128
_MIN_DESCRIPTORS: Final = 4
_SYNC_SECONDS: Final = 1.0
_TAIL_BYTES: Final = 1 << 20
_SAFE: Final = "What was added before is safe."
FolderName = tuple[Area, str, str]
OnWritten = Callable[[Segment, int], None]


@dataclass(slots=True)
class _Open:
    """The open segment of one folder, and what of it is not yet on disk and in the index.

    `size` counts the bytes written, `told` those of which `Writer` has told. `descriptor` is None while the file is
    closed, to keep few files open.
    """

    segment: Segment
    descriptor: int | None
    size: int
    told: int = 0
    unsynced: bool = False
    unindexed: set[bytes] = field(default_factory=set)

    def grown(self) -> Segment:
        """Return the segment with the size that it has now."""
        return replace(self.segment, size=self.size)

    def reopen(self) -> int | None:
        """Return the descriptor; None where the file has not the size that was written."""
        if self.descriptor is None:
            with suppress(FileNotFoundError):
                self.descriptor = disk.open_own(self.segment.path, os.O_WRONLY | os.O_APPEND)
        if self.descriptor is not None and os.fstat(self.descriptor).st_size == self.size:
            return self.descriptor
        self.release()
        return None

    def release(self) -> None:
        """Close the file."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class Placed(NamedTuple):
    """Where a reply stands that was to be added.

    `is_new` tells whether it was appended; else the very same one was there, and `by` is the import that had brought
    it, empty for none. `segment` is the number of the segment that it was appended to.
    """

    is_new: bool
    digest: bytes
    segment: int = 0
    by: str = ""


class Writer:
    """Adds replies to the cache. `Cache.writer` makes one, and holds the lock as long. Any thread may add.

    At most a quarter of the descriptors that the process may have, and MAX_DESCRIPTORS, are open at a time. Every
    method raises CacheError, naming the file, where the disk is full or fails; earlier replies stay readable.
    `written` is told of each segment that is closed, and of each open one that has grown on disk, with the bytes that
    have come.
    """

    def __init__(
        self,
        root: Path,
        index: Index,
        segment_bytes: int = SEGMENT_BYTES,
        written: OnWritten = lambda _one, _more: None,
    ) -> None:
        self._root = root
        self._index = index
        self._segment_bytes = segment_bytes
        self._written = written
        self._open: dict[FolderName, _Open] = {}  # the least recently used first
        self._synced = time.monotonic()
        self._lock = RLock()
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        allowed = 4 * MAX_DESCRIPTORS if allowed == resource.RLIM_INFINITY else allowed
        self._descriptors = min(MAX_DESCRIPTORS, max(_MIN_DESCRIPTORS, allowed // 4))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Bring everything to disk and into the index. An error on its way is not covered by a second one."""
        try:
            if error is None:
                self.sync()
            else:
                with suppress(CacheError):
                    self.sync()
        finally:
            for segment in self._open.values():
                segment.release()
            self._open.clear()

    def add(self, entry: Entry, area: Area = "raw") -> None:
        """Append a reply; a failure goes to the area `failed`, so that it never shadows an answer.

        After a crash of the machine the last second's may be missing, unless `sync` was called. Raises UsageError for
        an entry that can't be kept.
        """
        line = encode(entry)
        with self._lock:
            self._append(self._opened((area, entry.source, entry.endpoint)), line)

    @property
    def marks(self) -> Marks:
        """Which replies are out of use, as of the writer's beginning."""
        return self._index.marks

    def place(self, entry: Entry, area: Area = "raw", by: str = "") -> Placed:
        """Append a reply that the import `by` brings, unless one is there that is the same but for who brought it."""
        line = encode(entry, by)
        mark = digest(memoryview(line)[:-1])
        with self._lock:
            opened = self._opened((area, entry.source, entry.endpoint))
            if mark in opened.unindexed:
                return Placed(is_new=False, digest=mark, by=by)
            brought = self._index.brought(opened.segment, entry, mark)
            if brought is not None:
                return Placed(is_new=False, digest=mark, by=brought)
            opened.unindexed.add(mark)
            number = opened.segment.number
            try:
                self._append(opened, line)
            except CacheError:
                opened.unindexed.discard(mark)
                raise
        return Placed(is_new=True, digest=mark, segment=number)

    def sync(self) -> None:
        """Bring everything that was added to disk, then into the index."""
        with self._lock:
            for opened in self._open.values():
                self._settle(opened)
            self._synced = time.monotonic()

    def close(self, segment: Segment) -> bool:
        """Close the open segment of a folder before it is full. The next reply begins another one.

        False where it has no whole record.
        """
        with self._lock:
            opened = self._opened((segment.area, segment.source, segment.endpoint))
            if opened.size:
                self._close(opened)
            return bool(opened.size)

    def repair(self, segment: Segment) -> int:
        """Write a corrupt closed segment anew from its whole records; the corrupt file goes to the quarantine.

        Returns the number of records that were saved.
        """
        with self._lock, disk.failing(segment.path, CacheError, _SAFE):
            disk.refuse_links(self._root, segment.area, segment.source, segment.endpoint)
            lines = (record.raw + b"\n" for record in segment.read(lambda _: None))
            successor = pack(segment.path.parent, segment.number, lines)
            if successor == segment.path:
                return segment.records or 0
            self._move_to_quarantine(segment)
            self._index.catch_up()
        return 0 if successor is None else int(successor.name.split("-")[1])

    def _append(self, opened: _Open, line: bytes) -> None:
        descriptor = opened.descriptor
        if descriptor is None:
            raise CacheError(f"{opened.segment.path} was closed by another thread. Run the command again.")
        with disk.failing(opened.segment.path, CacheError, _SAFE):
            opened.unsynced = True
            try:
                disk.write(descriptor, line)
            except OSError:
                with suppress(OSError):  # `reopen` compares the size
                    os.ftruncate(descriptor, opened.size)
                raise
            opened.size += len(line)
        if opened.size >= self._segment_bytes:
            self._close(opened)
        elif time.monotonic() - self._synced > _SYNC_SECONDS:
            self.sync()

    def _opened(self, name: FolderName) -> _Open:
        """Return a folder's open segment, ready to be appended to."""
        opened = self._open.pop(name, None)
        if opened is not None and opened.descriptor is not None and os.fstat(opened.descriptor).st_size == opened.size:
            self._open[name] = opened  # the most recently used
            return opened
        with disk.failing(self._root.joinpath(*name), CacheError, _SAFE):
            if opened is None or opened.reopen() is None:  # an interrupt or a failed write came between
                self._release(self._descriptors - 1)
                opened = self._prepare(name)
        self._open[name] = opened
        self._release(self._descriptors)
        return opened

    def _release(self, allowed: int) -> None:
        """Close the files of the least recently used segments, so that `allowed` stay open."""
        held = [opened for opened in self._open.values() if opened.descriptor is not None]
        for opened in held[: max(len(held) - allowed, 0)]:
            opened.release()

    def _prepare(self, name: FolderName) -> _Open:
        """Return a folder's open segment after clearing what a crash left; a new one where there is none."""
        folder = disk.refuse_links(self._root, *name)
        if not folder.is_dir():
            folder.mkdir(parents=True)
            for parent in [folder, *folder.parents][:4]:
                disk.sync(parent)
        place = Segment(folder, *name, 0, 0)
        self._clear(place)
        unfinished = [segment for segment in list_folder(folder, place) if not segment.closed]
        if unfinished:
            segment = self._recover(unfinished[-1])
        else:
            number = next_number(folder)
            segment = replace(place, path=folder / f"{number:06}.jsonl", number=number)
        descriptor = disk.open_own(segment.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        disk.sync(folder)
        return _Open(segment, descriptor, segment.size, told=segment.size)

    def _clear(self, folder: Segment) -> None:
        """Remove what a killed closing left: a half-written file, or the open segment beside its closed form."""
        for path in leftovers(folder.path):
            path.unlink()
        listed = list_folder(folder.path, folder)
        for segment in open_segments(folder.path, folder):
            if segment not in listed and is_leftover(segment, listed):
                segment.path.unlink()

    def _recover(self, segment: Segment) -> Segment:
        """Return an open segment that ends with a newline: what stands after the last one is torn."""
        descriptor = disk.open_own(segment.path, os.O_RDWR)
        try:
            torn = _last_line(descriptor, segment.size)
            start = segment.size - len(torn)
            record = next((part for part in (torn, torn[:-1]) if part and crc_holds(part)), None)
            if record is not None:  # only the newline is missing, or damaged
                os.ftruncate(descriptor, start + len(record))
                os.lseek(descriptor, 0, os.SEEK_END)
                disk.write(descriptor, b"\n")
            elif torn:
                self._keep_torn(segment, torn)
                os.ftruncate(descriptor, start)
            os.fsync(descriptor)
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        segment = replace(segment, size=size)
        self._index.follow(segment)
        return segment

    def _settle(self, opened: _Open) -> None:
        """Bring what was appended to a segment to disk, and into the index."""
        if not opened.unsynced:
            return
        with disk.failing(opened.segment.path, CacheError, _SAFE):
            if opened.descriptor is None:
                disk.sync(opened.segment.path)
            else:
                os.fsync(opened.descriptor)
        opened.unsynced = False
        self._index.follow(opened.grown())
        opened.unindexed.clear()
        self._written(opened.grown(), opened.size - opened.told)
        opened.told = opened.size

    def _close(self, opened: _Open) -> None:
        """Turn a full open segment into a closed one. It goes to the quarantine if lines are corrupt on disk."""
        self._settle(opened)
        segment = opened.grown()
        corruptions: list[Corruption] = []
        with disk.failing(segment.path, CacheError, _SAFE):
            lines = (record.raw + b"\n" for record in segment.read(corruptions.append))
            successor = pack(segment.path.parent, segment.number, lines)
            if corruptions:
                self._move_to_quarantine(segment)
            else:
                segment.path.unlink()
            self._open.pop((segment.area, segment.source, segment.endpoint), opened).release()
        if successor is None or corruptions:
            self._index.catch_up()
        else:
            self._index.renamed(segment, successor.name)
            self._written(closed_as(segment, successor), 0)

    def _quarantine(self, segment: Segment) -> Path:
        """Return the folder of the quarantine for a segment, made where it is missing."""
        folder = disk.refuse_links(self._root, QUARANTINE, segment.area, segment.source, segment.endpoint)
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            for parent in [folder, *folder.parents][:5]:
                disk.sync(parent)
        return folder

    def _move_to_quarantine(self, segment: Segment) -> None:
        folder = self._quarantine(segment)
        target = folder / segment.path.name
        number = 0
        while os.path.lexists(target):
            number += 1
            target = folder / f"{segment.path.name}.{number}"
        segment.path.rename(target)
        disk.sync(folder)
        disk.sync(segment.path.parent)

    def _keep_torn(self, segment: Segment, torn: bytes) -> None:
        name = f"{segment.number:06}-{zlib.crc32(torn):08x}.torn"
        disk.write_atomically(self._quarantine(segment) / name, torn)


def _last_line(descriptor: int, size: int) -> bytes:
    """Return what stands after a file's last newline."""
    start = size
    tail = b""
    while start > 0:
        start = max(0, start - max(_TAIL_BYTES, len(tail)))
        tail = os.pread(descriptor, size - start, start)
        if b"\n" in tail:
            break
    return tail[tail.rfind(b"\n") + 1 :]


def pack(folder: Path, number: int, lines: Iterator[bytes]) -> Path | None:
    """Write lines as a closed segment, whole or not at all. Returns its path; None where there are no lines."""
    temporary = folder / f".{number:06}.tmp"
    records = 0
    checksum = hashlib.sha256()

    def counted() -> Iterator[bytes]:
        nonlocal records
        for line in lines:
            records += 1
            yield line

    try:
        with disk.create(temporary) as file:
            for frame in frames(counted()):
                checksum.update(frame)
                file.write(frame)
        if not records:
            temporary.unlink()
            return None
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    path = folder / f"{number:06}-{records}-{checksum.hexdigest()[:16]}.jsonl.zst"
    disk.replace(temporary, path)
    return path
