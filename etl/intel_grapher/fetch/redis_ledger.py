"""The ledger of several machines: one Redis, in which each step is one script (`redis_scripts`).

    {intel-grapher}:salt                  random; it keys the hashes of API keys, and tells whether the data is lost
    {intel-grapher}:account:SOURCE:KEY    a hash: until when it is held and why, what the service said is left
    {intel-grapher}:sent:SOURCE:KEY       a sorted set: each request's token, by when it counts
    {intel-grapher}:way:SOURCE:KEY        a sorted set: the requests that are not settled, by when they were taken
    {intel-grapher}:claim:DIGEST          a question of a queue: who asks it, or that it is answered

Moments are milliseconds of the server's clock, so machines whose clocks differ agree. A script that is sent again after
a lost connection counts the same request once. A process that is killed leaves what it took counted.

The Redis must keep what it is told over a restart (`appendonly yes`) and evict nothing (`maxmemory-policy noeviction`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from threading import Event, Lock, Thread
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, RedisError, TimeoutError  # noqa: A004
from redis.retry import Retry

from intel_grapher import credentials
from intel_grapher.errors import CacheError, UsageError
from intel_grapher.fetch.account import (
    LONGEST_HOLD,
    LOOK_SECONDS,
    USED_UP,
    Arrivals,
    Claim,
    Ledger,
    Left,
    Permit,
    key_digest,
    within,
)
from intel_grapher.fetch.rate_headers import QuotaHint
from intel_grapher.fetch.redis_scripts import KEPT, LOST, SCRIPTS
from intel_grapher.fetch.windows import length, period, strictest
from intel_grapher.source import Source

PASSWORD: Final = "REDIS_PASSWORD"  # noqa: S105 - a name
"""The secret's name. The user's name, where there is one, is in the URL."""
PREFIX: Final = "{intel-grapher}"  # braces: in a cluster, all keys are on one node
ATTEMPTS: Final = 60
"""With growing pauses of up to a second: a Redis that is started again has half a minute."""
FIRST_ATTEMPTS: Final = 3
SECONDS: Final = 5.0
LEASE = 60.0
"""Seconds that a claim lasts after its process is gone."""
ANSWERED: Final = "answered"


class RedisLedger(Ledger):
    """The accounts at `url`, for any thread. Every method raises CacheError if the Redis can't be used."""

    def __init__(self, url: str) -> None:
        if urlsplit(url).password:
            raise UsageError(f"a ledger's URL holds no password: put it in {PASSWORD} and take it out of the URL")
        self.url = url
        self.client = self._connect(ATTEMPTS)
        self.salt = self._first_salt()
        self._scripts = {name: self.client.register_script(body) for name, body in SCRIPTS.items()}

    def _connect(self, attempts: int) -> Redis:
        errors: list[type[Exception]] = [BusyLoadingError, ConnectionError, TimeoutError]
        try:
            return Redis.from_url(
                self.url,
                password=credentials.find(PASSWORD).value or None,
                decode_responses=True,
                socket_timeout=SECONDS,
                socket_connect_timeout=SECONDS,
                retry=Retry(ExponentialWithJitterBackoff(cap=1.0, base=0.05), attempts),
                retry_on_error=errors,
            )
        except (ValueError, RedisError) as error:
            raise UsageError(f"{self.url} is no URL of a Redis: {error}") from error

    def _first_salt(self) -> str:
        name = f"{PREFIX}:salt"
        first = self._connect(FIRST_ATTEMPTS)
        try:
            first.set(name, secrets.token_hex(16), nx=True)
            return str(first.get(name))
        except RedisError as error:
            raise self.failure(error) from error
        finally:
            first.close()

    def failure(self, error: RedisError) -> CacheError:
        """Return the error for a Redis that can't be used, with what to do."""
        if str(error) == LOST:
            return CacheError(
                f"the ledger {self.url} lost what it counted, so limits can't be kept. Set `appendonly yes` and "
                "`maxmemory-policy noeviction` there, wait for as long as the longest limit, and fetch again"
            )
        return CacheError(f"the ledger {self.url} can't be used: {error}. Is it running, and is {PASSWORD} right?")

    def run(self, name: str, keys: Sequence[str], values: Sequence[str | int]) -> Any:  # noqa: ANN401 - a script's reply
        """Return what a script returns. Raises CacheError."""
        try:
            return self._scripts[name]([*keys, f"{PREFIX}:salt"], [self.salt, *values])
        except RedisError as error:
            raise self.failure(error) from error

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def account(self, source: Source, secret: str = "") -> RedisAccount:
        """Return the account of one source with one API key."""
        return RedisAccount(self, source, key_digest(secret, self.salt.encode()))

    def queue(self, name: str) -> RedisQueue:
        """Return the queue of a name, to share questions with the other fetches that name it."""
        return RedisQueue(self, name)


class RedisQueue:
    """The questions that several fetches share. `RedisLedger.queue` makes it; `account.Queue` tells the methods.

    A claim ends LEASE seconds after its process is gone: a thread of the process renews what it holds until then.
    """

    def __init__(self, ledger: RedisLedger, name: str) -> None:
        self._ledger = ledger
        self._name = name
        self._token = secrets.token_hex(8)
        self._held: set[str] = set()
        self._lock = Lock()
        self._closed = Event()
        self._renewing: Thread | None = None

    def claim(self, question: str) -> Claim:
        """Return whether a question is this fetch's to ask, is answered, or is asked by another fetch."""
        key = self._key(question)
        found = self._ledger.run("claim", [key], [self._token, round(LEASE * 1000)])
        if found == self._token:
            with self._lock:
                self._held.add(key)
                if self._renewing is None:
                    self._renewing = Thread(target=self._renew, daemon=True, name="claims")
                    self._renewing.start()
            return Claim.MINE
        return Claim.ANSWERED if found == ANSWERED else Claim.ELSEWHERE

    def end(self, question: str, *, answered: bool) -> None:
        """End a claim: the question is answered, or free for whoever claims it next."""
        key = self._key(question)
        with self._lock:
            self._held.discard(key)
        self._ledger.run("end", [key], [self._token, ANSWERED if answered else "", KEPT])

    def close(self) -> None:
        """Free what is claimed and not answered."""
        self._closed.set()
        if self._renewing is not None:
            self._renewing.join()
        for key in self._held:
            with suppress(CacheError):
                self._ledger.run("end", [key], [self._token, "", KEPT])

    def _renew(self) -> None:
        while not self._closed.wait(LEASE / 3):
            with self._lock:
                held = list(self._held)
            with suppress(CacheError):  # a fetch that needs the ledger tells of it; the claims end by themselves
                for key in held:
                    self._ledger.run("renew", [key], [self._token, round(LEASE * 1000)])

    def _key(self, question: str) -> str:
        """Return a question's key: a digest, so that the Redis does not tell what is asked."""
        text = f"{self._name}\0{question}"
        return f"{PREFIX}:claim:{blake2b(text.encode(), key=self._ledger.salt.encode(), digest_size=16).hexdigest()}"


class _Standing(NamedTuple):
    """What a service said of an account; moments are milliseconds of the server's clock."""

    now: int
    hold_until: int
    hold_reason: str
    refusals: int
    remaining: int
    reset: int


class RedisAccount:
    """The keys of one source with one API key. `RedisLedger.account` makes it; `account.Account` tells the methods."""

    def __init__(self, ledger: RedisLedger, source: Source, key: str) -> None:
        self._ledger = ledger
        self._keys = [f"{PREFIX}:{kind}:{source.name}:{key}" for kind in ("account", "sent", "way")]
        self.rates = strictest(source.limits)
        self._lock = Lock()
        self._arrivals = Arrivals()
        self._under_way = 0
        self._looked = float("-inf")
        self._hold = 0.0
        self._troubled = True
        self._ahead = 0.0  # seconds that the server's clock is ahead of ours
        self._note_clock(*self._run("open"))

    def take(self) -> Permit | float:
        """Return a permit if a request may be sent now, and count it; else the seconds to wait before asking again."""
        if not self.rates:
            return self._take_unlimited()
        token = secrets.randbits(63)
        is_taken, number, now, refusals = self._run("take", token, *self._windows())
        self._note_clock(now)
        if not is_taken:
            return float(number) / 1000
        self._troubled = bool(refusals)
        with self._lock:
            self._under_way += 1
        return Permit(token, number)

    def _take_unlimited(self) -> Permit | float:
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            state, _ = self._state()
            waits = [state.hold_until, state.reset if state.remaining <= 0 else 0]
            self._troubled = bool(state.refusals)
            self._hold = max(waits) / 1000 - self._ahead
            self._looked = time.monotonic()
        wait = min(self._hold - time.time(), LONGEST_HOLD)
        return Permit(0, 0) if wait <= 0 else wait

    def settle(self, permit: Permit, sent_at: float, seconds: float) -> None:
        """Note when a request was sent (epoch seconds) and after how many seconds it was answered (0 for never)."""
        if not self.rates:
            return
        answered_at = sent_at + seconds if seconds else time.time()
        with self._lock:
            self._under_way -= 1
            latest = self._arrivals.latest(sent_at, seconds, answered_at, self.rates[0].per)
        # How long ago, not when: a script that runs later than this line counts it later, which is the safe side.
        self._run("settle", permit.id, max(0, round((time.time() - latest) * 1000)))

    def give_back(self, permit: Permit) -> None:
        """Note that nothing was sent with a permit, so that it does not count."""
        if self.rates:
            with self._lock:
                self._under_way -= 1
            self._run("give_back", permit.id)

    def hold(self, seconds: float, reason: str) -> None:
        """Send nothing for so many seconds, at most a day, because the service asks for it."""
        seconds = min(seconds, LONGEST_HOLD)
        self._hold = max(self._hold, time.time() + seconds)
        self._run("hold", round(seconds * 1000), reason)

    def refused(self, reason: str) -> float:
        """Hold after a "too many requests" that does not say how long to wait, and return for how many seconds."""
        if not self.rates:
            return 0.0
        self._troubled = True
        now = self._now()
        waits = [round((period(rate, now)[1] - now) * 1000) for rate in self.rates]
        return float(self._run("refused", reason, *waits)) / 1000

    def answered(self) -> None:
        """Note that the service answers again."""
        if self._troubled:
            self._troubled = False
            self._run("answered")

    def learn(self, hint: QuotaHint) -> None:
        """Note what the service says is left of a quota. Requests under way are not in its figure."""
        with self._lock:
            left = max(0, hint.remaining - max(0, self._under_way - 1))
        self._run("learn", left, max(0, round((hint.reset - time.time()) * 1000)))
        self._looked = float("-inf")

    def held(self) -> tuple[float, str]:
        """Return until when nothing is sent (epoch seconds; 0 if requests may be sent) and the reason."""
        state, _ = self._state()
        if state.remaining <= 0 and state.reset > max(state.hold_until, state.now):
            return state.reset / 1000 - self._ahead, USED_UP
        if state.hold_until > state.now:
            return state.hold_until / 1000 - self._ahead, state.hold_reason
        return 0.0, ""

    def left(self) -> list[Left]:
        """Return what each rate leaves, and no more than the service said is left of a quota."""
        state, counts = self._state()
        now = state.now / 1000
        found = []
        for rate, (sent, oldest) in zip(self.rates, counts, strict=True):
            opens = now
            if sent >= rate.requests:
                opens = period(rate, now if rate.calendar else min(oldest / 1000, now))[1]
            found.append(Left(rate, max(0, rate.requests - sent), opens - self._ahead))
        return within(found, state.remaining, state.reset / 1000 - self._ahead, now - self._ahead)

    def _state(self) -> tuple[_Standing, list[tuple[int, float]]]:
        """Return what the service said, and for each rate how many requests count and when the oldest of them does."""
        found = self._run("state", *self._windows())
        first = len(_Standing._fields)
        state, counts = _Standing(*found[:first]), found[first:]
        self._note_clock(state.now)
        return state, [(sent, float(oldest)) for sent, oldest in zip(counts[::2], counts[1::2], strict=True)]

    def _windows(self) -> list[int]:
        """Return the arguments for the rates: how many, minus the length or the calendar's start, the end."""
        now = self._now()
        found = []
        for rate in self.rates:
            start, end = period(rate, now)
            found += [rate.requests, round((start if rate.calendar else -length(rate)) * 1000), round(end * 1000)]
        return found

    def _now(self) -> float:
        return time.time() + self._ahead

    def _note_clock(self, milliseconds: int) -> None:
        self._ahead = milliseconds / 1000 - time.time()

    def _run(self, name: str, *values: str | int) -> Any:  # noqa: ANN401 - a script's reply
        return self._ledger.run(name, self._keys, values)
