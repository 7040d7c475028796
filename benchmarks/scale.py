"""The transform on this machine, and on Spark clusters of one and two workers with a core each, on loopback.

    make bench-scale SIZE=small|full      (100 k replies, or 1 M), or: python benchmarks/scale.py REPLIES WAY …

CPU seconds are those of all processes: the command, the master, the workers, their executors and Pythons. All ways must
write the same checksums. From Spark's own event log come the bytes of a fact on the wire, and the skew: how many rows
the fullest merging task got, against the median. The last cache is a hub with 1,002,000 relationships among ordinary
names. Sail is measured where the package pysail is there; it is a server in one process.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from generate import generate

from intel_grapher.cache import Cache, Entry
from intel_grapher.files import Files

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tests" / "support"))
OUT = HERE / "out"
SIZES = {"small": 100_000, "full": 1_000_000}
WAYS = {"one machine": 0, "Spark, 1 worker": 1, "Spark, 2 workers": 2, "Sail": -1}
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h
HUB_REPLIES, HUB_NAMES = 334, 3_000


def measured(way: str, data: Path, out: Path) -> dict[str, float]:
    """Run a way in a process that waits for all descendants; return wall and CPU seconds, and Spark's figures."""
    log = out / "events"
    log.mkdir(parents=True)
    command = [sys.executable, str(Path(__file__)), "--run", way, str(data), str(out / "import"), str(log)]
    started = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    cpu = float(done.stdout.split()[-1])
    return {"wall": round(time.perf_counter() - started, 1), "cpu": round(cpu, 1)} | figures(log)


def run(way: str, data: str, out: str, log: str) -> None:
    """Run a way, end what it started, and print the CPU seconds of all of it."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    command = [sys.executable, "-m", "intel_grapher", "transform", "--data", data, "--import", out, "--no-progress"]
    with ExitStack() as stack:
        if WAYS[way] > 0:
            from spark import standalone  # noqa: PLC0415 - half a gigabyte that a run on one machine does without

            folder = stack.enter_context(tempfile.TemporaryDirectory())
            cluster = stack.enter_context(standalone(Path(folder), WAYS[way]))
            command += ["--engine", "spark", "--master", cluster.master]
        elif way == "Sail":
            from pysail.spark import SparkConnectServer  # noqa: PLC0415 - a package that not everybody has

            server = SparkConnectServer("127.0.0.1", 0)
            server.start(background=True)
            stack.callback(server.stop)
            command += ["--engine", "spark", "--master", f"sc://127.0.0.1:{server.listening_address[1]}"]
        settings = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": f"file://{log}"}
        settings |= {"spark.eventLog.compress": "false"}
        arguments = " ".join(f"--conf {name}={value}" for name, value in settings.items())
        subprocess.run(
            command,
            check=True,
            stdout=sys.stderr,
            env=os.environ | {"PYSPARK_SUBMIT_ARGS": f"{arguments} pyspark-shell"},
        )
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    print(sum(os.times()[:4]))


def figures(log: Path) -> dict[str, float]:
    """Return what Spark's event log says of the tasks that merged."""
    wire, rows, tasks = 0, 0, defaultdict[int, list[int]](list)
    for event in events(log):
        if event["Event"] == "SparkListenerTaskEnd" and (metrics := event.get("Task Metrics")):
            wire += metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"]
            rows += metrics["Shuffle Write Metrics"]["Shuffle Records Written"]
            if read := metrics["Shuffle Read Metrics"]["Total Records Read"]:
                tasks[event["Stage ID"]].append(read)
    if not rows:
        return {}
    many = [each for each in tasks.values() if len(each) > 1]
    skew = max((max(each) / statistics.median(each) for each in many), default=1.0)
    return {"wire": wire, "rows": rows, "wire_a_row": round(wire / rows, 1), "skew": round(skew, 2)}


def events(log: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of a log."""
    for path in log.rglob("*"):
        if path.is_file() and not path.name.startswith(("appstatus", ".")):
            yield from map(json.loads, path.read_bytes().splitlines())


def with_hub(data: Path) -> None:
    """Make a cache of a hub with a million relationships, and of as many names that have few."""
    with Cache(data) as cache, cache.writer() as writer:
        for number in range(HUB_REPLIES):
            first = number * HUB_NAMES
            names = [f"n{each}.hub.example" for each in range(first, first + HUB_NAMES)]
            others = {f"d{number}-{each}.example": [f"www.d{number}-{each}.example"] for each in range(300)}
            for key, said in {"hub.example": names, **others}.items():
                body = json.dumps({"response_code": "1", "subdomains": said, "votes": -1}).encode()
                writer.add(
                    Entry(
                        source="threatcrowd", endpoint="domain", key=key, fetched_at=1_700_000_000 + number,
                        status=200, body=body,
                    )
                )  # fmt: skip


def bench(name: str, data: Path, ways: list[str], folder: Path) -> dict[str, dict[str, float]]:
    """Measure ways over a cache; all must give one manifest."""
    found: dict[str, dict[str, float]] = {}
    manifests = {}
    for way in ways:
        out = folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        found[way] = measured(way, data, out)
        files = Files(out / "import")
        manifests[way] = files.manifest()
        facts = sum(content.rows for _, content in manifests[way].groups())
        size = sum(path.stat().st_size for path in files.root.rglob("*.parquet"))
        found[way] |= {"facts": facts, "disk_a_fact": round(size / facts, 1)}
        print(
            f"{name:12} {way:18} " + "  ".join(f"{what} {figure:,}" for what, figure in found[way].items()), flush=True
        )
    if len({repr(manifest) for manifest in manifests.values()}) != 1:
        raise SystemExit(f"{name}: the ways differ")
    return found


def main(size: str, *ways: str) -> None:
    """Measure all ways, or some, and write OUT/scale.json."""
    replies = SIZES.get(size) or int(size)
    chosen = list(ways) or [way for way in WAYS if way != "Sail"]
    with tempfile.TemporaryDirectory(prefix="intel-grapher-scale-") as name:
        folder = Path(name)
        generate(folder / "cache", replies)
        found = {f"{replies:,}": bench(f"{replies:,}", folder / "cache", chosen, folder)}
        with_hub(folder / "hub")
        found["hub"] = bench("hub", folder / "hub", [way for way in chosen if WAYS[way] != 1], folder)
    ratios = {
        f"{cache}: CPU of {way}": round(each["cpu"] / of["one machine"]["cpu"], 2)
        for cache, of in found.items()
        for way, each in of.items()
        if "one machine" in of and way != "one machine"
    }
    ratios |= {
        f"{cache}: skew of {way}": each["skew"]
        for cache, of in found.items()
        for way, each in of.items()
        if "skew" in each
    }
    OUT.mkdir(exist_ok=True)
    (OUT / "scale.json").write_text(json.dumps({"ratios": ratios, "figures": found}, indent=2) + "\n")
    print(json.dumps(ratios, indent=2))


if __name__ == "__main__":
    if sys.argv[1] == "--run":
        run(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
