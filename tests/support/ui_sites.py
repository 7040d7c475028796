"""The pages that are served to the tests, and what is in their graphs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from campaign import campaign, flatten
from hostile import hostile
from once import Once
from ui_site import Site, plugged, serving

from intel_grapher.files import Files
from intel_grapher.load import Embedded, Server, connected, load
from intel_grapher.neo4j.server import LocalNeo4j


class Sites:
    """The pages that are served, each from when it is first asked for until the session ends.

    One Neo4j serves all: it is made to hold what a site's files say whenever another one had it before.
    """

    def __init__(self, homes: Path, once: Once, service: str, neo4j: Callable[[], LocalNeo4j]) -> None:
        self._homes = homes
        self._once = once
        self._service = service
        self._neo4j = neo4j
        self._open = ExitStack()
        self._served: dict[tuple[str, str], Site] = {}
        self._held = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def get(self, name: str, target: str) -> Site:
        """Return a site: `whole` has every sample, `small` a few and may be changed, `hostile` what attackers write."""
        known = name, target
        if known not in self._served:
            self._served[known] = self._serve(name, target)
        elif target == "neo4j" and self._held != name:
            self._fill(name)
        return self._served[known]

    def _serve(self, name: str, target: str) -> Site:
        home = self._homes / f"{name}-{target}"
        if name == "hostile":
            hostile(home)
        elif name == "small":
            campaign(home, sources="threatcrowd", load=False)
            flatten(home)
        else:
            self._once.copy("campaign", campaign, home)
        environment = plugged(home, self._service)
        if target == "embedded":
            if not (home / "data" / "graph").exists():
                load(Files(home / "import"), Embedded(home / "data" / "graph", 256 << 20))
            return self._open.enter_context(serving(home, environment=environment))
        server = self._fill(name)
        named = {"NEO4J_URI": server.uri, "NEO4J_USER": server.user, "NEO4J_PASSWORD": server.password}
        return self._open.enter_context(serving(home, "--on", "neo4j", environment=environment | named))

    def _fill(self, name: str) -> Server:
        server: Server = self._neo4j().up()
        with connected(server) as database:
            database.run("MATCH (n) DETACH DELETE n")
        load(Files(self._homes / f"{name}-neo4j" / "import"), server, method="bolt")
        self._held = name
        return server
