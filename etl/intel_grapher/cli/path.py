"""`path`: the shortest paths between two nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import rich.cells
import typer

from intel_grapher.ask import path as search
from intel_grapher.ask.documents import paths_document
from intel_grapher.ask.explore import HUB, Step
from intel_grapher.cli import completion, graph
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import is_terminal, print_csv, print_json, print_line, say
from intel_grapher.cli.terminal import DIM, KEY, Screen

COLUMNS = ("path", "step", "label", "key", "type", "direction", "to_label", "to_key")

app = typer.Typer(add_completion=False)


@app.command("path")
@grouped
def path(
    start: Annotated[
        str, typer.Argument(metavar="FROM", autocompletion=completion.nodes, help="Any node's key, defanged or not.")
    ],
    end: Annotated[
        str, typer.Argument(metavar="TO", autocompletion=completion.nodes, help="Any node's key, defanged or not.")
    ],
    reading: graph.Reading,
    *,
    longest: Annotated[int, typer.Option(min=1, max=10, help="How many steps at most.")] = search.LONGEST,
    limit: Annotated[int, typer.Option(min=1, help="How many of the shortest paths.")] = search.MOST,
    hub: graph.Hub = HUB,
) -> None:
    """Find the shortest paths between two nodes, around hubs."""
    with reading.opened() as opened:
        ends = graph.find(opened, start), graph.find(opened, end)
        result = search.paths(opened, *ends, longest=longest, most=limit, hub=hub)
    if reading.json:
        print_json({"from": ends[0], "to": ends[1], **paths_document(result)})
    elif reading.csv:
        print_csv(COLUMNS, [
            (number, position, *step.start, step.type, step.direction, *step.end)
            for number, steps in enumerate(result.found, 1)
            for position, step in enumerate(steps, 1)
        ])  # fmt: skip
    elif is_terminal():
        screen = Screen()
        for steps in result.found:
            write_path(screen, steps)
        screen.print_paged(pager=not reading.no_pager)
    else:
        for steps in result.found:
            print_line(graph.path_text(steps))
    graph.say_what_is_missing(result.hubs, cut=result.cut)
    if not result.found:
        say(f"no path of at most {longest} steps; --longest and --hub allow more")
        raise typer.Exit(1)


def write_path(screen: Screen, steps: Sequence[Step], *, indent: int = 0) -> None:
    """Write a path: on one line where there is room, else a line for each step."""
    text = graph.path_text(steps)
    if not steps or screen.width is None or rich.cells.cell_len(text) + indent <= screen.width:
        screen.line(text, indent=indent)
        return
    screen.line((f"{steps[0].start.label} ", DIM), (steps[0].start.key, KEY), indent=indent)
    for step in steps:
        before, after = graph.ARROWS[step.direction]
        head = f"{before}{step.type}{after} "
        if rich.cells.cell_len(head + step.end.label + step.end.key) + indent + 3 <= screen.width:
            screen.line(head, (f"{step.end.label} ", DIM), (step.end.key, KEY), indent=indent + 2)
        else:
            screen.line(head, (step.end.label, DIM), indent=indent + 2)
            screen.line((step.end.key, KEY), indent=indent + 4)
