"""Fetches of several machines over one Redis: one count of requests, and one queue of questions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from loopback import Answer, Loopback, found, source
from places import ROOT
from rates_kept import beyond, lag, too_many
from redis import Redis
from redis_server import RedisServer, serving
from s3_server import S3Server

from intel_grapher.cache import Cache
from intel_grapher.errors import CacheError, UsageError
from intel_grapher.fetch import redis_ledger
from intel_grapher.fetch.account import Claim, Permit
from intel_grapher.fetch.ledgers import open_ledger
from intel_grapher.objects import place
from intel_grapher.source import DAYS, Rate

FETCHER = ROOT / "tests" / "support" / "fetcher.py"
STORE = "s3://bucket/case"
CANARY = "canary-8c21f0"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with serving(tmp_path / "redis") as started:
        yield started


def fetcher(
    stack: ExitStack,
    service: Loopback,
    server: RedisServer,
    folder: Path,
    hosts: Sequence[str],
    *rates: str,
    lease: int = 6,
    data: str = "",
) -> subprocess.Popen[str]:
    """Start a fetch with a cache of its own, as on a machine of its own; `data` is the URL of a store."""
    folder.mkdir()
    (folder / "hosts").write_text("\n".join(hosts))
    process = subprocess.Popen(
        [
            sys.executable,
            str(FETCHER),
            service.home,
            data or str(folder / "data"),
            server.url,
            str(folder / "hosts"),
            *rates,
        ],
        stdout=subprocess.DEVNULL,
        stderr=stack.enter_context((folder / "log").open("w")),
        text=True,
        env={
            **os.environ,
            "LOOPBACK_KEY": CANARY,
            "QUEUE": "q",
            "LEASE": str(lease),
            "XDG_DATA_HOME": str(folder),
        },
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def test_one_request_too_many_is_seen() -> None:
    assert list(beyond([0.0, 0.3, 0.6], 2, 0.5)) == []
    assert list(beyond([0.0, 0.3, 0.45], 2, 0.5)) == [(0.0, 0.45)]


def kept(folders: Sequence[Path]) -> list[str]:
    found = []
    for folder in folders:
        with Cache(folder / "data") as cache:
            found += [record.envelope.key for each in cache.segments() for record in each.read(lambda _: None)]
    return found


def test_four_fetches_keep_to_one_limit_through_a_kill_and_a_restart(
    service: Loopback, server: RedisServer, tmp_path: Path
) -> None:
    rates = ((10, 1.0), (25, 4.0))
    service.script = lambda _: found("192.0.2.1")
    hosts = [f"h{number}.example.net" for number in range(60)]
    folders = [tmp_path / name for name in "abcd"]
    words = [str(number) for rate in rates for number in rate]
    with lag() as lags, ExitStack() as stack:
        fetchers = [fetcher(stack, service, server, each, hosts, *words) for each in folders]
        while len(service.asked) < 15:
            time.sleep(0.01)
        fetchers[0].kill()
        server.kill()
        time.sleep(0.3)
        server.start()
        codes = [each.wait(timeout=150) for each in fetchers[1:]]
    assert too_many([each.at for each in service.asked], rates, lags) == []
    assert codes == [0, 0, 0], [(folder / "log").read_text()[-2000:] for folder in folders]
    assert set(service.keys) == set(hosts)
    assert len(service.keys) - len(hosts) <= 8  # what the killed one had under way was asked again
    assert set(kept(folders)) == set(hosts)
    answered = kept(folders[1:])
    assert len(answered) == len(set(answered))  # the killed one may have kept an answer and not said so
    dump = b"".join(path.read_bytes() for path in (tmp_path / "redis").rglob("*") if path.is_file())
    assert CANARY.encode() not in dump
    assert b"h1.example.net" not in dump


def test_machines_over_one_list_and_one_store_end_with_all_of_it_there(
    service: Loopback, server: RedisServer, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert s3
    service.script = lambda _: Answer(found("192.0.2.1").body, delay=0.03)
    hosts = [f"h{number}.example.net" for number in range(60)]
    folders = [tmp_path / name for name in "abc"]
    with ExitStack() as stack:
        fetchers = [fetcher(stack, service, server, each, hosts, lease=3, data=STORE) for each in folders]
        while len(service.asked) < 20:
            time.sleep(0.01)
        fetchers[0].kill()
        codes = [each.wait(timeout=90) for each in fetchers[1:]]
    assert codes == [0, 0], [(folder / "log").read_text()[-2000:] for folder in folders]
    monkeypatch.setenv("XDG_DATA_HOME", str(folders[0]))
    with Cache(place(STORE, "data")) as cache, cache.writer():
        pass  # the next command on the machine whose fetch was killed pushes what that had kept
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "another"))
    with Cache(place(STORE, "data")) as cache:
        there = [reply.key for segment in cache.segments() for reply in cache.replies(segment)]
    assert set(there) == set(hosts)
    assert len(there) - len(hosts) <= 8  # what the killed one had kept, and not said so, was asked again


def test_what_another_fetch_asks_is_waited_for_and_taken_over_when_it_is_gone(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_ledger, "LEASE", 1.5)
    with open_ledger(server.url) as one, open_ledger(server.url) as two:
        mine, theirs, other = one.queue("q"), two.queue("q"), two.queue("another")
        assert mine.claim("a") is Claim.MINE
        wait_for_renewal(server)
        assert theirs.claim("a") is Claim.ELSEWHERE
        assert other.claim("a") is Claim.MINE  # a queue of its own
        assert theirs.claim("a") is Claim.ELSEWHERE  # renewed for as long as its process lives
        mine.end("a", answered=False)
        assert theirs.claim("a") is Claim.MINE
        theirs.end("a", answered=True)
        assert mine.claim("a") is Claim.ANSWERED
        assert mine.claim("b") is Claim.MINE
        mine.close()
        assert theirs.claim("b") is Claim.MINE
        for each in (theirs, other):
            each.close()


def wait_for_renewal(server: RedisServer) -> None:
    """Wait until the one claim that there is lasts longer than a moment before."""
    with Redis.from_url(server.url) as client:
        (claim,) = client.scan_iter("*:claim:*")
        left = client.pttl(claim)
        while (now := client.pttl(claim)) <= left:
            assert now > 0, "it has ended"
            left = now
            time.sleep(0.01)


def test_a_redis_that_lost_its_data_ends_the_fetch(server: RedisServer) -> None:
    with open_ledger(server.url) as ledger:
        account = ledger.account(source("http://127.0.0.1:1", limits=(Rate(1, per=DAYS),)))
        assert isinstance(account.take(), Permit)
        Redis.from_url(server.url).flushall()
        with pytest.raises(CacheError, match=r"lost what it counted.*appendonly yes"):
            account.take()


def test_a_redis_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(CacheError, match=r"redis://127\.0\.0\.1:1/0 can't be used.*running"):
        open_ledger("redis://127.0.0.1:1/0")
    assert time.monotonic() - began < redis_ledger.SECONDS * redis_ledger.FIRST_ATTEMPTS
    with pytest.raises(UsageError, match="REDIS_PASSWORD") as refused:
        open_ledger("redis://me:hidden-secret@127.0.0.1:1/0")
    assert "hidden-secret" not in str(refused.value)
    with pytest.raises(UsageError, match="redis://HOST"):
        open_ledger(tmp_path / "ledger.sqlite").queue("q")


def test_a_password_is_the_secret_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path / "redis", "--requirepass", "let-me-in") as server:
        monkeypatch.setenv("REDIS_PASSWORD", "wrong")
        with pytest.raises(CacheError, match="REDIS_PASSWORD right") as refused:
            open_ledger(server.url)
        assert "wrong" not in str(refused.value).replace("WRONGPASS", "").partition("Is it")[0]
        monkeypatch.setenv("REDIS_PASSWORD", "let-me-in")
        open_ledger(server.url).close()


def test_an_interrupted_fetch_frees_what_it_claimed(service: Loopback, server: RedisServer, tmp_path: Path) -> None:
    hosts = [f"h{number}.example.net" for number in range(40)]
    service.script = lambda _: Answer(found("192.0.2.1").body, delay=0.05)
    with ExitStack() as stack:
        first = fetcher(stack, service, server, tmp_path / "a", hosts, lease=600)
        while len(service.asked) < 10:
            time.sleep(0.01)
        first.send_signal(signal.SIGINT)
        first.wait(timeout=60)
        second = fetcher(stack, service, server, tmp_path / "b", hosts)
        assert second.wait(timeout=90) == 0
    answered = kept([tmp_path / "a", tmp_path / "b"])
    assert sorted(answered) == sorted(hosts)
