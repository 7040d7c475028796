from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Answer, Loopback, at_path, found, source

from intel_grapher.cache import Cache, Entry
from intel_grapher.fetch.asking import Freshness, Indicator
from intel_grapher.fetch.failures import failed, retry, status
from intel_grapher.fetch.plan import plan
from intel_grapher.fetch.run import FetchOptions, fetch
from intel_grapher.keys import detect
from intel_grapher.registry import Registry
from intel_grapher.source import DAYS, MINUTES, ApiKey, Rate

NAMES = [f"host{n}.example.net" for n in range(5)]
FREE_TIER = (Rate(4, per=MINUTES), Rate(500, per=DAYS, calendar=True))


def names(*keys: str) -> list[Indicator]:
    return [detect(key) for key in keys or NAMES]


# --- plan -------------------------------------------------------------------------------------------------------------


def test_a_plan_tells_what_a_fetch_then_does(service: Loopback, cache: Cache) -> None:
    sources = [source(service.home), source(service.home, "gone", retired="since long"), at_path(service.home)]
    fetch(cache, sources, names(*NAMES[:2]))
    service.asked.clear()
    asked = names(*NAMES, "8.8.8.8", "10.0.0.1", "someone@example.com")
    made = plan(cache, sources, asked)
    assert service.asked == []
    summary = fetch(cache, sources, asked)
    for name, part in made.sources.items():
        tally = summary.sources[name]
        assert (part.cached, part.to_ask, part.skipped) == (tally.cached, tally.asked, tally.skipped)
    assert (made.sources["loopback"].cached, made.sources["loopback"].to_ask) == (2, 3)
    assert made.sources["gone"].skipped == {"retired": 5}
    assert made.sources["pathed"].skipped == {"kept private": 1}
    assert made.requests == len(service.asked) == 4
    assert (made.indicators, made.unasked) == (summary.indicators, summary.unasked) == (8, 1)


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin at noon, UTC: late in a day, what may be sent until midnight is less than the day's quota."""
    now, now_ns, began = time.time, time.time_ns, time.time()
    ahead = began // DAYS * DAYS + DAYS // 2 - began
    monkeypatch.setattr(time, "time", lambda: now() + ahead)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + round(ahead * 1e9))


@pytest.mark.usefixtures("noon")
def test_a_plan_knows_what_the_quota_leaves(service: Loopback, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [f"h{n}.example.net" for n in range(1200)]
    made = source(service.home, limits=FREE_TIER)
    whole = plan(cache, [made], names(*many))
    part = whole.sources["loopback"]
    assert (part.to_ask, part.today) == (1200, 500)
    assert part.seconds > DAYS
    assert whole.done_at == pytest.approx(time.time() + part.seconds, abs=5)
    fetch(cache, [made], names(*many), FetchOptions(patience=0))
    part = plan(cache, [made], names(*many)).sources["loopback"]
    assert (part.cached, part.to_ask, part.today) == (4, 1196, 496)
    monkeypatch.setenv("LOOPBACK_KEY", "first-key, second-key")
    keyed = source(service.home, "keyed", limits=FREE_TIER, key=ApiKey("LOOPBACK_KEY", header="X-Key"))
    assert plan(cache, [keyed], names(*many)).sources["keyed"].today == 1000
    monkeypatch.delenv("LOOPBACK_KEY")
    part = plan(cache, [keyed], names(*many)).sources["keyed"]
    assert (part.needs_key, part.to_ask, part.skipped) == ("LOOPBACK_KEY", 0, {"no key in LOOPBACK_KEY": 1200})


def test_a_plan_tells_a_hold(service: Loopback, cache: Cache) -> None:
    service.script = lambda _: Answer(status=429, headers={"Retry-After": "3600"})
    made = source(service.home)
    fetch(cache, [made], names(), FetchOptions(connections=1))
    part = plan(cache, [made], names()).sources["loopback"]
    assert part.held_reason == "it asks to wait: too many requests (HTTP 429)"
    assert part.seconds == pytest.approx(3600, abs=10)
    service.asked.clear()
    tally = fetch(cache, [made], names()).sources["loopback"]  # the next run keeps to it
    assert (service.asked, tally.aside) == ([], part.held_reason)


def test_a_plan_makes_no_file(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        plan(cache, list(Registry.installed().values()), names())
    assert not (tmp_path / "ledger.sqlite").exists()
    assert not (tmp_path / "raw").exists()


def test_a_plan_of_many_is_quick_and_small(service: Loopback, cache: Cache) -> None:
    kept = names(*NAMES)
    fetch(cache, [source(service.home)], kept)
    sources = [source(service.home), at_path(service.home)]

    def indicators(many: int) -> Iterator[Indicator]:
        yield from kept
        for n in range(many // 2):
            yield "domain", f"host{n}.example.com"
            yield "ip", f"8.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"

    def memory_of(many: int) -> int:
        tracemalloc.start()
        try:
            made = plan(cache, sources, indicators(many))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (made.requests, made.sources["loopback"].cached, made.indicators) == (many, 5, many + 5)
        return peak

    started = time.process_time()
    plan(cache, sources, indicators(50_000))
    assert time.process_time() - started < 10
    assert memory_of(25_000) < memory_of(5_000) + (4 << 20)


# --- what failed ------------------------------------------------------------------------------------------------------


def test_failures_are_listed_and_asked_again(service: Loopback, cache: Cache) -> None:
    service.script = lambda asked: Answer(b"<html>down", 200) if asked.key in NAMES[:3] else found()
    made = source(service.home)
    fetch(cache, [made], names())
    fetch(cache, [made], names(NAMES[0]))
    listed = failed(cache)
    assert [(each.key, each.status, each.reason, each.excerpt) for each in listed] == [
        (name, 200, "HTML instead of JSON", "<html>down") for name in NAMES[:3]
    ]
    standing = status(cache, [made], cache.root / "ledger.sqlite")["loopback"]
    assert (standing.answers, standing.failed) == (2, {"HTML instead of JSON": 3})
    service.asked.clear()
    service.script = lambda asked: Answer(b"", 404) if asked.key == NAMES[0] else found()
    summary = retry(cache, [made])
    assert sorted(service.keys) == NAMES[:3]
    assert (summary.total.found, summary.total.not_found) == (2, 1)
    assert failed(cache) == []
    assert retry(cache, [made]).total.asked == 0


def test_a_failure_does_not_shadow_the_answer_before(service: Loopback, cache: Cache) -> None:
    made = source(service.home)
    with cache.writer() as writer:
        writer.add(Entry(source="loopback", endpoint="names", key=NAMES[0], fetched_at=1, status=200, body=b"{}"))
    service.script = lambda _: Answer(status=403)
    tally = fetch(cache, [made], names(NAMES[0]), FetchOptions(Freshness(max_age=60))).sources["loopback"]
    assert tally.failed == {"not allowed (HTTP 403)": 1}
    assert fetch(cache, [made], names(NAMES[0])).sources["loopback"].cached == 1
    assert [each.key for each in failed(cache)] == [NAMES[0]]


def test_retry_leaves_out_what_can_not_be_asked(service: Loopback, cache: Cache) -> None:
    service.script = lambda _: Answer(status=403)
    fetch(cache, [source(service.home)], names(NAMES[0]))
    service.asked.clear()
    tally = retry(cache, [source(service.home, retired="gone")]).sources["loopback"]
    assert (tally.asked, tally.skipped) == (0, {"retired": 1})
    assert retry(cache, [at_path(service.home)]).total.asked == 0
    assert service.asked == []


def test_status_tells_what_limits_leave(service: Loopback, cache: Cache) -> None:
    made = source(service.home, limits=FREE_TIER)
    fetch(cache, [made], names(*NAMES[:3]))
    standing = status(cache, [made, source(service.home, "gone", retired="x")], cache.root / "ledger.sqlite")
    assert [[left.left for left in outlook.left] for outlook in standing["loopback"].outlooks] == [[1, 497]]
    assert (standing["gone"].retired, standing["gone"].outlooks) == ("x", [])
