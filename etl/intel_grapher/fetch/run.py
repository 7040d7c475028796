"""Fetching: asks the sources what the cache lacks, all of them side by side, and keeps every reply."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Final, Self

from intel_grapher.cache import Cache, Entry, FailedBody, Writer
from intel_grapher.fetch import forecast
from intel_grapher.fetch.asking import Ask, Freshness, Indicator, secrets
from intel_grapher.fetch.forecast import Outlook
from intel_grapher.fetch.frontier import Frontier
from intel_grapher.fetch.hops import Hops, follow
from intel_grapher.fetch.http import Reply, hang_up_on_the_slow
from intel_grapher.fetch.ledger import Ledger
from intel_grapher.fetch.service import ApiKeySlot, Budget, Limits, Service
from intel_grapher.fetch.shelf import Shelf
from intel_grapher.fetch.summary import Summary, Tally
from intel_grapher.fetch.survey import bars, pending, survey
from intel_grapher.source import Source
from intel_grapher.verdict import Verdict

TICK: Final = 0.2
OUTLOOK_SECONDS: Final = 2.0
RATE_SECONDS: Final = 10.0
GRACE: Final = 5.0
"""Seconds that requests under way are given to end when a run is interrupted."""

Progress = Callable[[Summary], None]


@dataclass(frozen=True)
class Options:
    """How to fetch.

    `patience`: the longest wait in seconds for a limit or a Retry-After; a source that asks for more is set aside.
    `pages`: how many pages of one answer are asked for. `connections`: how many at once to one source; None for what
    its limits have a use for.
    `requests`: how many may be sent in all; None for any number.
    `ledger`: the file that counts what was sent; None for `ledger.sqlite` beside the cache's index.
    """

    freshness: Freshness = field(default_factory=Freshness)
    hops: Hops = field(default_factory=Hops)
    patience: float = 90.0
    pages: int = 10
    connections: int | None = None
    requests: int | None = None
    ledger: Path | None = None

    def ledger_at(self, cache: Cache) -> Path:
        """Return where the ledger is."""
        return self.ledger or cache.root / "ledger.sqlite"


def fetch(
    cache: Cache,
    sources: Sequence[Source],
    indicators: Iterable[Indicator],
    options: Options | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Ask the sources about the indicators, and about what the answers lead to, as far as the cache lacks an answer.

    Answers ("not found" is one) go to the cache's `raw`, failures to `failed`. `progress` is called several times a
    second, from the calling thread, with the summary as it grows. An interrupt (KeyboardInterrupt) ends the run: what
    was answered is kept, and the summary says so.

    Raises BusyError where another process writes the cache, CacheError where it can't be written, KeyMissingError
    for a key that is malformed, SourceError for a source that is.
    """
    with Run(cache, sources, options, progress) as run:
        return run.ask_about(indicators)


class Run:
    """One run over some sources. Use it in a `with`, once."""

    def __init__(
        self,
        cache: Cache,
        sources: Sequence[Source],
        options: Options | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._cache = cache
        self._sources = sources
        self._options = options or Options()
        self._progress = progress or (lambda _: None)
        self.summary = Summary({source.name: Tally() for source in sources})
        self._shelf = Shelf(cache, self._options.freshness, self._options.pages)
        self._budget = Budget(self._options.requests)
        self._services: dict[str, Service] = {}
        self._stack = ExitStack()
        self._ledger: Ledger | None = None
        self._writer: Writer | None = None
        self._writing = Lock()
        self._working = 0
        self._ended = Event()
        self._errors: list[BaseException] = []
        self._closed = False
        self._paces: dict[str, deque[tuple[float, int]]] = {}
        self._reckoned = 0.0

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what it opened."""
        self._stack.__exit__(kind, error, trace)

    def ask_about(self, indicators: Iterable[Indicator]) -> Summary:
        """Ask about indicators, and hop by hop about what the answers lead to."""
        try:
            with Frontier() as frontier:
                frontier.add(indicators)
                start = 1
                for hop in range(self._options.hops.depth + 1):
                    stop = len(frontier) + 1
                    self._ask_from(frontier, start)
                    if self.summary.interrupted or hop == self._options.hops.depth:
                        break
                    self._sync()
                    trail = follow(self._cache, self._sources, frontier, self._options.hops, start=start, stop=stop)
                    self.summary.left_out += trail.left_out
                    frontier.add(step.indicator for step in trail.steps)
                    start = stop
                self.summary.indicators = len(frontier)
        except KeyboardInterrupt:
            self.summary.interrupted = True
        return self._finish()

    def ask_again(self, asks: Iterable[Ask]) -> Summary:
        """Ask single questions, whatever the cache holds."""
        by_source: dict[str, list[Ask]] = {}
        for ask in asks:
            by_source.setdefault(ask.question.name[0], []).append(ask)
        todo = {}
        for source in self._sources:
            mine = by_source.get(source.name, [])
            tally = self.summary.sources[source.name]
            reason, tally.needs_key = bars(source)
            if reason and mine:
                tally.skipped[reason] += len(mine)
            elif mine:
                tally.to_ask += len(mine)
                todo[source.name] = iter(mine)
        try:
            self._work(todo)
        except KeyboardInterrupt:
            self.summary.interrupted = True
        return self._finish()

    def _ask_from(self, frontier: Frontier, start: int) -> None:
        """Ask all about the indicators from a place of the frontier on."""
        seen = survey(frontier, self._sources, self._shelf, start=start, requests=self._budget.left)
        self.summary.unasked += seen.unasked
        self.summary.future += seen.future
        todo = {}
        for source in self._sources:
            tally, count = self.summary.sources[source.name], seen.sources[source.name]
            tally.cached += count.cached
            tally.skipped += count.skipped
            tally.to_ask += count.to_ask
            _, tally.needs_key = bars(source)
            if count.to_ask:
                todo[source.name] = pending(frontier, source, self._shelf, start, seen.cut)
        self._work(todo)

    def _finish(self) -> Summary:
        if self._errors:
            raise self._errors[0]
        for tally in self.summary.sources.values():
            tally.seconds_to_go = 0.0
        self._progress(self.summary)
        return self.summary

    def _sync(self) -> None:
        if self._writer is not None:
            self._writer.sync()

    def _service(self, source: Source) -> Service:
        """Return the source's service, made when it is first needed."""
        if source.name not in self._services:
            if self._ledger is None:
                self._ledger = self._stack.enter_context(Ledger(self._options.ledger_at(self._cache)))
            ledger = self._ledger
            holders = [
                ApiKeySlot(secret, place, ledger.account(source, secret))
                for place, secret in enumerate(secrets(source) or [""], 1)
            ]
            limits = Limits(self._options.patience, self._options.pages, self._options.connections)
            tally = self.summary.sources[source.name]
            service = Service(
                source,
                holders,
                shelf=self._shelf,
                keep=self._keep,
                spawn=self._spawn,
                tally=tally,
                limits=limits,
                budget=self._budget,
            )
            self._stack.callback(service.close)
            self._services[source.name] = service
        return self._services[source.name]

    def _work(self, todo: dict[str, Iterator[Ask]]) -> None:
        """Let the services ask, each in threads of its own, until all are done or the user interrupts."""
        if not todo:
            return
        if self._writer is None:
            self._writer = self._stack.enter_context(self._cache.writer("fetch"))
        services = [self._service(source) for source in self._sources if source.name in todo]
        for service in services:
            service.begin(todo[service.source.name])
        self._ended.clear()
        whole = False
        try:
            for service in services:
                self._spawn(service)
            # Not Thread.join: an interrupt in it takes the thread for ended (Python 3.11).
            while not self._ended.wait(TICK):
                hang_up_on_the_slow()
                self._reckon(services)
                self._progress(self.summary)
            whole = not self._errors
        except KeyboardInterrupt:
            self.summary.interrupted = True
            self._stop()
            self._ended.wait(GRACE)
        finally:
            if not whole:
                self._stop()
                self._closed = True
                self._writer = None  # what comes later is not kept: it will be asked again
                with self._writing:  # what is being written is written
                    pass
        if self._errors:
            raise self._errors[0]

    def _spawn(self, service: Service) -> None:
        """Send a thread to work for a service."""
        with self._writing:
            self._working += 1
        Thread(target=self._guard, args=(service,), name=service.source.name, daemon=True).start()

    def _guard(self, service: Service) -> None:
        """Let a service work. An error of ours (a full disk, a faulty source) ends the run, and `_work` raises it."""
        try:
            service.work()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that called `fetch`
            if not self._closed:  # else it is about what has been closed since
                self._errors.append(error)
            self._stop()
        with self._writing:
            self._working -= 1
            if not self._working:
                self._ended.set()

    def _stop(self) -> None:
        for service in self._services.values():
            service.stop()

    def _reckon(self, services: Sequence[Service]) -> None:
        """Bring up to date how fast each service goes and how long it will take."""
        now = time.monotonic()
        if now - self._reckoned < OUTLOOK_SECONDS:
            return
        self._reckoned = now
        for service in services:
            tally = service.tally
            pace = self._paces.setdefault(service.source.name, deque(maxlen=int(RATE_SECONDS / OUTLOOK_SECONDS) + 1))
            pace.append((now, tally.requests))
            (then, before), (_, so_far) = pace[0], pace[-1]
            tally.rate = (so_far - before) / (now - then) if now > then else 0.0
            outlooks = [Outlook.of(holder.account) for holder in service.holders if not holder.refused]
            tally.left = sum(each.left[-1].left for each in outlooks) if service.source.limits and outlooks else None
            by_limits = forecast.seconds(outlooks, tally.remaining, time.time())
            tally.seconds_to_go = max(by_limits, tally.remaining / tally.rate if tally.rate else 0.0)

    def _keep(self, ask: Ask, reply: Reply, verdict: Verdict) -> None:
        body = reply.body if verdict.is_answer else FailedBody.of(verdict.reason, reply.body)
        source, endpoint, _ = ask.question.name
        entry = Entry(
            source=source,
            endpoint=endpoint,
            key=ask.key,
            params=dict(ask.question.params),
            fetched_at=int(time.time()),
            status=reply.status,
            body=body,
        )
        with self._writing:
            if (writer := self._writer) is not None:
                writer.add(entry, "raw" if verdict.is_answer else "failed")
