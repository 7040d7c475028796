"""How long each bulk format takes, against a bare loop that reads the same Parquet and writes the same facts.

    python benchmarks/export.py small|full [FORMAT …]

The graph has N names, N / 4 addresses and 3.75 N relationships between them: full is 1 M nodes and 3 M relationships.
The bare loop knows the two groups by heart, decodes with pyarrow, and writes with Python's json, csv or an f-string.
Both run in a process of their own; its peak memory is in the table. `benchmarks/out/export.json` has the figures.
"""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from intel_grapher import schema
from intel_grapher.export import format as formats
from intel_grapher.export.format import Settings
from intel_grapher.export.part import opened
from intel_grapher.files import Content, Files, Group, GroupWriter, Manifest

SIZES = {"small": 100_000, "full": 800_000}
AT = datetime(2026, 1, 1, tzinfo=UTC)
NODES, ENDS, EDGES = Group("Domain"), Group("IPAddress"), Group("Domain", "RESOLVES", "IPAddress")
FORMATS = ("jsonl", "csv", "graphml", "gexf", "stix", "misp", "cypher", "opengraph", "maltego", "parquet")
BARE = {"jsonl": "json", "stix": "json", "misp": "json", "opengraph": "json", "csv": "csv", "maltego": "csv"}
BATCH = 1 << 13


def make(folder: Path, names: int) -> None:
    """Write flat files of that many names."""
    addresses = names // 4
    files = Files(folder)
    told = {"first_seen": AT, "last_seen": AT, "precision": "day", "sources": ["doh", "virustotal"], "fetched_at": AT}
    name = [f"site-{number:08}.example" for number in range(names)]
    address = sorted(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" for number in range(addresses))
    pairs = [
        (name[place], address[(place * 7 + turn * 13) % addresses])
        for place in range(names)
        for turn in range(4 if place % 4 else 3)
    ]
    for group, keys in (
        (NODES, [name]),
        (ENDS, [address]),
        (EDGES, [list(each) for each in zip(*sorted(pairs), strict=True)]),
    ):
        writer = GroupWriter(files, group, ["parquet"])
        many = len(keys[0])
        columns = dict(zip(group.keys, keys, strict=True))
        columns |= {each.name: [told.get(each.name)] * many for each in group.properties}
        writer.write(pa.table(columns, group.arrow))
        writer.close()
    rows = {str(NODES): names, str(ENDS): addresses}
    manifest = Manifest(
        version=1, schema=schema.VERSION, rejects={}, replies=0, outcomes={}, damaged=0, segments=[],
        nodes={group: Content(many, "0" * 16) for group, many in rows.items()},
        relationships={str(EDGES): Content(len(pairs), "0" * 16)},
    )  # fmt: skip
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))


def ours(folder: Path, name: str, out: Path) -> None:
    """Write a format as the command does."""
    with opened(Files(folder), 512 << 20) as part, out.open("wb") as file:
        formats.installed()[name].write(part, file, Settings())


def bare(folder: Path, name: str, out: Path) -> None:
    """Write the same facts without any of ours."""
    with out.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        for group in (NODES, ENDS, EDGES):
            columns = group.arrow.names
            for batch in pq.ParquetFile(Files(folder).path(group, "parquet")).iter_batches(BATCH):
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    known = {key: value for key, value in zip(columns, row, strict=True) if value is not None}
                    texts = {
                        key: value.isoformat() if isinstance(value, datetime) else value for key, value in known.items()
                    }
                    if BARE.get(name) == "json":
                        file.write(json.dumps({"label": group.start, "type": group.type, **texts}) + "\n")
                    elif BARE.get(name) == "csv":
                        table.writerow([group.start, group.type, *(str(texts.get(key, "")) for key in columns)])
                    else:
                        data = "".join(
                            f"<data key={quoteattr(key)}>{escape(str(value))}</data>" for key, value in texts.items()
                        )
                        file.write(f"<row label={quoteattr(group.start)}>{data}</row>\n")


def measured(way: str, folder: Path, name: str, out: Path) -> tuple[float, int, int]:
    """Return seconds, peak memory in bytes and bytes written of one way in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, way, str(folder), name, str(out)], check=True, capture_output=True, text=True
    )
    seconds, peak = map(float, done.stdout.split())
    size = out.stat().st_size
    out.unlink()
    return seconds, int(peak), size


def main(size: str, names: list[str]) -> None:
    """Print the table of some formats, or of all, and write the figures."""
    figures, ratios = {}, {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for part in (SIZES[size] // 4, SIZES[size]):
            (folder / str(part)).mkdir()
            subprocess.run([sys.executable, __file__, "make", str(folder / str(part)), str(part)], check=True)
        print(f"{SIZES[size]:,} names, {SIZES[size] * 15 // 4:,} relationships", flush=True)
        print("format      seconds   bare  ratio  4x data  peak MB   MB")
        for name in names or FORMATS:
            quarter, _, _ = measured("ours", folder / str(SIZES[size] // 4), name, folder / "out")
            took, peak, written = measured("ours", folder / str(SIZES[size]), name, folder / "out")
            floor, _, _ = measured("bare", folder / str(SIZES[size]), name, folder / "out")
            ratios[f"{name}_to_bare"], ratios[f"{name}_scaling"] = took / floor, took / quarter / 4
            figures[name] = {"seconds": took, "bare": floor, "peak": peak, "bytes": written}
            print(
                f"{name:10} {took:8.1f} {floor:6.1f} {took / floor:6.2f} {took / quarter:8.2f}"
                f" {peak / 1e6:8.0f} {written / 1e6:5.0f}",
                flush=True,
            )
    out = Path(__file__).parent / "out" / "export.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"ratios": ratios, "figures": figures}, indent=1))


if __name__ == "__main__":
    if sys.argv[1] in SIZES:
        main(sys.argv[1], sys.argv[2:])
    elif sys.argv[1] == "make":  # in a process of its own, whose memory no child counts as its own
        make(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        started = time.perf_counter()
        {"ours": ours, "bare": bare}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
        print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
