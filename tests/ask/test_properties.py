"""Nodes by the values of their properties, on both engines."""

from __future__ import annotations

import pytest

from intel_grapher.ask import properties
from intel_grapher.ask.engines import Graph


def test_a_text_is_found_within_texts_and_lists_with_how_many_have_it(graph: Graph) -> None:
    found = properties.values(graph, "lantern").found
    by_property = {(each.property, each.value): each.count for each in found}
    assert by_property["tags", "PaperLantern"] > 1
    assert ("names", "lantern.exe") in by_property
    assert [each.count for each in found] == sorted((each.count for each in found), reverse=True)


@pytest.mark.parametrize(("typed", "value"), [("country: nl", "NL"), ("COUNTRY=NL", "NL"), ("port: 443", 443)])
def test_a_named_property_is_searched_alone_and_its_nodes_have_the_value(
    graph: Graph, typed: str, value: str | int
) -> None:
    [found] = properties.values(graph, typed).found
    assert found.value == value
    nodes, cut = properties.having(graph, found.property, found.value, most=500)
    assert len(nodes) == found.count
    assert not cut
    some, cut = properties.having(graph, found.property, found.value, most=1)
    assert (some, cut) == (nodes[:1], True)


@pytest.mark.parametrize(
    "typed", ["nl", "", "country: '\\`", "port: x", "nothing: x", "'; MATCH", "port: 9" + "9" * 40]
)
def test_what_no_node_has_gives_nothing(graph: Graph, typed: str) -> None:
    assert properties.values(graph, typed).found == []


def test_what_there_was_no_time_for_is_said(graph: Graph) -> None:
    assert properties.values(graph, "lantern", seconds=0).cut
