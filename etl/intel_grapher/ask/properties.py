"""Nodes by the values of their properties: which values there are, how many nodes have each, and which."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from intel_grapher import schema
from intel_grapher.ask.engines import Graph
from intel_grapher.errors import UsageError
from intel_grapher.load.quote import quote
from intel_grapher.model import Label, NodeRef, Property, Type

MOST: Final = 12
SECONDS: Final = 1.5
LEAST: Final = 3  # characters that a text must have to be looked for in all properties
_SEARCHED: Final = {Type.TEXT, Type.TEXTS}
# Searched only by their names: nearly every node has them. Notes and mentions have lists of their own.
_BY_NAME: Final = frozenset({"precision", "sources"})
_NAMED: Final = re.compile(r"\s*(\w+)\s*[:=]\s*(.*?)\s*", re.DOTALL)


@dataclass(frozen=True)
class PropertyValue:
    """A value that `count` nodes have for a property."""

    property: str
    value: str | int
    count: int


@dataclass
class FoundValues:
    """Values of properties, those of the most nodes first. `cut` says that there was no time to look at all nodes."""

    found: list[PropertyValue] = field(default_factory=list)
    cut: bool = False


def names() -> list[str]:
    """Return the names of the properties that can be searched, each once."""
    return list(dict.fromkeys(each.name for _, each in _properties(_SEARCHED | {Type.INTEGER})))


def values(graph: Graph, typed: str, *, most: int = MOST, seconds: float = SECONDS) -> FoundValues:
    """Return the values that have a typed text in them.

    `NAME: text` looks at the properties of that name alone, numbers too; without a text it returns the most frequent
    values. What was found in `seconds` is returned.
    """
    named = _NAMED.fullmatch(typed)
    name, text = (named[1].lower(), named[2]) if named and named[1].lower() in names() else ("", typed.strip())
    if not name and len(text) < LEAST:
        return FoundValues()
    until = time.monotonic() + seconds
    counts: Counter[tuple[str, str | int]] = Counter()
    cut = False
    for label, own in _wanted(name):
        left = until - time.monotonic()
        if left <= 0:
            cut = True
            break
        try:
            rows = _counted(graph, label, own, text, most=most, seconds=left)
        except UsageError:  # out of time
            cut = True
            continue
        for value, many in rows:
            counts[own.name, value] += many
    found = sorted(counts.items(), key=lambda each: (-each[1], each[0][0], str(each[0][1])))
    return FoundValues([PropertyValue(own, value, many) for (own, value), many in found[:most]], cut)


def having(graph: Graph, name: str, value: str | int, *, most: int) -> tuple[list[NodeRef], bool]:
    """Return at most so many nodes that have a value for a property, and whether there are more."""
    found: list[NodeRef] = []
    cut = False
    for label, own in _properties(_SEARCHED | {Type.INTEGER}):
        if own.name != name or isinstance(value, int) != (own.type is Type.INTEGER):
            continue
        key = f"n.{quote(label.key)}"
        rows = graph.ask(
            f"{_each(label, own)} WHERE value = $value RETURN DISTINCT {key} AS key ORDER BY key LIMIT {int(most) + 1}",
            {"value": value},
            limit=most + 1,
        ).rows
        cut = cut or len(found) + len(rows) > most
        found += [NodeRef(label.name, row[0]) for row in rows[: most - len(found)]]
    return found, cut


def _properties(types: Iterable[Type]) -> Iterator[tuple[Label, Property]]:
    wanted = set(types)
    return ((label, own) for label in schema.LABELS.values() for own in label.properties if own.type in wanted)


def _wanted(name: str) -> list[tuple[Label, Property]]:
    """Return the properties of a name; without one, all texts that are searched for what they say."""
    if name:
        return [each for each in _properties(_SEARCHED | {Type.INTEGER}) if each[1].name == name]
    return [
        (label, own)
        for label, own in _properties(_SEARCHED)
        if own.name not in _BY_NAME and label in schema.ANY_NODE.labels
    ]


def _each(label: Label, own: Property) -> str:
    """Return Cypher that gives a row for each value of a property."""
    column = f"n.{quote(own.name)}"
    if own.type is Type.TEXTS:
        return f"MATCH (n:{quote(label.name)}) UNWIND {column} AS value WITH n, value"
    return f"MATCH (n:{quote(label.name)}) WITH n, {column} AS value"


def _counted(graph: Graph, label: Label, own: Property, text: str, *, most: int, seconds: float) -> list[list[Any]]:
    """Return rows of a value and the number of its nodes."""
    parameters: dict[str, object] = {}
    condition = "value IS NOT NULL"
    if own.type is Type.INTEGER:
        if text:
            if not re.fullmatch(r"-?\d{1,18}", text):
                return []
            condition, parameters = "value = $typed", {"typed": int(text)}
    elif text:
        condition, parameters = "lower(value) CONTAINS $typed", {"typed": text.lower()}
    question = (
        f"{_each(label, own)} WHERE {condition} RETURN value, count(*) AS many"
        f" ORDER BY many DESC, value LIMIT {int(most)}"
    )
    return graph.ask(question, parameters, limit=most, timeout=max(seconds, 0.05)).rows
