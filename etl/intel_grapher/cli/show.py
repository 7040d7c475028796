"""`show`: a node, its properties and its neighbours."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from intel_grapher import schema
from intel_grapher.ask import look
from intel_grapher.cli import graph
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import print_csv, print_json, print_line, print_table, say
from intel_grapher.errors import NotInGraphError

COLUMNS = ("type", "direction", "label", "neighbour", "first_seen", "last_seen", "sources")

app = typer.Typer(add_completion=False)


@app.command("show")
@grouped
def show(
    indicator: Annotated[str, typer.Argument(metavar="INDICATOR", help="Any node's key, defanged or not.")],
    reading: graph.Reading,
    limit: graph.Limit = 25,
) -> None:
    """Print what the graph has about an indicator.

    That is: properties and neighbours, who says so, and since when.
    """
    with reading.opened() as opened:
        try:
            label, key = graph.find(opened, indicator)
        except NotInGraphError as error:
            say(str(error))
            raise typer.Exit(1) from error
        shown = look.show(opened, schema.LABELS[label], key, limit=limit)
    if shown is None:
        raise NotInGraphError(f"{label} {key} has gone from the graph meanwhile: ask again")
    rows = [
        (it.type, it.direction, it.label, it.key, *(it.properties.get(name) for name in COLUMNS[4:]))
        for it in shown.neighbours
    ]
    if reading.json:
        counts = [
            {"type": type_, "direction": direction, "label": other, "count": count}
            for (type_, direction, other), count in shown.counts.items()
        ]
        document = {"label": shown.label, "key": shown.key, "properties": shown.properties, "counts": counts}
        print_json(document | {"neighbours": [dataclasses.asdict(neighbour) for neighbour in shown.neighbours]})
    elif reading.csv:
        print_csv(COLUMNS, rows)
    else:
        print_line(f"{shown.label} {shown.key}")
        known = [(name, value) for name, value in shown.properties.items() if value is not None]
        print_table(("property", "value"), known)
        print_table(COLUMNS, rows)
    for (type_, direction, other), count in shown.counts.items():
        if count > limit:
            say(f"{limit} of {count} shown: {type_} {direction} {other}; --limit shows more")
