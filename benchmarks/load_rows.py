"""Flat files made up by number alone, for the loaders: domains, addresses and hashes, and what ties them together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from intel_grapher import schema
from intel_grapher.files import FORMATS, Files, Group, GroupWriter, Manifest, content
from intel_grapher.model import Property, Type
from intel_grapher.sql import quoted

KEYS = {
    "Domain": "printf('name-%08x.example', (i * 2654435761) % 4294967296)",
    "IPAddress": "printf('10.%d.%d.%d', (i >> 16) & 255, (i >> 8) & 255, i & 255)",
    "Hash": "md5(i::VARCHAR)",
}
TIES = (
    ("Domain", "RESOLVES", "IPAddress", 2),
    ("Domain", "ASSOCIATED", "Hash", 4),
    ("IPAddress", "ASSOCIATED", "Hash", 4),
)


def generate(root: Path, nodes: int, relationships: int) -> Files:
    """Write files with about so many rows; the same numbers give the same files."""
    files = Files(root)
    manifest = Manifest(
        version=1, schema=schema.VERSION, nodes={}, relationships={}, rejects={}, replies=0, outcomes={}, damaged=0,
        segments=[],
    )  # fmt: skip
    sizes = {"Domain": nodes * 4 // 10, "IPAddress": nodes * 3 // 10, "Hash": nodes * 3 // 10}
    with duckdb.connect() as connection:
        for label, key in KEYS.items():
            group = Group(label)
            rows = (
                f"SELECT {key} AS {quoted(group.keys[0])}, {_values(group)} FROM range({sizes[label]}) t(i) ORDER BY 1"
            )
            _write(connection, files, group, rows, manifest)
        for start, type_, end, share in TIES:
            group = Group(start, type_, end)
            ends = f"""
                SELECT min(j) AS i, x.k AS start, y.k AS "end" FROM
                    (SELECT j, (hash(j, '{group}1') % {sizes[start]})::BIGINT AS a,
                            (pow((hash(j, '{group}2') % 1000000) / 1e6, 2) * {sizes[end] - 1})::BIGINT AS b
                     FROM range({relationships // share}) r(j)) p
                    JOIN (SELECT i, {KEYS[start]} AS k FROM range({sizes[start]}) t(i)) x ON x.i = a
                    JOIN (SELECT i, {KEYS[end]} AS k FROM range({sizes[end]}) t(i)) y ON y.i = b
                GROUP BY ALL"""
            rows = f'SELECT start, "end", {_values(group)} FROM ({ends}) ORDER BY 1, 2'
            _write(connection, files, group, rows, manifest)
    (root / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return files


def _write(connection: duckdb.DuckDBPyConnection, files: Files, group: Group, query: str, manifest: Manifest) -> None:
    writer = GroupWriter(files, group, FORMATS)
    for batch in connection.sql(query).to_arrow_reader(1 << 16):
        writer.write(pa.Table.from_batches([batch]))
    writer.close()
    path = str(files.path(group, "parquet"))
    part = manifest.relationships if group.type else manifest.nodes
    part[str(group)] = content(connection, f"read_parquet('{path}')", group)


def _values(group: Group) -> str:
    """Return the SQL columns of a group's properties, told by the number `i`."""
    return ", ".join(f"{_value(each)} AS {quoted(each.name)}" for each in group.properties)


def _value(each: Property) -> str:
    if each.type is Type.TIMESTAMP:
        return f"make_timestamp((1400000000 + (hash(i, '{each.name}') % 4000) * 86400)::BIGINT * 1000000)"
    if each.name == "precision":
        return "'day'"
    if each.name == "sources":
        return "[['doh'], ['doh', 'threatcrowd'], ['threatcrowd']][(1 + hash(i, 's') % 3)::BIGINT]"
    if each.type is Type.TEXTS:
        return f"[['phishing'], ['c2', 'phishing'], NULL][(1 + hash(i, '{each.name}') % 3)::BIGINT]"
    if each.type is Type.INTEGER:
        return f"(hash(i, '{each.name}') % 3)::BIGINT - 1"
    return f"['one', 'two', NULL][(1 + hash(i, '{each.name}') % 3)::BIGINT]"


def described(files: Files, group: Group, plain: Path) -> dict[str, Any]:
    """Return what a peer needs to know of a group; the file under `plain` has its moments as integers."""
    path = plain / f"{group}.parquet"
    with pq.ParquetFile(files.path(group, "parquet")) as source, pq.ParquetWriter(path, _plain(group)) as target:
        for batch in source.iter_batches(columns=group.arrow.names):
            target.write_batch(batch.cast(group.arrow).cast(_plain(group)))
    return {
        "plain": str(path),
        "path": str(files.path(group, "parquet")),
        "start": group.start,
        "type": group.type,
        "end": group.end,
        "start_key": schema.LABELS[group.start].key,
        "end_key": schema.LABELS[group.end].key if group.type else "",
        "columns": [each.name for each in group.properties],
        "moments": [each.name for each in group.properties if each.type is Type.TIMESTAMP],
    }


def _plain(group: Group) -> pa.Schema:
    return pa.schema(
        [pa.field(each.name, pa.int64()) if pa.types.is_timestamp(each.type) else each for each in group.arrow]
    )
