"""Closed segments, whose lines are decoded with their envelopes: staged is the same as from each record by itself."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from intel_grapher.analyst.overrides import Overrides
from intel_grapher.cache import Cache
from intel_grapher.cache.envelope import Entry, encode
from intel_grapher.cache.frames import frames
from intel_grapher.cache.segment import Corruption, Segment
from intel_grapher.errors import BadValue
from intel_grapher.model import Fact
from intel_grapher.registry import Registry
from intel_grapher.transform import facts, json_rows, staged
from intel_grapher.transform.interning import Interning
from intel_grapher.transform.overriding import Overriding
from intel_grapher.transform.staged import Staged, stage, whole_texts
from intel_grapher.verdict import Verdict

REGISTRY = Registry.installed()
ENDPOINT = REGISTRY["threatcrowd"].endpoints["ip"]
OVERRIDING = Overriding(Overrides())


def line(number: int, body: object, status: int = 200, key: str = "") -> bytes:
    """Return a line; a body may be bytes, or what JSON can hold."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    key = key or f"192.0.2.{number % 250}"
    entry = Entry(
        source="threatcrowd", endpoint="ip", key=key, fetched_at=1_700_000_000 + number, status=status, body=content
    )
    return encode(entry)


def report(number: int) -> dict[str, object]:
    """Return a report with a good value and a bad one."""
    found = [{"domain": f"h{number}.example.com", "last_resolved": "2024-01-02"}, {"domain": "-"}]
    return {"response_code": "1", "resolutions": found, "hashes": [f"{number:032x}"], "votes": number % 3}


def closed(folder: Path, lines: list[bytes], records: int | None = None, content: bytes = b"") -> Segment:
    """Return a closed segment of the lines, or of `content`, in the folder of a cache; its name states `records`."""
    content = content or b"".join(frames(lines))
    path = folder / "raw" / "threatcrowd" / "ip"
    path.mkdir(parents=True)
    name = f"000001-{len(lines) if records is None else records}-{hashlib.sha256(content).hexdigest()[:16]}.jsonl.zst"
    (path / name).write_bytes(content)
    [segment] = Cache(folder).segments()
    return segment


def opened(folder: Path, lines: list[bytes]) -> Segment:
    """Return an open segment of the lines."""
    path = folder / "raw" / "threatcrowd" / "ip"
    path.mkdir(parents=True)
    (path / "000001.jsonl").write_bytes(b"".join(lines))
    [segment] = Cache(folder).segments()
    return segment


def given(segment: Segment, folder: Path, *, one_by_one: bool) -> tuple[Staged, dict[str, list[str]]]:
    """Return the footer of a staged segment, and its tables' rows, sorted, with keys in place of their local ids."""
    folder.mkdir()
    endpoint = REGISTRY.endpoint(segment.source, segment.endpoint)
    all_count = not one_by_one and OVERRIDING.all_count(segment)
    content = segment.content()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts, "WORTH_TRACING", 1 << 30 if one_by_one else 1)
        replies_of = OVERRIDING.replies
        made = stage(segment, content, endpoint, folder / "x", Interning(), replies_of=replies_of, all_count=all_count)
    found: dict[str, list[str]] = {}
    for name in made.tables:
        table = made.read(name)
        for column, label in zip(("start", "end"), (name.split("-")[0], name.split("-")[-1]), strict=True):
            if column in table.column_names:
                keys = made.read(staged.keys_of(label))["key"].combine_chunks()
                at = table.column_names.index(column)
                table = table.set_column(at, column, keys.take(table[column].combine_chunks()))
        if "key" in table.column_names and pa.types.is_integer(table["key"].type):
            keys = made.read(staged.keys_of(name))["key"].combine_chunks()
            table = table.set_column(0, "key", keys.take(table["key"].combine_chunks()))
        found[name] = sorted(map(str, table.to_pylist()))
    made.path, made.tables = "", {}
    return made, found


ODD = [
    line(1, {"response_code": "0"}),
    line(2, {"error": "none"}, status=404),
    line(3, report(3), status=0),
    line(4, report(4), status=404),
    line(5, b"<html>"),
    line(6, b"\xff\xfe"),
    line(7, report(7), key="192.0.2.7 "),
    line(8, report(8), key="nothing"),
    line(9, {**report(9), "hashes": [None, "a" * 32]}),
    line(10, {**report(10), "resolutions": None}),
    line(11, {**report(11), "permalink": "\u00fc \U0001f600"}),
    line(12, b' {"response_code":"1",\r\n "hashes":["' + b"c" * 32 + b'"]} '),
]
REFUSED: dict[str, object] = {
    "list": [],
    "null": None,
    "text": "text",
    "number": 5,
    "text for a number": {**report(1), "votes": "3"},
    "number for a text": {**report(1), "response_code": 1},
    "twice": b'{"hashes":[],"hashes":["' + b"d" * 32 + b'"]}',
    "half a character": b'{"hashes":["\\ud800","' + b"d" * 32 + b'"]}',
    "large number": {**report(1), "votes": 1 << 63},
    "large reply": {**report(1), "permalink": "x" * (1 << 20)},
}


def test_a_line_that_is_no_envelope_though_its_checksum_holds_is_damage_as_one_by_one(tmp_path: Path) -> None:
    rest = line(2, report(2))[18:].replace(b'"fetched_at"', b'"params":{"page":2},"fetched_at"')
    crc = zlib.crc32(rest[:-1])
    segment = opened(tmp_path / "data", [line(1, report(1)), b'{"crc":"%08x",' % crc + rest, line(3, report(3))])
    singly = given(segment, tmp_path / "singly", one_by_one=True)
    assert given(segment, tmp_path / "whole", one_by_one=False) == singly
    assert singly[0].damaged == 1
    assert singly[0].outcomes == {"found": 2}


@pytest.mark.parametrize("form", [closed, opened])
def test_replies_of_any_sort_are_staged_as_they_are_one_by_one(
    form: Callable[[Path, list[bytes]], Segment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = form(tmp_path / "data", [*(line(number, report(number)) for number in range(20)), *ODD])
    singly = given(segment, tmp_path / "singly", one_by_one=True)
    monkeypatch.setattr(json_rows, "read_bodies", lambda *_: pytest.fail("the envelopes were decoded by themselves"))
    assert given(segment, tmp_path / "whole", one_by_one=False) == singly
    assert singly[0].outcomes == {"found": 25, "not found": 3, "unreadable": 4}
    assert singly[0].damaged == 0


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_a_reply_that_the_decoder_refuses_costs_its_neighbours_nothing(body: object, tmp_path: Path) -> None:
    segment = closed(tmp_path / "data", [line(1, body), line(2, report(2)), line(3, body), line(4, report(4))])
    whole = given(segment, tmp_path / "whole", one_by_one=False)
    assert whole == given(segment, tmp_path / "singly", one_by_one=True)
    assert len([each for each in whole[1]["SubDomain-RESOLVES-IPAddress"] if "h2.ex" in each]) == 1


@pytest.mark.parametrize(("refused", "singly"), [({150}, 75), ({3, 290}, 150), (set(range(300)), 300)])
def test_few_replies_are_read_by_themselves_for_one_that_the_decoder_refuses(
    refused: set[int], singly: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[object] = []
    take = facts.Batch.take

    def spied(batch: facts.Batch, reply: facts.Reply, verdict: Verdict, asked: str | None = None) -> list[Fact]:
        taken.append(reply)
        return take(batch, reply, verdict, asked)

    monkeypatch.setattr(facts.Batch, "take", spied)
    lines = [line(each, {**report(each), "votes": "3"} if each in refused else report(each)) for each in range(300)]
    segment = opened(tmp_path / "data", lines)
    replies = [facts.Reply.of(each) for each in segment.envelopes(list[Corruption]().append)]
    batch = facts.Batch(ENDPOINT, 0)
    batch.add(*replies)
    assert len(taken) == singly
    assert batch.outcomes == {"found": 300}


def test_a_line_that_is_no_envelope_is_listed_as_damage(tmp_path: Path) -> None:
    good = [line(number, report(number)) for number in range(3)]
    for number, bad in enumerate((b"null\n", b"{}\n", b"[]\n", b'{"crc":"00000000","key":null}\n', b"\n")):
        for place in (0, 1, 3):
            segment = closed(tmp_path / f"data{number}{place}", [*good[:place], bad, *good[place:]])
            footer, found = given(segment, tmp_path / f"whole{number}{place}", one_by_one=False)
            assert footer.damaged == 1
            assert (footer, found) == given(segment, tmp_path / f"singly{number}{place}", one_by_one=True)
            assert footer.records == 3


def test_open_segments_are_staged_as_their_records_are(tmp_path: Path) -> None:
    good = [line(number, report(number)) for number in range(5)]
    flipped = good[2].replace(b"h2.example", b"h9.example")
    cases = {
        "whole": ([*good, *ODD], 0),
        "flipped": ([*good[:2], flipped, *good[3:]], 1),
        "torn": ([*good, good[0][:-20]], 0),
        "no newline": ([*good, line(6, report(6))[:-1]], 0),
        "joined": ([*good[:2], good[2][:-1] + b"x", *good[3:]], 1),
        "empty": ([], 0),
    }
    for name, (lines, damaged) in cases.items():
        segment = opened(tmp_path / name, lines)
        whole = given(segment, tmp_path / f"{name} whole", one_by_one=False)
        assert whole == given(segment, tmp_path / f"{name} singly", one_by_one=True)
        assert whole[0].damaged == damaged


def test_what_is_not_the_file_that_was_written_is_read_line_by_line(tmp_path: Path) -> None:
    lines = [line(number, report(number)) for number in range(120)]
    segment = closed(tmp_path / "other", lines)
    content = segment.content()
    segment.path.write_bytes(
        content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1 :]
    )
    assert given(segment, tmp_path / "flipped", one_by_one=False)[0].damaged == 1
    fewer = closed(tmp_path / "fewer", lines, records=130)
    assert given(fewer, tmp_path / "staged", one_by_one=False)[0].damaged == 1


@pytest.mark.parametrize("size", [1, 100_000])
def test_lines_come_whole_in_parts(size: int, tmp_path: Path) -> None:
    lines = [line(number, {**report(number), "permalink": "x" * 20_000}) for number in range(150)]
    for number, form in enumerate((closed, opened)):
        segment = form(tmp_path / f"data{number}", lines)
        content = segment.content()
        parts = list(whole_texts(segment, content, size))
        assert b"".join(parts) == b"".join(lines)
        assert len(parts) > 1
        assert all(part.endswith(b"\n") for part in parts)
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        for damaged in (content[: middle + 1], content + content[1:], flipped):
            with pytest.raises(BadValue):
                list(map(facts.Batch(ENDPOINT, 0).add_lines, whole_texts(segment, damaged, size)))
    content = b"".join(frames(lines))
    for number, damaged in enumerate((content[:-1], content + content[1:], content + b"x")):
        segment = closed(tmp_path / f"damaged{number}", [], content=damaged)
        with pytest.raises(BadValue):
            list(whole_texts(segment, damaged, size))


def test_text_without_its_last_newline_is_no_lines() -> None:
    with pytest.raises(BadValue):
        facts.Batch(ENDPOINT, 0).add_lines(line(1, report(1))[:-1])
