"""Bringing in replies that were kept elsewhere: files, folders, JSON Lines, archives."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from intel_grapher.cache.envelope import MAX_BODY, Area, Entry, crc_holds, crc_of
from intel_grapher.cache.unpack import Item, Unreadable, unpack
from intel_grapher.cache.writer import Writer
from intel_grapher.errors import BadValue, UsageError

Resolve = Callable[[str, str, str], tuple[str, str, str]]
OneReply = Callable[[str, str], bool]
Check = Callable[[Entry], None]

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


class Standing(NamedTuple):
    """Where an adopted reply belongs.

    `area` is `failed` for a failure. `reason` says why the reply is no answer; it is empty for an answer. A reply that
    is no answer and yet goes to `raw` is one that can't be read: the transform lists it, and a later version may read
    it.
    """

    area: Area
    reason: str = ""


Judge = Callable[[Entry], Standing]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A reply that did not go in: where it is, and why."""

    where: str
    reason: str


@dataclass(slots=True)
class Adopted:
    """What became of the replies. All that were skipped are in `reasons`, the first MAX_LISTED also in `skipped`.

    `failures` counts, by reason, the added replies that are no answers.
    """

    added: int = 0
    already_there: int = 0
    failures: Counter[str] = field(default_factory=Counter)
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
    judge: Judge,
    source: str | None = None,
    endpoint: str | None = None,
    key: str | None = None,
    fetched_at: int | None = None,
    key_from: str | None = None,
    resolve: Resolve = as_it_is,
    one_reply: OneReply = lambda _source, _endpoint: True,
    check: Check = lambda _reply: None,
) -> Adopted:
    """Add every reply under the paths that is not in the cache yet.

    A file holds one reply, save for `.jsonl` and `.ndjson` whose lines are envelopes (ours, or `{"key":…,"body":…}`)
    or bare replies; `.gz`, `.zst`, `.zip`, `.tar` and `.tar.gz` are looked into. What an envelope says holds; else
    source and endpoint are those given, or the two folders above the file (`…/<source>/<endpoint>/<file>`, `-` read
    as `_`); the key is the one given, or what the reply's member `key_from` says (`ip`, `data.id`), or the file's name
    up to the first `__`, or up to its extension; the time (epoch seconds) is the one given, or the file's own.

    `judge` says whether a reply is an answer. One that is none is kept so that it stops no question.
    `one_reply` tells, of a source and an endpoint as they are named there, whether several bare lines are one reply.
    `resolve` gives the source, endpoint and key as the program knows them; it raises UsageError or BadValue for what
    it does not, and that reply is skipped, with the reason. So is one for which `check` raises BadValue. Raises
    UsageError for a path that does not exist.
    """
    adoption = _Adoption(writer, judge, source, endpoint, key, fetched_at, key_from, resolve, one_reply, check)
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
    judge: Judge
    source: str | None
    endpoint: str | None
    key: str | None
    fetched_at: int | None
    key_from: str | None
    resolve: Resolve
    one_reply: OneReply
    check: Check
    outcome: Adopted = field(default_factory=Adopted)

    def reply(self, item: Item, begun: bytes) -> None:
        """Add a file that is one reply; `begun` has been read of it."""
        body = _read(item.stream, begun)
        self._add(item.where, item, _Line(self.key or self._said(body) or _key(item.path.name)), body)

    def lines(self, item: Item) -> None:
        """Add the replies that are a file's lines; where they are none by themselves, the file is one reply."""
        begun, lines = b"", _lines(item.stream)
        for number, line in lines:
            begun += line
            first = number, line
            if bare := line.strip():
                break
        else:
            self.reply(item, begun)
            return
        if _line(bare) is None and not crc_of(bare):
            following = (
                None if self._is_one_reply(item, bare) else next((each for each in lines if each[1].strip()), None)
            )
            if following is None:
                self.reply(item, begun)
                return
            lines = chain([following], lines)
        for place, each in chain([first], lines):
            if each.strip():
                self._one(f"{item.where}:{place}", item, each.strip())

    def _is_one_reply(self, item: Item, line: bytes) -> bool:
        """Tell whether a file's lines are one reply: so are those of a JSON value that takes several."""
        return self.one_reply(*self._place(item)) or _decoded(line) is None

    def _one(self, where: str, item: Item, line: bytes) -> None:
        """Add the reply that a line is."""
        found = _line(line)
        if found is not None and crc_of(line) and not crc_holds(line):
            self.outcome.skip(where, "its checksum does not hold (take `crc` out of it if it was changed on purpose)")
        elif found is not None:
            body = found.base64 if found.base64 is not None else (found.text or "").encode()
            self._add(where, item, found, bytes(found.body) or body)
        elif self._is_one_reply(item, line):
            self.outcome.skip(where, "not an envelope")
        elif self.key_from is None:
            self.outcome.skip(where, "one of several bare replies: say with --key-from which member tells its key")
        else:
            try:
                self._add(where, item, _Line(self._said(line)), line)
            except BadValue as bad:
                self.outcome.skip(where, bad.reason)

    def _said(self, body: bytes) -> str:
        """Return the key that a reply itself tells; empty where that is not looked for. BadValue where it does not."""
        if self.key_from is None:
            return ""
        value = _decoded(body)
        for name in self.key_from.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise BadValue(f"has no {self.key_from} that tells what was asked for")
        return str(value)

    def _place(self, item: Item) -> tuple[str, str]:
        """Return the source and the endpoint of a file's bare replies."""
        folders = item.path.parts[:-1]
        source = self.source or (folders[-2] if len(folders) > 1 else "")
        return _fold(source), _fold(self.endpoint or (folders[-1] if folders else ""))

    def _add(self, where: str, item: Item, line: _Line, body: bytes) -> None:
        source, endpoint = self._place(item)
        try:
            source, endpoint, key = self.resolve(
                _fold(line.source or source), _fold(line.endpoint or endpoint), line.key
            )
            entry = Entry(
                source=source,
                endpoint=endpoint,
                key=key,
                params=line.params or {},
                fetched_at=_time(line.fetched_at, item.modified if self.fetched_at is None else self.fetched_at),
                status=line.status,
                body=body,
            )
            self.check(entry)
            standing = self.judge(entry)
            added = self.writer.add_once(entry, standing.area)
            if standing.reason and standing.area == "raw":
                self.writer.add_once(entry, "failed")  # the same record, by which look-ups know it
        except (UsageError, BadValue) as refused:
            self.outcome.skip(where, str(refused))
            return
        if added:
            self.outcome.added += 1
            if standing.reason:
                self.outcome.failures[standing.reason] += 1
        else:
            self.outcome.already_there += 1


def _lines(stream: BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Yield a file's lines with their numbers; BadValue for one that is too long."""
    number = 0
    while line := stream.readline(MAX_LINE):
        if len(line) == MAX_LINE:
            raise BadValue(f"has a line larger than {MAX_LINE >> 20} MiB: the rest was left out")
        number += 1
        yield number, line


def _decoded(body: bytes) -> Any:  # noqa: ANN401 - a reply may be anything
    """Return a JSON value; None where it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


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


_decode: Final = msgspec.json.Decoder(_Line).decode
