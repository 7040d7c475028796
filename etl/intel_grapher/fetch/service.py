"""One source at work: parallel connections within its rates, retries, waits, and when to give up."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Event, Lock
from typing import Final

from intel_grapher.fetch import http
from intel_grapher.fetch.account import Account, Claim, Permit, Queue
from intel_grapher.fetch.asking import UNGIVEN, KeyQuestion, next_page
from intel_grapher.fetch.cached_answers import AnswerCache
from intel_grapher.fetch.rate_headers import quota_hint, retry_after
from intel_grapher.fetch.summary import Failure, Tally
from intel_grapher.source import Endpoint, Outcome, Request, Source
from intel_grapher.verdict import UNAUTHORIZED, Verdict, by_status, judged

FIRST_ERROR: Final = 400
"""The lowest HTTP status that says that a request failed."""
ATTEMPTS: Final = 4
FIRST_WAIT: Final = 1.0
"""Seconds to wait after a first failure."""
FAILURES_IN_A_ROW: Final = 10
"""A source is set aside after so many requests in a row without an answer."""
MAX_REDIRECTS: Final = 3
CONNECTIONS: Final = 8
"""At once, to a service without rates."""
MOST_CONNECTIONS: Final = 64
ANSWER_SECONDS: Final = 10.0
"""An answer may take longer, but then the rate may not be reached."""
QUEUE_SECONDS: Final = 1.0
"""Seconds between two looks at a question that another fetch asks."""
SHARED: Final = "asked by another fetch of the queue"
LIMIT_USED_UP: Final = "its limit is used up"

Keep = Callable[[KeyQuestion, "http.HttpReply", Verdict], bool]
"""Keeps a reply, and tells whether it is kept: not after an interrupt."""
Spawn = Callable[["Service"], None]


@dataclass
class ApiKeySlot:
    """One API key of a source, its position among the source's keys (from 1), and its account in the ledger."""

    secret: str
    place: int
    account: Account
    refused: bool = False


class Budget:
    """The requests that a run may still send; None for any number."""

    def __init__(self, requests: int | None) -> None:
        self._left = requests
        self._lock = Lock()

    @property
    def left(self) -> int | None:
        """Return the number of requests left; None for any number."""
        return self._left

    def take(self) -> bool:
        """Take one request, and return whether there was one left."""
        with self._lock:
            if self._left is not None:
                if not self._left:
                    return False
                self._left -= 1
            return True


@dataclass(frozen=True)
class ServiceLimits:
    """How a service is asked: the longest wait (seconds), the most pages of one answer, the most connections."""

    patience: float
    pages: int
    connections: int | None


def verdict_on(endpoint: Endpoint, reply: http.HttpReply) -> Verdict:
    """Return the verdict on what came of a request.

    A fault of the transfer makes any reply a failure. The reason is the status where that says more than the fault: a
    429 whose compression is damaged is a 429.
    """
    if not reply.fault:
        return judged(endpoint, reply.status, reply.body)
    verdict = by_status(endpoint, reply.status) if reply.status >= FIRST_ERROR else None
    if verdict is not None and not verdict.is_answer:
        return verdict._replace(is_transient=verdict.is_transient and reply.fault != http.TOO_SLOW)
    return Verdict(Outcome.FAILED, reply.fault, is_transient=reply.fault not in http.LASTING)


def backoff(attempt: int, cap: float) -> float:
    """Return the seconds to wait after an attempt, counted from 1: doubled each time up to `cap`, half of it random."""
    longest = min(cap, FIRST_WAIT * 2.0 ** min(attempt - 1, 30))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - to spread load, not to hide anything


def connections(source: Source, keys: int, most: int | None) -> int:
    """Return the number of connections that the rates can use while an answer is under way."""
    if not source.limits:
        return most or CONNECTIONS
    a_second = keys * min(rate.requests / rate.per for rate in source.limits)
    return max(1, min(most or MOST_CONNECTIONS, round(a_second * ANSWER_SECONDS)))


class Service:
    """Asks one source the questions of `begin`, and hands the replies to `keep`.

    `work` runs in a thread. If all its threads wait for answers and the rates allow more requests, it calls `spawn`,
    which must start another thread.
    """

    def __init__(
        self,
        source: Source,
        holders: Sequence[ApiKeySlot],
        *,
        answers: AnswerCache,
        keep: Keep,
        spawn: Spawn,
        tally: Tally,
        limits: ServiceLimits,
        budget: Budget,
        queue: Queue | None = None,
    ) -> None:
        self.source = source
        self.tally = tally
        self.holders = holders
        self.connections = connections(source, len(holders), limits.connections)
        self._answers = answers
        self._keep = keep
        self._spawn = spawn
        self._threads = 0
        self._waiting = 0
        self._limits = limits
        self._budget = budget
        self._queue = queue
        self._elsewhere: deque[KeyQuestion] = deque()
        self._client = http.Client(source, self.connections)
        self._pending: Iterator[KeyQuestion] = iter(())
        self._taking = Lock()
        self._choosing = Lock()
        self._counting = Lock()
        self._over = Event()
        self._stopped = False
        self._chosen = 0
        self._failures = 0
        self.reached = False
        """Whether it has sent anything back."""
        self.asked_since = 0.0
        """When the first request was sent (monotonic seconds); 0 before."""
        self.unreached_since = 0.0
        """When the first connection failed (monotonic seconds); 0 if none has."""
        self.cut_off = ""
        """The fault of a connection that failed on this machine's side; empty if none has."""

    def begin(self, pending: Iterator[KeyQuestion]) -> None:
        """Set the questions to ask, before the first thread starts."""
        self._pending = pending
        self._threads = 1

    def stop(self) -> None:
        """Send no further request. Those under way may end."""
        self._stopped = True
        self._over.set()

    def set_aside(self, why: str) -> None:
        """Ask it nothing more in this run, for a reason."""
        self._set_aside(why)

    @property
    def connected(self) -> bool:
        """Return whether any connection has come about."""
        return self._client.connected

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def work(self) -> None:
        """Ask until no question is left, the source is set aside, or it is stopped."""
        while (question := self._take()) is not None:
            todo, answered = [question], True
            while todo:
                todo[:1], is_answered = self._put(todo[0])
                answered = answered and is_answered
            if self._queue is not None:
                self._queue.end(question.name, answered=answered)
        with self._counting:
            self._threads -= 1

    def _send(self, request: Request, secret: str) -> http.HttpReply:
        """Send a request. If no thread is free for the next one, have another one started."""
        with self._counting:
            self.tally.requests += 1
            self.asked_since = self.asked_since or time.monotonic()
            self._waiting += 1
            short = self._waiting == self._threads < self.connections
            self._threads += short  # before it begins, which may take a while: no other is started in its place
        if short:
            self._spawn(self)
        try:
            return self._client.send(request, secret)
        finally:
            with self._counting:
                self._waiting -= 1

    def _take(self) -> KeyQuestion | None:
        """Return the next question; None at the end. If the source is set aside, the others are counted as skipped."""
        with self._taking:
            for question in self._pending:
                if self._stopped:
                    return None
                if self._over.is_set():
                    self._skip(question)
                elif self._is_mine(question):
                    return question
            while self._elsewhere and not self._stopped:  # another fetch may end without an answer, or be killed
                question = self._elsewhere.popleft()
                if self._over.is_set():
                    self._skip(question)
                elif self._is_mine(question):
                    return question
                else:
                    self._over.wait(QUEUE_SECONDS / max(1, len(self._elsewhere)))
        return None

    def _is_mine(self, question: KeyQuestion) -> bool:
        """Tell whether this fetch is to ask a question of the queue now; another one's comes again later."""
        claim = Claim.MINE if self._queue is None else self._queue.claim(question.name)
        if claim is Claim.ELSEWHERE:
            self._elsewhere.append(question)
        elif claim is Claim.ANSWERED:
            with self._counting:
                self.tally.to_ask -= question.requests
                self.tally.skipped[SHARED] += question.requests
        return claim is Claim.MINE

    def _put(self, question: KeyQuestion) -> tuple[list[KeyQuestion], bool]:
        """Ask one question until it is answered or given up.

        Return the questions that follow from the answer, and whether there is one.
        """
        reply, verdict = self._answer(question)
        if reply is None or verdict is None:
            self._skip(question)
            return [], False
        is_kept = self._keep(question, reply, verdict)
        with self._counting:
            if not verdict.is_answer:
                self.tally.trouble = ""
                self.tally.fail(Failure(question.form.endpoint.name, question.key, verdict.reason))
            else:
                self.tally.asked += 1
                self.tally.found += verdict.outcome is Outcome.FOUND
                self.tally.not_found += verdict.outcome is Outcome.NOT_FOUND
        waited = self._given(question, verdict)
        if verdict.outcome is not Outcome.FOUND:
            return [], verdict.is_answer and is_kept
        page = self._next_page(question, verdict)
        return (waited if page is None else [*waited, page]), is_kept

    def _given(self, question: KeyQuestion, verdict: Verdict) -> list[KeyQuestion]:
        """Return the questions that waited for an answer, with the value that it gives them, as far as it gives one."""
        reply = verdict.reply if verdict.outcome is Outcome.FOUND else None
        waited = [waiting._replace(given=waiting.form.endpoint.told(reply)) for waiting in question.then]
        ready = [waiting for waiting in waited if waiting.given]
        if lost := len(waited) - len(ready):
            with self._counting:
                self.tally.to_ask -= lost
                self.tally.skipped[UNGIVEN] += lost
        return ready

    def _next_page(self, question: KeyQuestion, verdict: Verdict) -> KeyQuestion | None:
        """Return the question for the next page that the cache lacks; None after the last page."""
        page, cut = next_page(question, verdict.reply, self._limits.pages)
        there = 0
        if page is not None and not self._stopped:
            there, page, cut = self._answers.missing_page(page)
        with self._counting:
            self.tally.cached += there
            self.tally.to_ask += page is not None and not self._stopped
            self.tally.more_pages += cut
        return None if self._stopped else page

    def _answer(self, question: KeyQuestion) -> tuple[http.HttpReply | None, Verdict | None]:
        """Return the last reply to a question and its verdict; None if it was never sent."""
        reply: http.HttpReply | None = None
        verdict: Verdict | None = None
        request = question.request
        attempt = redirects = 0
        while attempt < ATTEMPTS and (taken := self._permit()) is not None:
            holder, permit = taken
            reply = self._send(request, holder.secret)
            self._note_connection(reply)
            if reply.sent:
                holder.account.settle(permit, reply.sent_at, reply.seconds)
            else:
                holder.account.give_back(permit)
            if reply.redirect and redirects < MAX_REDIRECTS:
                redirects += 1
                request = replace(request, url=reply.redirect, query={})
                continue
            verdict = verdict_on(question.form.endpoint, reply)
            hint = quota_hint(reply.headers, time.time()) if reply.headers else None
            if hint is not None:
                holder.account.learn(hint)
            if verdict.is_answer:
                self._failures = 0
                self.tally.trouble = ""
                holder.account.answered()
                break
            other_key = self._note(holder, reply, verdict, quota_told=hint is not None and not hint.remaining)
            if not verdict.is_transient and not other_key:
                break
            attempt += not other_key
            self.tally.trouble = verdict.reason
            if verdict.outcome is not Outcome.QUOTA and attempt < ATTEMPTS:
                self._over.wait(backoff(attempt, self._limits.patience))
        return reply, verdict

    def _note_connection(self, reply: http.HttpReply) -> None:
        self.reached = self.reached or (reply.sent and reply.fault != http.PROXY)
        if not self.reached and reply.fault in http.UNREACHED:
            self.unreached_since = self.unreached_since or time.monotonic()
            self.cut_off = self.cut_off or (reply.fault if reply.fault in http.OWN_SIDE else "")

    def _permit(self) -> tuple[ApiKeySlot, Permit] | None:
        """Wait for a permit with one of the API keys in turn; None if there is none in this run."""
        with self._choosing:
            while not self._over.is_set():
                usable = [holder for holder in self.holders if not holder.refused]
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
                    reasons = [reason for holder in usable if (reason := holder.account.held()[1])]
                    self._set_aside(reasons[0] if reasons else LIMIT_USED_UP, min(waits))
        return None

    def _spend(self, holder: ApiKeySlot, permit: Permit) -> tuple[ApiKeySlot, Permit] | None:
        if not self._budget.take():
            holder.account.give_back(permit)
            self._set_aside("the limit of requests is reached")
            return None
        return holder, permit

    def _note(self, holder: ApiKeySlot, reply: http.HttpReply, verdict: Verdict, *, quota_told: bool) -> bool:
        """Note a failure. Return True if it is the API key's, and there is another one to try."""
        self._failures += 1
        wait = retry_after(reply.headers.get("retry-after", ""), time.time())
        if reply.status == UNAUTHORIZED and self.source.key is not None:
            holder.refused = True
            if all(other.refused for other in self.holders):
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
        others = any(other is not holder and not other.refused for other in self.holders)
        of_key = reply.status == UNAUTHORIZED or verdict.outcome is Outcome.QUOTA
        return of_key and others and not self._over.is_set()

    def _set_aside(self, why: str, seconds: float = 0.0) -> None:
        with self._counting:
            if not self.tally.aside:
                self.tally.aside = why
                self.tally.until = time.time() + seconds if seconds else 0.0
        self._over.set()

    def _skip(self, question: KeyQuestion) -> None:
        with self._counting:
            if self.tally.aside:
                self.tally.skipped["set aside"] += question.requests
