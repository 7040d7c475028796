"""The files of the cache: how they are named, found and read.

    data/raw/threatcrowd/domain/000001-18211-9f86d081884c7d65.jsonl.zst    closed: number, records, checksum
    data/raw/threatcrowd/domain/000002.jsonl                               open: is appended to

A closed segment has in its name the count of its records and the first 16 hex digits of its own SHA-256, because a
truncated .zst reads as a shorter file without any error. It consists of zstd frames of whole lines (`frames`).

A file is a segment if it has such a name and is a regular file. All else in the folders (symbolic links, FIFOs,
folders, other names) is passed over; `strangers` lists it.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec

from intel_grapher import disk
from intel_grapher.cache import retired
from intel_grapher.cache.envelope import (
    ALL_AREAS,
    CHECKSUM_DIFFERS,
    Area,
    Envelope,
    check_name,
    crc_holds,
    decode,
    decode_all,
    digest,
)
from intel_grapher.cache.frames import FRAME_BYTES, blocks, uncompressed
from intel_grapher.errors import BadValue, CacheError, UsageError

MAX_NUMBER: Final = 10**12 - 1
_OPEN: Final = re.compile(r"([0-9]{6,12})\.jsonl")
_CLOSED: Final = re.compile(r"([0-9]{6,12})-([0-9]{1,12})-([0-9a-f]{16})\.jsonl\.zst")
_TEMPORARY: Final = re.compile(r"\.[0-9]{6,12}\.tmp")
_LISTINGS: Final = 8
_START: Final = re.compile(rb'\{"crc":"[0-9a-f]{8}",')
_SPLITS: Final = 8


class Record(msgspec.Struct, frozen=True, gc=False):
    """A line of a segment.

    Attributes:
        line: the line's number, from 1.
        offset: the byte at which it begins, in the uncompressed content.
        length: its bytes, newline included.
        envelope: what it says.
        raw: its bytes, without the newline.
    """

    line: int
    offset: int
    length: int
    envelope: Envelope
    raw: bytes

    @property
    def digest(self) -> bytes:
        """What identifies the reply."""
        return digest(self.raw)


@dataclass(frozen=True, slots=True)
class Corruption:
    """A part of a segment that can't be read: one line, or the file where `line` is None. `lost` counts records."""

    path: Path
    line: int | None
    reason: str
    lost: int

    def __str__(self) -> str:
        """Return the path, the line and the reason."""
        return f"{self.path}{'' if self.line is None else f', line {self.line}'}: {self.reason}"


OnCorruption = Callable[[Corruption], None]


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the cache as it was when listed.

    `size` is in bytes on disk. `records` and `checksum` are those in the name of a closed segment.
    """

    path: Path
    area: Area
    source: str
    endpoint: str
    number: int
    size: int
    records: int | None = None
    checksum: str = ""

    @property
    def closed(self) -> bool:
        """Whether it will never change again."""
        return self.records is not None

    def identity(self, content: bytes | None = None) -> str:
        """Return a name of the content: segments of one identity hold the same records. Relative to the cache's root.

        A closed segment has a checksum in its file's name; of an open one the SHA-256 digest of its bytes is taken:
        `content` where they have been read, else those that are on disk now. Raises CacheError where there are none.
        """
        name = f"{self.area}/{self.source}/{self.endpoint}/{self.path.name}"
        if self.closed:
            return name
        content = self.content() if content is None else content
        return f"{name}@{len(content)}-{hashlib.sha256(content).hexdigest()}"

    def prefix(self, size: int) -> "Segment":
        """Return the segment as it was while it was open and had `size` bytes."""
        return replace(self, path=self.path.with_name(f"{self.number:06}.jsonl"), size=size, records=None, checksum="")

    def content(self) -> bytes:
        """Return the file's bytes: of a closed segment the compressed ones, of an open one the first `size`.

        Where an open segment has been closed since it was listed, they come from its successor, and where a closed one
        has been retired, from where that lies. Raises CacheError where the file is gone or can't be read.
        """
        try:
            with disk.open_reading(self.path) as file:
                return file.read() if self.closed else file.read(self.size)
        except FileNotFoundError as error:
            found = self._successor(error).content()
            return found if self.closed else uncompressed(found)[: self.size]
        except OSError as error:
            raise unreadable(self.path, error) from error

    def read(self, on_corruption: OnCorruption, start: int = 0) -> Iterator[Record]:
        """Yield every whole record in order. What can't be read goes to `on_corruption`, and reading goes on.

        An open segment is read from byte `start` up to the size it had when listed; lines are counted from `start`.
        A last line without its newline is a record if its checksum holds; else it is being written or torn, and left
        out. Raises CacheError where the file can't be read at all.
        """
        try:
            if self.closed:
                yield from self._read_closed(self.content(), on_corruption)
            else:
                yield from _records(self, _open_blocks(self.path, start, self.size), on_corruption, check=True)
        except FileNotFoundError as error:
            for record in self._successor(error).read(on_corruption):
                if start <= record.offset < self.size:
                    yield record
        except OSError as error:
            raise unreadable(self.path, error) from error

    def envelopes(self, on_corruption: OnCorruption, content: bytes | None = None) -> list[Envelope]:
        """Return the envelope of every whole record: what `read` yields, without the places, and faster.

        `content` is what `content()` returned, where the caller has read it; nothing else is read then.
        """
        if content is not None and not self.closed:
            return [record.envelope for record in self.records_of(on_corruption, content)]
        data = self.content() if content is None and self.closed else content
        if data is None:
            return [record.envelope for record in self.read(on_corruption)]
        with suppress(BadValue):
            if self.is_whole(data):
                found = [decode_all(block or b"") for _, block in blocks(data)]
                if sum(map(len, found)) == self.records:
                    return list(chain.from_iterable(found))
        return [record.envelope for record in self._read_closed(data, on_corruption)]

    def records_of(self, on_corruption: OnCorruption, content: bytes | None) -> Iterator[Record]:
        """Yield what `read` yields; `content` is what `content()` returned, where the caller has read it."""
        if content is None:
            yield from self.read(on_corruption)
        elif self.closed:
            yield from self._read_closed(content, on_corruption)
        else:
            yield from _records(self, iter([(0, _lines(content))]), on_corruption, check=True)

    def line_at(self, offset: int, length: int) -> bytes:
        """Return `length` - 1 bytes from `offset` of the uncompressed content on; fewer where there are no more.

        `length` counts the line's newline, which is left out. Raises CacheError where the file can't be read.
        """
        try:
            with disk.open_reading(self.path) as file:
                if not self.closed:
                    file.seek(offset)
                    return file.read(length - 1)
                data = file.read()
        except FileNotFoundError:  # closed since it was listed
            return b""
        except OSError as error:
            raise unreadable(self.path, error) from error
        for start, block in blocks(data, only=offset):
            if block is not None and start <= offset < start + len(block):
                return block[offset - start : offset - start + length - 1]
        return b""

    def _successor(self, error: FileNotFoundError) -> "Segment":
        """Return the closed segment that an open one has become, or a closed one as retired; CacheError without one."""
        if self.closed and (place := retired.place_of(self.path)).exists():
            return replace(self, path=place)
        listed = [] if self.closed else list_folder(self.path.parent, self)
        successors = [segment for segment in listed if segment.closed and segment.number == self.number]
        if len(successors) != 1:  # in a mirror, a segment of another machine may have that number
            raise CacheError(f"{self.path} is gone. Run the command again.") from error
        return successors[0]

    def is_whole(self, data: bytes) -> bool:
        """Tell whether bytes are those that were written to a closed segment."""
        return hashlib.sha256(data).hexdigest().startswith(self.checksum)

    def _read_closed(self, data: bytes, on_corruption: OnCorruption) -> Iterator[Record]:
        whole = self.is_whole(data)
        yielded, lost, broken = 0, 0, False

        def lines_of_blocks() -> Iterator[tuple[int, list[bytes]]]:
            nonlocal broken
            for offset, block in blocks(data):
                if block is None:
                    broken = True
                else:
                    yield offset, _lines(block)

        def on_line(corruption: Corruption) -> None:
            nonlocal lost
            lost += corruption.lost
            on_corruption(corruption)

        # Where the file is the one that was written, so is every line in it: no need to check each.
        for record in _records(self, lines_of_blocks(), on_line, check=not whole):
            yielded += 1
            yield record
        missing = max((self.records or 0) - yielded - lost, 0)
        if missing or broken:
            reason = f"the file is damaged: {missing:,} of its {self.records:,} records can't be read"
            on_corruption(Corruption(self.path, None, reason, missing))
        elif not whole:
            reason = "the file is not the one that was written: its checksum differs"
            on_corruption(Corruption(self.path, None, reason, 0))


def list_segments(root: Path, areas: Iterable[Area] = ALL_AREAS) -> list[Segment]:
    """Return the segments under `root` by area, source, endpoint and number.

    Raises CacheError where a folder can't be read.
    """
    found: list[Segment] = []
    for area in areas:
        for source in _named_folders("source", root / area):
            for folder in _named_folders("endpoint", source):
                found += list_folder(folder, Segment(folder, area, source.name, folder.name, 0, 0))
    return found


def list_folder(folder: Path, like: Segment) -> list[Segment]:
    """Return one folder's segments by number; area, source and endpoint are those of `like`.

    An open segment beside a closed one with the same content is what a crash left behind, and is left out.
    """
    found: list[Segment] = []
    for _ in range(_LISTINGS):
        found, vanished = _listed(folder, like)
        if not vanished:
            break
        # An open segment was closed this very moment: look again, and see its successor.
    return sorted(
        (segment for segment in found if not is_leftover(segment, found)),
        key=lambda segment: (segment.number, segment.path.name),
    )


def open_segments(folder: Path, like: Segment) -> list[Segment]:
    """Return one folder's open segments, leftovers among them."""
    return [segment for segment in _listed(folder, like)[0] if not segment.closed]


def next_number(folder: Path) -> int:
    """Return the number of the folder's next segment. What has a segment's name and is none counts as well.

    Raises CacheError where there is no number left.
    """
    matches = [_OPEN.fullmatch(path.name) or _CLOSED.fullmatch(path.name) for path in _entries(folder)]
    number = 1 + max((int(match[1]) for match in matches if match), default=0)
    if number > MAX_NUMBER:
        raise CacheError(f"{folder} has a file of the last number there is: move it out of that folder.")
    return number


def is_leftover(segment: Segment, among: Iterable[Segment]) -> bool:
    """Tell whether an open segment's content is in a closed one: a crash came between the renaming and the removing."""
    twins = [] if segment.closed else [one for one in among if one.closed and one.number == segment.number]
    if not twins:
        return False
    try:
        with disk.open_reading(segment.path) as file:
            content = file.read()
    except FileNotFoundError:
        return True
    return any(uncompressed(twin.content()) == content for twin in twins)


def closed_as(segment: Segment, path: Path) -> Segment:
    """Return the closed segment at `path`, which an open one has become."""
    _, records, checksum = _numbered(path.name) or (0, None, "")
    return replace(segment, path=path, size=path.stat().st_size, records=records, checksum=checksum)


def leftovers(folder: Path) -> list[Path]:
    """Return the temporary files that a killed writer left in a folder."""
    return [path for path in _entries(folder) if _TEMPORARY.fullmatch(path.name) and disk.is_own(path)]


def strangers(root: Path) -> list[Path]:
    """Return what lies in the folders of the areas and is no part of the cache, by path. It is never read."""
    found: list[Path] = []
    for area in ALL_AREAS:
        if (root / area).is_symlink():
            found.append(root / area)
        _add_strangers(root / area, 0, found)
    return found


def unreadable(path: Path, error: OSError) -> CacheError:
    """Return the error that says that a file or folder can't be read."""
    return CacheError(f"{path} can't be read: {error.strerror}. Make it readable for this user.")


def _add_strangers(folder: Path, depth: int, found: list[Path]) -> None:
    segments = 2  # area / source / endpoint
    for path in sorted(_entries(folder)):
        if path.is_symlink() or (not path.is_dir() and not disk.is_own(path)):
            found.append(path)
        elif path.is_dir():
            if depth < segments and _is_name(path.name):
                _add_strangers(path, depth + 1, found)
            elif depth == segments or any(_entries(path)):
                found.append(path)
        elif depth < segments or not (_numbered(path.name) or _TEMPORARY.fullmatch(path.name)):
            found.append(path)


def _is_name(name: str) -> bool:
    try:
        check_name("folder", name)
    except UsageError:
        return False
    return True


def _named_folders(kind: str, folder: Path) -> list[Path]:
    """Return the folders, named like a source or an endpoint, in a folder; none where it is not there."""
    found: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                with suppress(UsageError):
                    if entry.is_dir(follow_symlinks=False):
                        found.append(folder / check_name(kind, entry.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(folder, error) from error
    return sorted(found)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(folder, error) from error


def _numbered(name: str) -> tuple[int, int | None, str] | None:
    """Return number, count of records and checksum that a segment's name states; None for another name."""
    match = _OPEN.fullmatch(name) or _CLOSED.fullmatch(name)
    if match is None or f"{int(match[1]):06}" != match[1]:
        return None
    return (int(match[1]), None, "") if match.re is _OPEN else (int(match[1]), int(match[2]), match[3])


def _listed(folder: Path, like: Segment) -> tuple[list[Segment], bool]:
    """Return a folder's segments, in any order, and whether one vanished while they were listed."""
    found: list[Segment] = []
    vanished = False
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                stated = _numbered(entry.name)
                try:
                    if stated and entry.is_file(follow_symlinks=False):
                        number, records, checksum = stated
                        size = entry.stat(follow_symlinks=False).st_size
                        place = (like.area, like.source, like.endpoint)
                        found.append(Segment(folder / entry.name, *place, number, size, records, checksum))
                except FileNotFoundError:
                    vanished = True
    except OSError as error:
        raise unreadable(folder, error) from error
    return found, vanished


def _records(
    segment: Segment, numbered: Iterator[tuple[int, list[bytes]]], on_corruption: OnCorruption, *, check: bool
) -> Iterator[Record]:
    """Yield the records of (offset, lines without their newline). `check`: compare each line's checksum."""
    number = 0
    for start, lines in numbered:
        offset = start
        for line in lines:
            number += 1
            parts = [(0, line)]
            if check and not crc_holds(line):
                parts = _joined(line)
                reason = "its newline is damaged; no record is lost" if parts else CHECKSUM_DIFFERS
                on_corruption(Corruption(segment.path, number, reason, 0 if parts else 1))
            for start_of_part, part in parts:
                try:
                    envelope = decode(part, check=False)
                except BadValue as bad:
                    on_corruption(Corruption(segment.path, number, bad.reason, 1))
                else:
                    yield Record(number, offset + start_of_part, len(part) + 1, envelope, part)
            offset += len(line) + 1


def _joined(line: bytes) -> list[tuple[int, bytes]]:
    """Return (offset, record) of the records in a line whose newline was damaged; none where that is not its fault."""
    if crc_holds(line[:-1]):  # the file's last newline
        return [(0, line[:-1])]
    for match, _ in zip(_START.finditer(line, 1), range(_SPLITS), strict=False):
        first, second = line[: match.start() - 1], line[match.start() :]
        if crc_holds(first) and crc_holds(second):
            return [(0, first), (match.start(), second)]
    return []


def _lines(content: bytes) -> list[bytes]:
    """Return the lines of uncompressed content without their newlines. Of a torn last one, see `Segment.read`."""
    lines = content.split(b"\n")
    last = lines.pop()
    return [*lines, last] if _is_record(last) else lines


def _is_record(line: bytes) -> bool:
    """Tell whether a last line without a newline is a record: its newline is missing, or damaged."""
    return bool(line) and (crc_holds(line) or crc_holds(line[:-1]))


def _open_blocks(path: Path, start: int, end: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield (offset, lines without their newline) of a plain file, from the line that begins at `start` up to `end`."""
    with disk.open_reading(path) as file:
        file.seek(start)
        while start < end and (lines := file.readlines(min(FRAME_BYTES, end - start))):
            position = file.tell()
            last = lines.pop()
            if position > end:
                last = last[: len(last) - (position - end)]
            if last.endswith(b"\n") or _is_record(last):
                lines.append(last if last.endswith(b"\n") else last + b"\n")
            yield start, [line[:-1] for line in lines]
            start = position
