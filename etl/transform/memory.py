"""What a process has canonicalised already: each distinct string and each distinct value once, and then a number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from etl import keys, times
from etl.errors import BadValue
from etl.graph import Kind, Type

MAX_REMEMBERED = 1_500_000  # strings and values, in one process: some 300 MB when full
INT64 = 1 << 63


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


class Keys(dict[str, int]):
    """The canonical keys of one label, numbered as they come."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __missing__(self, key: str) -> int:
        code = self[key] = len(self.names)
        self.names.append(key)
        return code


class Interned(dict[str, int]):
    """Raw strings of one kind as numbers: the key's times the count of labels, plus the label's place among them.

    A bad string's number is negative; its reason is kept.
    """

    def __init__(self, kind: Kind[Any], keys_: dict[str, Keys]) -> None:
        self.kind = kind
        self.labels = [label.name for label in kind.labels]
        self.bad: list[tuple[str, str]] = []
        self._places = {label: (place, keys_.setdefault(label, Keys())) for place, label in enumerate(self.labels)}

    def __missing__(self, raw: str) -> int:
        try:
            label, key = self.kind.resolve(raw)
        except BadValue as bad:
            self.bad.append((raw, bad.reason))
            code = -len(self.bad)
        else:
            place, keys_ = self._places[label.name]
            code = keys_[key] * len(self.labels) + place
        self[raw] = code
        return code


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
    """What a process has canonicalised already, over all endpoints that it reads."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.keys: dict[str, Keys] = {}
        self.interned: dict[Kind[Any], Interned] = {}
        self.values = {type_: Values(canonical) for type_, canonical in CANONICAL.items()}

    def trim(self) -> None:
        """Forget all when it has become too much."""
        if sum(map(len, (*self.keys.values(), *self.interned.values(), *self.values.values()))) > MAX_REMEMBERED:
            self.forget()

    def of(self, kind: Kind[Any]) -> Interned:
        """Return the numbers of a kind's raw strings."""
        if kind not in self.interned:
            self.interned[kind] = Interned(kind, self.keys)
        return self.interned[kind]
