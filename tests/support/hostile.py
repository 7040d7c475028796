"""Strings that attackers make, in every field there is: of the graph, of raw replies, and of what analysts say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from intel_grapher import schema
from intel_grapher.cache import Cache, Entry
from intel_grapher.files import Content, Files, Group, GroupWriter, Manifest, content
from intel_grapher.model import Property, Type

SCRIPT = "<script>window.hacked=1</script>"
CORPUS = [
    SCRIPT,
    "<img src=x onerror=window.hacked=2>",
    '"><svg onload=window.hacked=3>',
    "'-window.hacked=4-'",
    "javascript:window.hacked=5",
    "{{constructor.constructor('window.hacked=6')()}}",
    "${window.hacked=7}",
    "</textarea></title></style><script>window.hacked=8</script>",
    "<iframe srcdoc='<script>parent.hacked=9</script>'>",
    "<a href='javascript:window.hacked=10'>click</a>",
    "&lt;script&gt;window.hacked=11&lt;/script&gt;",
    '=HYPERLINK("http://x.example","click")',
    "]]><script xmlns='http://www.w3.org/1999/xhtml'>window.hacked=12</script>",
]
DIGEST = "f" * 32
ADDRESS = "198.51.100.99"
HUB, HUB_DEGREE = "198.51.100.7", 3000
AT = 1_795_300_000


def _entry(source: str, endpoint: str, key: str, body: object) -> Entry:
    return Entry(source=source, endpoint=endpoint, key=key, fetched_at=AT, status=200, body=msgspec.json.encode(body))


ENTRIES = [
    _entry("threatcrowd", "file", DIGEST, {"response_code": "1", "md5": DIGEST, "scans": CORPUS, "ips": [ADDRESS]}),
    _entry("internetdb", "ip", ADDRESS, {"ip": ADDRESS, "ports": [80], "tags": CORPUS, "cpes": CORPUS}),
    *(
        _entry(
            "analyst",
            "note",
            f"{number:032x}",
            {"author": text, "about": {"label": "IPAddress", "key": ADDRESS}, "text": text},
        )
        for number, text in enumerate(CORPUS, 0xABC)
    ),
    _entry(
        "analyst",
        "tag",
        f"{0xDEF:032x}",
        {"author": SCRIPT, "about": {"label": "IPAddress", "key": ADDRESS}, "tag": SCRIPT},
    ),
]


def hostile(folder: Path) -> None:
    """Make a cache with hostile replies and entries in `folder`/data, and hostile files in `folder`/import, with a hub.

    The files are not made of the cache: in them every key is hostile, and every property that is a text, so that
    nothing rests on what the transform lets through.
    """
    with Cache(folder / "data") as cache, cache.writer() as writer:
        for entry in ENTRIES:
            writer.add(entry)
    files = Files(folder / "import")
    nodes = {name: _write(files, Group(name), _nodes(name)) for name in schema.LABELS}
    relationships = {}
    for each in schema.RELATIONSHIPS.values():
        start, end = each.joins[0]
        group = Group(start.name, each.type, end.name)
        ends = {"start": sorted(CORPUS)[:-1], "end": sorted(CORPUS)[1:]}
        if each is schema.ASSOCIATED:
            ends = {"start": [HUB] * HUB_DEGREE, "end": _files()}
        relationships[str(group)] = _write(files, group, ends)
    manifest = Manifest(
        version=1, schema=schema.VERSION, nodes=nodes, relationships=relationships, rejects={}, replies=0, outcomes={},
        damaged=0, segments=[],
    )  # fmt: skip
    (files.root / "manifest.json").write_bytes(msgspec.json.encode(manifest))


def _nodes(label: str) -> dict[str, list[str]]:
    own = {"IPAddress": [ADDRESS, HUB], "Hash": _files()}.get(label, [])
    return {schema.LABELS[label].key: sorted([*CORPUS, *own])}


def _files() -> list[str]:
    return [f"{number:032x}" for number in range(HUB_DEGREE)]


def _write(files: Files, group: Group, keys: dict[str, list[str]]) -> Content:
    rows = len(next(iter(keys.values())))
    columns = {**keys, **{each.name: [_value(each, row) for row in range(rows)] for each in group.properties}}
    table = pa.table(columns, schema=group.arrow)
    writer = GroupWriter(files, group, {"parquet"})
    writer.write(table)
    writer.close()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("made", table)
        return content(connection, "made", group)


def _value(each: Property, row: int) -> Any:  # noqa: ANN401 - of whatever type the property has
    match each.type:
        case Type.TEXT:
            return CORPUS[row % len(CORPUS)]
        case Type.TEXTS:
            return sorted([*CORPUS, *(["internetdb"] if each.name == "sources" else [])])
        case Type.TIMESTAMP:
            return datetime(2026, 1, 1 + row % 28, tzinfo=UTC)
        case _:
            return 1
