"""Questions to a Neo4j that others use as well."""

from __future__ import annotations

import resource
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from campaign import campaign
from load_samples import cypher
from once import Once

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


def test_what_a_server_sends_is_bounded_and_the_next_question_is_answered(server: Server) -> None:
    with ask.opened(server, 256 << 20) as graph:
        for question in (
            "RETURN range(1, 100000000) AS x",
            "UNWIND range(1, 100000) AS x RETURN range(1, 10000) AS y",
        ):
            with pytest.raises(UsageError, match=r"more than (its (256 MiB of )?memory|64 MiB|4,000,000)|longer than"):
                graph.query(question, timeout=20, limit=100_000)
        assert graph.query("RETURN 1").rows == [[1]]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10 < 2 << 30


def test_values_are_the_same_as_from_questions_of_our_own(tmp_path: Path, server: Server, once: Once) -> None:
    load(Files(once.copy("campaign", campaign, tmp_path) / "import"), server)
    with ask.opened(server) as graph:
        for question in (
            "MATCH (n:Domain)-[r]->(m) RETURN n, r, m ORDER BY n.name, elementId(r)",
            "MATCH p = (:Domain {name: 'example.com'})-->(:IPAddress) RETURN p ORDER BY p",
            "RETURN 1 AS a, 1.5 AS b, true AS c, null AS d, ['x', 'y'] AS e, {k: 1} AS f, '\u00fc' AS g",
        ):
            assert graph.query(question) == graph.ask(question)
        moment = {"before": datetime(2026, 8, 1, tzinfo=timezone(timedelta(hours=2)))}
        question = "MATCH (d:Domain) WHERE d.last_seen < $before RETURN d.name AS name ORDER BY name"
        assert graph.query(question, moment) == graph.ask(question, moment)
        with pytest.raises(UsageError, match="refused the query"):
            graph.query("MATCH (n RETURN n")
        with pytest.raises(UsageError, match=r"longer than 0\.5 s"):
            graph.query("UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b RETURN sum(a * b)", timeout=0.5)


def test_labels_of_others_hide_no_fact(tmp_path: Path, server: Server, once: Once) -> None:
    load(Files(once.copy("campaign", campaign, tmp_path) / "import"), server)
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
