"""`neo4j`: a local Neo4j server of one's own."""

from __future__ import annotations

import typer

from intel_grapher.cli import options
from intel_grapher.cli.output import print_json, print_line, print_table, say
from intel_grapher.neo4j.server import LocalNeo4j

app = typer.Typer(
    name="neo4j", no_args_is_help=True, add_completion=False, help="A local Neo4j of one's own: up, down, status."
)


@app.command()
def up(data: options.Data = options.DATA) -> None:
    """Start the local Neo4j. The first time, packages are downloaded and put together, once a user."""
    local = LocalNeo4j(data / "neo4j", say=say)
    connection = local.up()
    print_line(f"Neo4j answers at {connection.uri}; user {connection.user}, password in {local.home / 'password'}")
    say("next: intel-grapher load --to neo4j")


@app.command()
def down(data: options.Data = options.DATA) -> None:
    """Stop the local Neo4j. Its data stays."""
    print_line("stopped" if LocalNeo4j(data / "neo4j", say=say).down() else "it was not running")


@app.command()
def status(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """Print whether the local Neo4j is there, and whether it runs."""
    status = LocalNeo4j(data / "neo4j").status()
    members = {
        "assembled": status.assembled,
        "running": status.running,
        "neo4j": status.version,
        "pid": status.pid,
        "uri": status.uri,
        "home": str(status.home),
    }
    if json:
        print_json(members)
    else:
        print_table(("what", "value"), list(members.items()))
