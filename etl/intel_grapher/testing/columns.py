"""What replies give if they are read in columns, as far as that can be, and what they give one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from intel_grapher.source import Endpoint
from intel_grapher.testing.validity import facts_of
from intel_grapher.transform.facts import Batch, Reject, Reply


class OneWay(NamedTuple):
    """Facts with how often each came, rejects in order, and the number of replies by outcome."""

    facts: Counter[tuple[str, str]]
    rejects: list[Reject]
    outcomes: Counter[str]


def both_ways(endpoint: Endpoint, replies: Sequence[Reply]) -> tuple[OneWay, OneWay]:
    """Return what replies give in columns and what they give one by one."""
    columns, singly = Batch(endpoint, 0), Batch(endpoint, 0)
    columns.add(*replies, in_columns=True)
    singly.add(*replies, in_columns=False)
    return _given(columns), _given(singly)


def _given(batch: Batch) -> OneWay:
    found = Counter(fact for group, table in batch.tables() for fact in facts_of(group, table))
    return OneWay(found, sorted(batch.rejects), batch.outcomes)
