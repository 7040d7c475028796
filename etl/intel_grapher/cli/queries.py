"""`queries`: lists the saved queries."""

from __future__ import annotations

import typer

from intel_grapher.ask import saved
from intel_grapher.cli import options
from intel_grapher.cli.output import print_json, print_table

app = typer.Typer(add_completion=False)


@app.command("queries")
def queries(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """List the saved queries, your own among them.

    Your own lie in the folder `queries` beside the raw cache, a file each.
    """
    known = saved.saved(data / "queries").values()
    if json:
        print_json(
            {
                "queries": [
                    {
                        "name": query.name,
                        "doc": query.doc,
                        "parameters": {own.name: [own.doc, own.default] for own in query.parameters},
                        "cypher": query.cypher,
                    }
                    for query in known
                ]
            }
        )
        return
    print_table(("query", "what it asks", "parameters"), [
        (
            query.name,
            query.doc,
            [own.name if own.default is None else f"{own.name}={own.default}" for own in query.parameters],
        )
        for query in known
    ])  # fmt: skip
