"""The facts of a batch as columns of raw values, and integers for their keys.

Values are only collected when a fact comes in. Once the batch is full, Arrow gives every distinct string of a kind its
string_id, the distinct strings are made canonical in bulk, and every key of a label gets its local_id. No Python code
runs for a single row.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from itertools import accumulate, repeat
from typing import Any, NamedTuple, cast

import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher.errors import SourceError
from intel_grapher.model import SEEN, Fact, Kind, Property, Relationship, Type
from intel_grapher.transform.interning import Interning, Resolved, Values


class Column:
    """One property's values for a batch: one per fact (`one_a_fact`), or one per row once a fact has brought a list."""

    __slots__ = ("one_a_fact", "type", "values")

    def __init__(self, type_: Type) -> None:
        self.type = type_
        self.values: list[Any] = []
        self.one_a_fact = True

    def add(self, value: Any, columns: Columns, rows: int) -> None:  # noqa: ANN401 - values of any type
        """Add a fact's value, or one for each of its rows."""
        if isinstance(value, (list, tuple)) and is_column(self.type, value):
            if self.one_a_fact:
                facts = zip(self.values, columns.lengths, strict=False)
                self.values = [repeated for repeated, length in facts for _ in range(length)]
                self.one_a_fact = False
            self.values.extend(value)
        elif self.one_a_fact:
            self.values.append(value)
        else:
            self.values.extend(repeat(value, rows))

    def fill(self, columns: Columns) -> None:
        """Add None for the facts that came since the last value."""
        missing = (len(columns.lengths) if self.one_a_fact else columns.rows) - len(self.values)
        if missing:
            self.values.extend(repeat(None, missing))

    def is_like(self, other: Column) -> bool:
        """Tell whether two columns have the same values in the same layout."""
        return self.type is other.type and self.one_a_fact == other.one_a_fact and self.values == other.values


class Strings:
    """The raw keys on one side of a batch's facts: one per fact (`one_a_fact`), or each with a number of rows (`runs`).

    Only their joined text and their sizes (UTF-8 bytes) are held, so that the strings themselves can be freed. A string
    is held once, however many rows it has: a service decides how long it is, and how many they are.
    """

    __slots__ = ("one_a_fact", "runs", "sizes", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.sizes: list[int] = []
        self.runs: list[int] = []
        self.one_a_fact = True

    def add(self, raws: str | Sequence[str], text: str, columns: Columns, rows: int) -> None:
        """Add the string of all rows of a fact, or one for each row; `text` is the strings joined."""
        if raws is text:
            self.sizes.append(_size(text))
            if not self.one_a_fact:
                self.runs.append(rows)
        else:
            if self.one_a_fact:
                self.runs = list(columns.lengths)
                self.one_a_fact = False
            self.sizes.extend(map(len if text.isascii() else _size, raws))
            self.runs.extend(repeat(1, rows))
        self.texts.append(text)

    def array(self) -> pa.Array:
        """Return the strings (string[n])."""
        text = pa.py_buffer("".join(self.texts).encode("utf-8", "replace"))
        ends = pc.cumulative_sum(as_arrow(array("i", [0, *self.sizes])))
        return pa.Array.from_buffers(pa.string(), len(self.sizes), [None, ends.buffers()[1], text])


def _size(raw: str) -> int:
    return len(raw) if raw.isascii() else len(raw.encode("utf-8", "replace"))


class Columns:
    """A batch's facts about one kind of node or one relationship type, and the reply that each fact came from."""

    def __init__(self, what: Kind[Any] | Relationship[Any, Any]) -> None:
        self.what = what
        self.sides = {"start": what.start, "end": what.end} if isinstance(what, Relationship) else {"key": what}
        self.keys = {name: Strings() for name in self.sides}
        self._first, *rest = self.keys.values()
        self._second = rest[0] if rest else None
        self.properties: dict[str, Column] = {}
        self.replies: list[int] | array[int] = []
        self.lengths: list[int] | array[int] = []
        self.rows = 0
        self.first_row = 0  # the number that a bad value of the first row goes by

    def add(self, reply: int, fact: Fact, rows: int, starts: str, ends: str) -> None:
        """Add the rows of a fact; `starts` and `ends` are its keys joined. A property that it lacks is None there."""
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
        """Return a code for each row (int32), from the codes of a column's values."""
        if column.one_a_fact:
            codes = self.repeated(codes)
        elif isinstance(column, Strings) and len(codes) < self.rows:
            codes = _runs(codes, array("i", accumulate(column.runs)))
        short = self.rows - len(codes)
        return pa.concat_arrays([codes, pa.nulls(short, codes.type).fill_null(0)]) if short else codes

    def codes(self, values: Mapping[Type, Values]) -> Iterator[tuple[tuple[str, ...], Type, pa.Array]]:
        """Yield each distinct property column as codes of `values`, one for each row (int32), with its type.

        The names are those of the properties that share it, typically first_seen and last_seen.
        """
        for names, column in self._shared():
            yield names, column.type, self.spread(column, _codes(column.type, column.values, values[column.type]))

    def _shared(self) -> Iterator[tuple[tuple[str, ...], Column]]:
        found: list[tuple[list[str], Column]] = []
        for name, column in self.properties.items():
            names = ["first_seen", "last_seen"] if name == SEEN else [name]
            same = next((known for known, other in found if other.is_like(column)), None)
            if same is None:
                found.append((names, column))
            else:
                same += names
        for names, column in found:
            yield tuple(sorted(names)), column

    @cached_property
    def ends(self) -> array[int]:
        """Return the end of each fact's rows. Must be called after the last fact has been added."""
        return array("i", accumulate(self.lengths))

    def repeated(self, values: pa.Array) -> pa.Array:
        """Return a value for each row, from a value for each fact, or for each of the first facts."""
        return values if len(values) == self.rows else _runs(values, self.ends[: len(values)])

    def of_replies(self, values: pa.Array) -> pa.Array:
        """Return a value for each row, from a value for each reply of the batch."""
        return self.repeated(values.take(as_arrow(array("i", self.replies))))

    def reply_of(self, row: int) -> int:
        """Return the number of the reply that a row came from."""
        return self.replies[bisect_right(self.ends, row)]

    def path(self, _column: str, _row: int, _value: object) -> str:
        """Return the JSON path of the value that a row has in a column; empty where that is not known."""
        return ""


class DecodedColumn(NamedTuple):
    """Values that were decoded as a column: one for each fact, or one for each row.

    `key` is the same where the values are. `path` returns the JSON path of a value, given its place and itself.
    """

    values: pa.Array
    one_a_fact: bool
    key: object
    path: Callable[[int, object], str]

    def array(self) -> pa.Array:
        """Return the values."""
        return self.values


class DecodedColumns(Columns):
    """The same for facts whose replies were decoded as columns: what one `WHAT.each` of a mapping says of them."""

    def __init__(
        self,
        what: Kind[Any] | Relationship[Any, Any],
        sides: Sequence[DecodedColumn],
        replies: pa.Array,
        lengths: pa.Array,
        properties: dict[str, DecodedColumn],
    ) -> None:
        super().__init__(what)
        self._taken = dict(zip(self.sides, sides, strict=True))
        self.keys = cast("dict[str, Strings]", {**self._taken})  # of which only array() and one_a_fact are used
        self.replies, self.lengths, self.rows = _integers(replies), _integers(lengths), pc.sum(lengths).as_py() or 0
        self._ends = pc.cumulative_sum(lengths)
        self._told = properties

    @cached_property
    def ends(self) -> array[int]:
        """Return the end of each fact's rows."""
        return _integers(self._ends)

    def codes(self, values: Mapping[Type, Values]) -> Iterator[tuple[tuple[str, ...], Type, pa.Array]]:
        """Yield each distinct property column, as the other columns do."""
        found: dict[tuple[object, int], tuple[list[str], Type, DecodedColumn]] = {}
        for name, taken in self._told.items():
            names = ["first_seen", "last_seen"] if name == SEEN else [name]
            type_ = property_of(self.what, name).type
            found.setdefault((taken.key, id(type_)), ([], type_, taken))[0].extend(names)
        for names, type_, taken in found.values():
            self._taken[min(names)] = taken
            codes = _codes(type_, taken.values, values[type_])
            yield tuple(sorted(names)), type_, self.repeated(codes) if taken.one_a_fact else codes

    def path(self, column: str, row: int, value: object) -> str:
        """Return the JSON path of the value that a row has in a column; empty where it is another value there.

        A column of properties goes by the first name of those that share it.
        """
        taken = self._taken.get(column)
        if taken is None:
            return ""
        at = bisect_right(self.ends, row) if taken.one_a_fact else row
        return taken.path(at, value) if taken.values[at].as_py() == value else ""


def _codes(type_: Type, raws: list[Any] | pa.Array, known: Values) -> pa.Array:
    """Return the codes of raw values (int32[n]). Where all are texts, each distinct one is looked up once."""
    if type_ is Type.TEXTS:
        hashable = map(_hashable, raws if isinstance(raws, list) else raws.to_pylist())
        return as_arrow(array("i", map(known.__getitem__, hashable)))
    if isinstance(raws, list):
        kinds = set(map(type, raws))
        if not kinds <= _SCALARS:
            raws = list(map(_hashable, raws))
        if not kinds <= _TEXT_OR_NONE:
            return as_arrow(array("i", map(known.__getitem__, raws)))
        try:
            raws = pa.array(raws, pa.string())
        except UnicodeEncodeError:  # half a character
            return as_arrow(array("i", map(known.__getitem__, raws)))
    encoded = raws.dictionary_encode()
    codes = as_arrow(array("i", map(known.__getitem__, encoded.dictionary.to_pylist())))
    return codes.take(encoded.indices).fill_null(0)


_TEXT_OR_NONE = frozenset({str, type(None)})
_SCALARS = _TEXT_OR_NONE | {int, float, bool}


def _hashable(value: object) -> object:
    """Return a value as the key of a dict: a list as a tuple, what no property can be as its type in one."""
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    return value if type(value) in _SCALARS else (type(value),)


class Numbering:
    """The local_id of every key of one batch: its strings by kind are made canonical, then keys are numbered by label.

    `keys` has each label's distinct keys (string[n]); a key's local_id is its position there. `string_ids` has for
    each column of strings, by its `id()`, the positions of its strings (int32) among the kind's distinct ones.
    """

    def __init__(self, interning: Interning, all_columns: Iterable[Columns]) -> None:
        self.keys: dict[str, pa.Array] = {}
        self.string_ids: dict[int, pa.Array] = {}
        self._raws: dict[Kind[Any], pa.Array] = {}
        self._resolved: dict[Kind[Any], Resolved] = {}
        self._local_ids: dict[Kind[Any], pa.Array] = {}  # by string_id
        strings_of: dict[Kind[Any], list[Strings]] = {}
        for columns in all_columns:
            for name, kind in columns.sides.items():
                strings_of.setdefault(kind, []).append(columns.keys[name])
        for kind, parts in strings_of.items():
            encoded = pa.chunked_array([strings.array() for strings in parts]).dictionary_encode()
            self.string_ids |= {
                id(strings): chunk.indices for strings, chunk in zip(parts, encoded.chunks, strict=True)
            }
            self._raws[kind] = encoded.chunk(encoded.num_chunks - 1).dictionary
        if sum(map(len, self._raws.values())) <= interning.few:
            self._number_few(interning)
            return
        for kind, raws in self._raws.items():
            self._resolved[kind] = interning.resolve(kind, raws)
            self._local_ids[kind] = pa.nulls(len(raws), pa.int32())
        for label in sorted({label.name for kind in strings_of for label in kind.labels}):
            self._number(label)

    def _number_few(self, interning: Interning) -> None:
        """Give all keys their local_ids, one by one: for few of them, that costs less than a call of Arrow each."""
        ids: dict[str, dict[str, int]] = {}
        for kind, raws in self._raws.items():
            found = interning.one_by_one(kind, raws)
            self._resolved[kind] = found
            keys_of = [ids.setdefault(label.name, {}) for label in kind.labels]
            self._local_ids[kind] = pa.array(
                [
                    keys_of[label].setdefault(key, len(keys_of[label])) if label >= 0 else None
                    for label, key in zip(found.labels.to_pylist(), found.keys.to_pylist(), strict=True)
                ],
                pa.int32(),
            )
        self.keys = {label: pa.array(keys, pa.string()) for label, keys in sorted(ids.items()) if keys}

    def _number(self, label: str) -> None:
        """Give a label's keys their local_ids, over all kinds that have some.

        Most come from one kind, as they stand, and are distinct: only the others are looked up among them.
        """
        masks = {
            kind: pc.equal(self._resolved[kind].labels, index)
            for kind in self._raws
            for index, known in enumerate(kind.labels)
            if known.name == label
        }
        if not any(pc.any(mask).as_py() for mask in masks.values()):
            return
        plain = {kind: pc.and_not(mask, self._resolved[kind].slow) for kind, mask in masks.items()}
        most = max(plain, key=lambda kind: pc.sum(plain[kind]).as_py())
        base = self._raws[most].filter(plain[most])
        self._local_ids[most] = pc.replace_with_mask(self._local_ids[most], plain[most], counted(len(base)))
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
        known_ids = pc.inverse_permutation(in_base, max_index=len(others) - 1)
        new = pc.is_null(known_ids)
        new_ids = pc.add(pc.cumulative_sum(new.cast(pa.int32())), len(base) - 1).cast(pa.int32())
        ids = pc.coalesce(known_ids, new_ids)
        self.keys[label] = pa.concat_arrays([base, others.filter(new)])
        for (kind, mask), chunk in zip(rest.items(), encoded.chunks, strict=True):
            self._local_ids[kind] = pc.replace_with_mask(self._local_ids[kind], mask, ids.take(chunk.indices))

    def resolved(self, kind: Kind[Any], string_ids: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Return the local_id (int32) and the index of the label in the kind (int8; -1 if bad) of each string_id."""
        return self._local_ids[kind].take(string_ids), self._resolved[kind].labels.take(string_ids)

    def has_bad(self, kind: Kind[Any]) -> bool:
        """Tell whether a kind has strings that are no keys."""
        return bool(self._resolved[kind].reasons)

    def bad(self, kind: Kind[Any], string_id: int) -> tuple[str, str]:
        """Return a bad string, and the reason why it is bad."""
        return self._raws[kind][string_id].as_py(), self._resolved[kind].reasons[string_id]


def as_arrow(codes: array[int]) -> pa.Array:
    """Return an `array("i")` as int32[n], without a copy."""
    return pa.Array.from_buffers(pa.int32(), len(codes), [None, pa.py_buffer(codes)])


def _integers(values: pa.Array) -> array[int]:
    """Return int32[n] as an `array("i")`; no Python object is made for a single one."""
    found = array("i")
    found.frombytes(memoryview(values.buffers()[1])[found.itemsize * values.offset :][: found.itemsize * len(values)])
    return found


def _runs(values: pa.Array, ends: array[int]) -> pa.Array:
    """Return values, each as often as its run is long; `ends` are the positions where the runs end."""
    return pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(as_arrow(ends), values))


def counted(length: int) -> pa.Array:
    """Return 0 … length - 1 as int32[length]."""
    return pa.arange(0, length).cast(pa.int32())


@cache
def property_of(what: Kind[Any] | Relationship[Any, Any], name: str) -> Property:
    """Return the declaration of a property of a kind or a relationship type; `seen` stands for first and last_seen.

    Raises SourceError if the schema has no such property there.
    """
    name = "first_seen" if name == SEEN else name
    for declared in what.properties if isinstance(what, Relationship) else what.labels[0].properties:
        if declared.name == name:
            return declared
    raise SourceError(f"the schema has no property {name!r} there; declare it in etl/intel_grapher/schema.py")


def is_column(type_: Type, value: Sequence[Any]) -> bool:
    """Tell whether a list is a value for each row. A list of texts is one value; a list of lists is a value a row."""
    return type_ is not Type.TEXTS or bool(value and not isinstance(value[0], str))
