"""Questions to a Neo4j that others use as well."""

from __future__ import annotations

from pathlib import Path

import pytest
from campaign import campaign
from load_samples import cypher

from intel_grapher import ask, schema
from intel_grapher.ask import look
from intel_grapher.ask import path as paths_
from intel_grapher.ask import rank as ranking
from intel_grapher.errors import UsageError
from intel_grapher.files import Files
from intel_grapher.load import Server, load
from intel_grapher.model import NodeRef

pytestmark = pytest.mark.neo4j
EXAMPLE = NodeRef("Domain", "example.com")
PORTAL = NodeRef("Domain", "invoice-portal.example")


def test_a_query_that_wants_all_memory_is_refused_and_the_server_lives_on(server: Server) -> None:
    with ask.opened(server) as graph:
        for question in (
            "UNWIND range(1, 100000000) AS x RETURN collect(x)",
            "UNWIND range(1, 30000000) AS x RETURN toString(x) AS y ORDER BY y DESC",
        ):
            with pytest.raises(UsageError, match=r"memory|longer than"):
                graph.query(question, timeout=20)
        assert graph.query("RETURN 1").rows == [[1]]


def test_labels_of_others_hide_no_fact(tmp_path: Path, server: Server) -> None:
    load(Files(campaign(tmp_path) / "import"), server)
    with ask.opened(server) as graph:

        def seen() -> list[object]:
            return [
                ask.show(graph, schema.LABELS["Domain"], "example.com", limit=50),
                look.between(graph, [EXAMPLE, PORTAL, NodeRef("IPAddress", "192.0.2.10")], limit=100),
                paths_.paths(graph, EXAMPLE, PORTAL),
                ranking.rank(graph, [EXAMPLE, PORTAL]),
                graph.query("MATCH (d:Domain {name: 'example.com'}) RETURN d").nodes,
            ]

        before = seen()
        cypher(server, "MATCH (n) SET n:AAA_Foreign:`Zz Watched`")
        cypher(server, "MATCH (n:IPAddress) SET n:Organization:Domain")
        assert seen() == before
