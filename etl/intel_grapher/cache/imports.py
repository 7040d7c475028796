"""Import of replies that were kept elsewhere: files, folders, JSON Lines and arrays, archives, HAR files, `curl -i`.

Memory is bounded: a file is read as a stream, a reply has at most MAX_BODY bytes, a line at most MAX_LINE, and of a
reply only the members that are asked for are decoded.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from io import BufferedReader
from itertools import chain
from pathlib import Path, PurePath
from typing import Any, Final, NamedTuple

import msgspec

from intel_grapher.cache import containers
from intel_grapher.cache.containers import Exchange
from intel_grapher.cache.envelope import MAX_BODY, Area, Entry, crc_holds, crc_of
from intel_grapher.cache.filenames import KeptFile, name_of
from intel_grapher.cache.marks import Begun
from intel_grapher.cache.undo import ImportRun, Rehearsal
from intel_grapher.cache.unpack import STDIN, Item, Unreadable, printable, unpack
from intel_grapher.cache.writer import Writer
from intel_grapher.errors import BadValue, UsageError

Resolve = Callable[[str, str, str], tuple[str, str, str]]
OneReply = Callable[[str, str], bool]
Check = Callable[[Entry], None]
Named = Callable[[KeptFile], tuple[str, dict[str, str]]]
Placed = tuple[str, str, str, Mapping[str, str]]
"""Source, endpoint, key (empty: not told) and parameters."""
AskedAt = Callable[[str, str, Mapping[str, str]], Placed]
Recognise = Callable[[str, str, bytes], Placed | None]

MAX_LISTED: Final = 1000
MAX_LINE: Final = 2 * MAX_BODY
OTHER_REASONS: Final = "for other reasons"
_CHUNK: Final = 1 << 20
_LINES: Final = {".jsonl", ".ndjson"}


class Standing(NamedTuple):
    """The area of an imported reply, and why it is no answer.

    `area` is `failed` for a failure. `reason` is empty for an answer. A reply that is no answer and yet goes to `raw`
    can't be read: the transform lists it, and a later version may read it.
    """

    area: Area
    reason: str = ""


Judge = Callable[[Entry], Standing]


class ToldReply(NamedTuple):
    """A reply that a file holds, as `by_content` tells: where it belongs, its body, whether it is counted by itself."""

    source: str
    endpoint: str
    key: str
    body: bytes
    is_counted: bool = True
    fetched_at: int | None = None  # that of the same reply in the cache; None: the file's


ByContent = Callable[[str, PurePath, bytes], Sequence[ToldReply] | None]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A reply that was left out: where it is, and the reason."""

    where: str
    reason: str


@dataclass(slots=True)
class Imported:
    """The outcome of an import, in counts.

    Attributes:
        added: replies that were added.
        already_there: replies that the cache had.
        failures: by reason, the added replies that are no answers.
        reasons: by reason, the replies that were left out; after MAX_LISTED reasons the others count as one.
        skipped: the first MAX_LISTED replies that were left out.
        passed_over: by reason, the entries of HAR files that are of no source.
        unreadable: by reason, the added replies that no mapping can read; `unread` are the first MAX_LISTED of them.
        id: the import's id, by which it can be taken back; empty where it gave nothing.
    """

    added: int = 0
    already_there: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    skipped: list[Skipped] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    unread: list[Skipped] = field(default_factory=list)
    id: str = ""

    def skip(self, where: str, reason: str) -> None:
        """Note a reply that was left out."""
        self.reasons[reason if reason in self.reasons or len(self.reasons) < MAX_LISTED else OTHER_REASONS] += 1
        if len(self.skipped) < MAX_LISTED:
            self.skipped.append(Skipped(where, reason))

    def note_unreadable(self, where: str, reason: str) -> None:
        """Note a reply that was added, and that no mapping can read."""
        self.unreadable[reason] += 1
        if len(self.unread) < MAX_LISTED:
            self.unread.append(Skipped(where, reason))


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


def nowhere(_method: str, _url: str, _form: Mapping[str, str]) -> Placed:
    """Raise BadValue: no source is known."""
    raise BadValue("no source is known")


def by_file_name(file: KeptFile) -> tuple[str, dict[str, str]]:
    """Return the key that the user says, or what the file's name has before its extension, and no parameters."""
    return file.key or file.name.stem, {}


def as_it_is(source: str, endpoint: str, key: str) -> tuple[str, str, str]:
    """Return the three unchanged."""
    return source, endpoint, key


def import_replies(
    into: Writer | Rehearsal,
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
    named: Named = by_file_name,
    check: Check = lambda _reply: None,
    asked_at: AskedAt = nowhere,
    recognise: Recognise = lambda _source, _endpoint, _body: None,
    by_content: ByContent = lambda _where, _path, _body: None,
) -> Imported:
    """Add every reply under the paths that is not in the cache yet; return the counts. A rehearsal adds nothing.

    A file holds one reply, except:

    - `.jsonl` and `.ndjson`, whose lines are envelopes (ours, or `{"key":…,"body":…}`) or bare replies;
    - a JSON array of these, where it can't be one reply of its endpoint;
    - a HAR file, whose entries are replies of the endpoints that `asked_at` tells by their URLs;
    - what `unpack` looks into. The path `-` is standard input, and may be lines.

    `curl -i` output states status and time. An envelope states source, endpoint, key and time. For a bare reply:

    - source and endpoint are the arguments, or the two folders above the file (`…/<source>/<endpoint>/<file>`, `-`
      read as `_`); where these name none, `recognise` may tell them, and the key, by the reply's form;
    - the key is the argument, or the reply's member `key_from` (`ip`, `data.id`), or what `named` makes of the file's
      name up to the first `__` or up to its extension;
    - the time is the argument, in epoch seconds, or the file's own.

    `judge` says whether a reply is an answer; one that is none is kept so that it stops no question. `one_reply` tells,
    for the names of a source and an endpoint, whether several bare lines are one reply. `resolve` returns source,
    endpoint and key as the program knows them, or raises UsageError or BadValue; that reply is left out, with the
    reason. So is one for which `check` raises BadValue, and a bare one whose key and parameters `named` can't tell.
    `by_content` returns the replies that a file holds if its content alone tells them, else None; none at all means
    that this import gave them already.
    Raises UsageError for a path that does not exist.
    """
    paths = list(paths)
    begun = Begun(
        paths=[printable(str(path)) for path in paths], source=source or "", endpoint=endpoint or "", key=key or ""
    )
    with ImportRun(into, begun) if isinstance(into, Writer) else into as run:
        work = _Import(run, judge, source, endpoint, key, fetched_at, key_from, resolve, one_reply, named, check,
                       asked_at, recognise, by_content)  # fmt: skip
        for item in unpack(paths):
            if isinstance(item, Unreadable):
                work.outcome.skip(item.where, item.reason)
                continue
            try:
                if item.path.suffix.lower() in _LINES or item.path.name == STDIN:
                    work.add_lines(item)
                else:
                    work.add_file(item, bytearray())
            except BadValue as bad:
                work.outcome.skip(item.where, bad.reason)
        run.left_out = work.outcome.reasons.total()
        run.failures = work.outcome.failures.total()
    work.outcome.id = run.id if run.gave else ""
    return work.outcome


@dataclass(slots=True)
class _Import:
    run: ImportRun | Rehearsal
    judge: Judge
    source: str | None
    endpoint: str | None
    key: str | None
    fetched_at: int | None
    key_from: str | None
    resolve: Resolve
    one_reply: OneReply
    named: Named
    check: Check
    asked_at: AskedAt
    recognise: Recognise
    by_content: ByContent
    outcome: Imported = field(default_factory=Imported)

    def add_file(self, item: Item, begun: bytearray) -> None:
        """Add a file that is one reply, or holds several in a form of its own; `begun` is what has been read of it."""
        body = _read(item.stream, begun)
        answer = containers.answer(body)
        replies = None if answer else self.by_content(item.where, item.path, body)
        if replies is not None:
            self.outcome.already_there += not any(reply.is_counted for reply in replies)
            for reply in replies:
                line = _Line(reply.key, reply.source, reply.endpoint, fetched_at=reply.fetched_at)
                self._add(item.where, item, line, reply.body, is_counted=reply.is_counted)
            return
        if (found := containers.exchanges(body)) is not None:
            for each in found:
                self._add_exchange(item, each)
        elif answer is not None:
            self._add_body(item, answer.body, answer.status, answer.at)
        elif (each_one := containers.items(body)) is not None and not self._is_whole(item, body):
            for number, one in enumerate(each_one, 1):
                self._add_line(f"{item.where}[{number}]", item, one)
        else:
            self._add_body(item, body)

    def _add_body(self, item: Item, body: bytes, status: int = 200, at: int | None = None) -> None:
        """Add a bare reply."""
        source, endpoint = self._names(item)
        told = self.recognise(source, endpoint, body)
        stated = self.key or self._stated_key(body)
        if told is not None:
            source, endpoint, own, _ = told
            stated = stated or own
        key, params = self.named(KeptFile(source, endpoint, stated, name_of(item), body, status))
        if not key and item.path.name == STDIN:
            raise BadValue("it has no name that says what was asked for: say it with --key")
        line = _Line(key, source=source, endpoint=endpoint, params=params, status=status, fetched_at=at)
        self._add(item.where, item, line, body)

    def _add_exchange(self, item: Item, found: Exchange | BadValue) -> None:
        """Add an entry of a HAR file, or count it by the reason why it is no reply."""
        try:
            if isinstance(found, BadValue):
                raise found
            source, endpoint, key, params = self.asked_at(found.method, found.url, found.form)
        except BadValue as bad:
            self.outcome.passed_over[bad.reason] += 1
            return
        line = _Line(
            key, source=source, endpoint=endpoint, params=dict(params), status=found.answer.status,
            fetched_at=found.answer.at,
        )  # fmt: skip
        self._add(f"{item.where}[{found.number}]", item, line, found.answer.body)

    def _is_whole(self, item: Item, body: bytes) -> bool:
        """Tell whether a JSON array is one reply."""
        source, endpoint = self._names(item)
        if self.recognise(source, endpoint, body) is not None:
            return True
        try:
            source, endpoint, key = self.resolve(source, endpoint, self.key or "")
            trial = Entry(source=source, endpoint=endpoint, key=key, fetched_at=0, status=200, body=body)
            return not self.judge(trial).reason
        except (UsageError, BadValue):
            return True  # what is wrong with it is said when it is added

    def add_lines(self, item: Item) -> None:
        """Add the replies that are a file's lines. Where the lines are none by themselves, the file is one reply."""
        begun, lines = bytearray(), _lines(item.stream)
        for number, line in lines:
            begun += line
            first = number, line
            if bare := line.strip():
                break
            _refuse_large(len(begun))
        else:
            self.add_file(item, begun)
            return
        if _line(bare) is None and not crc_of(bare):
            following = None
            if not self._is_one_reply(item, bare):
                following = next((numbered for numbered in lines if numbered[1].strip()), None)
            if following is None:
                self.add_file(item, begun)
                return
            lines = chain([following], lines)
        begun.clear()
        for number, line in chain([first], lines):
            if line.strip():
                self._add_line(f"{item.where}:{number}", item, line.strip())

    def _is_one_reply(self, item: Item, line: bytes) -> bool:
        """Tell whether a file's lines are one reply, as are those of a JSON value that takes several."""
        return self.one_reply(*self._names(item)) or not _is_json(line)

    def _add_line(self, where: str, item: Item, line: bytes) -> None:
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
            self.outcome.skip(where, "one of several bare replies: say with --key-from which member is its key")
        else:
            try:
                self._add(where, item, _Line(self._stated_key(line)), line)
            except BadValue as bad:
                self.outcome.skip(where, bad.reason)

    def _stated_key(self, body: bytes) -> str:
        """Return the key that a reply states in its member `key_from`; empty without that. Raises BadValue."""
        if self.key_from is None:
            return ""
        value = body
        for name in self.key_from.split("."):
            value = _member(value, name)
        try:
            found: str | int = _key_decoder.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = ""
        if found == "":
            raise BadValue(f"has no {self.key_from} that says what was asked for")
        return str(found)

    def _names(self, item: Item) -> tuple[str, str]:
        """Return the source and the endpoint of a file's bare replies."""
        folders = item.path.parts[:-1]
        source = self.source or (folders[-2] if len(folders) > 1 else "")
        return _fold(source), _fold(self.endpoint or (folders[-1] if folders else ""))

    def _add(self, where: str, item: Item, line: _Line, body: bytes, *, is_counted: bool = True) -> None:
        source, endpoint = self._names(item)
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
            # What can't be read stands in both areas: the same record, by which look-ups know it.
            also: Area | None = "failed" if standing.reason and standing.area == "raw" else None
            added = self.run.add(entry, standing.area, also)
        except (UsageError, BadValue) as refused:
            self.outcome.skip(where, str(refused))
            return
        if not is_counted:
            return
        if not added:
            self.outcome.already_there += 1
            return
        self.outcome.added += 1
        if standing.reason:
            self.outcome.failures[standing.reason] += 1
            if standing.area == "raw":
                self.outcome.note_unreadable(where, standing.reason)


def _lines(stream: BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Yield a file's lines with their numbers; BadValue for one that is too long."""
    number = 0
    while line := stream.readline(MAX_LINE):
        if len(line) == MAX_LINE:
            raise BadValue(f"has a line larger than {MAX_LINE >> 20} MiB: the rest was left out")
        number += 1
        yield number, line


def _is_json(text: bytes) -> bool:
    """Tell whether a text is one JSON value other than null."""
    try:
        return bytes(_skip(text)) != b"null"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _member(text: bytes, name: str) -> bytes:
    """Return the JSON text of a member of a JSON object; empty where it is none or has none of this name."""
    try:
        return bytes(_member_decoder(name).decode(text).value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return b""


@cache
def _member_decoder(name: str) -> msgspec.json.Decoder[Any]:
    """Return a decoder that reads one member of an object and skips all others."""
    fields = [("value", msgspec.Raw, msgspec.Raw())]
    return msgspec.json.Decoder(msgspec.defstruct("_Member", fields, rename={"value": name}))


def _read(stream: BufferedReader, begun: bytearray) -> bytes:
    """Return the whole of a file, of which `begun` has been read; BadValue where it is too large."""
    _refuse_large(len(begun))
    while chunk := stream.read(_CHUNK):
        begun += chunk
        _refuse_large(len(begun))
    body = bytes(begun)
    begun.clear()
    return body


def _refuse_large(size: int) -> None:
    if size > MAX_BODY:
        raise BadValue(f"larger than the {MAX_BODY >> 20} MiB that a reply may have")


def _line(line: bytes) -> _Line | None:
    try:
        found = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if bytes(found.body) or found.text is not None or found.base64 is not None else None


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
_skip: Final = msgspec.json.Decoder(msgspec.Raw).decode
_key_decoder: Final = msgspec.json.Decoder(str | int)
