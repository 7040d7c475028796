"""What comes next, made while what came before is being dealt with."""

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
    """Yield what is made of each item, in their order; meanwhile as many threads make of the next ones.

    Raises at its turn what making of an item raises. The items themselves are drawn by the caller's own thread. What is
    under way is waited for, also where nobody wants it any more: `stop` is called before.
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
