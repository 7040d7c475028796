"""`ui`: serves the page."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from intel_grapher.cli import graph, options
from intel_grapher.cli.output import print_line, say
from intel_grapher.pipeline import Places
from intel_grapher.ui.server import serve

app = typer.Typer(add_completion=False)


@app.command("ui")
def ui(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port. Default: 8642, or the next that is free.")
    ] = None,
    data: options.Data = options.DATA,
    import_: options.Import = options.IMPORT,
    db: options.Db = options.DB,
    on: graph.On = graph.EMBEDDED,
    *,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in a browser.")] = True,
) -> None:
    """Serve the page: see the graph, ask it, extend it.

    It is served on this machine alone, until the command is interrupted.
    """

    def announce(link: str) -> None:
        print_line(link)
        say("the link holds the key to this page: keep it to yourself; Ctrl-C ends it")
        if browser:
            webbrowser.open(link)

    target = graph.target(on, db.absolute(), data.absolute())
    serve(Places(data.absolute(), import_.absolute(), target), port, announce)
