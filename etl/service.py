"""One source at work: its connections side by side, within its limits, patient with its troubles up to a point."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event, Lock
from typing import Final

from etl.asking import Ask, Shelf, following
from etl.http import READ_SECONDS, Client, Reply
from etl.judging import UNAUTHORIZED, Verdict, judge
from etl.limits import Limits
from etl.source import Outcome, Source
from etl.summary import Failure, Tally
from etl.waiting import backoff, retry_after

ATTEMPTS: Final = 4
FAILURES_IN_A_ROW: Final = 10
"""After so many requests without an answer a source is set aside."""
MAX_REDIRECTS: Final = 3
CONNECTIONS: Final = 8

Keep = Callable[[Ask, Reply, Verdict], None]


def connections(source: Source, most: int) -> int:
    """Return how many connections can be of use: what its rates let out in the time that an answer may take."""
    a_second = min((rate.requests / rate.per for rate in source.limits), default=float(most))
    return max(1, min(most, round(a_second * READ_SECONDS)))


class Service:
    """Asks one source what `pending` yields, and hands what comes back to `keep`. `work` is run by several threads.

    `patience` is the longest wait in seconds: for what asks for more the source is set aside.
    """

    def __init__(
        self,
        source: Source,
        pending: Iterator[Ask],
        shelf: Shelf,
        keep: Keep,
        tally: Tally,
        *,
        secret: str,
        connections: int,
        patience: float,
        pages: int,
    ) -> None:
        self.source = source
        self._pending = pending
        self._shelf = shelf
        self._keep = keep
        self._tally = tally
        self._secret = secret
        self._patience = patience
        self._pages = pages
        self._client = Client(source, connections)
        self._limits = Limits(source.limits)
        self._next = Lock()
        self._turn = Lock()
        self._counting = Lock()
        self._over = Event()
        self._stopped = False
        self._not_before = 0.0  # monotonic
        self._failures = 0

    def stop(self) -> None:
        """Begin no further request. What is under way may end."""
        self._stopped = True
        self._over.set()

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def work(self) -> None:
        """Ask until nothing is left, the source is set aside, or it is stopped."""
        while (ask := self._take()) is not None:
            following_ask: Ask | None = ask
            while following_ask is not None:
                following_ask = self._settle(following_ask)

    def _take(self) -> Ask | None:
        """Return the next question. Once the source is set aside, the rest is counted as not asked."""
        with self._next:
            for ask in self._pending:
                if self._stopped:
                    return None
                if not self._over.is_set():
                    return ask
                self._skip()
        return None

    def _settle(self, ask: Ask) -> Ask | None:
        """Put one question until it is answered or given up. Return its next page, where that must be asked, too."""
        reply, verdict = self._answer(ask)
        if reply is None or verdict is None:
            self._skip()
            return None
        self._keep(ask, reply, verdict)
        with self._counting:
            if verdict.outcome is Outcome.FAILED:
                self._tally.fail(Failure(ask.endpoint.name, ask.key, verdict.reason))
                return None
            self._tally.asked += 1
            if verdict.outcome is Outcome.NOT_FOUND:
                self._tally.not_found += 1
                return None
            self._tally.found += 1
        page = following(ask.endpoint, verdict.reply, ask, self._pages)
        if page is None:
            return None
        there, page = self._shelf.missing(page)
        with self._counting:
            self._tally.cached += there
        return page

    def _answer(self, ask: Ask) -> tuple[Reply | None, Verdict | None]:
        """Return the last reply to a question and what it means; None where it was never sent."""
        reply: Reply | None = None
        verdict: Verdict | None = None
        request = ask.request
        attempt = redirects = 0
        while self._slot():
            reply = self._client.send(request, self._secret)
            if reply.redirect and redirects < MAX_REDIRECTS:
                redirects += 1
                request = replace(request, url=reply.redirect, query={})
                continue
            verdict = judge(ask.endpoint, reply)
            if verdict.outcome is not Outcome.FAILED:
                self._failures = 0
                break
            attempt += 1
            if not self._go_on(reply, verdict) or not verdict.passing or attempt == ATTEMPTS:
                break
            self._over.wait(backoff(attempt, self._patience))
        return reply, verdict

    def _slot(self) -> bool:
        """Wait until a request may be sent; False where it may not be sent in this run."""
        with self._turn:
            while not self._over.is_set():
                wait = self._not_before - time.monotonic()
                if wait <= 0:
                    wait = self._limits.take()
                    if not wait:
                        with self._counting:
                            self._tally.requests += 1
                        return True
                if wait > self._patience:
                    self._set_aside("its limit is used up", wait)
                self._over.wait(wait)
        return False

    def _go_on(self, reply: Reply, verdict: Verdict) -> bool:
        """Take note of a failure. False where the source is set aside for it."""
        self._failures += 1
        asked_wait = retry_after(reply.headers.get("retry-after", ""), time.time())
        if reply.status == UNAUTHORIZED and self.source.key is not None:
            self._set_aside(f"it refuses the key in {self.source.key.variable}")
        elif asked_wait is not None and asked_wait > self._patience:
            self._set_aside(f"it asks to wait: {verdict.reason}", asked_wait)
        elif self._failures >= FAILURES_IN_A_ROW:
            self._set_aside(f"it keeps failing: {verdict.reason}")
        elif asked_wait is not None:
            self._not_before = max(self._not_before, time.monotonic() + asked_wait)
        return not self._over.is_set()

    def _set_aside(self, why: str, seconds: float = 0.0) -> None:
        with self._counting:
            if not self._tally.aside:
                self._tally.aside = why
                self._tally.until = time.time() + seconds if seconds else 0.0
        self._over.set()

    def _skip(self) -> None:
        with self._counting:
            if self._tally.aside:
                self._tally.skipped["set aside"] += 1
