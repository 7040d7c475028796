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


@pytest.mark.parametrize(
    ("words", "code"), [(("show",), 1), (("path", "example.com"), 2), (("rank", "example.com"), 2)]
)
def test_what_is_not_in_the_graph_is_said_with_the_next_step(loaded: Desk, words: tuple[str, ...], code: int) -> None:
    ran = loaded.run(*words, "nowhere.example")
    assert (ran.code, ran.out) == (code, "")
    assert "not in the graph: Domain nowhere.example" in ran.err
    assert "next: intel-grapher fetch" in ran.err
    assert loaded.run(*words, "66.0.543.66").code == 2


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
