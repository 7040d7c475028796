"""Our loading against bare tools and against its peers: the same rows, the same real Neo4j, each from an empty store.

    make bench-load SIZE=small|full

A way's figure is its best round; rounds go through all ways in turn, so that a busy machine is unkind to all alike.
That each way made as many nodes and relationships as the files have rows is checked after each.

`bolt_…` and `peer_…` ratios are our rows a second by the other's: above 1 we are the faster. Those of `admin_…`,
`embedded_…` and `cache_…` are our seconds by the other's: 1 is as fast. `…_cpu` compares CPU seconds, server's and
client's, which a busy machine disturbs less. Ours always include constraints and parity, which the others do without;
`…_alone_…` are our steps that do the same as the other, by themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import jgo
import load_rows
from generate import generate
from load_ours import HEAP
from load_plot import draw

from intel_grapher.files import Files
from intel_grapher.load import Server, connected
from intel_grapher.load.neo4j.importer import parquet_arguments
from intel_grapher.neo4j.server import LocalNeo4j

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
PEERS = OUT / "peers"
SIZES = {"small": ((10_000, 40_000),), "full": ((10_000, 40_000), (100_000, 400_000), (1_000_000, 4_000_000))}
OURS = {"ours, Bolt": "bolt", "ours, admin": "admin", "ours, embedded": "copy", "bare COPY": "bare-copy"}
IMPORTER, CACHE, BY_HAND = "bare importer", "ours, from the cache", "bare, from the cache"
UNCHECKED = "bare, from the cache, unchecked"
BARE = tuple(f"bare {verb} {size}" for verb in ("create", "merge") for size in (5_000, 10_000, 20_000))
OTHERS = ("graphio", "etl_lib", "nodestream", "cartography")
SEED = "py2neo"
LESSER = "graphio integers"
NEED_APOC = ("nodestream",)
APOC = ("org.neo4j.procedure:apoc-core:5.26.0", "org.neo4j.procedure:apoc-common:5.26.0")
ITEMS = 200  # of each file, for the seed article's way: an item a transaction
SLOW = 600_000  # rows that the peers are not asked to go beyond,
STRONG = ("etl_lib",)  # but for these

Figures = dict[str, Any]


class Bench:
    """One set of files, one server."""

    def __init__(self, folder: Path, local: LocalNeo4j, nodes: int, relationships: int) -> None:
        self.folder = folder
        self.local = local
        self.files = load_rows.generate(folder / "import", nodes, relationships)
        self.manifest = self.files.manifest()
        self.rows = sum(content.rows for _, content in self.manifest.groups())
        self.replies = nodes // 4
        self.spec = folder / "spec.json"
        (folder / "plain").mkdir()
        described = [load_rows.described(self.files, group, folder / "plain") for group, _ in self.manifest.groups()]
        self.spec.write_text(json.dumps(described), encoding="utf-8")

    def ways(self) -> list[str]:
        """Return the ways that this many rows are sent."""
        bare = BARE if self.rows < SLOW else ("bare create 10000",)
        peers = (*OTHERS, LESSER, SEED) if self.rows < SLOW else STRONG
        return [*OURS, IMPORTER, *bare, *peers, BY_HAND, CACHE]

    def run(self, way: str) -> Figures:
        """Run one way from an empty store; return what it took, and the rows it loaded in that."""
        os.sync()  # nobody pays for what those before have written
        if way in {CACHE, BY_HAND}:
            return self._from_cache(way)
        if way == IMPORTER:
            return self._import(self.files, "bare")
        if OURS.get(way, "").endswith("copy"):
            place = self.folder / "graph"
            figures = self._timed(self._ours(OURS[way], place))
            figures["cpu"] = figures["client_cpu"]  # without what starting Python costs
            shutil.rmtree(place, ignore_errors=True)
            place.unlink(missing_ok=True)
            return figures
        server = self._empty_server(apoc=way in NEED_APOC)
        if way == "cartography":  # it knows nodes by `id`, and wants that to be indexed
            with connected(server) as database:
                for label in self.manifest.nodes:
                    database.run(f"CREATE CONSTRAINT FOR (n:{label}) REQUIRE n.id IS UNIQUE")
        if way in OURS:
            command = self._ours(OURS[way], self.local.home)
        else:
            command = [str(PEERS / "bin" / "python"), str(HERE / "load_peers.py"), way, str(self.spec)]
        figures = self._timed(command, server)
        if way == SEED:
            figures["rows"] = sum(min(ITEMS, content.rows) for _, content in self.manifest.groups())
            return figures  # its relationships bring nodes along
        with connected(server) as database:
            found = sum(rows for name, rows in database.counts().items())
        if found != self.rows:
            raise SystemExit(f"{way} made {found} nodes and relationships of {self.rows}")
        return figures

    def _empty_server(self, *, apoc: bool = False) -> Server:
        """Return the server, with nothing in its database but the constraints."""
        self.local.down()
        plug_in(self.local, apoc=apoc)
        for part in ("databases", "transactions"):
            shutil.rmtree(self.local.home / "data" / part / "neo4j", ignore_errors=True)
        server = self.local.up()
        with connected(server) as database:
            database.constrain(group for group, _ in self.manifest.groups())
        return server

    def _import(self, files: Files, name: str) -> Figures:
        self.local.down()
        began, used = time.perf_counter(), _children()
        report = f"--report-file={self.folder / 'import.report'}"
        with tempfile.TemporaryDirectory(dir=self.folder) as headers:  # of Parquet, which it imports sooner than CSV
            given = parquet_arguments(files, files.manifest(), Path(headers))
            self.local.admin(*given, report, "--overwrite-destination", name)
        return {"wall": time.perf_counter() - began, "cpu": _children() - used, "rows": self.rows}

    def _from_cache(self, way: str) -> Figures:
        """Go from raw replies to a Neo4j, with our proof; or by DuckDB, importer and check, a start, constraints."""
        data, place = self.folder / "cache", self.folder / "made"
        if not data.exists():
            generate(data, self.replies)
        shutil.rmtree(place, ignore_errors=True)
        self._empty_server()
        began, used, steps = time.perf_counter(), _children(), {}
        transform = ["-m", "intel_grapher", "transform", "--data", str(data), "--import", str(place), "--no-progress"]
        transform += ["--format", "parquet"]
        if way == CACHE:
            self._timed([sys.executable, *transform])
            self._timed(self._ours("admin", self.local.home, place))
        else:
            kept = self.folder / "kept"
            self._timed([sys.executable, str(HERE / "by_duckdb.py"), str(data), str(place)])
            by_hand = time.perf_counter() - began, _children() - used
            transform[transform.index(str(place))] = str(kept)  # by hand it writes no manifest of ours
            self._timed([sys.executable, *transform])
            began, used = time.perf_counter() - by_hand[0], _children() - by_hand[1]
            self._import(Files(kept), "neo4j")
            checking, before = time.perf_counter(), _children()
            self.local.admin("database", "check", "neo4j", f"--report-path={self.folder}")
            steps = {"check": time.perf_counter() - checking, "check_cpu": _children() - before}
            with connected(self.local.up()) as database:
                database.constrain(group for group, _ in Files(kept).manifest().groups())
        # The server was started anew meanwhile, and is no child.
        wall, cpu = time.perf_counter() - began, _children() - used + self._server()[0]
        return {"wall": wall, "cpu": cpu, "rows": self.replies, "steps": steps}

    def _ours(self, method: str, place: Path, root: Path | None = None) -> list[str]:
        return [sys.executable, str(HERE / "load_ours.py"), method, str(root or self.files.root), str(place)]

    def _timed(self, command: list[str], server: Server | None = None) -> Figures:
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "LIMIT": str(ITEMS)}
        if server is not None:
            environment |= {"NEO4J_URI": server.uri, "NEO4J_PASSWORD": server.password}
        before, began, used = self._server()[0], time.perf_counter(), _children()
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        wall, (after, memory) = time.perf_counter() - began, self._server()
        told = json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip().startswith("{") else {}
        # A server that was started anew meanwhile has counted from nothing.
        served = after - before if after >= before else after
        return {"wall": wall, "cpu": _children() - used + served, "server_mib": memory, "rows": self.rows, **told}

    def _server(self) -> tuple[float, float]:
        """Return the CPU seconds that the server has used, and the most memory, in MiB."""
        pid = self.local.status().pid
        if pid is None:
            return 0.0, 0.0
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        memory = int(status.partition("VmHWM:")[2].split()[0]) / 1024
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), memory


def _children() -> float:
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def set_up_peers() -> None:
    """Make the peers' own environment, once."""
    lock = HERE / "requirements-load.lock"
    wanted = lock.read_text(encoding="utf-8")
    mark = PEERS / "installed.txt"
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return
    print("setting up the peers' own environment, benchmarks/out/peers (once; some minutes)", flush=True)
    venv.create(PEERS, with_pip=True, clear=True)
    pip = [str(PEERS / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", str(lock)], check=True)
    mark.write_text(wanted, encoding="utf-8")


def plug_in(local: LocalNeo4j, *, apoc: bool) -> None:
    """Give the server APOC, out of packages as the server itself, or take it away.

    There is one for 5.26 alone; nodestream does not run on another release.
    """
    plugins = local.home / "plugins"
    shutil.rmtree(plugins, ignore_errors=True)
    plugins.mkdir()
    if apoc and (local.status().version or "").startswith("5.26."):
        own = {each.name.rpartition("-")[0] for each in (local.home / "lib").iterdir()}
        for jar in jgo.build("+".join(APOC)).all_jars:
            if jar.name.rpartition("-")[0] not in own:  # of what the server has itself, an older one would break it
                shutil.copy(jar, plugins)


RATES = {"bolt_vs_bare": BARE, "bolt_vs_best_peer": OTHERS, "bolt_vs_seed": (SEED,)}
TIMES = {
    "admin_vs_bare": ("ours, admin", IMPORTER),
    "embedded_vs_bare": ("ours, embedded", "bare COPY"),
    "cache_to_neo4j_vs_steps": (CACHE, UNCHECKED),
    "cache_to_neo4j_vs_steps_and_check": (CACHE, BY_HAND),
}
STEPS = {  # the same work alone: what ours does besides is left out
    "admin_import_alone_vs_bare": ("ours, admin", ("import",), IMPORTER),
    "embedded_copy_alone_vs_bare": ("ours, embedded", ("first", "copy"), "bare COPY"),
}


def unchecked(best: dict[str, Figures]) -> dict[str, Figures]:
    """Return the way by hand less its check, after which nothing has verified the store."""
    if BY_HAND not in best:
        return {}
    whole, check = best[BY_HAND], best[BY_HAND]["steps"]
    less = {"wall": whole["wall"] - check["check"], "cpu": whole["cpu"] - check["check_cpu"]}
    return {UNCHECKED: whole | less}


def ratios(best: dict[str, Figures]) -> dict[str, float]:
    """Return how the ways compare, the most telling first."""
    found: dict[str, float] = {}
    best = best | unchecked(best)
    own = best.get("ours, Bolt")
    for end, what in (("", "wall"), ("_cpu", "cpu")):
        rates = {way: each["rows"] / each[what] for way, each in best.items()}
        for name, ways in {
            **RATES,
            **({} if end else {f"peer_{peer.replace(' ', '_')}": (peer,) for peer in (*OTHERS, LESSER)}),
        }.items():
            others = [rates[way] for way in ways if way in rates]
            if own and others:
                found[name + end] = own["rows"] / own[what] / max(others)
        for name, (ours, other) in TIMES.items():
            if ours in best and other in best:
                found[name + end] = best[ours][what] / best[other][what]
    for name, (ours, steps_, other) in STEPS.items():
        if ours in best and other in best:
            found[name] = sum(best[ours]["steps"][step] for step in steps_) / best[other]["wall"]
    for way, method in OURS.items():
        if "parity" in (steps := best.get(way, {}).get("steps", {})):
            found[f"parity_share_{method}"] = steps["parity"] / best[way]["wall"]
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    """Measure, print, and write `out/load.json` and `out/load.svg`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--nodes", type=int, help="this many nodes, and four times as many relationships, alone")
    parser.add_argument("--folder", type=Path, help="where to work; some gigabytes for the full size")
    parser.add_argument("--only", action="append", help="ways that begin so alone")
    given = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    set_up_peers()
    sizes = ((given.nodes, 4 * given.nodes),) if given.nodes else SIZES[given.size]
    figures: dict[str, dict[str, Figures]] = {}
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        local = LocalNeo4j(Path(folder) / "neo4j", heap=HEAP)
        local.assemble()
        with (local.home / "conf" / "neo4j.conf").open("a", encoding="utf-8") as settings:
            settings.write("dbms.security.procedures.unrestricted=apoc.*\n")
        try:
            for nodes, relationships in sizes:
                bench = Bench(Path(folder) / str(nodes), local, nodes, relationships)
                best: dict[str, Figures] = {}
                for round_ in range(given.rounds if bench.rows < SLOW else 1):
                    for way in bench.ways():
                        if given.only and not way.startswith(tuple(given.only)):
                            continue
                        try:
                            now = bench.run(way)
                        except subprocess.CalledProcessError as failed:
                            if way not in OTHERS:
                                raise
                            print(
                                f"{way} does not run here: {failed.stderr.strip().splitlines()[-1][:200]}", flush=True
                            )
                            continue
                        best[way] = min(best.get(way, now), now, key=lambda each: each["wall"])
                        load, rate = os.getloadavg()[0], now["rows"] / now["wall"]
                        print(f"{bench.rows:>9,} rows  round {round_ + 1}  {way:20} {now['wall']:8.2f} s  CPU "
                              f"{now['cpu']:8.2f} s {rate:9,.0f} rows/s  load {load:4.1f}", flush=True)  # fmt: skip
                figures[str(bench.rows)] = best
                # Plain names are of the largest size that the peers ran at; others say their size.
                plain = given.nodes or bench.rows < SLOW
                of_size = ratios(best)
                found = {
                    **(of_size if plain else {}),
                    **(found if not plain else {}),
                    **{name: value for name, value in found.items() if name[-1].isdigit()},
                    **{f"{name}_{nodes}": value for name, value in of_size.items()},
                }
                shutil.rmtree(bench.folder)
        finally:
            local.down()
    (OUT / "load.json").write_text(json.dumps({"ratios": found, "figures": figures}, indent=2) + "\n", encoding="utf-8")
    rates = {
        f"{int(rows):,} rows": {way: each["rows"] / each["wall"] for way, each in best.items() if "cache" not in way}
        for rows, best in figures.items()
    }
    draw(OUT / "load.svg", rates)
    for name, ratio in found.items():
        print(f"{name:40} {ratio:7.3f}")


if __name__ == "__main__":
    main()
