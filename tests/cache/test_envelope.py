"""One reply as one line: whatever comes in, comes out the same."""

import json
import tracemalloc
from pathlib import Path

import duckdb
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import FIXTURES

from intel_grapher.cache import Cache, Entry, envelope
from intel_grapher.cache.envelope import MAX_NESTING, crc_holds, decode, encode, form_of
from intel_grapher.cache.frames import zstd
from intel_grapher.errors import BadValue, UsageError


def entry(body: bytes = b"{}", key: str = "example.com", **more: object) -> Entry:
    stated = {"source": "threatcrowd", "endpoint": "domain", "fetched_at": 1_714_557_600, "status": 200} | more
    return msgspec.convert(stated | {"key": key, "body": body}, Entry)


def one_line(body: bytes) -> bytes:
    return body.strip(b" \t\r\n").replace(b"\r", b" ").replace(b"\n", b" ")


texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers() | st.integers(2**63, 2**400) | st.floats(allow_nan=False, allow_infinity=False)
documents = st.recursive(
    st.none() | st.booleans() | numbers | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner)
)
json_bodies = st.builds(
    lambda document, indent, ends: json.dumps(document, indent=indent, ensure_ascii=False).replace("\n", ends).encode(),
    documents,
    st.sampled_from([None, 0, 2, "\t"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
bodies = json_bodies | st.binary() | texts.map(str.encode)
entries = st.builds(
    Entry,
    source=st.from_regex(r"[a-z0-9][a-z0-9_]{0,63}", fullmatch=True),
    endpoint=st.from_regex(r"[a-z0-9][a-z0-9_]{0,63}", fullmatch=True),
    key=texts | st.sampled_from(["../x", "a\x00b", "k" * 4096, '","body":{"x":1},"', "\u2028\x85"]),
    fetched_at=st.integers(0, 253_402_300_799),
    status=st.integers(0, 999),
    body=bodies,
    params=st.dictionaries(texts, texts, max_size=3),
)


@given(entries)
def test_any_entry_comes_back_as_it_was(kept: Entry) -> None:
    line = encode(kept)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    envelope = decode(line[:-1], check=True)
    assert (envelope.source, envelope.endpoint, envelope.key) == (kept.source, kept.endpoint, kept.key)
    assert (envelope.epoch, envelope.status, envelope.params) == (kept.fetched_at, kept.status, kept.params)
    assert envelope.form == form_of(kept.body)
    assert envelope.content == (one_line(kept.body) if envelope.form == "json" else kept.body)
    if envelope.form == "json":
        assert json.loads(kept.body) == json.loads(envelope.content)
        assert bytes(envelope.body) == envelope.content
    assert set(json.loads(line)) >= {"crc", "source", "endpoint", "key", "fetched_at", "status"}


@given(json_bodies)
def test_what_json_writes_is_kept_as_json(body: bytes) -> None:
    assert form_of(body) == "json"


@given(entries, st.data())
def test_a_flipped_bit_anywhere_in_a_line_is_found(kept: Entry, data: st.DataObject) -> None:
    line = bytearray(encode(kept)[:-1])
    bit = data.draw(st.integers(0, len(line) * 8 - 1))
    line[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(BadValue):
        decode(bytes(line), check=True)


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b"", "text"),
        (b"Too many connections", "text"),
        (b"\xef\xbb\xbf{}", "text"),
        (b'{"a":1}\n{"a":2}\n', "text"),
        (b'"\\ud800"', "text"),
        (b"[" * (MAX_NESTING + 1) + b"]" * (MAX_NESTING + 1), "text"),
        (b"[" * 100_000 + b"]" * 100_000, "text"),
        (b"[" * MAX_NESTING + b"]" * MAX_NESTING, "json"),
        (b"[" + b'{"a":["[{\\"["]},' * 1000 + b"1]", "json"),
        (b"\xff\xfe", "base64"),
        (b'{"a":"\xff"}', "base64"),
        (b' {"big":123456789012345678901234567890,"pi":3.10e+00} ', "json"),
        (b"1e999999", "json"),
    ],
)
def test_form_of_a_reply(body: bytes, form: str) -> None:
    assert form_of(body) == form
    assert decode(encode(entry(body))[:-1], check=True).content == (one_line(body) if form == "json" else body)


def test_the_line_is_what_the_documents_say() -> None:
    line = encode(entry(b'{"n": 12345678901234567890123,\r\n"f": 1.50}', params={"type": "A"}))
    assert line == (
        b'{"crc":"' + line[8:16] + b'","source":"threatcrowd","endpoint":"domain","key":"example.com",'
        b'"params":{"type":"A"},"fetched_at":"2024-05-01T10:00:00Z","status":200,'
        b'"body":{"n": 12345678901234567890123,  "f": 1.50}}\n'
    )
    assert crc_holds(line[:-1])
    assert b'"params"' not in encode(entry())


@pytest.mark.parametrize("name", ["", "../x", "A", "a-b", "a/b", "a" * 65, "_a", "a\n", "a\x00"])
def test_names_that_could_not_be_folders_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="lower-case"):
        encode(entry(source=name))
    with pytest.raises(UsageError, match="lower-case"):
        encode(entry(endpoint=name))


@pytest.mark.parametrize("wrong", [{"fetched_at": -1}, {"fetched_at": 10**12}, {"status": 1000}, {"key": "\ud800"}])
def test_entries_that_can_not_be_written_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        encode(Entry(**(msgspec.structs.asdict(entry()) | wrong)))


def test_other_tools_read_open_and_closed_segments(tmp_path: Path) -> None:
    replies = [b'{"a":[1,2]}', b'{"big":123456789012345678901234567890,"a":1,"a":2}', b'{\r\n "z": "\\u0000"\n}']
    replies += [b"1e999999", b"not json\x00", b"\xff", b""] + [b"[%d]" % number for number in range(200)]
    with Cache(tmp_path, segment_bytes=5000) as cache, cache.writer() as writer:
        for number, reply in enumerate(replies):
            writer.add(entry(reply, key=f"k{number}\x00"))
        assert {segment.closed for segment in cache.segments()} == {True, False}
    rows = duckdb.execute(
        "SELECT key, body, text, base64, status, fetched_at::VARCHAR FROM read_json(?, format = 'newline_delimited', "
        "columns = {key: 'VARCHAR', body: 'JSON', text: 'VARCHAR', base64: 'VARCHAR', status: 'INTEGER', "
        "fetched_at: 'TIMESTAMP'})",
        [f"{tmp_path}/raw/*/*/*.jsonl*"],
    ).fetchall()
    by_key = {key: rest for key, *rest in rows}
    assert len(rows) == len(by_key) == len(replies)
    assert by_key["k0\x00"] == ['{"a":[1,2]}', None, None, 200, "2024-05-01 10:00:00"]
    assert by_key["k1\x00"][0] == '{"big":123456789012345678901234567890,"a":1,"a":2}'
    assert by_key["k4\x00"][1] == "not json\x00"
    assert by_key["k5\x00"][2] == "/w=="
    closed = next(segment for segment in cache.segments() if segment.closed)
    with closed.path.open("rb") as file, zstd.open(file) as lines:
        assert len(lines.read().splitlines()) == closed.records


def test_real_replies_come_back_byte_for_byte(tmp_path: Path) -> None:
    if not FIXTURES.is_dir():
        pytest.skip(f"the captured replies are not at {FIXTURES}")
    files = sorted(path for path in FIXTURES.rglob("*") if path.is_file())
    with Cache(tmp_path, segment_bytes=4 << 20) as cache:
        with cache.writer() as writer:
            for number, path in enumerate(files):
                writer.add(entry(path.read_bytes(), key=str(number)))
        back = {
            int(record.envelope.key): record.envelope
            for segment in cache.segments()
            for record in segment.read(lambda damage: pytest.fail(str(damage)))
        }
    assert len(back) == len(files) > 200
    for number, path in enumerate(files):
        body = path.read_bytes()
        assert back[number].content == (one_line(body) if back[number].form == "json" else body), path
    assert sum(envelope.form == "json" for envelope in back.values()) >= len(files) - 5


bracketed = st.text(st.sampled_from(["[", "]", "{", "}", '"', "\\", "a", "\u00fc", "\n"]), max_size=6)
nested = st.recursive(
    bracketed | st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(bracketed, inner, max_size=3)
)


def depth(value: object) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max(map(depth, inside), default=0) + 1 if isinstance(value, dict | list) else 0


@given(nested)
def test_json_is_kept_as_text_where_it_is_nested_too_deep_whatever_its_strings_say(value: object) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(envelope, "MAX_NESTING", 2)
        patched.setattr(envelope, "_CHUNK", 3)
        assert form_of(json.dumps(value).encode()) == ("json" if depth(value) <= 2 else "text")


@pytest.mark.parametrize("filling", [b'"a",', b'"[",[],', b'"\\"",', b'"' + rb"\"" * 1000 + b'",', b"[],"])
def test_looking_at_a_reply_takes_a_few_times_its_size_whatever_it_is_made_of(filling: bytes) -> None:
    body = b"[" + b"[]," * 300 + filling * ((4 << 20) // len(filling)) + b"0]"
    tracemalloc.start()
    try:
        assert form_of(body) == "json"
        assert tracemalloc.get_traced_memory()[1] < 20 * len(body)
    finally:
        tracemalloc.stop()
