"""What a load deletes because the files no longer have it, and what not."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from command import Desk
from load_samples import MANY, SAMPLE, Rows, cypher, write

from intel_grapher.errors import LoadError
from intel_grapher.files import Group
from intel_grapher.load import SHARE, Embedded, Server, load, verify

pytestmark = pytest.mark.neo4j


def retired() -> Rows:
    """Return MANY without one relationship and its end, and with a value taken back."""
    rows = {group: [dict(row) for row in some] for group, some in MANY.items()}
    rows[Group("Domain")].pop()
    rows[Group("Domain", "RESOLVES", "IPAddress")].pop()
    rows[Group("Domain")][3]["last_seen"] = None
    return rows


def test_prune_takes_what_was_retired(tmp_path: Path, server: Server) -> None:
    load(write(tmp_path / "import", MANY), server, method="bolt")
    files = write(tmp_path / "import", retired())
    unpruned = load(files, server, method="bolt")
    assert not unpruned.parity.equal
    assert load(files, server, method="bolt", prune=SHARE).parity.equal


def test_prune_spares_what_is_not_ours(tmp_path: Path, server: Server) -> None:
    load(write(tmp_path / "import", MANY), server, method="bolt")
    cypher(
        server, "MATCH (d:Domain {name: 'name-039.example'}) CREATE (:Elsewhere)-[:KNOWN_FROM]->(d) SET d.mine = 'x'"
    )
    cypher(server, "MATCH (d:Domain {name: 'name-001.example'}) SET d.mine = 'y', d.votes = 5")
    found = load(write(tmp_path / "import", retired()), server, method="bolt", prune=SHARE).parity
    assert [each.extra for each in found.groups if each.differs] == [1]
    mine = cypher(
        server, "MATCH (d:Domain) WHERE d.mine IS NOT NULL RETURN d.mine AS mine, d.votes AS votes ORDER BY mine"
    )
    assert mine == [{"mine": "x", "votes": None}, {"mine": "y", "votes": None}]


def test_prune_leaves_what_others_wrote_in_a_database_that_they_share(tmp_path: Path, server: Server) -> None:
    load(write(tmp_path / "import", MANY), server, method="bolt")
    cypher(
        server,
        """CREATE (:Service {name: 'billing', owner: 'someone'}), (:Organization {name: 'Client'}), (:Other {x: 1}),
            (d:Domain {name: 'client.example', note: 'mine'})-[:RESOLVES]->(:IPAddress {address: '198.51.100.1'}),
            (d)-[:RESOLVES {fetched_at: datetime()}]->(:Domain {name: 'a second.example', sources: ['web']})""",
    )
    cypher(
        server,
        """MATCH (d:Domain {name: 'name-039.example'})-[r:RESOLVES]->(i)
        CREATE (d)-[:RESOLVES {by: 'me'}]->(i), (d)-[:RESOLVES]->(i) SET r.checked = true""",
    )
    before = cypher(server, "MATCH (n) RETURN count(n) AS nodes, COUNT { ()-->() } AS relationships")[0]
    loaded = load(write(tmp_path / "import", retired()), server, method="bolt", prune=SHARE)
    assert loaded.pruned == 0
    after = cypher(server, "MATCH (n) RETURN count(n) AS nodes, COUNT { ()-->() } AS relationships")[0]
    assert after == before
    (node,) = cypher(server, "MATCH (d:Domain {name: 'name-039.example'}) RETURN properties(d) AS kept")
    assert node["kept"] == {"name": "name-039.example"}
    kept = cypher(server, "MATCH (:Domain {name: 'name-039.example'})-[r]->() RETURN properties(r) AS kept")
    assert sorted((each["kept"] for each in kept), key=str) == [{"by": "me"}, {"checked": True}, {}]
    assert load(write(tmp_path / "none", {Group("Domain"): MANY[Group("Domain")][:1]}), server, prune=1.0).pruned == 86
    (left,) = cypher(server, "MATCH (n) RETURN count(n) AS nodes, COUNT { ()-->() } AS relationships")
    assert left == {"nodes": 9, "relationships": 5}


def test_prune_spares_a_node_with_a_label_of_others_and_what_is_a_row_of_another_label(
    tmp_path: Path, server: Server
) -> None:
    load(write(tmp_path / "import", MANY), server, method="bolt")
    cypher(server, "MATCH (d:Domain {name: 'name-039.example'}) SET d:Watched")
    cypher(server, "MATCH (d:Domain {name: 'name-001.example'}) SET d:SubDomain")
    load(write(tmp_path / "import", retired()), server, method="bolt", prune=SHARE)
    (left,) = cypher(server, "MATCH (d:Watched) RETURN properties(d) AS kept, COUNT { (d)--() } AS ties")
    assert left == {"kept": {"name": "name-039.example"}, "ties": 0}
    (whole,) = cypher(server, "MATCH (d:SubDomain) RETURN d.last_seen AS seen, COUNT { (d)--() } AS ties")
    assert (str(whole["seen"])[:10], whole["ties"]) == ("2020-01-03", 1)


def test_prune_never_takes_more_than_its_share(tmp_path: Path, server: Server) -> None:
    files = write(tmp_path / "import", MANY)
    load(files, server, method="bolt")
    few = write(tmp_path / "few", {Group("Domain"): MANY[Group("Domain")][:1]})
    with pytest.raises(LoadError, match="would delete 89 of 90 rows"):
        load(few, server, method="bolt", prune=SHARE)
    assert verify(files, server).equal
    assert load(few, server, method="bolt", prune=1.0).parity.equal


def test_prune_refuses_partial_files(tmp_path: Path, server: Server) -> None:
    files = write(tmp_path / "import", SAMPLE)
    load(files, server, method="bolt")
    manifest = files.manifest()
    for damaged, outcomes in ((1, {}), (0, {"unreadable": 1})):
        manifest.damaged, manifest.outcomes = damaged, outcomes
        (files.root / "manifest.json").write_bytes(msgspec.json.encode(manifest))
        with pytest.raises(LoadError, match="nothing is pruned"):
            load(files, server, method="bolt", prune=1.0)
    with pytest.raises(LoadError, match="nothing is pruned"):
        load(write(tmp_path / "none", {}), server, method="bolt", prune=1.0)
    assert cypher(server, "MATCH (n) RETURN count(n) AS nodes")[0]["nodes"] > 0


def test_prune_refuses_files_without_later_replies(tmp_path: Path, server: Server) -> None:
    files = write(tmp_path / "import", SAMPLE)
    manifest = files.manifest()
    manifest.as_of = 1
    (files.root / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    for target in (server, Embedded(tmp_path / "graph", 64 << 20)):
        with pytest.raises(LoadError, match="--as-of"):
            load(files, target, prune=1.0)
    assert load(files, server).parity.equal


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_prunes_what_was_retired_and_asks_before_it_prunes_much(tmp_path: Path, server: Server) -> None:
    desk = Desk(tmp_path, more={"NEO4J_URI": server.uri, "NEO4J_PASSWORD": server.password})
    write(tmp_path / "import", MANY)
    assert desk.run("load", "--to", "neo4j").code == 0
    write(tmp_path / "import", retired())
    kept = desk.run("load", "--to", "neo4j")
    assert "2 rows there are in no file; load --prune deletes them" in kept.err
    gone = desk.run("load", "--to", "neo4j", "--prune")
    assert (gone.code, "files and database agree" in gone.out) == (0, True)
    assert "2 rows that the files do not have were deleted" in gone.out
    write(tmp_path / "import", {Group("Domain"): MANY[Group("Domain")][:1]})
    refused = desk.run("load", "--to", "neo4j", "--prune")
    assert (refused.code, "add --yes" in refused.err) == (1, True)
    assert cypher(server, "MATCH (n) RETURN count(n) AS nodes") == [{"nodes": 49}]
    agreed = desk.run("load", "--to", "neo4j", "--prune", "--yes", "--json").json["loaded"]
    assert agreed["pruned"] == 87
    assert cypher(server, "MATCH (n) RETURN count(n) AS nodes") == [{"nodes": 1}]


def test_a_load_of_the_embedded_graph_leaves_nothing_to_prune(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for rows in (MANY, retired()):
        write(tmp_path / "import", rows)
        ran = desk.run("load", "--prune")
        assert (ran.code, "files and database agree" in ran.out) == (0, True)
    assert desk.run("query", "MATCH (d:Domain) RETURN count(d) AS n").out.split() == ["n", "39"]
