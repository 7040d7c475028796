"""Which graph a command works on: the embedded one, or a Neo4j, ours or one that the environment names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intel_grapher.cli.output import say
from intel_grapher.errors import LoadError, UsageError
from intel_grapher.load import Embedded, Server
from intel_grapher.neo4j.server import LocalNeo4j, connection_from_environment

To = Annotated[str, typer.Option("--to", envvar="INTEL_GRAPHER_TO", help="embedded, or neo4j.")]
On = Annotated[str, typer.Option("--on", envvar="INTEL_GRAPHER_TO", help="The graph: embedded, or neo4j.")]


def target(name: str, db: Path, data: Path) -> Embedded | Server:
    """Return the graph of that name. A Neo4j is the one that NEO4J_URI names, else the local one, started if need be.

    A local one that was never made is not made here: `intel-grapher neo4j up` says what it downloads.
    """
    if name == "embedded":
        return Embedded(db)
    if name != "neo4j":
        raise UsageError(f"a graph is called embedded or neo4j, not {name!r}")
    named = connection_from_environment()
    if named is not None:
        return Server(named.uri, named.user, named.password)
    local = LocalNeo4j(data / "neo4j", say=say)
    if not local.status().assembled:
        raise LoadError(
            "no Neo4j is known: make a local one with `intel-grapher neo4j up`, "
            "or name yours with NEO4J_URI, NEO4J_USER and NEO4J_PASSWORD"
        )
    return Server.started(local)
