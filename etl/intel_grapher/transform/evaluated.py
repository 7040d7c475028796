"""The columns of a trace, for many replies at once.

What a mapping would do with each reply is done with all, and to the same values: whatever it would be surprised by ends
the whole, and the replies are then mapped one by one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher.keys import plain
from intel_grapher.schema import registered, registrable, service_name
from intel_grapher.transform.expressions import REPLIES, Constant, Expression, Member, RowSet, Shape

_SCALARS: dict[type, pa.DataType] = {str: pa.string(), int: pa.int64(), bool: pa.bool_()}


class UnlikeError(Exception):
    """Something is in these replies that columns do not tell."""


class Evaluated:
    """The columns of a trace for replies (objects or lists) and the keys that were asked for (string[n])."""

    def __init__(self, replies: pa.Array, asked: pa.Array) -> None:
        self.replies = replies
        self.asked = asked
        self._columns: dict[Expression, pa.Array] = {}
        self._above: dict[tuple[RowSet, RowSet], pa.Array] = {}
        self._steps: dict[RowSet, tuple[pa.Array, ...]] = {}
        self._parents: dict[RowSet, memoryview] = {}

    def forget(self) -> None:
        """Give back the memory of all columns. What is asked for afterwards is made again."""
        for known in (self._columns, self._above, self._steps):
            known.clear()

    def count(self, rows: RowSet) -> int:
        """Return the number of rows."""
        return len(self.replies) if rows.above is None else len(self._nearer(rows)[0])

    def above(self, rows: RowSet, other: RowSet) -> pa.Array | None:
        """Return which one of other rows each row has (int[rows]); None where both are the same."""
        if rows is other:
            return None
        if (rows, other) not in self._above:
            for nearer, step in zip(rows.nearer, self._nearer(rows), strict=True):
                if nearer.reaches(other):
                    further = self.above(nearer, other)
                    self._above[rows, other] = step if further is None else further.take(step)
                    break
        return self._above[rows, other]

    def of_replies(self, rows: RowSet) -> pa.Array:
        """Return the reply of each row (int[rows])."""
        found = self.above(rows, REPLIES)
        return pa.arange(0, len(self.replies)) if found is None else found

    def path(self, column: Expression, row: int, value: object) -> str:
        """Return the JSON path of a value that a column has in one of its rows; empty where it is not known."""
        if column.how == "reply":
            return "$"
        if column.how == "member":
            (of,), member = column.of, column.what
            if member.default is not None and value == member.default:  # it may be missing
                return ""
            above = self.path(of, self._row(column.rows, of.rows, row), None)
            return above and f"{above}.{member.encoded}"
        if column.how == "item":
            rows, lists = column.rows, cast("Expression", column.rows.items)
            if rows not in self._parents:
                self._parents[rows] = memoryview(self._nearer(rows)[0].buffers()[1]).cast("q")
            at = self._parents[rows][row]
            above = self.path(lists, self._row(cast("RowSet", rows.above), lists.rows, at), None)
            return above and f"{above}[{row - bisect_left(self._parents[rows], at, 0, row)}]"
        return ""

    def _row(self, rows: RowSet, other: RowSet, row: int) -> int:
        above = self.above(rows, other)
        return row if above is None else above[row].as_py()

    def values(self, value: Expression | Constant, rows: RowSet) -> pa.Array:
        """Return a column's value for each of some rows."""
        if isinstance(value, Constant):
            return pa.array([value.value] * self.count(rows))
        if value not in self._columns:
            self._columns[value] = self._made(value)
        return _taken(self._columns[value], self.above(rows, value.rows))

    def _nearer(self, rows: RowSet) -> tuple[pa.Array, ...]:
        """Return which one of its nearer rows each row has."""
        if rows not in self._steps:
            above = cast("RowSet", rows.above)
            if rows.condition is not None:
                self._steps[rows] = (pc.indices_nonzero(self._truth(rows.condition, above)),)
            elif rows.items is not None:
                lists = self.values(rows.items, above)
                if cast("Shape", rows.items.shape).is_nullable and lists.null_count:
                    raise UnlikeError
                self._steps[rows] = (pc.list_parent_indices(lists),)
            else:
                spread, base = cast("RowSet", rows.spread), cast("RowSet", rows.base)
                lists = _listed(pa.arange(0, self.count(spread)), self._lengths(spread, base))
                lists = _taken(lists, self.above(above, base))
                self._steps[rows] = (pc.list_parent_indices(lists), pc.list_flatten(lists))
        return self._steps[rows]

    def _lengths(self, rows: RowSet, base: RowSet) -> pa.Array:
        """Return how many rows each row of a base has beneath it (int64[base])."""
        above = self.above(rows, base)
        if above is None:
            return pa.repeat(pa.scalar(1, pa.int64()), self.count(base))
        counts = above.value_counts()
        at = pc.index_in(pa.arange(0, self.count(base)), value_set=counts.field("values").cast(pa.int64()))
        return counts.field("counts").take(at).fill_null(0)

    def _truth(self, value: Expression, rows: RowSet) -> pa.Array:
        return self.values(value, rows).fill_null(False)  # noqa: FBT003 - Arrow's own order

    def _made(self, column: Expression) -> pa.Array:
        return getattr(self, f"_{column.how}_column")(column)

    def _asked_column(self, _: Expression) -> pa.Array:
        return self.asked

    def _reply_column(self, _: Expression) -> pa.Array:
        return self.replies

    def _item_column(self, column: Expression) -> pa.Array:
        rows = column.rows
        self._nearer(rows)  # which fails where there is no list
        return pc.list_flatten(self.values(cast("Expression", rows.items), cast("RowSet", rows.above)))

    def _member_column(self, column: Expression) -> pa.Array:
        (of,), member = column.of, cast("Member", column.what)
        objects = self.values(of, of.rows)
        found = pc.struct_field(objects, member.encoded)
        if member.default is not None:
            found = found.fill_null(member.default)
        at = self.above(column.rows, of.rows)
        if of.shape.is_nullable and objects.null_count and _taken(objects.is_null(), at).true_count:
            raise UnlikeError
        return _taken(found, at)

    def _some_column(self, column: Expression) -> pa.Array:
        value = column.of[0]
        found = self.values(value, column.rows)
        if value.shape is not None and value.shape.of is not None and value.shape.item is None:
            if value.shape.is_nullable:
                return found.is_valid()
            return pa.repeat(pa.scalar(True), len(found))  # noqa: FBT003 - Arrow's own order
        return _some(found)

    def _null_column(self, column: Expression) -> pa.Array:
        value = column.of[0]
        if value.shape is not None and not value.shape.is_scalar and not value.shape.is_nullable:
            return pa.repeat(pa.scalar(False), self.count(column.rows))  # noqa: FBT003 - Arrow's own order
        return self.values(value, column.rows).is_null()

    def _not_column(self, column: Expression) -> pa.Array:
        return pc.invert(self._truth(column.of[0], column.rows))

    def _any_column(self, column: Expression) -> pa.Array:
        found = pa.chunked_array(
            [cast("pa.Array", self.above(rows, column.rows)).cast(pa.int64()) for rows in column.what]
        )
        return pc.is_in(pa.arange(0, self.count(column.rows)), value_set=found.unique())

    def _merged_column(self, column: Expression) -> pa.Array:
        parts = [
            (
                self.values(value if isinstance(value, Expression) else Constant(value), rows),
                self.above(rows, column.rows),
            )
            for rows, value in column.what
        ]
        types = {values.type for values, _ in parts if not pa.types.is_null(values.type)}
        if len(types) > 1:
            raise UnlikeError
        type_ = next(iter(types), pa.null())
        joined = pa.concat_arrays([values.cast(type_) for values, _ in parts])
        at = pa.concat_arrays([cast("pa.Array", at).cast(pa.int64()) for _, at in parts])
        return joined.take(pc.inverse_permutation(at))

    def _whole_column(self, column: Expression) -> pa.Array:
        rows = column.rows
        texts, at, lengths = [pa.array([], pa.string())], [pa.array([], pa.int64())], []
        for part, item in column.what:
            found = self.values(item if isinstance(item, Expression) else Constant(item), part)
            if not pa.types.is_string(found.type) or found.null_count:
                if len(found):
                    raise UnlikeError
                found = pa.array([], pa.string())
            above = self.above(part, rows)
            texts.append(found)
            at.append((pa.arange(0, len(found)) if above is None else above).cast(pa.int64()))
            lengths.append(self._lengths(part, rows))
        values = pa.concat_arrays(texts)
        if len(lengths) > 1:
            table = pa.table({"at": pa.concat_arrays(at), "place": pa.arange(0, len(values))})
            values = values.take(pc.sort_indices(table, [("at", "ascending"), ("place", "ascending")]))
        total = pa.repeat(pa.scalar(0, pa.int64()), self.count(rows))
        for each in lengths:
            total = pc.add(total, each)
        return _listed(values, total)

    def _made_column(self, column: Expression) -> pa.Array:
        function = column.what
        columns = [self.values(each, column.rows) for each in column.of if isinstance(each, Expression)]
        if (quick := _QUICK.get((function, len(columns)))) and len(columns) == len(column.of):
            found = quick(*columns)
            unknown = pc.is_null(found)
            if not pc.any(unknown).as_py():
                return found
            rest = _called(function, [each.filter(unknown).to_pylist() for each in columns], column.shape)
            return pc.replace_with_mask(found, unknown, rest)
        if len(columns) == 1 and not pa.types.is_nested(columns[0].type):
            encoded = columns[0].dictionary_encode(null_encoding="encode")
            lists = self._arguments(column, [encoded.dictionary.to_pylist()])
            return _called(function, lists, column.shape).take(encoded.indices)
        return _called(function, self._arguments(column, [each.to_pylist() for each in columns]), column.shape)

    def _arguments(self, column: Expression, found: list[list[Any]]) -> list[Any]:
        left = iter(found)
        return [next(left) if isinstance(each, Expression) else repeat(each, len(found[0])) for each in column.of]


def _taken(values: pa.Array, at: pa.Array | None) -> pa.Array:
    return values if at is None else values.take(at)


def _listed(values: pa.Array, lengths: pa.Array) -> pa.Array:
    """Return values as lists of some lengths."""
    ends = pc.cumulative_sum(lengths).cast(pa.int32())
    return pa.ListArray.from_arrays(pa.concat_arrays([pa.array([0], pa.int32()), ends]), values)


def _some(values: pa.Array) -> pa.Array:
    """Return which values are neither null nor empty, 0 or false (bool[n])."""
    if pa.types.is_null(values.type):
        return pa.repeat(pa.scalar(False), len(values))  # noqa: FBT003 - Arrow's own order
    if pa.types.is_string(values.type):
        values = pc.binary_length(values)
    elif pa.types.is_list(values.type):
        values = pc.list_value_length(values)
    some = values if pa.types.is_boolean(values.type) else pc.not_equal(values, 0)
    return some.fill_null(False)  # noqa: FBT003 - likewise


def _called(function: Callable[..., Any], arguments: Sequence[Any], shape: Shape | None) -> pa.Array:
    """Return what a function gives for each of some arguments. Raises UnlikeError for what no column can have."""
    try:
        found = list(map(function, *arguments))
        types = {type(each) for each in (found if shape is None else chain.from_iterable(found))}
    except Exception as wrong:  # it is then found again, in the reply that it is in
        raise UnlikeError from wrong
    types -= {type(None)} if shape is None else set()
    if not types <= (_SCALARS.keys() if shape is None else {str}) or len(types) > 1:
        raise UnlikeError
    arrow = pa.list_(pa.string()) if shape is not None else _SCALARS[types.pop()] if types else pa.null()
    try:
        return pa.array(found, arrow)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as wrong:
        raise UnlikeError from wrong


def _service_names(addresses: pa.Array, ports: pa.Array) -> pa.Array:
    """Return names of services; null for those of IPv6 addresses."""
    is_plain = pc.invert(pc.match_substring(addresses, ":"))
    return pc.if_else(is_plain, pc.binary_join_element_wise(addresses, ports.cast(pa.string()), ":"), None)


_QUICK: dict[Any, Callable[..., pa.Array]] = {
    (service_name, 2): _service_names,
    (registrable, 1): plain.registrable,
    (registered, 1): plain.registrable,
}
