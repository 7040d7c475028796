"""Where a Neo4j answers and who may come in, and the driver that was let in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from intel_grapher import credentials
from intel_grapher.errors import LoadError

if TYPE_CHECKING:
    import neo4j
    import neo4j.exceptions

    from intel_grapher.neo4j.server import LocalNeo4j
else:
    from intel_grapher.neo4j import driver as neo4j

DATABASE = "neo4j"
"""The one database of the community edition."""
USER = "neo4j"
SECONDS_TO_CONNECT = 10.0


@dataclass(frozen=True, slots=True)
class Server:
    """A Neo4j server.

    uri       its Bolt address, such as bolt://127.0.0.1:7687
    user      who comes in
    password  with what, which the repr does not show
    local     the folder that it runs in, where it is one of our own; else None
    """

    uri: str
    user: str
    password: str = field(repr=False)
    local: LocalNeo4j | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return f"the Neo4j at {self.uri}"


def connection_from_environment(environment: Mapping[str, str] = os.environ) -> Server | None:
    """Return the server that NEO4J_URI, NEO4J_USER (neo4j unless set) and NEO4J_PASSWORD name; None without NEO4J_URI.

    The password may also be where `credentials` looks.

    Raises LoadError where the address is none, holds a password, or NEO4J_PASSWORD is missing.
    """
    uri = environment.get("NEO4J_URI", "").strip()
    if not uri:
        return None
    if "@" in uri:
        raise LoadError("NEO4J_URI holds a user or a password: put them into NEO4J_USER and NEO4J_PASSWORD instead")
    password = environment.get("NEO4J_PASSWORD", "") or credentials.find("NEO4J_PASSWORD").value
    if not password:
        raise LoadError(f"NEO4J_URI names {uri}, but NEO4J_PASSWORD is not set: set it to that server's password")
    return Server(uri, environment.get("NEO4J_USER") or USER, password)


def connect(server: Server) -> neo4j.Driver:
    """Return a driver that was let in; the caller closes it. LoadError says what is in the way, and the way out."""
    not_an_address = f"{server.uri} is not the Bolt address of a Neo4j: that looks like bolt://127.0.0.1:7687"
    if re.match(r"(bolt|neo4j)(\+s|\+ssc)?://", server.uri) is None:
        raise LoadError(not_an_address)
    driver = None
    try:
        driver = neo4j.GraphDatabase.driver(
            server.uri,
            auth=(server.user, server.password),
            connection_timeout=SECONDS_TO_CONNECT,
            retry_delay_multiplier=1.0,  # doubling, the driver may sleep 16 s beside a server that is back
            telemetry_disabled=True,
        )
        driver.verify_connectivity()
        with driver.session(database=DATABASE) as session:  # a server answers before its database does
            session.run("RETURN 1").consume()
    except BaseException as error:
        if driver is not None:
            driver.close()
        if isinstance(error, (neo4j.exceptions.ConfigurationError, ValueError)):
            raise LoadError(not_an_address) from error
        if isinstance(error, (neo4j.exceptions.DriverError, neo4j.exceptions.Neo4jError)):
            raise LoadError(explained(server, error)) from error
        raise
    return driver


def explained(server: Server, error: neo4j.exceptions.DriverError | neo4j.exceptions.Neo4jError) -> str:
    """Return what a driver's error means to the one who has to mend it."""
    uri = server.uri
    if isinstance(error, neo4j.exceptions.AuthError):
        return (
            f"The Neo4j at {uri} refuses the password of {server.user}: set NEO4J_USER and NEO4J_PASSWORD to "
            "what it takes (a local server's own is in the file `password` of its folder)"
        )
    if (
        isinstance(error, neo4j.exceptions.ClientError)
        and error.code == "Neo.ClientError.Security.AuthenticationRateLimit"
    ):
        return f"The Neo4j at {uri} has seen too many wrong passwords: wait a few seconds, then give the right one"
    if isinstance(error, neo4j.exceptions.Neo4jError):
        return f"The Neo4j at {uri} answers, but not from its database `{DATABASE}` ({error.code}): see its logs"
    return (
        f"No Neo4j answers at {uri} ({type(error).__name__}): start one of your own with `intel-grapher neo4j up` or "
        "`docker compose up -d`, or set NEO4J_URI to one that runs"
    )
