"""How often a service may be asked: its rates, counted over sliding windows."""

from __future__ import annotations

import time
from collections.abc import Iterable
from threading import Lock
from typing import Final

import pyrate_limiter

from etl.source import Rate

_MARGIN: Final = 0.02
_LEAST_MARGIN: Final = 0.03
"""Windows are taken this much longer than the service's: the way there does not always take the same time."""


def strictest(rates: Iterable[Rate]) -> list[Rate]:
    """Return the rates that no other one implies, the shortest window first."""
    kept: list[Rate] = []
    for rate in sorted(rates, key=lambda each: (each.per, each.requests)):
        if any(rate.requests / rate.per >= other.requests / other.per for other in kept):
            continue
        kept = [other for other in kept if other.requests < rate.requests]
        kept.append(rate)
    return kept


class Limits:
    """The rates of one source in one run. Any thread may take."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        counted = [
            pyrate_limiter.Rate(each.requests, round(1000 * (each.per + max(each.per * _MARGIN, _LEAST_MARGIN))))
            for each in strictest(rates)
        ]
        self._bucket = pyrate_limiter.InMemoryBucket(counted) if counted else None
        self._lock = Lock()

    def take(self) -> float:
        """Return 0.0 when a request may be sent now, which is then counted; else the seconds to wait before."""
        if self._bucket is None:
            return 0.0
        with self._lock:
            item = pyrate_limiter.RateItem("request", time.monotonic_ns() // 1_000_000)
            if self._bucket.put(item):
                return 0.0
            wait = self._bucket.waiting(item)
            if not isinstance(wait, int):
                raise TypeError("a bucket in memory answers at once")
            return max(wait, 1) / 1000
