"""BloodHound OpenGraph: nodes and edges as BloodHound takes in graphs of others.

https://bloodhound.specterops.io/opengraph/schema, looked at on 2026-11-26. A label's kind begins with Intel, because
Domain and Group are kinds of Active Directory.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import msgspec

from intel_grapher.export.format import Format, Settings, Written
from intel_grapher.export.part import Part, RowBatch

PREFIX: Final = "Intel"


def write(part: Part, out: BinaryIO, settings: Settings) -> Written:
    """Write one document."""
    _ = settings
    written = Written()
    encoder = msgspec.json.Encoder()
    out.write(b'{"metadata":{"source_kind":"IntelGrapher"},"graph":{"nodes":[')
    first = True
    for groups, make in ((part.nodes(), _nodes), (part.relationships(), _edges)):
        for group in groups:
            for rows in part.rows(group):
                lines = b",\n".join(map(encoder.encode, make(rows)))
                out.write((b"\n" if first else b",\n") + lines)
                first = False
                written.add(rows)
        out.write(b'\n],"edges":[' if make is _nodes else b"\n]}}\n")
        first = True
    return written


def _nodes(rows: RowBatch) -> list[dict[str, Any]]:
    label = rows.group.start
    return [
        {
            "id": f"{label}:{key}",
            "kinds": [f"{PREFIX}{label}", PREFIX],
            "properties": {**known, "name": key, "title": known.get("name", key)},
        }
        for key, known in zip(rows.keys[0], rows.dicts(), strict=True)
    ]


def _edges(rows: RowBatch) -> list[dict[str, Any]]:
    first, type_, second = rows.group
    return [
        {
            "kind": type_,
            "start": {"match_by": "id", "value": f"{first}:{start}"},
            "end": {"match_by": "id", "value": f"{second}:{end}"},
            "properties": known,
        }
        for start, end, known in zip(*rows.keys, rows.dicts(), strict=True)
    ]


format = Format(
    name="opengraph",
    title="BloodHound OpenGraph",
    suffix=".opengraph.json",
    doc="One document of nodes and edges with all properties; kinds begin with Intel.",
    write=write,
    used_by="BloodHound",
    checked_by="the JSON schemas of BloodHound's ingest, with jsonschema",
)
