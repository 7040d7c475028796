"""Adding replies: appended to open segments, which are closed (compressed, counted, checked) when they are full.

A record counts as written when its newline is. Whatever a crash leaves behind is dealt with when the next writer
touches the folder: a torn last line is set aside, the remains of a half-done closing are finished or removed.
"""

import errno
import hashlib
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Final, Self

from intel_grapher.cache.envelope import Area, Entry, crc_holds, digest, encode
from intel_grapher.cache.index import Index
from intel_grapher.cache.segment import Damage, Segment, frames, is_leftover, list_folder
from intel_grapher.errors import CacheError

SEGMENT_BYTES: Final = 32 << 20
_SYNC_SECONDS: Final = 1.0
_TAIL_BYTES: Final = 1 << 20
Place = tuple[Area, str, str]


@dataclass(slots=True)
class _Tail:
    """The open segment of one folder, and what of it is not yet on disk and in the index."""

    segment: Segment
    handle: int
    size: int
    unsynced: bool = False
    unindexed: set[bytes] = field(default_factory=set)


class Writer:
    """Adds replies to the cache. `Cache.writer` gives one, and holds the lock as long. Any thread may add.

    Every method raises CacheError, naming the file, where the disk is full or fails; earlier replies stay readable.
    """

    def __init__(self, root: Path, index: Index, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._root = root
        self._index = index
        self._segment_bytes = segment_bytes
        self._tails: dict[Place, _Tail] = {}
        self._synced = time.monotonic()
        self._lock = RLock()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Bring everything to disk and into the index. An error that is on its way is not covered by a second one."""
        try:
            if error is None:
                self.sync()
            else:
                with suppress(CacheError):
                    self.sync()
        finally:
            for tail in self._tails.values():
                os.close(tail.handle)
            self._tails.clear()

    def add(self, entry: Entry, area: Area = "raw") -> None:
        """Append a reply; a failure goes to the area `failed`, so that it never shadows an answer.

        After a crash of the machine the last second's may be missing, unless `sync` was called. Raises UsageError for
        an entry that can't be kept.
        """
        line = encode(entry)
        with self._lock:
            self._append(self._tail((area, entry.source, entry.endpoint)), line)

    def add_once(self, entry: Entry, area: Area = "raw") -> bool:
        """Append a reply unless this very one is there: same key, parameters, time, status and body. False if it is."""
        line = encode(entry)
        mark = digest(memoryview(line)[:-1])
        with self._lock:
            tail = self._tail((area, entry.source, entry.endpoint))
            if mark in tail.unindexed or self._index.has(tail.segment, entry, mark):
                return False
            tail.unindexed.add(mark)
            try:
                self._append(tail, line)
            except CacheError:
                tail.unindexed.discard(mark)
                raise
        return True

    def sync(self) -> None:
        """Bring everything that was added to disk, then into the index."""
        with self._lock:
            for tail in self._tails.values():
                self._settle(tail)
            self._synced = time.monotonic()

    def close(self, segment: Segment) -> bool:
        """Close the open segment of a folder before it is full. The next reply begins another one.

        False where it has no whole record.
        """
        with self._lock:
            tail = self._tail((segment.area, segment.source, segment.endpoint))
            if tail.size:
                self._close(tail)
            return bool(tail.size)

    def mend(self, segment: Segment) -> int:
        """Write a damaged closed segment anew from its whole records, and keep the damaged file aside.

        Gives the number of records that were saved.
        """
        damages: list[Damage] = []
        with self._lock, _telling(segment.path):
            lines = (record.raw + b"\n" for record in segment.read(damages.append))
            successor = _pack(segment.path.parent, segment.number, lines)
            if successor == segment.path:
                return segment.records or 0
            self._move_aside(segment)
            self._index.catch_up()
        return 0 if successor is None else int(successor.name.split("-")[1])

    def _append(self, tail: _Tail, line: bytes) -> None:
        path = tail.segment.path
        with _telling(path):
            tail.unsynced = True
            try:
                _write(tail.handle, line)
            except OSError:
                os.ftruncate(tail.handle, tail.size)
                raise
            tail.size += len(line)
        if tail.size >= self._segment_bytes:
            self._close(tail)
        elif time.monotonic() - self._synced > _SYNC_SECONDS:
            self.sync()

    def _tail(self, place: Place) -> _Tail:
        tail = self._tails.get(place)
        if tail is not None and os.fstat(tail.handle).st_size != tail.size:
            os.close(self._tails.pop(place).handle)  # an interrupt or a failed clean-up came between: look again
            tail = None
        if tail is None:
            folder = self._root.joinpath(*place)
            with _telling(folder):
                tail = self._tails[place] = self._open(Segment(folder, *place, 0, 0))
        return tail

    def _open(self, folder: Segment) -> _Tail:
        if not folder.path.is_dir():
            folder.path.mkdir(parents=True)
            for parent in [folder.path, *folder.path.parents][:4]:
                _sync_folder(parent)
        self._clear(folder)
        segments = list_folder(folder.path, folder)
        opened = [one for one in segments if not one.closed]
        if opened:
            segment = self._recover(opened[-1])
        else:
            number = segments[-1].number + 1 if segments else 1
            path = folder.path / f"{number:06}.jsonl"
            segment = Segment(path, folder.area, folder.source, folder.endpoint, number, 0)
        handle = os.open(segment.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        _sync_folder(folder.path)
        return _Tail(segment, handle, segment.size)

    def _clear(self, folder: Segment) -> None:
        """Remove what a killed closing left: a half-written file, or the open segment beside its closed form."""
        for path in folder.path.glob(".*.tmp"):
            path.unlink()
        listed = list_folder(folder.path, folder)
        for path in folder.path.glob("*.jsonl"):
            if all(path != one.path for one in listed):
                segment = Segment(path, folder.area, folder.source, folder.endpoint, int(path.stem), 0)
                if is_leftover(segment, listed):
                    path.unlink()

    def _recover(self, segment: Segment) -> Segment:
        """See to it that an open segment ends with a newline: what stands after the last one is torn."""
        with segment.path.open("r+b") as file:
            torn = _last_line(file.fileno(), segment.size)
            if crc_holds(torn):  # only the newline is missing
                file.seek(0, os.SEEK_END)
                file.write(b"\n")
            elif torn:
                start = segment.size - len(torn)
                self._keep_torn(segment, torn)
                file.truncate(start)
            file.flush()
            os.fsync(file.fileno())
            size = file.seek(0, os.SEEK_END)
        segment = replace(segment, size=size)
        self._index.follow(segment)
        return segment

    def _settle(self, tail: _Tail) -> None:
        if not tail.unsynced:
            return
        segment = tail.segment
        with _telling(segment.path):
            os.fsync(tail.handle)
        tail.unsynced = False
        self._index.follow(_grown(tail))
        tail.unindexed.clear()

    def _close(self, tail: _Tail) -> None:
        """Turn a full open segment into a closed one. Lines that are damaged on disk are set aside."""
        self._settle(tail)
        segment = _grown(tail)
        damages: list[Damage] = []
        with _telling(segment.path):
            whole = (record.raw + b"\n" for record in segment.read(damages.append))
            successor = _pack(segment.path.parent, segment.number, whole)
            if damages:
                self._move_aside(segment)
            else:
                segment.path.unlink()
            os.close(self._tails.pop((segment.area, segment.source, segment.endpoint)).handle)
        if successor is None or damages:
            self._index.catch_up()
        else:
            self._index.renamed(segment, successor.name)

    def _aside(self, segment: Segment) -> Path:
        folder = self._root / "set-aside" / segment.area / segment.source / segment.endpoint
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _move_aside(self, segment: Segment) -> None:
        folder = self._aside(segment)
        segment.path.replace(folder / segment.path.name)
        _sync_folder(folder)
        _sync_folder(segment.path.parent)

    def _keep_torn(self, segment: Segment, torn: bytes) -> None:
        folder = self._aside(segment)
        with (folder / f"{segment.number:06}-{zlib.crc32(torn):08x}.torn").open("wb") as file:
            file.write(torn)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(folder)


def _grown(tail: _Tail) -> Segment:
    return replace(tail.segment, size=tail.size)


def _write(handle: int, line: bytes) -> None:
    written = os.write(handle, line)
    while written < len(line):
        written += os.write(handle, memoryview(line)[written:])


def _last_line(handle: int, size: int) -> bytes:
    """Give what stands after a file's last newline."""
    start = size
    tail = b""
    while start > 0:
        start = max(0, start - max(_TAIL_BYTES, len(tail)))
        tail = os.pread(handle, size - start, start)
        if b"\n" in tail:
            break
    return tail[tail.rfind(b"\n") + 1 :]


def _pack(folder: Path, number: int, lines: Iterator[bytes]) -> Path | None:
    """Write lines as a closed segment, whole or not at all. Gives its path; None where there are no lines."""
    unfinished = folder / f".{number:06}.tmp"
    records = 0
    checksum = hashlib.sha256()

    def counted() -> Iterator[bytes]:
        nonlocal records
        for line in lines:
            records += 1
            yield line

    try:
        with unfinished.open("wb") as file:
            for frame in frames(counted()):
                checksum.update(frame)
                file.write(frame)
            file.flush()
            os.fsync(file.fileno())
        if not records:
            unfinished.unlink()
            return None
        path = folder / f"{number:06}-{records}-{checksum.hexdigest()[:16]}.jsonl.zst"
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    _sync_folder(folder)
    return path


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "Free some room" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "Mend that"
        raise CacheError(
            f"{path} can't be written: {error.strerror}. What was added before is safe. {remedy} and run it again."
        ) from error
