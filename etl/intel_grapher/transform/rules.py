"""The schema's merge rules as SQL aggregates, in the dialect of each engine that merges, and as functions.

A rule gives the same value in all of them: texts are compared by their UTF-8 bytes, null counts for nothing, and of two
newest observations the one with the greater value wins. `fetched_at` is the column with the time of an observation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, Final

from intel_grapher.model import Merge

Dialect = Mapping[Merge, str]

DUCKDB: Final[Dialect] = {
    Merge.MIN: "min({0})",
    Merge.MAX: "max({0})",
    Merge.NEWEST: "max({{'at': fetched_at, 'value': {0}}}) FILTER ({0} IS NOT NULL)",
    Merge.UNION: "list_sort(list_distinct(flatten(list({0}) FILTER ({0} IS NOT NULL))))",
}
SPARK: Final[Dialect] = {
    Merge.MIN: "min({0})",
    Merge.MAX: "max({0})",
    Merge.NEWEST: "max(struct(fetched_at AS at, {0} AS value)) FILTER (WHERE {0} IS NOT NULL)",
    Merge.UNION: "nullif(array_sort(array_distinct(flatten(collect_list({0})))), array())",
}
PYTHON: Final[Mapping[Merge, Callable[[list[Any]], Any]]] = {
    Merge.MIN: min,
    Merge.MAX: max,
    Merge.NEWEST: max,
    Merge.UNION: lambda lists: sorted(set(chain.from_iterable(lists))),
}
"""The rules over a list of values, at least one and none of them None; for NEWEST they are tuples (at, value)."""


def aggregate(dialect: Dialect, rule: Merge, value: str) -> str:
    """Return the SQL aggregate of a rule over a column; for NEWEST it is a struct of `at` and `value`."""
    return dialect[rule].format(value)
