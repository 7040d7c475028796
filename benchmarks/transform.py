"""The transform against two pipelines written by hand for the same replies and the same files; and against the floors.

    make bench-transform SIZE=small|full

Each way runs in processes of its own, at two workers, the ways one after the other in every round; a way's figure is
its best round. None compiles Python's modules each time, or imports packages that it does not use (`unused`). Ratios
are of CPU time (`cpu_…`) and of wall time (`vs_best_engine_…`): below 1 the transform is the faster. That all ways
wrote the same rows is checked by the files' checksums.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
from generate import add, generate
from plot import growth

from intel_grapher.files import Files, Group, content
from intel_grapher.sql import literal

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
SIZES = {"small": (100_000,), "full": (100_000, 1_000_000, 5_000_000)}
NAMES = {100_000: "100k", 1_000_000: "1m", 5_000_000: "5m"}
MEMORY = 4096  # MiB, for those that can be told
LEAN = """import runpy, sys
from intel_grapher.unused import leave_out
leave_out()
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")"""
"""Runs a script without the packages that no command uses either."""

Figures = dict[str, float]


def measure(command: list[str]) -> Figures:
    """Run a command; return its wall and CPU seconds, and its greatest process's memory in MiB."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), *sys.path[1:]])}
    environment |= {"POLARS_MAX_THREADS": "2", "PYTHONPYCACHEPREFIX": str(OUT / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else each start compiles all modules again
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    watched = f"""import resource, subprocess, sys
code = subprocess.call({command!r}, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)"""
    done = subprocess.run([sys.executable, "-c", watched], env=environment, check=True, capture_output=True, text=True)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": round(wall, 2), "cpu": round(cpu, 2), "mib": round(int(done.stdout) / 1024)}


def ways(data: Path, out: Path, memory: int) -> dict[str, list[str]]:
    """Return the command of each way."""
    python, run = (
        sys.executable,
        [sys.executable, "-m", "intel_grapher", "transform", "--data", str(data), "--no-progress"],
    )
    own = [*run, "--processes", "2", "--memory", f"{memory}M"]
    limit = ["--memory", str(memory)]
    lean = [python, "-c", LEAN]
    by_hand = {
        "DuckDB, read again": [*lean, str(HERE / "by_duckdb.py"), str(data), str(out / "duckdb"), *limit],
        "DuckDB, staged": [*lean, str(HERE / "by_duckdb.py"), str(data), str(out / "staged"), *limit, "--staged"],
        "Polars": [*lean, str(HERE / "by_polars.py"), str(data), str(out / "polars")],
    }
    return {
        "transform": [*own, "--import", str(out / "own"), "--format", "parquet"],
        "transform, CSV too": [*own, "--import", str(out / "both")],
        **by_hand,
        "floor: decompress": [python, str(HERE / "floors.py"), "read", str(data)],
        "floor: decode": [python, str(HERE / "floors.py"), "decode", str(data)],
    }


def check(out: Path) -> None:
    """See that all ways wrote the same rows."""
    contents: dict[str, dict[str, str]] = {}
    own = Files(out / "own")
    contents["own"] = {str(group): each.checksum for group, each in own.manifest().groups()}
    for each in ("duckdb", "staged", "polars"):
        if (out / each).exists():
            contents[each] = {
                name: content(duckdb.connect(), f"read_parquet({literal(str(path))})", Group.parse(name)).checksum
                for name in contents["own"]
                if (path := Files(out / each).path(Group.parse(name), "parquet")).exists()
            }
            if contents[each] != contents["own"]:
                differ = [name for name, mark in contents["own"].items() if contents[each].get(name) != mark]
                raise SystemExit(f"{each} and the transform differ in {', '.join(differ)}")


def clear(out: Path) -> None:
    """Remove what a round wrote, and the transform's memory of it."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)


def bench(replies: int, folder: Path, rounds: int, memory: int, only: Callable[[str], bool]) -> dict[str, Figures]:
    """Measure all ways over one generated cache; return each one's best round."""
    data, out = folder / f"cache-{replies}", folder / "out"
    size = generate(data, replies)
    print(f"{replies:,} replies, {size >> 20:,} MiB of JSON Lines")
    best: dict[str, Figures] = {}
    for round_ in range(rounds):
        clear(out)
        for name, command in ways(data, out, memory).items():
            if only(name):
                figures = measure(command)
                best[name] = min(best.get(name, figures), figures, key=lambda each: each["wall"])
                print(f"  round {round_ + 1}  {name:22} {figures['wall']:8.2f} s  CPU {figures['cpu']:8.2f} s "
                      f" {figures['mib']:6.0f} MiB", flush=True)  # fmt: skip
        check(out)
        if round_ == rounds - 1:
            best |= again(data, out, replies, memory)
    shutil.rmtree(data)
    return best


def again(data: Path, out: Path, replies: int, memory: int) -> dict[str, Figures]:
    """Measure the transform again over what it has seen: with nothing new, and with a hundredth more."""
    command, found = ways(data, out, memory)["transform"], {}
    for name, share in (("transform, nothing new", 0.0), ("transform, 1 % more", 0.01)):
        added = add(data, replies, share) if share else []
        found[name] = figures = measure(command)
        for path in added:
            path.unlink()
        print(
            f"  {name:31} {figures['wall']:8.2f} s  CPU {figures['cpu']:8.2f} s  {figures['mib']:6.0f} MiB", flush=True
        )
    return found


def ratios(figures: dict[int, dict[str, Figures]]) -> Figures:
    """Return how long the transform takes, the faster pipeline by hand being 1."""
    found: Figures = {}
    for replies, ways_ in figures.items():
        for what, name in (("wall", "vs_best_engine"), ("cpu", "cpu_vs_best_engine")):
            by_hand = [each[what] for way, each in ways_.items() if way.startswith(("DuckDB", "Polars"))]
            if by_hand:
                found[f"{name}_{NAMES.get(replies, replies)}"] = round(ways_["transform"][what] / min(by_hand), 3)
                if "transform, CSV too" in ways_:
                    with_csv = ways_["transform, CSV too"][what] / min(by_hand)
                    found[f"{name}_csv_{NAMES.get(replies, replies)}"] = round(with_csv, 3)
        for name, way in (
            ("nothing_new_cpu", "transform, nothing new"),
            ("one_percent_more_cpu", "transform, 1 % more"),
        ):
            if way in ways_:
                share = ways_[way]["cpu"] / ways_["transform"]["cpu"]
                found[f"{name}_{NAMES.get(replies, replies)}"] = round(share, 3)
    sizes = sorted(figures)
    for less, more in itertools.pairwise(sizes):
        grown = figures[more]["transform"]["cpu"] / figures[less]["transform"]["cpu"] / (more / less)
        found[f"growth_{NAMES.get(less, less)}_{NAMES.get(more, more)}"] = round(grown, 3)
    return found


def main() -> None:
    """Measure, print, and write `out/transform.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("--replies", type=int, action="append")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=MEMORY)
    parser.add_argument("--folder", type=Path, help="where to work, some gigabytes for 5 M replies")
    parser.add_argument("--without", action="append", default=[], help="leave ways out whose name begins so")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        figures = {
            replies: bench(
                replies,
                Path(folder),
                given.rounds,
                given.memory,
                lambda name: not name.startswith(tuple(given.without)),
            )
            for replies in given.replies or SIZES[given.size]
        }
    OUT.mkdir(exist_ok=True)
    path = OUT / "transform.json"
    before = json.loads(path.read_text())["figures"] if path.exists() else {}
    figures = {int(size): each for size, each in before.items()} | figures  # of sizes that this run left out
    found = ratios(figures)
    made = found | {"figures": {str(size): figures[size] for size in sorted(figures)}}
    path.write_text(json.dumps(made, indent=2) + "\n")
    draw(figures)
    for name, ratio in found.items():
        print(f"{name:32} {ratio:6.3f}")


def draw(figures: dict[int, dict[str, Figures]]) -> None:
    """Draw how each way grows: `out/transform.svg`."""
    names = dict.fromkeys(name for ways_ in figures.values() for name in ways_)
    panels = {
        measure: {name: {size: each[name][what] for size, each in figures.items() if name in each} for name in names}
        for measure, what in (("seconds", "wall"), ("CPU seconds", "cpu"), ("MiB, greatest process", "mib"))
    }
    growth(OUT / "transform.svg", "Raw replies to sorted, deduplicated Parquet", panels, "replies")


if __name__ == "__main__":
    main()
