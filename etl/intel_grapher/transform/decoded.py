"""Replies decoded into columns, many at once, for mappings that are traced (`traced`).

What the decoder lets pass (`json_rows`) is looked for here: what is null or missing where a value must be. A reply with
such a thing is read by itself, and so is every one that a source judges to have found nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple, NoReturn

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher.keys import plain
from intel_grapher.model import Kind
from intel_grapher.schema import service_name
from intel_grapher.source import Endpoint, Outcome
from intel_grapher.transform.columns import DecodedColumn, DecodedColumns, counted
from intel_grapher.transform.interning import Interning
from intel_grapher.transform.traced import Constant, FactRows, Field, MemberColumn, TextFunction, Trace, TracedFact


class Decoded(NamedTuple):
    """Replies that found something, in columns (a row each), and what was asked for in each (string[n]).

    `found` (bool) tells of every reply that was decoded whether it is one of them. `made` has what functions of what
    was asked for give (string[n]), and which items of a list rows are (bool[items]), once that has been asked for.
    """

    trace: Trace
    table: pa.RecordBatch
    asked: pa.Array
    found: pa.Array
    made: dict[Callable[..., str] | FactRows, pa.Array]

    def lengths(self, rows: FactRows) -> pa.Array:
        """Return how many of some rows there are in each reply (int32[n])."""
        lengths = pc.fill_null(pc.list_value_length(self._member(rows.of)), 0)
        if not rows.conditions:
            return lengths
        until = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(self._mask(rows).cast(pa.int32()))])
        ends = pc.cumulative_sum(lengths)
        return pc.subtract(until.take(ends), until.take(pc.subtract(ends, lengths)))

    def values(self, value: MemberColumn | Constant, rows: FactRows) -> pa.Array:
        """Return a column: a value for each of its rows, or for each reply in which there is one of `rows`."""
        if isinstance(value, Constant):
            return self._with(pa.array([value.value] * self.table.num_rows), rows)
        if value.of:
            return self._items(value)
        if value.function:
            if value.function not in self.made:
                self.made[value.function] = _of_keys(value.function, self.asked)
            return self._with(self.made[value.function], rows)
        if not value.member:
            return self._with(self.asked, rows)
        field = self.trace.fields[value.member]
        return self._with(_filled(self._member(value.member), field), rows)

    def firsts(self, value: MemberColumn, rows: FactRows) -> pa.Array:
        """Return the first of a fact's keys in each reply (string[n]); null where the fact has no row there."""
        has = pc.greater(self.lengths(rows), 0) if rows.of else pa.array([True] * self.table.num_rows, pa.bool_())
        values = self.values(value, rows)
        if values.type != pa.string():
            return pa.nulls(len(has), pa.string())
        if value.of:
            lengths = self.lengths(rows)
            values = values.take(pc.subtract(pc.cumulative_sum(lengths), lengths).filter(has))
        return pc.replace_with_mask(pa.nulls(len(has), pa.string()), has, values)

    def _items(self, value: MemberColumn) -> pa.Array:
        field, is_row = self.trace.fields[value.of], self._mask(value.rows)

        def those(items: pa.Array) -> pa.Array:
            return items.filter(is_row) if value.rows.conditions else items

        if value.function:
            items = those(pc.list_flatten(self._member(value.of)))
            asked = those(self.asked.take(pc.list_parent_indices(self._member(value.of))))
            arguments = [items if argument else asked for argument in value.arguments]
            is_service = value.function is service_name and value.arguments == ("", value.of)
            if is_service and not pc.any(pc.match_substring(asked, ":")).as_py():  # what it does without IPv6 addresses
                made = pc.binary_join_element_wise(asked, items.cast(pa.string()), ":")
            else:
                made = pa.array(map(value.function, *(each.to_pylist() for each in arguments)), pa.string())
        else:
            made = those(self._member_of(value.of, value.member if field.items else ""))
        return _with_texts(made, value.texts) if value.texts else made

    def _mask(self, rows: FactRows) -> pa.Array:
        """Return which items of a list are the rows of a fact (bool[items])."""
        if rows not in self.made and rows.conditions:
            masks = [each.mask(partial(self._member_of, rows.of)) for each in rows.conditions]
            self.made[rows] = reduce(pc.and_, masks)
        return self.made.get(rows)

    def _member_of(self, of: str, member: str) -> pa.Array:
        """Return a member of all items of a list, or the items themselves."""
        items = pc.list_flatten(self._member(of))
        if not member:
            return items
        field = self.trace.fields[of].items[member]
        return _filled(pc.struct_field(items, field.encoded), field)

    def _member(self, name: str) -> pa.Array:
        return self.table[self.trace.fields[name].encoded]

    def _with(self, values: pa.Array, rows: FactRows) -> pa.Array:
        return values.filter(pc.greater(self.lengths(rows), 0)) if rows.of else values


def _filled(values: pa.Array, field: Field) -> pa.Array:
    return values if field.default is None else values.fill_null(field.default)


def _with_texts(texts: pa.Array, functions: Sequence[TextFunction]) -> pa.Array:
    """Return what functions make of texts; each distinct one is looked at once."""
    encoded = texts.dictionary_encode()
    made = encoded.dictionary.to_pylist()
    for function in functions:
        made = list(map(function.of, made))
    return pa.array(made, pa.string()).take(encoded.indices)


def _of_keys(function: Callable[..., str], keys: pa.Array) -> pa.Array:
    """Return what a function of KEY_FUNCTIONS gives for canonical names (string[n])."""
    made = plain.registrable(keys)
    unknown = pc.is_null(made)
    rest = pa.array(map(function, keys.filter(unknown).to_pylist()), pa.string())
    return pc.replace_with_mask(made, unknown, rest)


def decoded(
    endpoint: Endpoint, trace: Trace, asked: pa.Array, bodies: pa.RecordBatch, interning: Interning
) -> Decoded | None:
    """Return the replies that found something as columns; None where all have to be read by themselves.

    What was asked for (string[n]) is a node by each of these replies: one of which that is not sure has to be read by
    itself.
    """
    try:
        found = _found(endpoint, trace, bodies)
    except _UnknownError:
        return None
    found = pc.and_(found, _has_all(trace, bodies))
    made = _those(Decoded(trace, bodies, asked, found, {}), found)
    if trace.is_tied:
        return made
    at = _at_asked(made, interning)  # of those that were found: else a key that must be there may be missing
    return _those(made, at)._replace(found=pc.replace_with_mask(found, found, at))


def _those(made: Decoded, which: pa.Array) -> Decoded:
    if pc.all(which).as_py():
        return made
    return Decoded(made.trace, made.table.filter(which), made.asked.filter(which), made.found, {})


def _at_asked(made: Decoded, interning: Interning) -> pa.Array:
    """Return of which replies a fact makes what was asked for a node, as `asked.is_at` tells."""

    def has_key(kind: Kind[Any], raws: pa.Array) -> pa.Array:
        encoded = raws.dictionary_encode()
        labels = interning.resolve(kind, encoded.dictionary).labels
        return pc.greater_equal(labels, 0).take(encoded.indices).fill_null(False)  # noqa: FBT003 - Arrow's own order

    at = pa.array([False] * made.table.num_rows, pa.bool_())
    for what, sides, _ in made.trace.facts:
        rows = next((side.rows for side in sides if side.of), FactRows())
        firsts = [made.firsts(side, rows) for side in sides]
        is_asked = [pc.equal(first, made.asked).fill_null(False) for first in firsts]  # noqa: FBT003 - likewise
        if isinstance(what, Kind):
            at = pc.or_(at, is_asked[0])
        elif what.check is None:
            other = pc.if_else(is_asked[0], has_key(what.end, firsts[1]), has_key(what.start, firsts[0]))
            at = pc.or_(at, pc.and_(pc.or_(*is_asked), other))
    return at


def columns(made: Decoded, fact: TracedFact, first: int) -> DecodedColumns | None:
    """Return what a mapping says in one place, replies numbered from `first`; None where a key is missing."""
    rows = fact.rows
    lengths = made.lengths(rows) if rows.of else pa.repeat(pa.scalar(1, pa.int32()), made.table.num_rows)
    places = pc.add(pc.indices_nonzero(lengths), first).cast(pa.int32())

    def taken(value: MemberColumn | Constant) -> DecodedColumn:
        path = made.trace.path(value) if isinstance(value, MemberColumn) else ""
        return DecodedColumn(made.values(value, rows), isinstance(value, Constant) or not value.of, path)

    sides = [taken(side) for side in fact.sides]
    if any(side.values.null_count or side.values.type != pa.string() for side in sides):
        return None
    told = {name: taken(value) for name, value in fact.properties.items()}
    return DecodedColumns(fact.what, sides, places, lengths.filter(pc.greater(lengths, 0)), told)


def _has_all(trace: Trace, table: pa.RecordBatch) -> pa.Array:
    """Return of which replies nothing is null or missing that must be there (bool[n])."""
    has_all = pa.repeat(pa.scalar(value=True), table.num_rows)
    for field in trace.fields.values():
        column = table[field.encoded]
        if field.is_required and column.null_count:
            has_all = pc.and_(has_all, pc.is_valid(column))
        if not field.is_list:
            continue
        items = pc.list_flatten(column)
        members = [pc.struct_field(items, each.encoded) for each in field.items.values() if not each.may_be_null]
        faulty = [pc.is_null(each) for each in (items, *members) if each.null_count]
        if faulty:
            rows = pc.list_parent_indices(column).filter(reduce(pc.or_, faulty))
            has_all = pc.and_not(has_all, pc.is_in(counted(table.num_rows), rows.cast(pa.int32())))
    return has_all


class _UnknownError(BaseException):
    """A source's judge looks at what the columns do not tell in one place."""


def _unknown(*_arguments: object) -> NoReturn:
    raise _UnknownError


_LOOKS = (
    *("__len__", "__iter__", "__getitem__", "__contains__", "__reversed__", "__repr__", "index", "count", "copy"),
    *("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__add__", "__radd__", "__mul__", "__rmul__"),
)
_Some: type[list[Any]] = type("_Some", (list,), {"__bool__": lambda _: True, **dict.fromkeys(_LOOKS, _unknown)})
"""A list that is not empty, and of which nothing else is known."""
_TEXT_LOOKS = (
    *_LOOKS,
    "__hash__",
    "__str__",
    "__format__",
    "__mod__",
    "__rmod__",
    "__getattr__",
    "__int__",
    "__index__",
)
_Text: type = type(
    "_Text",
    (),
    {"__class__": property(lambda _: str), "__bool__": lambda _: True, **dict.fromkeys(_TEXT_LOOKS, _unknown)},
)
"""A text that is not empty, and of which nothing else is known."""
_SOME_TEXT = _Text()
_TEXTS = (str, str | None)


def _found(endpoint: Endpoint, trace: Trace, table: pa.RecordBatch) -> pa.Array:
    """Return which replies found something, and not nothing at all (bool[n]). Each distinct combination is judged once.

    Most judges only look whether there is a text, and not which one. Raises _UnknownError if one looks into a list.
    """
    try:
        return _judged(endpoint, trace, table, in_full=False)
    except _UnknownError:
        return _judged(endpoint, trace, table, in_full=True)


def _judged(endpoint: Endpoint, trace: Trace, table: pa.RecordBatch, *, in_full: bool) -> pa.Array:
    columns = []
    codes = pa.repeat(pa.scalar(0, pa.int64()), table.num_rows)
    for field in trace.fields.values():
        column = table[field.encoded]
        if field.is_list:
            column = pc.greater(pc.fill_null(pc.list_value_length(column), 0), 0)
        elif _is_by_presence(field, in_full=in_full):
            column = pc.greater(pc.binary_length(column), 0)
        columns.append(column)
        encoded = column.dictionary_encode("encode")
        codes = pc.add(pc.multiply(codes, len(encoded.dictionary)), encoded.indices)
        codes = codes.dictionary_encode().indices.cast(pa.int64())
    combined = codes.dictionary_encode()
    firsts = pc.index_in(combined.dictionary, codes)
    rows = zip(*(column.take(firsts).to_pylist() for column in columns), strict=True) if columns else [()]
    return pa.array([_is_found(endpoint, trace, row, in_full=in_full) for row in rows], pa.bool_()).take(
        combined.indices
    )


def _is_by_presence(field: Field, *, in_full: bool) -> bool:
    return not in_full and field.type in _TEXTS and not field.default


def _is_found(endpoint: Endpoint, trace: Trace, row: tuple[Any, ...], *, in_full: bool) -> bool:
    values: dict[str, Any] = {}
    for field, value in zip(trace.fields.values(), row, strict=True):
        if field.is_list:
            values[field.name] = _Some() if value else []
        elif value is None:
            if field.is_required:
                return False
            values[field.name] = field.default
        elif _is_by_presence(field, in_full=in_full):
            values[field.name] = _SOME_TEXT if value else ""
        else:
            values[field.name] = msgspec.convert(value, field.type, strict=False)
    is_blank = all(
        not value if field.is_list or value is _SOME_TEXT else value == field.default
        for field, value in zip(trace.fields.values(), values.values(), strict=True)
    )
    try:
        return not is_blank and endpoint.source.judge(endpoint.reply(**values)) is Outcome.FOUND
    except _UnknownError:
        raise
    except Exception as wrong:  # what a source can't judge is read by itself, and listed
        if not in_full:
            raise _UnknownError from wrong
        return False
