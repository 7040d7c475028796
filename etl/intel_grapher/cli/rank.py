"""`rank`: the nodes that tie indicators together."""

from __future__ import annotations

from typing import Annotated

import typer

from intel_grapher.ask import rank as ranking
from intel_grapher.ask.documents import ranking_document
from intel_grapher.ask.explore import HUB
from intel_grapher.cli import completion, graph
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import is_terminal, print_json, say
from intel_grapher.cli.path import write_path
from intel_grapher.cli.terminal import DIM, HEADING, KEY, Screen, counted

COLUMNS = ("score", "label", "key", "relationships", "seeds", "why")

app = typer.Typer(add_completion=False)


@app.command("rank")
@grouped
def rank(
    seeds: Annotated[
        list[str],
        typer.Argument(metavar="INDICATOR", autocompletion=completion.nodes, help="Two or more, any nodes' keys."),
    ],
    reading: graph.Reading,
    limit: Annotated[int, typer.Option(min=1, help="How many nodes.")] = ranking.MOST,
    hub: graph.Hub = HUB,
) -> None:
    """Rank what ties indicators together.

    That is shared infrastructure, weighted so that what everyone shares does not win. A node scores by how directly
    each seed reaches it: 1 for a neighbour, at most a half through another node. It loses with the number of its
    relationships.
    """
    ranking.require_several(seeds)
    with reading.opened() as opened:
        nodes = [graph.find(opened, seed) for seed in seeds]
        result = ranking.rank(opened, nodes, most=limit, hub=hub)
    if reading.json:
        print_json({"seeds": nodes, **ranking_document(result)})
    elif is_terminal() and not reading.csv:
        _print_ties(result, len(set(nodes)), pager=not reading.no_pager)
    else:
        reading.print_rows(COLUMNS, [
            (tie.score, *tie.node, tie.degree, len(tie.ways), "; ".join(map(graph.path_text, tie.ways.values())))
            for tie in result.ties
        ])  # fmt: skip
    graph.say_what_is_missing(result.hubs, cut=result.cut)
    if not result.ties:
        say("nothing within two steps ties them together")
        raise typer.Exit(1)


def _print_ties(result: ranking.Ranking, seeds: int, *, pager: bool) -> None:
    """Print each tie with its score, how many of the indicators it ties, and the way from each."""
    screen = Screen()
    for tie in result.ties:
        screen.blank()
        screen.line((tie.node.key, f"{HEADING} {KEY}"), "  ", (tie.node.label, DIM))
        ties = f"ties {len(tie.ways)} of {seeds}; score {tie.score}; {counted(tie.degree, 'relationship')}"
        screen.line((ties, DIM), indent=2)
        for way in tie.ways.values():
            write_path(screen, way, indent=2)
    screen.print_paged(pager=pager)
