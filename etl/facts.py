"""Replies of one endpoint → facts in columns: keys canonical, properties typed, and what can't be a fact set aside.

Mappings yield raw strings, a list at a time. Here each distinct string is canonicalised once, and columns of small
integers stand for the strings until a batch is whole; then it becomes one Arrow table for each (from, type, to) and
each label. A table has the columns `start` and `end`, or `key`, then the properties that the facts had, `source`
(an integer that the caller gives) and `fetched_at`; moments are seconds since 1970, UTC.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from etl import keys, reading, times
from etl.errors import BadValue, SourceError
from etl.files import Group
from etl.graph import Fact, Kind, Property, Relationship, Type
from etl.source import Endpoint, Outcome

MAX_INTERNED = 2_000_000
INT64 = 1 << 63


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


class Interned(dict[str, int]):
    """Canonical keys of one kind by raw string, as numbers; a bad string's number is negative, its reason is kept."""

    def __init__(self, kind: Kind[Any]) -> None:
        self.labels = [label.name for label in kind.labels]
        self.kind = kind
        self.clear()

    def clear(self) -> None:
        """Forget all, so that memory stays bounded."""
        super().clear()
        self.keys_: list[str] = []
        self.label_of: list[int] = []
        self.bad: list[tuple[str, str]] = []

    def __missing__(self, raw: str) -> int:
        try:
            label, key = self.kind.resolve(raw)
        except BadValue as bad:
            self.bad.append((raw, bad.reason))
            code = -len(self.bad)
        else:
            code = len(self.keys_)
            self.keys_.append(key)
            self.label_of.append(self.labels.index(label.name))
        self[raw] = code
        return code


class Values(dict[Any, Any]):
    """Canonical property values by raw value; BadValue objects stand for those that have none."""

    def __init__(self, canonical: Callable[[Any], Any]) -> None:
        self.canonical = canonical

    def __missing__(self, raw: Any) -> Any:  # noqa: ANN401 - values of any type
        try:
            value = None if raw is None else self.canonical(raw)
        except BadValue as bad:
            value = bad
        self[raw] = value
        return value


def _integer(raw: object) -> int:
    if isinstance(raw, int) and -INT64 <= raw < INT64:
        return int(raw)
    raise BadValue("an integer beyond 64 bits" if isinstance(raw, int) else "not an integer")


def _real(raw: object) -> float:
    if isinstance(raw, int | float) and math.isfinite(raw):
        return float(raw)
    raise BadValue("not a number")


def _items(raw: Sequence[str]) -> tuple[str, ...] | None:
    """Return a list property's items: canonical, sorted, each once; the placeholders among them are left out."""
    items = set()
    for each in raw:
        try:
            items.add(keys.list_item(each))
        except BadValue:
            continue
    return tuple(sorted(items)) or None


CANONICAL: dict[Type, Callable[[Any], Any]] = {
    Type.TEXT: lambda raw: keys.text(raw) or None,
    Type.TEXTS: _items,
    Type.INTEGER: _integer,
    Type.REAL: _real,
    Type.BOOLEAN: bool,
    Type.MOMENT: times.parse,
}


class Columns:
    """The facts of one batch about one label's kind or one relationship type."""

    def __init__(self, what: Kind[Any] | Relationship[Any, Any]) -> None:
        self.what = what
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.replies: list[int] = []
        self.properties: dict[str, list[Any]] = {}


class Batch:
    """Facts of one endpoint's replies, until `tables` gives them out."""

    def __init__(self, endpoint: Endpoint, source: int) -> None:
        self.endpoint = endpoint
        self.source = source
        self.rejects: list[Reject] = []
        self.outcomes: Counter[str] = Counter()
        self._interned: dict[Kind[Any], Interned] = {}
        self._values = {type_: Values(canonical) for type_, canonical in CANONICAL.items()}
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
                number = len(self._replies)
                columns = [self._encode(fact) for fact in facts]
            except SourceError:
                raise
            except Exception as wrong:  # one reply's surprise must not cost the others theirs; it is listed
                raise BadValue(f"the mapping failed: {type(wrong).__name__}") from wrong
            self._replies.append(reply)
            for into, rows, encoded in columns:
                self._extend(into, number, rows, encoded)
        for path, value, reason in faults:
            self._reject(reply, path, value, reason)
        return outcome.value

    def _asked_for(self, raw: str) -> str:
        try:
            return self.endpoint.canonical(raw)
        except BadValue as bad:
            raise BadValue(f"asked for {bad.reason}") from bad

    def _reject(self, reply: Reply, path: str, value: str, reason: str) -> None:
        self.rejects.append(
            Reject(self.endpoint.source.name, self.endpoint.name, reply.key, path, reading.shown(value), reason)
        )

    def _intern(self, kind: Kind[Any]) -> Interned:
        if kind not in self._interned:
            self._interned[kind] = Interned(kind)
        return self._interned[kind]

    def _encode(self, fact: Fact) -> tuple[Columns, int, tuple[list[int], list[int], dict[str, list[Any]]]]:
        """Turn one fact's strings into numbers and its single values into columns."""
        what = fact.what
        columns = self._columns.setdefault(what, Columns(what))
        if isinstance(what, Relationship):
            rows = _length(fact.starts, fact.ends)
            starts = _codes(self._intern(what.start), fact.starts, rows)
            ends = _codes(self._intern(what.end), fact.ends or "", rows)
        else:
            rows = _length(fact.starts, None)
            starts, ends = _codes(self._intern(what), fact.starts, rows), []
        properties = {}
        for name, value in fact.properties.items():
            column = _column(value, rows, lists=_property(what, name).type is Type.TEXTS)
            for each in ("first_seen", "last_seen") if name == "seen" else (name,):
                properties[each] = column
        return columns, rows, (starts, ends, properties)

    @staticmethod
    def _extend(
        columns: Columns, reply: int, rows: int, encoded: tuple[list[int], list[int], dict[str, list[Any]]]
    ) -> None:
        starts, ends, properties = encoded
        before = len(columns.starts)
        columns.starts += starts
        columns.ends += ends
        columns.replies += [reply] * rows
        for name in properties.keys() | columns.properties.keys():
            column = columns.properties.setdefault(name, [None] * before)
            column += properties.get(name) or [None] * rows

    def tables(self) -> list[tuple[Group, pa.Table]]:
        """Return the facts taken since the last call; what can't be a fact joins `rejects`."""
        tables = [each for columns in self._columns.values() for each in self._tables(columns)]
        for number, bad in self._missed.items():
            self._list(self._replies[number], bad)
        self._start()
        for memory in (*self._interned.values(), *self._values.values()):
            if len(memory) > MAX_INTERNED:
                memory.clear()
        return tables

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
        """Yield one batch's tables of one kind or relationship type, parted by labels."""
        what = columns.what
        sides = [(self._intern(what.start), columns.starts), (self._intern(what.end), columns.ends)] \
            if isinstance(what, Relationship) else [(self._intern(what), columns.starts)]  # fmt: skip
        for interned, codes in sides:
            if min(codes, default=0) < 0:
                for row, code in enumerate(codes):
                    if code < 0:
                        self._miss(columns, row, *interned.bad[-code - 1])
        fetched = pa.array([reply.fetched_at for reply in self._replies], pa.int64())
        rows = pa.array(range(len(columns.starts)), pa.int32())
        table = pa.table(
            {
                **{str(side): pa.array(codes, pa.int32()) for side, (_, codes) in enumerate(sides)},
                "row": rows,
                "fetched_at": fetched.take(pa.array(columns.replies, pa.int32())),
                "source": pa.array([self.source] * len(rows), pa.int64()),
                **self._arrays(columns),
            }
        )
        for side in range(len(sides)):
            table = table.filter(pc.greater_equal(table[str(side)], 0))
        for labels in product(*(range(len(interned.labels)) for interned, _ in sides)):
            mine = table
            for side, ((interned, _), label) in enumerate(zip(sides, labels, strict=True)):
                of = pa.array(interned.label_of, pa.int8()).take(mine[str(side)].combine_chunks())
                mine = mine.filter(pc.equal(of, label))
            if mine.num_rows:
                names = [interned.labels[label] for (interned, _), label in zip(sides, labels, strict=True)]
                keys_ = [
                    pa.array(interned.keys_, pa.string()).take(mine[str(side)].combine_chunks())
                    for side, (interned, _) in enumerate(sides)
                ]
                if isinstance(what, Relationship):
                    joined = self._joined(columns, what, mine, *keys_)
                    if joined.num_rows:
                        yield Group(names[0], what.type, names[1]), joined
                else:
                    yield Group(names[0]), _with_keys(mine, key=keys_[0])

    def _joined(
        self, columns: Columns, what: Relationship[Any, Any], table: pa.Table, start: pa.Array, end: pa.Array
    ) -> pa.Table:
        """Put the keys in, in canonical order where the type goes both ways, and leave out what does not hold."""
        if what.both_ways:
            start, end = pc.min_element_wise(start, end), pc.max_element_wise(start, end)
            holds = pc.not_equal(start, end)
        elif what.holds is not None:
            pairs = zip(start.to_pylist(), end.to_pylist(), strict=True)
            holds = pa.array([what.holds(*pair) for pair in pairs], pa.bool_())
            wrong = pc.invert(holds)
            for row, value in zip(table["row"].filter(wrong).to_pylist(), end.filter(wrong).to_pylist(), strict=True):
                self._miss(columns, row, value, f"not what {what.type} joins")
        else:
            return _with_keys(table, start=start, end=end)
        return _with_keys(table, start=start, end=end).filter(holds)

    def _miss(self, columns: Columns, row: int, value: object, reason: str) -> None:
        self._missed.setdefault(columns.replies[row], set()).add((columns.what, row, value, reason))

    def _arrays(self, columns: Columns) -> dict[str, pa.Array]:
        """Return the properties' columns, canonical, and `precision`: the coarsest of each row's moments."""
        arrays: dict[str, pa.Array] = {}
        precision: pa.Array | None = None
        for name, column in columns.properties.items():
            type_ = _property(columns.what, name).type
            values = self._canonical(type_, columns, column)
            if type_ is not Type.MOMENT:
                arrays[name] = pa.array(values, type_.arrow)
                continue
            arrays[name] = pa.array([None if each is None else each.seconds for each in values], pa.int64())
            mine = pa.array([None if each is None else each.precision for each in values], pa.string())
            precision = mine if precision is None else pc.min_element_wise(precision, mine)
        return arrays if precision is None else {**arrays, "precision": precision}

    def _canonical(self, type_: Type, columns: Columns, column: list[Any]) -> list[Any]:
        memory = self._values[type_]
        found = [memory[tuple(each) if isinstance(each, list) else each] for each in column]
        for row, each in enumerate(found):
            if isinstance(each, BadValue):
                self._miss(columns, row, column[row], each.reason)
                found[row] = None
        return found


def _with_keys(table: pa.Table, **keys_: pa.Array) -> pa.Table:
    """Return the table with keys in the place of their numbers."""
    return pa.table(
        {**keys_, **{name: table[name] for name in table.column_names if not name.isdigit() and name != "row"}}
    )


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


def _codes(interned: Interned, raw: str | Sequence[str], rows: int) -> list[int]:
    return [interned[raw]] * rows if isinstance(raw, str) else list(map(interned.__getitem__, raw))


def _column(value: object, rows: int, *, lists: bool) -> list[Any]:
    """Return a property's column; a list of texts is a column only where its items are lists."""
    if isinstance(value, list) and (not lists or (value and not isinstance(value[0], str))):
        if len(value) != rows:
            raise SourceError("a mapping gave a property a list of another length than its facts")
        return value
    return [value] * rows
