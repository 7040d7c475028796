"""Replies in the forms in which tools keep them: HAR files, `curl -i` output, JSON arrays.

http://www.softwareishard.com/blog/har-12-spec: a HAR file (HTTP Archive 1.2) is a JSON object with the member `log`,
whose `entries` are requests with their responses; a content may be base64. Headers and cookies are read for the time
and the encoding alone, and nothing of them is kept: they may hold secrets.
"""

from __future__ import annotations

import http.client
import re
import zlib
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from intel_grapher.cache.envelope import MAX_BODY
from intel_grapher.errors import BadValue

# What docs/intake.md says of it: the format, what is read, what is left out.
READS = (
    (
        "HAR file",
        "every entry that asks a source that is known",
        "other requests, counted; headers, cookies",
    ),
    (
        "`curl -i` output",
        "body, status and time",
        "other headers",
    ),
    (
        "JSON array of replies",
        "each item, with its key beside it or by `--key-from`",
        "an item without a key, listed",
    ),
)
MAX_ITEMS: Final = 1_000_000
"""Of a file that is taken apart. One of more is one reply, which is too much to be read, and is listed as that."""
_MAX_BRACES: Final = 8 * MAX_ITEMS  # in strings too, such as in scripts; of more, the list of items would take 2 GB
_HAR: Final = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"log"\s*:\s*\{')
_STATUS_LINE: Final = re.compile(rb"HTTP/[0-9](?:\.[0-9])? ([0-9]{3})(?: [^\r\n]*)?\r?\n")
_ARRAY: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*\{")
_GZIP: Final = b"\x1f\x8b"


class SavedAnswer(NamedTuple):
    """What came back: the HTTP status, when in epoch seconds (None where it is not told), the body, uncompressed."""

    status: int
    at: int | None
    body: bytes


class Exchange(NamedTuple):
    """One entry of a HAR file: its number from 1, what was asked, and the answer. `form` is a posted form or object."""

    number: int
    method: str
    url: str
    form: dict[str, str]
    answer: SavedAnswer


class _HarParameter(msgspec.Struct):
    name: str = ""
    value: str = ""


class _HarPostData(msgspec.Struct):
    text: str = ""
    params: list[_HarParameter] = []


class _HarRequest(msgspec.Struct, rename={"post_data": "postData"}):
    method: str
    url: str
    post_data: _HarPostData | None = None


class _HarContent(msgspec.Struct):
    text: str | None = None
    encoding: str = ""


class _HarResponse(msgspec.Struct):
    status: int
    content: _HarContent


class _HarEntry(msgspec.Struct, rename={"started": "startedDateTime"}):
    request: _HarRequest
    response: _HarResponse
    started: str = ""


class _HarLog(msgspec.Struct):
    entries: list[msgspec.Raw]


class _HttpArchive(msgspec.Struct):
    log: _HarLog


def exchanges(body: bytes) -> list[Exchange | BadValue] | None:
    """Return the entries of a HAR file, and for each that can't be read the reason; None for what is no HAR file."""
    if not _HAR.match(body) or body.count(b"{") > _MAX_BRACES:
        return None
    try:
        archive = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"), type=_HttpArchive)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if len(archive.log.entries) > MAX_ITEMS:
        return None
    return [_exchange(number, entry) for number, entry in enumerate(archive.log.entries, 1)]


def _exchange(number: int, raw: msgspec.Raw) -> Exchange | BadValue:
    try:
        entry = msgspec.json.decode(raw, type=_HarEntry)
        content = entry.response.content
        if content.text is None:
            return BadValue("its content was not kept")
        base64 = content.encoding.lower() == "base64"
        body = b64decode(content.text, validate=True) if base64 else content.text.encode()
    except (ValueError, RecursionError):
        return BadValue("no entry of a HAR file: a request with its response")
    return Exchange(
        number,
        entry.request.method.upper(),
        entry.request.url,
        _posted(entry.request.post_data),
        SavedAnswer(entry.response.status, _moment(entry.started), body),
    )


def _posted(data: _HarPostData | None) -> dict[str, str]:
    """Return the members of a posted form, or the texts in a posted JSON object."""
    if data is None:
        return {}
    if data.params:
        return {each.name: each.value for each in data.params}
    try:
        found = msgspec.json.decode(data.text, type=dict[str, object])
    except (ValueError, RecursionError):
        return dict(parse_qsl(data.text, keep_blank_values=True))
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _moment(text: str) -> int | None:
    try:
        time = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def answer(body: bytes) -> SavedAnswer | None:
    """Return what headers and a body say, as `curl -i` prints them; None for a file that does not begin so.

    The last block of headers counts: those before it are of a proxy, or of redirects that were followed. Raises
    BadValue for a body whose compression is damaged or not known.
    """
    found = None
    while match := _STATUS_LINE.match(body):
        stream = BytesIO(body[match.end() :])
        try:
            headers = http.client.parse_headers(stream)
        except http.client.HTTPException:
            return None
        found = int(match[1]), headers
        body = stream.read()
    if found is None:
        return None
    status, headers = found
    return SavedAnswer(status, _date(headers), _unpacked(body, headers.get("Content-Encoding", "")))


def _date(headers: http.client.HTTPMessage) -> int | None:
    try:
        return int(parsedate_to_datetime(headers.get("Date", "")).timestamp())
    except ValueError:
        return None


def _unpacked(body: bytes, encoding: str) -> bytes:
    """Return a body uncompressed. Tools may have done that, and keep the header."""
    if not body.startswith(_GZIP):
        return body
    try:
        unpacked = zlib.decompressobj(31).decompress(body, MAX_BODY + 1)
    except zlib.error as error:
        raise BadValue(f"its body is packed ({encoding or 'gzip'}), and damaged") from error
    return unpacked


def items(body: bytes) -> Iterator[bytes] | None:
    """Return the items of a JSON array of objects; None for what is none."""
    if not _ARRAY.match(body) or body.count(b"{") > _MAX_BRACES:
        return None
    try:
        found = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"), type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return (bytes(each) for each in found) if len(found) <= MAX_ITEMS else None
