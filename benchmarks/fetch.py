"""How fast fetching is, against a service on the loopback address.

    fetch.py [small|full]

limits      what of its limits is used, and whether one was broken
unlimited   requests a second, against a bare loop over requests.Session with as many connections
plan        a million indicators (small: 200,000): seconds, and peak memory
cached      microseconds for an indicator whose answer is there, against requests-cache with its SQLite backend
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import requests
from msgspec import Struct

from intel_grapher.cache import Cache, Entry
from intel_grapher.fetch.asking import Indicator
from intel_grapher.fetch.plan import plan
from intel_grapher.fetch.run import FetchOptions, fetch
from intel_grapher.model import Facts
from intel_grapher.registry import Registry
from intel_grapher.schema import RESOLVES, Address, Hostname
from intel_grapher.source import Rate, Source

FULL = sys.argv[1:] == ["full"]
OUT = Path(__file__).parent / "out" / "fetch.json"
sys.path.append(str(OUT.parent / "requests-cache"))  # last: what it brings along must not take our own's place
SECONDS = 20.0 if FULL else 8.0
CASES: list[tuple[float, list[tuple[int, float]]]] = [
    (0.05, [(20, 1.0)]),
    (0.02, [(10, 0.5), (30, 2.0)]),
    (0.2, [(40, 1.0)]),
    (0.1, [(4, 0.5)]),
]
UNLIMITED = 4000 if FULL else 2000
ROUNDS = 3
CONNECTIONS = 8
PLANNED = 1_000_000 if FULL else 200_000
CACHED = 100_000 if FULL else 20_000


class Reply(Struct):
    """What the service answers."""

    found: bool = True
    addresses: list[Address] = []
    next: str = ""


def source(home: str, rates: list[tuple[int, float]]) -> Source:
    """Return the service as a source."""
    made = Source("bench", title="Bench", home=home, limits=tuple(Rate(n, per) for n, per in rates))

    @made.get("/names", {"q": "{key}"})
    def names(asked: Hostname, reply: Reply) -> Facts:
        """Addresses of a name."""
        yield RESOLVES.each(asked, reply.addresses)

    return made


def hosts(many: int) -> Iterator[Indicator]:
    """Yield so many names."""
    return (("domain", f"host{n}.example.com") for n in range(many))


@contextmanager
def service(latency: float, rates: list[tuple[int, float]]) -> Iterator[str]:
    """Run the service in a process of its own; give its address."""
    figures = [str(figure) for rate in rates for figure in rate]
    command = [sys.executable, str(Path(__file__).with_name("counting_service.py")), str(latency), *figures]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.communicate("")


@contextmanager
def cache() -> Iterator[Cache]:
    """Give an empty cache."""
    with tempfile.TemporaryDirectory() as folder, Cache(Path(folder)) as opened:
        yield opened


def ideal(rates: list[tuple[int, float]], requests_: int) -> float:
    """Return in how many seconds the last of so many requests may be sent, if no time at all is lost."""
    times: list[float] = []
    for number in range(requests_):
        times.append(max([0.0, *(times[number - n] + per for n, per in rates if number >= n)]))
    return times[-1]


def limits() -> tuple[dict[str, float], dict[str, float]]:
    """Measure how much of its limits a fetch uses."""
    ratios: dict[str, float] = {}
    broken = 0.0
    for latency, rates in CASES:
        many = next(number for number in range(1, 10**6) if ideal(rates, number + 1) > SECONDS)
        with service(latency, rates) as home, cache() as opened:
            fetch(opened, [source(home, rates)], hosts(many))
            seen = requests.get(f"{home}/counted", timeout=10).json()
        name = " and ".join(f"{n} in {per:g} s" for n, per in rates) + f", {latency * 1000:.0f} ms"
        ratios[f"of the limit: {name}"] = ideal(rates, many) / seen["seconds"]
        broken += seen["broken"] + abs(many - seen["requests"])
    return ratios, {"limits broken": broken}


def bare(home: str, many: int) -> float:
    """Return the requests a second of a bare loop."""
    waiting = (key for _, key in hosts(many))
    taking = Lock()

    def loop() -> None:
        with requests.Session() as session:
            while True:
                with taking:
                    chunk = list(islice(waiting, 1))
                if not chunk:
                    return
                session.get(f"{home}/names", params={"q": chunk[0]}, timeout=(10, 30)).json()

    started = time.perf_counter()
    threads = [Thread(target=loop) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return many / (time.perf_counter() - started)


def ours(home: str, many: int) -> float:
    """Return the requests a second of a fetch into an empty cache."""
    with cache() as opened:
        started = time.perf_counter()
        summary = fetch(opened, [source(home, [])], hosts(many), FetchOptions(connections=CONNECTIONS))
        took = time.perf_counter() - started
    if summary.total.found != many:
        sys.exit(f"only {summary.total.found} of {many} were answered")
    return many / took


def unlimited() -> tuple[dict[str, float], dict[str, float]]:
    """Measure a fetch without limits against a bare loop; the best of some rounds each, in turn."""
    ratios: dict[str, float] = {}
    figures: dict[str, float] = {}
    for latency in (0.0, 0.02):
        with service(latency, []) as home:
            rounds = [(bare(home, UNLIMITED), ours(home, UNLIMITED)) for _ in range(ROUNDS)]
        loop, mine = (max(each) for each in zip(*rounds, strict=True))
        ratios[f"of a bare loop: {latency * 1000:.0f} ms"] = mine / loop
        figures[f"requests a second, {latency * 1000:.0f} ms"] = mine
        figures[f"of the bare loop, {latency * 1000:.0f} ms"] = loop
    return ratios, figures


def planned() -> tuple[dict[str, float], dict[str, float]]:
    """Measure a plan over all sources, in a process of its own."""

    def indicators() -> Iterator[Indicator]:
        for n in range(PLANNED // 2):
            yield "domain", f"{n * 2654435761 % 2**32:08x}.example{n % 1000}.com"
            yield "ip", f"{8 + n % 2}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"

    with cache() as opened:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        made = plan(opened, list(Registry.installed().values()), indicators())
        took = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {}, {
        f"seconds to plan {made.indicators:,} indicators": took,
        "peak memory of that, MiB": after / 1024,
        "of it beyond the start, MiB": (after - before) / 1024,
    }


def cached() -> tuple[dict[str, float], dict[str, float]]:
    """Measure a fetch of what is there."""
    body = json.dumps({"found": True, "addresses": ["192.0.2.1", "192.0.2.2"], "next": ""}).encode()
    with cache() as opened:
        with opened.writer() as writer:
            for _, key in hosts(CACHED):
                writer.add(Entry(source="bench", endpoint="names", key=key, fetched_at=1, status=200, body=body))
        made = source("http://127.0.0.1:9", [])
        started = time.perf_counter()
        summary = fetch(opened, [made], hosts(CACHED))
        mine = (time.perf_counter() - started) / CACHED * 1e6
    if summary.total.cached != CACHED:
        sys.exit(f"only {summary.total.cached} of {CACHED} were there")
    figures = {"microseconds for a cached indicator": mine}
    other = with_requests_cache()
    if other is None:
        print("requests-cache is not there: `make bench-fetch` installs it")
        return {}, figures
    return {"times as quick as requests-cache": other / mine}, {**figures, "microseconds of requests-cache": other}


def with_requests_cache() -> float | None:
    """Return the microseconds that requests-cache takes for a cached answer; None where it is not installed."""
    try:
        from requests_cache import CachedSession  # noqa: PLC0415 - only measured, and not always there
    except ImportError:
        return None
    many = CACHED // 20
    with service(0.0, []) as home, tempfile.TemporaryDirectory() as folder:
        session = CachedSession(str(Path(folder) / "cache.sqlite"), backend="sqlite")
        for _ in range(2):
            started = time.perf_counter()
            for _, key in hosts(many):
                session.get(f"{home}/names", params={"q": key}, timeout=10).json()
            took = time.perf_counter() - started
        session.close()
    return took / many * 1e6


def main() -> None:
    """Measure, print, write."""
    ratios: dict[str, float] = {}
    figures: dict[str, float] = {}
    parts: list[Callable[[], tuple[dict[str, float], dict[str, float]]]] = [planned, limits, unlimited, cached]
    for part in parts:
        for into, found in zip((ratios, figures), part(), strict=True):
            into.update(found)
    wide = max(map(len, [*ratios, *figures]))
    for title, table in (("ratios", ratios), ("figures", figures)):
        print(title)
        for name, value in table.items():
            print(f"  {name:<{wide}}  {value:>12,.3f}")
    OUT.parent.mkdir(exist_ok=True)
    document: dict[str, Any] = {"ratios": ratios, "figures": figures}
    OUT.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
