"""JSON decoded into Arrow's columns, many replies at once: bodies by themselves, or whole lines of the cache.

Arrow's reader of JSON is strict: a number for a text, a text for a number, a member that is there twice, half a
character, a number that is no 64-bit integer, or a list in place of an object fail the whole read, and the replies are
then read one by one, as all others are (`reading`). Of bytes that are no UTF-8, and of null in place of an object, it
is kept free here.

Lines of the cache whose checksums hold are decoded with their envelopes, which nothing else looks at then: each is what
`envelope.encode` made of valid JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from intel_grapher.errors import BadValue
from intel_grapher.reading import FEW

DECODED_BYTES = 16 << 20  # of the replies that are decoded at once
FEWEST = 100  # replies: fewer are not decoded together once more
MAX_REFUSED = 20  # times; where a service sends other types than are declared, all replies are refused
OK = 200


class Records(NamedTuple):
    """Lines of the cache, a row each: what was asked for (string), when the reply came (epoch seconds), the reply.

    `fits` (bool) tells which replies may be decoded with others, as `fits` does.
    """

    asked: pa.Array
    fetched_at: pa.Array
    bodies: pa.Array
    fits: pa.Array


def lines_of(text: bytes) -> list[memoryview]:
    """Return lines without their newlines. They are views, since few of them are looked at."""
    if not text.endswith(b"\n"):
        raise BadValue("no newline at the end")
    view = memoryview(text)
    lines: list[memoryview] = []
    start = 0
    while (end := text.find(b"\n", start)) >= 0:
        lines.append(view[start:end])
        start = end + 1
    return lines


def read_records(type_: pa.DataType, text: bytes, lines: Sequence[memoryview]) -> Records | None:
    """Return the lines of a text that the cache keeps, as it was written; None where each is to be read by itself."""
    if max(map(len, lines)) > FEW or not text.startswith(b"{"):  # the decoder crashes on null in its place
        return None
    members = [("key", pa.string()), ("fetched_at", pa.timestamp("s", "UTC")), ("status", pa.int64())]
    table = _read(text, pa.schema([*members, ("body", type_)]))
    if table is None or table.num_rows != len(lines) or any(table[name].null_count for name, _ in members):
        return None
    fits = pc.and_(pc.equal(table["status"], OK), pc.is_valid(table["body"]))
    return Records(table["key"], table["fetched_at"].cast(pa.int64()), table["body"], fits)


def read_bodies(type_: pa.DataType, bodies: Sequence[msgspec.Raw]) -> Iterator[tuple[range, pa.Array]]:
    """Yield places of replies that fit, many at once, and the replies; not those that have to be read by themselves.

    Where the decoder refuses some, it is given one half of them, then the other: most are refused for one of them.
    """
    refused = 0
    waiting = list(_parts(bodies))
    while waiting:
        part = waiting.pop()
        text = b'{"":' + b'}\n{"":'.join(bodies[part.start : part.stop]) + b"}"
        table = _read(text, pa.schema([("", type_)]))
        if table is not None and table.num_rows == len(part):
            yield part, table.column(0)
            continue
        refused += 1
        if len(part) > FEWEST and refused <= MAX_REFUSED:
            half = len(part) // 2
            waiting += (part[:half], part[half:])


def _parts(bodies: Sequence[msgspec.Raw]) -> Iterator[range]:
    """Yield the places of DECODED_BYTES of replies at once."""
    begin = size = 0
    for place, body in enumerate(bodies):
        size += memoryview(body).nbytes
        if size >= DECODED_BYTES:
            yield range(begin, place + 1)
            begin, size = place + 1, 0
    if begin < len(bodies):
        yield range(begin, len(bodies))


def _read(text: bytes, schema: pa.Schema) -> pa.RecordBatch | None:
    """Return JSON on one line each, as a row each; None where it can't be read that way. Each must be an object."""
    if not _is_utf8(text):
        return None
    options = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(text),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(text) + 1),
            parse_options=options,
        )
    except pa.ArrowInvalid:
        return None
    return table.to_batches()[0]  # of one block


def fits(body: bytes | msgspec.Raw, status: int) -> bool:
    """Tell whether a reply may be decoded with others: it is an object or a list in JSON, not too large."""
    return isinstance(body, msgspec.Raw) and status == OK and _begins(memoryview(body))


def _begins(body: memoryview) -> bool:
    return 0 < body.nbytes <= FEW and body[0] in b"{["


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
