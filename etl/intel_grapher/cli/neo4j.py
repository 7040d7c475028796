"""`intel-grapher neo4j`: a local server of one's own."""

from __future__ import annotations

import typer

from intel_grapher.cli import options
from intel_grapher.cli.output import print_json, print_line, print_table, say
from intel_grapher.neo4j.server import LocalNeo4j

group = typer.Typer(no_args_is_help=True, help="A local Neo4j of one's own: up, down, status.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="neo4j")


@group.command()
def up(data: options.Data = options.DATA) -> None:
    """Start the local Neo4j; the first time it is put together from packages, which are downloaded once a user."""
    local = LocalNeo4j(data / "neo4j", say=say)
    connection = local.up()
    print_line(f"Neo4j answers at {connection.uri}; user {connection.user}, password in {local.home / 'password'}")
    say("next: intel-grapher load --to neo4j")


@group.command()
def down(data: options.Data = options.DATA) -> None:
    """Stop the local Neo4j. Its data stays."""
    print_line("stopped" if LocalNeo4j(data / "neo4j", say=say).down() else "it was not running")


@group.command()
def status(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """Tell whether the local Neo4j is there, and whether it runs."""
    found = LocalNeo4j(data / "neo4j").status()
    told = {
        "assembled": found.assembled,
        "running": found.running,
        "version": found.version,
        "pid": found.pid,
        "uri": found.uri,
        "home": str(found.home),
    }
    if json:
        print_json(told)
    else:
        print_table(("what", "value"), told.items())
