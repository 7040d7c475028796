"""Our loading against bare tools and against its peers: the same rows, the same real Neo4j, each from an empty store.

    make bench-load SIZE=small|full

A way's figure is its best round; rounds go through all ways in turn, so that a busy machine is unkind to all alike.
That each way made as many nodes and relationships as the files have rows is checked after each. Ratios that name a
peer are its seconds by ours: above 1 we are the faster. Those named `…_of_bare…` are our rate by the bare one's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import load_rows
import pyarrow as pa
import pyarrow.parquet as pq

from etl import schema
from etl.files import Files, Group
from etl.graph import Type
from etl.load import Server, connected
from etl.load.staging import arguments
from etl.neo4j.server import LocalNeo4j

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
PEERS = OUT / "peers"
SIZES = {"small": ((10_000, 40_000),), "full": ((100_000, 400_000), (1_000_000, 4_000_000))}
OURS_BOLT, OURS_ADMIN, OURS_EMBEDDED = "ours, Bolt", "ours, admin", "ours, embedded"
BY_BOLT = ("bare", "graphio", "etl_lib", "nodestream", "cartography")
ITEMS = 500  # of each file, for the seed article's way: an item a transaction
SLOW = 500_000  # rows that the peers are not asked to go beyond

Figures = dict[str, float]

OUR_LOAD = """
import json, pathlib, sys, time
from etl.files import Files
from etl.load import Embedded, Server, load
from etl.neo4j.server import LocalNeo4j
root, where, method = sys.argv[1:]
target = Embedded(pathlib.Path(where), 2 << 30) if method == "copy" else Server.started(LocalNeo4j(pathlib.Path(where)))
began = time.perf_counter()
parity = []
def progress(step, done, of):
    if step == "parity" and not parity:
        parity.append(time.perf_counter())
loaded = load(Files(pathlib.Path(root)), target, method=method, replace=method == "admin", progress=progress)
assert loaded.parity.equal
print(json.dumps({"wall": time.perf_counter() - began}))
"""

BARE_COPY = """
import json, pathlib, sys, time
import ladybug
from etl.files import Files
from etl.load import embedded
files, store = Files(pathlib.Path(sys.argv[1])), sys.argv[2]
began = time.perf_counter()
database = ladybug.Database(store, buffer_pool_size=2 << 30)
connection = ladybug.Connection(database)
for statement in embedded.tables():
    connection.execute(statement)
for group, _ in files.manifest().groups():
    connection.execute(embedded.copy_statement(files, group))
connection.execute("CHECKPOINT")
connection.close()
database.close()
print(json.dumps({"wall": time.perf_counter() - began}))
"""


class Bench:
    """One set of files, one server."""

    def __init__(self, folder: Path, local: LocalNeo4j, nodes: int, relationships: int) -> None:
        self.folder = folder
        self.local = local
        self.files = load_rows.generate(folder / "import", nodes, relationships)
        self.manifest = self.files.manifest()
        self.rows = sum(content.rows for _, content in self.manifest.groups())
        self.spec = folder / "spec.json"
        (folder / "plain").mkdir()
        described = [_described(self.files, group, folder / "plain") for group, _ in self.manifest.groups()]
        self.spec.write_text(json.dumps(described), encoding="utf-8")

    def empty_server(self) -> Server:
        """Return the server, with nothing in its database but the constraints."""
        self.local.down()
        for part in ("databases", "transactions"):
            shutil.rmtree(self.local.home / "data" / part / "neo4j", ignore_errors=True)
        server = Server.started(self.local)
        with connected(server) as database:
            database.constrain()
        return server

    def run(self, way: str) -> Figures:
        """Run one way from an empty store; return its seconds, and the rows it loaded in them."""
        if way in {OURS_EMBEDDED, "bare COPY"}:
            place = self.folder / "graph"
            program = OUR_LOAD if way == OURS_EMBEDDED else BARE_COPY
            figures = self._timed([sys.executable, "-c", program, str(self.files.root), str(place), "copy"])
            shutil.rmtree(place, ignore_errors=True)
            place.unlink(missing_ok=True)
            return figures
        if way == "bare importer":
            self.local.down()
            began = time.perf_counter()
            report = f"--report-file={self.folder / 'import.report'}"
            self.local.admin(*arguments(self.files, self.manifest), report, "--overwrite-destination", "bare")
            return {"wall": time.perf_counter() - began, "rows": self.rows}
        server = self.empty_server()
        if way == "cartography":  # it knows nodes by `id`, and wants that to be indexed
            with connected(server) as database:
                for label in self.manifest.nodes:
                    database.run(f"CREATE CONSTRAINT FOR (n:{label}) REQUIRE n.id IS UNIQUE")
        if way.startswith("ours"):
            method = "bolt" if way == OURS_BOLT else "admin"
            figures = self._timed([sys.executable, "-c", OUR_LOAD, str(self.files.root), str(self.local.home), method])
        else:
            figures = self._timed(
                [str(PEERS / "bin" / "python"), str(HERE / "load_peers.py"), way, str(self.spec)], server
            )
        wanted = self.rows
        if way == "py2neo":
            figures["rows"] = wanted = sum(min(ITEMS, content.rows) for _, content in self.manifest.groups())
        with connected(server) as database:
            found = sum(rows for name, rows in database.counts().items())
        if found != wanted and way != "py2neo":  # its relationships bring nodes along
            raise SystemExit(f"{way} made {found} nodes and relationships of {wanted}")
        return figures

    def _timed(self, command: list[str], server: Server | None = None) -> Figures:
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "LIMIT": str(ITEMS)}
        if server is not None:
            environment |= {"NEO4J_URI": server.uri, "NEO4J_PASSWORD": server.password}
        began = time.perf_counter()
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        wall = time.perf_counter() - began
        told = json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip().startswith("{") else {}
        return {"wall": told.get("wall", wall), "rows": self.rows}


def _described(files: Files, group: Group, plain: Path) -> dict[str, Any]:
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
        "moments": [each.name for each in group.properties if each.type is Type.MOMENT],
    }


def _plain(group: Group) -> pa.Schema:
    return pa.schema(
        [pa.field(each.name, pa.int64()) if pa.types.is_timestamp(each.type) else each for each in group.arrow]
    )


def set_up_peers() -> None:
    """Make the peers' own environment, once."""
    wanted = (HERE / "requirements-load.txt").read_text(encoding="utf-8")
    mark = PEERS / "installed.txt"
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return
    venv.create(PEERS, with_pip=True, clear=True)
    pip = [str(PEERS / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(HERE / "requirements-load.txt")], check=True)
    mark.write_text(wanted, encoding="utf-8")


def ratios(best: dict[str, Figures]) -> Figures:
    """Return how the ways compare."""
    rate = {way: each["rows"] / each["wall"] for way, each in best.items()}
    found: Figures = {}
    pairs = {
        "bolt_of_bare_driver": (OURS_BOLT, "bare"),
        "admin_of_bare_importer": (OURS_ADMIN, "bare importer"),
        "embedded_of_bare_copy": (OURS_EMBEDDED, "bare COPY"),
        **{f"bolt_by_{peer}": (OURS_BOLT, peer) for peer in (*BY_BOLT[1:], "py2neo")},
    }
    for name, (ours, other) in pairs.items():
        if ours in rate and other in rate:
            found[name] = round(rate[ours] / rate[other], 3)
    return found


def main() -> None:
    """Measure, print, and write `out/load.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where to work; some gigabytes for the full size")
    parser.add_argument("--only", action="append", help="these ways alone")
    given = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    set_up_peers()
    figures: dict[str, dict[str, Figures]] = {}
    made: dict[str, Any] = {"ratios": {}, "figures": figures}
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        local = LocalNeo4j(Path(folder) / "neo4j", heap="2g")
        try:
            for nodes, relationships in SIZES[given.size]:
                bench = Bench(Path(folder) / str(nodes), local, nodes, relationships)
                ways = [OURS_BOLT, OURS_ADMIN, OURS_EMBEDDED, "bare importer", "bare COPY", "bare"]
                if bench.rows < SLOW:
                    ways += [*BY_BOLT[1:], "py2neo"]
                best: dict[str, Figures] = {}
                for round_ in range(given.rounds):
                    for way in ways:
                        if given.only and way not in given.only:
                            continue
                        now = bench.run(way)
                        best[way] = min(best.get(way, now), now, key=lambda each: each["wall"])
                        print(f"{bench.rows:>9,} rows  round {round_ + 1}  {way:16} {now['wall']:8.2f} s "
                              f"{now['rows'] / now['wall']:9,.0f} rows/s", flush=True)  # fmt: skip
                figures[str(bench.rows)] = best
                made["ratios"] |= {f"{name}_{nodes}": value for name, value in ratios(best).items()}
                shutil.rmtree(bench.folder)
        finally:
            local.down()
    (OUT / "load.json").write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    for name, ratio in made["ratios"].items():
        print(f"{name:40} {ratio:7.3f}")


if __name__ == "__main__":
    main()
