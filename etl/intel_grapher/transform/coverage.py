"""What the mappings make of a cache, endpoint by endpoint, and which fields of its replies none of them reads.

What is left out of the graph shall be a choice: a field that a reply type does not declare is read by nothing, and is
listed here with the number of places where it said something.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import msgspec
from msgspec import inspect

from intel_grapher import reading
from intel_grapher.cache import Cache, Corruption, Segment
from intel_grapher.errors import BadValue
from intel_grapher.registry import Registry
from intel_grapher.source import Endpoint
from intel_grapher.transform.facts import Batch, Reply
from intel_grapher.transform.staged import NO_MAPPING

BATCH = 500  # replies that are mapped together
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_ANYTHING = (inspect.AnyType, inspect.RawType)
_LISTS = (inspect.ListType, inspect.SetType, inspect.FrozenSetType, inspect.VarTupleType)


@dataclass
class Coverage:
    """One endpoint's replies: what became of them, their facts by file group, rejects by reason, fields left unread.

    `facts` counts every statement, repeated ones too. `unread` counts the places where a field that no mapping reads
    is neither null nor empty; its path has [] for a list's items and * for a member of any name. What lies beneath an
    unread field is not listed by itself.
    """

    source: str
    endpoint: str
    replies: int = 0
    damaged: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    facts: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)


def coverage(cache: Cache, registry: Registry) -> list[Coverage]:
    """Return the coverage of each endpoint that the cache has answers of, by source and endpoint.

    Raises CacheError where a segment can't be read; damaged records are counted.
    """
    segments = sorted(cache.segments(), key=lambda each: (each.source, each.endpoint, each.number))
    found = []
    for (source, name), own in groupby(segments, key=lambda each: (each.source, each.endpoint)):
        endpoint = registry.endpoint(source, name)
        covered = _cover(Coverage(source, name), endpoint, cache, own)
        if covered.replies or covered.damaged:
            found.append(covered)
    return found


def _cover(result: Coverage, endpoint: Endpoint | None, cache: Cache, segments: Iterable[Segment]) -> Coverage:
    batch = Batch(endpoint, 0) if endpoint else None
    shape = inspect.type_info(endpoint.reply) if endpoint else None
    for segment in segments:
        damage: list[Corruption] = []
        for envelope in cache.replies(segment, damage.append):
            result.replies += 1
            if batch is None or shape is None:
                result.outcomes[NO_MAPPING] += 1
                continue
            batch.add(Reply.of(envelope))
            result.unread.update(_unread_of(batch.endpoint, shape, envelope.content))
            if not result.replies % BATCH:
                _count(result, batch)
        result.damaged += sum(each.lost for each in damage)
    if batch is not None:
        _count(result, batch)
        result.outcomes = batch.outcomes
    return result


def _count(result: Coverage, batch: Batch) -> None:
    for group, table in batch.tables():
        result.facts[str(group)] += table.num_rows
    for each in batch.rejects:
        result.rejects[each.reason] += each.more or 1
    batch.rejects.clear()


def _unread_of(endpoint: Endpoint, shape: inspect.Type, content: bytes) -> Iterator[str]:
    try:
        yield from unread(shape, reading.plain(endpoint, content))
        if endpoint.unmapped is not None:
            yield from endpoint.unmapped(reading.read(endpoint, content)[0])
    except BadValue:  # the reply as a whole is a reject
        return


def unread(shape: inspect.Type, value: Any, path: str = "$") -> Iterator[str]:  # noqa: ANN401 - a reply may be anything
    """Yield the path of each member of a plain reply that its declared type passes over, and that says something."""
    shapes = shape.types if isinstance(shape, inspect.UnionType) else (shape,)
    if any(isinstance(each, _ANYTHING) for each in shapes):
        return
    if isinstance(value, dict):
        yield from _unread_members(shapes, value, path)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            items = [found for each in shapes for found in _item(each, place)]
            if items:
                yield from unread(_either(items), item, f"{path}[]")
            elif any(map(_is_row, shapes)) and item not in _EMPTY:
                yield f"{path}[{place}]"


def _unread_members(shapes: Sequence[inspect.Type], value: dict[str, Any], path: str) -> Iterator[str]:
    fields = _fields(shapes)
    free = [each.value_type for each in shapes if isinstance(each, inspect.DictType)]
    if not fields and not free:
        return  # another type than the declared one: it is among the rejects
    for name, member in value.items():
        if name in fields:
            yield from unread(_either(fields[name]), member, f"{path}.{name}")
        elif free:
            yield from unread(_either(free), member, f"{path}.*")
        elif member not in _EMPTY:
            yield f"{path}.{name}"


def _fields(shapes: Iterable[inspect.Type]) -> dict[str, list[inspect.Type]]:
    """Return the types that each declared member of an object may have."""
    found: dict[str, list[inspect.Type]] = {}
    for each in shapes:
        if isinstance(each, inspect.StructType) and not each.array_like:
            if each.tag_field:
                found[each.tag_field] = [inspect.AnyType()]
            for own in each.fields:
                found.setdefault(own.encode_name, []).append(own.type)
    return found


def _item(shape: inspect.Type, place: int) -> list[inspect.Type]:
    """Return the types that a list's item at a place may have."""
    if isinstance(shape, _LISTS):
        return [shape.item_type]
    if isinstance(shape, inspect.TupleType):
        return list(shape.item_types[place : place + 1])
    if isinstance(shape, inspect.StructType) and shape.array_like:
        return [each.type for each in shape.fields[place : place + 1]]
    return []


def _is_row(shape: inspect.Type) -> bool:
    """Tell whether a type is a list whose places each have a meaning of their own."""
    return isinstance(shape, inspect.TupleType) or (isinstance(shape, inspect.StructType) and shape.array_like)


def _either(shapes: list[inspect.Type]) -> inspect.Type:
    flat = [one for each in shapes for one in (each.types if isinstance(each, inspect.UnionType) else (each,))]
    return flat[0] if len(flat) == 1 else inspect.UnionType(tuple(flat))


def document(found: Iterable[Coverage]) -> list[dict[str, Any]]:
    """Return the coverage as plain data with its counts in order of their names, for JSON."""
    return [msgspec.to_builtins(each, order="sorted") for each in found]
