"""One verdict on a reply: a table of (endpoint, status, body), asked through every place that needs the verdict."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from loopback import Answer, Loopback, loopback

from intel_grapher.analyst.overrides import Overrides
from intel_grapher.cache import Cache, Entry, import_replies
from intel_grapher.cli.cache_add import standing
from intel_grapher.fetch.failures import failed
from intel_grapher.fetch.frontier import Frontier
from intel_grapher.fetch.hops import Hops, follow
from intel_grapher.fetch.plan import plan
from intel_grapher.fetch.run import FetchOptions, fetch
from intel_grapher.registry import Registry
from intel_grapher.source import Endpoint, Outcome, Source
from intel_grapher.transform.facts import Batch, Reply
from intel_grapher.transform.overriding import Overriding
from intel_grapher.transform.retirement import counting
from intel_grapher.verdict import by_status, judged

SOURCES: Final = Registry.installed()
FOUND, NOT_FOUND, FAILED, QUOTA, UNREADABLE = Outcome
LIMIT: Final = b'{"message": "Rate limit exceeded", "description": "Try again later", "status": 429}'
ADDRESS, NAME = "93.184.216.34", "example.com"


class Case(NamedTuple):
    """A reply, and the verdict on it."""

    source: str
    endpoint: str
    status: int
    body: bytes
    outcome: Outcome
    reason: str = ""

    @property
    def place(self) -> Endpoint:
        return SOURCES[self.source].endpoints[self.endpoint]

    @property
    def key(self) -> str:
        return NAME if self.endpoint in {"identity", "search", "hostsearch", "domain"} else ADDRESS


FOREIGN: Final = "the reply has none of the endpoint's members"
REPORTED: Final = "the service reports a failure"
SAID_QUOTA: Final = "the service reports that the quota is used up"
CASES: Final = (
    Case("internetdb", "ip", 200, b'{"ip": "93.184.216.34", "hostnames": ["a.example.com"]}', FOUND),
    Case("internetdb", "ip", 404, b'{"detail": "No information available"}', NOT_FOUND),
    Case("internetdb", "ip", 200, b'{"detail": "No information available"}', NOT_FOUND),
    Case("internetdb", "ip", 200, b'{"detail": "Too many requests"}', FAILED, REPORTED),
    Case("internetdb", "ip", 410, b"", NOT_FOUND),
    Case("internetdb", "ip", 206, b'{"ip": "93.184.216.34"}', FAILED, "a part of the reply only (HTTP 206)"),
    Case("internetdb", "ip", 429, b"", QUOTA, "too many requests (HTTP 429)"),
    Case("internetdb", "ip", 401, b"", FAILED, "the key is refused (HTTP 401)"),
    Case("internetdb", "ip", 503, b"<html>", FAILED, "HTTP 503"),
    Case("internetdb", "ip", 200, b"<html>", UNREADABLE, "HTML instead of JSON"),
    Case("internetdb", "ip", 200, b"", UNREADABLE, "an empty body"),
    Case("internetdb", "ip", 200, b"oops", UNREADABLE, "not JSON"),
    Case("internetdb", "ip", 200, b"[1]", UNREADABLE, "wrong shape"),
    Case("crtsh", "identity", 200, b"[]", NOT_FOUND),
    Case("crtsh", "identity", 404, b"", FAILED, "HTTP 404"),  # it says so that it is overloaded
    Case("crtsh", "identity", 410, b"", FAILED, "HTTP 410"),
    Case("urlscan", "search", 200, b'{"results": [], "total": 0}', NOT_FOUND),
    Case("urlscan", "search", 200, LIMIT, FAILED, REPORTED),
    Case("abuseipdb", "check", 200, b'{"errors": [{"detail": "Daily limit", "status": 429}]}', UNREADABLE, FOREIGN),
    Case("greynoise", "community", 200, b'{"plan": "x", "message": "You have hit your limit"}', UNREADABLE, FOREIGN),
    Case("greynoise", "community", 200, b'{"ip": "93.184.216.34", "noise": false, "riot": false}', NOT_FOUND),
    Case("otx", "passive_dns", 200, b'{"error": "Request limit reached"}', UNREADABLE, FOREIGN),
    Case("otx", "passive_dns", 200, b'{"detail": "endpoint not found"}', FAILED, REPORTED),
    Case("hackertarget", "hostsearch", 200, b"API count exceeded - Increase Quota", QUOTA, SAID_QUOTA),
    Case("hackertarget", "hostsearch", 200, b"error check your search parameter", FAILED, REPORTED),
    Case("hackertarget", "hostsearch", 200, b"No records found", NOT_FOUND),
    Case("hackertarget", "hostsearch", 200, b"a.example.com,93.184.216.35", FOUND),
    Case("threatcrowd", "domain", 200, b'{"response_code": "0"}', NOT_FOUND),
    Case("threatcrowd", "domain", 200, b"Too many connections", UNREADABLE, "not JSON"),
)
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.source} {case.status} {case.body[:30]!r}")


def is_answer(case: Case) -> bool:
    return case.outcome in {FOUND, NOT_FOUND}


@pytest.fixture(scope="module")
def service() -> Iterator[Loopback]:
    with loopback() as running:
        yield running


def kept(cache: Cache, *cases: Case, at: int = 1_700_000_000) -> None:
    """Put replies among the answers as they are: an earlier version may have."""
    with cache.writer() as writer:
        for number, case in enumerate(cases):
            entry = Entry(
                source=case.source,
                endpoint=case.endpoint,
                key=case.key,
                fetched_at=at + number,
                status=case.status,
                body=case.body,
            )
            writer.add(entry)


def only(case: Case, home: str = "") -> Source:
    """Return the case's source with the case's endpoint alone, asked freely at another home."""
    source = SOURCES[case.source]
    made = dataclasses.replace(source, home=home or source.home, limits=(), key=None, retired="", endpoints={})
    made.endpoints[case.endpoint] = dataclasses.replace(case.place, source=made, kept_only="")
    return made


@every_case
def test_the_verdict(case: Case) -> None:
    verdict = judged(case.place, case.status, case.body)
    assert (verdict.outcome, verdict.reason, verdict.is_answer) == (case.outcome, case.reason, is_answer(case))


def test_a_reply_of_another_endpoint_is_said_to_be_that() -> None:
    shodan = SOURCES["shodan"].endpoints
    verdict = judged(shodan["host"], 200, b'{"matches": [{"port": 1}]}')
    assert (verdict.outcome, verdict.reason) == (UNREADABLE, "a reply of the endpoint host_search")


@every_case
def test_the_status_alone_never_contradicts_the_verdict(case: Case) -> None:
    early = by_status(case.place, case.status)
    assert early is None or (early.outcome, early.reason) == (case.outcome, case.reason)
    assert early is not None or case.status == 200


@every_case
def test_a_fetch_asks_it(case: Case, service: Loopback, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intel_grapher.fetch.service.FIRST_WAIT", 0.001)
    service.script = lambda _: Answer(case.body, case.status)
    kind = "domain" if case.key == NAME else "ip"
    tally = fetch(cache, [only(case, service.home)], [(kind, case.key)]).sources[case.source]
    assert (tally.found, tally.not_found) == (case.outcome is FOUND, case.outcome is NOT_FOUND)
    assert tally.failed == ({} if is_answer(case) else {case.reason: 1})
    assert [segment.area for segment in cache.segments(["raw", "failed"])] == ["raw" if is_answer(case) else "failed"]


@every_case
def test_cache_add_asks_it_and_a_plan_knows(case: Case, cache: Cache, tmp_path: Path) -> None:
    path = tmp_path / "reply.jsonl"
    names = {"source": case.source, "endpoint": case.endpoint, "key": case.key, "fetched_at": 1_700_000_000}
    path.write_text(json.dumps({**names, "status": case.status, "text": case.body.decode()}))
    with cache.writer() as writer:
        added = import_replies(writer, [path], judge=partial(standing, SOURCES))
    assert (added.added, dict(added.failures)) == (1, {} if is_answer(case) else {case.reason: 1})
    areas = {segment.area for segment in cache.segments(["raw", "failed"])}
    assert areas == ({"raw"} if is_answer(case) else {"raw", "failed"} if case.outcome is UNREADABLE else {"failed"})
    kind = "domain" if case.key == NAME else "ip"
    planned = plan(cache, [only(case)], [(kind, case.key)]).sources[case.source]
    assert (planned.cached, planned.to_ask) == ((1, 0) if is_answer(case) else (0, 1)), "a failure stops no question"
    assert [each.reason for each in failed(cache, list(SOURCES.values()))] == ([] if is_answer(case) else [case.reason])
    with cache.writer() as writer:
        assert import_replies(writer, [path], judge=partial(standing, SOURCES)).already_there == 1


@every_case
def test_a_look_up_of_what_an_earlier_version_kept_asks_it(case: Case, cache: Cache) -> None:
    """Where the body must be read (a look-up by age of "not found"), and where the status says enough."""
    kept(cache, case)
    kind = "domain" if case.key == NAME else "ip"
    options = dataclasses.replace(FetchOptions().freshness, not_found=1.0)
    planned = plan(cache, [only(case)], [(kind, case.key)], FetchOptions(freshness=options)).sources[case.source]
    assert planned.cached == (case.outcome is FOUND)
    if by_status(case.place, case.status) is not None:
        planned = plan(cache, [only(case)], [(kind, case.key)]).sources[case.source]
        assert planned.cached == is_answer(case)


@every_case
def test_hops_ask_it(case: Case, cache: Cache) -> None:
    kept(cache, case)
    kind = "domain" if case.key == NAME else "ip"
    with Frontier() as frontier:
        frontier.add([(kind, case.key)])
        trail = follow(cache, list(SOURCES.values()), frontier, Hops(depth=1, kinds=frozenset({"domain", "ip"})))
    assert bool(trail.steps) == (case.outcome is FOUND)


def test_hops_go_by_the_newest_answer_past_a_newer_failure(cache: Cache) -> None:
    answer, failure = CASES[0], CASES[3]
    kept(cache, answer, failure)
    with Frontier() as frontier:
        frontier.add([("ip", ADDRESS)])
        trail = follow(cache, list(SOURCES.values()), frontier, Hops(depth=1))
    assert [step.key for step in trail.steps] == ["a.example.com"]


@every_case
def test_the_transform_asks_it(case: Case) -> None:
    batch = Batch(case.place, 0)
    batch.add(Reply(case.key, 1_700_000_000, case.status, case.body))
    assert batch.outcomes == {case.outcome.value if is_answer(case) else "unreadable": 1}
    whole = [each.reason for each in batch.rejects if not each.path]
    assert whole == ([] if is_answer(case) else [case.reason])
    assert bool(batch.tables()) == (case.outcome is FOUND)


@every_case
def test_retirement_asks_it(case: Case, cache: Cache) -> None:
    """A full answer makes an older reply out of date, and nothing else does."""
    kept(cache, case, at=1_800_000_000)
    old = Entry(
        source=case.source, endpoint=case.endpoint, key=case.key, fetched_at=1_600_000_000, status=200, body=b"{}"
    )
    with cache.writer() as writer:
        writer.add(old)
    since, nothing = {case.source: 1_700_000_000}, Overriding(Overrides())
    which = counting(cache.segments(), Registry(SOURCES.values()), since, overriding=nothing)
    replies = [each for segment in cache.segments() for each in segment.envelopes(print)]
    assert [which.is_superseded(each) for each in replies if each.epoch == old.fetched_at] == [case.outcome is FOUND]


@every_case
def test_the_index_counts_statuses_for_it(case: Case, cache: Cache) -> None:
    kept(cache, case)
    (holding,) = cache.holdings()
    assert holding.statuses == {case.status: 1}


@pytest.mark.parametrize("status", [404, 410])
def test_a_mapping_that_nobody_has_is_judged_by_its_status(status: int) -> None:
    assert judged(None, status, b"").outcome is NOT_FOUND
    assert judged(None, 200, b"\xff").is_answer
    assert judged(None, 500, b"").reason == "HTTP 500"


def test_an_error_in_the_services_own_words_is_an_answer_of_no_endpoint() -> None:
    """Whatever object of unknown members comes: no endpoint with declared members takes it for an answer."""
    for source in SOURCES.values():
        for endpoint in source.endpoints.values():
            if (source.name, endpoint.name) == ("reports", "document"):
                continue  # any text is a report
            if endpoint.format == "json" and not str(endpoint.reply).startswith("dict["):
                for body in (LIMIT, b'{"x-error": {"code": 429}}', b'[{"x-error": 1}]'):
                    assert not judged(endpoint, 200, body).is_answer, f"{source.name}/{endpoint.name}: {body!r}"


def test_a_source_that_can_not_judge_costs_one_reply() -> None:
    case = CASES[0]
    made = only(case)

    def broken(_reply: object) -> Outcome:
        raise KeyError("x")

    made = dataclasses.replace(made, judge=broken)
    endpoint = dataclasses.replace(case.place, source=made)
    assert judged(endpoint, 200, case.body).reason == "the source can't judge it: KeyError"
    batch = Batch(endpoint, 0)
    batch.add(Reply(case.key, 0, 200, case.body))
    assert batch.outcomes == {"unreadable": 1}
