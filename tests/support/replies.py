"""What one reply tells, as sets that can be written by hand; and where the real replies lie."""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any, NamedTuple

import pytest
from places import FIXTURES, SAMPLES

from intel_grapher import schema, times
from intel_grapher.cache.envelope import decode
from intel_grapher.model import Merge
from intel_grapher.transform.facts import Batch, Reply

Properties = tuple[tuple[str, Any], ...]
Node = tuple[str, Properties]
Edge = tuple[str, str, str, Properties]


class RecordingGraph(NamedTuple):
    """What came of a reply. A node is "Label key"; moments are as in `node`. Rejects are path, value and reason."""

    outcome: str
    nodes: set[Node]
    edges: set[Edge]
    rejects: set[tuple[str, str, str]]


def fixture(path: str) -> bytes:
    """Return a real reply, or skip the test where the shared fixtures are not there."""
    file = FIXTURES / path
    if not file.exists():
        pytest.skip(f"the shared fixtures are missing: {path}")
    return file.read_bytes()


def sample(source: str, endpoint: str, key: str) -> bytes:
    """Return the reply for a key that ships as a sample."""
    lines = (SAMPLES / source / endpoint / "000001.jsonl").read_bytes().splitlines()
    return next(each.content for each in map(partial(decode, check=True), lines) if each.key == key)


def node(name: str, /, **properties: object) -> Node:
    """Return a node as `told` gives it. A moment is YYYY-MM-DD where the day is all that is known, else …THH:MM:SSZ."""
    return name, tuple(sorted(properties.items()))


def edge(start: str, type_: str, end: str, seen: str | None = None, /, **properties: object) -> Edge:
    """Return a relationship as `told` gives it; `seen` stands for first_seen and last_seen."""
    dates = {"first_seen": seen, "last_seen": seen} if seen else {}
    return start, type_, end, tuple(sorted({**dates, **properties}.items()))


def told(source: str, endpoint: str, key: str, content: bytes, status: int = 200) -> RecordingGraph:
    """Return what a reply tells: the nodes whose properties or presence it states, and the relationships."""
    asked = importlib.import_module(f"intel_grapher.sources.{source}").source.endpoint(endpoint)
    batch = Batch(asked, 0)
    batch.add(Reply(key, 1, status, content))
    nodes: dict[str, dict[str, Any]] = {}
    edges: set[Edge] = set()
    for group, table in batch.tables():
        for row in table.to_pylist():
            stated = _stated(row)
            if group.type:
                edges.add((f"{group.start} {row['start']}", group.type, f"{group.end} {row['end']}", _sorted(stated)))
            else:
                known = nodes.setdefault(f"{group.start} {row['key']}", {})
                for name, value in stated.items():
                    known[name] = _merged(group.start, name, known.get(name, value), value)
    return RecordingGraph(
        next(iter(batch.outcomes)),
        {(name, _sorted(stated)) for name, stated in nodes.items()},
        edges,
        {(each.path, each.value, each.reason) for each in batch.rejects},
    )


def _merged(label: str, name: str, one: Any, other: Any) -> Any:  # noqa: ANN401 - a property's value
    declared = schema.LABELS[label].property(name)
    assert declared is not None
    if declared.merge is Merge.UNION:
        return tuple(sorted({*one, *other}))
    if declared.merge is Merge.NEWEST:
        assert one == other, f"one reply says of {label} that {name} is {one} and {other}"
    return min(one, other) if declared.merge is Merge.MIN else max(one, other)


def _sorted(properties: dict[str, Any]) -> Properties:
    return tuple(sorted(properties.items()))


def _stated(row: dict[str, Any]) -> dict[str, Any]:
    stated: dict[str, Any] = {}
    for name, value in row.items():
        if value is None or name in {"key", "start", "end", "source", "fetched_at", "precision"}:
            continue
        if name in MOMENTS:
            stated[name] = times.text(value)[: len("YYYY-MM-DD") if row["precision"] == "day" else None]
        else:
            stated[name] = tuple(value) if isinstance(value, list) else value
    return stated


MOMENTS = {"first_seen", "last_seen", "last_resolved", "created", "updated", "expires", "not_before", "not_after"}
