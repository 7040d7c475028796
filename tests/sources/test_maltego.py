"""Maltego: what graphs tell, as GraphML, in a Maltego file, and as a table."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from command import Desk
from replies import edge, node, sample, told

from intel_grapher.errors import BadValue
from intel_grapher.sources.maltego import prepare, recognise

CASE = sample("maltego", "graph", "case")
NAMED = "an entity of a type that is no node of the graph"
UNTOLD = "a link that does not say what it is"


def test_entities_are_nodes_and_links_are_read_where_their_ends_tell() -> None:
    found = told("maltego", "graph", "case", CASE)
    assert {name for name, _ in found.nodes} == {
        *("Domain example.com", "SubDomain ns1.example.net", "SubDomain mx.example.net", "SubDomain www.example.com"),
        *("IPAddress 192.0.2.10", "IPAddress 2001:db8::1", "Email a@example.org", "URL http://example.com/a"),
        *(f"Hash {'c' * 32}", "ASN AS64500", "Network 192.0.2.0/24", "TwitterUser example_user"),
        "Vulnerability CVE-2026-1234",
    }
    assert found.edges == {
        edge("Domain example.com", "NAME_SERVER", "SubDomain ns1.example.net"),
        edge("Domain example.com", "MAIL_SERVER", "SubDomain mx.example.net"),
        edge("SubDomain www.example.com", "RESOLVES", "IPAddress 192.0.2.10"),
        edge("URL http://example.com/a", "ON", "Domain example.com"),
    }
    assert {(value, reason) for _, value, reason in found.rejects} == {
        ("A Person", NAMED),
        ("belongs?", UNTOLD),
        ("owner", UNTOLD),
    }


def test_a_table_has_a_value_in_the_cell_after_each_type() -> None:
    for body in (
        sample("maltego", "graph", "table"),
        "maltego.Domain;example.org\nmaltego.Phrase;hello".encode("utf-16"),
    ):
        found = told("maltego", "graph", "table", body)
        assert node("Domain example.org") in found.nodes
        assert found.edges == set()
    assert {(value, reason) for _, value, reason in found.rejects} == {("hello", NAMED)}


def test_a_maltego_file_goes_in_by_its_own_name_and_nothing_of_the_program(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "the case.mtgx", "w") as archive:
        archive.writestr("Graphs/Graph1.graphml", CASE)
        archive.writestr("Entities/maltego.Domain.entity", "<MaltegoEntity/>")
        archive.writestr("version.properties", "maltego.client.version=4")
    desk = Desk(tmp_path)
    ran = desk.run("cache", "add", "the case.mtgx")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "1 added, 0 there already, 0 left out")
    assert desk.run("cache", "show", "the case", "--source", "maltego").code == 0
    assert desk.run("transform").code == 0


@pytest.mark.parametrize(
    "body", [b"", b"a,b\n1,2\n", b"<graphml", b"<!DOCTYPE x><graphml/>", b'maltego.Domain,"' + b"x" * 200_000 + b'"']
)
def test_what_is_no_graph_is_refused(body: bytes) -> None:
    with pytest.raises(BadValue):
        prepare(body)


def test_a_graph_is_known_by_its_form() -> None:
    assert recognise(CASE) == ""
    assert recognise(sample("maltego", "graph", "table")) == ""
    assert recognise(b"the type maltego.Domain, and others") is None
    assert recognise(b"<graphml/>") is None
