"""TAXII 2.1: collections of a real server (medallion) and of one that does what servers do on bad days."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from command import Desk
from loopback import Answer, Asked, Loopback, loopback
from medallion_server import ID, medallion, stored

from intel_grapher.cache import Cache
from intel_grapher.errors import UsageError
from intel_grapher.fetch.taxii import Gathered, TaxiiServer, collection_url
from intel_grapher.sources.taxii import source

CANARY = "canary-token-0123456789"


# --- a real server ----------------------------------------------------------------------------------------------------


def test_a_collection_of_a_real_server_goes_in_page_by_page_and_only_what_is_new_the_next_time(tmp_path: Path) -> None:
    with medallion(tmp_path) as (home, add):
        desk = Desk(tmp_path, more={"TAXII_KEY": "user:password"})
        for url in (f"{home}/taxii2/", f"{home}/api1/", f"{home}/api1/collections/"):
            listed = desk.run("taxii", url, "--json").json["collections"]
            assert [(each["title"], each["can_read"]) for each in listed] == [("Indicators", True)]
        collection = listed[0]["url"]
        assert desk.run("taxii", collection).out == "3 pages, 7 objects\n"
        assert desk.run("taxii", f"{collection}objects/").out == "1 pages, 0 objects\n"
        add(8)
        assert desk.run("taxii", collection).out == "1 pages, 1 objects\n"
        wrong = Desk(tmp_path, more={"TAXII_KEY": "user:wrong"}).run("taxii", collection)
        assert (wrong.code, wrong.out) == (1, "0 pages, 0 objects\n")
        assert "the key is refused" in wrong.err
    assert desk.run("transform").code == 0
    assert desk.run("load").code == 0
    shown = desk.run("show", "c8.example.org")
    assert (shown.code, collection in shown.out) == (0, True)


# --- one that does what servers do on bad days ------------------------------------------------------------------------


def page(*numbers: int, then: str = "", added: str = "", status: int = 200) -> Answer:
    body: dict[str, Any] = {"objects": [stored(number)[0] for number in numbers]} if numbers else {}
    body |= {"more": True, "next": then} if then else {}
    return Answer(json.dumps(body).encode(), status, {"X-TAXII-Date-Added-Last": added} if added else {})


PAGES = {
    "": page(1, 2, then="b", added="2026-03-02T00:00:00Z"),
    "b": page(3, then="c", added="2026-03-03T00:00:00Z"),
    "c": page(4, added="2026-03-04T00:00:00Z"),
}


def paged(asked: Asked) -> Answer:
    return page() if asked.query.get("added_after") else PAGES[asked.query.get("next", "")]


def gather(service: Loopback, root: Path, **how: Any) -> Gathered:  # noqa: ANN401 - of gather
    with (
        closing(TaxiiServer(source, service.home, CANARY, wait=lambda _: None)) as server,
        Cache(root) as cache,
        cache.writer() as writer,
    ):
        return server.gather(cache, writer, f"{service.home}/api1/collections/{ID}/", **how)


def sent(service: Loopback) -> list[dict[str, str]]:
    limits = {each.query.pop("limit", "") for each in service.asked}
    assert limits <= {"1000", ""}
    return [each.query for each in service.asked]


def test_a_run_that_was_stopped_goes_on_at_the_page_that_is_missing(tmp_path: Path) -> None:
    with loopback() as service:
        service.script = paged
        assert gather(service, tmp_path, pages=1) == Gathered(1, 2, "there are more pages")
        assert gather(service, tmp_path) == Gathered(2, 2)
        assert gather(service, tmp_path) == Gathered(1, 0)
        assert sent(service) == [{}, {"next": "b"}, {"next": "c"}, {"added_after": "2026-03-04T00:00:00Z"}]
        assert gather(service, tmp_path, afresh=True) == Gathered(3, 4)
        assert gather(service, tmp_path, added_after="2026-01-01T00:00:00Z") == Gathered(1, 0)
        assert service.asked[0].headers["accept"] == "application/taxii+json;version=2.1"
        assert service.asked[0].headers["authorization"] == f"Bearer {CANARY}"
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [each for each in kept if CANARY.encode() in each]


def test_a_token_that_is_too_old_starts_the_pages_again(tmp_path: Path) -> None:
    with loopback() as service:
        service.script = paged
        gather(service, tmp_path, pages=2)
        service.script = lambda asked: page(status=404) if len(service.asked) == 3 else paged(asked)
        assert gather(service, tmp_path) == Gathered(3, 4)
        assert sent(service)[2:] == [{"next": "c"}, {}, {"next": "b"}, {"next": "c"}]


@pytest.mark.parametrize(
    ("script", "tries", "reason"),
    [
        (lambda _: page(status=503), 4, "HTTP 503"),
        (lambda _: Answer(status=429, headers={"Retry-After": "1"}), 4, "too many requests (HTTP 429)"),
        (lambda _: Answer(status=429, headers={"Retry-After": "999999"}), 1, "too many requests (HTTP 429)"),
        (lambda _: page(status=403), 1, "not allowed (HTTP 403)"),
        (lambda _: Answer(b"<html>", 200), 1, "HTML instead of JSON"),
        (lambda _: Answer(b'{"title":"Error","http_status":"500"}'), 1, "the reply has none of the endpoint's members"),
        (lambda _: Answer(status=302, headers={"Location": "https://elsewhere.example/"}), 1, "redirected elsewhere"),
        (lambda _: page(1, then="b"), 2, "the server gives one page twice"),
    ],
)
def test_what_goes_wrong_is_said_and_kept_apart(
    tmp_path: Path, script: Callable[[Asked], Answer], tries: int, reason: str
) -> None:
    with loopback() as service:
        service.script = script
        found = gather(service, tmp_path)
    assert found.reason.startswith(reason)
    assert len(service.asked) == tries
    with Cache(tmp_path) as cache:
        areas = [each.area for each in cache.holdings()]
    assert areas == (["raw"] if found.pages else ["failed"])


@pytest.mark.parametrize(
    ("url", "collection"),
    [
        (f"https://taxii.example/api1/collections/{ID}", f"https://taxii.example/api1/collections/{ID}/"),
        (f"https://taxii.example/a/collections/{ID}/objects/?x=1", f"https://taxii.example/a/collections/{ID}/"),
        (f"http://localhost:5000/collections/{ID}/", f"http://localhost:5000/collections/{ID}/"),
        ("https://taxii.example/api1/collections/", None),
        ("https://taxii.example/taxii2/", None),
    ],
)
def test_urls_of_collections(url: str, collection: str | None) -> None:
    assert collection_url(url) == collection


@pytest.mark.parametrize(
    "url",
    ["http://taxii.example/", "https://user:password@taxii.example/", "ftp://taxii.example/", "taxii", "https://"],
)
def test_urls_that_are_not_asked(url: str) -> None:
    with pytest.raises(UsageError):
        collection_url(url)
