"""A real Neo4j, loaded both ways: the same graph as in the files, and in the embedded engine."""

from __future__ import annotations

import contextlib
import random
import subprocess
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from load_samples import HOSTILE, SAMPLE, Rows, cypher, day, write

from intel_grapher.errors import LoadError, UsageError
from intel_grapher.files import Group
from intel_grapher.load import Embedded, Server, connected, load, loading, verify
from intel_grapher.load.neo4j import admin
from intel_grapher.load.neo4j.importer import parquet_arguments
from intel_grapher.neo4j.server import LocalNeo4j

pytestmark = pytest.mark.neo4j
EVERYTHING: Rows = {
    group: sorted(
        {
            tuple(row[name] for name in group.keys): row for row in [*SAMPLE.get(group, []), *HOSTILE.get(group, [])]
        }.values(),
        key=lambda row: [row[name].encode() for name in group.keys],
    )
    for group in sorted({*SAMPLE, *HOSTILE}, key=lambda group: (bool(group.type), str(group)))
}


def test_three_ways_hold_the_same_graph(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write(tmp_path / "im,port [1] (x)", EVERYTHING)
    embedded = load(files, Embedded(tmp_path / "graph", 64 << 20))
    bolt = load(files, server, method="bolt")
    by_bolt = values(server)
    refuses_a_second_of_a_key(server)
    assert server.local is not None
    server.local.down()
    said: list[str] = []
    stopped = LocalNeo4j(server.local.home, heap="512m", page_cache="64m", say=said.append)
    monkeypatch.setattr(LocalNeo4j, "has_room_for", lambda _self, _database: False)  # then the check comes first
    by_admin = load(files, stopped.connection(), method="admin", replace=True)
    assert sum("Starting" in each for each in said) == 1
    assert "Consistency check" in (stopped.home / "logs" / "neo4j-admin.log").read_text()
    assert embedded.parity == bolt.parity == by_admin.parity
    assert by_admin.parity.equal
    assert (bolt.method, by_admin.method) == ("bolt", "admin")
    assert verify(files, server).equal
    assert values(server) == by_bolt
    refuses_a_second_of_a_key(server)
    assert by_bolt[0]["votes"] == 2**63 - 1
    assert str(by_bolt[2]["seen"]).startswith("9999-12-31T23:59:59")
    names = {row["name"] for row in cypher(server, "MATCH (m:Malware) RETURN m.name AS name")}
    assert names == {row["name"] for row in HOSTILE[Group("Malware")]}


def values(server: Server) -> list[dict[str, Any]]:
    return cypher(
        server,
        "MATCH (n) WHERE n.votes IS NOT NULL OR n.last_seen IS NOT NULL "
        "RETURN n.name AS name, n.votes AS votes, n.last_seen AS seen, n.tags AS tags ORDER BY name",
    )


def refuses_a_second_of_a_key(server: Server) -> None:
    with pytest.raises(LoadError, match="twice"), connected(server) as database:
        database.session.run("CREATE (:Domain {name: 'example.com'})").consume()


def test_loading_twice_changes_nothing(tmp_path: Path, server: Server) -> None:
    files = write(tmp_path / "import", EVERYTHING)
    first = load(files, server, method="bolt")
    second = load(files, server)
    assert first.parity == second.parity
    assert second.method == "bolt"
    assert "holds" in second.why
    assert (first.sent, second.sent) == (sum(first.rows.values()), 0)


def test_an_addition_sends_only_what_is_new(tmp_path: Path, server: Server) -> None:
    load(write(tmp_path / "import", SAMPLE), server, method="bolt")
    group = Group("Domain")
    changed = {**SAMPLE[group][0], "sources": ["doh", "otx"]}
    more = {**SAMPLE, group: [changed, *SAMPLE[group][1:], {**changed, "name": "zz.example"}]}
    second = load(write(tmp_path / "import", more), server)
    assert second.sent == 2
    assert not any(each.missing or each.lesser for each in second.parity.groups)
    (row,) = cypher(server, "MATCH (d:Domain {name: $name}) RETURN d.sources AS sources", name=changed["name"])
    assert {"doh", "otx"} <= set(row["sources"])


# --- additions: rows merge by the schema's rules, whatever their order ------------------------------------------------

IP, HAS = Group("IPAddress"), Group("Domain", "RESOLVES", "IPAddress")


def additions() -> list[Rows]:
    """Return sets of rows about the same things, each seen on another day."""
    return [
        {
            Group("Domain"): [
                {
                    "name": "example.com",
                    "votes": [1, -1, 0, None][number % 4],
                    "tags": [["c2"], None, ["a", "phish"], ["z"]][number % 4],
                    "first_seen": day(20 - number) if number % 3 else None,
                    "last_seen": day(number + 1),
                    "precision": ["minute", "day", "second"][number % 3],
                    "sources": ["doh", "threatcrowd"][: number % 2 + 1],
                    "fetched_at": day(number + 3),
                }
            ],
            IP: [{"address": f"192.0.2.{number}", "fetched_at": day(number + 3)}],
            HAS: [
                {
                    "start": "example.com",
                    "end": f"192.0.2.{number}",
                    "last_resolved": day(1 + number * 7 % 5),
                    "fetched_at": day(number + 3),
                }
            ],
        }
        for number in range(7)
    ]


WHOLE: Rows = {
    Group("Domain"): [
        {
            "name": "example.com",
            "votes": 0,  # of day 9, the newest that has any
            "tags": ["a", "c2", "phish", "z"],
            "first_seen": day(15),
            "last_seen": day(7),
            "precision": "day",
            "sources": ["doh", "threatcrowd"],
            "fetched_at": day(9),
        }
    ],
    IP: [{"address": f"192.0.2.{number}", "fetched_at": day(number + 3)} for number in range(7)],
    HAS: list(chain.from_iterable(each[HAS] for each in additions())),
}


@pytest.mark.parametrize("seed", range(3))
def test_additions_in_any_order_give_the_whole(tmp_path: Path, server: Server, seed: int) -> None:
    parts = additions()
    random.Random(seed).shuffle(parts)  # noqa: S311 - an order, not a secret
    for number, part in enumerate([*parts, parts[0]]):
        load(write(tmp_path / f"part{number}", part), server, method="bolt")
    assert verify(write(tmp_path / "whole", WHOLE), server).equal


def test_what_was_there_before_stays_and_is_told(tmp_path: Path, server: Server) -> None:
    cypher(
        server, "CREATE (:Elsewhere), (:Domain {name: 'example.org'})-[:RESOLVES]->(:IPAddress {address: '192.0.2.9'})"
    )
    loaded = load(write(tmp_path / "import", SAMPLE), server)
    assert loaded.parity.held
    assert not loaded.parity.equal
    assert sum(each.extra for each in loaded.parity.groups) == 3
    assert cypher(server, "MATCH (n:Elsewhere) RETURN count(n) AS nodes") == [{"nodes": 1}]


# --- parity finds what is planted -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["bolt", "admin"])
def test_a_planted_difference_is_found(tmp_path: Path, server: Server, method: str) -> None:
    files = write(tmp_path / "import", SAMPLE)
    load(files, server, method=method, replace=method == "admin")  # type: ignore[arg-type]
    for change, word in {
        "MATCH (d:Domain {name: 'example.com'}) SET d.votes = 7": "1 changed",
        "MATCH (d:Domain {name: 'example.com'}) SET d.tags = ['c2']": "1 changed",
        "MATCH (:Domain)-[r:RESOLVES]->() SET r.last_resolved = datetime('2021-01-01T00:00:00Z')": "1 changed",
        "MATCH (d:Domain {name: 'example.net'}) DETACH DELETE d": "1 missing",
        "MATCH (:Domain)-[r:RESOLVES]->() DELETE r": "1 missing",
        "CREATE (:Domain {name: 'example.org'})": "1 extra",
        "CREATE (:Vulnerability {id: 'CVE-2021-44228'})": "1 extra",
        "MATCH (a:Domain)-[:RESOLVES]->(b) CREATE (a)-[:RESOLVES]->(b)": "2 in the database",
        "MATCH (a:Domain)-[:RESOLVES]->(b) CREATE (b)-[:RESOLVES]->(a)": "RESOLVES",
    }.items():
        with connected(server) as database, database.session.begin_transaction() as transaction:
            transaction.run(change).consume()
            transaction.commit()
        found = verify(files, server)
        assert not found.equal, change
        assert any(word in line for line in found.differences()), (change, found.differences())
        cypher(server, "MATCH (n) DETACH DELETE n")
        assert load(files, server, method="bolt").parity.equal


@pytest.mark.parametrize("change", ["d.votes = '-1'", "d.first_seen = 'yesterday'", "d.tags = [1, 2]"])
def test_a_value_of_another_type_is_found(tmp_path: Path, server: Server, change: str) -> None:
    files = write(tmp_path / "import", SAMPLE)
    load(files, server, method="bolt")
    cypher(server, f"MATCH (d:Domain {{name: 'example.com'}}) SET {change}")
    with pytest.raises(LoadError, match=r"Domain|Type"):
        verify(files, server)


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_no_server_wrong_password_no_such_method(tmp_path: Path, server: Server) -> None:
    files = write(tmp_path / "import", SAMPLE)
    with pytest.raises(LoadError, match="neo4j up"):
        load(files, Server("bolt://127.0.0.1:1", "neo4j", "x"))
    with pytest.raises(LoadError, match="NEO4J_PASSWORD"):
        load(files, Server(server.uri, "neo4j", "wrong"))
    with pytest.raises(UsageError, match="--replace"):
        load(files, server, method="bolt", replace=True)


def test_a_server_that_is_down_is_not_started_before_an_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def up(_: LocalNeo4j) -> Server:
        raise LoadError("it was started")

    monkeypatch.setattr(LocalNeo4j, "up", up)
    files = write(tmp_path / "import", SAMPLE)
    server = Server("bolt://127.0.0.1:1", "neo4j", "x", LocalNeo4j(tmp_path / "none"))
    with pytest.raises(LoadError, match="it was started"):  # few rows are merged
        load(files, server)
    monkeypatch.setattr(loading, "ADMIN_FROM", 1)
    with pytest.raises(LoadError, match="no local Neo4j"):
        load(files, server)
    (tmp_path / "none" / "data" / "databases" / "neo4j").mkdir(parents=True)
    with pytest.raises(LoadError, match="it was started"):  # to see what it holds
        load(files, server)
    with pytest.raises(LoadError, match="no local Neo4j"):
        load(files, server, replace=True)


def test_a_label_s_constraint_comes_with_its_first_rows(tmp_path: Path, server: Server) -> None:
    def constrained() -> set[str]:
        rows = cypher(server, "SHOW CONSTRAINTS YIELD labelsOrTypes AS labels RETURN labels[0] AS label")
        return {row["label"] for row in rows}

    load(write(tmp_path / "import", SAMPLE), server, method="admin", replace=True)
    assert constrained() == {"Domain", "SubDomain", "IPAddress", "Hash"}
    added = write(tmp_path / "more", {Group("Malware"): [{"name": "one"}]})
    assert load(added, server, method="bolt").parity.held
    assert constrained() == {"Domain", "SubDomain", "IPAddress", "Hash", "Malware"}


def test_admin_replaces_nothing_unasked(tmp_path: Path, server: Server) -> None:
    cypher(server, "CREATE (:Elsewhere)")
    with pytest.raises(LoadError, match="holds 1 nodes"):
        load(write(tmp_path / "import", SAMPLE), server, method="admin")


def test_a_failed_import_leaves_the_database_as_it_was(tmp_path: Path, server: Server) -> None:
    files = write(tmp_path / "import", SAMPLE)
    load(files, server, method="bolt")
    twice = write(tmp_path / "twice", {Group("Domain"): [{"name": "example.com"}, {"name": "example.com"}]})
    with pytest.raises(LoadError, match="neo4j-admin"):
        load(twice, server, method="admin", replace=True)
    assert server.local is not None
    assert not list((server.local.home / "data").glob("*/intel-grapher-*"))  # it would take the room that there is
    assert verify(files, server).equal


def test_an_import_that_differs_is_taken_back(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write(tmp_path / "import", SAMPLE)
    load(files, server, method="bolt")
    changed = [{**SAMPLE[Group("Domain")][0], "votes": 7}, SAMPLE[Group("Domain")][1]]
    other = write(tmp_path / "other", SAMPLE | {Group("Domain"): changed})
    monkeypatch.setattr(admin, "parquet_arguments", lambda _, *rest: parquet_arguments(other, *rest))
    with pytest.raises(LoadError, match="1 changed"):
        load(files, server, method="admin", replace=True)
    assert verify(files, server).equal


DEGREE = 13  # where the first relationship's record says how many its start has; no query of parity asks for that


def test_a_fault_that_only_the_check_finds_is_taken_back(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil_and_copy(local: LocalNeo4j, database: str, to: str) -> None:
        with (local.home / "data/databases" / database / "neostore.relationshipstore.db").open("r+b") as store:
            store.seek(DEGREE)
            store.write(b"\0\0\0\7")
        copy(local, database, to)

    files = write(tmp_path / "import", SAMPLE)
    load(files, server, method="bolt")
    copy = LocalNeo4j.copy
    monkeypatch.setattr(LocalNeo4j, "copy", spoil_and_copy)
    with pytest.raises(LoadError, match="database check"):
        load(files, server, method="admin", replace=True)
    assert server.local is not None
    assert not list((server.local.home / "data").glob("*/intel-grapher-checked"))
    assert verify(files, server).equal


def test_for_a_server_of_somebody_else_the_import_is_staged(tmp_path: Path, server: Server) -> None:
    assert server.local is not None
    files = write(tmp_path / "import", EVERYTHING)
    with pytest.raises(LoadError, match=r"sh import\.sh"):
        load(files, Server(server.uri, server.user, server.password), method="admin")
    staged = tmp_path / "import-neo4j"
    # Its commands, run by the real neo4j-admin into a database beside.
    echo = tmp_path / "bin" / "neo4j-admin"
    echo.parent.mkdir()
    echo.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"; echo\n")
    echo.chmod(0o755)
    ran = subprocess.run(
        ["/bin/sh", "import.sh"], cwd=staged, env={"PATH": str(echo.parent)}, capture_output=True, text=True, check=True
    )
    imported, checked = (line.split("\0")[:-1] for line in ran.stdout.splitlines())
    assert checked == ["database", "check", "neo4j"]
    with contextlib.chdir(staged):
        server.local.admin(*imported[:-1], f"--report-file={tmp_path / 'report'}", "beside")
        server.local.admin("database", "check", "beside", f"--report-path={tmp_path}")
    for statement in staged.joinpath("constraints.cypher").read_text(encoding="utf-8").split(";\n")[:-1]:
        cypher(server, statement)
