"""Whatever comes as a URL, a name or an address, as an argument, in a file or in a reply: nothing ends in a crash."""

from __future__ import annotations

import json
import random
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from command import Desk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.provisional import domains, urls

from intel_grapher.cache import Cache, Entry
from intel_grapher.errors import BadValue
from intel_grapher.fetch.asking import QuestionIndex
from intel_grapher.fetch.hops import Hops
from intel_grapher.fetch.plan import plan
from intel_grapher.fetch.private import is_private
from intel_grapher.fetch.run import FetchOptions
from intel_grapher.keys import detect
from intel_grapher.registry import Registry
from intel_grapher.schema import BY_INDICATOR

SOURCES = list(Registry.installed().values())
INDEX = QuestionIndex(SOURCES)
LABELS = st.one_of(
    st.text("abcxyz019-_%~é•", min_size=1, max_size=8),
    st.sampled_from(["co1", "1", "0x7f", "xn--", "xn--mnchen-3ya", "arpa", "local", "[::1]", "255", "256", "a" * 64]),
)
HOSTS = st.one_of(
    domains(),
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.lists(LABELS, min_size=1, max_size=5).map(".".join),
    st.integers(0, 2**33).map(str),
)
URLS = st.one_of(
    urls(),
    st.builds(
        "{}://{}{}{}{}".format,
        st.sampled_from(["http", "https", "ftp", "HTTP", "hxxp"]),
        st.sampled_from(["", "user:pass@", "@"]),
        HOSTS,
        st.sampled_from(["", ":80", ":0", ":65536", ":x", ":"]),
        st.one_of(st.just("/"), st.text(max_size=12).map(lambda text: f"/{text}"), st.text(max_size=4)),
    ),
)
TEXTS = st.one_of(URLS, HOSTS, st.builds("{}@{}".format, st.text(max_size=6), HOSTS), st.text(max_size=30))


def check(text: str) -> None:
    """Make every request that an indicator gives rise to, as a fetch would."""
    kinds: list[tuple[str, str]] = [detect(text)] if is_indicator(text) else []
    for name, kind in BY_INDICATOR.items():
        try:
            kinds.append((name, kind.canonical(text)))
        except BadValue:
            continue
    for kind_name, key in kinds:
        assert is_private(kind_name, key) in {True, False}
        for _, questions in INDEX.of(kind_name, key):
            for question in questions:
                try:
                    request = question.endpoint.request(key, question.params, "given")
                except BadValue:
                    continue
                assert urlsplit(request.url).netloc == urlsplit(question.endpoint.source.home).netloc


def is_indicator(text: str) -> bool:
    try:
        return bool(detect(text))
    except BadValue:
        return False


@settings(max_examples=3000, deadline=None)
@given(TEXTS)
def test_every_request_about_any_indicator_can_be_made(text: str) -> None:
    check(text)


@pytest.mark.parametrize("text", ["http://foo.co1/x", "http://[64:ff9b::a00:1]/", "http://1.2.3.4.5/", "ftp://a.b1./"])
def test_what_once_ended_in_a_crash(text: str) -> None:
    check(text)


def generated(number: int) -> list[str]:
    """Return so many texts that look like indicators; the same ones each time."""
    chance = random.Random(7)  # noqa: S311 - a repeatable choice
    found: list[str] = []
    hosts = ["foo.co1", "a.example.com", "1.2.3", "[::1]", "10.0.0.1", "64:ff9b::1", "xn--a.com", "ü.de", "x_y.z1", "."]
    while len(found) < number:
        host = "".join(chance.choice(["", "a", "1", ".", "-"]) for _ in range(3)) + chance.choice(hosts)
        path = "".join(chr(chance.choice([*range(33, 127), 0xE9, 0x2022])) for _ in range(chance.randrange(6)))
        found.append(
            chance.choice(["http://{}/{}", "https://{}:81/{}", "{}", "x@{}", "ftp://{}?{}"]).format(host, path)
        )
    return found


def test_ten_thousand_in_a_file_are_planned_or_named(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    lines = generated(10_000)
    path = desk.folder / "all.txt"
    path.write_text("\n".join(lines))
    refused = desk.run("plan", "--file", path, "--json")
    assert refused.code == 2
    assert "not an indicator" in refused.err
    planned = desk.run("plan", "--file", path, "--skip-bad", "--json")
    assert planned.code in {0, 3}
    assert planned.json["plan"]["indicators"] > 1000
    words = [word for word in lines[:300] if not word.startswith("-")]
    assert desk.run("plan", *words, "--skip-bad", "--json").code in {0, 3}


def test_ten_thousand_in_replies_are_followed_or_left(tmp_path: Path) -> None:
    """A reply's URLs, names and addresses lead on by hops of every kind."""
    found = [text for text in generated(10_000) if "@" not in text]
    with Cache(tmp_path / "data") as cache:
        with cache.writer() as writer:
            for start in range(0, len(found), 1000):
                page = [{"url": url, "date": "2024-05-01T00:00:00"} for url in found[start : start + 1000]]
                body = json.dumps({"url_list": page, "has_next": False}).encode()
                key = f"n{start}.example.com"
                writer.add(Entry(source="otx", endpoint="url_list", key=key, fetched_at=1, status=200, body=body))
        hops = Hops(depth=2, kinds=frozenset(BY_INDICATOR), per_kind=10**6, per_parent=10**6, hub=10**6)
        keys = [("domain", f"n{start}.example.com") for start in range(0, len(found), 1000)]
        made = plan(cache, SOURCES, keys, FetchOptions(hops=hops))
    assert len(made.steps) > 1000
    assert all(not is_private(*step.indicator) for step in made.steps)
