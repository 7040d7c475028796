"""Replies of one endpoint → facts in columns: keys canonical, properties typed, and what can't be a fact set aside.

Mappings yield raw strings, a list at a time. Each distinct string is canonicalised once, and from then on a small
integer stands for it, in columns that are C arrays: no row is ever touched by itself. `Batch.encode` gives the facts
with their keys as numbers, for the transform; `Batch.tables` gives the same facts as plain tables.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from itertools import accumulate, product
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from etl import reading
from etl.errors import BadValue, SourceError
from etl.files import Group
from etl.graph import Fact, Kind, Property, Relationship, Type
from etl.source import Endpoint, Outcome
from etl.transform.memory import Interned, Memory, Values

PRECISIONS = ("day", "minute", "second")  # from the coarsest, which is their order as texts too
ALIASES = "+"  # joins the names of properties that have one column between them


class Reply(NamedTuple):
    """A cached reply as the transform takes it: what was asked for, when (epoch seconds), the status, what came."""

    key: str
    fetched_at: int
    status: int
    content: bytes | msgspec.Raw


class Reject(NamedTuple):
    """Something that could not be a fact. An empty path stands for the reply as a whole."""

    source: str
    endpoint: str
    key: str
    path: str
    value: str
    reason: str


class Encoded(NamedTuple):
    """Facts with numbers for keys: `keys` by label; in the tables `start` and `end`, or `key`, are places in them.

    The other columns are `fetched_at` and the properties; moments are seconds since 1970, UTC, a precision is its
    place in PRECISIONS, and a column's name joins those of all properties that it holds the values of.
    """

    keys: dict[str, pa.Array]
    tables: list[tuple[Group, pa.Table]]


class Columns:
    """The facts of one batch about one kind of node or one relationship type, and which reply gave which rows."""

    def __init__(self, what: Kind[Any] | Relationship[Any, Any], sides: list[Interned]) -> None:
        self.what = what
        self.sides = [(interned, array("i")) for interned in sides]
        self.replies: list[int] = []
        self.lengths: list[int] = []
        self.properties: dict[tuple[str, ...], array[int]] = {}
        self.rows = 0

    def extend(self, reply: int, rows: int, sides: list[array[int]], properties: dict[tuple[str, ...], Any]) -> None:
        """Add a fact's rows. A property that some facts don't have is filled up with none, later on."""
        for (_, column), codes in zip(self.sides, sides, strict=True):
            column.extend(codes)
        for names, codes in properties.items():
            column = self.properties.setdefault(names, array("i"))
            self._fill(column)
            column.extend(codes)
        self.replies.append(reply)
        self.lengths.append(rows)
        self.rows += rows

    def _fill(self, column: array[int]) -> None:
        if len(column) < self.rows:
            column.frombytes(bytes(column.itemsize * (self.rows - len(column))))

    def filled(self) -> Iterator[tuple[tuple[str, ...], array[int]]]:
        """Yield each property's column, whole."""
        for names, column in self.properties.items():
            self._fill(column)
            yield names, column

    @cached_property
    def ends(self) -> list[int]:
        """Where each reply's rows end; for when there are all."""
        return list(accumulate(self.lengths))

    def reply_of(self, row: int) -> int:
        """Return which reply gave a row."""
        return self.replies[bisect_right(self.ends, row)]


class Batch:
    """Facts of one endpoint's replies, until `encode` or `tables` gives them out."""

    def __init__(self, endpoint: Endpoint, source: int, memory: Memory | None = None) -> None:
        self.endpoint = endpoint
        self.source = source
        self.memory = memory or Memory()
        self.rejects: list[Reject] = []
        self.outcomes: Counter[str] = Counter()
        self._start()

    def _start(self) -> None:
        self._columns: dict[Any, Columns] = {}
        self._replies: list[Reply] = []
        self._missed: dict[int, set[tuple[object, int, Any, str]]] = {}  # by reply: what, row, value, reason

    def add(self, reply: Reply) -> None:
        """Take one reply: map it, or list why it can't be."""
        try:
            outcome = self._map(reply)
        except BadValue as bad:
            self._reject(reply, "", bytes(reply.content)[:1000].decode("utf-8", "replace"), bad.reason)
            outcome = "unreadable"
        self.outcomes[outcome] += 1

    def _map(self, reply: Reply) -> str:
        if reply.status == 404:  # noqa: PLR2004 - HTTP's not found
            return Outcome.NOT_FOUND.value
        if not 200 <= reply.status < 300:  # noqa: PLR2004 - HTTP's success
            raise BadValue(f"HTTP status {reply.status}")
        typed, faults = reading.read(self.endpoint, reply.content)
        outcome = self.endpoint.source.judge(typed)
        if outcome is Outcome.FAILED:
            raise BadValue("the service refused")
        if outcome is Outcome.FOUND:
            asked = self._asked_for(reply.key)
            try:
                facts = [self._encode(fact) for fact in list(self.endpoint.mapping(asked, typed))]
            except SourceError:
                raise
            except Exception as wrong:  # one reply's surprise must not cost the others theirs; it is listed
                raise BadValue(f"the mapping failed: {type(wrong).__name__}") from wrong
            number = len(self._replies)
            self._replies.append(reply)
            for columns, rows, sides, properties in facts:
                if rows:
                    columns.extend(number, rows, sides, properties)
        for path, value, reason in faults:
            self._reject(reply, path, value, reason)
        return str(outcome.value)

    def _asked_for(self, raw: str) -> str:
        try:
            return self.endpoint.canonical(raw)
        except BadValue as bad:
            raise BadValue(f"asked for {bad.reason}") from bad

    def _reject(self, reply: Reply, path: str, value: str, reason: str) -> None:
        self.rejects.append(
            Reject(self.endpoint.source.name, self.endpoint.name, reply.key, path, reading.shown(value), reason)
        )

    def _encode(self, fact: Fact) -> tuple[Columns, int, list[array[int]], dict[tuple[str, ...], array[int]]]:
        """Turn one fact's strings and values into numbers; values that several properties share, once."""
        what = fact.what
        columns = self._columns.get(what)
        if columns is None:
            kinds = (what.start, what.end) if isinstance(what, Relationship) else (what,)
            columns = self._columns[what] = Columns(what, [self.memory.of(kind) for kind in kinds])
        raws = (fact.starts,) if len(columns.sides) == 1 else (fact.starts, fact.ends or "")
        rows = _length(fact.starts, fact.ends)
        sides = [_codes(interned, raw, rows) for (interned, _), raw in zip(columns.sides, raws, strict=True)]
        shared: dict[tuple[int, Type], tuple[Any, list[str]]] = {}
        for name, value in fact.properties.items():
            type_ = _property(what, name).type
            names = shared.setdefault((id(value), type_), (value, []))[1]
            names += ("first_seen", "last_seen") if name == "seen" else (name,)
        properties = {}
        for (_, type_), (value, names) in shared.items():
            memory = self.memory.values[type_]
            properties[tuple(sorted(names))] = _column(memory, value, rows, lists=type_ is Type.TEXTS)
        return columns, rows, sides, properties

    def tables(self) -> list[tuple[Group, pa.Table]]:
        """Return the facts taken since the last call, with their keys; what can't be a fact joins `rejects`.

        Beside its keys and properties a table has the columns `source` (the integer that was given) and `fetched_at`.
        """
        encoded = self.encode()
        return [(group, self._plain(encoded, group, table)) for group, table in encoded.tables]

    def _plain(self, encoded: Encoded, group: Group, table: pa.Table) -> pa.Table:
        labels = {"key": group.start, "start": group.start, "end": group.end}
        plain = {"source": pa.array([self.source] * table.num_rows, pa.int64())}
        for name, column in zip(table.column_names, table.columns, strict=True):
            if name in labels:
                plain[name] = encoded.keys[labels[name]].take(column)
            elif name == "precision":
                plain[name] = pa.array(PRECISIONS).take(column)
            else:
                for each in name.split(ALIASES):
                    plain[each] = pc.coalesce(plain[each], column) if each in plain else column
        return pa.table(plain)

    def encode(self) -> Encoded:
        """Return the facts taken since the last call; what can't be a fact joins `rejects`."""
        found = [each for columns in self._columns.values() for each in self._tables(columns)]
        for number, bad in self._missed.items():
            self._list(self._replies[number], bad)
        self._start()
        encoded = self._with_own_numbers(found)
        self.memory.trim()
        return encoded

    def _with_own_numbers(self, tables: list[tuple[Group, pa.Table]]) -> Encoded:
        """Give the keys numbers of the batch's own, so that there are no others."""
        places = [
            (number, column, label)
            for number, (group, table) in enumerate(tables)
            for column, label in zip(table.column_names, (group.start, group.end) if group.type else (group.start,),
                                     strict=False)
        ]  # fmt: skip
        keys_: dict[str, pa.Array] = {}
        for label in sorted({each[2] for each in places}):
            mine = [each for each in places if each[2] == label]
            chunks = [tables[number][1][column].combine_chunks() for number, column, _ in mine]
            encoded = pa.chunked_array(chunks).dictionary_encode()
            names = self.memory.keys[label].names
            numbers = encoded.chunk(encoded.num_chunks - 1).dictionary.to_pylist()
            keys_[label] = pa.array([names[number] for number in numbers], pa.string())
            for (number, column, _), chunk in zip(mine, encoded.chunks, strict=True):
                group, table = tables[number]
                tables[number] = group, table.set_column(table.column_names.index(column), column, chunk.indices)
        return Encoded(keys_, tables)

    def _list(self, reply: Reply, bad: set[tuple[object, int, Any, str]]) -> None:
        """List a reply's bad values, each with the places where the reply has it."""
        counts = Counter((value, reason) for _, _, value, reason in bad)
        wanted: dict[object, int] = Counter()
        for (value, _), count in counts.items():
            wanted[value] += count
        places = reading.paths(self.endpoint, reply.content, wanted)
        for (value, reason), count in counts.items():
            for path in places[value][:count] or ["$"]:
                self._reject(reply, path, reading.shown(value), reason)

    def _tables(self, columns: Columns) -> Iterator[tuple[Group, pa.Table]]:
        """Yield one batch's tables of one kind or relationship type, parted by labels; keys as their numbers."""
        what = columns.what
        names = ("start", "end") if isinstance(what, Relationship) else ("key",)
        fetched = pa.array([reply.fetched_at for reply in self._replies], pa.int64())
        runs = (
            pa.array(list(accumulate(columns.lengths)), pa.int32()),
            fetched.take(pa.array(columns.replies, pa.int32())),
        )
        if not columns.rows:
            return
        table = pa.table(
            {
                **{name: _arrow(codes) for name, (_, codes) in zip(names, columns.sides, strict=True)},
                "row": pa.array(range(columns.rows), pa.int32()),
                "fetched_at": pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(*runs)),
                **self._arrays(columns),
            }
        )
        for name, (interned, _) in zip(names, columns.sides, strict=True):
            if (pc.min(table[name]).as_py() or 0) < 0:
                wrong = table.filter(pc.less(table[name], 0))
                for row, code in zip(wrong["row"].to_pylist(), wrong[name].to_pylist(), strict=True):
                    self._miss(columns, row, *interned.bad[-code - 1])
                table = table.filter(pc.greater_equal(table[name], 0))
        for labels in product(*(range(len(interned.labels)) for interned, _ in columns.sides)):
            mine = table
            for name, place, (interned, _) in zip(names, labels, columns.sides, strict=True):
                if len(interned.labels) > 1:
                    count = pa.scalar(len(interned.labels), pa.int32())
                    number = pc.divide(mine[name], count)
                    of_label = pc.equal(pc.subtract(mine[name], pc.multiply(number, count)), place)
                    mine = mine.set_column(mine.column_names.index(name), name, number).filter(of_label)
            if mine.num_rows and isinstance(what, Relationship):
                mine = self._joined(columns, what, mine, labels)
            if mine.num_rows:
                start, end = (
                    *(side.labels[place] for (side, _), place in zip(columns.sides, labels, strict=True)),
                    "",
                )[:2]
                group = Group(start, what.type, end) if isinstance(what, Relationship) else Group(start)
                yield group, mine.drop_columns("row")

    def _joined(
        self, columns: Columns, what: Relationship[Any, Any], table: pa.Table, labels: tuple[int, ...]
    ) -> pa.Table:
        """Put the ends in canonical order where the type goes both ways, and leave out what does not hold."""
        if not what.both_ways and what.holds is None:
            return table
        starts, ends = (
            list(map(self.memory.keys[side.labels[place]].names.__getitem__, table[name].to_pylist()))
            for name, place, (side, _) in zip(("start", "end"), labels, columns.sides, strict=True)
        )
        if what.both_ways:
            swap = pa.array([start > end for start, end in zip(starts, ends, strict=True)], pa.bool_())
            start, end = table["start"], table["end"]
            table = table.set_column(0, "start", pc.if_else(swap, end, start))
            table = table.set_column(1, "end", pc.if_else(swap, start, end))
            return table.filter(pc.not_equal(start, end))
        holds = list(map(what.holds, starts, ends)) if what.holds else []
        if not all(holds):
            for row, end, right in zip(table["row"].to_pylist(), ends, holds, strict=True):
                if not right:
                    self._miss(columns, row, end, f"not what {what.type} joins")
            table = table.filter(pa.array(holds, pa.bool_()))
        return table

    def _miss(self, columns: Columns, row: int, value: object, reason: str) -> None:
        self._missed.setdefault(columns.reply_of(row), set()).add((columns.what, row, value, reason))

    def _arrays(self, columns: Columns) -> dict[str, pa.Array]:
        """Return the properties' columns, canonical, and `precision`: the coarsest of each row's moments."""
        arrays: dict[str, pa.Array] = {}
        precision: pa.Array | None = None
        for names, column in columns.filled():
            type_ = _property(columns.what, names[0]).type
            memory = self.memory.values[type_]
            codes = _arrow(column)
            if pc.min(codes).as_py() < 0:
                for row, code in enumerate(column):
                    if code < 0:
                        self._miss(columns, row, *memory.bad[-code - 1])
                codes = pc.max_element_wise(codes, 0)
            few = codes.dictionary_encode()
            values = [memory.canonicals[code] for code in few.dictionary.to_pylist()]
            name = ALIASES.join(names)
            if type_ is not Type.MOMENT:
                arrays[name] = pa.array(values, type_.arrow).take(few.indices)
                continue
            seconds = pa.array([None if each is None else each.seconds for each in values], pa.int64())
            arrays[name] = seconds.take(few.indices)
            exact = pa.array([None if each is None else PRECISIONS.index(each.precision) for each in values], pa.int8())
            mine = exact.take(few.indices)
            precision = mine if precision is None else pc.min_element_wise(precision, mine)
        return arrays if precision is None else {**arrays, "precision": precision}


def _arrow(codes: array[int]) -> pa.Array:
    """Return a column of numbers as Arrow sees it, without a copy."""
    return pa.Array.from_buffers(pa.int32(), len(codes), [None, pa.py_buffer(codes)])


@cache
def _property(what: Kind[Any] | Relationship[Any, Any], name: str) -> Property:
    name = "first_seen" if name == "seen" else name
    for each in what.properties if isinstance(what, Relationship) else what.labels[0].properties:
        if each.name == name:
            return each
    raise SourceError(f"the schema has no property {name!r} there; declare it in etl/schema.py")


def _length(starts: str | Sequence[str], ends: str | Sequence[str] | None) -> int:
    """Return how many facts two columns make, where a single string stands for a whole column."""
    lengths = {len(each) for each in (starts, ends) if each is not None and not isinstance(each, str)}
    if len(lengths) > 1:
        raise SourceError("a mapping gave two lists of different length")
    return lengths.pop() if lengths else 1


def _codes(interned: Interned, raw: str | Sequence[str], rows: int) -> array[int]:
    if isinstance(raw, str):
        return array("i", (interned[raw],)) * rows
    return array("i", map(interned.__getitem__, raw))


def _column(memory: Values, value: object, rows: int, *, lists: bool) -> array[int]:
    """Return a property's column; a list of texts is a column only where its items are lists."""
    if isinstance(value, list) and (not lists or (value and not isinstance(value[0], str))):
        if len(value) != rows:
            raise SourceError("a mapping gave a property a list of another length than its facts")
        if lists:
            value = [tuple(each) if isinstance(each, list) else each for each in value]
        return array("i", map(memory.__getitem__, value))
    return array("i", (memory[tuple(value) if isinstance(value, list) else value],)) * rows
