"""The files in folders, compressed files and archives, one by one, as streams. Nothing is written anywhere.

A name inside an archive is only compared, and never opened. Packed content may be hostile, so each stream ends, with a
reason, when it yields out of all proportion to what was packed.
"""

import gzip
import io
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Final, Protocol

from intel_grapher.cache.frames import zstd
from intel_grapher.errors import BadValue, UsageError

MAX_RATIO: Final = 200
FREE_BYTES: Final = 256 << 20
"""Bytes to which any packed file may expand; beyond that, to MAX_RATIO times its size."""

_BUFFER: Final = 64 << 10
_HEADER_BYTES: Final = 1 << 20  # of a tar: its extended headers are read into memory
_ZSTD_INPUT: Final = 8 << 10  # what is left of it after each frame is copied
_ZSTD_OPTIONS: Final[dict[int, int]] = {zstd.DecompressionParameter.window_log_max: 27}  # 128 MiB
_PACKED: Final = {".gz", ".tgz", ".zst"}
_UNKNOWN: Final = {".7z", ".br", ".bz2", ".lz4", ".rar", ".tbz2", ".txz", ".xz"}
_BROKEN: Final = (zlib.error, zstd.ZstdError, zipfile.BadZipFile, tarfile.TarError, EOFError, gzip.BadGzipFile)


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
        if not path.exists():
            raise UsageError(f"{path} does not exist.")
    for path in wanted:
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


class _Guarded(io.RawIOBase):
    """A stream that turns another one's errors into BadValue, and raises it when more than `left` bytes were read."""

    def __init__(self, inner: _Readable, left: int | None = None) -> None:
        self._inner = inner
        self.left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # Buffer is not in 3.11
        try:
            data = self._inner.read(len(buffer))
        except (*_BROKEN, NotImplementedError, RuntimeError) as error:
            raise BadValue("damaged, cut short, or packed in an unknown way") from error
        except OSError as error:
            raise BadValue(f"can't be read: {error.strerror}") from error
        if self.left is not None:
            self.left -= len(data)
            if self.left < 0:
                raise BadValue("expands out of all proportion")
        buffer[: len(data)] = data
        return len(data)


class _Zstd:
    """A stream of the content of zstd frames. Reading raises EOFError where the last one is cut short."""

    def __init__(self, packed: _Readable) -> None:
        self._packed = packed
        self._frame = zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)
        self._begun = False

    def read(self, size: int, /) -> bytes:
        while True:
            packed = b""
            if self._frame.eof:
                packed = self._frame.unused_data
                self._frame = zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)
                self._begun = False
            if self._frame.needs_input and not packed:
                packed = self._packed.read(_ZSTD_INPUT)
                if not packed:
                    if self._begun:
                        raise EOFError
                    return b""
            self._begun = True
            if data := self._frame.decompress(packed, size):
                return data


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
            left = _allowed(state.st_size)
            if path.suffix.lower() == ".zip":
                yield from _zip(where, path, file, int(state.st_mtime), left)
            else:
                yield from _stream(where, path.absolute(), int(state.st_mtime), file, left, archives=True)
    except OSError as error:
        yield Unreadable(where, f"can't be read: {error.strerror}")


def _allowed(size: int) -> int:
    """Return the bytes to which a file of this size may expand."""
    return max(FREE_BYTES, MAX_RATIO * size)


def _stream(
    where: str, path: PurePath, modified: int, stream: _Readable, left: int, *, archives: bool
) -> Iterator[Item | Unreadable]:
    suffix = path.suffix.lower()
    limit: int | None = None
    if suffix in _PACKED:
        stream = _Zstd(stream) if suffix == ".zst" else gzip.GzipFile(fileobj=_Guarded(stream))
        path = path.with_suffix(".tar" if suffix == ".tgz" else "")
        limit = left
        suffix = path.suffix.lower()
    if suffix in _UNKNOWN or suffix in _PACKED:
        yield Unreadable(where, f"packed in a way that is not read here ({suffix}): unpack it first")
    elif suffix in {".zip", ".tar"} and not archives:
        yield Unreadable(where, "an archive within another: unpack it first")
    elif suffix == ".zip":
        yield Unreadable(where, "an archive that is packed once more: unpack it first")
    elif suffix == ".tar":
        yield from _tar(where, path.with_suffix(""), _Guarded(stream, limit))
    else:
        yield Item(where, path, modified, io.BufferedReader(_Guarded(stream, limit), _BUFFER))


def _tar(where: str, folder: PurePath, stream: _Guarded) -> Iterator[Item | Unreadable]:
    meter = _Guarded(stream, _HEADER_BYTES)
    try:
        with tarfile.open(fileobj=meter, mode="r|") as archive:
            for member in archive:
                meter.left = member.size + _HEADER_BYTES  # until the next one is found
                named = _named(where, folder, member.name)
                if member.isdir() or named is None:
                    continue
                within, path = named
                if not member.isreg() or member.issparse():
                    yield Unreadable(within, "a link or a device, not a file")
                elif content := archive.extractfile(member):
                    guard = _Guarded(content)
                    yield from _stream(within, path, int(member.mtime), guard, _allowed(member.size), archives=False)
    except (*_BROKEN, ValueError, OverflowError) as error:
        yield Unreadable(where, f"not a whole archive ({printable(str(error))[:100]}): the rest was left out")


def _zip(where: str, path: Path, file: IO[bytes], modified: int, left: int) -> Iterator[Item | Unreadable]:
    try:
        archive = zipfile.ZipFile(file)
    except (*_BROKEN, ValueError, NotImplementedError) as error:
        yield Unreadable(where, f"not a whole archive ({printable(str(error))[:100]})")
        return
    for member in archive.infolist():
        if left < 0:
            yield Unreadable(where, "expands out of all proportion: the rest was left out")
            return
        named = _named(where, path.absolute().with_suffix(""), member.filename)
        if member.is_dir() or named is None:
            continue
        within, inside = named
        if stat.S_ISLNK(member.external_attr >> 16):
            yield Unreadable(within, "a link or a device, not a file")
            continue
        try:
            content = archive.open(member)
        except (*_BROKEN, NotImplementedError, RuntimeError) as error:  # the last one: it wants a password
            yield Unreadable(within, f"can't be unpacked ({printable(str(error))[:100]})")
            continue
        try:
            changed = int(datetime(*member.date_time, tzinfo=UTC).timestamp())
        except ValueError:
            changed = modified
        guard = _Guarded(content, left)
        yield from _stream(within, inside, changed, guard, left, archives=False)
        left = guard.left or 0


def _named(where: str, folder: PurePath, name: str) -> tuple[str, PurePath] | None:
    """Return how an archive's member is shown, and its folders and name; None if it is hidden."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in {"", ".", ".."}]
    if not parts or any(part.startswith(".") for part in parts):
        return None
    return f"{where}!{printable(name)}", PurePosixPath(folder, *parts)
