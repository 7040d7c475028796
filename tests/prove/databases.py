"""Queries without a bound, and a Neo4j that is killed: an error to the asker, and a load that goes on."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import world
from load_samples import MANY, cypher, write
from workshop import Tally, Workshop

from intel_grapher import ask
from intel_grapher.errors import LoadError, UsageError
from intel_grapher.load import Embedded, Server, load
from intel_grapher.load.neo4j import batches
from intel_grapher.neo4j.server import LocalNeo4j

MEMORY = 256 << 20
BESIDE = 384 << 20  # bytes that a process has beside what it may allocate: the engine's code, and its pool's tables
SECONDS = 1.0
QUERIES = [
    "MATCH (n) RETURN n.name ORDER BY n.name SKIP 100000 LIMIT 10",
    "RETURN range(1, 1000000000)",
    "UNWIND range(1, 100000000) AS x RETURN collect(x)",
    "MATCH (a),(b),(c),(d),(e),(f),(g),(h) RETURN collect(a), collect(b), collect(c)",
    "RETURN repeat('x', 2000000000)",
    "UNWIND range(1,1000) AS x RETURN repeat('abcdefghij', 10000000)",
    "MATCH p=(a)-[*1..30]-(b) RETURN p",
    "UNWIND range(1, 3000000) AS x RETURN x, repeat('y',1000) ORDER BY x DESC SKIP 5000000",
    "UNWIND range(1, 10) AS x RETURN range(1, 10000000)",
    "MATCH (n) RETURN n.name ORDER BY n.name SKIP 9223372036854775807 LIMIT 1",
    "RETURN list_sum(range(1,500000000))",
    "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b RETURN sum(a * b)",
]


def queries(shop: Workshop) -> Tally:
    """Ask what has no bound, or kills the engine: it is an error to the asker, and the next question is answered."""
    tally = Tally()
    shop.result(partial(_graph, shop.home))
    for query in QUERIES:
        ended = shop.run(partial(_asked, shop.home / "graph", query))
        wrong = "" if ended.code == world.DONE else f"{ended.how} {ended.text}"
        if ended.code == world.DONE:
            after, peak = ended.value
            wrong = f"the next question: {after}" if after != [[1]] else ""
            wrong = wrong or (f"{peak >> 20} MiB" if peak > MEMORY + BESIDE else "")
        tally.add(query, wrong)
    return tally


def _graph(home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    world.add(home / "data", range(12))
    world.make_files(home)
    world.make_graph(home)


def _asked(place: Path, query: str) -> list[Any]:
    """Return the rows of the question after a query, and the most memory that a process took, in bytes."""
    with ask.opened(Embedded(place, MEMORY), MEMORY) as graph:
        with suppress(UsageError):
            graph.query(query, timeout=SECONDS)
        after = graph.query("RETURN 1").rows
    return [after, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10]


def neo4j_killed(shop: Workshop) -> Tally:
    """Kill a real Neo4j, or the one who loads it, in the midst of a load: the next load ends in parity."""
    tally = Tally()
    if not shop.thorough:
        tally.note = "in the long form"
        return tally
    batches.BATCH = 7  # this process does nothing else
    local = LocalNeo4j(shop.home / "neo4j", heap="512m", page_cache="64m")
    try:
        local.assemble()
    except LoadError as error:
        tally.note = f"not run: {error}"
        return tally
    files = write(shop.home / "import", MANY)
    wanted = sum(content.rows for content in files.manifest().nodes.values())
    try:
        for number in range(12):
            server = local.up()
            cypher(server, "MATCH (n) DETACH DELETE n")
            work = partial(_load, files, server, number + 1, local if number % 2 else None)
            process = os.fork()
            if process == 0:
                work()
                os._exit(0)
            os.waitpid(process, 0)
            server = local.up()
            found = load(files, server, method="bolt")
            nodes = cypher(server, "MATCH (n) RETURN count(n) AS n")[0]["n"]
            wrong = "" if found.parity.equal and nodes == wanted else f"{nodes} of {wanted} nodes"
            tally.add(f"{'the server' if number % 2 else 'the one who loads'}, at step {number + 1}", wrong)
    finally:
        local.down()
    return tally


def _load(files: Any, server: Server, step: int, local: LocalNeo4j | None) -> None:  # noqa: ANN401 - flat files
    """Load, and kill the server, or this process, at a step."""
    pid = os.getpid() if local is None else local.status().pid
    with suppress(LoadError):
        load(files, server, method="bolt", progress=_at(step, lambda: os.kill(pid or 0, signal.SIGKILL)))


def _at(step: int, work: Callable[[], object]) -> Callable[[str, int, int], None]:
    """Return a progress that does something at its n-th step."""
    steps = iter(range(1, 1 << 30))

    def progress(_step: str, _done: int, _of: int) -> None:
        if next(steps) == step:
            work()

    return progress
