"""Parquet: one table of all nodes and relationships, for engines of tables."""

from __future__ import annotations

from typing import BinaryIO, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from intel_grapher import labels
from intel_grapher.export.format import Format, Settings, Written
from intel_grapher.export.part import Part, RowBatch
from intel_grapher.model import Type

_KEYS: Final = ("what", "label", "key", "type", "to_label", "to_key")
SCHEMA: Final = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in _KEYS),
        *(pa.field(each.name, each.type.arrow) for each in labels.SEEN),
        pa.field("properties", pa.string()),
    ]
)
"""`properties` has what else is known, as a JSON object."""


def write(part: Part, out: BinaryIO, settings: Settings) -> Written:
    """Write one table: nodes, then relationships."""
    _ = settings
    written = Written()
    with pq.ParquetWriter(pa.PythonFile(out, mode="w"), SCHEMA, compression="zstd") as file:
        for group in part.groups():
            for rows in part.rows(group):
                file.write_table(_table(rows))
                written.add(rows)
    return written


def _table(rows: RowBatch) -> pa.Table:
    group, many = rows.group, len(rows.columns[0])
    seen = {each.name for each in labels.SEEN}
    of = {each.name: column for each, column in rows.properties}
    other = [{name: value for name, value in known.items() if name not in seen} for known in rows.dicts()]
    columns = {
        "what": ["relationship" if group.type else "node"] * many,
        "label": [group.start] * many,
        "key": rows.keys[0],
        "type": [group.type or None] * many,
        "to_label": [group.end or None] * many,
        "to_key": rows.keys[1] if group.type else [None] * many,
        "properties": [msgspec.json.encode(each).decode() if each else None for each in other],
    }
    for each in labels.SEEN:
        values = of[each.name]
        if each.type is Type.TIMESTAMP:
            columns[each.name] = pc.strptime(pa.array(values, pa.string()), "%Y-%m-%dT%H:%M:%SZ", "s").cast(
                each.type.arrow
            )
        else:
            columns[each.name] = values
    return pa.table(columns, SCHEMA)


format = Format(
    name="parquet",
    title="Parquet",
    suffix=".parquet",
    doc="One table: a row for each node and relationship; what only some have is JSON in `properties`.",
    write=write,
    used_by="DuckDB, Spark, pandas, Power BI",
    checked_by="DuckDB",
    is_text=False,
)
