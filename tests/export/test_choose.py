"""Which nodes go out, compared with a walk over the same rows in plain Python."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from transforming import rows

from intel_grapher.export import choose
from intel_grapher.export.part import opened
from intel_grapher.files import Files, Group
from intel_grapher.model import NodeRef

Edges = set[tuple[NodeRef, str, NodeRef]]


def edges_of(site: Path) -> Edges:
    found: Edges = set()
    for name, group in rows(site / "import").items():
        it = Group.parse(name)
        if it.type:
            found |= {(NodeRef(it.start, start), it.type, NodeRef(it.end, end)) for start, end in group}
    return found


def walked(edges: Edges, seed: NodeRef, hops: int, hub: int) -> set[NodeRef]:
    seen, frontier = {seed}, {seed}
    for hop in range(hops):
        reached: set[NodeRef] = set()
        for node in frontier:
            ways = [end if start == node else start for start, _, end in edges if node in {start, end}]
            if not hop or len(ways) <= hub:
                reached |= set(ways)
        frontier = reached - seen
        seen |= frontier
    return seen | {start for start, type_, end in edges if type_ == "ABOUT" and end in seen}


@pytest.mark.parametrize("hops", [0, 1, 2, 3])
@pytest.mark.parametrize("hub", [500, 8])
def test_a_neighbourhood_is_what_a_plain_walk_finds(site: Path, hops: int, hub: int) -> None:
    edges = edges_of(site)
    seed = NodeRef("Domain", "example.com")
    with opened(Files(site / "import")) as part:
        hubs = choose.neighbourhood(part, seed, hops, hub)
        nodes = {NodeRef(group.start, key) for group in part.nodes() for it in part.rows(group) for key in it.keys[0]}
        found = {
            (NodeRef(group.start, start), group.type, NodeRef(group.end, end))
            for group in part.relationships()
            for it in part.rows(group)
            for start, end in zip(*it.keys, strict=True)
        }
    among = walked(edges, seed, hops, hub)
    assert nodes == among
    assert found == {edge for edge in edges if edge[0] in among and edge[2] in among}
    assert (hub == 500) == (not hubs) or hops < 2
    for each in hubs:
        assert each != seed
        assert sum(each in {start, end} for start, _, end in edges) > hub


def test_rows_of_a_part_come_in_the_order_of_the_whole(site: Path) -> None:
    with opened(Files(site / "import")) as part:
        whole = {str(g): [tuple(k) for it in part.rows(g) for k in zip(*it.keys, strict=True)] for g in part.groups()}
        choose.neighbourhood(part, NodeRef("Domain", "example.com"), 2)
        for group in part.groups():
            some = [tuple(keys) for it in part.rows(group) for keys in zip(*it.keys, strict=True)]
            assert some == [each for each in whole[str(group)] if each in set(some)]


def test_nodes_that_the_files_lack_are_named(site: Path) -> None:
    wanted = [NodeRef("Domain", "example.com"), NodeRef("Domain", "nowhere.example"), NodeRef("Tactic", "TA9999")]
    with opened(Files(site / "import")) as part:
        assert choose.nodes(part, wanted) == wanted[1:]
        assert sum(part.count(group) for group in part.nodes() if group.start == "Domain") == 1


def test_many_nodes_are_looked_up_at_once(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(Files(site / "import")) as part:
        names = [NodeRef("Domain", key) for it in part.rows(Group("Domain")) for key in it.keys[0]]
    assert len(names) > 10
    asked: list[int] = []
    for some in (names[:1], names):
        with opened(Files(site / "import")) as part:
            counted = Counting(part.connection)
            monkeypatch.setattr(part, "connection", counted)
            assert choose.nodes(part, some) == []
            asked.append(counted.count)
    assert asked[0] == asked[1]


class Counting:
    """A connection that counts what it is asked."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.count = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def execute(self, *query: object) -> object:
        if not str(query[0]).startswith("SELECT count"):  # of the groups that are left
            self.count += 1
        return self._connection.execute(*query)  # type: ignore[arg-type]
