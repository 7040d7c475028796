"""Whether what a service was asked kept to its rates, on a machine that may be at other work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

JITTER = 0.08  # seconds by which two cores may bring two requests closer together than they were sent


@contextmanager
def lag() -> Iterator[list[float]]:
    """Give a list that fills with the seconds by which a thread begins late: the machine may be at other work."""
    found, ended = [0.0], threading.Event()

    def watch() -> None:
        until = time.monotonic() + 0.01
        while not ended.wait(0.01):
            now = time.monotonic()
            found.append(max(now - until, 0.0))
            until = now + 0.01

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def beyond(moments: Sequence[float], requests: int, window: float) -> Iterator[tuple[float, float]]:
    """Yield the first and the last of each run of requests that are one too many within a window of seconds."""
    moments = sorted(moments)
    for first, last in zip(moments, moments[requests:], strict=False):
        if last - first < window:
            yield first, last


def too_many(
    moments: Sequence[float], rates: Sequence[tuple[int, float]], lags: Sequence[float]
) -> list[tuple[float, float]]:
    """Return the runs of requests beyond any of some rates (requests, seconds), but for what `lag` explains."""
    return [
        run for requests, per in rates for run in beyond(moments, requests, per - min(JITTER + 2 * max(lags), per / 2))
    ]
