"""Interning: each distinct raw value is canonicalised once in a process.

Distinct strings of keys are canonicalised in bulk where they are canonical as they stand (the vectorised path, most of
them), and one by one otherwise (the slow path). Only results of the slow path are remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher import keys, times
from intel_grapher.errors import BadValue
from intel_grapher.model import Kind, Type

MOST_INTERNED = 1_500_000  # strings and values, in one process
LEAST_INTERNED = 100_000
ENTRY_BYTES = 200  # of one interned string or value of ordinary length
FEW = 64
"""Distinct strings of a batch: for so few, the slow path costs a quarter of the calls that all at once take."""
INT64 = 1 << 63


def interned(memory: int) -> int:
    """Return how many strings and values may be interned in `memory` bytes."""
    return max(min(memory // ENTRY_BYTES, MOST_INTERNED), LEAST_INTERNED)


def _integer(raw: object) -> int:
    if isinstance(raw, int) and -INT64 <= raw < INT64:
        return int(raw)
    raise BadValue("an integer beyond 64 bits" if isinstance(raw, int) else "not an integer")


def _text(raw: object) -> str | None:
    if isinstance(raw, str):
        return keys.text(raw) or None
    raise BadValue("not a text")


def _items(raw: object) -> tuple[str, ...] | None:
    """Return the distinct canonical items of a list property, sorted, without placeholders; None if there are none."""
    if not isinstance(raw, tuple) or not all(isinstance(item, str) for item in raw):
        raise BadValue("not a list of texts")
    items = set()
    for item in raw:
        try:
            items.add(keys.list_item(item))
        except BadValue:
            continue
    return tuple(sorted(items)) or None


CANONICAL: dict[Type, Callable[[Any], Any]] = {
    Type.TEXT: _text,
    Type.TEXTS: _items,
    Type.INTEGER: _integer,
    Type.TIMESTAMP: times.parse,
}


class Slow(dict[str, tuple[int, str]]):
    """Raw strings of one kind that took the slow path: (index of the label in the kind, key), or (-1, reason)."""

    def __init__(self, kind: Kind[Any]) -> None:
        self.characters = 0
        self._kind = kind
        self._labels = {label.name: index for index, label in reversed([*enumerate(kind.labels)])}

    def __missing__(self, raw: str) -> tuple[int, str]:
        try:
            label, key = self._kind.resolve(raw)
            found = self._labels[label.name], key
        except BadValue as bad:
            found = -1, bad.reason
        self[raw] = found
        self.characters += len(raw)
        return found


class Resolved(NamedTuple):
    """Distinct raw strings of one kind, resolved.

    `labels` (int8[n]) is the index of the string's label in the kind, -1 if it is bad; `keys` (string[n]) its canonical
    key. `slow` (bool[n]) masks the strings that took the slow path, so that the key may differ from the string.
    `reasons` says by position why a string is bad.
    """

    labels: pa.Array
    keys: pa.Array
    slow: pa.Array
    reasons: dict[int, str]


class Values(dict[Any, int]):
    """Raw property values of one type as codes: an index of `canonicals`, 0 for none, or -1 - an index of `bad`."""

    def __init__(self, canonical: Callable[[Any], Any]) -> None:
        self.characters = 0
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
        texts = raw if isinstance(raw, tuple) else (raw,)
        self.characters += sum(len(text) for text in texts if isinstance(text, str))
        return code


class Interning:
    """The interned strings and values of a process, for all endpoints: at most `most`, fewer if they are long.

    Batches of at most `few` distinct strings take the slow path alone.
    """

    def __init__(self) -> None:
        self.most = MOST_INTERNED
        self.few = FEW
        self.forget()

    def forget(self) -> None:
        """Drop everything."""
        self.slow: dict[Kind[Any], Slow] = {}
        self.values = {type_: Values(canonical) for type_, canonical in CANONICAL.items()}

    def trim(self) -> None:
        """Drop everything if it has become too much."""
        tables: list[Slow | Values] = [*self.slow.values(), *self.values.values()]
        if sum(len(table) + table.characters // ENTRY_BYTES for table in tables) > self.most:
            self.forget()

    def resolve(self, kind: Kind[Any], raws: pa.Array) -> Resolved:
        """Return the labels and canonical keys of distinct raw strings (string[n])."""
        labels = pa.nulls(len(raws), pa.int8())
        before = 0
        for member in kind.among or (kind,):
            if member.plain is not None and labels.null_count:
                plain = member.plain(raws)
                labels = pc.coalesce(labels, pc.add(plain, pa.scalar(before, pa.int8())) if before else plain)
            before += len(member.labels)
        slow = pc.is_null(labels)
        if not labels.null_count:
            return Resolved(labels, raws, slow, {})
        positions = pc.indices_nonzero(slow).to_pylist()
        few = self.one_by_one(kind, raws.filter(slow))
        return Resolved(
            pc.replace_with_mask(labels, slow, few.labels),
            pc.replace_with_mask(raws, slow, few.keys),
            slow,
            {positions[position]: reason for position, reason in few.reasons.items()},
        )

    def one_by_one(self, kind: Kind[Any], raws: pa.Array) -> Resolved:
        """Return the same as `resolve`, by the slow path alone."""
        table = self.slow.setdefault(kind, Slow(kind))
        found = [table[raw] for raw in raws.to_pylist()]
        return Resolved(
            pa.array([label for label, _ in found], pa.int8()),
            pa.array([key if label >= 0 else "" for label, key in found], pa.string()),
            pa.repeat(pa.scalar(value=True), len(found)),
            {position: reason for position, (label, reason) in enumerate(found) if label < 0},
        )
