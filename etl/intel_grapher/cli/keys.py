"""`keys`: the services' API keys: which are set, whether they are accepted, and keeping one."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated

import typer

from intel_grapher import credentials, settings
from intel_grapher.cli import options
from intel_grapher.cli.fetch_settings import SourceChoice
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import print_json, print_line, print_table, say
from intel_grapher.errors import GrapherError, KeyMissingError, UsageError
from intel_grapher.fetch.key_check import KeyState, check
from intel_grapher.registry import Registry

app = typer.Typer(
    name="keys", no_args_is_help=True, add_completion=False, help="The services' keys: check them, and keep one."
)


@app.command("check")
@grouped
def check_command(sources: SourceChoice, *, json: options.Json = False) -> None:
    """Ask the services whether they accept your keys, where that costs nothing."""
    registry = Registry.installed()
    rows = []
    for source in sources.selected(registry):
        if source.key is not None and not source.retired:
            found = check(source)
            origin = credentials.find(source.key.variable).origin
            rows.append((source.name, source.key.variable, origin, found.state.value, found.detail))
    columns = ("source", "key", "from", "state", "detail")
    if json:
        print_json({"keys": [dict(zip(columns, row, strict=True)) for row in rows]})
    else:
        print_table(columns, rows)
    states = {row[3] for row in rows}
    if KeyState.REFUSED.value in states:
        refused = ", ".join(sorted({row[1] for row in rows if row[3] == KeyState.REFUSED.value}))
        raise KeyMissingError(f"refused: {refused}; `intel-grapher keys set NAME` keeps another")
    if KeyState.UNREACHED.value in states:
        if KeyState.ACCEPTED.value not in states:
            raise GrapherError("no service gave an answer about its key: see the details, and try again later")
        say("some services gave no answer about their key: try again later")
        raise typer.Exit(options.PART)


@app.command("set")
def set_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The key's name, such as SHODAN_API_KEY.")],
) -> None:
    """Keep a key in your own keys file, which only you can read.

    The key is asked for, and not shown; where standard input is no terminal, it is read from there.
    """
    known = {source.key.variable: source for source in Registry.installed().values() if source.key}
    if name not in known and name not in settings.SECRETS:
        raise UsageError(f"no source has a key called {name!r}; there are: {', '.join(sorted(known))}")
    if sys.stdin is None:
        raise UsageError("standard input is closed: the key is read from there")
    value = getpass.getpass(f"{name}: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not value.strip():
        raise UsageError("no key was given")
    path = credentials.write(name, value.strip())
    print_line(f"{name} is kept in {path}, which only you can read")
    if credentials.find(name).origin == "environment":
        say(f"{name} is also set in the environment, which wins")
