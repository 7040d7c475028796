"""What a ledger promises: what was sent to each service with each API key, and what may be sent now.

`ledgers.open_ledger` opens one: a SQLite file (`sqlite_ledger`) for the processes of one machine, or a Redis
(`redis_ledger`) for several machines. Counting and taking a permit are one step in both, so two processes never take
the same place in a window. API keys are stored only as a salted hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from hashlib import blake2b
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self

from intel_grapher.fetch.rate_headers import QuotaHint
from intel_grapher.fetch.windows import margin
from intel_grapher.source import DAYS, Rate, Source

LONGEST_HOLD: Final = 1 * DAYS
"""Seconds. A service that asks for a longer pause is asked again after this one."""
LOOK_SECONDS: Final = 1.0
"""Without rates, the ledger is asked once in so many seconds whether a service is held."""
FIRST_FEW: Final = 4
"""Answers after which the quickest one tells how long the way to a service is."""
USED_UP: Final = "its quota is used up, it says"


class Permit(NamedTuple):
    """Leave to send one request, which counts at `at` (epoch milliseconds). `id` names it; 0 without rates."""

    id: int
    at: int


class Left(NamedTuple):
    """What a rate leaves: `left` requests may be sent now; if 0, the next one at `opens` (epoch seconds)."""

    rate: Rate
    left: int
    opens: float


class Account(Protocol):
    """One source with one API key: what was sent and what may be sent. For any thread."""

    @property
    def rates(self) -> Sequence[Rate]:
        """Return the rates that no other one implies, the shortest window first."""

    def take(self) -> Permit | float:
        """Return a permit if a request may be sent now, and count it; else the seconds to wait before asking again."""

    def settle(self, permit: Permit, sent_at: float, seconds: float) -> None:
        """Note when a request was sent (epoch seconds) and after how many seconds it was answered (0 for never).

        It counts for the service when it gets there. One that came back later than the quickest may have got there
        late, and is counted as of then.
        """

    def give_back(self, permit: Permit) -> None:
        """Note that nothing was sent with a permit, so that it does not count. A service's own figure stays lowered."""

    def hold(self, seconds: float, reason: str) -> None:
        """Send nothing for so many seconds, at most a day, because the service asks for it."""

    def refused(self, reason: str) -> float:
        """Hold after a "too many requests" that does not say how long to wait, and return for how many seconds.

        Someone else may use the key. First the shortest window of the rates is waited for, then the next longer one.
        """

    def answered(self) -> None:
        """Note that the service answers again."""

    def learn(self, hint: QuotaHint) -> None:
        """Note what the service says is left of a quota. Requests under way are not in its figure."""

    def held(self) -> tuple[float, str]:
        """Return until when nothing is sent (epoch seconds; 0 if requests may be sent) and the reason."""

    def left(self) -> list[Left]:
        """Return what each rate leaves, and no more than the service said is left of a quota."""


class Claim(Enum):
    """Whose a question of a queue is: this fetch's to ask, answered already, or asked by another fetch now."""

    MINE = 1
    ANSWERED = 2
    ELSEWHERE = 3


class Queue(Protocol):
    """The questions that several fetches share, each of which is asked by one. For any thread."""

    def claim(self, question: str) -> Claim:
        """Return whether a question is this fetch's to ask, is answered, or is asked by another fetch."""

    def end(self, question: str, *, answered: bool) -> None:
        """End a claim: the question is answered, or free for whoever claims it next."""

    def close(self) -> None:
        """Free what is claimed and not answered."""


class Ledger(Protocol):
    """The accounts of all sources, for any thread, and a context that closes it.

    Every method raises CacheError if the ledger can't be used.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def account(self, source: Source, secret: str = "") -> Account:
        """Return the account of one source with one API key."""

    def queue(self, name: str) -> Queue:
        """Return the queue of a name. Raises UsageError for a ledger of one machine."""

    def close(self) -> None:
        """Close the file or the connections."""


class Arrivals:
    """When the requests of an account get to the service, as far as its answers tell. Not for several threads at once.

    A request counts for the service when it gets there. One that came back later than the quickest may have got there
    late.
    """

    def __init__(self) -> None:
        self._answered = 0
        self._fastest = 0.0

    def latest(self, sent_at: float, seconds: float, answered_at: float, per: float) -> float:
        """Return the latest moment (epoch seconds) that a request may have got there.

        It was sent at `sent_at`, and answered after `seconds` (0: never), at `answered_at`. `per` is the shortest
        window's length.
        """
        self._answered += 1
        if seconds:
            self._fastest = min(self._fastest or seconds, seconds)
        # Of the first few it is not known whether any was quick: they may have got there just before the answer. Half
        # the margin is kept back, for the way there of the next one.
        quickest = self._fastest if self._answered > FIRST_FEW else 0.0
        return max(sent_at, answered_at - quickest - margin(per) / 2)


def key_digest(secret: str, salt: bytes) -> str:
    """Return what stands for an API key in a ledger: 16 hexadecimal digits; empty without a key."""
    return blake2b(secret.encode(), key=salt, digest_size=8).hexdigest() if secret else ""


def within(found: list[Left], remaining: int, reset: float, now: float) -> list[Left]:
    """Return what the rates leave, and no more than the `remaining` requests that a service says are left."""
    if reset <= now:
        return found
    remaining = max(0, remaining)
    return [
        left._replace(left=min(left.left, remaining), opens=left.opens if remaining else max(left.opens, reset))
        for left in found
    ]
