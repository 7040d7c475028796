"""The files in folders, compressed files and archives, one by one, as streams. `-` is standard input.

Archives may lie in one another. A name inside an archive is only compared, and never opened; a zip within another
archive is copied to an unnamed temporary file, and nothing else is written. Packed content may be hostile, so that all
that comes out of one file is bounded: its bytes in proportion to what was packed, its files, and how deep they lie.
"""

import bz2
import gzip
import io
import lzma
import os
import re
import stat
import sys
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Any, Final, NamedTuple, Protocol

from intel_grapher.cache.frames import zstd
from intel_grapher.errors import BadValue, UsageError

# What docs/intake.md says of it: the format, what is read, what is left out.
READS = (
    (
        "archive: .gz .bz2 .xz .zst .zip .tar, nested",
        "every file in it, in bounds",
        "hidden files, links, devices; what expands out of all proportion",
    ),
)
MAX_RATIO: Final = 200
FREE_BYTES: Final = 256 << 20
"""Bytes to which any packed file may expand; beyond that, to MAX_RATIO times its size."""

MAX_DEPTH: Final = 8
"""How often a file may be packed, one in another: x.json.gz in a zip in a .tar.xz is packed four times."""
MAX_MEMBERS: Final = 1_000_000
"""Files in one archive and in those that lie in it."""
STDIN: Final = "-"

_BUFFER: Final = 64 << 10
_HEADER_BYTES: Final = 1 << 20  # of a tar: its extended headers are read into memory
_FRAME_INPUT: Final = 8 << 10  # what is left of it after each frame is copied
_IN_MEMORY: Final = 16 << 20  # of a zip within an archive
_ZSTD_OPTIONS: Final[dict[int, int]] = {zstd.DecompressionParameter.window_log_max: 27}  # 128 MiB
_XZ_MEMORY: Final = 256 << 20
_UNKNOWN: Final = {".7z", ".br", ".lz", ".lz4", ".rar", ".z"}
_BROKEN: Final = (
    *(zlib.error, zstd.ZstdError, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, EOFError, gzip.BadGzipFile),
    *(NotImplementedError, RuntimeError),
)
_NOT_WHOLE: Final = "not a whole archive"


@dataclass(frozen=True, slots=True)
class Item:
    """One file.

    Attributes:
        where: its path and, in an archive, its name there; printable.
        path: the folders and the name, from which source, endpoint and key are derived.
        modified: when it was last changed, in epoch seconds.
        stream: its bytes. Reading raises BadValue where they are damaged, cut short or too many.
    """

    where: str
    path: PurePath
    modified: int
    stream: io.BufferedReader


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file, or the rest of an archive, that can't be read, with the reason."""

    where: str
    reason: str


def unpack(paths: Iterable[Path]) -> Iterator[Item | Unreadable]:
    """Yield every file under the paths except hidden ones. Read an item's stream before asking for the next.

    Raises UsageError, before anything is yielded, for a path that does not exist.
    """
    wanted = list(paths)
    for path in wanted:
        if not path.exists() and str(path) != STDIN:
            raise UsageError(f"{path} does not exist.")
    for path in wanted:
        if str(path) == STDIN:
            yield from _standard_input()
            continue
        for file in _files(path) if path.is_dir() else [path]:
            if isinstance(file, Unreadable):
                yield file
            else:
                yield from _open(file)


def printable(text: str) -> str:
    """Return a text in which each character that does not print is escaped."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(slots=True)
class _Budget:
    """What may still come out of one file: bytes and files."""

    left: int
    members: int


class _Guarded(io.RawIOBase):
    """A stream that turns another one's errors into BadValue.

    It raises BadValue when the budget has no bytes left. Bytes are taken from the budget if they were unpacked; without
    a budget, `left` is the limit, None for none.
    """

    def __init__(self, inner: _Readable, budget: _Budget | None = None, left: int | None = None) -> None:
        self._inner = inner
        self._budget = budget
        self.left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # Buffer is not in 3.11
        try:
            data = self._inner.read(len(buffer))
        except _BROKEN as error:
            raise BadValue("damaged, cut short, or packed in an unknown way") from error
        except OSError as error:
            if error.errno is None:  # bz2's own
                raise BadValue("damaged, cut short, or packed in an unknown way") from error
            raise BadValue(f"can't be read: {error.strerror}") from error
        if self._budget is not None:
            self._budget.left -= len(data)
        if self.left is not None:
            self.left -= len(data)
        if (self._budget is not None and self._budget.left < 0) or (self.left is not None and self.left < 0):
            raise BadValue("expands out of all proportion")
        buffer[: len(data)] = data
        return len(data)


class _Frames:
    """A stream of what lies in frames, one after another. Reading raises EOFError where the last one is cut short.

    `make` returns the decompressor of one frame; they all have the methods of zstd's.
    """

    def __init__(self, packed: _Readable, make: Callable[[], Any], padding: bytes = b"") -> None:
        self._packed = packed
        self._make = make
        self._padding = padding  # what may lie between frames
        self._frame = make()
        self._begun = False

    def read(self, size: int, /) -> bytes:
        while True:
            packed = b""
            if self._frame.eof:
                packed = self._frame.unused_data.lstrip(self._padding) if self._padding else self._frame.unused_data
                self._frame = self._make()
                self._begun = False
            if self._frame.needs_input and not packed:
                packed = self._packed.read(_FRAME_INPUT)
                if not self._begun and self._padding:
                    packed = packed.lstrip(self._padding)
                if not packed:
                    if self._begun:
                        raise EOFError
                    return b""
            self._begun = True
            data: bytes = self._frame.decompress(packed, size)
            if data:
                return data


class _Packing(NamedTuple):
    """A way to pack one file: what its packed bytes begin with, and how they are read."""

    begins: re.Pattern[bytes]
    opened: Callable[[_Readable], _Readable]


_GZIP: Final = _Packing(re.compile(rb"\x1f\x8b\x08"), lambda packed: gzip.GzipFile(fileobj=_Guarded(packed)))
_ZSTD: Final = _Packing(
    re.compile(rb"\x28\xb5\x2f\xfd"),
    lambda packed: _Frames(packed, lambda: zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)),
)
_XZ: Final = _Packing(
    re.compile(rb"\xfd7zXZ\x00"),
    lambda packed: _Frames(packed, lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY), b"\0"),
)
_BZIP2: Final = _Packing(re.compile(rb"BZh[1-9]1AY&SY"), lambda packed: _Frames(packed, bz2.BZ2Decompressor))
_PACKED: Final = {".gz": _GZIP, ".zst": _ZSTD, ".xz": _XZ, ".lzma": _XZ, ".bz2": _BZIP2}
_TARS: Final = {".tgz": ".gz", ".tbz2": ".bz2", ".tbz": ".bz2", ".txz": ".xz", ".tzst": ".zst"}
_BEGINS: Final = (_GZIP, _ZSTD, _XZ, _BZIP2)
_MALTEGO: Final = ".mtgx"
_ZIP_BEGINS: Final = (b"PK\x03\x04", b"PK\x05\x06")
_TAR_MAGIC: Final = slice(257, 262)


def _files(folder: Path) -> Iterator[Path | Unreadable]:
    failed: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=failed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if name.startswith("."):
                continue
            if path.is_symlink() or not path.is_file():
                yield Unreadable(printable(str(path)), "a link or a device, not a file")
            else:
                yield path
    for error in failed:
        yield Unreadable(printable(str(error.filename)), f"can't be read: {error.strerror}")


def _open(path: Path) -> Iterator[Item | Unreadable]:
    where = printable(str(path))
    if not path.is_file():
        yield Unreadable(where, "a device, not a file")
        return
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            budget = _Budget(_allowed(state.st_size), MAX_MEMBERS)
            yield from _Unpacking(budget).opened(where, path.absolute(), int(state.st_mtime), file, file=file)
    except OSError as error:
        yield Unreadable(where, f"can't be read: {error.strerror}")


def _standard_input() -> Iterator[Item | Unreadable]:
    """Yield what comes by standard input. It has no name: what it is packed in is told by how it begins."""
    budget = _Budget(FREE_BYTES, MAX_MEMBERS)
    yield from _Unpacking(budget).opened("standard input", PurePath(STDIN), int(time.time()), sys.stdin.buffer)


def _allowed(size: int) -> int:
    """Return the bytes to which a file of this size may expand."""
    return max(FREE_BYTES, MAX_RATIO * size)


@dataclass(frozen=True, slots=True)
class _Unpacking:
    """What is taken out of one file, within its budget."""

    budget: _Budget

    def opened(
        self,
        where: str,
        path: PurePath,
        modified: int,
        stream: _Readable,
        *,
        depth: int = 0,
        file: IO[bytes] | None = None,
    ) -> Iterator[Item | Unreadable]:
        """Yield what a stream holds. `file` is the stream if any place in it can be read."""
        try:
            path, stream, packed = _packed(path, stream)
            if packed and depth >= MAX_DEPTH:
                yield Unreadable(where, f"packed more than {MAX_DEPTH} times over: unpack it first")
            elif isinstance(packed, _Packing):
                unpacked = _Guarded(packed.opened(stream), self.budget)
                yield from self.opened(where, path, modified, unpacked, depth=depth + 1)
            elif packed in {".zip", _MALTEGO}:
                with nullcontext(file) if file else _copied(stream) as whole:
                    found = self._zip(where, path, modified, whole, depth + 1)
                    yield from _graphs(path, found) if packed == _MALTEGO else found
            elif packed == ".tar":
                yield from self._tar(where, path, stream, depth + 1)
            else:
                yield Item(where, path, modified, io.BufferedReader(_Guarded(stream), _BUFFER))
        except BadValue as bad:
            yield Unreadable(where, bad.reason)

    def _is_full(self) -> bool:
        """Count one more file of an archive, and tell whether it is one too many."""
        self.budget.members -= 1
        return self.budget.members < 0

    def _tar(self, where: str, folder: PurePath, stream: _Readable, depth: int) -> Iterator[Item | Unreadable]:
        meter = _Guarded(stream, left=_HEADER_BYTES)
        try:
            with tarfile.open(fileobj=meter, mode="r|") as archive:
                for member in archive:
                    if self._is_full():
                        yield Unreadable(where, f"holds more than {MAX_MEMBERS:,} files: the rest was left out")
                        return
                    meter.left = member.size + _HEADER_BYTES  # until the next one is found
                    named = _named(where, folder, member.name)
                    if member.isdir() or named is None:
                        continue
                    within, path = named
                    if not member.isreg() or member.issparse():
                        yield Unreadable(within, "a link or a device, not a file")
                    elif content := archive.extractfile(member):
                        yield from self.opened(within, path, int(member.mtime), _Guarded(content), depth=depth)
        except (*_BROKEN, ValueError, OverflowError) as error:
            yield Unreadable(where, f"{_NOT_WHOLE} ({printable(str(error))[:100]}): the rest was left out")

    def _zip(
        self, where: str, folder: PurePath, modified: int, file: IO[bytes], depth: int
    ) -> Iterator[Item | Unreadable]:
        try:
            archive = zipfile.ZipFile(file)
        except (*_BROKEN, ValueError) as error:
            yield Unreadable(where, f"{_NOT_WHOLE} ({printable(str(error))[:100]})")
            return
        for member in archive.infolist():
            if self.budget.left < 0:
                yield Unreadable(where, "expands out of all proportion: the rest was left out")
                return
            if self._is_full():
                yield Unreadable(where, f"holds more than {MAX_MEMBERS:,} files: the rest was left out")
                return
            named = _named(where, folder, member.filename)
            if member.is_dir() or named is None:
                continue
            within, inside = named
            if stat.S_ISLNK(member.external_attr >> 16):
                yield Unreadable(within, "a link or a device, not a file")
                continue
            try:
                content = archive.open(member)
            except _BROKEN as error:  # RuntimeError: it wants a password
                yield Unreadable(within, f"can't be unpacked ({printable(str(error))[:100]})")
                continue
            try:
                changed = int(datetime(*member.date_time, tzinfo=UTC).timestamp())
            except ValueError:
                changed = modified
            yield from self.opened(within, inside, changed, _Guarded(content, self.budget), depth=depth)


def _packed(path: PurePath, stream: _Readable) -> tuple[PurePath, _Readable, _Packing | str]:
    """Return a path without the suffix of its packing, the stream, and the packing: a suffix, or "" for none.

    The name tells it, and else the first bytes: of one packed file always, of an archive if there is no name. Raises
    BadValue for a packing that is not read, and where the first bytes can't be read.
    """
    suffix = path.suffix.lower()
    if suffix in _TARS:
        path, suffix = path.with_suffix(".tar" + _TARS[suffix]), _TARS[suffix]
    if suffix in _UNKNOWN:
        raise BadValue(f"packed in a way that is not read here ({suffix}): unpack it first")
    if suffix in _PACKED:
        return path.with_suffix(""), stream, _PACKED[suffix]
    if suffix in {".zip", ".tar", _MALTEGO}:
        return path.with_suffix(""), stream, suffix
    buffered = io.BufferedReader(_Guarded(stream), _BUFFER)
    begun = buffered.peek(_TAR_MAGIC.stop)
    packing: _Packing | str | None = next((each for each in _BEGINS if each.begins.match(begun)), None)
    if packing is None and path.name == STDIN:
        packing = ".zip" if begun.startswith(_ZIP_BEGINS) else ".tar" if begun[_TAR_MAGIC] == b"ustar" else None
    return path, buffered, packing or ""


def _graphs(path: PurePath, found: Iterator[Item | Unreadable]) -> Iterator[Item | Unreadable]:
    """Yield the graphs of a Maltego file, each by the file's own name; what else is in it is the program's."""
    for item in found:
        if isinstance(item, Unreadable):
            yield item
        elif item.path.suffix.lower() == ".graphml":
            yield Item(item.where, path.with_name(f"{path.name}.graphml"), item.modified, item.stream)


@contextmanager
def _copied(stream: _Readable) -> Iterator[IO[bytes]]:
    """Return a copy of a stream that can be read from any place, while the context lasts."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
        while block := stream.read(_BUFFER):
            copy.write(block)
        copy.seek(0)
        yield copy


def _named(where: str, folder: PurePath, name: str) -> tuple[str, PurePath] | None:
    """Return how an archive's member is shown, and its folders and name; None if it is hidden."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in {"", ".", ".."}]
    if not parts or any(part.startswith(".") for part in parts):
        return None
    return f"{where}!{printable(name)}", PurePosixPath(folder, *parts)
