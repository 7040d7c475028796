"""`schema`: prints what the graph is made of."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from intel_grapher import schema
from intel_grapher.cli import options
from intel_grapher.cli.output import print_json, print_table
from intel_grapher.model import Label, Property

app = typer.Typer(add_completion=False)


@app.command("schema")
def schema_command(*, json: options.Json = False) -> None:
    """Print the graph's labels, relationship types, properties."""
    if json:
        print_json(
            {
                "schema": schema.VERSION,
                "labels": {
                    name: {
                        "key": label.key,
                        "doc": label.doc,
                        "colour": label.colour,
                        "shape": label.shape,
                        "properties": _properties(label.properties),
                    }
                    for name, label in schema.LABELS.items()
                },
                "relationships": {
                    name: {
                        "joins": [[start.name, end.name] for start, end in relationship.joins],
                        "both_ways": relationship.both_ways,
                        "doc": relationship.doc,
                        "properties": _properties(relationship.properties),
                    }
                    for name, relationship in schema.RELATIONSHIPS.items()
                },
            }
        )
        return
    labels = schema.LABELS.values()
    print_table(("label", "key", "what it is"), [(label.name, label.key, label.doc) for label in labels])
    print_table(("from", "type", "to", "what it says"), [
        (_names(start for start, _ in it.joins), it.type, _names(end for _, end in it.joins), it.doc)
        for it in schema.RELATIONSHIPS.values()
    ])  # fmt: skip


def _properties(properties: Iterable[Property]) -> dict[str, list[str]]:
    """Return the type and the merge rule of each property, by name."""
    return {own.name: [own.type.title, own.merge.value] for own in properties}


def _names(labels: Iterable[Label]) -> str:
    return ", ".join(dict.fromkeys(label.name for label in labels))
