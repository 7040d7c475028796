"""A batch's facts as columns of raw values, as the mappings hand them over, and numbers for their keys.

Nothing is looked at when a fact comes in. Once a batch is full, Arrow numbers the distinct strings of each kind, these
are made canonical in bulk, and a number stands for a key from then on: no row is ever touched by itself.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property
from itertools import accumulate, repeat
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher.errors import SourceError
from intel_grapher.model import SEEN, Fact, Kind, Property, Relationship, Type
from intel_grapher.transform.memory import Memory, Resolved


class Column:
    """What a batch's facts of one kind or type have in one place: a value a row or, while that holds, one a fact."""

    __slots__ = ("one_a_fact", "type", "values")

    def __init__(self, type_: Type) -> None:
        self.type = type_
        self.values: list[Any] = []
        self.one_a_fact = True

    def add(self, value: Any, columns: Columns, rows: int) -> None:  # noqa: ANN401 - values of any type
        """Add a fact's value, or one for each of its rows."""
        if isinstance(value, list) and is_column(self.type, value):
            if self.one_a_fact:
                each = zip(self.values, columns.lengths, strict=False)
                self.values = [one for one, length in each for _ in range(length)]
                self.one_a_fact = False
            self.values.extend(value)
        elif self.one_a_fact:
            self.values.append(value)
        else:
            self.values.extend(repeat(value, rows))

    def fill(self, columns: Columns) -> None:
        """Give the facts that had no value here none."""
        missing = (len(columns.lengths) if self.one_a_fact else columns.rows) - len(self.values)
        if missing:
            self.values.extend(repeat(None, missing))

    def is_like(self, other: Column) -> bool:
        """Tell whether two columns have the very same values."""
        return self.type is other.type and self.one_a_fact == other.one_a_fact and self.values == other.values


class Strings:
    """What a batch's facts of one kind or type have for a key: raw strings, a row each or, while that holds, a fact.

    Only the text that they make together is kept, and how many bytes each has: the strings themselves can go.
    """

    __slots__ = ("one_a_fact", "sizes", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.sizes: list[int] = []
        self.one_a_fact = True

    def add(self, raws: str | Sequence[str], text: str, columns: Columns, rows: int) -> None:
        """Add the string of all of a fact's rows, or one for each; `text` is what they make together."""
        if raws is text and self.one_a_fact:
            self.texts.append(text)
            self.sizes.append(_size(text))
        elif raws is text:
            self.texts.append(text * rows)
            self.sizes.extend(repeat(_size(text), rows))
        else:
            if self.one_a_fact:
                before = columns.lengths
                self.texts = [one * length for one, length in zip(self.texts, before, strict=True)]
                self.sizes = [size for size, length in zip(self.sizes, before, strict=True) for _ in range(length)]
                self.one_a_fact = False
            self.texts.append(text)
            self.sizes.extend(map(len if text.isascii() else _size, raws))

    def array(self) -> pa.Array:
        """Return the strings."""
        text = pa.py_buffer("".join(self.texts).encode("utf-8", "replace"))
        ends = pc.cumulative_sum(as_arrow(array("i", [0, *self.sizes])))
        return pa.Array.from_buffers(pa.string(), len(self.sizes), [None, ends.buffers()[1], text])


def _size(raw: str) -> int:
    return len(raw) if raw.isascii() else len(raw.encode("utf-8", "replace"))


class Columns:
    """The facts of one batch about one kind of node or one relationship type, and which reply gave which rows."""

    def __init__(self, what: Kind[Any] | Relationship[Any, Any]) -> None:
        self.what = what
        self.sides = {"start": what.start, "end": what.end} if isinstance(what, Relationship) else {"key": what}
        self.keys = {name: Strings() for name in self.sides}
        self._first, *rest = self.keys.values()
        self._second = rest[0] if rest else None
        self.properties: dict[str, Column] = {}
        self.replies: list[int] = []
        self.lengths: list[int] = []
        self.rows = 0

    def add(self, reply: int, fact: Fact, rows: int, starts: str, ends: str) -> None:
        """Add a fact's rows; its keys also as text. A property that some facts don't have is none there."""
        self._first.add(fact.starts, starts, self, rows)
        if self._second and fact.ends is not None:
            self._second.add(fact.ends, ends, self, rows)
        for name, value in fact.properties.items():
            if name not in self.properties:
                self.properties[name] = Column(property_of(self.what, name).type)
            column = self.properties[name]
            column.fill(self)
            column.add(value, self, rows)
        self.replies.append(reply)
        self.lengths.append(rows)
        self.rows += rows

    def spread(self, column: Column | Strings, codes: pa.Array) -> pa.Array:
        """Return the rows' codes, from those of a column's values."""
        if column.one_a_fact:
            codes = self.repeated(codes)
        short = self.rows - len(codes)
        return pa.concat_arrays([codes, pa.nulls(short, codes.type).fill_null(0)]) if short else codes

    def shared(self) -> Iterator[tuple[tuple[str, ...], Column]]:
        """Yield the columns of properties, each with the names of all that have the very same values."""
        found: list[tuple[list[str], Column]] = []
        for name, column in self.properties.items():
            names = ["first_seen", "last_seen"] if name == SEEN else [name]
            same = next((known for known, one in found if one.is_like(column)), None)
            if same is None:
                found.append((names, column))
            else:
                same += names
        for names, column in found:
            yield tuple(sorted(names)), column

    @cached_property
    def ends(self) -> array[int]:
        """Where each fact's rows end; for when there are all."""
        return array("i", accumulate(self.lengths))

    def repeated(self, values: pa.Array) -> pa.Array:
        """Return a value for each row, from one for each fact, or for each of the first ones."""
        ends = as_arrow(self.ends).slice(0, len(values))
        return pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(ends, values))

    def reply_of(self, row: int) -> int:
        """Return which reply gave a row."""
        return self.replies[bisect_right(self.ends, row)]


class Numbering:
    """Numbers for the keys of one batch: its strings by kind, made canonical, then the keys by label."""

    def __init__(self, memory: Memory, all_columns: Iterable[Columns]) -> None:
        self.keys: dict[str, pa.Array] = {}
        self.codes: dict[int, pa.Array] = {}  # of each column, by its id: which distinct strings it has
        self._raws: dict[Kind[Any], pa.Array] = {}
        self._resolved: dict[Kind[Any], Resolved] = {}
        self._numbers: dict[Kind[Any], pa.Array] = {}
        mine: dict[Kind[Any], list[Strings]] = {}
        for columns in all_columns:
            for name, kind in columns.sides.items():
                mine.setdefault(kind, []).append(columns.keys[name])
        for kind, raws in mine.items():
            encoded = pa.chunked_array([each.array() for each in raws]).dictionary_encode()
            self.codes |= {id(each): chunk.indices for each, chunk in zip(raws, encoded.chunks, strict=True)}
            self._raws[kind] = encoded.chunk(encoded.num_chunks - 1).dictionary
            self._resolved[kind] = memory.resolve(kind, self._raws[kind])
            self._numbers[kind] = pa.nulls(len(self._raws[kind]), pa.int32())
        for label in sorted({label.name for kind in mine for label in kind.labels}):
            self._number(label)

    def _number(self, label: str) -> None:
        """Give a label's keys their numbers, over all kinds that have some.

        Most come from one kind, as they stand, and are distinct: only the others have to be looked up among them.
        """
        masks = {
            kind: pc.equal(self._resolved[kind].places, place)
            for kind in self._raws
            for place, each in enumerate(kind.labels)
            if each.name == label
        }
        if not any(pc.any(mask).as_py() for mask in masks.values()):
            return
        plain = {kind: pc.and_not(mask, self._resolved[kind].odd) for kind, mask in masks.items()}
        most = max(plain, key=lambda kind: pc.sum(plain[kind]).as_py())
        base = self._raws[most].filter(plain[most])
        self._numbers[most] = pc.replace_with_mask(self._numbers[most], plain[most], counted(len(base)))
        rest = {kind: mask if kind is not most else pc.and_not(mask, plain[most]) for kind, mask in masks.items()}
        rest = {kind: mask for kind, mask in rest.items() if pc.any(mask).as_py()}
        if not rest:
            self.keys[label] = base
            return
        encoded = pa.chunked_array(
            [self._resolved[kind].keys.filter(mask) for kind, mask in rest.items()]
        ).dictionary_encode()
        others = encoded.chunk(encoded.num_chunks - 1).dictionary
        in_base = pc.index_in(base, value_set=others)  # a small table, and many look-ups: cheaper than the other way
        known = pc.inverse_permutation(in_base, max_index=len(others) - 1)
        new = pc.is_null(known)
        numbers = pc.coalesce(known, pc.add(pc.cumulative_sum(new.cast(pa.int32())), len(base) - 1).cast(pa.int32()))
        self.keys[label] = pa.concat_arrays([base, others.filter(new)])
        for (kind, mask), chunk in zip(rest.items(), encoded.chunks, strict=True):
            self._numbers[kind] = pc.replace_with_mask(self._numbers[kind], mask, numbers.take(chunk.indices))

    def of(self, kind: Kind[Any], codes: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Return the number of each string's key, and the place of its label (-1: it is bad)."""
        return self._numbers[kind].take(codes), self._resolved[kind].places.take(codes)

    def has_bad(self, kind: Kind[Any]) -> bool:
        """Tell whether a kind has strings that are no keys."""
        return bool(self._resolved[kind].reasons)

    def bad(self, kind: Kind[Any], code: int) -> tuple[str, str]:
        """Return a bad string and its reason."""
        return self._raws[kind][code].as_py(), self._resolved[kind].reasons[code]


def as_arrow(codes: array[int]) -> pa.Array:
    """Return a column of numbers as Arrow sees it, without a copy."""
    return pa.Array.from_buffers(pa.int32(), len(codes), [None, pa.py_buffer(codes)])


def counted(length: int) -> pa.Array:
    """Return 0, 1, 2, … up to a length."""
    return pa.arange(0, length).cast(pa.int32())


@cache
def property_of(what: Kind[Any] | Relationship[Any, Any], name: str) -> Property:
    """Return what the schema says of a property there; `seen` stands for two alike. SourceError: it knows of none."""
    name = "first_seen" if name == SEEN else name
    for each in what.properties if isinstance(what, Relationship) else what.labels[0].properties:
        if each.name == name:
            return each
    raise SourceError(f"the schema has no property {name!r} there; declare it in etl/intel_grapher/schema.py")


def is_column(type_: Type, value: list[Any]) -> bool:
    """Tell whether a property's list is a value for each row; of texts it is so only where its items are lists."""
    return type_ is not Type.TEXTS or bool(value and not isinstance(value[0], str))
