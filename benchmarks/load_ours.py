"""One of our ways, or the embedded engine alone, in a process of its own: run by load.py.

    python load_ours.py bolt|admin|copy|bare-copy IMPORT PLACE      PLACE: the server's folder, or the graph's

Prints one line of JSON: seconds in all and by step, and this process's CPU seconds and greatest memory.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import Counter
from pathlib import Path

import ladybug

from intel_grapher.files import Files
from intel_grapher.load import Embedded, load
from intel_grapher.load.embedded import statements
from intel_grapher.neo4j.server import LocalNeo4j

MEMORY = 2 << 30
HEAP = "2g"


class Steps:
    """How long each step of a load took."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.step, self.since = "first", time.perf_counter()

    def __call__(self, step: str, _done: int = 0, _of: int = 0) -> None:
        """Take a load's progress."""
        if step != self.step:
            now = time.perf_counter()
            self.seconds[self.step] += now - self.since
            self.step, self.since = step, now


def ours(method: str, files: Files, place: Path) -> Steps:
    """Load, with all that belongs to it."""
    target = Embedded(place, MEMORY) if method == "copy" else LocalNeo4j(place, heap=HEAP).up()
    steps = Steps()
    loaded = load(files, target, method=method, replace=method == "admin", progress=steps)
    if not loaded.parity.equal:
        raise SystemExit(f"{method} ended without parity")
    return steps


def bare_copy(files: Files, store: Path) -> Steps:
    """COPY the same files into the same tables, and nothing else."""
    steps = Steps()
    database = ladybug.Database(store, buffer_pool_size=MEMORY)
    connection = ladybug.Connection(database)
    for statement in statements.tables():
        connection.execute(statement)
    for group, _ in files.manifest().groups():
        connection.execute(statements.copy_statement(files, group))
    connection.execute("CHECKPOINT")
    connection.close()
    database.close()
    return steps


if __name__ == "__main__":
    way, files, place = sys.argv[1], Files(Path(sys.argv[2])), Path(sys.argv[3])
    before = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    done = bare_copy(files, place) if way == "bare-copy" else ours(way, files, place)
    done("end")
    after = resource.getrusage(resource.RUSAGE_SELF)
    told = {
        "wall": sum(done.seconds.values()),
        "client_cpu": sum(after[:2]) - before,
        "client_mib": after.ru_maxrss / 1024,
        "steps": done.seconds,
    }
    print(json.dumps(told))
