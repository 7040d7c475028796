"""The sample campaign in either engine, read-only: one for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from campaign import campaign
from load_samples import cypher
from once import Once

from intel_grapher import ask
from intel_grapher.ask.engines import Graph
from intel_grapher.files import Files
from intel_grapher.load import Embedded, load
from intel_grapher.neo4j.server import LocalNeo4j


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, once: Once) -> Path:
    return once.copy("campaign", campaign, tmp_path_factory.mktemp("campaign"))


@pytest.fixture(scope="session")
def embedded(home: Path) -> Iterator[Graph]:
    with ask.opened(Embedded(home / "data" / "graph")) as graph:
        yield graph


@pytest.fixture(scope="module")
def in_neo4j(home: Path, one_neo4j: LocalNeo4j) -> Iterator[Graph]:
    server = one_neo4j.up()
    cypher(server, "MATCH (n) DETACH DELETE n")
    load(Files(home / "import"), server)
    with ask.opened(server) as opened:
        yield opened


@pytest.fixture(params=["embedded", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def graph(request: pytest.FixtureRequest, embedded: Graph) -> Iterator[Graph]:
    if request.param == "embedded":
        yield embedded
        return
    yield request.getfixturevalue("in_neo4j")
