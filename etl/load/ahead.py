"""What comes next, made while what came before is being dealt with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def made_ahead(make: Callable[[T], R], items: Iterable[T], threads: int = 1) -> Iterator[R]:
    """Yield what is made of each item, in their order; meanwhile as many threads make of the next ones.

    Raises at its turn what making of an item raises. The items themselves are drawn by the caller's own thread.
    """
    rest = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        under_way = deque(pool.submit(make, item) for item in islice(rest, threads))
        while under_way:
            made = under_way.popleft().result()
            under_way.extend(pool.submit(make, item) for item in islice(rest, 1))
            yield made
