"""The server's ids of the nodes that a load created: relationships find their ends by id, without an index look-up.

Looking both keys up costs a server a quarter of what a relationship does. The ids are kept only while one load goes
on, out of memory where they are many, and used only where that load itself made the nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from intel_grapher.files import Files, Group
from intel_grapher.load.neo4j.batches import BATCH, ENDS
from intel_grapher.sql import exact, quoted


class NodeIds:
    """The ids of nodes, by label and key."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def add(self, label: str, keys: pa.Array, ids: list[int]) -> None:
        """Store the ids of nodes of a label; `ids[i]` is that of the node with `keys[i]`."""
        self._connection.register("made", pa.table({"key": keys, "id": pa.array(ids, pa.int64())}))
        self._connection.execute(f"INSERT INTO {self._table(label)} FROM made")

    def beside(self, files: Files, group: Group) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a group of relationships, in order, and beside each the ids of its ends, where known."""
        both = pa.schema([*group.arrow, *(pa.field(each, pa.int64()) for each in ENDS)])
        for part in files.parts(group):
            for batch in self._joined(group, part).to_arrow_reader(BATCH):
                yield batch.cast(both)

    def _joined(self, group: Group, part: Path) -> duckdb.DuckDBPyRelation:
        columns = ", ".join(f"f.{quoted(name)}" for name in group.arrow.names)
        start, end = (self._table(label) for label in (group.start, group.end))
        return self._connection.sql(
            f"SELECT {columns}, s.id AS {ENDS[0]}, e.id AS {ENDS[1]} "  # noqa: S608 - names of the schema
            f"FROM read_parquet({exact(part)}, file_row_number = true) AS f "
            f'LEFT JOIN {start} AS s ON s.key = f."start" LEFT JOIN {end} AS e ON e.key = f."end" '
            "ORDER BY file_row_number"
        )

    def _table(self, label: str) -> str:
        table = quoted(f"ids of {label}")
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (key VARCHAR, id BIGINT)")
        return table
