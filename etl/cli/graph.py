"""`show`, `query`, `sources`, `schema`: what is in the graph, and what it is made of."""

from __future__ import annotations

import dataclasses
import os
from typing import Annotated

import typer

from etl import ask, schema
from etl.cli import options, targets
from etl.cli.output import print_json, print_line, print_table, say
from etl.errors import UsageError
from etl.graph import Label
from etl.source import Source, discover


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("show")(show)
    app.command("query")(query)
    app.command("sources")(sources)
    app.command("schema")(schema_)


Limit = Annotated[int, typer.Option(min=1, help="How many neighbours of each kind, or rows.")]


def show(
    indicator: Annotated[str, typer.Argument(metavar="INDICATOR", help="Any node's key, defanged too.")],
    limit: Limit = 25,
    db: options.Db = options.DB,
    data: options.Data = options.DATA,
    on: targets.On = "embedded",
    *,
    json: options.Json = False,
) -> None:
    """Show what the graph has about an indicator: its properties and its neighbours, with who says so and since when."""
    candidates = ask.labels_of(indicator)
    if not candidates:
        raise UsageError(f"{indicator!r} can't be the key of any node")
    with ask.opened(targets.target(on, db, data)) as graph:
        each_ = (ask.show(graph, label, key, limit=limit) for label, key in candidates)
        shown = next(filter(None, each_), None)
    if shown is None:
        tried = ", ".join(f"{label.name} {key}" for label, key in candidates[:3])
        say(f"not in the graph: {tried}")
        say("next: intel-grapher fetch it, then transform and load")
        raise typer.Exit(1)
    counts = [
        {"type": type_, "direction": direction, "label": label, "count": count}
        for (type_, direction, label), count in shown.counts.items()
    ]
    if json:
        document = {"label": shown.label, "key": shown.key, "properties": shown.properties, "counts": counts}
        print_json(document | {"neighbours": [dataclasses.asdict(each) for each in shown.neighbours]})
        return
    told = {name: value for name, value in shown.properties.items() if value is not None}
    print_line(f"{shown.label} {shown.key}")
    print_table(("property", "value"), told.items())
    columns = ("type", "", "label", "neighbour", "first_seen", "last_seen", "sources")
    print_table(columns, [
        (each.type, each.direction, each.label, each.key, *(each.properties.get(name) for name in columns[4:]))
        for each in shown.neighbours
    ])  # fmt: skip
    for (type_, direction, label), count in shown.counts.items():
        if count > limit:
            say(f"{limit} of {count} shown: {type_} {direction} {label}; --limit shows more")


def query(
    cypher: Annotated[str, typer.Argument(metavar="CYPHER", help="Cypher that only reads.")],
    limit: Limit = ask.LIMIT,
    timeout: Annotated[float, typer.Option(min=0.001, help="In seconds.")] = ask.TIMEOUT,
    db: options.Db = options.DB,
    data: options.Data = options.DATA,
    on: targets.On = "embedded",
    *,
    json: options.Json = False,
) -> None:
    """Ask the graph in Cypher, which may only read."""
    with ask.opened(targets.target(on, db, data)) as graph:
        answer = graph.ask(cypher, limit=limit, timeout=timeout)
    if json:
        print_json({"columns": answer.columns, "rows": answer.rows, "cut": answer.cut})
    else:
        print_table(answer.columns, answer.rows)
    if answer.cut:
        say(f"the first {limit} rows; --limit gives more")


def sources(*, json: options.Json = False) -> None:
    """List the sources: what each is asked and gives, its key and whether it is there, and whether it still answers."""
    rows = [
        {
            "source": source.name,
            "title": source.title,
            "asks": sorted(
                {label.name for each in source.endpoints.values() for kind in each.kinds for label in kind.labels}
            ),
            "endpoints": {each.name: each.doc for each in source.endpoints.values()},
            "key": source.key.variable if source.key else None,
            "key_set": bool(source.key and os.environ.get(source.key.variable)),
            "status": f"retired {source.retired}" if source.retired else source.status,
            "terms": source.terms,
        }
        for source in discover().values()
    ]
    if json:
        print_json({"sources": rows})
        return
    columns = ("source", "asks", "key", "status")
    print_table(columns, [
        (row["source"], row["asks"], _key(row["key"], set_=bool(row["key_set"])), row["status"]) for row in rows
    ])  # fmt: skip


def _asks(source: Source) -> list[str]:
    kinds = {kind for each in source.endpoints.values() for kind in each.kinds}
    return sorted({label.name for kind in kinds for label in kind.labels})


def _key(variable: object, *, set_: bool) -> str:
    return "none needed" if variable is None else f"{variable} ({'set' if set_ else 'not set'})"


def schema_(*, json: options.Json = False) -> None:
    """Print the graph's labels, relationship types and properties."""
    if json:
        print_json(
            {
                "schema": schema.VERSION,
                "labels": {name: _label(label) for name, label in schema.LABELS.items()},
                "relationships": {
                    name: {
                        "joins": [[start.name, end.name] for start, end in each.joins],
                        "both_ways": each.both_ways,
                        "doc": each.doc,
                        "properties": {own.name: [own.type.title, own.merge.value] for own in each.properties},
                    }
                    for name, each in schema.RELATIONSHIPS.items()
                },
            }
        )
        return
    print_table(("label", "key", "what it is"), [(each.name, each.key, each.doc) for each in schema.LABELS.values()])
    print_table(("from", "type", "to", "what it says"), [
        (", ".join(dict.fromkeys(start.name for start, _ in each.joins)), each.type,
         ", ".join(dict.fromkeys(end.name for _, end in each.joins)), each.doc)
        for each in schema.RELATIONSHIPS.values()
    ])  # fmt: skip


def _label(label: Label) -> dict[str, object]:
    return {
        "key": label.key,
        "doc": label.doc,
        "colour": label.colour,
        "shape": label.shape,
        "properties": {own.name: [own.type.title, own.merge.value] for own in label.properties},
    }
