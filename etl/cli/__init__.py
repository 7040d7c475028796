"""The command line: `intel-grapher`. The only place that prints, and that turns errors into exit codes.

0 done   1 failed   2 used wrongly   3 done in part   4 a key is missing   130 interrupted
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import etl
from etl.cli import cache, fetching, graph, neo4j, work
from etl.cli.output import say
from etl.errors import GrapherError

INTERRUPTED = 130

app = typer.Typer(
    name="intel-grapher",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Indicators of compromise in, one deduplicated graph out: fetch, transform, load; then show and query.",
)
fetching.register(app)
work.register(app)
graph.register(app)
app.add_typer(cache.app, name="cache")
app.add_typer(neo4j.app, name="neo4j")


def _version(asked: bool) -> None:  # noqa: FBT001 - typer's way
    if asked:
        typer.echo(f"intel-grapher {etl.__version__}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options of the whole command."""


def main() -> None:
    """Run the command line, and exit with its code."""
    try:
        app(prog_name="intel-grapher")
    except GrapherError as error:
        if os.environ.get("INTEL_GRAPHER_DEBUG"):
            raise
        say(f"error: {error}")
        sys.exit(error.exit_code)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            say("interrupted: what was done is kept, and the same command goes on from there")
        raise
