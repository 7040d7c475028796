"""Questions from a cold process, measured: `show`, `path`, `rank`, and what a command takes to start.

    ask.py [small|full] [FOLDER]

small: half a million rows; full: 25 million (`big_graph.py`). FOLDER has such a graph from an earlier run (data/graph),
or gets it. Each command runs in a process of its own, in turn with a bare Python process that imports the engine, opens
the graph and asks the same questions in Cypher, with Python alone, and with a Typer program that does nothing.

Figures are milliseconds of CPU (user and system), the median of ROUNDS, and by the clock the least: on a busy machine
the clock tells what else runs. Ratios: a command by the bare process, 1 is as quick; the bar of 300 ms by what it took.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from big_graph import big_graph

from intel_grapher import ask
from intel_grapher.ask import Answer, Graph, RecordingGraph, path, rank
from intel_grapher.ask.find import find
from intel_grapher.cards.known import known_node
from intel_grapher.load import Embedded

SCALES = {"small": 0.02, "full": 1.0}
ROUNDS = 15
BAR = 300.0
OUT = Path(__file__).parent / "out"
OURS = [sys.executable, "-m", "intel_grapher"]
NODE = "d77.com"
BARE = """
import json, sys
import ladybug
graph = ladybug.Connection(ladybug.Database(sys.argv[1], read_only=True))
for cypher, parameters in json.load(open(sys.argv[2])):
    with graph.execute(cypher, parameters) as answer:
        while answer.has_next():
            answer.get_next()
"""
TYPER = """
import typer
app = typer.Typer()
@app.command()
def main(word: str = ""): ...
app()
"""


class Listing(RecordingGraph):
    """A graph that lists all that it was asked, in order."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.questions: list[tuple[str, dict[str, object]]] = []

    def ask(self, cypher: str, parameters: Mapping[str, object] | None = None, **bounds: Any) -> Answer:  # noqa: ANN401
        """Note a question, and answer it."""
        self.questions.append((cypher, dict(parameters or {})))
        return super().ask(cypher, parameters, **bounds)


def sharing(place: Path) -> str:
    """Return a domain that has been seen with a file that NODE has, too."""
    with ask.opened(Embedded(place)) as graph:
        of_node = known_node(graph, find(graph, NODE), limit=100)
        for file in (it.key for it in of_node.neighbours if it.label == "Hash"):
            of_file = known_node(graph, find(graph, file), limit=100)
            for other in (it.key for it in of_file.neighbours if it.label == "Domain" and it.key != NODE):
                return other
    raise SystemExit(f"no domain shares a file with {NODE}")


def asked(place: Path, name: str, words: Sequence[str]) -> str:
    """Return the questions that a command asks, with their parameters, as JSON."""
    with ask.opened(Embedded(place)) as graph:
        listing = Listing(graph)
        nodes = [find(listing, word) for word in words]
        if name == "show":
            known_node(listing, nodes[0], limit=25)
        elif name == "path":
            path.paths(listing, *nodes)
        else:
            rank.rank(listing, nodes)
    return json.dumps(listing.questions)


def measured(commands: dict[str, list[str]], compiled: Path) -> dict[str, tuple[float, float]]:
    """Run the commands in turn; return of each the median CPU milliseconds, and the least by the clock.

    Modules are compiled once, into the folder `compiled`, as those of an installed package are.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(compiled)
    cpu: dict[str, list[float]] = {name: [] for name in commands}
    wall: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(ROUNDS + 1):
        for name, command in commands.items():
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment)
            seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
            if turn:  # the first compiles, and reads files from the disk
                cpu[name].append(1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
                wall[name].append(1000 * seconds)
    return {name: (statistics.median(cpu[name]), min(wall[name])) for name in commands}


def main() -> None:
    """Measure, print, and write benchmarks/out/ask.json."""
    size = sys.argv[1] if len(sys.argv) > 1 else "small"
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        home = Path(sys.argv[2] if len(sys.argv) > 2 else made)
        place = home / "data" / "graph"
        if not place.exists():
            (home / "data").mkdir(parents=True, exist_ok=True)
            print(f"made {big_graph(home, SCALES[size]):,} rows")
        other = sharing(place)
        questions = {"show": [NODE], "path": [NODE, other], "rank": [NODE, other]}
        commands = {"python": [sys.executable, "-c", ""], "typer --help": [sys.executable, "-c", TYPER, "--help"]}
        for name, words in questions.items():
            commands[name] = [*OURS, name, *words, "--db", str(place)]
            listed = Path(made) / f"{name}.json"
            listed.write_text(asked(place, name, words))
            commands[f"bare {name}"] = [sys.executable, "-c", BARE, str(place / "graph.lbug"), str(listed)]
        empty = ["-C", made]
        commands |= {
            "--help": [*OURS, "--help"],
            "fetch --help": [*OURS, "fetch", "--help"],
            "a typo": [*OURS, "fecth"],
            "sources": [*OURS, "sources"],
            "plan": [*OURS, *empty, "plan", NODE],
            "look, cached": [*OURS, *empty, "look", NODE, "--offline", "--no-graph"],
        }
        found = measured(commands, Path(made) / "compiled")
    figures = {f"{name}, CPU ms": cpu for name, (cpu, _) in found.items()}
    figures |= {f"{name}, ms by the clock": wall for name, (_, wall) in found.items()}
    figures["load of the machine"] = os.getloadavg()[0]
    ratios = {f"{name}_vs_bare": found[name][0] / found[f"bare {name}"][0] for name in questions}
    ratios |= {f"{name} under 300 ms": BAR / found[name][0] for name in questions}
    ratios |= {f"{name}_vs_typer": found[name][0] / found["typer --help"][0] for name in ("--help", "fetch --help")}
    for name, (cpu, wall) in found.items():
        print(f"{name:20} {cpu:8.0f} ms of CPU {wall:8.0f} ms by the clock")
    for name, value in ratios.items():
        print(f"{name:24} {value:6.2f}")
    (OUT / "ask.json").write_text(json.dumps({"size": size, "ratios": ratios, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
