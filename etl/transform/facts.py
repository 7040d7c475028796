"""Replies of one endpoint → facts in columns: keys canonical, properties typed, and what can't be a fact set aside.

Mappings yield raw strings, a list at a time. They are only collected, until a batch is full; then Arrow numbers the
distinct ones of each kind, these are canonicalised in bulk, and from then on a small integer stands for a key: no row
is ever touched by itself. `Batch.encode` gives the facts with their keys as numbers, for the transform; `Batch.tables`
gives the same facts as plain tables.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, cached_property, reduce
from itertools import accumulate, product, repeat
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from etl import reading
from etl.errors import BadValue, SourceError
from etl.files import Group
from etl.graph import Fact, Kind, Property, Relationship, Type
from etl.source import Endpoint, Outcome
from etl.transform.memory import Memory, Resolved, Values

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


class Side:
    """One end of a batch's facts of one kind or type: raw strings, one a row, or as long as it is so, one a fact."""

    def __init__(self, kind: Kind[Any]) -> None:
        self.kind = kind
        self.raws: list[str] = []
        self.one_a_fact = True

    def extend(self, raws: str | Sequence[str], rows: int, lengths: list[int]) -> None:
        """Add a fact's strings, after facts of these lengths."""
        if isinstance(raws, str):
            self.raws.extend((raws,) if self.one_a_fact else repeat(raws, rows))
            return
        if self.one_a_fact:
            self.raws = [raw for raw, length in zip(self.raws, lengths, strict=True) for _ in range(length)]
            self.one_a_fact = False
        self.raws.extend(raws)

    def spread(self, codes: pa.Array, lengths: list[int]) -> pa.Array:
        """Return the rows' codes of the codes of `raws`."""
        return _repeated(codes, lengths) if self.one_a_fact else codes


class Columns:
    """The facts of one batch about one kind of node or one relationship type, and which reply gave which rows."""

    def __init__(self, what: Kind[Any] | Relationship[Any, Any]) -> None:
        self.what = what
        kinds = (what.start, what.end) if isinstance(what, Relationship) else (what,)
        self.names = ("start", "end")[: len(kinds)] if len(kinds) > 1 else ("key",)
        self.sides = [Side(kind) for kind in kinds]
        self.replies: list[int] = []
        self.lengths: list[int] = []
        self.properties: dict[tuple[str, ...], array[int]] = {}
        self.rows = 0

    def extend(
        self, reply: int, rows: int, sides: list[str | Sequence[str]], properties: dict[tuple[str, ...], Any]
    ) -> None:
        """Add a fact's rows. A property that some facts don't have is filled up with none, later on."""
        for side, raws in zip(self.sides, sides, strict=True):
            side.extend(raws, rows, self.lengths)
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
                facts = list(self.endpoint.mapping(asked, typed))
                encoded = [self._encode(fact, rows) for fact in facts if (rows := _length(fact.starts, fact.ends))]
            except SourceError:
                raise
            except Exception as wrong:  # one reply's surprise must not cost the others theirs; it is listed
                raise BadValue(f"the mapping failed: {type(wrong).__name__}") from wrong
            number = len(self._replies)
            self._replies.append(reply)
            for columns, rows, sides, properties in encoded:
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

    def _encode(
        self, fact: Fact, rows: int
    ) -> tuple[Columns, int, list[str | Sequence[str]], dict[tuple[str, ...], array[int]]]:
        """Turn one fact's values into numbers; values that several properties share, once."""
        what = fact.what
        columns = self._columns.get(what)
        if columns is None:
            columns = self._columns[what] = Columns(what)
        sides = [fact.starts] if len(columns.sides) == 1 else [fact.starts, fact.ends or ""]
        for raws in sides:
            if not isinstance(raws, str) and set(map(type, raws)) != {str}:
                raise TypeError("a mapping gave what is no string for a key")
        shared: dict[tuple[int, int], tuple[Any, Type, list[str]]] = {}
        for name, value in fact.properties.items():
            type_ = _property(what, name).type
            names = shared.setdefault((id(value), id(type_)), (value, type_, []))[2]
            names += ("first_seen", "last_seen") if name == "seen" else (name,)
        properties = {
            tuple(sorted(names)): _column(self.memory.values[type_], value, rows, lists=type_ is Type.TEXTS)
            for value, type_, names in shared.values()
        }
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
        some = [columns for columns in self._columns.values() if columns.rows]
        numbering = Numbering(self.memory, [side for columns in some for side in columns.sides])
        found = [each for columns in some for each in self._tables(columns, numbering)]
        for number, bad in self._missed.items():
            self._list(self._replies[number], bad)
        self._start()
        self.memory.trim()
        return Encoded(numbering.keys, found)

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

    def _tables(self, columns: Columns, numbering: Numbering) -> Iterator[tuple[Group, pa.Table]]:
        """Yield one batch's tables of one kind or relationship type, parted by labels; keys as their numbers."""
        what = columns.what
        fetched = pa.array([self._replies[number].fetched_at for number in columns.replies], pa.int64())
        table = pa.table(
            {
                **{name: pa.nulls(columns.rows, pa.int32()) for name in columns.names},
                "row": pa.array(range(columns.rows), pa.int32()),
                "fetched_at": _repeated(fetched, columns.lengths),
                **self._arrays(columns),
            }
        )
        places = []
        for name, side in zip(columns.names, columns.sides, strict=True):
            codes, numbers, mine = numbering.of(side, columns.lengths)
            if pc.min(mine).as_py() < 0:
                wrong = pc.indices_nonzero(pc.less(mine, 0))
                for row, code in zip(wrong.to_pylist(), codes.take(wrong).to_pylist(), strict=True):
                    self._miss(columns, row, *numbering.bad(side.kind, code))
            table = table.set_column(table.column_names.index(name), name, numbers)
            places.append(mine)
        for labels in product(*(range(len(side.kind.labels)) for side in columns.sides)):
            masks = [
                pc.equal(mine, place)
                for mine, place, side in zip(places, labels, columns.sides, strict=True)
                if len(side.kind.labels) > 1 or numbering.has_bad(side.kind)
            ]
            mine = table.filter(reduce(pc.and_, masks)) if masks else table
            names = [side.kind.labels[place].name for side, place in zip(columns.sides, labels, strict=True)]
            if mine.num_rows and isinstance(what, Relationship):
                mine = self._joined(columns, what, mine, *(numbering.keys[name] for name in names))
            if mine.num_rows:
                group = Group(names[0], what.type, names[1]) if isinstance(what, Relationship) else Group(names[0])
                yield group, mine.drop_columns("row")

    def _joined(
        self, columns: Columns, what: Relationship[Any, Any], table: pa.Table, of_start: pa.Array, of_end: pa.Array
    ) -> pa.Table:
        """Put the ends in canonical order where the type goes both ways, and leave out what does not hold."""
        if not what.both_ways and what.holds is None:
            return table
        starts, ends = of_start.take(table["start"]), of_end.take(table["end"])
        if what.both_ways:
            swap = pc.greater(starts, ends)
            start, end = table["start"], table["end"]
            table = table.set_column(0, "start", pc.if_else(swap, end, start))
            table = table.set_column(1, "end", pc.if_else(swap, start, end))
            return table.filter(pc.not_equal(start, end))
        names = ends.to_pylist()
        holds = list(map(what.holds, starts.to_pylist(), names)) if what.holds else []
        if not all(holds):
            for row, end, right in zip(table["row"].to_pylist(), names, holds, strict=True):
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


class Numbering:
    """Numbers for the keys of one batch: its strings by kind, made canonical, then the keys by label."""

    def __init__(self, memory: Memory, sides: list[Side]) -> None:
        self.keys: dict[str, pa.Array] = {}
        self._codes: dict[int, pa.Array] = {}
        self._raws: dict[Kind[Any], pa.Array] = {}
        self._resolved: dict[Kind[Any], Resolved] = {}
        self._numbers: dict[Kind[Any], pa.Array] = {}
        for kind in dict.fromkeys(side.kind for side in sides):
            mine = [side for side in sides if side.kind is kind]
            encoded = pa.chunked_array([pa.array(side.raws, pa.string()) for side in mine]).dictionary_encode()
            self._codes |= {id(side): chunk.indices for side, chunk in zip(mine, encoded.chunks, strict=True)}
            self._raws[kind] = encoded.chunk(encoded.num_chunks - 1).dictionary
            self._resolved[kind] = memory.resolve(kind, self._raws[kind])
            self._numbers[kind] = pa.nulls(len(self._raws[kind]), pa.int32())
        for label in sorted({label.name for kind in self._raws for label in kind.labels}):
            self._number(label)

    def _number(self, label: str) -> None:
        """Give a label's keys their numbers, over all kinds that have some."""
        masks = {
            kind: pc.equal(self._resolved[kind].places, place)
            for kind in self._raws
            for place, each in enumerate(kind.labels)
            if each.name == label
        }
        masks = {kind: mask for kind, mask in masks.items() if pc.any(mask).as_py()}
        if not masks:
            return
        chunks = [self._resolved[kind].keys.filter(mask) for kind, mask in masks.items()]
        encoded = pa.chunked_array(chunks).dictionary_encode()
        self.keys[label] = encoded.chunk(encoded.num_chunks - 1).dictionary
        for (kind, mask), chunk in zip(masks.items(), encoded.chunks, strict=True):
            self._numbers[kind] = pc.replace_with_mask(self._numbers[kind], mask, chunk.indices)

    def of(self, side: Side, lengths: list[int]) -> tuple[pa.Array, pa.Array, pa.Array]:
        """Return for each row which distinct string it has, its key's number, and its label's place."""
        codes = side.spread(self._codes[id(side)], lengths)
        return codes, self._numbers[side.kind].take(codes), self._resolved[side.kind].places.take(codes)

    def has_bad(self, kind: Kind[Any]) -> bool:
        """Tell whether a kind has strings that are no keys."""
        return bool(self._resolved[kind].reasons)

    def bad(self, kind: Kind[Any], code: int) -> tuple[str, str]:
        """Return a bad string and its reason."""
        return self._raws[kind][code].as_py(), self._resolved[kind].reasons[code]


def _repeated(values: pa.Array, lengths: list[int]) -> pa.Array:
    """Return each value as often as its length says."""
    ends = pa.array(accumulate(lengths), pa.int32())
    return pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(ends, values))


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
    if isinstance(starts, str):
        return 1 if ends is None or isinstance(ends, str) else len(ends)
    if not (ends is None or isinstance(ends, str) or len(starts) == len(ends)):
        raise SourceError("a mapping gave two lists of different length")
    return len(starts)


def _column(memory: Values, value: object, rows: int, *, lists: bool) -> array[int]:
    """Return a property's column; a list of texts is a column only where its items are lists."""
    if isinstance(value, list) and (not lists or (value and not isinstance(value[0], str))):
        if len(value) != rows:
            raise SourceError("a mapping gave a property a list of another length than its facts")
        if lists:
            value = [tuple(each) if isinstance(each, list) else each for each in value]
        return array("i", map(memory.__getitem__, value))
    return array("i", (memory[tuple(value) if isinstance(value, list) else value],)) * rows
