"""Merging of few facts in Python, by the schema's rules: the rows that DuckDB gives, without its fixed cost.

A query of DuckDB takes 3 to 4 ms for any group, and its start 50 ms of a command.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from intel_grapher.files import Group
from intel_grapher.model import Merge, Property
from intel_grapher.transform.facts import ALIASES
from intel_grapher.transform.rules import PYTHON

WORD = 62
"""Sources in one BIGINT, a bit each; more sources take more columns."""
LISTS = pa.list_(pa.field("l", pa.string()))
"""Lists of texts as DuckDB returns them: rows of both are put together."""


def merged(group: Group, facts: Sequence[pa.Table], previous: Iterable[pa.Table], words: Sequence[str]) -> pa.Table:
    """Return the merged rows of all nodes or relationships that some facts are about, sorted by `pair`.

    `facts` have `pair`, `fetched_at`, properties, and either `source_index` or the bits of their sources (the columns
    `words`). `previous` are the rows of the previous run, which count as facts; there need not be a fact of each.
    """
    counted = [(table, table["pair"].to_pylist()) for table in facts]
    known = {pair for _, pairs in counted for pair in pairs}
    counted += [(table, table["pair"].to_pylist()) for table in previous]
    bits, fetched = dict.fromkeys(known, 0), dict[int, int]()
    for table, pairs in counted:
        columns = zip(pairs, _bits(table, words), table["fetched_at"].to_pylist(), strict=True)
        for pair, of_sources, at in columns:
            if pair in known:
                bits[pair] |= of_sources
                fetched[pair] = max(fetched.get(pair, at), at)
    order = sorted(known)
    made = {"pair": pa.array(order, pa.int64())}
    for number, word in enumerate(words):
        made[word] = pa.array([bits[pair] >> WORD * number & (1 << WORD) - 1 for pair in order], pa.int64())
    made["fetched_at"] = pa.array(map(fetched.__getitem__, order), pa.int64())
    for declared in group.properties:
        if declared.name != "fetched_at" and (held := list(_held(declared, counted))):
            values: defaultdict[int, list[Any]] = defaultdict(list)
            for _, pairs, column in held:
                for pair, value in zip(pairs, column, strict=True):
                    if value is not None:
                        values[pair].append(value)
            rule = PYTHON[declared.merge]
            rows = [rule(values[pair]) if pair in values else None for pair in order]
            made[declared.name] = pa.array(rows, held[0][0])
    return pa.table(made)


def _bits(table: pa.Table, words: Sequence[str]) -> list[int]:
    """Return the sources of each fact of a table, a bit each."""
    if "source_index" in table.column_names:
        return [1 << index for index in table["source_index"].to_pylist()]
    parts = [table[word].to_pylist() for word in words]
    return [sum(part << WORD * number for number, part in enumerate(row)) for row in zip(*parts, strict=True)]


def _held(
    declared: Property, counted: Iterable[tuple[pa.Table, list[int]]]
) -> Iterator[tuple[pa.DataType, list[int], list[Any]]]:
    """Yield each column that has a property: its type once merged, the pair of each row, and the values.

    A value that follows the newest observation is a tuple of its time and itself.
    """
    for table, pairs in counted:
        for name in table.column_names:
            if declared.name not in name.split(ALIASES):
                continue
            column = table[name]
            type_ = LISTS if pa.types.is_list(column.type) else column.type
            values = column.to_pylist()
            if declared.merge is Merge.NEWEST:
                if pa.types.is_struct(type_):  # a previous row's
                    values = [value and (value["at"], value["value"]) for value in values]
                else:
                    type_ = pa.struct({"at": pa.int64(), "value": type_})
                    times = table["fetched_at"].to_pylist()
                    values = [None if value is None else (at, value) for at, value in zip(times, values, strict=True)]
            yield type_, pairs, values
