"""Endpoints that need what another one tells: asked after it, kept under the key."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from loopback import Answer, Asked, Loopback, loopback
from msgspec import Struct

from intel_grapher.cache import Cache, Entry
from intel_grapher.fetch.asking import UNGIVEN, Freshness
from intel_grapher.fetch.failures import failed, retry
from intel_grapher.fetch.plan import SourcePlan, plan
from intel_grapher.fetch.run import FetchOptions, fetch
from intel_grapher.fetch.summary import Tally
from intel_grapher.model import Facts
from intel_grapher.registry import Registry
from intel_grapher.schema import FOLLOWS, SCREEN_NAME, ScreenName
from intel_grapher.source import DAYS, Given, Outcome, Rate, Source

LANTERN = [("user", "paper_lantern")]
LOOKUP, FOLLOWERS, FRIENDS = "/by/paper_lantern", "/users/77/followers", "/users/77/friends"
GONE = Answer(json.dumps({"found": False}).encode())


class User(Struct):
    found: bool = True
    id: str = ""


class Page(Struct):
    found: bool = True
    names: list[ScreenName] = []
    next: str = ""


def source(home: str, *, limits: tuple[Rate, ...] = ()) -> Source:
    """Return a source that tells a user's number by the name, and all else by the number."""
    made = Source(
        "loopback", title="Loopback", home=home, limits=limits,
        judge=lambda reply: Outcome.FOUND if reply.found else Outcome.NOT_FOUND,
    )  # fmt: skip

    @made.get("/by/{key}")
    def by(asked: ScreenName, reply: User) -> Facts:
        """A user's number."""
        yield SCREEN_NAME.each([asked], user_id=[reply.id])

    number = Given("id", by, lambda reply: reply.id)

    @made.get("/users/{id}/followers", more=lambda reply: {"page": reply.next} if reply.next else None, given=number)
    def followers(asked: ScreenName, reply: Page) -> Facts:
        """Who follows a user."""
        yield FOLLOWS.each(reply.names, asked)

    @made.get("/users/{id}/friends", given=number)
    def friends(asked: ScreenName, reply: Page) -> Facts:
        """Whom a user follows."""
        yield FOLLOWS.each(asked, reply.names)

    return made


def script(asked: Asked) -> Answer:
    """Tell the number 77; two pages of followers, one of friends."""
    if asked.path.startswith("/by/"):
        return Answer(json.dumps({"id": "77"}).encode())
    follow = "2" if asked.path.endswith("/followers") and "page" not in asked.query else ""
    return Answer(json.dumps({"names": ["kite"], "next": follow}).encode())


@pytest.fixture
def service() -> Iterator[Loopback]:
    with loopback() as running:
        running.script = script
        yield running


def keep(cache: Cache, endpoint: str, body: bytes, *, age: float = 0, status: int = 200) -> None:
    at = int(time.time() - age)
    with cache.writer() as writer:
        writer.add(
            Entry(source="loopback", endpoint=endpoint, key="paper_lantern", fetched_at=at, status=status, body=body)
        )


ONE = FetchOptions(connections=1)
"""One connection: what is asked comes in its order."""


def run(cache: Cache, service: Loopback, options: FetchOptions = ONE) -> tuple[Tally, list[str]]:
    """Fetch, and return the tally and the paths that were asked."""
    service.asked.clear()
    tally = fetch(cache, [source(service.home)], LANTERN, options).sources["loopback"]
    return tally, [each.path + "".join(f"?{name}" for name in each.query) for each in service.asked]


def planned(cache: Cache, service: Loopback, options: FetchOptions | None = None) -> SourcePlan:
    return plan(cache, [source(service.home)], LANTERN, options).sources["loopback"]


def test_a_live_look_up_leads_to_what_needs_it(service: Loopback, cache: Cache) -> None:
    assert planned(cache, service).to_ask == 3
    tally, asked = run(cache, service)
    assert asked == [LOOKUP, FOLLOWERS, FOLLOWERS + "?page", FRIENDS]
    assert (tally.to_ask, tally.asked, tally.found, tally.skipped) == (4, 4, 4, {})
    for endpoint, params in (("followers", {}), ("followers", {"page": "2"}), ("friends", {})):
        assert cache.newest("loopback", endpoint, "paper_lantern", params) is not None


def test_the_second_run_asks_nothing(service: Loopback, cache: Cache) -> None:
    run(cache, service)
    assert planned(cache, service) == SourcePlan(cached=4, outlooks=planned(cache, service).outlooks)
    tally, asked = run(cache, service)
    assert (tally.cached, tally.asked, asked) == (4, 0, [])


def test_a_cached_look_up_is_not_asked_again(service: Loopback, cache: Cache) -> None:
    keep(cache, "by", b'{"id": "88"}', age=DAYS)
    made = planned(cache, service)
    assert (made.cached, made.to_ask) == (1, 2)
    tally, asked = run(cache, service)
    assert asked == ["/users/88/followers", "/users/88/followers?page", "/users/88/friends"]
    assert (tally.cached, tally.asked, tally.found) == (1, 3, 3)


def test_what_is_there_needs_no_look_up(service: Loopback, cache: Cache) -> None:
    keep(cache, "friends", b"{}")
    made = planned(cache, service)
    assert (made.cached, made.to_ask) == (1, 2)
    tally, asked = run(cache, service)
    assert asked == [LOOKUP, FOLLOWERS, FOLLOWERS + "?page"]
    assert (tally.cached, tally.asked) == (1, 3)


@pytest.mark.parametrize("gone", [GONE, Answer(b"", 404), Answer(b'{"id": ""}'), Answer(b'{"id": ".."}')])
def test_where_the_look_up_finds_nothing_nothing_else_is_asked(service: Loopback, cache: Cache, gone: Answer) -> None:
    service.script = lambda _: gone
    tally, asked = run(cache, service)
    assert asked == [LOOKUP]
    assert (tally.to_ask, tally.asked, tally.remaining, tally.skipped) == (1, 1, 0, {UNGIVEN: 2})
    made = planned(cache, service)
    assert (made.cached, made.to_ask, made.skipped) == (1, 0, {UNGIVEN: 2})
    again, asked = run(cache, service)
    assert (again.cached, again.asked, again.skipped, asked) == (1, 0, {UNGIVEN: 2}, [])


def test_a_look_up_that_fails_is_made_up_for_by_the_next_run(service: Loopback, cache: Cache) -> None:
    service.script = lambda _: Answer(status=403)
    tally, asked = run(cache, service)
    assert asked == [LOOKUP]
    assert (tally.failed, tally.remaining, tally.skipped) == ({"not allowed (HTTP 403)": 1}, 0, {UNGIVEN: 2})
    service.script = script
    assert len(run(cache, service)[1]) == 4


def test_a_stale_look_up_is_asked_before_what_it_leads_to(service: Loopback, cache: Cache) -> None:
    keep(cache, "by", b'{"id": "88"}', age=2 * DAYS)
    keep(cache, "friends", b"{}", age=60)
    options = FetchOptions(Freshness(max_age=DAYS), connections=1)
    made = planned(cache, service, options)
    assert (made.cached, made.to_ask) == (1, 2)
    assert run(cache, service, options)[1] == [LOOKUP, FOLLOWERS, FOLLOWERS + "?page"]
    assert len(run(cache, service, FetchOptions(Freshness(refresh=True)))[1]) == 4


def test_a_look_up_that_found_nothing_grows_stale(service: Loopback, cache: Cache) -> None:
    keep(cache, "by", GONE.body, age=2 * DAYS)
    options = FetchOptions(Freshness(not_found=DAYS))
    assert planned(cache, service, options).to_ask == 3
    assert len(run(cache, service, options)[1]) == 4


def test_pages_go_on_where_the_run_before_left_off(service: Loopback, cache: Cache) -> None:
    assert run(cache, service, FetchOptions(pages=1, connections=1))[1] == [LOOKUP, FOLLOWERS, FRIENDS]
    assert planned(cache, service).to_ask == 1
    assert run(cache, service)[1] == [FOLLOWERS + "?page"]


def test_what_failed_is_asked_again_with_what_it_needs(service: Loopback, cache: Cache) -> None:
    service.script = lambda asked: Answer(status=403) if asked.path == FOLLOWERS else script(asked)
    tally, _ = run(cache, service)
    assert tally.failed == {"not allowed (HTTP 403)": 1}
    service.asked.clear()
    service.script = script
    assert retry(cache, [source(service.home)]).total.found == 2
    assert [each.path for each in service.asked] == [FOLLOWERS, FOLLOWERS]
    assert failed(cache) == []


def test_a_limit_that_is_used_up_counts_what_waits(service: Loopback, cache: Cache) -> None:
    made = source(service.home, limits=(Rate(1, per=DAYS),))
    two = [*LANTERN, ("user", "kite")]
    tally = fetch(cache, [made], two, FetchOptions(patience=0, connections=1)).sources["loopback"]
    assert (tally.found, tally.skipped) == (1, {"set aside": 5})


def test_a_limit_of_requests_counts_what_waits(service: Loopback, cache: Cache) -> None:
    tally, asked = run(cache, service, FetchOptions(requests=2))
    assert (tally.asked, asked, sum(tally.skipped.values())) == (0, [], 3)


# --- Twitter ----------------------------------------------------------------------------------------------------------

OF_USERS = ("tweets", "mentions", "followers", "following", "liked_tweets")


def test_twitter_is_asked_by_number_what_is_wanted_by_name(
    service: Loopback, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEARER_TOKEN", "a-token")
    twitter = Registry.installed()["twitter"]
    home = Source(
        **{name: getattr(twitter, name) for name in ("name", "title", "key", "judge")}, home=service.home, limits=()
    )
    for name, each in twitter.endpoints.items():
        home.endpoints[name] = replace(each, source=home)
    user = {"data": {"id": "77", "username": "paper_lantern"}}
    service.script = lambda asked: Answer(
        json.dumps(user if "/by/" in asked.path else {"data": [], "meta": {"result_count": 0}}).encode()
    )
    tally = fetch(cache, [home], LANTERN).sources["twitter"]
    assert sorted(each.path for each in service.asked) == sorted(
        ["/users/by/username/paper_lantern", "/tweets/search/recent", *(f"/users/77/{each}" for each in OF_USERS)]
    )
    assert (tally.found, tally.not_found) == (1, 6)
    assert fetch(cache, [home], LANTERN).sources["twitter"].cached == 7
