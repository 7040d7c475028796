"""Bringing in replies that were kept elsewhere: files, folders, JSON Lines, archives."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import Final

import msgspec

from etl.cache.envelope import MAX_BODY, Area, Entry, crc_holds, crc_of
from etl.cache.unpack import Item, Unreadable, unpack
from etl.cache.writer import Writer
from etl.errors import BadValue, UsageError

Resolve = Callable[[str, str, str], tuple[str, str, str]]

MAX_LISTED: Final = 1000
MAX_LINE: Final = 2 * MAX_BODY
_CHUNK: Final = 1 << 20
_LINES: Final = {".jsonl", ".ndjson"}
# What a file's last suffix must be to be no part of the key: example.com may well be a file's whole name.
_EXTENSIONS: Final = frozenset(
    f".{name}"
    for name in (
        *("json", "jsonl", "ndjson", "txt", "text", "csv", "tsv", "xml", "html", "htm", "yaml", "yml", "log", "out"),
        *("dat", "data", "bin", "raw", "body", "reply", "response", "resp", "result", "results", "api"),
    )
)
_ANSWERS: Final = {404, 410}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A reply that did not go in: where it is, and why."""

    where: str
    reason: str


@dataclass(slots=True)
class Adopted:
    """What became of the replies. All that were skipped are in `reasons`, the first MAX_LISTED also in `skipped`."""

    added: int = 0
    already_there: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def skip(self, where: str, reason: str) -> None:
        """Note a reply that did not go in."""
        self.reasons[reason] += 1
        if len(self.skipped) < MAX_LISTED:
            self.skipped.append(Skipped(where, reason))


class _Line(msgspec.Struct):
    """A reply in a line of JSON: an envelope of ours, or at least a key and a body."""

    key: str
    source: str | None = None
    endpoint: str | None = None
    params: dict[str, str] | None = None
    fetched_at: str | int | None = None
    status: int = 200
    body: msgspec.Raw = msgspec.Raw()
    text: str | None = None
    base64: bytes | None = None


def as_it_is(source: str, endpoint: str, key: str) -> tuple[str, str, str]:
    """Take every name and key as it is."""
    return source, endpoint, key


def adopt(
    writer: Writer,
    paths: Iterable[Path],
    *,
    source: str | None = None,
    endpoint: str | None = None,
    key: str | None = None,
    fetched_at: int | None = None,
    resolve: Resolve = as_it_is,
) -> Adopted:
    """Add every reply under the paths that is not in the cache yet.

    A file holds one reply, save for `.jsonl` and `.ndjson` whose lines are envelopes (ours, or `{"key":…,"body":…}`);
    `.gz`, `.zst`, `.zip`, `.tar` and `.tar.gz` are looked into. What an envelope says holds; else source and endpoint
    are those given, or the two folders above the file (`…/<source>/<endpoint>/<file>`, `-` read as `_`); the key is
    the one given, or the file's name up to the first `__`, or up to its extension; the time (epoch seconds) is the
    one given, or the file's own.

    `resolve` gives the source, endpoint and key as the program knows them; it raises UsageError or BadValue for what
    it does not, and that reply is skipped, with the reason. Raises UsageError for a path that does not exist.
    """
    adoption = _Adoption(writer, source, endpoint, key, fetched_at, resolve)
    for item in unpack(paths):
        if isinstance(item, Unreadable):
            adoption.outcome.skip(item.where, item.reason)
            continue
        try:
            if item.path.suffix.lower() in _LINES:
                adoption.lines(item)
            else:
                adoption.reply(item, b"")
        except BadValue as bad:
            adoption.outcome.skip(item.where, bad.reason)
    return adoption.outcome


@dataclass(slots=True)
class _Adoption:
    writer: Writer
    source: str | None
    endpoint: str | None
    key: str | None
    fetched_at: int | None
    resolve: Resolve
    outcome: Adopted = field(default_factory=Adopted)

    def reply(self, item: Item, begun: bytes) -> None:
        """Add a file that is one reply; `begun` has been read of it."""
        body = _read(item.stream, begun)
        self._add(item.where, item, _Line(self.key or _key(item.path.name)), body)

    def lines(self, item: Item) -> None:
        """Add the envelopes that are a file's lines; without any, the file is one reply."""
        number = 0
        begun: bytearray | None = bytearray()  # what there is before the first line that is not blank
        while line := item.stream.readline(MAX_LINE):
            if len(line) == MAX_LINE:
                raise BadValue(f"has a line larger than {MAX_LINE >> 20} MiB: the rest was left out")
            number += 1
            bare = line.strip()
            if begun is not None:
                begun += line
            if not bare:
                continue
            found = _line(bare)
            if found is None and begun is not None and not crc_of(bare):
                break
            begun = None
            where = f"{item.where}:{number}"
            if found is None:
                self.outcome.skip(where, "not an envelope")
            elif crc_of(bare) and not crc_holds(bare):
                self.outcome.skip(
                    where, "its checksum does not hold (take `crc` out of it if it was changed on purpose)"
                )
            else:
                body = found.base64 if found.base64 is not None else (found.text or "").encode()
                self._add(where, item, found, bytes(found.body) or body)
        if begun is not None:
            self.reply(item, bytes(begun))

    def _add(self, where: str, item: Item, line: _Line, body: bytes) -> None:
        folders = item.path.parts[:-1]
        source = line.source or self.source or (folders[-2] if len(folders) > 1 else "")
        endpoint = line.endpoint or self.endpoint or (folders[-1] if folders else "")
        try:
            source, endpoint, key = self.resolve(_fold(source), _fold(endpoint), line.key)
            entry = Entry(
                source=source,
                endpoint=endpoint,
                key=key,
                params=line.params or {},
                fetched_at=_time(line.fetched_at, item.modified if self.fetched_at is None else self.fetched_at),
                status=line.status,
                body=body,
            )
            added = self.writer.add_once(entry, _area(line.status))
        except (UsageError, BadValue) as refused:
            self.outcome.skip(where, str(refused))
            return
        if added:
            self.outcome.added += 1
        else:
            self.outcome.already_there += 1


def _read(stream: BufferedReader, begun: bytes) -> bytes:
    chunks = [begun]
    size = len(begun)
    while chunk := stream.read(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY:
            raise BadValue(f"larger than the {MAX_BODY >> 20} MiB that a reply may have")
    return b"".join(chunks)


def _line(line: bytes) -> _Line | None:
    try:
        found = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if bytes(found.body) or found.text is not None or found.base64 is not None else None


def _key(name: str) -> str:
    if "__" in name:
        return name.split("__", 1)[0]
    stem, dot, extension = name.rpartition(".")
    return stem if stem and f"{dot}{extension.lower()}" in _EXTENSIONS else name


def _fold(name: str) -> str:
    return name.lower().replace("-", "_")


def _time(stated: str | int | None, otherwise: int) -> int:
    if stated is None:
        return otherwise
    if isinstance(stated, int):
        return stated
    try:
        time = msgspec.convert(stated, datetime)
    except msgspec.ValidationError as error:
        raise BadValue("its fetched_at is no time") from error
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def _area(status: int) -> Area:
    """Where a reply of this status goes: an answer ("not found" is one), or a failure."""
    return "raw" if 200 <= status < 300 or status in _ANSWERS else "failed"  # noqa: PLR2004 - HTTP's own numbers


_decode: Final = msgspec.json.Decoder(_Line).decode
