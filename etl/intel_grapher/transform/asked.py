"""Whether what was asked for is a node by what its reply says, and whether it is a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from intel_grapher.errors import BadValue
from intel_grapher.model import Fact, Kind, Relationship
from intel_grapher.source import Endpoint


def is_at(asked: str, fact: Fact) -> bool:
    """Tell whether a fact makes what was asked for a node: it is that node, or a relationship that holds ends there.

    Of a list only the first string is looked at, and of a relationship the other end of its first row.
    """
    what, start, end = fact.what, _first(fact.starts), _first(fact.ends)
    if asked not in (start, end):
        return False
    if isinstance(what, Kind):
        return True
    other, kind = (end, what.end) if start == asked else (start, what.start)
    return what.check is None and other is not None and _has_key(kind, other)


def _first(raws: str | Sequence[str] | None) -> str | None:
    return raws if raws is None or isinstance(raws, str) else next(iter(raws), None)


def begins_well(fact: Fact) -> bool:
    """Tell whether the first row of a fact can be one: what is all rejects says nothing."""
    what = fact.what
    if isinstance(what, Relationship) and fact.ends is not None:
        return _has_key(what.start, fact.starts) and _has_key(what.end, fact.ends)
    return isinstance(what, Kind) and _has_key(what, fact.starts)


def is_canonical(of: Endpoint | Kind[Any], key: str) -> bool:
    """Tell whether a key that was asked for is in its canonical form."""
    try:
        return of.canonical(key) == key
    except BadValue:
        return False


def _has_key(kind: Kind[Any], raws: str | Sequence[str]) -> bool:
    """Tell whether the only raw string, or the first of several, has a canonical key."""
    try:
        kind.resolve(raws if isinstance(raws, str) else next(iter(raws)))
    except BadValue:
        return False
    return True
