"""The files of the cache: how they are named, found and read.

    data/raw/threatcrowd/domain/000001-18211-9f86d081884c7d65.jsonl.zst    closed: number, records, checksum
    data/raw/threatcrowd/domain/000002.jsonl                               open: is appended to

A closed segment carries the count of its records and the first 16 hex digits of its own SHA-256 in its name, because
a truncated .zst reads as a shorter file without any error. It consists of zstd frames of whole lines, about 1 MiB
each and each with a checksum of its content, so that damage stays within one frame.
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
import zstandard

from intel_grapher.cache.envelope import AREAS, Area, Envelope, check_name, decode, decode_all
from intel_grapher.errors import BadValue, CacheError, UsageError

FRAME_BYTES: Final = 1 << 20
_MAX_FRAME: Final = 1 << 30  # a line can't be longer: MAX_BODY, each byte escaped in six
_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_RLE: Final = 1
_OPEN: Final = re.compile(r"(\d{6,})\.jsonl")
_CLOSED: Final = re.compile(r"(\d{6,})-(\d+)-([0-9a-f]{16})\.jsonl\.zst")


class Record(msgspec.Struct, frozen=True, gc=False):
    """An envelope and where it stands: line (from 1), offset and length (bytes, uncompressed, with the newline)."""

    line: int
    offset: int
    length: int
    envelope: Envelope
    raw: bytes
    """The line itself, without its newline."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What of a segment can't be read: one line, or (line is None) the file; `lost` records are missing by it."""

    path: Path
    line: int | None
    reason: str
    lost: int

    def __str__(self) -> str:
        """Where, and what."""
        return f"{self.path}{'' if self.line is None else f', line {self.line}'}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the cache, as it was when listed: `size` in bytes on disk; `records` and `checksum` if closed."""

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
        """Return it as it was while it was open and had `size` bytes."""
        return replace(self, path=self.path.with_name(f"{self.number:06}.jsonl"), size=size, records=None, checksum="")

    def content(self) -> bytes:
        """Return the file's bytes: of a closed segment the compressed ones, of an open one the first `size`.

        Where an open segment has been closed since it was listed, they come from its successor. Raises CacheError
        where the file is gone or can't be read.
        """
        try:
            with self.path.open("rb") as file:
                return file.read() if self.closed else file.read(self.size)
        except FileNotFoundError as error:
            return _uncompressed(self._successor(error).content())[: self.size]
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def read(self, on_damage: Callable[[Damage], None], start: int = 0) -> Iterator[Record]:
        """Give every whole record, in order; what can't be read goes to `on_damage`, and reading goes on.

        An open segment is read from byte `start` up to the size it had when listed (lines are counted from there);
        a line without an end is left out, since it is either being written or torn. Raises CacheError where the file
        can't be read at all.
        """
        try:
            if self.closed:
                yield from self._read_closed(self.path.read_bytes(), on_damage)
            else:
                yield from _records(self, _open_blocks(self.path, start, self.size), on_damage, check=True)
        except FileNotFoundError as error:
            for record in self._successor(error).read(on_damage):
                if start <= record.offset < self.size:
                    yield record
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def envelopes(self, on_damage: Callable[[Damage], None], content: bytes | None = None) -> list[Envelope]:
        """Return the envelope of every whole record: what `read` gives, without where each stands, and quicker.

        `content` is what `content()` returned, where the caller has read it; nothing else is read then.
        """
        if content is not None and not self.closed:
            lines = content[: content.rfind(b"\n") + 1].split(b"\n")[:-1]
            return [record.envelope for record in _records(self, iter([(0, lines)]), on_damage, check=True)]
        data = self.content() if content is None and self.closed else content
        if data is None:
            return [record.envelope for record in self.read(on_damage)]
        with suppress(BadValue):
            if self._is_whole(data):
                found = [decode_all(block or b"") for _, block in _closed_blocks(data)]
                if sum(map(len, found)) == self.records:
                    return list(chain.from_iterable(found))
        return [record.envelope for record in self._read_closed(data, on_damage)]

    def _successor(self, error: FileNotFoundError) -> "Segment":
        """Return the closed segment that an open one has become; CacheError where there is none."""
        one = next(
            (one for one in list_folder(self.path.parent, self) if one.closed and one.number == self.number), None
        )
        if self.closed or one is None:
            raise CacheError(f"{self.path} is gone. Run the command again.") from error
        return one

    def line_at(self, offset: int, length: int) -> bytes:
        """Give the bytes that stand there, uncompressed, less the last one (a newline); empty where there are none."""
        try:
            if not self.closed:
                with self.path.open("rb") as file:
                    file.seek(offset)
                    return file.read(length)[:-1]
            for start, block in _closed_blocks(self.path.read_bytes(), only=offset):
                if block is not None and start <= offset < start + len(block):
                    return block[offset - start : offset - start + length - 1]
        except FileNotFoundError:  # closed since it was listed
            return b""
        except OSError as error:
            raise _unreadable(self.path, error) from error
        return b""

    def _is_whole(self, data: bytes) -> bool:
        return hashlib.sha256(data).hexdigest().startswith(self.checksum)

    def _read_closed(self, data: bytes, on_damage: Callable[[Damage], None]) -> Iterator[Record]:
        whole = self._is_whole(data)
        lines = 0
        broken = 0

        def blocks() -> Iterator[tuple[int, list[bytes]]]:
            nonlocal lines, broken
            for offset, block in _closed_blocks(data):
                if block is None:
                    broken += 1
                else:
                    found = block.split(b"\n")[:-1]
                    lines += len(found)
                    yield offset, found

        # Where the file is the one that was written, so is every line in it: no need to check each.
        yield from _records(self, blocks(), on_damage, check=not whole)
        missing = max((self.records or 0) - lines, 0)
        if missing or broken:
            reason = f"the file is damaged: {missing:,} of its {self.records:,} records can't be read"
            on_damage(Damage(self.path, None, reason, missing))
        elif not whole:
            on_damage(Damage(self.path, None, "the file is not the one that was written: its checksum differs", 0))


def list_segments(root: Path, areas: Iterable[Area] = AREAS) -> list[Segment]:
    """Give the segments under `root` by area, source, endpoint and number. What is not named like one is no segment."""
    found: list[Segment] = []
    for area in areas:
        for folder in [endpoint for source in _folders(root / area) for endpoint in _folders(source)]:
            source, endpoint = folder.parent.name, folder.name
            try:
                check_name("source", source)
                check_name("endpoint", endpoint)
            except UsageError:
                continue
            found += list_folder(folder, Segment(folder, area, source, endpoint, 0, 0))
    return found


def _folders(folder: Path) -> list[Path]:
    """Give the folders in a folder by name, none where it is not there. `glob` would pass over unreadable ones."""
    try:
        with os.scandir(folder) as entries:
            return [folder / name for name in sorted(each.name for each in entries if each.is_dir())]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error


def _paths(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(path: Path, error: OSError) -> CacheError:
    return CacheError(f"{path} can't be read: {error.strerror}. Make it readable for this user.")


def list_folder(folder: Path, like: Segment) -> list[Segment]:
    """Give one folder's segments by number; area, source and endpoint are those of `like`.

    An open segment beside a closed one with the same content is what a crash left behind, and is not given.
    """
    found: list[Segment] = []
    for path in _paths(folder):
        opened = _OPEN.fullmatch(path.name)
        closed = _CLOSED.fullmatch(path.name)
        try:
            size = path.stat().st_size
        except FileNotFoundError:  # closed this very moment: look again, and see its successor
            return list_folder(folder, like)
        place = (like.area, like.source, like.endpoint)
        if opened:
            found.append(Segment(path, *place, int(opened[1]), size))
        elif closed:
            found.append(Segment(path, *place, int(closed[1]), size, int(closed[2]), closed[3]))
    return sorted((one for one in found if not is_leftover(one, found)), key=lambda one: (one.number, one.path.name))


def is_leftover(segment: Segment, among: Iterable[Segment]) -> bool:
    """Whether an open segment's content is in a closed one: the crash came between the renaming and the removing."""
    twins = [] if segment.closed else [one for one in among if one.closed and one.number == segment.number]
    if not twins:
        return False
    try:
        content = segment.path.read_bytes()
    except FileNotFoundError:
        return True
    return any(_uncompressed(twin.path.read_bytes()) == content for twin in twins)


def frames(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Compress lines (each with its newline) into frames of about FRAME_BYTES."""
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    block: list[bytes] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line)
        if size >= FRAME_BYTES:
            yield compressor.compress(b"".join(block))
            block, size = [], 0
    if block:
        yield compressor.compress(b"".join(block))


def _records(
    segment: Segment, blocks: Iterator[tuple[int, list[bytes]]], on_damage: Callable[[Damage], None], *, check: bool
) -> Iterator[Record]:
    number = 0
    for start, lines in blocks:
        offset = start
        for line in lines:
            number += 1
            length = len(line) + 1
            try:
                yield Record(number, offset, length, decode(line, check=check), line)
            except BadValue as bad:
                on_damage(Damage(segment.path, number, bad.reason, 1))
            offset += length


def _open_blocks(path: Path, start: int, end: int) -> Iterator[tuple[int, list[bytes]]]:
    """Give (offset, lines without their newline) of a plain file, between two offsets that stand at a line's start."""
    with path.open("rb") as file:
        file.seek(start)
        while start < end and (lines := file.readlines(min(FRAME_BYTES, end - start))):
            position = file.tell()
            if position > end or not lines[-1].endswith(b"\n"):  # being written, or torn
                lines.pop()
            yield start, [line[:-1] for line in lines]
            start = position


def _closed_blocks(data: bytes, only: int | None = None) -> Iterator[tuple[int, bytes | None]]:
    """Give (uncompressed offset, lines) of each frame, None for the lines of a damaged one.

    With `only`, just the frame that holds this offset.
    """
    decompressor = zstandard.ZstdDecompressor()
    position = 0
    offset = 0
    while position < len(data):
        end, size = _bounds(data, position)
        followed = end == len(data) or data.startswith(_MAGIC, end)
        block = None
        if only is None or offset <= only < offset + size or not followed:
            with suppress(zstandard.ZstdError):
                block = decompressor.decompress(data[position:end]) if size else None
            if only is None or block is not None:
                yield offset, block
        if block is None and not (size and followed):  # where it ends is a guess: go to what looks like the next
            following = data.find(_MAGIC, position + 1)
            end, size = (len(data) if following < 0 else following), 0
        offset += size
        position = end


def _bounds(data: bytes, start: int) -> tuple[int, int]:
    """Give where the frame at `start` ends, and its uncompressed size: 0 where no whole frame begins there."""
    head = data[start : start + 18]
    try:
        known = zstandard.get_frame_parameters(head)
        position = start + zstandard.frame_header_size(head)
    except zstandard.ZstdError:
        return len(data), 0
    last = False
    while position + 3 <= len(data) and not last:
        block = int.from_bytes(data[position : position + 3], "little")
        last = bool(block & 1)
        position += 3 + (1 if (block >> 1) & 3 == _RLE else block >> 3)
    position += 4 if known.has_checksum else 0
    whole = last and position <= len(data) and known.content_size <= _MAX_FRAME
    return position, known.content_size if whole else 0


def _uncompressed(data: bytes) -> bytes:
    return b"".join(block or b"" for _, block in _closed_blocks(data))
