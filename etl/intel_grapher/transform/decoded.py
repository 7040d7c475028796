"""Replies decoded into columns, many at once, for mappings that are traced (`traced`).

What the decoder lets pass (`json_rows`) is looked for here: what is null or missing where a value must be. A reply with
such a thing is read by itself, and so is every one that a source judges to have found nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any, NamedTuple, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher.model import Kind
from intel_grapher.reading import MAX_TURNS
from intel_grapher.source import Endpoint, Outcome
from intel_grapher.transform.asked import is_canonical
from intel_grapher.transform.columns import DecodedColumn, DecodedColumns
from intel_grapher.transform.evaluated import Evaluated, UnlikeError
from intel_grapher.transform.expressions import REPLIES, Constant, Expression, Member, Shape, Trace, TracedFact
from intel_grapher.transform.interning import Interning
from intel_grapher.transform.missed import MAX_NOTED


class Decoded(NamedTuple):
    """Replies that found something, as columns. `found` (bool) tells of each that was decoded whether it is one.

    `marks` has by kind those of which what was asked for is made a node, as no fact says it.
    """

    trace: Trace
    columns: Evaluated
    found: pa.Array
    marks: dict[Kind[Any], list[int]]


def decoded(
    endpoint: Endpoint, trace: Trace, asked: pa.Array, replies: pa.Array, interning: Interning
) -> Decoded | None:
    """Return the replies that found something as columns; None where all have to be read by themselves.

    `asked` is what was asked for (string[n]).
    """
    try:
        found = pc.and_(_found(endpoint, trace, replies), _has_all(trace.reply, replies))
        made = _those(Decoded(trace, Evaluated(replies, asked), found, {}), found)
        unnamed = [] if trace.is_tied else _unnamed(made, interning)
    except (UnlikeError, pa.ArrowException, UnicodeEncodeError):
        return None
    for row in unnamed:
        key = made.columns.asked[row].as_py()
        kind = next((each for each in endpoint.kinds if each.labels and is_canonical(each, key)), None)
        if kind is not None:
            made.marks.setdefault(kind, []).append(row)
    return made


def _those(made: Decoded, which: pa.Array) -> Decoded:
    if pc.all(which).as_py():
        return made
    return made._replace(columns=Evaluated(made.columns.replies.filter(which), made.columns.asked.filter(which)))


def _unnamed(made: Decoded, interning: Interning) -> list[int]:
    """Return the replies of which some fact says something, but none makes what was asked for a node.

    That is what `asked.is_at` and `asked.begins_well` tell of the first row of each call.
    """
    columns = made.columns
    numbers = pa.arange(0, len(columns.replies))
    rows_of = [_firsts(columns, fact) for fact in made.trace.facts]

    def has_key(kind: Kind[Any], raws: pa.Array) -> pa.Array:
        encoded = raws.dictionary_encode()
        labels = interning.resolve(kind, encoded.dictionary).labels
        return pc.greater_equal(labels, 0).take(encoded.indices).fill_null(False)  # noqa: FBT003 - Arrow's own order

    def replies_where(holds: Callable[[TracedFact, list[pa.Array], pa.Array], pa.Array], among: pa.Array) -> pa.Array:
        """Return the replies among some in which a condition holds for a first row."""
        found = pa.array([], pa.int64())
        for fact, rows in zip(made.trace.facts, rows_of, strict=True):
            replies = columns.of_replies(fact.rows).take(rows).cast(pa.int64())
            left = pc.and_not(pc.is_in(replies, value_set=among), pc.is_in(replies, value_set=found))
            sides = [columns.values(side, fact.rows).take(rows.filter(left)) for side in fact.sides]
            replies = replies.filter(left)
            if len(replies) and all(side.type == pa.string() for side in sides):
                found = pa.concat_arrays([found, replies.filter(holds(fact, sides, replies)).unique()])
        return found

    def is_at(fact: TracedFact, sides: list[pa.Array], replies: pa.Array) -> pa.Array:
        is_asked = [pc.equal(side, columns.asked.take(replies)).fill_null(False) for side in sides]  # noqa: FBT003 - likewise
        if isinstance(fact.what, Kind):
            return is_asked[0]
        rows = pc.indices_nonzero(pc.or_(*is_asked))
        holds = pc.and_not(is_asked[0], is_asked[0])
        if fact.what.check is not None or not len(rows):
            return holds
        start, end = (side.take(rows) for side in sides)
        ends = pc.if_else(is_asked[0].take(rows), has_key(fact.what.end, end), has_key(fact.what.start, start))
        return pc.is_in(pa.arange(0, len(replies)), value_set=rows.filter(ends).cast(pa.int64()))

    def begins_well(fact: TracedFact, sides: list[pa.Array], _: pa.Array) -> pa.Array:
        kinds = [fact.what] if isinstance(fact.what, Kind) else [fact.what.start, fact.what.end]
        return reduce(pc.and_, map(has_key, kinds, sides))

    left = numbers.filter(pc.invert(pc.is_in(numbers, value_set=replies_where(is_at, numbers))))
    unnamed: list[int] = replies_where(begins_well, left).to_pylist() if len(left) else []
    return sorted(unnamed)


def _firsts(made: Evaluated, fact: TracedFact) -> pa.Array:
    """Return those rows of a fact that are the first of their call (int64)."""
    rows = pa.arange(0, made.count(fact.rows))
    calls = made.above(fact.rows, fact.calls)
    if calls is not None and len(calls):
        rows = pc.indices_nonzero(pa.concat_arrays([pa.array([True]), pc.not_equal(calls[1:], calls[:-1])]))
    for before in fact.before:
        others = made.above(before, fact.calls)
        if others is None:
            return rows[:0]
        mine = rows if calls is None else calls.take(rows)
        rows = rows.filter(pc.invert(pc.is_in(mine.cast(pa.int64()), value_set=others.unique().cast(pa.int64()))))
    return rows


def columns(made: Decoded, first: int) -> list[DecodedColumns] | None:
    """Return what a mapping says, replies numbered from `first`; None where they have to be read by themselves."""
    found: list[DecodedColumns] = []
    several = [what for what, times in Counter(id(fact.what) for fact in made.trace.facts).items() if times > 1]
    rows = Counter[int]()
    try:
        for column in made.trace.columns:  # what a mapping makes, it may fail at, were it for nothing
            made.columns.values(column, column.rows)
        for fact in made.trace.facts:
            facts = _facts(made.columns, fact, first)
            if facts is None:
                return None
            if id(fact.what) in several:
                facts.first_row = rows[id(fact.what)]
                rows[id(fact.what)] += facts.rows
                if max(facts.lengths, default=0) * len(made.trace.facts) > MAX_NOTED:
                    return None  # of so many bad values the first would be listed
            found.append(facts)
    except (UnlikeError, pa.ArrowException, UnicodeEncodeError):
        return None
    for kind, places in made.marks.items():
        replies = pa.array(places, pa.int64())
        asked = DecodedColumn(made.columns.asked.take(replies), True, kind, lambda *_: "")  # noqa: FBT003 - by position
        lengths = pa.repeat(pa.scalar(1, pa.int32()), len(places))
        found.append(DecodedColumns(kind, [asked], pc.add(replies, first).cast(pa.int32()), lengths, {}))
    made.columns.forget()
    return [each for each in found if each.rows]


def _facts(made: Evaluated, fact: TracedFact, first: int) -> DecodedColumns | None:
    """Return the facts of one `WHAT.each` of a mapping, replies numbered from `first`; None where a key is missing."""
    runs = pc.run_end_encode(made.of_replies(fact.rows).cast(pa.int64()))
    ends = pa.concat_arrays([pa.array([0], pa.int32()), runs.run_ends])
    replies, lengths = runs.values, pc.subtract(ends[1:], ends[:-1])

    def taken(name: str, value: Expression | Constant) -> DecodedColumn:
        if isinstance(value, Constant):
            return DecodedColumn(pa.array([value.value] * len(replies)), True, name, lambda *_: "")  # noqa: FBT003 - by position
        if value.rows is REPLIES:
            values = made.values(value, REPLIES).take(replies)
            return DecodedColumn(values, True, value, lambda at, raw: made.path(value, replies[at].as_py(), raw))  # noqa: FBT003 - likewise

        def path(at: int, raw: object) -> str:
            above = made.above(fact.rows, value.rows)
            return made.path(value, at if above is None else above[at].as_py(), raw)

        return DecodedColumn(made.values(value, fact.rows), False, value, path)  # noqa: FBT003 - likewise

    sides = [taken("", side) for side in fact.sides]
    if any(side.values.null_count or side.values.type != pa.string() for side in sides if len(side.values)):
        return None
    for side in fact.sides if fact.calls is not fact.rows else ():  # what is joined to an empty list is looked at, too
        if side.how != "asked" and fact.calls.reaches(side.rows):
            values = made.values(side, fact.calls)
            if len(values) and (values.null_count or values.type != pa.string()):
                return None
    properties = {name: taken(name, value) for name, value in fact.properties.items()}
    return DecodedColumns(fact.what, sides, pc.add(replies, first).cast(pa.int32()), lengths, properties)


def _has_all(shape: Shape, replies: pa.Array) -> pa.Array:
    """Return of which replies nothing is null or missing that must be there, and not too much else (bool[n]).

    What is null is taken out of a reply where it may be missing, each in a turn of its own (`reading`).
    """
    numbers = pa.arange(0, len(replies))
    faulty: list[pa.Array] = [numbers[:0]]
    lacking: list[pa.Array] = [numbers[:0]]
    _look(shape, replies, numbers, faulty, lacking)
    counts = pa.concat_arrays(lacking).value_counts()
    faulty.append(counts.field("values").filter(pc.greater(counts.field("counts"), MAX_TURNS)))
    return pc.invert(pc.is_in(numbers, value_set=pa.concat_arrays(faulty)))


def _look(shape: Shape, values: pa.Array, at: pa.Array, faulty: list[pa.Array], lacking: list[pa.Array]) -> None:
    """Add the replies in which something that must be there is null, or an object is of another type, to `faulty`.

    Those in which something else is null or missing are added to `lacking`. `at` has the reply of each value.
    """
    if shape.item is not None:
        inner, above = pc.list_flatten(values), at.take(pc.list_parent_indices(values))
        if inner.null_count:
            faulty.append(above.filter(inner.is_null()))
        _look(shape.item, inner, above, faulty, lacking)
    if shape.tag is not None:
        faulty.append(at.filter(pc.not_equal(pc.struct_field(values, shape.tag[0]), shape.tag[1])))
    for member in shape.members.values():
        found = pc.struct_field(values, member.encoded)
        if found.null_count and (member.is_required or not member.shape.is_nullable):
            replies = at.filter(pc.and_(found.is_null(), values.is_valid()))
            (faulty if member.is_required else lacking).append(replies)
        _look(member.shape, found, at, faulty, lacking)


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


def _found(endpoint: Endpoint, trace: Trace, replies: pa.Array) -> pa.Array:
    """Return which replies found something, and not nothing at all (bool[n]). Each distinct combination is judged once.

    Most judges only look whether there is a text, and not which one. If one looks into a list, it is asked by itself.
    """
    try:
        return _judged(endpoint, trace, replies, in_full=False)
    except _UnknownError:
        return _judged(endpoint, trace, replies, in_full=True)


def _judged(endpoint: Endpoint, trace: Trace, replies: pa.Array, *, in_full: bool) -> pa.Array:
    columns = list(_scalars(trace.reply, replies, in_full=in_full))
    codes = pa.repeat(pa.scalar(0, pa.int64()), len(replies))
    for column in columns:
        encoded = column.dictionary_encode("encode")
        codes = pc.add(pc.multiply(codes, len(encoded.dictionary)), encoded.indices)
        codes = codes.dictionary_encode().indices.cast(pa.int64())
    combined = codes.dictionary_encode()
    firsts = pc.index_in(combined.dictionary, codes)
    rows = zip(*(column.take(firsts).to_pylist() for column in columns), strict=True)
    found = [_is_found(endpoint, trace, row, in_full=in_full) for row in rows]
    return pa.array(found, pa.bool_()).take(combined.indices)


def _scalars(shape: Shape, objects: pa.Array, *, in_full: bool) -> Iterator[pa.Array]:
    """Yield what a judge may look at, of each object: scalars, and which lists and objects are there."""
    if shape.item is not None:
        yield pc.greater(pc.list_value_length(objects), 0)
    for member in shape.members.values():
        values = pc.struct_field(objects, member.encoded)
        if member.shape.of is not None:
            yield values.is_valid()
        if not member.shape.is_scalar:
            yield from _scalars(member.shape, values, in_full=in_full)
        else:
            yield pc.greater(pc.binary_length(values), 0) if _is_by_presence(member, in_full=in_full) else values


def _is_by_presence(member: Member, *, in_full: bool) -> bool:
    return not in_full and member.shape.arrow == pa.string() and not member.default


def _is_found(endpoint: Endpoint, trace: Trace, row: tuple[Any, ...], *, in_full: bool) -> bool:
    is_list = trace.reply.item is not None
    reply, is_blank = (_list(row[0]), not row[0]) if is_list else _object(trace.reply, iter(row), in_full=in_full)
    try:
        return reply is not None and not is_blank and endpoint.source.judge(reply) is Outcome.FOUND
    except (_UnknownError, Exception) as wrong:  # what a source can't judge is read by itself, and listed
        if not in_full:
            raise _UnknownError from wrong
        return False


def _list(value: object) -> list[Any]:
    return _Some() if value else []


def _object(shape: Shape, values: Iterator[Any], *, in_full: bool) -> tuple[Any, bool]:
    """Return an object with these values, and whether it says nothing; None where one is missing."""
    members: dict[str, Any] = {}
    is_blank = True
    is_missing = False
    for member in shape.members.values():
        value: Any = next(values)
        if member.shape.item is not None:
            members[member.name] = None if value is None and member.shape.is_nullable else _list(value)
            is_blank = is_blank and not value
        elif member.shape.of is not None:
            inner, says_nothing = _object(member.shape, values, in_full=in_full)
            members[member.name] = None if not value and member.shape.is_nullable else inner
            is_missing = is_missing or (inner is None and (value or not member.shape.is_nullable))
            is_blank = is_blank and (not value or (says_nothing and not member.shape.is_nullable))
        elif _is_by_presence(member, in_full=in_full):
            members[member.name] = _SOME_TEXT if value else None if value is None and member.shape.is_nullable else ""
            is_blank = is_blank and not value
        else:
            members[member.name] = member.default if value is None else value
            is_blank = is_blank and members[member.name] == member.default
        is_missing = is_missing or (member.is_required and members[member.name] is None)
    return (None if is_missing or shape.of is None else shape.of(**members)), is_blank
