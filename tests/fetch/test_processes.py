from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from loopback import Answer, Asked, Loopback, found
from places import ROOT
from rates_kept import lag, too_many

from intel_grapher.cache import Cache

CANARY = "canary-5f3a91"
FETCHER = ROOT / "tests" / "support" / "fetcher.py"


@contextmanager
def fetching(
    service: Loopback, tmp_path: Path, hosts: list[str], *rates: str, data: str = "data"
) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / f"{data}.txt").write_text("\n".join(hosts))
    command = [sys.executable, str(FETCHER), service.home, str(tmp_path / data), str(tmp_path / "ledger.sqlite")]
    process = subprocess.Popen(
        [*command, str(tmp_path / f"{data}.txt"), *rates],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "LOOPBACK_KEY": CANARY},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def kept(root: Path) -> list[str]:
    with Cache(root) as cache:
        return [record.envelope.key for segment in cache.segments() for record in segment.read(lambda _: None)]


def test_killed_at_any_moment_it_goes_on_where_it_was(service: Loopback, tmp_path: Path) -> None:
    hosts = [f"h{n}.example.net" for n in range(120)]
    service.script = lambda _: Answer(found("192.0.2.1").body, delay=0.02)
    chance = random.Random(1)  # noqa: S311 - moments to kill at
    done: set[str] = set()
    kills = 0
    while True:
        before = len(service.asked)
        with fetching(service, tmp_path, hosts) as process:
            while len(service.asked) == before and process.poll() is None:
                time.sleep(0.002)
            time.sleep(chance.uniform(0.0, 0.1))
            if kills == 8:
                assert process.wait(timeout=60) == 0
            else:
                process.kill()
            process.wait(timeout=60)
        asked = set(service.keys[before:])
        assert not asked & done  # nothing that was kept is asked again
        done = set(kept(tmp_path / "data"))
        if kills == 8:
            break
        kills += 1
    everything = kept(tmp_path / "data")
    assert sorted(everything) == sorted(hosts)  # nothing lost, nothing doubled
    assert len(service.asked) - len(hosts) <= kills * 8  # what was on its way when it was killed


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_soon_and_keeps_all(service: Loopback, tmp_path: Path, end: signal.Signals) -> None:
    hosts = [f"h{n}.example.net" for n in range(500)]
    service.script = lambda _: Answer(found("192.0.2.1").body, delay=0.02)
    with fetching(service, tmp_path, hosts) as process:
        while len(service.asked) < 20 and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(end)
        process.wait(timeout=60)
    assert len(service.asked) < 500
    missing = set(service.keys) - set(kept(tmp_path / "data"))
    assert len(missing) <= (0 if end == signal.SIGINT else 8)


def test_two_processes_at_once_keep_to_the_limits(service: Loopback, tmp_path: Path) -> None:
    service.script = lambda _: found("192.0.2.1")
    halves = [[f"{side}{n}.example.net" for n in range(40)] for side in "ab"]
    rates = ((10, 0.5), (30, 2.0))
    words = [str(number) for rate in rates for number in rate]
    with (
        lag() as lags,
        fetching(service, tmp_path, halves[0], *words, data="one") as one,
        fetching(service, tmp_path, halves[1], *words, data="two") as two,
    ):
        codes = [process.wait(timeout=120) for process in (one, two)]
    assert too_many([each.at for each in service.asked], rates, lags) == []
    assert codes == [0, 0]
    assert sorted(service.keys) == sorted(halves[0] + halves[1])


def test_a_second_process_on_one_cache_is_told_of_the_first(service: Loopback, tmp_path: Path) -> None:
    hosts = [f"h{n}.example.net" for n in range(20)]
    is_over = threading.Event()

    def script(_: Asked) -> Answer:
        is_over.wait(60)  # the first is at work for as long as the second is
        return found("192.0.2.1")

    service.script = script
    with fetching(service, tmp_path, hosts) as first:
        while not service.asked and first.poll() is None:
            time.sleep(0.005)
        with fetching(service, tmp_path, hosts) as second:
            out, _ = second.communicate(timeout=60)
        is_over.set()
    assert second.returncode != 0
    assert f"BusyError: {tmp_path / 'data'} is in use by process {first.pid} (fetch)" in out


def test_a_canary_key_is_found_nowhere(service: Loopback, tmp_path: Path) -> None:
    def script(asked: Asked) -> Answer:
        echo = json.dumps({"found": True, "addresses": [], "error": f"{asked.path}?{asked.query}"}).encode()
        number = int(asked.key.partition(".")[0][1:])
        return [
            Answer(echo, delay=0.2),
            Answer(echo, 404),
            Answer(echo, 500),
            Answer(echo, 403),
            Answer(b"<" + echo),
            Answer(echo, cut=9),
            Answer(echo, 302, {"Location": f"https://elsewhere.example/?apikey={CANARY}"}),
            Answer(echo, 302, {"Location": f"/names?q={asked.key}&apikey={CANARY}"}),
            Answer(echo, headers={"Content-Encoding": "gzip"}),
            Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n" + CANARY.encode() + b"\r\n\r\n"),
        ][number % 10]

    service.script = script
    with fetching(service, tmp_path, [f"h{n}.example.net" for n in range(20)]) as process:
        while len(service.asked) < 2 and process.poll() is None:
            time.sleep(0.002)
        lines = [path.read_bytes() for path in Path(f"/proc/{process.pid}/").glob("cmdline")]
        out, _ = process.communicate(timeout=60)
    assert len(service.asked) >= 10
    assert all(each.query["apikey"] == CANARY for each in service.asked)
    assert "Tally" in out
    assert CANARY not in out
    assert lines
    assert all(CANARY.encode() not in line for line in lines)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "ledger.sqlite" for path in files)
    assert any("failed" in path.parts for path in files)
    for path in files:
        assert CANARY.encode() not in path.read_bytes(), path


def test_a_canary_key_is_in_no_traceback(service: Loopback, tmp_path: Path) -> None:
    place = tmp_path / "data" / "raw" / "loopback"
    place.mkdir(parents=True)
    (place / "names").write_text("a file where a folder must be")
    with fetching(service, tmp_path, ["h1.example.net"]) as process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" in out
    assert "CacheError" in out
    assert CANARY not in out
