"""What every source owes: its shipped samples, what a valid fact is, and ways to spoil a reply."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import pyarrow as pa
from hypothesis import strategies as st
from places import SAMPLE_DATA

from intel_grapher import schema, times
from intel_grapher.cache import Cache
from intel_grapher.files import Group
from intel_grapher.model import Kind, Type
from intel_grapher.source import Endpoint, discover
from intel_grapher.transform.facts import Batch, Reply

FETCHED_AT: Final = 1_795_000_000
ENDPOINTS: Final = {
    f"{source.name}/{name}": endpoint for source in discover().values() for name, endpoint in source.endpoints.items()
}

# --- samples ----------------------------------------------------------------------------------------------------------


@cache
def samples(endpoint: Endpoint) -> tuple[Reply, ...]:
    """Return the replies that ship for an endpoint, as the transform takes them."""
    return tuple(
        Reply.of(record.envelope)
        for segment in Cache(SAMPLE_DATA).segments()
        if (segment.source, segment.endpoint) == (endpoint.source.name, endpoint.name)
        for record in segment.read(_refuse)
    )


def _refuse(damage: object) -> None:
    raise AssertionError(damage)


@cache
def good(endpoint: Endpoint) -> list[Reply]:
    """Return the samples that give facts."""
    return [each for each in samples(endpoint) if mapped(endpoint, each).facts]


# --- mapping, and what a valid fact is --------------------------------------------------------------------------------


class Mapped:
    """What replies gave: facts as text, each once; outcomes; rejects."""

    def __init__(self, endpoint: Endpoint, replies: tuple[Reply, ...]) -> None:
        batch = Batch(endpoint, 0)
        batch.add(*replies)
        self.tables = batch.tables()
        self.outcomes = batch.outcomes
        self.rejects = batch.rejects
        self.facts = {(str(group), _told(row)) for group, table in self.tables for row in table.to_pylist()}


def _told(row: dict[str, Any]) -> str:
    """Return a row as text: whether a column is empty or not there at all depends on the batch's other replies."""
    return json.dumps({name: value for name, value in row.items() if value is not None}, sort_keys=True)


def mapped(endpoint: Endpoint, *replies: Reply) -> Mapped:
    return Mapped(endpoint, replies)


def faults(found: Mapped) -> Iterator[str]:
    """Yield what is not valid in the facts; a reply that a mapping could not take is no better."""
    for reject in found.rejects:
        if reject.reason.startswith("the mapping failed"):
            yield f"{reject.reason} on {reject.value}"
        if not reject.reason or len(reject.value) > 200:
            yield f"a reject without a reason, or with a value of any length: {reject}"
    for group, table in found.tables:
        yield from (f"{group}: {fault}" for fault in _table_faults(group, table))


def _table_faults(group: Group, table: pa.Table) -> Iterator[str]:
    if group.type:
        what = schema.RELATIONSHIPS[group.type]
        pairs = list(zip(table["start"].to_pylist(), table["end"].to_pylist(), strict=True))
        if (group.start, group.end) not in {(start.name, end.name) for start, end in what.joins}:
            yield "the schema does not join these labels"
        for start, end in pairs:
            yield from _key_faults(what.start, group.start, start)
            yield from _key_faults(what.end, group.end, end)
            if what.both_ways and start >= end:
                yield f"not in canonical order: {start} {end}"
            if fault := what.fault(start, end):
                yield f"{fault}: {start} {end}"
    else:
        for key in table["key"].to_pylist():
            yield from _key_faults(_kind(group.start), group.start, key)
    yield from _property_faults(group, table)


def _kind(label: str) -> Kind[Any]:
    return next(each for each in schema.KINDS.values() if schema.LABELS[label] in each.labels)


def _key_faults(kind: Kind[Any], label: str, key: str) -> Iterator[str]:
    told, canonical = kind.resolve(f"{label}:{key}" if kind is schema.ANY_NODE else key)
    if (told.name, canonical) != (label, key):
        yield f"{key!r} is {label} here, but its canonical form is {told.name} {canonical!r}"
    shown = key.translate(dict.fromkeys((0x200C, 0x200D))) if label == "Hashtag" else key
    if not shown.isprintable() and label not in {"Malware", "Organization"}:
        yield f"{key!r} has characters that don't print"


def _property_faults(group: Group, table: pa.Table) -> Iterator[str]:
    declared = {each.name: each for each in group.properties}
    keys = {"start", "end"} if group.type else {"key"}
    for name in set(table.column_names) - keys:
        column = table[name]
        if name in {"source", "fetched_at"}:
            wanted = pa.int64()
        elif name not in declared:
            yield f"the schema has no property {name}"
            continue
        else:
            wanted = pa.int64() if declared[name].type is Type.MOMENT else declared[name].type.arrow
        if column.type != wanted:
            yield f"{name} is {column.type}, not {wanted}"
        for value in column.to_pylist():
            if name in declared and value is not None:
                yield from _value_faults(name, declared[name].type, value)


def _value_faults(name: str, type_: Type, value: Any) -> Iterator[str]:  # noqa: ANN401 - a property's value
    if type_ is Type.MOMENT and name != "fetched_at" and not times.EARLIEST <= value <= times.LATEST:
        yield f"{name}: {value} lies outside the years that dates may have"
    if type_ is Type.TEXTS and (list(value) != sorted(set(value)) or not all(value)):
        yield f"{name}: {value} is not sorted, or has doubles or empty texts"
    if type_ is Type.TEXT and not value:
        yield f"{name} is empty"
    if name == "precision" and value not in {"day", "minute", "second"}:
        yield f"{value} is no precision"


# --- spoiling a reply -------------------------------------------------------------------------------------------------

Path_ = tuple[str | int, ...]
HOSTILE: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 2**31, 2**63 - 1, 2**63, 10**30, -(10**30), 0.5, -1e308, 1e-320),
    *("", " ", "-", "0", "0.0.0.0", "null", "N/A", "\x00", "a\x00b.com", "a\r\nb", "\t"),  # noqa: S104 - a placeholder
    *("0000-00-00", "2021-02-30", "99999999999999999999", "1e400", "NaN", "-0", "9" * 32),
    *("x" * 20_000, "." * 300, "a." * 2_000 + "com", "*.example.com", "example.com.", "EXAMPLE.com\r", "xn--\x80"),
    *("../../etc/passwd", "'; DROP TABLE x; --", "`n`) DETACH DELETE n //", "<script>alert(1)</script>", "=1+1"),
    *("\u202egnp.exe", "\ufeffexample.com", "%E2%80%A2example.com", "b\u00fccher.example", "\u0663.example"),
    *("\ud7ff", "\U0010ffff", "http://[::1", "http://a b/", "hxxp://example[.]com/%zz"),
    *("1.2.3.4.5", "66.0.543.66", "::ffff:192.0.2.1", "::1%eth0", "AS", "AS-1", "T", "CVE-0-0"),
    *([], {}, [[]], [{}], [None], {"": None}, [[[[[["x"]]]]]], {"a": {"b": {"c": []}}}, list(range(50)), ["x"] * 50),
)
BROKEN_BYTES: Final = (
    *(b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x00", b"\xef\xbb\xbf", b"\xfe\xff"),
    *(b'"', b"\\", b"}", b"{", b"\n"),
)


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:  # noqa: ANN401 - a reply may be anything
    """Yield the path of a reply's every member and item, itself first."""
    yield path
    if isinstance(value, dict):
        for name, member in value.items():
            yield from places(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


@st.composite
def spoiled(draw: st.DrawFn, content: bytes, lines: bool) -> bytes:  # noqa: FBT001 - a strategy's argument
    """Draw a reply with one to three faults in it."""
    parts = content.splitlines() if lines else [content]
    at = draw(st.integers(0, len(parts) - 1))
    try:
        reply = json.loads(parts[at])
    except ValueError:  # a reply that is a text
        spoilt = parts[at].decode("utf-8", "replace")
        for _ in range(draw(st.integers(1, 3))):
            spoilt = draw(_spoilt_text(spoilt))
        parts[at] = spoilt.encode("utf-8", "replace")
    else:
        for _ in range(draw(st.integers(1, 3))):
            reply = draw(_spoilt_value(reply))
        parts[at] = _with_tricks(draw, json.dumps(reply, ensure_ascii=draw(st.booleans()))).encode("utf-8", "replace")
    whole = b"\n".join(parts)
    if draw(st.integers(0, 4)) == 0:
        cut = draw(st.integers(0, len(whole)))
        whole = whole[:cut] + draw(st.sampled_from(BROKEN_BYTES)) + whole[cut + draw(st.integers(0, 2)) :]
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.integers(0, 9)) == 0 else whole


@st.composite
def _spoilt_value(draw: st.DrawFn, reply: Any) -> Any:  # noqa: ANN401 - a reply may be anything
    found = list(places(reply))
    path = found[draw(st.integers(0, len(found) - 1))]
    if not path:
        return draw(st.sampled_from(HOSTILE)) if draw(st.integers(0, 9)) == 0 else reply
    reply = json.loads(json.dumps(reply))
    inside = reply
    for step in path[:-1]:
        inside = inside[step]
    last = path[-1]
    what = draw(st.sampled_from(("delete", "hostile", "hostile", "double", "wrap", "swap", "text")))
    if what == "delete":
        del inside[last]
    elif what == "double" and isinstance(inside, list) and isinstance(last, int):
        inside.insert(last, inside[last])
    elif what == "wrap":
        inside[last] = [inside[last]] if draw(st.booleans()) else {"value": inside[last]}
    elif what == "swap":
        other = found[draw(st.integers(0, len(found) - 1))]
        value = reply
        for step in other:
            value = value[step]
        inside[last] = json.loads(json.dumps(value))
    elif what == "text":
        inside[last] = draw(_spoilt_text(str(inside[last])))
    else:
        inside[last] = draw(st.sampled_from(HOSTILE))
    return reply


def _spoilt_text(text: str) -> st.SearchStrategy[str]:
    cuts = st.integers(0, len(text))
    hostile = st.sampled_from([each for each in HOSTILE if isinstance(each, str)])
    return st.tuples(cuts, cuts, st.one_of(hostile, st.text(max_size=8))).map(
        lambda drawn: text[: min(drawn[:2])] + drawn[2] + text[max(drawn[:2]) :]
    )


def _with_tricks(draw: st.DrawFn, text: str) -> str:
    """Sometimes state a member twice, nest something absurdly, or write what only JSON's parser takes for a number."""
    trick = draw(st.integers(0, 11))
    if trick == 0 and (colon := text.find('": ')) > 0:
        begin = text.rfind('"', 0, colon)
        return f"{text[:begin]}{text[begin : colon + 3]}null, {text[begin:]}"
    if trick == 1:
        deep = draw(st.sampled_from((20, 500, 900, 970, 985, 995, 2_000, 100_000)))
        spot = draw(st.sampled_from((": ", "[", ", ")))
        return text.replace(spot, spot + "[" * deep + "]" * deep + ", " * (spot != ": "), 1) if spot in text else text
    if trick == 2:
        return text.replace(": ", ": 1e999, ", 1) if draw(st.booleans()) else text.replace("0", "NaN", 1)
    return text
