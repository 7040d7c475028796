"""`sources`: lists the services that can be asked."""

from __future__ import annotations

import typer

from intel_grapher import credentials
from intel_grapher.cli import options, terminal
from intel_grapher.cli.output import flat, is_terminal, print_json, print_table
from intel_grapher.cli.terminal import Screen
from intel_grapher.registry import Registry

COLUMN = 15

app = typer.Typer(add_completion=False)


@app.command("sources")
def sources(*, no_pager: terminal.NoPager = False, json: options.Json = False) -> None:
    """List the sources: what each is asked, its key, its state."""
    rows = [
        {
            "source": source.name,
            "title": source.title,
            "asks": sorted({label.name for kind in source.asks for label in kind.labels}),
            "endpoints": {endpoint.name: endpoint.doc for endpoint in source.endpoints.values()},
            "key": source.key.variable if source.key else None,
            "key_set": bool(source.key and credentials.find(source.key.variable).value),
            "status": f"retired {source.retired}" if source.retired else source.status,
            "terms": source.terms,
        }
        for source in Registry.installed().values()
    ]
    if json:
        from intel_grapher.transform.traced import trace  # noqa: PLC0415 - the transform takes long to import

        for row, source in zip(rows, Registry.installed().values(), strict=True):
            row["traced"] = [name for name, endpoint in source.endpoints.items() if trace(endpoint)]
        print_json({"sources": rows})
        return
    if is_terminal():
        screen = Screen()
        for row in rows:
            parts = (_key(row["key"], is_set=bool(row["key_set"])), flat(row["asks"]), flat(row["status"]))
            screen.field(flat(row["source"]), "; ".join(filter(None, parts)), indent=0, column=COLUMN)
        screen.print_paged(pager=not no_pager)
        return
    print_table(("source", "asks", "key", "status"), [
        (row["source"], row["asks"], _key(row["key"], is_set=bool(row["key_set"])), row["status"]) for row in rows
    ])  # fmt: skip


def _key(variable: object, *, is_set: bool) -> str:
    return "none needed" if variable is None else f"{variable} ({'set' if is_set else 'not set'})"
