"""Small sets of flat files to load: a plain one, and one whose values would like to be something else than values."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from intel_grapher import schema
from intel_grapher.files import FORMATS, Files, Group, GroupWriter, Manifest, content
from intel_grapher.load import Server, connected

Rows = dict[Group, list[dict[str, Any]]]


def day(number: int) -> datetime:
    """Return a moment on that day of January 2020."""
    return datetime(2020, 1, number, 12, 30, 15, tzinfo=UTC)


SAMPLE: Rows = {
    Group("Domain"): [
        {"name": "example.com", "votes": -1, "tags": ["c2", "phishing"], "sources": ["threatcrowd"]},
        {"name": "example.net", "first_seen": day(1), "last_seen": day(3), "fetched_at": day(9)},
    ],
    Group("SubDomain"): [{"name": "www.example.com", "sources": ["doh"], "fetched_at": day(2)}],
    Group("IPAddress"): [{"address": "192.0.2.1", "cpes": ["cpe:/a:nginx:nginx"]}, {"address": "2001:db8::1"}],
    Group("Hash"): [
        {"value": "0" * 32, "algorithm": "md5"},
        {"value": "f" * 64, "algorithm": "sha256"},
    ],
    Group("Domain", "RESOLVES", "IPAddress"): [
        {"start": "example.com", "end": "192.0.2.1", "last_resolved": day(5), "sources": ["doh", "threatcrowd"]}
    ],
    Group("SubDomain", "RESOLVES", "IPAddress"): [
        {"start": "www.example.com", "end": "192.0.2.1", "fetched_at": day(2)},
        {"start": "www.example.com", "end": "2001:db8::1", "fetched_at": day(2)},
    ],
    Group("Domain", "HOSTS", "SubDomain"): [{"start": "example.com", "end": "www.example.com"}],
    Group("Hash", "SAME_FILE", "Hash"): [{"start": "0" * 32, "end": "f" * 64, "precision": "day"}],
}

TOLD = {"sources": ["doh"], "fetched_at": day(1)}
"""What every row of a transform has."""

MANY: Rows = {
    Group("Domain"): [{"name": f"name-{number:03}.example", "last_seen": day(3), **TOLD} for number in range(40)],
    Group("IPAddress"): [{"address": f"192.0.2.{number}", **TOLD} for number in range(100, 110)],
    Group("Domain", "RESOLVES", "IPAddress"): [
        {"start": f"name-{number:03}.example", "end": f"192.0.2.{100 + number % 10}", "last_resolved": day(2), **TOLD}
        for number in range(40)
    ],
}

_WORDS = (
    "`) DETACH DELETE (n) //",
    "'; MATCH (n) DETACH DELETE n; //",
    '"}) RETURN 1 //',
    "back\\slash\\",
    "\\'",
    '""',
    "line\nbreak, and\ttab",
    "semi;colon|pipe,comma",
    "$rows {name: row[0]} \\u0060",
    "=HYPERLINK(1)",
    "ünïcödé 日本語 \N{PILE OF POO} e\N{COMBINING ACUTE ACCENT}",
    "null",
    " leading and trailing ",
    "%s {} {{x}} :ID",
)

HOSTILE: Rows = {
    Group("Domain"): [
        {"name": "example.com", "votes": 2**63 - 1, "tags": [each.replace(";", ",") for each in sorted(_WORDS)]},
        {"name": "example.net", "votes": -(2**63), "first_seen": datetime(1, 1, 1, tzinfo=UTC), "tags": ["'"]},
        {"name": "example.org", "votes": 2**53 + 1, "last_seen": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)},
        {"name": "xn--bcher-kva.example", "fetched_at": datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)},
    ],
    Group("Malware"): [{"name": each} for each in sorted(_WORDS, key=str.encode)],
    Group("Hash"): [{"value": "0" * 32, "algorithm": "md5"}],
    Group("Hash", "DETECTED_AS", "Malware"): [
        {"start": "0" * 32, "end": each} for each in sorted(_WORDS, key=str.encode)
    ],
}


def write(root: Path, rows: Rows, version: str = schema.VERSION) -> Files:
    """Write flat files with these rows."""
    files = Files(root)
    manifest = Manifest(
        version=1,
        schema=version,
        nodes={},
        relationships={},
        rejects={},
        replies=0,
        outcomes={},
        damaged=0,
        segments=[],
    )
    with duckdb.connect() as connection:
        for group, some in rows.items():
            writer = GroupWriter(files, group, FORMATS)
            table = pa.Table.from_pylist(some, group.arrow)
            writer.write(table)
            writer.close()
            connection.register("written", table)
            part = manifest.relationships if group.type else manifest.nodes
            part[str(group)] = content(connection, "written", group)
    root.mkdir(parents=True, exist_ok=True)
    (root / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return files


def cypher(server: Server, query: str, **parameters: object) -> list[dict[str, Any]]:
    """Ask a server, and return the rows of the answer."""
    with connected(server) as database:
        return [record.data() for record in database.session.run(query, parameters)]
