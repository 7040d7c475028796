from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest

from intel_grapher.load.prefetch import prefetched


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("items", [0, 1, 2, 17])
def test_all_is_made_once_and_in_order(items: int, threads: int) -> None:
    assert list(prefetched(lambda each: each * each, range(items), threads)) == [each * each for each in range(items)]


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_is_drawn_than_threads_ahead_of_what_is_taken(threads: int) -> None:
    drawn = 0

    def items() -> Iterator[int]:
        nonlocal drawn
        for each in range(20):
            drawn += 1
            yield each

    for taken, _ in enumerate(prefetched(lambda each: each, items(), threads), 1):
        assert drawn <= taken + threads
    assert drawn == 20


def test_what_goes_wrong_is_raised_at_its_turn() -> None:
    made = prefetched(lambda each: 6 // each, [3, 2, 0, 1], 2)
    assert [next(made), next(made)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(made)


def test_who_leaves_early_stops_what_is_under_way_before_it_is_waited_for() -> None:
    stopped = Event()

    def make(each: int) -> int:
        if each:
            assert stopped.wait(60)
        return each

    made = prefetched(make, range(9), 3, stop=stopped.set)
    assert next(made) == 0
    assert not stopped.is_set()
    made.close()
    assert stopped.is_set()


def test_nothing_is_stopped_that_comes_to_its_end() -> None:
    stopped = Event()
    assert list(prefetched(lambda each: each, range(9), 3, stop=stopped.set)) == list(range(9))
    assert not stopped.is_set()
