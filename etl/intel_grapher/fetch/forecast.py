"""When so many requests will have been sent, under the limits of a service and with what they leave now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from intel_grapher.fetch.ledger import Account, Left
from intel_grapher.fetch.windows import length, period, strictest
from intel_grapher.source import Source


@dataclass(frozen=True)
class Outlook:
    """What one key of a source may do: what each rate leaves, and until when it is held back, and why."""

    left: Sequence[Left] = ()
    held_until: float = 0.0
    held_reason: str = ""

    @classmethod
    def of(cls, account: Account) -> Outlook:
        """Return an account's outlook as it is now."""
        return cls(account.left(), *account.held())

    @classmethod
    def untouched(cls, source: Source, now: float) -> Outlook:
        """Return the outlook of a source that was never asked."""
        return cls([Left(rate, rate.requests, now) for rate in strictest(source.limits)])

    def seconds(self, requests: int, now: float) -> float:
        """Return in how many seconds the last of so many requests may be sent; `now` is in epoch seconds.

        When a longer window opens anew, so have the shorter ones; what is left then takes its time under those.
        """
        whole = 0.0
        rest = requests
        for each in sorted(self.left, key=lambda left: -left.rate.per):
            now_left = each._replace(left=each.rate.requests, opens=now) if whole else each
            more = rest - now_left.left
            if more > 0:
                whole += _opens(now_left, more, now)
                rest = (more - 1) % each.rate.requests + 1
        return max(self.held_until - now, whole) if requests else 0.0

    def until(self, end: float, now: float) -> int | None:
        """Return how many requests may be sent before `end` (epoch seconds); None where there is no limit."""
        start = max(now, self.held_until)
        if start >= end:
            return 0
        return min((_until(each, end, start) for each in self.left), default=None)


def seconds(outlooks: Sequence[Outlook], requests: int, now: float) -> float:
    """Return in how many seconds so many requests may have been sent, with a source's keys in turn."""
    if not outlooks or not requests:
        return 0.0
    share = math.ceil(requests / len(outlooks))
    return max(each.seconds(share, now) for each in outlooks)


def today(outlooks: Sequence[Outlook], now: float) -> int | None:
    """Return how many requests may be sent until the next UTC midnight; None where there is no limit."""
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    midnight = (day + timedelta(days=1)).timestamp()
    each = [outlook.until(midnight, now) for outlook in outlooks]
    return None if None in each else sum(one or 0 for one in each)


def _next_window(left: Left, at: float) -> float:
    """Return when the window opens after the one that counts what is sent at a moment (epoch seconds)."""
    return period(left.rate, at)[1] if left.left else max(left.opens, at)


def _opens(left: Left, more: int, now: float) -> float:
    """Return in how many seconds the window opens in which the last of `more` than are left may be sent."""
    return _next_window(left, now) - now + (math.ceil(more / left.rate.requests) - 1) * length(left.rate)


def _until(left: Left, end: float, start: float) -> int:
    windows = math.ceil((end - _next_window(left, start)) / length(left.rate))
    return left.left + max(0, windows) * left.rate.requests
