"""`show`, `path`, `rank` and `query`: what the graph has."""

from __future__ import annotations

import re

import pytest
from command import Desk, contents


def test_show_tells_properties_and_neighbours(loaded: Desk) -> None:
    ran = loaded.run("show", "hxxp://EXAMPLE[.]com"[7:])
    assert ran.code == 0
    assert ran.out.startswith("Domain example.com\n")
    assert re.search(r"^RESOLVES\t->\tIPAddress\t192\.0\.2\.10\t", ran.out, re.MULTILINE)


@pytest.mark.parametrize("words", [("show",), ("path", "example.com"), ("rank", "example.com")])
def test_what_is_not_in_the_graph_is_said_with_the_next_step(loaded: Desk, words: tuple[str, ...]) -> None:
    ran = loaded.run(*words, "nowhere.example")
    assert (ran.code, ran.out) == (1, "")
    assert "not in the graph: Domain nowhere.example" in ran.err
    assert "next: intel-grapher run nowhere.example" in ran.err
    assert loaded.run(*words, "66.0.543.66").code == 2
    assert "intel-grapher run" not in loaded.run(*words, "nowhere").err  # which would refuse it


def test_what_is_spelt_like_it_is_named(loaded: Desk) -> None:
    assert "did you mean: example.com?" in loaded.run("show", "exmaple.com").err
    assert "paper.lantern@example.org?" in loaded.run("path", "example.com", "PAPER.LANTERN").err
    only = loaded.run("show", "Invoice-Portal.exam", "--json")
    assert (only.code, "did you mean" in only.err) == (1, True)
    taken = loaded.run("show", "Abuse@Lantern", "domain:EXAMPLE.com", "--json")
    assert taken.code == 0, taken.err
    assert [each["key"] for each in taken.json["nodes"]] == ["abuse@lantern-names.example", "example.com"]
    assert "'Abuse@Lantern' is taken for Email abuse@lantern-names.example" in taken.err


def test_show_takes_several_and_a_text(loaded: Desk) -> None:
    one = loaded.run("show", "example.com", "--json").json
    assert (one["key"], one["verdict"]) == ("example.com", "malicious")
    ran = loaded.run("show", "example.com", "nowhere.example", "192.0.2.10", "--json")
    assert ran.code == 1
    assert [each["key"] for each in ran.json["nodes"]] == ["example.com", "192.0.2.10"]
    assert ran.json["missing"] == ["nowhere.example"]
    table = loaded.run("show", "example.com", "192.0.2.10", "--csv").out.splitlines()
    assert table[0].startswith("of_label,of_key,type,")
    assert {each.split(",")[1] for each in table[1:]} == {"example.com", "192.0.2.10"}
    text = loaded.run("show", text="seen: 192[.]0.2.10, and example[.]com")
    assert "IPAddress 192.0.2.10\n" in text.out
    assert "Domain example.com\n" in text.out
    assert loaded.run("show", text="nothing here").code == 2


def test_query_reads_and_does_nothing_else(loaded: Desk) -> None:
    ran = loaded.run("query", "MATCH (d:Domain)-[:RESOLVES]->(a) RETURN DISTINCT d.name AS name ORDER BY name LIMIT 2")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "name")
    before = contents(loaded.folder / "data" / "graph")
    for writing in ("CREATE (d:Domain {name: 'x'})", "MATCH (n) DETACH DELETE n", "DROP TABLE Domain"):
        refused = loaded.run("query", writing)
        assert (refused.code, refused.out) in {(1, ""), (2, "")}
    assert contents(loaded.folder / "data" / "graph") == before


def test_path_and_rank_find_what_hangs_together(loaded: Desk) -> None:
    assert "example.com" in loaded.run("path", "example.com", "example.net").out
    assert loaded.run("rank", "example.com", "invoice-portal.example").out.splitlines()[1:]
