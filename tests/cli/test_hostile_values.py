"""Whatever an argument, an option or a file says, a command does its work or names what is wrong with it."""

from __future__ import annotations

import os
import string
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from command import Desk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intel_grapher import ask, keys
from intel_grapher.ask import RecordingGraph
from intel_grapher.cli import graph, options
from intel_grapher.cli.cache_add import resolve
from intel_grapher.cli.fetch_settings import FetchSettings
from intel_grapher.cli.transform import TransformSettings
from intel_grapher.errors import BadValue, GrapherError
from intel_grapher.fetch.private import is_private
from intel_grapher.load import Embedded
from intel_grapher.registry import Registry

_ENDS = st.sampled_from(["com", "example", "co1", "b2", "xn--p1ai", "example.com", "co.uk", "local", "in-addr.arpa"])
_LABELS = st.lists(st.sampled_from(["www", "a", "x0", "192", "1", "xn--a", "_dmarc", "*", ""]) | st.text(max_size=5))
NAMES = st.builds(lambda labels, end: ".".join([*labels[:3], end]), _LABELS, _ENDS | st.text(max_size=5))
ADDRESSES = st.one_of(
    st.ip_addresses().map(str),
    st.lists(st.integers(0, 999).map(str), min_size=1, max_size=6).map(".".join),
    st.lists(st.text(string.hexdigits, max_size=5), max_size=10).map(":".join),
    st.builds("{}%{}".format, st.ip_addresses(v=6), st.text(max_size=5)),
    st.builds("::ffff:{}".format, st.ip_addresses(v=4)),
    st.builds("{}/{}".format, st.ip_addresses(), st.integers(-1, 200)),
)
URLS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["http://", "https://", "hxxp://", "ftp://", "HTTP:", "//", "http:///", "http://user:pass@", "x:"]),
    NAMES | ADDRESSES | ADDRESSES.map("[{}]".format),
    st.sampled_from(["", "", ":80", ":0", ":99999", ":x", ":-1", ":"]),
    st.sampled_from(["", "/", "?", "#"]),
    st.text(max_size=8),
)
OTHERS = st.one_of(
    st.text(max_size=30),
    st.binary(max_size=20).map(os.fsdecode),  # as a shell hands it over: bytes that are not UTF-8 are surrogates
    st.builds("{}@{}".format, st.text(max_size=8), NAMES),
    st.text(string.hexdigits, max_size=130),
    st.sampled_from(
        ["", " ", "-", "--", "\0", "\n", "../../x", "x" * 5000, "9" * 5000, "²", "[", "@", "Domain:", "doh="]
    ),
)
VALUES = URLS | NAMES | ADDRESSES | OTHERS
LISTS = st.lists(VALUES, min_size=50, max_size=100)

FEW = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=200)  # 10,000 values and more


def survives(call: Callable[[str], object], texts: list[str]) -> None:
    """Call with each text. What is wrong with it may be said in an error of ours, never in one of Python's."""
    for text in texts:
        with suppress(GrapherError, BadValue):
            call(text)


def arguments(texts: list[str]) -> list[str]:
    """Return what can be the arguments of a process: none has a NUL."""
    return [text.replace("\0", "") for text in texts]


@given(LISTS)
@FEW
def test_plan_takes_any_argument(loaded: Desk, texts: list[str]) -> None:
    ran = loaded.run("plan", "--skip-bad", "example.com", "--", *arguments(texts))
    assert ran.code == 0, ran.err


@given(LISTS)
@FEW
def test_plan_takes_any_file(loaded: Desk, texts: list[str]) -> None:
    listed = loaded.folder / "any.txt"
    listed.write_bytes("\n".join(["example.com", *texts]).encode("utf-8", "surrogatepass"))
    ran = loaded.run("plan", "--skip-bad", "--file", listed, "--hops", "1", "--follow", "url")
    assert ran.code == 0, ran.err


@given(LISTS)
@FEW
def test_plan_takes_any_value_of_a_kind(loaded: Desk, texts: list[str]) -> None:
    flags = ("-d", "-e", "-hx", "-i", "-u")
    words = [word for place, text in enumerate(arguments(texts)) for word in (flags[place % len(flags)], text)]
    ran = loaded.run("plan", "--skip-bad", "example.com", *words)
    assert ran.code == 0, ran.err


def _detected(text: str) -> None:
    kind, key = keys.detect(text)
    assert keys.detect(f"@{key}" if kind == "user" else key) == (kind, key)
    is_private(kind, key)


def _fetch_option(name: str, text: str) -> None:
    value: Any = text if name in {"max_age", "negative_age"} else [text]
    settings_ = FetchSettings(**{name: value})
    settings_.options(REGISTRY, Path("import"))
    settings_.selected(REGISTRY)


def _transform_option(name: str, text: str) -> None:
    value: Any = [text] if name in {"format_", "seen_since"} else text
    TransformSettings(**{name: value}).options(REGISTRY)


REGISTRY = Registry.installed()
_OF_FETCH = ("under", "outside", "stop", "follow", "source", "max_age", "negative_age")
_OF_TRANSFORM = ("format_", "seen_since", "memory", "as_of")
READERS: dict[str, Callable[[str], object]] = {
    "indicator": _detected,
    **{name: partial(_fetch_option, name) for name in _OF_FETCH},
    **{name: partial(_transform_option, name) for name in _OF_TRANSFORM},
    "to": lambda text: graph.target(text, Path("graph"), Path("data")),
    "fetched_at": lambda text: options.timestamp("--fetched-at", text),
    "key": lambda text: resolve(REGISTRY, "threatcrowd", "domain", text),
    "endpoint": lambda text: resolve(REGISTRY, "threatcrowd", text, "example.com"),
}


@pytest.mark.parametrize("reader", READERS)
def test_an_option_takes_any_text(reader: str) -> None:
    @given(LISTS)
    @FEW
    def search(texts: list[str]) -> None:
        survives(READERS[reader], texts)

    search()


@pytest.mark.long
@pytest.mark.parametrize("reader", READERS)
def test_an_option_takes_any_of_ten_thousand_texts(reader: str) -> None:
    @given(LISTS)
    @MANY
    def search(texts: list[str]) -> None:
        survives(READERS[reader], texts)

    search()


@pytest.fixture(scope="module")
def opened(loaded: Desk) -> Iterator[RecordingGraph]:
    with ask.opened(Embedded(loaded.folder / "data" / "graph")) as found:
        yield RecordingGraph(found)


@given(LISTS)
@FEW
def test_any_text_is_looked_for_in_the_graph(opened: RecordingGraph, texts: list[str]) -> None:
    survives(lambda text: graph.find(opened, text), texts)


SINGLE = (
    ("show", "{}"),
    ("path", "example.com", "{}"),
    ("rank", "example.com", "{}"),
    ("query", "{}"),
    ("query", "MATCH (d:Domain) WHERE d.name = $name RETURN d.name", "-p", "name={}"),
    ("query", "--saved", "{}"),
    ("query", "--saved", "registrant-pivot", "-p", "{}"),
    ("cache", "show", "{}"),
    ("cache", "show", "example.com", "--endpoint", "{}"),
    ("cache", "list", "--data", "{}"),
    ("cache", "add", "--", "{}"),
    ("cache", "add", "one.json", "--source", "doh", "--endpoint", "resolve", "--data", "elsewhere", "--key={}"),
    ("cache", "add", "one.json", "--source", "doh", "--endpoint", "resolve", "--data", "elsewhere", "--key-from={}"),
    ("diff", "import", "--", "{}"),
    ("load", "--method={}"),
    ("load", "--import={}", "--db", "elsewhere-graph"),
    ("fetch", "status", "--source={}"),
    ("fetch", "--file={}"),
    ("doctor", "--db={}", "--import={}"),
    ("transform", "--data={}"),
    ("{}", "--offline", "--no-graph"),
)
"""Commands, with a place for a text. None of them writes where the text says."""


@pytest.mark.parametrize("words", SINGLE, ids=" ".join)
def test_a_command_takes_any_text(filled: Desk, words: tuple[str, ...]) -> None:
    (filled.folder / "one.json").write_text("{}")

    @given(VALUES)
    @FEW
    def search(text: str) -> None:
        (argument,) = arguments([text])
        ran = filled.run(*(word.replace("{}", argument) for word in words))
        assert ran.code in {0, 1, 2, 3}, ran.err

    search()
