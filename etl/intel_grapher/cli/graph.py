"""Which graph a command works on; and what the commands that read it share: options, finding a node, paths as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from intel_grapher import ask
from intel_grapher.ask import RecordingGraph
from intel_grapher.ask import find as find_nodes
from intel_grapher.ask.explore import Step
from intel_grapher.cli import completion, options, terminal
from intel_grapher.cli.output import print_csv, print_table, say
from intel_grapher.load import targets
from intel_grapher.load.embedded import Embedded
from intel_grapher.model import NodeRef
from intel_grapher.neo4j.connection import Server

EMBEDDED = targets.EMBEDDED

MAX_HUBS = 5
STDIN = Path("-")
ARROWS = {"->": ("-", "->"), "<-": ("<-", "-"), "--": ("-", "-")}
"""What stands before and after a relationship's type, by its direction."""

To = Annotated[
    str, typer.Option("--to", autocompletion=completion.graphs, envvar="INTEL_GRAPHER_TO", help="embedded, or neo4j.")
]
On = Annotated[
    str,
    typer.Option(
        "--on", autocompletion=completion.graphs, envvar="INTEL_GRAPHER_TO", help="The graph: embedded, or neo4j."
    ),
]
Limit = Annotated[int, typer.Option(min=1, help="How many neighbours of each kind, or rows.")]
Hub = Annotated[int, typer.Option(min=1, help="A node with more neighbours than these is not entered.")]


def target(name: str, db: Path, data: Path, *, starts: bool = True) -> Embedded | Server:
    """Return the graph that --to or --on names, as `targets.target` does."""
    return targets.target(name, db, data, say, starts=starts)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Option group: which graph is read, and how the answer is printed."""

    db: options.Db = options.DB
    data: options.Data = options.DATA
    on: On = EMBEDDED
    json: options.Json = False
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV on standard output.")] = False
    no_pager: terminal.NoPager = False
    show_cypher: Annotated[
        bool, typer.Option("--show-cypher", help="Print on standard error what the graph was asked.")
    ] = False

    @contextmanager
    def opened(self, memory: int | None = None) -> Iterator[RecordingGraph]:
        """Open the graph to ask it; at the end print what it was asked, if that is wished.

        `memory` bounds what a user's Cypher may take, in bytes.
        """
        with ask.opened(target(self.on, self.db, self.data), memory) as opened:
            graph = RecordingGraph(opened)
            try:
                yield graph
            finally:
                if self.show_cypher:
                    for cypher, parameters in graph.asked.items():
                        say(cypher + "".join(f"\n  ${name} = {value!r}" for name, value in parameters.items()))

    @property
    def is_data(self) -> bool:
        """Whether the answer is printed for a program."""
        return self.json or self.csv

    def print_rows(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print rows as CSV, if that is wished, else as a table."""
        print_csv(columns, rows) if self.csv else print_table(columns, rows, pager=not self.no_pager)


def find(graph: RecordingGraph, indicator: str, *, guess: bool = False) -> NodeRef:
    """Return the node that a key stands for, as `ask.find.find` does; a guess is said."""

    def guessed(node: NodeRef) -> None:
        say(f"{indicator[: find_nodes.SHOWN]!r} is taken for {node.label} {node.key}, the only one that has it")

    return find_nodes.find(graph, indicator, guessed if guess else None)


def path_text(steps: Sequence[Step]) -> str:
    """Return a path as one line, such as `Email a@example.com -OWNS-> Domain example.com`."""
    if not steps:
        return ""
    text = f"{steps[0].start.label} {steps[0].start.key}"
    for step in steps:
        before, after = ARROWS[step.direction]
        text += f" {before}{step.type}{after} {step.end.label} {step.end.key}"
    return text


def say_what_is_missing(hubs: Sequence[NodeRef], *, cut: bool) -> None:
    """Print which hubs a search did not enter, and whether it was cut short."""
    if hubs:
        names = ", ".join(f"{label} {key}" for label, key in hubs[:MAX_HUBS])
        more = f" and {len(hubs) - MAX_HUBS} more" if len(hubs) > MAX_HUBS else ""
        say(f"not entered, because they have so many neighbours: {names}{more}; --hub allows more")
    if cut:
        say("the search was cut short: there may be more; --hub narrows it")
