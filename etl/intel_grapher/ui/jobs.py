"""Fetch, transform and load as the command line does them, in a process of their own, with progress; one at a time."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from intel_grapher.analyst.overrides import overrides_of
from intel_grapher.cache import Cache
from intel_grapher.errors import BusyError, GrapherError
from intel_grapher.fetch.asking import Indicator
from intel_grapher.fetch.run import Options as FetchOptions
from intel_grapher.fetch.run import fetch
from intel_grapher.fetch.summary import Summary
from intel_grapher.files import Files
from intel_grapher.load import Embedded, Retraction, Server, load
from intel_grapher.source import discover, named
from intel_grapher.transform.run import Options as TransformOptions
from intel_grapher.transform.run import transform

WAIT = 0.5
TRIES = 60  # times WAIT: how long another process at the cache or the files is waited for


@dataclass(frozen=True)
class Places:
    """Where a job works."""

    data: Path
    import_: Path
    target: Embedded | Server


@dataclass
class Job:
    """What was asked for, and how far it is. `done` of `of` is of the stage; `error` is why it ended early."""

    number: int
    title: str
    stage: str = "waiting"
    done: int = 0
    of: int = 0
    ended: bool = False
    error: str = ""
    said: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.time)


class Jobs:
    """Runs jobs one after the other. A rebuild that waits takes in what is asked for meanwhile."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._numbers = itertools.count(1)
        self._jobs: dict[int, Job] = {}
        self._queue: list[tuple[Job, list[Indicator], list[str]]] = []
        self._lock = threading.Condition()
        self._process: Any = None
        self._closed = False
        threading.Thread(target=self._run, name="jobs", daemon=True).start()

    def rebuild(self, title: str) -> Job:
        """Ask for files and graph to be made anew."""
        with self._lock:
            for job, indicators, _ in self._queue:
                if not indicators and job.stage == "waiting":
                    return job
            return self._add(title, [], [])

    def enrich(self, title: str, indicators: Sequence[Indicator], sources: Sequence[str]) -> Job:
        """Ask sources about indicators, then make files and graph anew."""
        with self._lock:
            return self._add(title, list(indicators), list(sources))

    def get(self, number: int) -> Job | None:
        """Return a job by its number."""
        return self._jobs.get(number)

    def running(self) -> list[Job]:
        """Return the jobs that have not ended."""
        return [each for each in self._jobs.values() if not each.ended]

    def close(self) -> None:
        """End what runs; what it has fetched is kept."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()
            process = self._process
        if process is not None and process.is_alive():
            process.terminate()
            process.join(5)

    def _add(self, title: str, indicators: list[Indicator], sources: list[str]) -> Job:
        job = Job(next(self._numbers), title)
        self._jobs[job.number] = job
        self._queue.append((job, indicators, sources))
        self._lock.notify_all()
        return job

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._queue and not self._closed:
                    self._lock.wait()
                if self._closed:
                    return
                job, indicators, sources = self._queue.pop(0)
                job.stage = "starting"
            self._work(job, indicators, sources)

    def _work(self, job: Job, indicators: list[Indicator], sources: list[str]) -> None:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_job, args=(there, self._places, indicators, sources), name="job")
        process.start()
        there.close()
        self._process = process
        try:
            while True:
                what, *values = here.recv()
                if what == "stage":
                    job.stage, job.done, job.of = values[0], 0, 0
                elif what == "progress":
                    job.done, job.of = values
                elif what == "said":
                    job.said.append(values[0])
                else:
                    job.error = values[0] if values else ""
                    break
        except EOFError:
            job.error = "it was ended before it was done; what was fetched is kept"
        process.join()
        self._process = None
        job.ended = True


def _job(to: Connection, places: Places, indicators: list[Indicator], sources: list[str]) -> None:
    """Do the work, and tell of it."""

    def tell(*message: object) -> None:
        to.send(message)

    latest = 0.0

    def progress(done: int, of: int) -> None:
        nonlocal latest
        if time.monotonic() - latest > 0.1:  # noqa: PLR2004 - ten times a second is enough for a bar
            latest = time.monotonic()
            tell("progress", done, of)

    try:
        if indicators:
            tell("stage", "fetch")
            with Cache(places.data) as cache:
                known = discover()
                chosen = [named(each, known) for each in sources]
                told = lambda now: progress(*_asked(now))  # noqa: E731 - one line of it
                summary = _patiently(lambda: fetch(cache, chosen, indicators, FetchOptions(), told))
            for line in _told(summary):
                tell("said", line)
        tell("stage", "transform")
        with Cache(places.data) as cache:
            _patiently(lambda: _transform(cache, places.import_, progress))
        tell("stage", "load")
        loaded = _patiently(
            lambda: load(
                Files(places.import_),
                places.target,
                retraction=_retraction(places),
                progress=lambda _step, done, of: progress(done, of),
            )
        )
        tell("said", f"{loaded.nodes} nodes, {loaded.relationships} relationships")
        tell("done")
    except GrapherError as wrong:
        tell("failed", str(wrong))


def _transform(cache: Cache, place: Path, progress: Callable[[int, int], None]) -> None:
    options = TransformOptions()
    options.progress = lambda _step, done, of: progress(done, of)
    transform(cache, place, options)


def _retraction(places: Places) -> Retraction | None:
    """Return what the analyst's entries took out, which a Neo4j may still hold: a load merges."""
    if isinstance(places.target, Embedded):
        return None
    with Cache(places.data) as cache:
        return Retraction(*overrides_of(cache).stale)


def _patiently(work: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the work gives
    """Do some work as soon as no other process is in the way."""
    for left in range(TRIES, 0, -1):
        try:
            return work()
        except BusyError:
            if left == 1:
                raise
            time.sleep(WAIT)
    raise AssertionError


def _asked(summary: Summary) -> tuple[int, int]:
    tallies = summary.sources.values()
    return sum(each.asked for each in tallies), sum(each.to_ask for each in tallies)


def _told(summary: Summary) -> list[str]:
    return [
        f"{name}: {each.found} found, {each.not_found} not found, {each.cached} kept already"
        + "".join(f", {count} {reason}" for reason, count in (*each.failed.items(), *each.skipped.items()))
        for name, each in summary.sources.items()
        if each.asked or each.cached or each.skipped
    ]
