"""The command line: `intel-grapher`. The only place that prints, and that turns errors into exit codes.

0 done   1 failed   2 used wrongly   3 done in part   4 a key is missing   130 interrupted
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from typing import Annotated

import typer

import etl
from etl.cli import cache, doctor, fetching, graph, neo4j, work
from etl.cli.output import give_up, say, write_what_can_be
from etl.errors import GrapherError

INTERRUPTED = 130
DEBUG = "INTEL_GRAPHER_DEBUG"
SECRET = re.compile(r"KEY|TOKEN|PASSWORD|SECRET")
SHORTEST_SECRET = 6

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
doctor.register(app)
app.add_typer(cache.app, name="cache")
app.add_typer(neo4j.app, name="neo4j")


def _version(asked: bool) -> None:  # noqa: FBT001 - typer's way
    if asked:
        typer.echo(f"intel-grapher {etl.__version__}")
        raise typer.Exit


@app.callback()
def root(
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options of the whole command."""
    _ = version  # its callback prints it
    if debug:
        os.environ[DEBUG] = "1"


def main() -> None:
    """Run the command line, and exit with its code."""
    write_what_can_be()
    try:
        app(prog_name="intel-grapher")
    except GrapherError as error:
        _trace()
        say(f"error: {masked(str(error))}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(INTERRUPTED)
    except OSError as error:  # met where no room or permission was looked for: it names the file
        _trace()
        say(f"error: the system refused: {masked(str(error))}; mend that and run the command again")
        give_up(sys.stdout)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - a fault of the program is told, too, without its traceback
        _trace()
        say(f"error: {type(error).__name__}: {masked(str(error))}")
        say("this is a fault of the program; `intel-grapher --debug …` shows where")
        sys.exit(1)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            say("interrupted: what was done is kept, and the same command goes on from there")
        raise


def _trace() -> None:
    if DEBUG in os.environ:
        say(masked(traceback.format_exc()))


def masked(text: str) -> str:
    """Return a text without the secrets that the environment holds."""
    for name, value in os.environ.items():
        if SECRET.search(name) and len(value) >= SHORTEST_SECRET:
            text = text.replace(value, "…")
    return text
