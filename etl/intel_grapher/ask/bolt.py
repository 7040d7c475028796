"""A user's Cypher, answered by a Neo4j in a process of its own: what a server sends may be of any size."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from intel_grapher.ask.engines import Neo4jGraph
from intel_grapher.errors import UsageError
from intel_grapher.neo4j.connection import DATABASE, Server, explained

if TYPE_CHECKING:
    import neo4j
    import neo4j.exceptions
else:
    from intel_grapher.neo4j import driver as neo4j

FETCHED = 1000  # rows that the server sends together, and that are read, wanted or not


def answer(server: Server, driver: neo4j.Driver, request: dict[str, Any]) -> dict[str, Any]:
    """Return the reply to a request, as `question_process` has them."""
    fetched = min(request["limit"] + 1, FETCHED)
    try:
        with driver.session(database=DATABASE, fetch_size=fetched, notifications_min_severity="OFF") as session:
            found = Neo4jGraph(session).ask(
                request["cypher"], parameters(request["parameters"]), limit=request["limit"], timeout=request["timeout"]
            )
    except MemoryError:
        return {"error": "bad_alloc", "ends": True}
    except UsageError as refused:
        return {"refused": str(refused)}
    except (neo4j.exceptions.DriverError, neo4j.exceptions.Neo4jError) as wrong:
        return {"lost": explained(server, wrong), "ends": True}
    except BaseException as panic:
        if type(panic).__module__ != "pyo3_runtime":
            raise
        return {"error": "bad_alloc", "ends": True}  # the driver's codec, in Rust, panics where memory ends
    return {
        "columns": found.columns,
        "rows": found.rows,
        "cut": found.cut,
        "nodes": [list(node) for node in found.nodes],
    }


def parameters(values: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as the driver takes them: a timestamp, which is an object in a request, as a datetime."""
    return {
        name: datetime.fromisoformat(value["timestamp"]).replace(tzinfo=UTC) if isinstance(value, dict) else value
        for name, value in values.items()
    }
