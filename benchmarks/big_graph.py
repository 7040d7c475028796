"""A large made-up graph: 5 million nodes and 20 million relationships at scale 1, a hub with 100,000 neighbours in it.

big_graph(folder, scale) makes the flat files and loads them into the embedded graph, `folder`/data/graph.
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa

from intel_grapher import schema
from intel_grapher.files import Content, Files, Group, GroupWriter, Manifest, content
from intel_grapher.load import Embedded, load
from intel_grapher.sql import literal, quoted

KEYS = {  # SQL of a label's i-th key
    "Domain": "'d' || i || '.com'",
    "SubDomain": "'s' || i || '.d' || (i % {Domain}) || '.com'",
    "IPAddress": "(11 + (i >> 24)) || '.' || ((i >> 16) & 255) || '.' || ((i >> 8) & 255) || '.' || (i & 255)",
    "Hash": "md5(i::VARCHAR)",
}
NODES = {"Domain": 1_500_000, "SubDomain": 1_000_000, "IPAddress": 1_000_000, "Hash": 1_500_000}
RELATIONSHIPS = (
    ("Domain", "RESOLVES", "IPAddress", 4.0),
    ("SubDomain", "RESOLVES", "IPAddress", 3.0),
    ("Domain", "ASSOCIATED", "Hash", 2.67),
    ("IPAddress", "ASSOCIATED", "Hash", 3.0),
    ("Hash", "CONTACTS", "IPAddress", 2.0),
)
HUB, HUB_DEGREE = 7, 100_000
SEEN = (
    "to_timestamp(1500000000 + hash({0}) % 100000000) AS first_seen,"
    " to_timestamp(1600000000 + hash({0}) % 100000000) AS last_seen,"
    " 'day' AS precision, ['threatcrowd'] AS sources, to_timestamp(1700000000) AS fetched_at"
)


def big_graph(folder: Path, scale: float, memory: int = 4 << 30) -> int:
    """Make the graph in `folder`; return how many rows it has."""
    maker = _Maker(Files(folder / "import"), {label: max(100, int(count * scale)) for label, count in NODES.items()})
    manifest = maker.make()
    load(Files(folder / "import"), Embedded(folder / "data" / "graph", memory))
    return sum(each.rows for _, each in manifest.groups())


class _Maker:
    def __init__(self, files: Files, counts: dict[str, int]) -> None:
        self.files = files
        self.counts = counts
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")

    def make(self) -> Manifest:
        nodes, relationships = {}, {}
        for label, count in self.counts.items():
            key = quoted(schema.LABELS[label].key)
            nodes[label] = self._write(
                Group(label), f"SELECT {self._key(label, 'i')} AS {key}, {SEEN.format('i')} FROM range({count}) t(i)"
            )
        for start, type_, end, many in RELATIONSHIPS:
            rows = int(self.counts[start] * many)
            ends = f"i % {self.counts[start]} AS a, (hash(i) % {self.counts[end]})::BIGINT AS b"
            pairs = f"SELECT DISTINCT {ends} FROM range({rows}) t(i)"
            if (start, type_) == ("Domain", "RESOLVES"):
                pairs += f" UNION SELECT i, {HUB} FROM range({min(HUB_DEGREE, self.counts[start])}) t(i)"
            relationships[f"{start}-{type_}-{end}"] = self._pairs(start, type_, end, pairs)
        pairs = f"SELECT i % {self.counts['Domain']} AS a, i AS b FROM range({self.counts['SubDomain']}) t(i)"
        relationships["Domain-HOSTS-SubDomain"] = self._pairs("Domain", "HOSTS", "SubDomain", pairs)
        manifest = Manifest(
            version=1, schema=schema.VERSION, nodes=nodes, relationships=relationships, rejects={}, replies=0,
            outcomes={}, damaged=0, segments=[],
        )  # fmt: skip
        (self.files.root / "manifest.json").write_bytes(msgspec.json.encode(manifest))
        return manifest

    def _key(self, label: str, expression: str) -> str:
        return re.sub(r"\bi\b", f"({expression})", KEYS[label].format(**self.counts))

    def _pairs(self, start: str, type_: str, end: str, pairs: str) -> Content:
        query = f'SELECT {self._key(start, "a")} AS start, {self._key(end, "b")} AS "end", {SEEN.format("a + b")}'
        return self._write(Group(start, type_, end), f"{query} FROM ({pairs})")

    def _write(self, group: Group, query: str) -> Content:
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE made AS {query}")
        there = {each[0] for each in self.connection.execute("SELECT * FROM made LIMIT 0").description}
        types = {pa.string(): "VARCHAR", pa.int64(): "BIGINT", pa.list_(pa.string()): "VARCHAR[]"}
        columns = ", ".join(
            quoted(each.name)
            if each.name in there
            else f"NULL::{types.get(each.type, 'TIMESTAMPTZ')} AS {quoted(each.name)}"
            for each in group.arrow
        )
        writer = GroupWriter(self.files, group, {"parquet"})
        for batch in self.connection.sql(f"SELECT {columns} FROM made ORDER BY ALL").to_arrow_reader(1 << 16):
            writer.write(pa.Table.from_batches([batch]))
        writer.close()
        path = self.files.path(group, "parquet")
        return content(self.connection, f"read_parquet({literal(str(path))})", group)
