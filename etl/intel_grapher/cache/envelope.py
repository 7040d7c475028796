"""The envelope: one reply as one line of JSON, how it is written and read back.

    {"crc":"1c291ca3","source":"threatcrowd","endpoint":"domain","key":"example.com","params":{…},
     "fetched_at":"2024-05-01T10:00:00Z","status":200,"body":{…}}

The checksum is the CRC-32 of every byte after `{"crc":"xxxxxxxx",`, without the newline. A reply that `cache add`
brought has `"import":"xxxxxxxx"` next, the id of that import (`marks`). `params` is left out when there are none. The
reply itself is the last member:

- `body` where it is JSON: byte for byte, except that CR and LF (which in valid JSON are only between tokens) become
  spaces, and white space around it is removed;
- `text` where it is other UTF-8, `base64` for the rest. A large text of mostly control characters is `base64` as well.
"""

import codecs
import re
import time
import zlib
from base64 import b64encode
from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Final, Literal

import msgspec

from intel_grapher.errors import BadValue, UsageError

Area = Literal["raw", "failed", "imports"]
Form = Literal["json", "text", "base64"]

AREAS: Final[tuple[Area, ...]] = ("raw", "failed")
"""The areas of replies."""
ALL_AREAS: Final[tuple[Area, ...]] = (*AREAS, "imports")
"""The third has the log of `cache add` (`marks`)."""
MAX_BODY: Final = 64 << 20
"""Bytes. A larger reply is refused: a line must fit into memory wherever it is read. Older caches may have some."""
MAX_NESTING: Final = 200
"""JSON nested deeper is kept as text, so that no reader of a segment (jq stops at 256) trips over one reply."""
EXCERPT: Final = 2000
"""Bytes of a reply that are kept with a failure."""
CHECKSUM_DIFFERS: Final = "the record's checksum does not hold"
LAST_SECOND: Final = 253_402_300_799
"""9999-12-31T23:59:59Z, the last time that can be written."""

_CRC_END: Final = 18  # {"crc":"xxxxxxxx",
_IMPORT: Final = re.compile(rb'"import":"[0-9a-f]{8}",')
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
_SPACE: Final = b" \t\r\n"
_ONE_LINE: Final = bytes.maketrans(b"\r\n", b"  ")
_CHUNK: Final = 1 << 20
_utf8: Final = codecs.getincrementaldecoder("utf-8")
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b'[]{}"'))
"""Nor quotes."""
_SQUARE: Final = bytes.maketrans(b"{}", b"[]")


Status = Annotated[int, msgspec.Meta(ge=0, le=999)]
"""The range of HTTP, 0 where no answer came."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reply to be kept: source, endpoint, key and parameters of the question, epoch seconds, HTTP status, body."""

    source: str
    endpoint: str
    key: str
    fetched_at: int
    status: int
    body: bytes
    params: dict[str, str] = {}


class FailedBody(msgspec.Struct):
    """The body of an entry of the area `failed` that this program wrote: the reason, and how the reply began."""

    reason: str
    excerpt: str = ""

    @classmethod
    def of(cls, reason: str, body: bytes) -> bytes:
        """Return the body for a reply that failed, as JSON."""
        return msgspec.json.encode(cls(reason, body[:EXCERPT].decode("utf-8", "replace")))


class Envelope(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line as read. One of `body`, `text` and `base64` is set: `form` says which.

    `import_` is the id of the import that brought the reply, empty for one that was fetched.
    """

    source: str
    endpoint: str
    key: str
    fetched_at: datetime
    status: Status
    import_: str = msgspec.field(default="", name="import")
    params: dict[str, str] = {}
    body: msgspec.Raw = msgspec.Raw()
    text: str | msgspec.UnsetType = msgspec.UNSET
    base64: bytes | msgspec.UnsetType = msgspec.UNSET

    @property
    def epoch(self) -> int:
        """When the reply came, in whole seconds since 1970, UTC."""
        return int(self.fetched_at.timestamp())

    @property
    def form(self) -> Form:
        """How the reply is kept. Only `json` can be decoded; `body` is a view of its bytes."""
        if self.text is not msgspec.UNSET:
            return "text"
        return "json" if self.base64 is msgspec.UNSET else "base64"

    @property
    def content(self) -> bytes:
        """The reply's bytes, as they came (JSON: with spaces for line breaks, and none around it)."""
        if self.text is not msgspec.UNSET:
            return self.text.encode()
        return bytes(self.body) if self.base64 is msgspec.UNSET else self.base64


class _Head(msgspec.Struct, omit_defaults=True):
    source: str
    endpoint: str
    key: str
    params: dict[str, str] = {}
    fetched_at: str = ""
    status: int = -1


_decoder: Final = msgspec.json.Decoder(Envelope)
_skip: Final = msgspec.json.Decoder(msgspec.Raw).decode


def check_name(kind: str, name: str) -> str:
    """Return the name of a source or an endpoint. Raises UsageError for one that can't be a folder of the cache."""
    if _NAME.fullmatch(name):
        return name
    raise UsageError(f"{name!r} is no {kind}: lower-case letters, digits and '_' only, at most 64")


def canonical_params(params: dict[str, str]) -> str:
    """Return one text for equal parameters, whatever their order; empty where there are none."""
    return msgspec.json.encode(params, order="deterministic").decode() if params else ""


def form_of(body: bytes) -> Form:
    """Return how a reply is kept: as JSON where it is valid and not nested too deep, else as text, else as base64."""
    if not _is_text(body):
        return "base64"
    try:
        _skip(body)
    except (msgspec.DecodeError, RecursionError):
        return "text"
    return "json" if _is_shallow(body) else "text"


def encode(entry: Entry, by: str = "") -> bytes:
    """Return the entry's line, newline included. `by` is the id of the import that brings it, eight hex digits.

    Raises UsageError for a source or endpoint that is no name, a time or status out of range, a key that is not
    text, or a reply that is too large.
    """
    check_name("source", entry.source)
    check_name("endpoint", entry.endpoint)
    what = f"{entry.source}/{entry.endpoint}: the reply for {entry.key[:80]!r}"
    if not 0 <= entry.fetched_at <= LAST_SECOND:
        raise UsageError(f"{what}: the time {entry.fetched_at} lies outside the years 1970 to 9999")
    if not 0 <= entry.status <= 999:  # noqa: PLR2004 - the range of HTTP, 0 where no answer came
        raise UsageError(f"{what}: {entry.status} is no HTTP status")
    if len(entry.body) > MAX_BODY:
        raise UsageError(f"{what}: {len(entry.body):,} bytes are more than the {MAX_BODY:,} that one may have")
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.fetched_at))
    head = _Head(entry.source, entry.endpoint, entry.key, entry.params, stamp, entry.status)
    try:
        start = msgspec.json.encode(head, order="deterministic")
    except UnicodeEncodeError as error:
        raise UsageError(f"{what}: its key or a parameter is not text that UTF-8 can hold") from error
    brought = f'"import":"{by}",'.encode() if by else b""
    parts = (brought + start[1:-1], *_last_member(entry.body), b"}")
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return b"".join((b'{"crc":"%08x",' % crc, *parts, b"\n"))


def decode(line: bytes, *, check: bool) -> Envelope:
    """Return the envelope in a line without its newline. `check`: compare the checksum.

    Raises BadValue, with the reason, where the line is not what was written.
    """
    if check and not crc_holds(line):
        raise BadValue(CHECKSUM_DIFFERS)
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadValue("not an envelope") from error


def decode_all(lines: bytes) -> list[Envelope]:
    """Return the envelopes in lines, in half the time of `decode`; checksums are not compared. Raises BadValue."""
    try:
        return _decoder.decode_lines(lines)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadValue("not envelopes") from error


def crc_of(line: bytes) -> str:
    """Return the checksum that a line states, whether it holds or not; empty where there is none in its place."""
    return line[8:16].decode("latin-1") if line.startswith(b'{"crc":"') and line[16:18] == b'",' else ""


def crc_holds(line: bytes) -> bool:
    """Tell whether a line without its newline states a checksum that is its own."""
    return crc_of(line) == f"{zlib.crc32(memoryview(line)[_CRC_END:]):08x}"


def digest(line: bytes | memoryview) -> bytes:
    """Return 16 bytes that identify a reply by all that its line, without the newline, says.

    Who brought it does not count.
    """
    brought = _IMPORT.match(line, _CRC_END)
    return blake2b(memoryview(line)[brought.end() if brought else _CRC_END :], digest_size=16).digest()


def _last_member(body: bytes) -> tuple[bytes, ...]:
    form = form_of(body)
    if form == "json":
        return b',"body":', body.strip(_SPACE).translate(_ONE_LINE)
    if form == "text" and (text := _json_text(body)):
        return b',"text":"', *text, b'"'
    return b',"base64":"', b64encode(body), b'"'


def _is_text(body: bytes) -> bool:
    """Tell whether a reply is UTF-8. A large one is read in chunks: as a string it may take four times its size."""
    try:
        if len(body) <= _CHUNK:
            body.decode()
            return True
        decoder = _utf8()
        view = memoryview(body)
        for start in range(0, len(body), _CHUNK):
            decoder.decode(view[start : start + _CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _json_text(body: bytes) -> list[bytes]:
    """Return a text as the parts of a JSON string, without its quotes; empty where base64 is a good deal shorter.

    A control character takes six bytes, so only a text of more than one chunk is looked at.
    """
    decoder = _utf8()
    view = memoryview(body)
    parts: list[bytes] = []
    size = 0
    for start in range(0, len(body), _CHUNK):
        text = decoder.decode(view[start : start + _CHUNK], final=start + _CHUNK >= len(body))
        parts.append(msgspec.json.encode(text)[1:-1])
        size += len(parts[-1])
        if 2 * size > 3 * len(body) > 3 * _CHUNK:
            return []
    return parts or [b""]


def _is_shallow(body: bytes) -> bool:
    """Tell whether valid JSON is nested at most MAX_NESTING deep."""
    if body.count(b"[") + body.count(b"{") <= MAX_NESTING:
        return True
    brackets = _outside_of_strings(body)
    for _ in range(MAX_NESTING):  # each round removes the innermost level
        brackets = brackets.replace(b"[]", b"")
    return not brackets


def _outside_of_strings(body: bytes) -> bytes:
    """Return the brackets of valid JSON that are not in a string, all of them square.

    Memory is a few times the body's, whatever it says.
    """
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    marks = plain.translate(_SQUARE, _NOT_BRACKETS)
    found: list[bytes] = []
    inside = 0
    for start in range(0, len(marks), _CHUNK):
        parts = marks[start : start + _CHUNK].split(b'"')
        found.append(b"".join(parts[inside::2]))
        inside = (inside + len(parts) - 1) % 2
    return b"".join(found)
