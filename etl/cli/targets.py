"""Which graph a command works on: the embedded one, or a Neo4j, ours or one that the environment names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from etl.errors import LoadError, UsageError
from etl.load import Embedded, Server

To = Annotated[str, typer.Option("--to", envvar="INTEL_GRAPHER_TO", help="embedded, or neo4j.")]
On = Annotated[str, typer.Option("--on", envvar="INTEL_GRAPHER_TO", help="The graph: embedded, or neo4j.")]


def target(name: str, db: Path, data: Path) -> Embedded | Server:
    """Return the graph of that name. A Neo4j is the one that NEO4J_URI names, else the local one if it is up."""
    if name == "embedded":
        return Embedded(db)
    if name != "neo4j":
        raise UsageError(f"a graph is called embedded or neo4j, not {name!r}")
    if os.environ.get("NEO4J_URI"):
        return Server(
            os.environ["NEO4J_URI"], os.environ.get("NEO4J_USER", "neo4j"), os.environ.get("NEO4J_PASSWORD", "")
        )
    _ = data  # where the local one lives
    raise LoadError("no Neo4j is known: start one with `intel-grapher neo4j up`, or set NEO4J_URI and NEO4J_PASSWORD")
