"""A fetch: asks all sources in parallel what the cache lacks, and keeps every reply."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Final, Self

from intel_grapher.cache import Cache, Entry, FailedBody, Writer
from intel_grapher.errors import BusyError, NotPushedError, StoreError
from intel_grapher.fetch import forecast, http
from intel_grapher.fetch.account import Ledger, Queue
from intel_grapher.fetch.asking import Freshness, Indicator, KeyQuestion, secrets
from intel_grapher.fetch.cached_answers import AnswerCache
from intel_grapher.fetch.defaults import PAGES
from intel_grapher.fetch.forecast import Outlook
from intel_grapher.fetch.frontier import Frontier
from intel_grapher.fetch.hops import Hops, follow
from intel_grapher.fetch.ledgers import open_ledger
from intel_grapher.fetch.service import ApiKeySlot, Budget, Service, ServiceLimits
from intel_grapher.fetch.summary import Summary, Tally
from intel_grapher.fetch.workload import bars, pending, workload
from intel_grapher.source import Source
from intel_grapher.verdict import Verdict

TICK: Final = 0.2
OUTLOOK_SECONDS: Final = 2.0
RATE_SECONDS: Final = 10.0
LOST_SECONDS: Final = 1.0
"""So long after connections to all services have failed, the network is taken for lost."""
SILENT_SECONDS: Final = 3.0
"""After so long without any connection, that is told: requests may wait for a name server, or vanish."""
LOST: Final = "no network"
GRACE: Final = 5.0
"""Seconds for the requests under way to end after an interrupt."""

Progress = Callable[[Summary], None]
Replied = Callable[[KeyQuestion, "http.HttpReply", Verdict], None]


@dataclass(frozen=True)
class FetchOptions:
    """How to fetch.

    patience     the longest wait in seconds for a rate or a Retry-After; a source that asks for more is set aside
    pages        the most pages of one answer
    connections  the most connections to one source at once; None for as many as its rates can use
    requests     the most requests in all; None for any number
    ledger       what counts the requests sent: a path or a Redis's URL; None: `ledger.sqlite` beside the cache's index
    queue        the name under which several fetches share their questions; empty for a fetch of its own
    """

    freshness: Freshness = field(default_factory=Freshness)
    hops: Hops = field(default_factory=Hops)
    patience: float = 90.0
    pages: int = PAGES
    connections: int | None = None
    requests: int | None = None
    ledger: Path | str | None = None
    queue: str = ""

    def ledger_at(self, cache: Cache) -> Path | str:
        """Return the ledger's path or URL."""
        return self.ledger or cache.root / "ledger.sqlite"


def fetch(
    cache: Cache,
    sources: Sequence[Source],
    indicators: Iterable[Indicator],
    options: FetchOptions | None = None,
    progress: Progress | None = None,
    *,
    replied: Replied | None = None,
) -> Summary:
    """Return the summary of asking the sources what the cache lacks about the indicators, and about what these lead to.

    Answers ("not found" is one) go to the cache's area `raw`, failures to `failed`. `progress` is called several times
    a second in the calling thread, with the summary so far; `replied` in other threads, with each question's last
    reply, as soon as it is kept. An interrupt (KeyboardInterrupt) ends the fetch: the answers so far are kept, and the
    summary says so.

    Raises BusyError if another process writes the cache, CacheError if it can't be written, KeyMissingError for a
    malformed API key, SourceError for a malformed source.
    """
    with Run(cache, sources, options, progress, replied=replied) as run:
        return run.ask_about(indicators)


class Run:
    """One fetch from some sources. A context manager, to be used once."""

    def __init__(
        self,
        cache: Cache,
        sources: Sequence[Source],
        options: FetchOptions | None = None,
        progress: Progress | None = None,
        *,
        replied: Replied | None = None,
    ) -> None:
        self._cache = cache
        self._sources = sources
        self._options = options or FetchOptions()
        self._progress = progress or (lambda _: None)
        self._replied = replied or (lambda _question, _reply, _verdict: None)
        self.summary = Summary({source.name: Tally() for source in sources})
        self._answers = AnswerCache(cache, self._options.freshness, self._options.pages)
        self._budget = Budget(self._options.requests)
        self._services: dict[str, Service] = {}
        self._stack = ExitStack()
        self._ledger: Ledger | None = None
        self._queue: Queue | None = None
        self._writer: Writer | None = None
        self._writing = Lock()
        self._working = 0
        self._ended = Event()
        self._errors: list[BaseException] = []
        self._closed = False
        self._paces: dict[str, deque[tuple[float, int]]] = {}
        self._reckoned = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stack.__exit__(kind, error, trace)
        except NotPushedError as failure:  # what was asked is done, and the summary tells of it
            self.summary.unpushed = str(failure)

    def ask_about(self, indicators: Iterable[Indicator]) -> Summary:
        """Ask about indicators, and hop by hop about what the answers lead to."""
        try:
            with Frontier() as frontier:
                frontier.add(indicators)
                start = 1
                for hop in range(self._options.hops.depth + 1):
                    stop = len(frontier) + 1
                    self._ask_from(frontier, start)
                    if self.summary.interrupted or self.summary.offline or hop == self._options.hops.depth:
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

    def ask_again(self, questions: Iterable[KeyQuestion]) -> Summary:
        """Ask single questions, whatever the cache holds."""
        by_source: dict[str, list[KeyQuestion]] = {}
        for question in questions:
            by_source.setdefault(question.form.name[0], []).append(question)
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
        """Ask all sources about the indicators from a place of the frontier on."""
        seen = workload(frontier, self._sources, self._answers, start=start, requests=self._budget.left)
        self.summary.unasked += seen.unasked
        self.summary.future += seen.future
        todo = {}
        for source in self._sources:
            tally, count = self.summary.sources[source.name], seen.sources[source.name]
            tally.cached += count.cached
            tally.more_pages += count.cut
            tally.skipped += count.skipped
            tally.to_ask += count.to_ask
            _, tally.needs_key = bars(source)
            if count.to_ask:
                todo[source.name] = pending(frontier, source, self._answers, start, seen.cut)
        self._work(todo)

    def _finish(self) -> Summary:
        if self._errors:
            raise self._errors[0]
        for tally in self.summary.sources.values():
            tally.seconds_to_go = 0.0
        self._catch_up()
        self._progress(self.summary)
        return self.summary

    def _catch_up(self) -> None:
        """Where nothing was asked, let a writer push at its end what an earlier fetch could not."""
        mirror = self._cache.mirror
        if self._writer is None and not self._closed and mirror is not None:
            with suppress(StoreError, BusyError):  # then the next one tries it
                if mirror.lags():
                    self._stack.enter_context(self._cache.writer("fetch"))

    def _sync(self) -> None:
        if self._writer is not None:
            self._writer.sync()

    def _service(self, source: Source) -> Service:
        """Return the source's service; the first call makes it."""
        if source.name not in self._services:
            if self._ledger is None:
                self._ledger = self._stack.enter_context(open_ledger(self._options.ledger_at(self._cache)))
                if self._options.queue:
                    self._queue = self._ledger.queue(self._options.queue)
                    self._stack.callback(self._queue.close)
            ledger = self._ledger
            holders = [
                ApiKeySlot(secret, place, ledger.account(source, secret))
                for place, secret in enumerate(secrets(source) or [""], 1)
            ]
            limits = ServiceLimits(self._options.patience, self._options.pages, self._options.connections)
            tally = self.summary.sources[source.name]
            service = Service(
                source,
                holders,
                answers=self._answers,
                keep=self._keep,
                spawn=self._spawn,
                tally=tally,
                limits=limits,
                budget=self._budget,
                queue=self._queue,
            )
            self._stack.callback(service.close)
            self._services[source.name] = service
        return self._services[source.name]

    def _work(self, todo: dict[str, Iterator[KeyQuestion]]) -> None:
        """Run the services, each in threads of its own, until all are done or the user interrupts."""
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
                http.hang_up_on_the_slow()
                self._give_up_if_offline(services)
                self._reckon(services)
                self._progress(self.summary)
                if self.summary.offline:
                    self._ended.wait(LOST_SECONDS)
                    break  # a thread that hangs in a name server is left to itself
            whole = self._ended.is_set() and not self._errors
        except KeyboardInterrupt:
            self.summary.interrupted = True
            self._stop()
            self._ended.wait(GRACE)
        finally:
            if not whole:
                self._stop()
                self._closed = True
                self._writer = None  # a later reply is not kept: it will be asked again
                with self._writing:  # wait for a write that is under way
                    pass
        if self._errors:
            raise self._errors[0]

    def _give_up_if_offline(self, services: Sequence[Service]) -> None:
        """Set all services aside if there is no network: no connection to any came about.

        Of one service alone that is said only where the fault lies on this machine's side: it may itself be away.
        """
        asked = [service for service in services if service.asked_since]
        if not asked or any(service.reached for service in asked):
            self.summary.silent = False
            return
        now = time.monotonic()
        silence = 0.0 if any(it.connected for it in asked) else now - min(it.asked_since for it in asked)
        self.summary.silent = silence > SILENT_SECONDS
        failed = all(it.unreached_since and now - it.unreached_since > LOST_SECONDS for it in services)
        alone = len(asked) == 1 and not asked[0].cut_off
        if not alone and (failed or silence > http.CONNECT_SECONDS + LOST_SECONDS):
            self.summary.offline = True
            for service in services:
                service.set_aside(LOST)

    def _spawn(self, service: Service) -> None:
        """Start a thread that works for a service."""
        with self._writing:
            self._working += 1
        Thread(target=self._guard, args=(service,), name=service.source.name, daemon=True).start()

    def _guard(self, service: Service) -> None:
        """Run a service. An error of ours (a full disk, a faulty source) ends the fetch, and `_work` raises it."""
        try:
            service.work()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that called `fetch`
            if not self._closed:  # else it comes of what has been closed since
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
        """Update each service's rate and the seconds that it will take."""
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
            limited = bool(service.source.limits and outlooks)
            tally.left = sum(outlook.left[-1].left for outlook in outlooks) if limited else None
            by_limits = forecast.seconds(outlooks, tally.remaining, time.time())
            tally.seconds_to_go = max(by_limits, tally.remaining / tally.rate if tally.rate else 0.0)

    def _keep(self, question: KeyQuestion, reply: http.HttpReply, verdict: Verdict) -> bool:
        """Write a reply to the cache, and return whether it is written: not once the fetch has ended."""
        body = reply.body if verdict.is_answer else FailedBody.of(verdict.reason, reply.body)
        source, endpoint, _ = question.form.name
        entry = Entry(
            source=source,
            endpoint=endpoint,
            key=question.key,
            params=dict(question.form.params),
            fetched_at=int(time.time()),
            status=reply.status,
            body=body,
        )
        with self._writing:
            writer = self._writer
            if writer is not None:
                writer.add(entry, "raw" if verdict.is_answer else "failed")
        self._replied(question, reply, verdict)
        return writer is not None
