"""The page's jobs: the pipeline in a process of its own, one job at a time, with progress and a result."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from typing import Literal

from intel_grapher import pipeline
from intel_grapher.errors import GrapherError
from intel_grapher.fetch.asking import Indicator
from intel_grapher.fetch.summary import Summary
from intel_grapher.files import Manifest
from intel_grapher.load import Loaded
from intel_grapher.pipeline import Places
from intel_grapher.registry import Registry
from intel_grapher.ui.worker import Work, Worker

PATIENCE = 30.0  # seconds to wait for another process at the cache, the files or the graph
CANCELLED = "it was cancelled; what was fetched is kept"
REPORT_INTERVAL = 0.1  # seconds between two reports of progress: enough for a bar
Kind = Literal["ask", "rebuild"]


@dataclass
class Job:
    """A job and its progress.

    kind          "ask" asks sources first, "rebuild" only makes the files and the graph anew
    stage         "waiting", "starting", or a stage of the pipeline
    done, of      units of the stage that are done, and all of them; 0 while unknown
    said          sentences about the result
    trouble       what stands in the way of sources that are being asked, one sentence each
    error         the reason why it ended early, or why no source answered; empty if neither
    started       epoch seconds
    read          whether a person has read the result; that of a rebuild without an error needs no reader
    """

    number: int
    kind: Kind
    title: str
    stage: str = "waiting"
    done: int = 0
    of: int = 0
    ended: bool = False
    error: str = ""
    said: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.time)
    read: bool = False


@dataclass(frozen=True)
class _Task:
    """What a job has to do: ask the named sources about indicators, if there are any."""

    indicators: tuple[Indicator, ...] = ()
    sources: tuple[str, ...] = ()


class Jobs:
    """Runs jobs one after the other. A rebuild that still waits serves every edit that is made meanwhile."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._numbers = itertools.count(1)
        self._jobs: dict[int, Job] = {}
        self._tasks: dict[int, _Task] = {}
        self._queue: list[Job] = []
        self._current: Job | None = None
        self._lock = threading.Condition()
        self._worker: Worker | None = None
        self._closed = False
        threading.Thread(target=self._run, name="jobs", daemon=True).start()

    def rebuild(self, title: str) -> Job:
        """Return the job that makes files and graph anew: the one that waits, or a new one."""
        with self._lock:
            for job in self._queue:
                if job.kind == "rebuild":
                    return job
            return self._add("rebuild", title, _Task())

    def enrich(self, title: str, indicators: Sequence[Indicator], sources: Sequence[str]) -> Job:
        """Return a new job that asks the named sources about indicators, then makes files and graph anew."""
        with self._lock:
            return self._add("ask", title, _Task(tuple(indicators), tuple(sources)))

    def retry(self, number: int) -> Job | None:
        """Return a new job that does what an ended one had to do; None if there is no such job."""
        with self._lock:
            job = self._jobs.get(number)
            return self._add(job.kind, job.title, self._tasks[number]) if job and job.ended else None

    def cancel(self, number: int) -> Job | None:
        """Return a job that was made to end: one that waits does nothing; one that runs is stopped where it is.

        What was fetched stays in the cache, and files and graph are as they were before the stage that is stopped.
        """
        with self._lock:
            job = self._jobs.get(number)
            if job in self._queue:
                self._queue.remove(job)
                job.error, job.ended = CANCELLED, True
            elif job is not None and job is self._current:
                job.error = CANCELLED
                if self._worker is not None:
                    self._worker.terminate()
        return job

    def get(self, number: int) -> Job | None:
        """Return a job by its number."""
        return self._jobs.get(number)

    def all(self) -> list[Job]:
        """Return all jobs of this server, the newest first."""
        return [self._jobs[number] for number in sorted(self._jobs, reverse=True)]

    def running(self) -> list[Job]:
        """Return the jobs that have not ended."""
        return [job for job in self._jobs.values() if not job.ended]

    def close(self) -> None:
        """End the running job and take no more. What was fetched stays in the cache."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()
            worker = self._worker
        if worker is not None:
            worker.terminate()

    def warm(self) -> None:
        """Start the process that does jobs, if there is none yet: its start takes longer than most edits."""
        with self._lock:
            if self._worker is None and not self._closed:
                self._worker = Worker(_prepared, "job")

    def _ready(self, job: Job, task: _Task) -> Worker | None:
        """Return the process that has begun a task, the one there is or a new one; None where no more is begun."""
        for _ in range(2):  # one that waited may have ended meanwhile; where a new one does not begin, none will
            self.warm()
            with self._lock:
                worker = self._worker
            if worker is None:
                break
            if worker.begin((self._places, task)):
                with self._lock:
                    if job.error or self._closed:  # it was cancelled before it began
                        worker.terminate()
                return worker
            with self._lock:
                self._worker = None
            worker.close()
        return None

    def _add(self, kind: Kind, title: str, task: _Task) -> Job:
        job = Job(next(self._numbers), kind, title)
        self._jobs[job.number] = job
        self._tasks[job.number] = task
        self._queue.append(job)
        self._lock.notify_all()
        return job

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._queue and not self._closed:
                    self._lock.wait()
                if self._closed:
                    return
                self._current = job = self._queue.pop(0)
                job.stage = "starting"
            self._work(job, self._tasks[job.number])

    def _work(self, job: Job, task: _Task) -> None:
        worker = self._ready(job, task)
        if worker is None or not _heard(job, worker):
            job.error = job.error or "it was ended before it was done; what was fetched is kept"
            with self._lock:
                self._worker = None
            if worker is not None:
                worker.close()
        with self._lock:
            self._current = None
            job.read = job.kind == "rebuild" and not job.error
            job.ended = True


def _heard(job: Job, worker: Worker) -> bool:
    """Take in what a job tells, until it has ended; return False where its process has ended before that."""
    try:
        while True:
            message, *values = worker.receive()
            if message == "progress":
                job.stage, job.done, job.of = values
            elif message == "said":
                job.said.append(values[0])
            elif message == "trouble":
                job.trouble = values[0]
            elif message == "failed":
                job.error = values[0]
            else:
                return True
    except EOFError:
        return False


def _prepared() -> Work:
    """Return what does jobs, in the process for them: with all sources loaded."""
    return partial(_job, Registry.installed())


def _job(registry: Registry, sender: Connection, job: tuple[Places, _Task]) -> None:
    """Run the pipeline, in the process for jobs. Sends its progress, sentences on its results, errors, and the end."""
    places, task = job
    shown, latest = "", 0.0
    asked: dict[str, tuple[int, int]] = {}

    def progress(stage: str, step: str, done: int, total: int) -> None:
        nonlocal shown, latest
        if stage == "fetch" and step:
            asked[step] = done, total
            done, total = sum(each for each, _ in asked.values()), sum(each for _, each in asked.values())
        now = time.monotonic()
        if stage != shown or now - latest > REPORT_INTERVAL:
            shown, latest = stage, now
            sender.send(("progress", stage, done, total))

    def finished(result: Summary | Manifest | Loaded) -> None:
        for sentence in _sentences(result):
            sender.send(("said", sentence))
        if isinstance(result, Summary) and (failure := _failure(result)):
            if not result.total.cached:  # nothing came in, and nothing may have come in before
                raise GrapherError(failure)
            sender.send(("failed", failure))

    options = pipeline.PipelineOptions(
        progress=progress, fetched=_telling_trouble(sender), finished=finished, patience=PATIENCE
    )
    try:
        chosen = [registry.named(name) for name in task.sources]
        pipeline.run(places, task.indicators, sources=chosen, registry=registry, options=options)
    except GrapherError as error:
        sender.send(("failed", str(error)))
    sender.send(("ended",))


def _telling_trouble(sender: Connection) -> Callable[[Summary], None]:
    """Return what sends the trouble of a fetch whenever it changes."""
    told: list[str] = []

    def tell(summary: Summary) -> None:
        if (trouble := _trouble(summary)) != told:
            told[:] = trouble
            sender.send(("trouble", trouble))

    return tell


def _trouble(summary: Summary) -> list[str]:
    """Return what keeps sources from answering while they are asked: what is tried again, and what was given up."""
    found = []
    for name, tally in sorted(summary.sources.items()):
        if tally.aside:
            found.append(f"{name}: {tally.aside}" + (f"; set {tally.needs_key}" if tally.needs_key else ""))
        elif tally.trouble:
            found.append(f"{name}: {tally.trouble}; asked again")
        elif tally.failed:
            found.append(f"{name}: {', '.join(tally.failed)}")
    return found


def _failure(summary: Summary) -> str:
    """Return why a fetch that asked something has no answer at all; empty if it has one, or needed none."""
    tallies = {name: tally for name, tally in summary.sources.items() if tally.failed or tally.aside}
    if not tallies or any(tally.found or tally.not_found for tally in summary.sources.values()):
        return ""
    reasons = [
        f"{name}: {', '.join(tally.failed) or tally.aside}" + (f"; set {tally.needs_key}" if tally.needs_key else "")
        for name, tally in tallies.items()
    ]
    return f"no source answered ({'; '.join(reasons)}); try again later, or mend what is named"


def _sentences(result: Summary | Manifest | Loaded) -> list[str]:
    """Return what the page tells of a stage's result."""
    if isinstance(result, Summary):
        return [
            f"{name}: {tally.found} found, {tally.not_found} not found, {tally.cached} kept already"
            + "".join(f", {count} {reason}" for reason, count in (*tally.failed.items(), *tally.skipped.items()))
            for name, tally in result.sources.items()
            if tally.asked or tally.cached or tally.skipped
        ]
    if isinstance(result, Loaded):
        return [f"{result.nodes} nodes, {result.relationships} relationships"]
    return []
