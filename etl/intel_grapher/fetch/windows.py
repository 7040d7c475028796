"""The windows of time that a service's rates are counted in.

A rate counts over any stretch of its length (a sliding window) or, if the service says so, from one UTC midnight or
first of a month to the next (a calendar window). Our windows are a little longer than the service's, because requests
do not all take the same time to get there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from intel_grapher.source import DAYS, Rate

MARGIN: Final = 0.025
LEAST_MARGIN: Final = 0.01
MOST_MARGIN: Final = 2.0
"""Seconds. The margin is a fortieth of a window's length, within these bounds."""


def margin(per: float) -> float:
    """Return by how many seconds a window of length `per` (seconds) is made longer."""
    return min(max(per * MARGIN, LEAST_MARGIN), MOST_MARGIN)


def length(rate: Rate) -> float:
    """Return the length of a rate's window in seconds, with the margin of a sliding one."""
    return rate.per if rate.calendar else rate.per + margin(rate.per)


def strictest(rates: Iterable[Rate]) -> list[Rate]:
    """Return the rates that no other one implies, the shortest window first."""
    strict: list[Rate] = []
    for rate in sorted(rates, key=lambda rate: (rate.per, rate.requests)):
        if any(rate.requests / rate.per >= other.requests / other.per for other in strict):
            continue
        strict = [other for other in strict if other.requests < rate.requests]
        strict.append(rate)
    return strict


def period(rate: Rate, now: float) -> tuple[float, float]:
    """Return the start of the window that counts at `now`, and its end for a request sent at `now` (epoch seconds)."""
    if not rate.calendar:
        return now - length(rate), now + length(rate)
    late = now - MOST_MARGIN  # the service's clock may be behind ours
    if rate.per <= DAYS:
        start = late - late % rate.per
        return start, start + rate.per + MOST_MARGIN
    day = datetime.fromtimestamp(late, UTC)
    first = day.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return first.timestamp(), following.timestamp() + MOST_MARGIN
