from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import threading
import time
from email.utils import formatdate

import msgspec
import pytest
from loopback import NOTHING, Answer, Asked, Loopback, at_path, found, loopback, source
from rates_kept import lag, too_many

from intel_grapher.cache import Cache, Entry, FailedBody
from intel_grapher.errors import BusyError, CacheError, KeyMissingError
from intel_grapher.fetch import http, run
from intel_grapher.fetch.asking import Freshness, Indicator
from intel_grapher.fetch.ledgers import open_ledger
from intel_grapher.fetch.plan import plan
from intel_grapher.fetch.run import FetchOptions, fetch
from intel_grapher.fetch.service import backoff
from intel_grapher.fetch.summary import Summary, Tally
from intel_grapher.keys import detect
from intel_grapher.source import DAYS, HOURS, ApiKey, Outcome, Rate, Request, Source

NAMES = [f"host{n}.example.net" for n in range(5)]
HTML = Answer(b"<html>down</html>")


def names(*keys: str) -> list[Indicator]:
    return [detect(key) for key in keys or NAMES]


def get(cache: Cache, made: Source, *keys: str, options: FetchOptions | None = None) -> Tally:
    return fetch(cache, [made], names(*keys), options).sources[made.name]


def kept(cache: Cache, area: str = "raw") -> list[tuple[str, int, bytes]]:
    return [
        (record.envelope.key, record.envelope.status, record.envelope.content)
        for segment in cache.segments([area])  # type: ignore[list-item]
        for record in segment.read(lambda damage: pytest.fail(str(damage)))
    ]


# --- what is asked, and what is not -----------------------------------------------------------------------------------


def test_replies_are_kept_as_they_came_and_not_asked_again(service: Loopback, cache: Cache) -> None:
    service.script = lambda asked: found(f"192.0.2.{asked.key[4]}")
    made = source(service.home)
    first = get(cache, made)
    assert (first.asked, first.found, first.cached, first.requests) == (5, 5, 0, 5)
    assert sorted(kept(cache)) == [(name, 200, found(f"192.0.2.{name[4]}").body) for name in NAMES]
    again = get(cache, made)
    assert (again.asked, again.cached) == (0, 5)
    assert len(service.asked) == 5


def test_a_key_given_twice_is_asked_once(service: Loopback, cache: Cache) -> None:
    assert get(cache, source(service.home), "example.com", "EXAMPLE[.]com.", "example.com").asked == 1


def test_only_endpoints_for_the_indicators_label_are_asked(service: Loopback, cache: Cache) -> None:
    tally = get(cache, source(service.home), "8.8.8.8", "a" * 32, "someone@example.com", "@someone")
    assert tally.asked == 0
    assert service.asked == []


def test_not_found_is_an_answer(service: Loopback, cache: Cache) -> None:
    service.script = lambda asked: NOTHING if asked.key == NAMES[0] else Answer(b"", 404)
    tally = get(cache, source(service.home), *NAMES[:2])
    assert (tally.asked, tally.not_found, tally.found, tally.failed) == (2, 2, 0, {})
    assert sorted(kept(cache)) == [(NAMES[0], 200, NOTHING.body), (NAMES[1], 404, b"")]
    assert get(cache, source(service.home), *NAMES[:2]).cached == 2


def test_answers_grow_stale(service: Loopback, cache: Cache) -> None:
    made = source(service.home)
    old, new = int(time.time()) - 1000, int(time.time()) - 10
    with cache.writer() as writer:
        for name, at, status, body in [
            (NAMES[0], old, 200, found("192.0.2.1").body),
            (NAMES[1], old, 200, NOTHING.body),
            (NAMES[2], old, 404, b""),
            (NAMES[3], new, 404, b""),
        ]:
            writer.add(Entry(source="loopback", endpoint="names", key=name, fetched_at=at, status=status, body=body))

    def asked(freshness: Freshness) -> list[str]:
        service.asked.clear()
        with Cache(cache.root) as each:
            before = len(kept(each))
            get(each, made, *NAMES[:4], options=FetchOptions(freshness))
            assert len(kept(each)) == before + len(service.asked)  # the older ones stay
        keys = sorted(service.keys)
        for segment in cache.segments():  # as it was
            lines = segment.path.read_bytes().splitlines(keepends=True)[:4]
            segment.path.write_bytes(b"".join(lines))
        return keys

    assert asked(Freshness()) == []
    assert asked(Freshness(max_age=500)) == NAMES[:3]
    assert asked(Freshness(max_age=5)) == NAMES[:4]
    assert asked(Freshness(not_found=500)) == NAMES[1:3]
    assert asked(Freshness(max_age=500, by_source={"loopback": 5000})) == []
    assert asked(Freshness(max_age=5000, by_source={"loopback": 500})) == NAMES[:3]
    assert asked(Freshness(max_age=5000, not_found=50_000)) == []
    assert asked(Freshness(refresh=True)) == NAMES[:4]


def test_a_retired_source_is_answered_from_the_cache_alone(service: Loopback, cache: Cache) -> None:
    get(cache, source(service.home), NAMES[0])
    tally = get(cache, source(service.home, retired="since long"), *NAMES[:3])
    assert (tally.cached, tally.asked, tally.skipped) == (1, 0, {"retired": 2})


def test_a_missing_key_is_named(service: Loopback, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOOPBACK_KEY", raising=False)
    tally = get(cache, source(service.home, key=ApiKey("LOOPBACK_KEY", header="X-Key")), *NAMES[:2])
    assert tally.needs_key == "LOOPBACK_KEY"
    assert tally.skipped == {"no key in LOOPBACK_KEY": 2}
    assert service.asked == []
    tally = get(cache, source(service.home, key=ApiKey("LOOPBACK_KEY", header="X-Key", required=False)), *NAMES[:2])
    assert (tally.needs_key, tally.asked) == ("", 2)


def test_a_malformed_key_is_refused_and_not_quoted(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPBACK_KEY", "canary\nX: y")
    with pytest.raises(KeyMissingError, match="LOOPBACK_KEY") as refused:
        get(cache, source("http://127.0.0.1:1", key=ApiKey("LOOPBACK_KEY", header="X-Key")))
    assert "canary" not in str(refused.value)


def test_a_refused_key_sets_the_source_aside(service: Loopback, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPBACK_KEY", "secret-1")
    service.script = lambda _: Answer(b"{}", 401)
    made = source(service.home, key=ApiKey("LOOPBACK_KEY", header="X-Key"), limits=(Rate(1, per=60),))
    tally = get(cache, made)
    assert tally.aside == "it refuses the key in LOOPBACK_KEY"
    assert (tally.requests, tally.skipped) == (1, {"set aside": 4})


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "192.0.2.1", "127.0.0.1", "169.254.169.254", "fe80::1", "2001:db8::1", "224.0.0.1", "100.64.0.1"],
)
def test_private_addresses_never_leave(service: Loopback, cache: Cache, address: str) -> None:
    made = at_path(service.home)
    tally = fetch(cache, [made], names(address)).sources["pathed"]
    assert (tally.asked, tally.skipped) == (0, {"kept private": 1})
    with cache.writer() as writer:
        writer.add(Entry(source="pathed", endpoint="ip", key=address, fetched_at=1, status=200, body=b"{}"))
    assert fetch(cache, [made], names(address)).sources["pathed"].cached == 1
    assert service.asked == []


def test_public_addresses_are_asked_in_the_path(service: Loopback, cache: Cache) -> None:
    fetch(cache, [at_path(service.home)], names("8.8.8.8", "2001:4860:4860::8888"))
    assert sorted(each.path for each in service.asked) == ["/ip/2001%3A4860%3A4860%3A%3A8888", "/ip/8.8.8.8"]


def test_an_answer_of_the_future_is_fresh_without_a_rule_and_asked_again_by_any(
    service: Loopback, cache: Cache
) -> None:
    """A clock was ahead when it was kept. What this run keeps is fresh, whatever the rule."""
    later = int(time.time() + 730 * DAYS)
    with cache.writer() as writer:
        writer.add(
            Entry(source="loopback", endpoint="names", key=NAMES[0], fetched_at=later, status=200, body=found().body)
        )
    made = source(service.home)
    told = fetch(cache, [made], names(NAMES[0]))
    assert (told.future, told.sources["loopback"].cached, service.asked) == (1, 1, [])
    for freshness in (Freshness(DAYS), Freshness(DAYS - 1, refresh=True), Freshness(DAYS - 2, {"loopback": DAYS})):
        with Cache(cache.root / "of" / str(freshness.max_age)) as fresh:
            with fresh.writer() as writer:
                entry = Entry(
                    source="loopback", endpoint="names", key=NAMES[0], fetched_at=later, status=200, body=found().body
                )
                writer.add(entry)
            planned = plan(fresh, [made], names(NAMES[0]), FetchOptions(freshness=freshness))
            assert (planned.future, planned.sources["loopback"].to_ask) == (1, 1)
            assert (
                fetch(fresh, [made], names(NAMES[0]), FetchOptions(freshness=freshness)).sources["loopback"].found == 1
            )
            again = plan(fresh, [made], names(NAMES[0]), FetchOptions(freshness=Freshness(max_age=DAYS)))
            assert (again.future, again.sources["loopback"].cached) == (0, 1), "what came since is the newest"


def test_pages_are_followed_and_kept_apart(service: Loopback, cache: Cache) -> None:
    def page(asked: Asked) -> Answer:
        number = int(asked.query.get("page", "1"))
        return found(f"192.0.2.{number}", next=str(number + 1) if number < 4 else "")

    service.script = page
    made = source(service.home)
    cut = get(cache, made, NAMES[0], options=FetchOptions(pages=2))
    assert (cut.asked, cut.more_pages) == (2, 1)
    cached = get(cache, made, NAMES[0], options=FetchOptions(pages=2))
    assert (cached.cached, cached.asked, cached.more_pages) == (2, 0, 1)
    one = get(cache, made, NAMES[0], options=FetchOptions(pages=1))
    assert (one.cached, one.asked, one.more_pages) == (1, 0, 1)
    tally = get(cache, made, NAMES[0])
    assert (tally.cached, tally.asked, tally.found, tally.more_pages) == (2, 2, 2, 0)
    assert [each.query.get("page") for each in service.asked] == [None, "2", "3", "4"]
    assert cache.newest("loopback", "names", NAMES[0], {"page": "4"}) is not None
    assert get(cache, made, NAMES[0]).cached == 4


def test_pages_that_lead_in_a_circle_end(service: Loopback, cache: Cache) -> None:
    service.script = lambda _: found("192.0.2.1", next="again")
    assert get(cache, source(service.home), NAMES[0], options=FetchOptions(pages=50)).asked == 2


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason", "requests"),
    [
        (Answer(b"oops", 500), "HTTP 500", 4),
        (Answer(b"slow down", 429), "too many requests (HTTP 429)", 4),
        (Answer(b"slow down", 429, {"Content-Encoding": "gzip"}), "too many requests (HTTP 429)", 4),
        (Answer(b"oops", 500, {"Content-Encoding": "gzip"}), "HTTP 500", 4),
        (Answer(b"gone", 404, {"Content-Encoding": "gzip"}), "the reply's compression is damaged", 1),
        (Answer(b'{"found": true}', 206), "a part of the reply only (HTTP 206)", 1),
        (Answer(b"no", 403), "not allowed (HTTP 403)", 1),
        (HTML, "HTML instead of JSON", 1),
        (Answer(b"Too many connections"), "not JSON", 1),
        (Answer(b""), "an empty body", 1),
        (Answer(b"", 204), "an empty body", 1),
        (Answer(b"[1, 2]"), "wrong shape", 1),
        (Answer(b'{"found": true}', cut=3), "the reply was cut short", 4),
        (Answer(b"", 302, {"Location": "http://192.0.2.1/"}), "redirected elsewhere, which is refused", 1),
    ],
)
def test_failures_are_kept_apart(service: Loopback, cache: Cache, answer: Answer, reason: str, requests: int) -> None:
    service.script = lambda _: answer
    tally = get(cache, source(service.home), NAMES[0])
    assert (tally.asked, tally.failed, tally.requests) == (1, {reason: 1}, requests)
    assert kept(cache) == []
    [(key, status, body)] = kept(cache, "failed")
    assert (key, status) == (NAMES[0], answer.status)
    assert msgspec.json.decode(body, type=FailedBody).reason == reason
    service.script = lambda _: found()
    assert get(cache, source(service.home), NAMES[0]).found == 1  # a failure is no answer


def test_an_attempt_that_fails_is_made_again(service: Loopback, cache: Cache) -> None:
    answers = iter([Answer(status=503), Answer(b"{", cut=1), found("192.0.2.1")])
    service.script = lambda _: next(answers)
    tally = get(cache, source(service.home), NAMES[0])
    assert (tally.asked, tally.found, tally.requests, tally.failed) == (1, 1, 3, {})


def test_a_redirect_within_the_service_is_followed(service: Loopback, cache: Cache) -> None:
    moved = Answer(status=301, headers={"Location": "/moved?q=x"})
    service.script = lambda asked: moved if asked.path == "/names" else found()
    assert get(cache, source(service.home), NAMES[0]).found == 1
    service.script = lambda _: moved
    assert get(cache, source(service.home), NAMES[1]).failed == {"HTTP 301": 1}


def test_a_source_that_keeps_failing_is_set_aside_and_the_others_go_on(service: Loopback, cache: Cache) -> None:
    service.script = lambda asked: Answer(status=500) if asked.path == "/names" else found()
    bad, good = source(service.home), source(service.home + "/good", "good")
    many = [f"h{n}.example.net" for n in range(100)]
    summary = fetch(cache, [bad, good], names(*many), FetchOptions(connections=1))
    assert summary.sources["good"].found == 100
    tally = summary.sources["loopback"]
    assert tally.aside == "it keeps failing: HTTP 500"
    assert tally.requests == 10
    assert sum(tally.failed.values()) + tally.skipped["set aside"] == 100
    assert not summary.complete


def test_what_never_reached_a_service_does_not_count_against_its_limits(cache: Cache) -> None:
    with loopback() as gone:
        down = source(gone.home, limits=(Rate(2, per=HOURS),))
    tally = get(cache, down, *NAMES)  # each is tried several times: the limit would have stopped that
    assert tally.requests > 2
    assert set(tally.failed) == {"no connection"}
    assert tally.aside in {"", "it keeps failing: no connection"}
    with open_ledger(FetchOptions().ledger_at(cache)) as ledger:
        assert [each.left for each in ledger.account(down).left()] == [2]


def test_waits_double_up_to_the_cap() -> None:
    for attempt in range(1, 40):
        assert 0 < backoff(attempt, 60) <= 60


@pytest.mark.parametrize("value", ["1", "DATE"])
def test_retry_after_is_honoured(service: Loopback, cache: Cache, value: str) -> None:
    def script(_: Asked) -> Answer:
        if len(service.asked) > 1:
            return found()
        wait = formatdate(time.time() + 2, usegmt=True) if value == "DATE" else value
        return Answer(status=429, headers={"Retry-After": wait})

    service.script = script
    assert get(cache, source(service.home), NAMES[0]).found == 1
    assert service.asked[1].at - service.asked[0].at >= 0.99


@pytest.mark.parametrize("value", ["1000000000", "600", "DATE"])
def test_a_long_retry_after_sets_the_source_aside(service: Loopback, cache: Cache, value: str) -> None:
    value = formatdate(time.time() + 3600, usegmt=True) if value == "DATE" else value
    service.script = lambda _: Answer(status=429, headers={"Retry-After": value})
    started = time.monotonic()
    tally = get(cache, source(service.home), options=FetchOptions(connections=1))
    assert time.monotonic() - started < 60  # and not 600
    assert len(service.asked) == 1
    assert tally.aside == "it asks to wait: too many requests (HTTP 429)"
    assert tally.until > time.time() + 500
    assert (tally.failed, tally.skipped) == ({"too many requests (HTTP 429)": 1}, {"set aside": 4})


def test_retry_after_counts_whatever_the_body_is(service: Loopback, cache: Cache) -> None:
    service.script = lambda _: Answer(b"plain", 429, {"Content-Encoding": "gzip", "Retry-After": "600"})
    tally = get(cache, source(service.home), options=FetchOptions(connections=1))
    assert (len(service.asked), tally.aside) == (1, "it asks to wait: too many requests (HTTP 429)")


def test_a_quota_told_in_an_answers_body_is_a_quota(service: Loopback, cache: Cache) -> None:
    """As HackerTarget does with status 200: it is asked once, not ten times, and comes back another day."""
    made = source(service.home, limits=(Rate(50, per=DAYS),))
    made = dataclasses.replace(made, judge=lambda _: Outcome.QUOTA, endpoints={})
    endpoint = source(service.home).endpoints["names"]
    made.endpoints["names"] = dataclasses.replace(endpoint, source=made)
    tally = get(cache, made, options=FetchOptions(connections=1))
    assert (len(service.asked), tally.asked) == (1, 1)
    assert (tally.aside, tally.skipped) == ("the service reports that the quota is used up", {"set aside": 4})
    assert tally.until > time.time() + 3600


@pytest.mark.parametrize("value", ["soon", "-1", ""])
def test_nonsense_in_retry_after_is_passed_over(service: Loopback, cache: Cache, value: str) -> None:
    answers = iter([Answer(status=429, headers={"Retry-After": value}), found()])
    service.script = lambda _: next(answers)
    assert get(cache, source(service.home), NAMES[0]).found == 1


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_rate_is_never_exceeded(service: Loopback, cache: Cache) -> None:
    rates = ((5, 0.5), (8, 1.0))
    made = source(service.home, limits=tuple(Rate(requests, per=per) for requests, per in rates))
    with lag() as lags:
        assert get(cache, made, *[f"h{n}.example.net" for n in range(20)]).found == 20
    assert too_many([each.at for each in service.asked], rates, lags) == []


def test_there_are_no_more_connections_than_may_be_however_late_a_thread_begins(
    service: Loopback, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(threading.Thread):
        def run(self) -> None:
            time.sleep(0.1)
            super().run()

    counting, under_way, most = threading.Lock(), 0, 0
    send = http.Client.send

    def counted(client: http.Client, request: Request, secret: str) -> http.HttpReply:
        nonlocal under_way, most
        with counting:
            under_way += 1
            most = max(most, under_way)
        try:
            return send(client, request, secret)
        finally:
            with counting:
                under_way -= 1

    monkeypatch.setattr(run, "Thread", Late)
    monkeypatch.setattr(http.Client, "send", counted)
    service.script = lambda _: Answer(found().body, delay=0.01)
    hosts = [f"h{n}.example.net" for n in range(40)]
    assert get(cache, source(service.home), *hosts, options=FetchOptions(connections=2)).found == 40
    assert most == 2


def test_a_limit_that_is_used_up_sets_the_source_aside(service: Loopback, cache: Cache) -> None:
    tally = get(cache, source(service.home, limits=(Rate(2, per=DAYS),)))
    assert (tally.found, tally.skipped, tally.aside) == (2, {"set aside": 3}, "its limit is used up")
    assert tally.until > time.time() + DAYS / 2


# --- keys and quotas --------------------------------------------------------------------------------------------------


def keyed(service: Loopback, *limits: Rate) -> Source:
    return source(service.home, limits=limits, key=ApiKey("LOOPBACK_KEY", header="X-Key"))


@pytest.fixture
def _two_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPBACK_KEY", "first-key,second-key , first-key,")


def used(service: Loopback) -> list[str]:
    return [each.headers["x-key"] for each in service.asked]


@pytest.mark.usefixtures("_two_keys")
def test_several_keys_are_used_in_turn_each_within_its_limits(service: Loopback, cache: Cache) -> None:
    tally = get(cache, keyed(service, Rate(2, per=DAYS)), options=FetchOptions(connections=1))
    assert (tally.found, tally.aside) == (4, "its limit is used up")
    assert sorted(used(service)) == ["first-key"] * 2 + ["second-key"] * 2
    assert used(service)[0] != used(service)[1]


@pytest.mark.usefixtures("_two_keys")
def test_a_refused_key_leaves_the_other_ones(service: Loopback, cache: Cache) -> None:
    service.script = lambda asked: Answer(status=401) if asked.headers["x-key"] == "first-key" else found()
    tally = get(cache, keyed(service))
    assert (tally.found, tally.failed, tally.aside, tally.needs_key) == (5, {}, "", "")
    service.script = lambda _: Answer(status=401)
    tally = get(cache, keyed(service), "more.example.net", "and.more.example.net", options=FetchOptions(connections=1))
    assert (tally.aside, tally.needs_key) == ("it refuses the key in LOOPBACK_KEY", "LOOPBACK_KEY")
    assert tally.skipped == {"set aside": 1}


@pytest.mark.usefixtures("_two_keys")
def test_a_key_without_quota_leaves_the_other_ones(service: Loopback, cache: Cache) -> None:
    empty = Answer(status=429, headers={"Retry-After": "3600"})
    service.script = lambda asked: empty if asked.headers["x-key"] == "first-key" else found()
    tally = get(cache, keyed(service), options=FetchOptions(connections=1))
    assert (tally.found, tally.failed, tally.aside) == (5, {}, "")
    assert used(service).count("first-key") == 1


def test_a_service_that_wants_a_key_after_all(service: Loopback, cache: Cache) -> None:
    service.script = lambda _: Answer(status=401)
    made = source(service.home, key=ApiKey("LOOPBACK_KEY", header="X-Key", required=False))
    tally = get(cache, made, NAMES[0])
    assert (tally.aside, tally.needs_key) == ("it needs a key in LOOPBACK_KEY", "LOOPBACK_KEY")


def test_a_quota_that_is_told_is_kept_to(service: Loopback, cache: Cache) -> None:
    def script(_: Asked) -> Answer:
        left = max(0, 3 - len(service.asked))
        reset = time.time() + 3600
        return Answer(found().body, headers={"X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": f"{reset:.0f}"})

    service.script = script
    tally = get(cache, source(service.home), options=FetchOptions(connections=1))
    assert (tally.found, tally.skipped) == (3, {"set aside": 2})
    assert tally.aside == "its quota is used up, it says"
    assert tally.until == pytest.approx(time.time() + 3600, abs=5)


def test_a_short_pause_that_is_told_is_waited_for(service: Loopback, cache: Cache) -> None:
    def script(_: Asked) -> Answer:
        left = 0 if len(service.asked) == 2 else 9
        return Answer(found().body, headers={"RateLimit-Remaining": str(left), "RateLimit-Reset": "1"})

    service.script = script
    assert get(cache, source(service.home), options=FetchOptions(connections=1)).found == 5
    assert service.asked[2].at - service.asked[1].at >= 0.95


def test_a_refusal_without_a_word_waits_for_the_shortest_window(service: Loopback, cache: Cache) -> None:
    answers = iter([found(), Answer(status=429), found()])
    service.script = lambda _: next(answers)
    made = source(service.home, limits=(Rate(100, per=0.5), Rate(1000, per=DAYS)))
    assert get(cache, made, *NAMES[:2], options=FetchOptions(connections=1)).found == 2
    assert service.asked[2].at - service.asked[1].at >= 0.45
    service.script = lambda _: Answer(status=429)
    tally = get(cache, made, *NAMES[2:], options=FetchOptions(connections=1))
    assert (tally.requests, tally.aside) == (2, "too many requests (HTTP 429)")  # then it is the day's quota
    assert tally.until > time.time() + DAYS / 2


def test_a_run_sends_no_more_than_it_may(service: Loopback, cache: Cache) -> None:
    tally = get(cache, source(service.home), options=FetchOptions(requests=3))
    assert (tally.requests, tally.found, tally.skipped) == (3, 3, {"beyond the limit of requests": 2})
    service.script = lambda _: Answer(status=500)
    tally = get(cache, source(service.home), options=FetchOptions(requests=2))  # attempts count, too
    assert tally.requests == 2
    assert len(service.asked) == 5


# --- the run as a whole -----------------------------------------------------------------------------------------------


def test_an_interrupt_keeps_what_was_answered(service: Loopback, cache: Cache) -> None:
    def script(_: Asked) -> Answer:
        if len(service.asked) == 3:
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        return Answer(found().body, delay=0.02)

    service.script = script
    many = names(*[f"h{n}.example.net" for n in range(200)])
    summary = fetch(cache, [source(service.home)], many, FetchOptions(connections=2))
    assert summary.interrupted
    tally = summary.sources["loopback"]
    assert 3 <= tally.found < 200
    assert tally.found == len(kept(cache)) == len(service.asked)
    service.script = lambda _: found()
    rest = fetch(cache, [source(service.home)], many)
    assert (rest.sources["loopback"].cached, rest.sources["loopback"].found) == (tally.found, 200 - tally.found)
    assert len(set(service.keys)) == len(service.keys) == 200  # none was asked twice


def test_a_cache_that_is_being_written_is_left_alone(service: Loopback, cache: Cache) -> None:
    with Cache(cache.root) as other, other.writer("another command"), pytest.raises(BusyError, match="another command"):
        get(cache, source(service.home))
    assert service.asked == []


def test_a_cached_run_needs_no_writer(service: Loopback, cache: Cache) -> None:
    get(cache, source(service.home))
    with Cache(cache.root) as other, other.writer("another command"):
        assert get(cache, source(service.home)).cached == 5


def test_an_error_of_ours_ends_the_run_and_is_raised(service: Loopback, cache: Cache) -> None:
    place = cache.root / "raw" / "loopback"
    place.mkdir(parents=True)
    (place / "names").write_text("a file where a folder must be")
    with pytest.raises(CacheError):
        get(cache, source(service.home))


def test_progress_is_told_from_the_calling_thread(service: Loopback, cache: Cache) -> None:
    service.script = lambda _: Answer(found().body, delay=0.3)
    seen: list[int] = []

    def progress(summary: Summary) -> None:
        assert threading.current_thread() is threading.main_thread()
        seen.append(summary.total.found)

    fetch(cache, [source(service.home)], names(), progress=progress)
    assert len(seen) > 1
    assert seen[-1] == 5


def test_the_key_is_found_nowhere(service: Loopback, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPBACK_KEY", "canary-12345")
    service.script = lambda asked: Answer(
        json.dumps({"found": True, "next": "", "asked": f"/names?apikey={asked.query['apikey']}"}).encode(),
        status=200 if asked.key in NAMES[:3] else 403,
    )
    summary = fetch(cache, [source(service.home, key=ApiKey("LOOPBACK_KEY", query="apikey"))], names())
    assert (summary.total.found, sum(summary.total.failed.values())) == (3, 2)
    assert all(each.query["apikey"] == "canary-12345" for each in service.asked)
    cache.close()
    assert "canary" not in repr(summary)
    for path in cache.root.rglob("*"):
        assert path.is_dir() or b"canary" not in path.read_bytes(), path


CANARY = "canary-5f3a91bc"
ECHO = CANARY.encode()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b'{"you": "' + ECHO + b'"}', 401),
        Answer(b"<html>" + ECHO),
        Answer(b'{"you": "' + ECHO + b" " * 4, cut=8),
        Answer(b'{"you": "' + ECHO[:9]),
        Answer(ECHO, headers={"Content-Encoding": "gzip"}),
        Answer(b"", 302, {"Location": f"/names?apikey={CANARY}&q=x"}),
        Answer(b"", 302, {"Location": f"http://192.0.2.1/{CANARY}"}),
        Answer(b"{}", 429, {"X-Echo": CANARY, "Retry-After": CANARY}),
        Answer(raw=b"HTTP/1.1 200 OK\r\nX-Echo: " + ECHO),
        Answer(raw=ECHO),
        Answer(b'{"found": true, "next": "' + ECHO + b'"}'),
    ],
)
@pytest.mark.parametrize("key", [ApiKey("LOOPBACK_KEY", query="apikey"), ApiKey("LOOPBACK_KEY", header="X-Key")])
def test_a_key_is_nowhere_whatever_a_service_quotes(
    service: Loopback,
    cache: Cache,
    answer: Answer,
    key: ApiKey,
    *,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not in the cache's files, the index, the ledger, the summary, nor in logs at DEBUG."""
    monkeypatch.setenv("LOOPBACK_KEY", CANARY)
    caplog.set_level(logging.DEBUG)
    service.script = lambda _: answer
    summary = fetch(cache, [source(service.home, key=key)], names(NAMES[0]))
    assert service.asked
    assert "canary" not in repr(summary) + caplog.text
    cache.close()
    for path in cache.root.rglob("*"):
        assert path.is_dir() or b"canary" not in path.read_bytes(), path
