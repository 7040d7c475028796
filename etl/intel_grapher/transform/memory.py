"""What a process has canonicalised already: each distinct value once, and then a number; distinct strings in bulk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher import keys, times
from intel_grapher.errors import BadValue
from intel_grapher.model import Kind, Type

MAX_REMEMBERED = 1_500_000  # strings and values, in one process
LEAST_REMEMBERED = 100_000
REMEMBERED_BYTES = 200  # of each, about
INT64 = 1 << 63


def remembered(memory: int) -> int:
    """Return how many strings and values are remembered in so many bytes."""
    return max(min(memory // REMEMBERED_BYTES, MAX_REMEMBERED), LEAST_REMEMBERED)


def _integer(raw: object) -> int:
    if isinstance(raw, int) and -INT64 <= raw < INT64:
        return int(raw)
    raise BadValue("an integer beyond 64 bits" if isinstance(raw, int) else "not an integer")


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
    Type.TIMESTAMP: times.parse,
}


class Odd(dict[str, tuple[int, str]]):
    """Raw strings of one kind that had to be looked at: the label's place and the key, or -1 and the reason."""

    def __init__(self, kind: Kind[Any]) -> None:
        self.kind = kind
        self._places = {label.name: place for place, label in reversed([*enumerate(kind.labels)])}

    def __missing__(self, raw: str) -> tuple[int, str]:
        try:
            label, key = self.kind.resolve(raw)
            found = self._places[label.name], key
        except BadValue as bad:
            found = -1, bad.reason
        self[raw] = found
        return found


class Resolved(NamedTuple):
    """What distinct raw strings of one kind are: for each the place of its label (-1: bad) and its key.

    `odd` tells which keys are spelt otherwise than the strings, or may be; `reasons` why a string is bad.
    """

    places: pa.Array
    keys: pa.Array
    odd: pa.Array
    reasons: dict[int, str]


class Values(dict[Any, int]):
    """Raw property values of one type as numbers of canonical ones; 0 is none, a negative one tells why it is bad."""

    def __init__(self, canonical: Callable[[Any], Any]) -> None:
        self.canonical = canonical
        self.canonicals: list[Any] = [None]
        self.bad: list[tuple[Any, str]] = []

    def __missing__(self, raw: Any) -> int:  # noqa: ANN401 - values of any type
        try:
            value = None if raw is None else self.canonical(raw)
        except BadValue as bad:
            self.bad.append((raw, bad.reason))
            code = -len(self.bad)
        else:
            code = 0 if value is None else len(self.canonicals)
            if code:
                self.canonicals.append(value)
        self[raw] = code
        return code


class Memory:
    """What a process has canonicalised already, over all endpoints that it reads: values, and strings one by one.

    Strings that are canonical as they stand, which most are, are told a column at a time and not remembered. `most` is
    how many others and values are.
    """

    def __init__(self) -> None:
        self.most = MAX_REMEMBERED
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.odd: dict[Kind[Any], dict[str, tuple[int, str]]] = {}  # raw → label's place and key; or -1 and the reason
        self.values = {type_: Values(canonical) for type_, canonical in CANONICAL.items()}

    def trim(self) -> None:
        """Forget all when it has become too much."""
        if sum(map(len, self.odd.values())) + sum(map(len, self.values.values())) > self.most:
            self.forget()

    def resolve(self, kind: Kind[Any], raws: pa.Array) -> Resolved:
        """Return the labels and canonical keys of distinct raw strings."""
        places = pa.nulls(len(raws), pa.int8())
        before = 0
        for each in kind.among or (kind,):
            if each.plain is not None and places.null_count:
                mine = each.plain(raws)
                places = pc.coalesce(places, pc.add(mine, pa.scalar(before, pa.int8())) if before else mine)
            before += len(each.labels)
        odd = pc.is_null(places)
        if not places.null_count:
            return Resolved(places, raws, odd, {})
        numbers = pc.indices_nonzero(odd).to_pylist()
        found = list(map(self._odd(kind).__getitem__, raws.filter(odd).to_pylist()))
        return Resolved(
            pc.replace_with_mask(places, odd, pa.array([place for place, _ in found], pa.int8())),
            pc.replace_with_mask(raws, odd, pa.array([key if place >= 0 else "" for place, key in found], pa.string())),
            odd,
            {number: reason for number, (place, reason) in zip(numbers, found, strict=True) if place < 0},
        )

    def _odd(self, kind: Kind[Any]) -> dict[str, tuple[int, str]]:
        return self.odd.setdefault(kind, Odd(kind))
