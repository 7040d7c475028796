"""Forecasts: when a number of requests will have been sent, given a service's rates and what they leave now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from intel_grapher.fetch.account import Account, Left
from intel_grapher.fetch.windows import length, period, strictest
from intel_grapher.source import Source


@dataclass(frozen=True)
class Outlook:
    """One API key's prospects: what each rate leaves, until when (epoch seconds) it is held, and why."""

    left: Sequence[Left] = ()
    held_until: float = 0.0
    held_reason: str = ""

    @classmethod
    def of(cls, account: Account) -> Outlook:
        """Return an account's present outlook."""
        return cls(account.left(), *account.held())

    @classmethod
    def untouched(cls, source: Source, now: float) -> Outlook:
        """Return the outlook of a source that was never asked."""
        return cls([Left(rate, rate.requests, now) for rate in strictest(source.limits)])

    def seconds(self, requests: int, now: float) -> float:
        """Return the seconds until the last of a number of requests may be sent; `now` is epoch seconds.

        When a longer window opens again, the shorter ones have opened too; the rest is then limited by those.
        """
        whole = 0.0
        rest = requests
        for left in sorted(self.left, key=lambda left: -left.rate.per):
            now_left = left._replace(left=left.rate.requests, opens=now) if whole else left
            more = rest - now_left.left
            if more > 0:
                whole += _opens(now_left, more, now)
                rest = (more - 1) % left.rate.requests + 1
        return max(self.held_until - now, whole) if requests else 0.0

    def until(self, end: float, now: float) -> int | None:
        """Return how many requests may be sent before `end` (epoch seconds); None without a limit."""
        start = max(now, self.held_until)
        if start >= end:
            return 0
        return min((_until(left, end, start) for left in self.left), default=None)


def seconds(outlooks: Sequence[Outlook], requests: int, now: float) -> float:
    """Return the seconds until a number of requests may have been sent with a source's API keys in turn."""
    if not outlooks or not requests:
        return 0.0
    share = math.ceil(requests / len(outlooks))
    return max(outlook.seconds(share, now) for outlook in outlooks)


def today(outlooks: Sequence[Outlook], now: float) -> int | None:
    """Return how many requests may be sent until the next UTC midnight; None without a limit."""
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    midnight = (day + timedelta(days=1)).timestamp()
    allowed = [outlook.until(midnight, now) for outlook in outlooks]
    return None if None in allowed else sum(requests or 0 for requests in allowed)


def _next_window(left: Left, at: float) -> float:
    """Return the end of the window that counts a request sent at `at` (epoch seconds)."""
    return period(left.rate, at)[1] if left.left else max(left.opens, at)


def _opens(left: Left, more: int, now: float) -> float:
    """Return the seconds until the window opens in which the last of `more` requests beyond `left` may be sent."""
    return _next_window(left, now) - now + (math.ceil(more / left.rate.requests) - 1) * length(left.rate)


def _until(left: Left, end: float, start: float) -> int:
    windows = math.ceil((end - _next_window(left, start)) / length(left.rate))
    return left.left + max(0, windows) * left.rate.requests
