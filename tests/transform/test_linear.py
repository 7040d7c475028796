"""What a service sends decides nothing about how fast the work for it grows: twice the reply is twice the work."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from places import SAMPLE_DATA

from intel_grapher.keys.names import _sections
from intel_grapher.registry import Registry
from intel_grapher.reject_paths import CANDIDATES, paths
from intel_grapher.source import Endpoint
from intel_grapher.testing.samples import Samples
from intel_grapher.transform.facts import Batch, Reply
from intel_grapher.transform.missed import MAX_LISTED

SLACK = 1.25
OURS = "intel_grapher"
Trace = Callable[[FrameType, str, Any], Any]
SAMPLES = Samples(SAMPLE_DATA)
ENDPOINTS = {
    f"{source.name}/{name}": endpoint
    for source in Registry.installed().values()
    for name, endpoint in source.endpoints.items()
}
TIMES = (10, 20, 40)


@pytest.fixture(autouse=True)
def rules_of_public_suffixes() -> None:
    """Have the Public Suffix List parsed: that is done once, after some look-ups, whoever made them."""
    assert all(section.rules for section in _sections())


def spoil(text: str, number: int) -> str:
    """Return a text that is good, distinct, two bad names, or one of many that share their words."""
    return (
        text,
        f"{text}{number}",
        f"bad..name{number} {text}\n-{number}",
        f"{text} a{'!' * (number % 7)}a",
    )[number % 4]


def grown(value: Any, times: int, number: int = 0) -> Any:  # noqa: ANN401 - a reply may be anything
    """Return a reply whose lists, and objects of objects, have so many times their members, each with other texts."""
    if isinstance(value, list):
        few = value[:3]
        return [grown(item, 1, turn * len(few) + at) for turn in range(times) for at, item in enumerate(few)]
    if isinstance(value, dict):
        if times > 1 and value and all(isinstance(each, dict) for each in value.values()):
            few = list(value.items())[:3]
            return {f"{name}{turn}": grown(item, 1, turn) for turn in range(times) for name, item in few}
        return {name: grown(item, times, number) for name, item in value.items()}
    return spoil(value, number) if isinstance(value, str) and number else value


def grown_element(element: ET.Element, times: int, number: int = 0) -> ET.Element:
    """Return an element in which children that share a tag are so many times there, each with other texts."""
    found = ET.Element(element.tag, element.attrib)
    found.text = spoil(element.text, number) if element.text and element.text.strip() and number else element.text
    tags = Counter(child.tag for child in element)
    for tag in dict.fromkeys(child.tag for child in element):
        children = [child for child in element if child.tag == tag][:3]
        if tags[tag] == 1:
            found.append(grown_element(children[0], times, number))
        else:
            numbered = enumerate(child for _ in range(times) for child in children)
            found.extend(grown_element(child, 1, at) for at, child in numbered)
    return found


def body(endpoint: Endpoint, content: bytes, times: int) -> bytes:
    if content.startswith(b"<?xml"):
        return ET.tostring(grown_element(ET.fromstring(content), times))  # noqa: S314 - our own sample
    if endpoint.format == "text" or content.startswith(b"<!DOCTYPE html"):
        lines = content.decode().splitlines()[:20]
        return "\n".join(spoil(line, turn) for turn in range(times) for line in lines).encode()
    if endpoint.format == "lines":
        items = [json.loads(line) for line in content.splitlines()[:20] if line.strip()]
        return b"\n".join(json.dumps(item).encode() for item in grown(items, times))
    return json.dumps(grown(json.loads(content), times)).encode()


def steps(endpoint: Endpoint, key: str, content: bytes) -> int:
    """Return how many functions, of Python and of C, the mapping of a reply calls."""
    counted: Counter[str] = Counter()

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        counted[event] += 1

    batch = Batch(endpoint, 0)
    sys.setprofile(count)
    try:
        batch.add(Reply(key, 1, 200, content))
        batch.encode()
    finally:
        sys.setprofile(None)
    assert len(batch.rejects) <= 2 * MAX_LISTED + 100
    return counted["call"] + counted["c_call"]


@pytest.mark.parametrize("name", ENDPOINTS)
def test_twice_the_reply_is_twice_the_work(name: str) -> None:
    endpoint = ENDPOINTS[name]
    sample = SAMPLES.good(endpoint)[0]
    contents = [body(endpoint, bytes(sample.content), times) for times in TIMES]
    steps(endpoint, sample.key, contents[1])  # what is made once, such as tables of characters, does not count
    per_byte = [steps(endpoint, sample.key, content) / len(content) for content in contents]
    assert max(per_byte[1:]) <= SLACK * per_byte[0], per_byte
    assert per_byte[2] <= SLACK * per_byte[1], per_byte


def lines(endpoint: Endpoint, key: str, content: bytes) -> int:
    """Return how many lines of ours the mapping of a reply runs; each turn of a loop is one at least."""
    counted = 0

    def count(_frame: FrameType, event: str, _argument: object) -> Trace:
        nonlocal counted
        counted += event == "line"
        return count

    def enter(frame: FrameType, _event: str, _argument: object) -> Trace | None:
        return count if OURS in frame.f_code.co_filename else None

    batch = Batch(endpoint, 0)
    sys.settrace(enter)
    try:
        batch.add(Reply(key, 1, 200, content))
        batch.encode()
    finally:
        sys.settrace(None)
    return counted


@pytest.mark.long
@pytest.mark.parametrize("name", ENDPOINTS)
def test_twice_the_reply_is_twice_the_lines_that_are_run(name: str) -> None:
    endpoint = ENDPOINTS[name]
    sample = SAMPLES.good(endpoint)[0]
    contents = [body(endpoint, bytes(sample.content), times) for times in TIMES]
    lines(endpoint, sample.key, contents[0])
    per_byte = [lines(endpoint, sample.key, content) / len(content) for content in contents]
    assert max(per_byte[1:]) <= SLACK * per_byte[0], per_byte
    assert per_byte[2] <= SLACK * per_byte[1], per_byte


@pytest.mark.parametrize("shared", ["a.{}", "{}.a", "a!{}!a", "{}..a", "_{}_"])
def test_a_value_inside_of_texts_is_found_in_linear_work(shared: str) -> None:
    endpoint = Registry.installed()["crtsh"].endpoints["identity"]
    counts = []
    for size in (500, 1000, 2000):
        values = [shared.format(number) for number in range(size)]
        content = json.dumps([f"x {value} a a a" for value in values]).encode()
        counted: Counter[str] = Counter()
        sys.setprofile(lambda _frame, event, _argument, counted=counted: counted.update([event]))  # type: ignore[misc]
        try:
            found = paths(endpoint, content, dict.fromkeys(values, 1))
        finally:
            sys.setprofile(None)
        counts.append(counted.total())
        some = sum(map(bool, found.values()))
        assert some == (CANDIDATES if shared.startswith("_") else size)
    assert counts[2] <= SLACK * 2 * counts[1]


def test_values_that_share_all_their_words_are_compared_with_a_few_only() -> None:
    endpoint = Registry.installed()["crtsh"].endpoints["identity"]
    values = [f"a{'!' * number}a" for number in range(1, 400)]
    content = json.dumps([f"a a a {value}" for value in reversed(values)]).encode()
    assert sum(map(bool, paths(endpoint, content, dict.fromkeys(values, 1)).values())) >= CANDIDATES


@pytest.mark.parametrize("wrong", [7, [7]])  # a number stands for a text
def test_items_that_go_at_once_go_in_linear_time_and_rejects_are_counted(wrong: object) -> None:
    endpoint = Registry.installed()["threatcrowd"].endpoints["domain"]
    body = json.dumps({"response_code": "1", "hashes": ["a" * 32, wrong] * 100_000}).encode()
    batch = Batch(endpoint, 0)
    batch.add(Reply("example.com", 1, 200, body))
    batch.encode()
    *listed, rest = batch.rejects
    assert (len(listed), rest.more) == (MAX_LISTED, 100_000 - MAX_LISTED)
    assert listed[-1].path == f"$.hashes[{2 * MAX_LISTED - 1}]"
    assert rest.value == "and 99,000 more"


def test_a_long_name_of_a_member_does_not_come_back_in_each_path() -> None:
    endpoint = Registry.installed()["threatcrowd"].endpoints["domain"]
    name = "n" * 100_000
    values = [f"x{number}" for number in range(1000)]
    found = paths(endpoint, json.dumps({name: {"list": values}}).encode(), dict.fromkeys(values, 1))
    assert max(len(path) for places in found.values() for path in places) < 300
