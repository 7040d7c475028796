"""A real Neo4j that is killed, started anew, fought over or out of disk while it is loaded: a rerun ends in parity."""

from __future__ import annotations

import errno
import logging
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import neo4j
import pytest
from load_samples import MANY, cypher, day, write

from intel_grapher import disk
from intel_grapher.errors import LoadError
from intel_grapher.files import Group
from intel_grapher.load import Server, connected, load, verify
from intel_grapher.load.neo4j import batches, writer
from intel_grapher.neo4j.connection import DATABASE, connect
from intel_grapher.neo4j.server import LocalNeo4j

pytestmark = pytest.mark.neo4j


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH", 7)


BUSY = "currentQuery = '' AND activeLockCount > 0 OR status STARTS WITH 'Blocked'"
"""Of transactions: those that hold locks and wait, for others or for us."""


def at_step(number: int, work: Callable[[], object]) -> Callable[[str, int, int], None]:
    """Return a progress that does something at its n-th step."""
    steps = iter(range(1, 1 << 30))

    def progress(_step: str, _done: int, _of: int) -> None:
        if next(steps) == number:
            work()

    return progress


def local_of(server: Server) -> LocalNeo4j:
    assert server.local is not None
    return server.local


def pid_of(server: Server) -> int:
    pid = local_of(server).status().pid
    assert pid is not None
    return pid


@pytest.mark.parametrize("step", [4, 12])
def test_a_server_killed_and_started_anew_while_it_is_loaded(tmp_path: Path, server: Server, step: int) -> None:
    files = write(tmp_path / "import", MANY)
    restarts: list[threading.Thread] = []

    def kill() -> None:
        os.kill(pid_of(server), signal.SIGKILL)
        restarts.append(threading.Thread(target=local_of(server).up))
        restarts[0].start()

    try:
        loaded = load(files, server, method="bolt", progress=at_step(step, kill))
    except LoadError as told:  # it was away for longer than a transaction is tried again
        assert "load again" in str(told)  # noqa: PT017 - either end is right
        restarts[0].join()
        loaded = load(files, server, method="bolt")
    restarts[0].join()
    assert loaded.parity.equal
    assert verify(files, server).equal
    assert not (tmp_path / ".import.sent.json").exists()


def test_a_deadlock_with_another_writer_is_outlived(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(batches, "BATCH", 100)  # one transaction for all domains
    load(write(tmp_path / "import", MANY), server, method="bolt")
    domains = Group("Domain")
    files = write(tmp_path / "import", {**MANY, domains: [{**row, "fetched_at": day(3)} for row in MANY[domains]]})
    caplog.set_level(logging.WARNING, "neo4j")
    lost = False
    with connect(local_of(server).connection()) as driver, ThreadPoolExecutor(2) as pool, ExitStack() as sessions:
        one, other = (sessions.enter_context(driver.session(database=DATABASE)).begin_transaction() for _ in range(2))
        touch(one, 39)
        touch(other, 20)
        again = pool.submit(load, files, server, method="bolt")
        waits_for(server, 1)  # the load holds 0 to 19, and waits for `other`
        closing = pool.submit(touch, one, 0)
        waits_for(server, 2)  # `one` waits for the load
        other.rollback()  # the load goes on to 39, which `one` holds
        try:
            closing.result()
            one.commit()
        except neo4j.exceptions.TransientError as deadlock:
            lost = deadlock.code == "Neo.TransientError.Transaction.DeadlockDetected"
        assert again.result().parity.equal
    assert lost or "DeadlockDetected" in caplog.text
    assert verify(files, server).equal


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_writer_that_two_batches_wait_for_in_a_ring_is_let_through(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """The first batch waits for the other writer, the second for its turn after the first, the writer for the second.

    The server sees only two of the three wait.
    """
    monkeypatch.setattr(writer, "PATIENCE", 1.0)
    files = write(tmp_path / "import", MANY)
    with ThreadPoolExecutor(2) as pool, another_writer(server) as other:
        loading = pool.submit(load, files, server, method="bolt")
        waits_for(server, 1)
        closing = pool.submit(other.run, "CREATE (:Domain {name: 'name-010.example'})")  # of the second
        closing.result(60)
        assert not loading.done()
        getattr(other, end)()
        assert loading.result().parity.equal
    assert verify(files, server).equal


def test_a_batch_runs_while_the_one_before_waits_and_is_committed_after_it(tmp_path: Path, server: Server) -> None:
    files = write(tmp_path / "import", MANY)
    with ThreadPoolExecutor(1) as pool, another_writer(server) as other:
        loading = pool.submit(load, files, server, method="bolt")
        waits_for(server, 1)
        waits_for(server, 3, BUSY)
        assert cypher(server, "MATCH (d:Domain) RETURN count(d) AS rows")[0]["rows"] == 0
        other.rollback()
        assert loading.result().parity.equal
    assert verify(files, server).equal


def test_after_a_batch_that_fails_for_good_nothing_is_committed(tmp_path: Path, server: Server) -> None:
    files = write(tmp_path / "import", MANY)
    with ThreadPoolExecutor(1) as pool, another_writer(server) as other:
        loading = pool.submit(load, files, server, method="bolt")
        waits_for(server, 3, BUSY)
        blocked = cypher(
            server, "SHOW TRANSACTIONS YIELD transactionId AS id, status WHERE status STARTS WITH 'Blocked'"
        )
        cypher(server, "TERMINATE TRANSACTIONS $id", id=blocked[0]["id"])
        with pytest.raises(LoadError, match="erminated"):
            loading.result()
        other.rollback()
    assert cypher(server, "MATCH (d:Domain) RETURN count(d) AS rows")[0]["rows"] == 0
    assert load(files, server, method="bolt").parity.equal


@contextmanager
def another_writer(server: Server) -> Iterator[neo4j.Transaction]:
    """Give an open transaction that has made a node of the first batch of 7, in a database with constraints."""
    with connected(server) as database:
        database.constrain([Group("Domain")])
    with connect(local_of(server).connection()) as driver, driver.session(database=DATABASE) as session:
        other = session.begin_transaction()
        other.run("CREATE (:Domain {name: 'name-003.example'})").consume()
        yield other


def touch(transaction: neo4j.Transaction, number: int) -> None:
    transaction.run("MATCH (d:Domain {name: $name}) SET d.mine = 1", name=f"name-{number:03}.example").consume()


def waits_for(server: Server, number: int, which: str = "status STARTS WITH 'Blocked'") -> None:
    """Return when there are so many transactions of some kind, such as those that wait for locks."""
    limit = time.monotonic() + 60
    query = f"SHOW TRANSACTIONS YIELD * WHERE {which} RETURN count(*) AS found"
    while cypher(server, query)[0]["found"] < number:
        assert time.monotonic() < limit, "nobody waits"
        time.sleep(0.05)


def test_a_server_that_can_t_write_any_more(tmp_path: Path, server: Server) -> None:
    files = write(tmp_path / "import", MANY)
    pid, kept = pid_of(server), resource.prlimit(pid_of(server), resource.RLIMIT_FSIZE)

    def fill() -> None:  # a log's size tells nothing of how far it is written: Neo4j makes room in it beforehand
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, kept[1]))

    with pytest.raises(LoadError, match=r"load again|refused"):
        load(files, server, method="bolt", progress=at_step(6, fill))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, kept)
    local_of(server).down()  # as one does who has made room
    local_of(server).up()
    assert load(files, server, method="bolt").parity.equal
    assert verify(files, server).equal


def test_a_full_disk_on_our_side_is_told_and_nothing_is_lost(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write(tmp_path / "import", MANY)

    def full(path: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(disk, "write_atomically", full)
        with pytest.raises(LoadError, match=r"\.import\.sent.*No space left"):
            load(files, server, method="bolt")
    assert load(files, server, method="bolt").parity.equal
