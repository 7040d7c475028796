"""An analyst's edits on a Neo4j that is shared: just what an entry names and a load wrote goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from command import Desk
from load_samples import MANY, TOLD, Rows, cypher, write

from intel_grapher.analyst import journal
from intel_grapher.analyst.entries import VARIANTS
from intel_grapher.analyst.overrides import overrides_of
from intel_grapher.cache import Cache
from intel_grapher.files import Group
from intel_grapher.load import Retraction, Server, load
from intel_grapher.model import NodeRef

pytestmark = pytest.mark.neo4j
DOMAIN, ADDRESS, RESOLVES = Group("Domain"), Group("IPAddress"), Group("Domain", "RESOLVES", "IPAddress")
LAST = NodeRef("Domain", "name-039.example")
AT = NodeRef("IPAddress", "192.0.2.109")


def without(*keys: str) -> Rows:
    """Return MANY without the rows that name one of these keys."""
    return {group: [row for row in rows if not {*keys} & {*map(str, row.values())}] for group, rows in MANY.items()}


def counted(server: Server) -> dict[str, Any]:
    return cypher(server, "MATCH (n) RETURN count(n) AS nodes, COUNT { ()-->() } AS relationships")[0]


def test_a_node_taken_out_goes_with_its_relationships_and_nothing_else_does(tmp_path: Path, server: Server) -> None:
    load(write(tmp_path / "import", MANY), server, method="bolt")
    files = write(tmp_path / "import", without(LAST.key, "name-038.example"))
    loaded = load(files, server, retraction=Retraction(frozenset({LAST})))
    assert (loaded.retracted, loaded.pruned) == (2, 0)
    assert counted(server) == {"nodes": 49, "relationships": 39}
    assert load(files, server, retraction=Retraction(frozenset({LAST}))).retracted == 0


def test_a_relationship_taken_out_leaves_its_ends_and_what_else_these_have(tmp_path: Path, server: Server) -> None:
    load(write(tmp_path / "import", MANY), server, method="bolt")
    cypher(
        server,
        "MATCH (d:Domain {name: $name}), (i:IPAddress {address: '192.0.2.101'}) CREATE (d)-[:RESOLVES $told]->(i)",
        name=LAST.key,
        told={"sources": ["old"], "fetched_at": TOLD["fetched_at"]},
    )
    files = write(tmp_path / "import", {**MANY, RESOLVES: MANY[RESOLVES][:-1]})
    retraction = Retraction(relationships=frozenset({(LAST, "RESOLVES", AT)}))
    assert load(files, server, retraction=retraction).retracted == 1
    assert counted(server) == {"nodes": 50, "relationships": 40}


def test_what_others_wrote_stays_whatever_an_entry_names(tmp_path: Path, server: Server) -> None:
    load(write(tmp_path / "import", MANY), server, method="bolt")
    cypher(
        server,
        """MATCH (d:Domain {name: $name})-[r:RESOLVES]->(i) SET d.ticket = 7, r.by = 'me', d:Watched
        CREATE (:Asset {id: 1})-[:OWNED]->(d), (d)-[:RESOLVES {mine: true}]->(i), (:Domain {name: 'own.example'})""",
        name=LAST.key,
    )
    before = counted(server)
    own = NodeRef("Domain", "own.example")
    retraction = Retraction(frozenset({LAST, own}), frozenset({(LAST, "RESOLVES", AT)}))
    assert load(write(tmp_path / "import", without(LAST.key)), server, retraction=retraction).retracted == 0
    assert counted(server) == before
    (node,) = cypher(server, "MATCH (d:Watched) RETURN properties(d) AS kept, labels(d) AS labels")
    assert (node["kept"], sorted(node["labels"])) == ({"name": LAST.key, "ticket": 7}, ["Domain", "Watched"])
    kept = cypher(
        server, "MATCH (:Watched)-[r]-() RETURN type(r) AS type, properties(r) AS kept ORDER BY type, kept.by"
    )
    assert [(each["type"], each["kept"]) for each in kept] == [
        ("OWNED", {}),
        ("RESOLVES", {"by": "me"}),
        ("RESOLVES", {"mine": True}),
    ]


def test_nodes_that_are_one_no_longer_are_parted(tmp_path: Path, server: Server) -> None:
    one, other = "name-000.example", "name-001.example"
    domains = [row | {"sources": ["doh", "otx"]} if row["name"] == one else row for row in MANY[DOMAIN]]
    joined = {
        **MANY,
        DOMAIN: [row for row in domains if row["name"] != other],
        RESOLVES: [row | {"start": one} if row["start"] == other else row for row in MANY[RESOLVES]],
    }
    names = Retraction(frozenset({NodeRef("Domain", one), NodeRef("Domain", other)}))
    load(write(tmp_path / "import", MANY), server, method="bolt")
    assert load(write(tmp_path / "import", joined), server, retraction=names).parity.equal
    assert load(write(tmp_path / "import", MANY), server, retraction=names).parity.equal


def test_partial_files_retract_only_what_they_lack_by_name(tmp_path: Path, server: Server) -> None:
    load(write(tmp_path / "import", MANY), server, method="bolt")
    files = write(tmp_path / "import", {**without(LAST.key), RESOLVES: []})
    manifest = files.manifest()
    manifest.damaged = 1
    (files.root / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    retraction = Retraction(frozenset({LAST, NodeRef("Domain", "name-000.example")}))
    assert load(files, server, retraction=retraction).retracted == 2
    assert counted(server) == {"nodes": 49, "relationships": 39}


def test_an_entry_that_names_no_label_or_type_of_the_schema_retracts_nothing(tmp_path: Path, server: Server) -> None:
    files = write(tmp_path / "import", MANY)
    load(files, server, method="bolt")
    odd = NodeRef("A-B`) DETACH DELETE (n) //", "x")
    retraction = Retraction(frozenset({odd}), frozenset({(odd, "R`", LAST), (LAST, "RESOLVES", LAST)}))
    assert load(files, server, retraction=retraction).parity.equal


def test_the_command_retracts_what_entries_of_the_cache_took_out(tmp_path: Path, server: Server) -> None:
    desk = Desk(tmp_path, more={"NEO4J_URI": server.uri, "NEO4J_PASSWORD": server.password})

    def say(what: str, **members: NodeRef | str) -> str:
        with Cache(tmp_path / "data") as cache:
            entry = journal.keep(cache, VARIANTS[what](author="me", **members)).id  # type: ignore[arg-type]
        assert desk.run("transform").code == 0
        assert desk.run("load", "--to", "neo4j").code == 0
        return entry

    def shown() -> set[str]:
        return {row["key"] for row in cypher(server, "MATCH (n) RETURN coalesce(n.name, n.address, n.id) AS key")}

    domain, address = NodeRef("Domain", "example.com"), NodeRef("IPAddress", "192.0.2.1")
    tied = say("relationship", start=domain, type="RESOLVES", end=address)
    cypher(server, "MATCH (d:Domain) CREATE (:Asset {name: 'server'})-[:SEEN]->(d)")
    note = say("note", about=address, text="hm")
    assert shown() == {"example.com", "192.0.2.1", note, "server"}
    say("undo", undoes=note)
    assert shown() == {"example.com", "192.0.2.1", "server"}
    out = say("take_out", start=domain, type="RESOLVES", end=address)
    assert cypher(server, "MATCH ()-[r:RESOLVES]->() RETURN count(r) AS many") == [{"many": 0}]
    say("undo", undoes=out)
    assert cypher(server, "MATCH ()-[r:RESOLVES]->() RETURN count(r) AS many") == [{"many": 1}]
    say("undo", undoes=tied)
    assert shown() == {"example.com", "server"}
    with Cache(tmp_path / "data") as cache:
        nodes, relationships = overrides_of(cache).stale
    assert NodeRef("Note", note) in nodes
    assert (domain, "RESOLVES", address) in relationships
