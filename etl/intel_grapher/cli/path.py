"""`path`: the shortest paths between two nodes."""

from __future__ import annotations

from typing import Annotated

import typer

from intel_grapher.ask import path as search
from intel_grapher.ask.documents import paths_document
from intel_grapher.ask.explore import HUB
from intel_grapher.cli import graph
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import print_csv, print_json, print_line, say

COLUMNS = ("path", "step", "label", "key", "type", "direction", "to_label", "to_key")

app = typer.Typer(add_completion=False)


@app.command("path")
@grouped
def path(
    start: Annotated[str, typer.Argument(metavar="FROM", help="Any node's key, defanged or not.")],
    end: Annotated[str, typer.Argument(metavar="TO", help="Any node's key, defanged or not.")],
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
    else:
        for steps in result.found:
            print_line(graph.path_text(steps))
    graph.say_what_is_missing(result.hubs, cut=result.cut)
    if not result.found:
        say(f"no path of at most {longest} steps; --longest and --hub allow more")
        raise typer.Exit(1)
