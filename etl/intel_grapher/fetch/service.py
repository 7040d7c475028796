"""One source at work: its connections side by side, within its limits, patient with its troubles up to a point."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Event, Lock
from typing import Final

from intel_grapher.fetch.asking import UNGIVEN, Ask, following
from intel_grapher.fetch.http import LASTING, TOO_SLOW, Client, Reply
from intel_grapher.fetch.ledger import Account, Permit
from intel_grapher.fetch.rate_headers import quota_hint, retry_after
from intel_grapher.fetch.shelf import Shelf
from intel_grapher.fetch.summary import Failure, Tally
from intel_grapher.source import Endpoint, Outcome, Request, Source
from intel_grapher.verdict import UNAUTHORIZED, Verdict, by_status, judged

FIRST_ERROR: Final = 400
"""The lowest HTTP status that says that a request failed."""
ATTEMPTS: Final = 4
FIRST_WAIT: Final = 1.0
"""Seconds to wait after a first failure."""
FAILURES_IN_A_ROW: Final = 10
"""After so many requests without an answer a source is set aside."""
MAX_REDIRECTS: Final = 3
CONNECTIONS: Final = 8
"""At once, to a service without limits."""
MOST_CONNECTIONS: Final = 64
ANSWER_SECONDS: Final = 10.0
"""An answer that takes longer is waited for, too, but then the rate may not be reached."""
LIMIT_USED_UP: Final = "its limit is used up"

Keep = Callable[[Ask, Reply, Verdict], None]
Spawn = Callable[["Service"], None]


@dataclass
class ApiKeySlot:
    """One key of a source, its place among the source's keys (from 1), and the account that its requests go to."""

    secret: str
    place: int
    account: Account
    refused: bool = False


class Budget:
    """How many requests a run may send in all; None for any number."""

    def __init__(self, requests: int | None) -> None:
        self._left = requests
        self._lock = Lock()

    @property
    def left(self) -> int | None:
        """Return how many may still be sent."""
        return self._left

    def take(self) -> bool:
        """Take one, unless none is left."""
        with self._lock:
            if self._left is not None:
                if not self._left:
                    return False
                self._left -= 1
            return True


@dataclass(frozen=True)
class Limits:
    """How a service is treated: the longest wait in seconds, pages of one answer, connections at once at most."""

    patience: float
    pages: int
    connections: int | None


def verdict_on(endpoint: Endpoint, reply: Reply) -> Verdict:
    """Return the verdict on what came of a request.

    A fault of the transfer makes any reply a failure. The reason is the status where that says more than the fault: a
    429 whose compression is damaged is a 429.
    """
    if not reply.fault:
        return judged(endpoint, reply.status, reply.body)
    verdict = by_status(endpoint, reply.status) if reply.status >= FIRST_ERROR else None
    if verdict is not None and not verdict.is_answer:
        return verdict._replace(is_transient=verdict.is_transient and reply.fault != TOO_SLOW)
    return Verdict(Outcome.FAILED, reply.fault, is_transient=reply.fault not in LASTING)


def backoff(attempt: int, cap: float) -> float:
    """Return the seconds to wait after an attempt, counted from 1: doubled each time up to `cap`, half of it random."""
    longest = min(cap, FIRST_WAIT * 2.0 ** min(attempt - 1, 30))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - to spread load, not to hide anything


def connections(source: Source, keys: int, most: int | None) -> int:
    """Return how many connections are of use: what the rates let out while an answer is waited for."""
    if not source.limits:
        return most or CONNECTIONS
    a_second = keys * min(rate.requests / rate.per for rate in source.limits)
    return max(1, min(most or MOST_CONNECTIONS, round(a_second * ANSWER_SECONDS)))


class Service:
    """Asks one source what `begin` was given, and hands what comes back to `keep`.

    `work` is run by a thread. While all its threads wait for answers and the limits let more out, it calls `spawn`,
    which must send another one to work.
    """

    def __init__(
        self,
        source: Source,
        holders: Sequence[ApiKeySlot],
        *,
        shelf: Shelf,
        keep: Keep,
        spawn: Spawn,
        tally: Tally,
        limits: Limits,
        budget: Budget,
    ) -> None:
        self.source = source
        self.tally = tally
        self.holders = holders
        self.connections = connections(source, len(holders), limits.connections)
        self._shelf = shelf
        self._keep = keep
        self._spawn = spawn
        self._threads = 0
        self._waiting = 0
        self._limits = limits
        self._budget = budget
        self._client = Client(source, self.connections)
        self._pending: Iterator[Ask] = iter(())
        self._taking = Lock()
        self._choosing = Lock()
        self._counting = Lock()
        self._over = Event()
        self._stopped = False
        self._chosen = 0
        self._failures = 0

    def begin(self, pending: Iterator[Ask]) -> None:
        """Set what is to be asked next, before threads are sent to work."""
        self._pending = pending

    def stop(self) -> None:
        """Begin no further request. What is under way may end."""
        self._stopped = True
        self._over.set()

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def work(self) -> None:
        """Ask until nothing is left, the source is set aside, or it is stopped."""
        with self._counting:
            self._threads += 1
        while (ask := self._take()) is not None:
            todo = [ask]
            while todo:
                todo[:1] = self._put(todo[0])
        with self._counting:
            self._threads -= 1

    def _send(self, request: Request, secret: str) -> Reply:
        """Send a request; if no thread is left to send the next one meanwhile, call for one."""
        with self._counting:
            self.tally.requests += 1
            self._waiting += 1
            short = self._waiting == self._threads < self.connections
        if short:
            self._spawn(self)
        try:
            return self._client.send(request, secret)
        finally:
            with self._counting:
                self._waiting -= 1

    def _take(self) -> Ask | None:
        """Return the next question. Once the source is set aside, the rest is counted as not asked."""
        with self._taking:
            for ask in self._pending:
                if self._stopped:
                    return None
                if not self._over.is_set():
                    return ask
                self._skip(ask)
        return None

    def _put(self, ask: Ask) -> list[Ask]:
        """Put one question until it is answered or given up. Return what must be asked next: what waited, its page."""
        reply, verdict = self._answer(ask)
        if reply is None or verdict is None:
            self._skip(ask)
            return []
        self._keep(ask, reply, verdict)
        with self._counting:
            if not verdict.is_answer:
                self.tally.fail(Failure(ask.question.endpoint.name, ask.key, verdict.reason))
            else:
                self.tally.asked += 1
                self.tally.found += verdict.outcome is Outcome.FOUND
                self.tally.not_found += verdict.outcome is Outcome.NOT_FOUND
        waited = self._given(ask, verdict)
        if verdict.outcome is not Outcome.FOUND:
            return []
        page = self._next_page(ask, verdict)
        return waited if page is None else [*waited, page]

    def _given(self, ask: Ask, verdict: Verdict) -> list[Ask]:
        """Return the questions that waited for an answer, with what it gives them; without that they are not asked."""
        reply = verdict.reply if verdict.outcome is Outcome.FOUND else None
        waited = [each._replace(given=each.question.endpoint.told(reply)) for each in ask.then]
        ready = [each for each in waited if each.given]
        if lost := len(waited) - len(ready):
            with self._counting:
                self.tally.to_ask -= lost
                self.tally.skipped[UNGIVEN] += lost
        return ready

    def _next_page(self, ask: Ask, verdict: Verdict) -> Ask | None:
        """Return the next page of an answer, or the first after it that is not there; None at the end."""
        page = following(ask, verdict.reply, self._limits.pages)
        if page is None or self._stopped:
            return None
        there, page = self._shelf.missing_page(page)
        with self._counting:
            self.tally.cached += there
            self.tally.to_ask += page is not None
        return page

    def _answer(self, ask: Ask) -> tuple[Reply | None, Verdict | None]:
        """Return the last reply to a question and what it means; None where it was never sent."""
        reply: Reply | None = None
        verdict: Verdict | None = None
        request = ask.request
        attempt = redirects = 0
        while attempt < ATTEMPTS and (taken := self._permit()) is not None:
            holder, permit = taken
            reply = self._send(request, holder.secret)
            if reply.sent:
                holder.account.settle(permit, reply.sent_at, reply.seconds)
            else:
                holder.account.give_back(permit)
            if reply.redirect and redirects < MAX_REDIRECTS:
                redirects += 1
                request = replace(request, url=reply.redirect, query={})
                continue
            verdict = verdict_on(ask.question.endpoint, reply)
            hint = quota_hint(reply.headers, time.time()) if reply.headers else None
            if hint is not None:
                holder.account.learn(hint)
            if verdict.is_answer:
                self._failures = 0
                holder.account.answered()
                break
            other_key = self._note(holder, reply, verdict, quota_told=hint is not None and not hint.remaining)
            if not verdict.is_transient and not other_key:
                break
            attempt += not other_key
            if verdict.outcome is not Outcome.QUOTA and attempt < ATTEMPTS:
                self._over.wait(backoff(attempt, self._limits.patience))
        return reply, verdict

    def _permit(self) -> tuple[ApiKeySlot, Permit] | None:
        """Wait until a request may be sent, with one of the keys in turn; None where it may not be in this run."""
        with self._choosing:
            while not self._over.is_set():
                usable = [each for each in self.holders if not each.refused]
                waits: list[float] = []
                self._chosen += 1
                for offset in range(len(usable)):
                    holder = usable[(self._chosen + offset) % len(usable)]
                    permit = holder.account.take()
                    if isinstance(permit, Permit):
                        return self._spend(holder, permit)
                    waits.append(permit)
                if waits and min(waits) <= self._limits.patience:
                    self._over.wait(min(waits))
                elif waits:
                    reasons = [reason for each in usable if (reason := each.account.held()[1])]
                    self._set_aside(reasons[0] if reasons else LIMIT_USED_UP, min(waits))
        return None

    def _spend(self, holder: ApiKeySlot, permit: Permit) -> tuple[ApiKeySlot, Permit] | None:
        if not self._budget.take():
            holder.account.give_back(permit)
            self._set_aside("the limit of requests is reached")
            return None
        return holder, permit

    def _note(self, holder: ApiKeySlot, reply: Reply, verdict: Verdict, *, quota_told: bool) -> bool:
        """Take note of a failure. True where it is the key's, and the source has another one to try."""
        self._failures += 1
        wait = retry_after(reply.headers.get("retry-after", ""), time.time())
        if reply.status == UNAUTHORIZED and self.source.key is not None:
            holder.refused = True
            if all(each.refused for each in self.holders):
                variable = self.source.key.variable
                self.tally.needs_key = variable
                self._set_aside(
                    f"it refuses the key in {variable}" if holder.secret else f"it needs a key in {variable}"
                )
        elif wait:
            holder.account.hold(wait, f"it asks to wait: {verdict.reason}")
        elif verdict.outcome is Outcome.QUOTA and not quota_told:
            known = wait is None and holder.account.refused(verdict.reason)
            if not known:
                self._over.wait(backoff(self._failures, self._limits.patience))
        if self._failures >= FAILURES_IN_A_ROW:
            self._set_aside(f"it keeps failing: {verdict.reason}")
        others = any(each is not holder and not each.refused for each in self.holders)
        of_key = reply.status == UNAUTHORIZED or verdict.outcome is Outcome.QUOTA
        return of_key and others and not self._over.is_set()

    def _set_aside(self, why: str, seconds: float = 0.0) -> None:
        with self._counting:
            if not self.tally.aside:
                self.tally.aside = why
                self.tally.until = time.time() + seconds if seconds else 0.0
        self._over.set()

    def _skip(self, ask: Ask) -> None:
        with self._counting:
            if self.tally.aside:
                self.tally.skipped["set aside"] += ask.many
