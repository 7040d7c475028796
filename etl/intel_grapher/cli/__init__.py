"""The command line: `intel-grapher`. The only place that prints, and that turns errors into exit codes.

0 done   1 failed   2 used wrongly   3 done in part   4 a key is missing   130 interrupted
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.core

import intel_grapher
from intel_grapher.cli.output import give_up, say, write_what_can_be
from intel_grapher.errors import GrapherError

INTERRUPTED = 130
DEBUG = "INTEL_GRAPHER_DEBUG"
SECRET = re.compile(r"KEY|TOKEN|PASSWORD|SECRET")
SHORTEST_SECRET = 6

COMMANDS = {
    "fetch": "fetching",
    "plan": "fetching",
    "transform": "transforming",
    "load": "loading",
    "run": "work",
    "show": "asking",
    "path": "asking",
    "rank": "asking",
    "query": "asking",
    "queries": "asking",
    "ui": "ui",
    "sources": "tables",
    "schema": "tables",
    "diff": "changes",
    "doctor": "doctor",
    "cache": "cache",
    "neo4j": "neo4j",
}
"""Every command, in the order in which help lists them, and the module here that registers it."""


class Commands(typer.core.TyperGroup):
    """The commands. A module is imported when one of its commands is asked for: each has heavy ones behind it."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - typer's own click
        """Return the names."""
        _ = ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - likewise
        """Return the command of that name, None where there is none; then all are known, and the nearest is named."""
        _ = ctx
        for name in [cmd_name] if cmd_name in COMMANDS else COMMANDS:
            if name not in self.commands:
                registered = typer.Typer()
                import_module(f"{__name__}.{COMMANDS[name]}").register(registered)
                self.commands.update(typer.main.get_group(registered).commands)
        return self.commands.get(cmd_name)


app = typer.Typer(
    name="intel-grapher",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Indicators of compromise in, one deduplicated graph out: fetch, transform, load; then show and query.",
)


def _version(asked: bool) -> None:  # noqa: FBT001 - typer's way
    if asked:
        typer.echo(f"intel-grapher {intel_grapher.__version__}")
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
