"""What a valid fact is: canonical keys of the right label, ends that the schema joins, properties of declared types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from intel_grapher import schema, times
from intel_grapher.files import Group
from intel_grapher.model import Kind, Type
from intel_grapher.source import Endpoint
from intel_grapher.transform.facts import Batch, Reply


class Mapped:
    """What replies gave: facts as text, each once; outcomes; rejects."""

    def __init__(self, endpoint: Endpoint, replies: tuple[Reply, ...]) -> None:
        batch = Batch(endpoint, 0)
        batch.add(*replies)
        self.tables = batch.tables()
        self.outcomes = batch.outcomes
        self.rejects = batch.rejects
        self.facts = {fact for group, table in self.tables for fact in facts_of(group, table)}


def facts_of(group: Group, table: pa.Table) -> Iterator[tuple[str, str]]:
    """Yield facts as text, each with its group."""
    for row in table.to_pylist():
        yield str(group), _as_text(row)


def _as_text(row: dict[str, Any]) -> str:
    """Return a row as text: whether a column is empty or not there at all depends on the batch's other replies."""
    return json.dumps({name: value for name, value in row.items() if value is not None}, sort_keys=True)


def mapped(endpoint: Endpoint, *replies: Reply) -> Mapped:
    return Mapped(endpoint, replies)


def faults(found: Mapped) -> Iterator[str]:
    """Yield what is not valid in the facts; a reply that a mapping could not take is no better."""
    for reject in found.rejects:
        if reject.reason.startswith("the mapping failed"):
            yield f"{reject.reason} on {reject.value}"
        if not reject.reason or len(reject.value) > 200:
            yield f"a reject without a reason, or with a value of any length: {reject}"
    for group, table in found.tables:
        yield from (f"{group}: {fault}" for fault in _table_faults(group, table))


def _table_faults(group: Group, table: pa.Table) -> Iterator[str]:
    if group.type:
        what = schema.RELATIONSHIPS[group.type]
        pairs = list(zip(table["start"].to_pylist(), table["end"].to_pylist(), strict=True))
        if (group.start, group.end) not in {(start.name, end.name) for start, end in what.joins}:
            yield "the schema does not join these labels"
        for start, end in pairs:
            yield from _key_faults(_kind(group.start), group.start, start)
            yield from _key_faults(_kind(group.end), group.end, end)
            if what.both_ways and start >= end:
                yield f"not in canonical order: {start} {end}"
            if fault := what.fault(start, end):
                yield f"{fault}: {start} {end}"
    else:
        for key in table["key"].to_pylist():
            yield from _key_faults(_kind(group.start), group.start, key)
    yield from _property_faults(group, table)


def _kind(label: str) -> Kind[Any]:
    return next(each for each in schema.KINDS.values() if schema.LABELS[label] in each.labels)


def _key_faults(kind: Kind[Any], label: str, key: str) -> Iterator[str]:
    found, canonical = kind.resolve(key)
    if (found.name, canonical) != (label, key):
        yield f"{key!r} is {label} here, but its canonical form is {found.name} {canonical!r}"
    shown = key.translate(dict.fromkeys((0x200C, 0x200D))) if label == "Hashtag" else key
    if not shown.isprintable() and label not in {"Malware", "Organization"}:
        yield f"{key!r} has characters that don't print"


def _property_faults(group: Group, table: pa.Table) -> Iterator[str]:
    declared = {each.name: each for each in group.properties}
    keys = {"start", "end"} if group.type else {"key"}
    for name in set(table.column_names) - keys:
        column = table[name]
        if name in {"source", "fetched_at"}:
            wanted = pa.int64()
        elif name not in declared:
            yield f"the schema has no property {name}"
            continue
        else:
            wanted = pa.int64() if declared[name].type is Type.TIMESTAMP else declared[name].type.arrow
        if column.type != wanted:
            yield f"{name} is {column.type}, not {wanted}"
        for value in column.to_pylist():
            if name in declared and value is not None:
                yield from _value_faults(name, declared[name].type, value)


def _value_faults(name: str, type_: Type, value: Any) -> Iterator[str]:  # noqa: ANN401 - a property's value
    if type_ is Type.TIMESTAMP and name != "fetched_at" and not times.EARLIEST <= value <= times.LATEST:
        yield f"{name}: {value} lies outside the years that dates may have"
    if type_ is Type.TEXTS and (list(value) != sorted(set(value)) or not all(value)):
        yield f"{name}: {value} is not sorted, or has doubles or empty texts"
    if type_ is Type.TEXT and not value:
        yield f"{name} is empty"
    if name == "precision" and value not in {"day", "minute", "second"}:
        yield f"{value} is no precision"
