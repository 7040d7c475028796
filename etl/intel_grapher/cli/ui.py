"""`ui`: the page."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from intel_grapher.cli import options, targets
from intel_grapher.cli.output import print_line, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ui")(ui)


def ui(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port; 8642, or the next that is free.")
    ] = None,
    data: options.Data = options.DATA,
    import_: options.Import = options.IMPORT,
    db: options.Db = options.DB,
    on: targets.On = "embedded",
    *,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in a browser.")] = True,
) -> None:
    """Open the page: see the graph, ask it, extend it. On this machine alone, until it is interrupted."""
    from intel_grapher.ui.jobs import Places  # noqa: PLC0415 - the other commands need no web server
    from intel_grapher.ui.server import serve  # noqa: PLC0415 - likewise

    def ready(link: str) -> None:
        print_line(link)
        say("the link holds the key to this page: keep it to yourself; Ctrl-C ends it")
        if browser:
            webbrowser.open(link)

    serve(Places(data.absolute(), import_.absolute(), targets.target(on, db.absolute(), data.absolute())), port, ready)
