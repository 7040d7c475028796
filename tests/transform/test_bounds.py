"""What one reply takes of memory is bounded, whatever a service sends: how many values, how long, how often used."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from intel_grapher import reading
from intel_grapher.errors import BadValue
from intel_grapher.model import Fact
from intel_grapher.registry import Registry
from intel_grapher.schema import OWNS
from intel_grapher.sources._rows import is_prose
from intel_grapher.transform import missed
from intel_grapher.transform.columns import Columns, counted
from intel_grapher.transform.facts import Batch, Reply, laid_out
from intel_grapher.transform.missed import MAX_LISTED

SOURCES = Registry.installed()
DOMAIN = SOURCES["threatcrowd"].endpoints["domain"]
LINES = next(iter(SOURCES["circl_pdns"].endpoints.values()))
TEXT = SOURCES["indicators"].endpoints["table"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("domain", b'{"response_code":"1","resolutions":[' + b"{}," * 1_000_000 + b"{}]}", "1,000,000 objects"),
        ("domain", b'{"response_code":"1","subdomains":[' + b"[]," * 2_000_000 + b"[]]}", "4,000,000 values"),
        ("domain", b"[" * 4_000_001, "4,000,000 values"),
        ("query", b"{}\n" * 1_000_001, "1,000,000 objects"),
        ("table", b"\n" * 2_000_001, None),
        ("table", b"a" + b"\n" * 2_000_001, "2,000,000 lines"),
        ("table", b"a b," * 4_000_001, "8,000,000 words"),
        ("table", b"a" + b"\x0c" * 2_000_001, "2,000,000 lines"),
        ("table", b"a" + "\u2028".encode() * 2_000_001, "2,000,000 lines"),
    ],
    ids=["objects", "values", "nested", "lines of JSON", "nothing", "lines", "words", "form feeds", "line separators"],
)
def test_a_reply_of_very_many_small_values_is_refused_before_they_are_made(
    name: str, content: bytes, reason: str | None
) -> None:
    endpoint = {"domain": DOMAIN, "query": LINES, "table": TEXT}[name]
    batch = Batch(endpoint, 0)
    batch.add(Reply("example.com", 1, 200, content))
    assert [reject.reason for reject in batch.rejects] == [f"more than {reason}" if reason else "an empty body"]
    assert batch.outcomes == {"unreadable": 1}
    with pytest.raises(BadValue):
        reading.plain(endpoint, content)


def test_a_text_of_very_many_words_is_no_sentence_and_no_pattern_takes_memory_for_each() -> None:
    assert is_prose("Too many connections.")
    assert not is_prose("too many " * 1000)


def test_a_reply_of_as_many_values_as_may_be_is_read() -> None:
    content = b'{"response_code":"1","hashes":[' + b"7," * 999_999 + b"7]}"
    assert len(reading.plain(DOMAIN, content)["hashes"]) == 1_000_000


def test_a_long_key_that_many_rows_share_is_held_once() -> None:
    columns = Columns(OWNS)
    several = Fact(OWNS, ["a@example.com", "b@example.com"], ["example.com", "example.net"], {})
    long = Fact(OWNS, "x" * 100_000, [f"a{number}.example.com" for number in range(1000)], {})
    for number, fact in enumerate([several, long, several]):
        columns.add(number, fact, *laid_out(fact))
    start = columns.keys["start"]
    strings = start.array()
    assert strings.nbytes < 2 * 100_000
    rows = strings.take(columns.spread(start, counted(len(strings)))).to_pylist()
    assert [len(row) for row in rows] == [13, 13, *[100_000] * 1000, 13, 13]


def test_of_very_many_bad_values_the_first_are_noted_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[int] = []
    monkeypatch.setattr(missed, "MAX_NOTED", 3000)
    body = json.dumps({"response_code": "1", "hashes": [f"bad{number}" for number in range(10_000)]}).encode()
    batch = Batch(DOMAIN, 0)
    batch.add(Reply("example.com", 1, 200, body))
    located = batch._located  # noqa: SLF001 - what is held in between is the point

    def spied(reply: Reply, bad: set[tuple[object, int, object, str]]) -> Iterator[tuple[str, object, str]]:
        noted.append(len(bad))
        return located(reply, bad)

    monkeypatch.setattr(batch, "_located", spied)
    batch.encode()
    *listed, rest = batch.rejects
    assert noted == [3000]
    assert (len(listed), rest.more) == (MAX_LISTED, 10_000 - MAX_LISTED)
