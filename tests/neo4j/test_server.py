from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from neo4j import Driver
from places import ROOT

from intel_grapher.errors import BusyError, LoadError
from intel_grapher.lock import locked
from intel_grapher.neo4j.home import BOLT, HTTP, LATE_C2, OPENED, YOURS, Home
from intel_grapher.neo4j.java import RELEASES, choose
from intel_grapher.neo4j.server import LocalNeo4j, Server, connect, connection_from_environment

LISTENING = "0A"
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}

needs_proc = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's /proc")


# --- without a server -------------------------------------------------------------------------------------------------


def test_environment_names_a_server() -> None:
    assert connection_from_environment({}) is None
    assert connection_from_environment({"NEO4J_PASSWORD": "canary"}) is None
    named = {"NEO4J_URI": "bolt://db.example:7687", "NEO4J_PASSWORD": "canary"}
    assert connection_from_environment(named) == Server("bolt://db.example:7687", "neo4j", "canary")
    assert connection_from_environment(named | {"NEO4J_USER": "ann"}) == Server(named["NEO4J_URI"], "ann", "canary")
    assert "canary" not in repr(connection_from_environment(named))


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"NEO4J_URI": "bolt://db.example:7687"}, "NEO4J_PASSWORD is not set"),
        ({"NEO4J_URI": "bolt://neo4j:canary@db.example", "NEO4J_PASSWORD": "x"}, "into NEO4J_USER and NEO4J_PASSWORD"),
    ],
)
def test_environment_that_is_incomplete_or_tells_too_much(environment: dict[str, str], said: str) -> None:
    with pytest.raises(LoadError, match=said) as refused:
        connection_from_environment(environment)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:7474", "127.0.0.1:7687", "", "bolt://127.0.0.1:nine", "bolt://[::1"])
def test_an_address_that_is_none(uri: str) -> None:
    with pytest.raises(LoadError, match="is not the Bolt address of a Neo4j"):
        connect(Server(uri, "neo4j", "canary"))


def test_no_server_there() -> None:
    with socket.socket() as taken_but_deaf:
        taken_but_deaf.bind(("127.0.0.1", 0))
        uri = f"bolt://127.0.0.1:{taken_but_deaf.getsockname()[1]}"
        with pytest.raises(LoadError, match=f"No Neo4j answers at {uri}.*intel-grapher neo4j up"):
            connect(Server(uri, "neo4j", "canary"))


def test_nothing_was_ever_made(tmp_path: Path) -> None:
    server = LocalNeo4j(tmp_path / "none")
    status = server.status()
    assert (status.assembled, status.running, status.version, status.pid, status.uri) == (
        False,
        False,
        None,
        None,
        None,
    )
    assert server.down() is False
    for call in (server.connection, lambda: server.admin("database", "check", "neo4j")):
        with pytest.raises(LoadError, match="make one with `intel-grapher neo4j up`"):
            call()
    assert not (tmp_path / "none").exists()


def test_another_process_is_at_work(tmp_path: Path) -> None:
    server = LocalNeo4j(tmp_path)
    with locked(tmp_path / "lock", "it"), pytest.raises(BusyError, match=f"in use by process {os.getpid()}"):
        server.up()
    with server.alone(), server.alone():
        server.drop_old()


def test_a_reused_process_number_is_not_the_server(tmp_path: Path) -> None:
    home = Home(tmp_path, None, "64m")
    home.make_folders()
    home.pid_file.write_text(str(os.getpid()))
    server = LocalNeo4j(tmp_path)
    assert server.status().running is False
    assert server.down() is False


def test_settings_keep_the_users_own_and_ports_that_are_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intel_grapher.neo4j.home.SECONDS_TO_LET_GO", 0.2)
    home = Home(tmp_path, "700m", "64m")
    home.make_folders()
    home.write_settings("only.this.release=knows\n")
    conf = home.conf / "neo4j.conf"
    assert "only.this.release=knows\n" in conf.read_text()
    assert re.search(r"^server\.memory\.heap\.max_size=700m$", conf.read_text(), re.MULTILINE)
    conf.write_text(conf.read_text() + "server.memory.heap.max_size=3g\ndb.logs.query.enabled=OFF\n")
    bolt, http = home.address(BOLT), home.address(HTTP)
    home.write_settings("")
    assert (home.address(BOLT), home.address(HTTP)) == (bolt, http)
    ours, _, yours = conf.read_text().partition(YOURS)
    assert yours == "\nserver.memory.heap.max_size=3g\ndb.logs.query.enabled=OFF\n"
    assert "max_size" not in ours

    assert bolt is not None
    host, _, port = bolt.partition(":")
    with socket.create_server((host, int(port))):
        home.write_settings("")
        assert home.address(BOLT) not in {None, bolt}
    assert home.address(HTTP) == http


def test_settings_of_commands_keep_the_users_own_and_name_one_collector(tmp_path: Path) -> None:
    home = Home(tmp_path, None, "64m")
    home.make_folders()
    home.write_admin_settings()
    commands = home.conf / "neo4j-admin.conf"
    assert re.findall(r"Use\w+GC", commands.read_text()) == ["UseParallelGC"]
    added = "server.jvm.additional=-Xss2m\nserver.jvm.additional = -XX:+UseSerialGC\n"
    commands.write_text(commands.read_text() + added)
    home.write_admin_settings()
    ours, _, yours = commands.read_text().partition(YOURS)
    assert yours == f"\n{added}"
    assert ours.count("server.jvm.additional") == len((*OPENED, *LATE_C2))  # Java starts with no two collectors


def test_passwords_differ_and_are_for_the_owners_eyes(tmp_path: Path) -> None:
    home = Home(tmp_path, None, "64m")
    seen = set()
    for _ in range(50):
        home.make_password()
        seen.add(home.password())
        assert home.password_file.stat().st_mode & 0o777 == 0o600
    assert len(seen) == 50
    assert all(each is not None and re.fullmatch(r"n[\w-]{32}", each) for each in seen)


def test_a_lost_password_is_not_replaced(tmp_path: Path) -> None:
    home = Home(tmp_path, None, "64m")
    (home.data / "databases" / "system").mkdir(parents=True)
    with pytest.raises(LoadError, match="put it back, or delete"):
        home.make_password()


def java(folder: Path, major: int) -> Path:
    """Make a `java` that answers as one of that version does."""
    command = folder / "bin" / "java"
    command.parent.mkdir(parents=True)
    told = f"    java.home = {folder}\n    java.specification.version = {major}\n"
    command.write_text(f"#!/bin/sh\nprintf '%s' 'Property settings:\n{told}' >&2\n")
    command.chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("javas", "belongs_to", "chosen"),
    [
        ((17, 25), None, ("5.26.30", 17)),
        ((25, 17), None, ("2026.08.1", 25)),
        ((21, 17), None, ("2026.08.1", 21)),
        ((11, 17), None, ("5.26.30", 17)),
        ((25, 17), "5.26.30", ("5.26.30", 17)),
        ((25, 21), "5.26.12", ("5.26.30", 21)),
        ((17, 21), "2025.11.0", ("2026.08.1", 21)),
    ],
)
def test_release_by_java_and_java_by_what_the_data_belongs_to(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    javas: tuple[int, int],
    belongs_to: str | None,
    chosen: tuple[str, int],
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path / "home", javas[0])))
    monkeypatch.setenv("PATH", str(java(tmp_path / "path", javas[1]) / "bin"))
    release, found = choose(belongs_to)
    assert (release.version, found.major) == chosen


def test_no_java_that_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path, 11)))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LoadError, match=r"Java 17 to 21 \(for Neo4j 5.*Java 11 in .*docker compose up"):
        choose("5.26.30")


def test_compose_names_the_newest_release_and_the_loopback_only() -> None:
    text = (ROOT / "compose.yaml").read_text()
    assert f"image: neo4j:{RELEASES[0].version}-community" in text
    ports = re.findall(r'^ +- "(.*):\d+"', text, re.MULTILINE)
    assert ports == ["127.0.0.1:7687", "127.0.0.1:7474"]


# --- with one ---------------------------------------------------------------------------------------------------------


def names(driver: Driver) -> list[str]:
    records = driver.execute_query("MATCH (n:Domain) RETURN n.name AS name ORDER BY name", database_="neo4j").records
    return [record["name"] for record in records]


def emptied_but_for(driver: Driver, name: str) -> None:
    driver.execute_query("MATCH (n) DETACH DELETE n", database_="neo4j")
    driver.execute_query("CREATE (:Domain {name: $name})", name=name, database_="neo4j")


def import_into(neo4j: LocalNeo4j, database: str, folder: Path, *more: str) -> None:
    (folder / "Domain.csv").write_text("name:ID(Domain)\na.example\nb.example\n")
    (folder / "KNOWS.csv").write_text(":START_ID(Domain),:END_ID(Domain)\na.example,b.example\n")
    arguments = folder / "arguments"
    arguments.write_text(
        f"--nodes=Domain={folder}/Domain.csv\n--relationships=KNOWS={folder}/KNOWS.csv\n"
        f"--report-file={folder}/import.report\n"
    )
    done = neo4j.admin("database", "import", "full", database, *more, f"@{arguments}")
    assert re.search(r"2 nodes\s+1 relationships", done.stdout)


@pytest.mark.neo4j
def test_up_again_is_the_same_server(neo4j: LocalNeo4j) -> None:
    before = neo4j.status()
    connection = neo4j.up()
    assert neo4j.status() == before
    assert before.running
    assert before.assembled
    assert before.pid is not None
    assert before.version in {each.version for each in RELEASES}
    assert before.uri == connection.uri
    assert LocalNeo4j(neo4j.home).up() == connection
    assert connection.password not in repr(connection)


@pytest.mark.neo4j
@needs_proc
def test_listens_on_the_loopback_only(neo4j: LocalNeo4j) -> None:
    pid = neo4j.status().pid
    links = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            links.append(str(each.readlink()))
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    ports = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            (
                _,
                local,
                _,
                state,
                *_,
            ) = columns = line.split()
            if columns[9] in inodes and (state == LISTENING or table.startswith("udp")):
                address, _, port = local.partition(":")
                assert address in LOOPBACK, f"{table} {local}"
                ports.add(int(port, 16))
    assert len(ports) == 2
    assert int(neo4j.connection().uri.rpartition(":")[2]) in ports


@pytest.mark.neo4j
@needs_proc
def test_its_process_holds_no_secret(neo4j: LocalNeo4j) -> None:
    process = Path(f"/proc/{neo4j.status().pid}")
    password = neo4j.connection().password.encode()
    assert neo4j.home.joinpath("password").stat().st_mode & 0o777 == 0o600
    assert password not in (process / "cmdline").read_bytes()
    assert password not in (process / "environ").read_bytes()


@pytest.mark.neo4j
def test_wrong_password(neo4j: LocalNeo4j) -> None:
    right = neo4j.connection()
    with pytest.raises(LoadError, match="refuses the password of neo4j: set NEO4J_USER and NEO4J_PASSWORD") as refused:
        connect(Server(right.uri, right.user, "canary-canary"))
    assert "canary" not in str(refused.value)


@pytest.mark.neo4j
def test_import_into_what_is_being_served(neo4j: LocalNeo4j, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"database is in use\. Stop it first: `intel-grapher neo4j down`"):
        import_into(neo4j, "neo4j", tmp_path, "--overwrite-destination")
    with pytest.raises(LoadError, match=r"runs \(process \d+\): stop it"):
        neo4j.swap_in("fresh")


@pytest.mark.neo4j
def test_admin_says_why_it_failed(neo4j: LocalNeo4j) -> None:
    with pytest.raises(LoadError, match=r"(?s)`neo4j-admin database check nosuch` failed.*neo4j-admin\.log.*nosuch"):
        neo4j.admin("database", "check", "nosuch")


@pytest.mark.neo4j
def test_killed_and_up_again_though_its_port_is_taken_at_the_last_moment(neo4j: LocalNeo4j) -> None:
    with connect(neo4j.connection()) as driver:
        emptied_but_for(driver, "committed.example")
    before = neo4j.status()
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    while neo4j.status().running:
        time.sleep(0.01)
    assert (neo4j.home / "run" / "neo4j.pid").exists()
    with ExitStack() as others:
        said = []

        def take_the_port(text: str) -> None:
            said.append(text)
            if text.startswith("Starting"):
                host, _, port = str(before.uri).removeprefix("bolt://").partition(":")
                others.enter_context(socket.create_server((host, int(port))))

        connection = LocalNeo4j(neo4j.home, heap="512m", page_cache="64m", say=take_the_port).up()
    assert connection.uri != before.uri
    assert "was taken by another program" in said[-1]
    assert neo4j.status().pid != before.pid
    with connect(connection) as driver:
        assert names(driver) == ["committed.example"]


@pytest.mark.neo4j
def test_a_server_that_ends_while_it_is_asked_for_is_started_anew(neo4j: LocalNeo4j) -> None:
    before = neo4j.status()
    assert before.pid is not None
    os.kill(before.pid, signal.SIGSTOP)  # it is there, and does not answer
    with ThreadPoolExecutor(1) as pool:
        going_up = pool.submit(neo4j.up)
        time.sleep(1)
        assert not going_up.done()
        os.kill(before.pid, signal.SIGKILL)
        connection = going_up.result()
    assert connection.uri == before.uri
    assert neo4j.status().pid not in {None, before.pid}
    connect(connection).close()


@pytest.mark.neo4j
def test_import_beside_check_and_swap(neo4j: LocalNeo4j, tmp_path: Path) -> None:
    with connect(neo4j.connection()) as driver:
        emptied_but_for(driver, "old.example")
    uri = neo4j.connection().uri
    import_into(neo4j, "fresh", tmp_path)  # while the server runs
    neo4j.admin("database", "check", "fresh", f"--report-path={tmp_path}")
    assert neo4j.down() is True
    assert neo4j.down() is False
    assert neo4j.status().running is False
    with neo4j.alone():
        neo4j.swap_in("fresh")
        with connect(neo4j.up()) as driver:
            assert names(driver) == ["a.example", "b.example"]
            query = "MATCH (:Domain)-[r:KNOWS]->() RETURN count(r) AS n"
            assert driver.execute_query(query, database_="neo4j").records[0]["n"] == 1
        assert neo4j.connection().uri == uri
        neo4j.drop_old()
    assert not (neo4j.home / "data" / "old").exists()


# --- making one -------------------------------------------------------------------------------------------------------


def command_lines(seen: set[bytes], stop: threading.Event) -> None:
    while not stop.wait(0.01):
        for process in Path("/proc").glob("[0-9]*"):
            try:
                seen.add((process / "cmdline").read_bytes())
            except OSError:  # it ended meanwhile
                continue


@pytest.fixture(scope="module")
def spare(one_neo4j: LocalNeo4j, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalNeo4j, set[bytes]]]:
    """Give a second Neo4j that was never started, and the command lines seen on this machine while it was made."""
    assert one_neo4j.status().assembled
    server = LocalNeo4j(tmp_path_factory.mktemp("spare") / "home", heap="512m", page_cache="64m")
    seen: set[bytes] = set()
    stop = threading.Event()
    watcher = threading.Thread(target=command_lines, args=(seen, stop))
    watcher.start()
    try:
        server.assemble()
    finally:
        stop.set()
        watcher.join()
    yield server, seen
    server.down()


@pytest.mark.neo4j
@needs_proc
def test_making_it_shows_no_password(spare: tuple[LocalNeo4j, set[bytes]]) -> None:
    server, seen = spare
    assert any(b"set-initial-password" in each and b"AdminTool" in each for each in seen)
    assert not any(server.connection().password.encode() in each for each in seen)


@pytest.mark.neo4j
def test_making_it_copies_no_jar(spare: tuple[LocalNeo4j, set[bytes]]) -> None:
    server, _ = spare
    assert (server.home / "lib").is_symlink()
    assert sum(path.stat().st_size for path in server.home.rglob("*") if path.is_file()) < 100_000


@pytest.mark.neo4j
def test_a_start_that_fails_says_why_and_leaves_no_process(spare: tuple[LocalNeo4j, set[bytes]]) -> None:
    server, _ = spare
    conf = server.home / "conf" / "neo4j.conf"
    as_it_was = conf.read_text()
    conf.write_text(f"{as_it_was}server.bolt.no_such_setting=1\n")
    with pytest.raises(LoadError, match=r"(?s)did not start.*no_such_setting.*debug\.log"):
        server.up()
    assert server.status().running is False
    conf.write_text(as_it_was)


@pytest.mark.neo4j
@needs_proc
def test_a_start_that_takes_too_long_is_ended(spare: tuple[LocalNeo4j, set[bytes]]) -> None:
    server, _ = spare
    with pytest.raises(LoadError, match="did not start within 3 seconds"):
        server.up(within=3)
    assert server.status().running is False
    home = os.fsencode(server.home)
    assert not any(home in path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline"))
