"""Prefetching: the next items are computed in threads while the caller handles the current one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetched(
    make: Callable[[T], R], items: Iterable[T], threads: int = 1, *, stop: Callable[[], object] = lambda: None
) -> Generator[R]:
    """Yield `make(item)` for each item, in order, while `threads` threads compute the next ones.

    What `make` raises for an item is raised when that item's turn comes. The items are drawn in the caller's own
    thread. When the caller stops early, `stop` is called, and calls of `make` that are under way are waited for.
    """
    rest = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        try:
            under_way = deque(pool.submit(make, item) for item in islice(rest, threads))
            while under_way:
                made = under_way.popleft().result()
                under_way.extend(pool.submit(make, item) for item in islice(rest, 1))
                yield made
        except BaseException:
            stop()
            raise
