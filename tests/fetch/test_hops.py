from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from loopback import Answer, Asked, Loopback, Reply, found

from intel_grapher.cache import Cache
from intel_grapher.fetch import degrees
from intel_grapher.fetch.asking import Indicator
from intel_grapher.fetch.hops import Hops
from intel_grapher.fetch.plan import plan
from intel_grapher.fetch.run import FetchOptions, fetch
from intel_grapher.files import Content, Manifest
from intel_grapher.keys import detect
from intel_grapher.model import Facts
from intel_grapher.schema import RESOLVES, Address, Hostname
from intel_grapher.source import Outcome, Source


def both_ways(home: str, name: str = "trail") -> Source:
    """Return a source that tells the addresses of a name and the names at an address."""
    made = Source(
        name, title=name, home=home, limits=(), judge=lambda reply: Outcome.FOUND if reply.found else Outcome.NOT_FOUND
    )

    @made.get("/names", {"q": "{key}"})
    def names(asked: Hostname, reply: Reply) -> Facts:
        """Addresses of a name."""
        yield RESOLVES.each(asked, reply.addresses)

    @made.get("/addresses", {"q": "{key}"})
    def addresses(asked: Address, reply: Reply) -> Facts:
        """Names at an address."""
        yield RESOLVES.each([Hostname(each) for each in reply.addresses], asked)

    return made


def names(*keys: str) -> list[Indicator]:
    return [detect(key) for key in keys]


def get(cache: Cache, made: Source, hops: Hops, *keys: str) -> None:
    assert fetch(cache, [made], names(*keys), FetchOptions(hops=hops)).complete


GRAPH = {
    "a.example.com": ["8.0.0.1", "8.0.0.2"],
    "b.example.com": ["8.0.0.2", "8.0.0.3", "192.168.0.1", "1.1.1.1"],
    "8.0.0.2": ["a.example.com", "b.example.com", "c.example.net"],
    "c.example.net": ["8.0.0.9"],
}


def test_the_trail_is_followed_hop_by_hop(service: Loopback, cache: Cache) -> None:
    service.script = lambda asked: found(*GRAPH.get(asked.key, ()))
    made = both_ways(service.home)
    asked: list[set[str]] = []
    for depth in range(4):
        service.asked.clear()
        get(cache, made, Hops(depth), "a.example.com", "b.example.com")
        asked.append(set(service.keys))
        assert len(service.asked) == len(asked[-1])
    assert asked == [
        {"a.example.com", "b.example.com"},
        {"8.0.0.1", "8.0.0.2", "8.0.0.3"},
        {"c.example.net"},
        {"8.0.0.9"},
    ]


def test_the_order_is_by_worth_and_explained(service: Loopback, cache: Cache) -> None:
    service.script = lambda asked: found(*GRAPH.get(asked.key, ()))
    made = both_ways(service.home)
    get(cache, made, Hops(), "a.example.com", "b.example.com")
    service.asked.clear()
    seen = plan(cache, [made], names("b.example.com", "a.example.com"), FetchOptions(hops=Hops(1)))
    assert service.asked == []
    assert [str(step) for step in seen.steps] == [
        "ip 8.0.0.2: named by 2 (b.example.com, a.example.com), by 1 source, beside 1 others",
        "ip 8.0.0.1: named by 1 (a.example.com), by 1 source, beside 1 others",
        "ip 8.0.0.3: named by 1 (b.example.com), by 1 source, beside 3 others",
    ]
    assert seen.left_out == {"kept private": 1, "on the stop-list": 1}
    assert (seen.sources["trail"].cached, seen.sources["trail"].to_ask) == (2, 3)


def test_two_sources_count_for_more(service: Loopback, cache: Cache) -> None:
    def script(asked: Asked) -> Answer:
        return found(*(["8.0.0.5", "8.0.0.1"] if asked.path.startswith("/one") else ["8.0.0.5"]))

    service.script = script
    sources = [both_ways(service.home + "/one", "one"), both_ways(service.home + "/two", "two")]
    fetch(cache, sources, names("a.example.com"))
    steps = plan(cache, sources, names("a.example.com"), FetchOptions(hops=Hops(1))).steps
    assert [(step.key, step.sources) for step in steps] == [("8.0.0.5", 2), ("8.0.0.1", 1)]


@pytest.mark.parametrize(
    ("hops", "followed", "left_out"),
    [
        (Hops(1, per_kind=2), ["8.0.0.1", "8.0.0.2"], {"beyond the limit of its kind": 6}),
        (Hops(1, per_parent=3), ["8.0.0.1", "8.0.0.2", "8.0.0.3"], {"beyond the limit of what leads to it": 5}),
        (Hops(1, hub=7), [], {"behind a hub": 8}),
        (Hops(1, outside=("8.0.0.0/29",)), ["8.0.0.8"], {"out of scope": 7}),
        (Hops(1, stop=frozenset({"8.0.0.3"}), per_kind=2), ["8.0.0.1", "8.0.0.2"], None),
        (Hops(1, kinds=frozenset({"domain", "hash"})), [], {}),
        (Hops(1, degrees=lambda _: {"8.0.0.1": 500}, per_kind=1), ["8.0.0.2"], None),
    ],
)
def test_limits(
    service: Loopback, cache: Cache, hops: Hops, followed: list[str], left_out: dict[str, int] | None
) -> None:
    service.script = lambda asked: found(*(f"8.0.0.{n}" for n in range(1, 9))) if "/names" in asked.path else found()
    summary = fetch(cache, [both_ways(service.home)], names("a.example.com"), FetchOptions(hops=hops))
    assert sorted(service.keys[1:]) == followed
    if left_out is not None:
        assert summary.left_out == left_out


def test_scope_by_domain(service: Loopback, cache: Cache) -> None:
    service.script = lambda _: found("in.example.com", "example.com", "notexample.com", "other.example.net")
    hops = Hops(1, under=("example.com",))
    get(cache, both_ways(service.home), hops, "8.0.0.1")
    assert sorted(service.keys[1:]) == ["example.com", "in.example.com"]


def test_a_key_that_very_many_name_is_a_hub(service: Loopback, cache: Cache) -> None:
    service.script = lambda asked: found("8.0.0.1") if asked.path == "/names" else found()
    many = [f"h{n}.example.com" for n in range(6)]
    summary = fetch(cache, [both_ways(service.home)], names(*many), FetchOptions(hops=Hops(1, hub=5)))
    assert summary.left_out == {"a hub": 1}
    assert sorted(service.keys) == many


def test_the_total_of_requests_is_kept_to_from_the_front(service: Loopback, cache: Cache) -> None:
    service.script = lambda asked: found(*GRAPH.get(asked.key, ()))
    made = both_ways(service.home)
    options = FetchOptions(hops=Hops(2), requests=4)
    assert plan(cache, [made], names("a.example.com", "b.example.com"), replace(options, requests=1)).requests == 1
    summary = fetch(cache, [made], names("a.example.com", "b.example.com"), options)
    assert sorted(service.keys) == ["8.0.0.1", "8.0.0.2", "a.example.com", "b.example.com"]
    assert summary.sources["trail"].skipped["beyond the limit of requests"] >= 1


def test_hops_resume_where_they_were(service: Loopback, cache: Cache) -> None:
    service.script = lambda asked: found(*GRAPH.get(asked.key, ()))
    made = both_ways(service.home)
    for _ in range(10):
        fetch(cache, [made], names("a.example.com", "b.example.com"), FetchOptions(hops=Hops(3), requests=2))
    assert len(service.asked) == len(set(service.keys)) == 7


def test_degrees_come_from_the_flat_files(tmp_path: Path) -> None:
    folder = tmp_path / "of [2026]*"  # a pattern, were it not taken as it is written
    assert degrees.in_files(folder) is None
    (folder / "relationships").mkdir(parents=True)
    table = pa.table({"start": ["a.example.com", "b.example.com", "b.example.com"], "end": ["8.0.0.1"] * 3})
    pq.write_table(table, folder / "relationships" / "Domain-RESOLVES-IPAddress.parquet")
    made = Manifest(1, "", {}, {"Domain-RESOLVES-IPAddress": Content(3, "")}, {}, 0, {}, 0, [])
    (folder / "manifest.json").write_bytes(msgspec.json.encode(made))
    of = degrees.in_files(folder)
    assert of is not None
    assert of(["8.0.0.1", "b.example.com", "'; DROP"]) == {"8.0.0.1": 2, "b.example.com": 1}
