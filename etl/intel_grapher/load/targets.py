"""The graph of a name: what `--to` and `--on` mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from intel_grapher.errors import LoadError, UsageError
from intel_grapher.load.embedded import Embedded
from intel_grapher.neo4j import server
from intel_grapher.neo4j.connection import Server, connection_from_environment

EMBEDDED, NEO4J = "embedded", "neo4j"
"""What graphs are called."""


def target(
    name: str, db: Path, data: Path, say: Callable[[str], None] = lambda _text: None, *, starts: bool = True
) -> Embedded | Server:
    """Return the graph of a name. A Neo4j is that of NEO4J_URI, else the local one, started if it `starts`.

    A load does that itself, unless it would only have to stop the server again.
    `say` is told what is done for that. Raises UsageError for another name, and LoadError if no Neo4j is known. A local
    Neo4j is not made here, because that downloads packages: `intel-grapher neo4j up` does it.
    """
    if name == EMBEDDED:
        return Embedded(db)
    if name != NEO4J:
        raise UsageError(f"a graph is called {EMBEDDED} or {NEO4J}, not {name!r}")
    named = connection_from_environment()
    if named is not None:
        return named
    local = server.LocalNeo4j(data / NEO4J, say=say)
    if not local.status().assembled:
        raise LoadError(
            "no Neo4j is known: make a local one with `intel-grapher neo4j up`, "
            "or name yours with NEO4J_URI, NEO4J_USER and NEO4J_PASSWORD"
        )
    return local.up() if starts else local.connection()
