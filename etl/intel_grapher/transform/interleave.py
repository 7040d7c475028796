"""The merged rows of the previous run and of this one, interleaved in the order of their pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc


class Piece(NamedTuple):
    """Some rows of a group in order; those of them that are new; and the previous rows that these replace."""

    rows: pa.Table
    new: pa.Table
    replaced: pa.Table


def interleaved(previous: Iterator[pa.Table], new: Iterator[pa.Table], schema: pa.Schema) -> Iterator[Piece]:
    """Yield the rows of both, each sorted by `pair`, as one sorted sequence; of two with one pair, the new row.

    No table may be empty. All that are yielded have the columns of `schema`.
    """
    none = schema.empty_table()

    def whole(*tables: pa.Table) -> pa.Table:
        return pa.concat_tables([none, *tables], promote_options="default")

    old_rows, new_rows = next(previous, None), next(new, None)
    while old_rows is not None and new_rows is not None:
        last = pc.min_element_wise(old_rows["pair"][-1], new_rows["pair"][-1])
        old_count, new_count = (
            pc.search_sorted(table["pair"], last, side="right").as_py() for table in (old_rows, new_rows)
        )
        old_here, new_here = old_rows.slice(0, old_count), new_rows.slice(0, new_count)
        is_replaced = pc.is_in(old_here["pair"], new_here["pair"])
        rows = whole(old_here.filter(pc.invert(is_replaced)), new_here)
        ordered = rows.take(pc.sort_indices(rows["pair"])) if new_count else rows
        yield Piece(ordered, whole(new_here), whole(old_here.filter(is_replaced)))
        old_rows = old_rows.slice(old_count) if old_count < old_rows.num_rows else next(previous, None)
        new_rows = new_rows.slice(new_count) if new_count < new_rows.num_rows else next(new, None)
    while old_rows is not None:
        yield Piece(whole(old_rows), none, none)
        old_rows = next(previous, None)
    while new_rows is not None:
        yield Piece(rows := whole(new_rows), rows, none)
        new_rows = next(new, None)
