"""`mcp`: serves the graph to an assistant, over standard input and output."""

from __future__ import annotations

from pathlib import Path

import typer

from intel_grapher.api import Workspace
from intel_grapher.cli import graph, options
from intel_grapher.cli.output import say
from intel_grapher.errors import UsageError

app = typer.Typer(add_completion=False)


@app.command("mcp")
def mcp(
    data: options.Data = options.DATA,
    import_: options.Import = options.IMPORT,
    db: options.Db = options.DB,
    on: graph.On = graph.EMBEDDED,
) -> None:
    """Serve the graph to an assistant, read-only (MCP).

    It speaks the Model Context Protocol on standard input and output, until its client ends. It asks no service. An
    assistant's program starts it: docs/mcp.md says how.
    """
    try:
        from intel_grapher.mcp import server  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "mcp":
            raise
        raise UsageError("the package mcp is not installed: pip install 'intel-grapher[mcp]'") from error
    from intel_grapher.cli import masked  # noqa: PLC0415 - it imports its commands when they are run

    with Workspace(Path.cwd(), data=data, import_=import_, db=db, to=on) as workspace:
        say("serving on standard input and output, read-only; a client of the Model Context Protocol starts this")
        server(workspace, masked).run()
