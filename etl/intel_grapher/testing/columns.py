"""What replies give if they are read in columns, as far as that can be, and what they give one by one."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from intel_grapher.cache.envelope import Entry, encode
from intel_grapher.source import Endpoint
from intel_grapher.testing.validity import facts_of
from intel_grapher.transform.facts import Batch, Reject, Reply


class OneWay(NamedTuple):
    """Facts with how often each came, rejects in order, and the number of replies by outcome."""

    facts: Counter[tuple[str, str]]
    rejects: list[Reject]
    outcomes: Counter[str]


def all_ways(endpoint: Endpoint, replies: Sequence[Reply]) -> tuple[OneWay, OneWay, OneWay]:
    """Return what replies give in columns, in columns with their envelopes, and one by one, key by key, too."""
    columns, lines, singly = Batch(endpoint, 0), Batch(endpoint, 0), Batch(endpoint, 0)
    columns.interning.few = lines.interning.few = 0
    singly.interning.few = sys.maxsize
    columns.add(*replies, in_columns=True)
    lines.add_lines(b"".join(_line(endpoint, reply) for reply in replies), in_columns=True)
    singly.add(*replies, in_columns=False)
    return _given(columns), _given(lines), _given(singly)


def _line(endpoint: Endpoint, reply: Reply) -> bytes:
    """Return a reply as a line of the cache."""
    kept = Entry(
        source=endpoint.source.name,
        endpoint=endpoint.name,
        key=reply.key,
        fetched_at=reply.fetched_at,
        status=reply.status,
        body=bytes(reply.content),
        params=dict(reply.params),
    )
    return encode(kept)


def _given(batch: Batch) -> OneWay:
    found = Counter(fact for group, table in batch.tables() for fact in facts_of(group, table))
    return OneWay(found, sorted(batch.rejects), batch.outcomes)
