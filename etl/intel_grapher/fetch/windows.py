"""The windows that a service's rates are counted in, as pyrate-limiter's bucket takes them.

A rate counts over any stretch of its length, or, where the service says so, from one UTC midnight or first of a month
to the next. Ours are a little longer than the service's: a request does not always take the same time to get there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import pyrate_limiter

from intel_grapher.source import DAYS, Rate

MARGIN: Final = 0.025
LEAST_MARGIN: Final = 0.01
MOST_MARGIN: Final = 2.0
"""Seconds; of a window's length a fortieth, within these."""


def margin(per: float) -> float:
    """Return by how many seconds a window of that length is taken longer."""
    return min(max(per * MARGIN, LEAST_MARGIN), MOST_MARGIN)


def strictest(rates: Iterable[Rate]) -> list[Rate]:
    """Return the rates that no other one implies, the shortest window first."""
    kept: list[Rate] = []
    for rate in sorted(rates, key=lambda each: (each.per, each.requests)):
        if any(rate.requests / rate.per >= other.requests / other.per for other in kept):
            continue
        kept = [other for other in kept if other.requests < rate.requests]
        kept.append(rate)
    return kept


def period(rate: Rate, now: float) -> tuple[float, float]:
    """Return where the window of a rate begins that counts at `now`, and when it ends for what is sent now.

    All in epoch seconds.
    """
    if not rate.calendar:
        whole = rate.per + margin(rate.per)
        return now - whole, now + whole
    late = now - MOST_MARGIN  # the service's clock may be behind ours
    if rate.per <= DAYS:
        start = late - late % rate.per
        return start, start + rate.per + MOST_MARGIN
    day = datetime.fromtimestamp(late, UTC)
    first = day.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return first.timestamp(), following.timestamp() + MOST_MARGIN


class Window(pyrate_limiter.Rate):
    """A rate as the bucket takes it; the interval is in milliseconds."""

    def __init__(self, rate: Rate) -> None:
        whole = rate.per if rate.calendar else rate.per + margin(rate.per)
        super().__init__(rate.requests, round(whole * 1000))
        self.rate = rate


class Windows(pyrate_limiter.SlidingWindowLog):
    """Counts what was sent in each window. Times are in milliseconds."""

    def window_start(self, rate: pyrate_limiter.Rate, now: int) -> int:
        """Return from when on requests count."""
        if isinstance(rate, Window) and rate.rate.calendar:
            return round(period(rate.rate, now / 1000)[0] * 1000)
        return super().window_start(rate, now)

    def blocking_offset(self, rate: pyrate_limiter.Rate, weight: int) -> int | None:
        """Return which request, counted from the newest, must leave the window first."""
        if isinstance(rate, Window) and rate.rate.calendar:
            return None
        return super().blocking_offset(rate, weight)

    def retry_after(self, rate: pyrate_limiter.Rate, now: int, blocking_timestamp: int | None) -> int:
        """Return how long to wait."""
        if isinstance(rate, Window) and rate.rate.calendar:
            return max(1, round(period(rate.rate, now / 1000)[1] * 1000) - now)
        return super().retry_after(rate, now, blocking_timestamp)
