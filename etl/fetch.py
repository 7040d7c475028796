"""Fetching: asks the sources what the cache lacks, all of them side by side, and keeps every reply."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from threading import Event, Lock, Thread
from typing import Final

import msgspec

from etl.asking import PRIVATE, RETIRED, Ask, Freshness, Indicator, Shelf, questions, secrets
from etl.cache import Cache, Entry, Writer
from etl.http import Reply
from etl.judging import Verdict
from etl.service import CONNECTIONS, Service, connections
from etl.source import Outcome, Source
from etl.summary import Summary, Tally

EXCERPT: Final = 2000
TICK: Final = 0.2
GRACE: Final = 5.0
"""Seconds that requests under way are given to end when a run is interrupted."""

Progress = Callable[[Summary], None]


@dataclass(frozen=True)
class Options:
    """How to fetch.

    `patience`: the longest wait in seconds for a rate or a Retry-After; a source that asks for more is set aside.
    `pages`: how many pages of one answer are asked for. `connections`: how many at once to one source.
    """

    freshness: Freshness = field(default_factory=Freshness)
    patience: float = 90.0
    pages: int = 10
    connections: int = CONNECTIONS


class FailedBody(msgspec.Struct):
    """The body of an entry of the area `failed`: why, and how the reply began."""

    reason: str
    excerpt: str = ""


def fetch(
    cache: Cache,
    sources: Sequence[Source],
    indicators: Iterable[Indicator],
    options: Options | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Ask the sources about the indicators, as far as the cache lacks an answer that is fresh enough.

    Answers ("not found" is one) go to the cache's `raw`, failures to `failed`. `progress` is called several times a
    second, from the calling thread, with the summary as it grows. An interrupt (KeyboardInterrupt) ends the run: what
    was answered is kept, and the summary says so.

    Raises BusyError where another process writes the cache, CacheError where it can't be written, KeyMissingError
    for a key that is malformed, SourceError for a source that is.
    """
    return _Run(cache, options or Options(), progress or (lambda _: None)).go(sources, list(dict.fromkeys(indicators)))


class _Run:
    """One call of `fetch`."""

    def __init__(self, cache: Cache, options: Options, progress: Progress) -> None:
        self._cache = cache
        self._options = options
        self._progress = progress
        self._summary = Summary()
        self._shelf = Shelf(cache, options.freshness, options.pages)
        self._services: list[Service] = []
        self._writer: Writer | None = None
        self._writing = Lock()
        self._working = 0
        self._ended = Event()
        self._errors: list[BaseException] = []

    def go(self, sources: Sequence[Source], indicators: Sequence[Indicator]) -> Summary:
        """Run it."""
        try:
            with ExitStack() as stack:
                for source in sources:
                    self._add(source, indicators, stack)
                if self._services:
                    self._writer = stack.enter_context(self._cache.writer("fetch"))
                    self._work()
        except KeyboardInterrupt:
            self._summary.interrupted = True
        if self._errors:
            raise self._errors[0]
        self._progress(self._summary)
        return self._summary

    def _add(self, source: Source, indicators: Sequence[Indicator], stack: ExitStack) -> None:
        """Prepare a source; it goes to work only if there is something to ask."""
        tally = self._summary.sources[source.name] = Tally()
        keys = secrets(source)
        if source.key is not None and source.key.required and not keys and not source.retired:
            tally.needs_key = source.key.variable
        pending = self._pending(source, indicators, tally)
        first = next(pending, None)
        if first is None:
            return
        count = connections(source, self._options.connections)
        service = Service(
            source,
            chain([first], pending),
            self._shelf,
            self._keep,
            tally,
            secret=keys[0] if keys else "",
            connections=count,
            patience=self._options.patience,
            pages=self._options.pages,
        )
        stack.callback(service.close)
        self._services += [service]

    def _pending(self, source: Source, indicators: Sequence[Indicator], tally: Tally) -> Iterator[Ask]:
        """Yield what must be asked, and count what need not or can't be."""
        barred = RETIRED if source.retired else f"no key in {tally.needs_key}" if tally.needs_key else ""
        for ask, private in questions(source, indicators):
            there, missing = self._shelf.missing(ask)
            tally.cached += there
            if missing is None:
                continue
            if reason := barred or (PRIVATE if private else ""):
                tally.skipped[reason] += 1
            else:
                yield missing

    def _work(self) -> None:
        """Let every service work in threads of its own, until all are done or the user interrupts."""
        threads = [
            Thread(target=self._guard, args=(service,), name=service.source.name, daemon=True)
            for service in self._services
            for _ in range(connections(service.source, self._options.connections))
        ]
        self._working = len(threads)
        try:
            for thread in threads:
                thread.start()
            # Not Thread.join: an interrupt in it takes the thread for ended (Python 3.11).
            while not self._ended.wait(TICK):
                self._progress(self._summary)
        except KeyboardInterrupt:
            self._summary.interrupted = True
            self._stop()
            if all(thread.ident for thread in threads):
                self._ended.wait(GRACE)
        finally:
            self._stop()
            self._writer = None  # what comes later is not kept: it will be asked again
            with self._writing:  # what is being written is written
                pass

    def _guard(self, service: Service) -> None:
        """Let a service work. An error of ours (a full disk, a faulty source) ends the run, and `go` raises it."""
        try:
            service.work()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that called `fetch`
            self._errors.append(error)
            self._stop()
        with self._writing:
            self._working -= 1
            if not self._working:
                self._ended.set()

    def _stop(self) -> None:
        for service in self._services:
            service.stop()

    def _keep(self, ask: Ask, reply: Reply, verdict: Verdict) -> None:
        failed = verdict.outcome is Outcome.FAILED
        body = reply.body
        if failed:
            excerpt = body[:EXCERPT].decode("utf-8", "replace")
            body = msgspec.json.encode(FailedBody(verdict.reason, excerpt))
        entry = Entry(
            source=ask.endpoint.source.name,
            endpoint=ask.endpoint.name,
            key=ask.key,
            params=dict(ask.request.params),
            fetched_at=int(time.time()),
            status=reply.status,
            body=body,
        )
        with self._writing:
            if (writer := self._writer) is not None:
                writer.add(entry, "failed" if failed else "raw")
