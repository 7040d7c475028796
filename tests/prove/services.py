"""Hostile services and wrong clocks: what is no answer is not taken for one, and what is to be asked is asked."""

from __future__ import annotations

import gzip
import json
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any

import world
from command import Desk
from loopback import Answer, found, loopback, source
from workshop import Tally, Workshop

from intel_grapher.cache import Cache, Entry
from intel_grapher.fetch import http, service
from intel_grapher.fetch.run import FetchOptions, fetch

HOST = "name.example.org"
GOOD = found("192.0.2.1").body
OK = b"HTTP/1.1 200 OK\r\n"
HOSTILE = {
    "cut in the status line": Answer(raw=b"HTTP/1.1 404 Not Fo"),
    "cut in the headers": Answer(raw=OK + b"Content-Ty"),
    "cut after the headers' first line": Answer(raw=OK),
    "cut in the body": Answer(GOOD, cut=3),
    "no HTTP": Answer(raw=b"\0\xff\r\n\r\n"),
    "a status that is no number": Answer(raw=b"HTTP/1.1 twohundred OK\r\n\r\n{}"),
    "chunks that are none": Answer(raw=OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}"),
    "a chunk cut": Answer(raw=OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{}"),
    "gzip that is none": Answer(GOOD, headers={"Content-Encoding": "gzip"}),
    "gzip cut": Answer(gzip.compress(GOOD)[:-6], headers={"Content-Encoding": "gzip"}),
    "a bomb": Answer(gzip.compress(bytes(80 << 20)), headers={"Content-Encoding": "gzip"}),
    "HTML": Answer(b"<html>sign in</html>"),
    "JSON cut": Answer(GOOD[:-2]),
    "JSON nested deep": Answer(b"[" * 100_000),
    "nothing": Answer(b""),
    "a part": Answer(GOOD, status=206),
    "too many requests": Answer(b"{}", status=429, headers={"Retry-After": "-1"}),
    "a wait of ages": Answer(b"{}", status=429, headers={"Retry-After": "9" * 30}),
    "a server's error": Answer(b"{}", status=503),
    "forbidden": Answer(b"{}", status=403),
    "a redirect to a private address": Answer(b"", status=302, headers={"Location": "http://169.254.169.254/"}),
    "a redirect to a file": Answer(b"", status=302, headers={"Location": "file:///etc/passwd"}),
    "a redirect in a circle": Answer(b"", status=302, headers={"Location": "/names"}),
    "a header without end": Answer(raw=OK + b"X: ", drip=b"x" * 1000),
    "a body without end": Answer(drip=b" " * 65536),
}


def _fetched(home: Path, answer: Answer | None) -> Any:  # noqa: ANN401 - JSON
    """Ask a service that answers so, or well; return whether the cache holds an answer then."""
    service.FIRST_WAIT = 0.01  # type: ignore[misc] # this process does nothing else
    http.READ_SECONDS, http.WHOLE_SECONDS = 0.5, 2.0  # type: ignore[misc]
    with loopback() as running, Cache(home / "data") as cache:
        running.script = lambda _: answer or found("192.0.2.1")
        ledger = home / ("hostile.sqlite" if answer else "good.sqlite")
        fetch(cache, [source(running.home)], [("domain", HOST)], FetchOptions(ledger=ledger, patience=1.0))
        return [HOST in cache.held([HOST]), len(running.asked)]


def services(shop: Workshop) -> Tally:
    """Ask each hostile service, then a good one: the first gives no answer, the second is asked and does."""
    tally = Tally()
    for name, answer in HOSTILE.items():
        shutil.rmtree(shop.home, ignore_errors=True)
        shop.home.mkdir(parents=True)
        ended = shop.run(partial(_fetched, shop.home, answer))
        wrong = "" if ended.code == world.TOLD else ended.text
        if ended.code == world.DONE:
            held, asked = ended.value
            wrong = "taken for an answer" if held else "" if asked else "not asked"
        again = shop.run(partial(_fetched, shop.home, None))
        if again.code != world.DONE or again.value != [True, 1]:
            wrong = wrong or f"the good one after it: {again.how} {again.text}"
        tally.add(name, wrong)
    return tally


def clocks(shop: Workshop) -> Tally:
    """Keep answers of times ahead and behind: `--refresh` asks all again, `--max-age` all but the fresh ones."""
    tally = Tally()
    now = int(time.time())
    for days in (-20_000, -800, -2, -1, 0, 1, 2, 30, 800, 20_000):
        shutil.rmtree(shop.home, ignore_errors=True)
        shop.home.mkdir(parents=True)
        desk = Desk(shop.home)
        kept = world.entry(1)
        with Cache(shop.home / "data") as cache, cache.writer("prove") as writer:
            at = now + days * 86_400 + (3600 if days < 0 else 0)
            writer.add(
                Entry(
                    source=kept.source, endpoint=kept.endpoint, key=kept.key,
                    fetched_at=at, status=200, body=kept.body,
                )
            )  # fmt: skip
        for options, fresh in (((), True), (("--refresh",), False), (("--max-age", "1d"), days in {-1, 0})):
            ran = desk.run("plan", kept.key, "--source", "threatcrowd", "--json", *options)
            cached = json.loads(ran.out)["plan"]["sources"]["threatcrowd"]["cached"] if not ran.code else ran.err
            told = days <= 0 or "future" in ran.err
            wrong = f"{cached} from the cache" if cached != int(fresh) else "" if told else "the future is not told"
            tally.add(f"{days} days, {' '.join(options)}", wrong)
    return tally
