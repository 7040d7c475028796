"""`sources` and `schema`: whom we ask, and what the graph is made of."""

from __future__ import annotations

import os

import typer

from intel_grapher import schema
from intel_grapher.cli import options
from intel_grapher.cli.output import print_json, print_table
from intel_grapher.model import Label
from intel_grapher.source import discover


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("sources")(sources)
    app.command("schema")(schema_)


def sources(*, json: options.Json = False) -> None:
    """List the sources: what each is asked and gives, its key and whether it is there, and whether it still answers."""
    rows = [
        {
            "source": source.name,
            "title": source.title,
            "asks": sorted({label.name for kind in source.asks for label in kind.labels}),
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
