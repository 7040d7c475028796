"""JSON Lines: a node or a relationship a line."""

from __future__ import annotations

from typing import Any, BinaryIO

import msgspec

from intel_grapher.export.format import Format, Settings, Written
from intel_grapher.export.part import Part, RowBatch


def write(part: Part, out: BinaryIO, settings: Settings) -> Written:
    """Write nodes, then relationships."""
    _ = settings
    written = Written()
    encoder = msgspec.json.Encoder()
    for group in part.groups():
        for rows in part.rows(group):
            out.write(encoder.encode_lines(_relationships(rows) if group.type else _nodes(rows)))
            written.add(rows)
    return written


def _nodes(rows: RowBatch) -> list[dict[str, Any]]:
    label = rows.group.start
    pairs = zip(rows.keys[0], rows.dicts(), strict=True)
    return [{"label": label, "key": key, "properties": properties} for key, properties in pairs]


def _relationships(rows: RowBatch) -> list[dict[str, Any]]:
    first, type_, second = rows.group
    return [
        {
            "start": {"label": first, "key": start},
            "type": type_,
            "end": {"label": second, "key": end},
            "properties": properties,
        }
        for start, end, properties in zip(*rows.keys, rows.dicts(), strict=True)
    ]


format = Format(
    name="jsonl",
    title="JSON Lines",
    suffix=".jsonl",
    doc="A node or a relationship a line, with all its properties.",
    write=write,
    used_by="jq, DuckDB, Spark, scripts",
    checked_by="Python's json",
)
