"""What several test files share: a service on the loopback address, an empty cache, one real Neo4j for all."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3_server
from load_samples import cypher
from loopback import Loopback, loopback
from neo4j import Driver
from once import Once
from s3_server import S3Server

from intel_grapher.cache import Cache
from intel_grapher.errors import LoadError
from intel_grapher.load import Server
from intel_grapher.neo4j.server import LocalNeo4j, connect
from intel_grapher.source import Endpoint

STARTS_FAST = """
server.jvm.additional=-XX:TieredStopAtLevel=1
server.jvm.additional=-XX:+UseSerialGC
"""
"""Halves what a start costs, and would slow down any real load: the user's own settings, as far as Neo4j can tell."""

MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder there that is the user's alone
ROOM = 6 << 30
SMALL = (
    "tests/keys/",
    "tests/sources/",
    "tests/test_structure.py",
    "tests/transform/test_linear.py",
    "tests/test_times.py",
)
"""Files of very many tests that take a few milliseconds each."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together, in one process of a parallel run, the tests that share a Neo4j and those that share a page.

    Each process would otherwise start a server and a browser of its own. So are a source's contract tests, which
    compare its endpoints, and many small tests of a file, each of which would otherwise be handed out on its own.
    """
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.get_closest_marker("neo4j") or "one_neo4j" in fixtures:
            item.add_marker(pytest.mark.xdist_group("neo4j"))
        elif "browser" in fixtures or "sites" in fixtures:
            item.add_marker(pytest.mark.xdist_group("page"))
        elif isinstance(item, pytest.Function) and isinstance(
            endpoint := getattr(item, "callspec", None) and item.callspec.params.get("endpoint"), Endpoint
        ):
            item.add_marker(pytest.mark.xdist_group(f"contract of {endpoint.source.name}"))
        elif item.nodeid.startswith(SMALL):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def pytest_configure() -> None:
    """Take Ctrl-C again, and work in memory where there is room.

    A shell's background job begins with Ctrl-C ignored, and so would all that the tests start.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if in_memory():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def in_memory() -> bool:
    """Tell whether the tests' folders may lie in memory, where waiting for a disk costs nothing.

    What is said to survive a power cut is tested by `make prove`, on a disk whose writes are lost on purpose.
    """
    try:
        found = os.statvfs(MEMORY)
    except OSError:
        return False
    writable = not found.f_flag & (os.ST_NOEXEC | os.ST_RDONLY) and os.access(MEMORY, os.W_OK)
    return writable and found.f_bavail * found.f_frsize >= ROOM


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Once:
    """Give the folders that are made once for all processes of a run."""
    own = tmp_path_factory.getbasetemp()
    return Once(own if worker_id == "master" else own.parent)


@pytest.fixture
def service() -> Iterator[Loopback]:
    """Give a service on the loopback address."""
    with loopback() as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    """Give an empty cache."""
    with Cache(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait next to nothing after a failure of a service."""
    monkeypatch.setattr("intel_grapher.fetch.service.FIRST_WAIT", 0.01)


@pytest.fixture(scope="session")
def one_neo4j(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNeo4j]:
    """Give an assembled Neo4j, which may be up or down; skip where none can be had, but never in CI."""
    server = LocalNeo4j(tmp_path_factory.mktemp("neo4j") / "home", heap="512m", page_cache="64m")
    try:
        server.assemble()
    except LoadError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"NO NEO4J TO TEST WITH: {error}")
    for name in ("neo4j.conf", "neo4j-admin.conf"):
        with (server.home / "conf" / name).open("a", encoding="utf-8") as settings:
            settings.write(STARTS_FAST)
    yield server
    server.down()


@pytest.fixture
def neo4j(one_neo4j: LocalNeo4j) -> LocalNeo4j:
    """Give the session's Neo4j, running; what a test leaves in its database, the next one finds."""
    one_neo4j.up()
    return one_neo4j


@pytest.fixture
def neo4j_driver(neo4j: LocalNeo4j) -> Iterator[Driver]:
    """Give a driver for it."""
    with connect(neo4j.connection()) as driver:
        yield driver


@pytest.fixture
def server(neo4j: LocalNeo4j) -> Iterator[Server]:
    """Give it as the loader knows it, its database empty before and after."""
    started = neo4j.up()
    cypher(started, "MATCH (n) DETACH DELETE n")
    yield started
    cypher(started, "MATCH (n) DETACH DELETE n")


@pytest.fixture(scope="session")
def one_s3() -> Iterator[S3Server]:
    """Give one S3 server for all tests of a process."""
    with s3_server.serving() as server:
        yield server


@pytest.fixture
def s3(one_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """Give an S3 server with an empty bucket, which this process finds by its environment."""
    s3_server.empty(one_s3)
    s3_server.use(one_s3, monkeypatch)
    return one_s3
