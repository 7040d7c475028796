from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intel_grapher import ask, schema
from intel_grapher.ask import cypher, documents, find, look, readonly
from intel_grapher.ask import path as paths_
from intel_grapher.ask import rank as ranking
from intel_grapher.ask import saved as questions
from intel_grapher.ask.engines import Graph
from intel_grapher.ask.explore import Explorer
from intel_grapher.errors import NotFoundError, UsageError
from intel_grapher.model import NodeRef

EXAMPLE = NodeRef("Domain", "example.com")
PORTAL = NodeRef("Domain", "invoice-portal.example")


def test_a_node_is_shown_with_its_neighbours_by_type_and_the_counts_of_all(graph: Graph) -> None:
    shown = ask.show(graph, schema.LABELS["Domain"], "example.com", limit=1)
    assert shown is not None
    assert shown.counts["RESOLVES", "->", "IPAddress"] >= 2
    assert shown.counts["OWNS", "<-", "Email"] >= 1
    resolves = [each for each in shown.neighbours if each.type == "RESOLVES"]
    assert [each.key for each in resolves] == ["192.0.2.10"]
    assert str(resolves[0].properties["last_resolved"]) >= "2026-03-02T00:00:00Z"
    assert {"internetdb", "threatcrowd"} <= set(resolves[0].properties["sources"])


def test_what_is_not_there_is_not_shown(graph: Graph) -> None:
    assert ask.show(graph, schema.LABELS["Domain"], "nobody.example", limit=1) is None


def test_neighbours_come_in_pages_that_do_not_overlap(graph: Graph) -> None:
    group = ("EXPOSES", "->", "Service")
    many = look.counts(graph, schema.LABELS["IPAddress"], "192.0.2.10")[group]
    pages = [
        look.neighbours(graph, schema.LABELS["IPAddress"], "192.0.2.10", group, many=many, limit=2, skip=skip)
        for skip in range(0, many, 2)
    ]
    keys = [each.key for page in pages for each in page]
    assert len(keys) == many == len(set(keys))


def test_relationships_between_nodes_are_found_whichever_are_new(graph: Graph) -> None:
    nodes = [EXAMPLE, PORTAL, NodeRef("IPAddress", "192.0.2.10")]
    whole = {(each.start, each.type, each.end) for each in look.between(graph, nodes, limit=100)}
    assert whole == {
        (EXAMPLE, "RESOLVES", NodeRef("IPAddress", "192.0.2.10")),
        (PORTAL, "RESOLVES", NodeRef("IPAddress", "192.0.2.10")),
    }
    for new in nodes[1:]:
        some = {(each.start, each.type, each.end) for each in look.between(graph, nodes, [new], limit=100)}
        assert some == {each for each in whole if new in {each[0], each[2]}}


def test_paths_are_the_shortest_and_point_as_the_graph_does(graph: Graph) -> None:
    found = paths_.paths(graph, EXAMPLE, PORTAL).found
    assert {len(way) for way in found} == {2}
    assert {way[0].end for way in found} >= {
        NodeRef("IPAddress", "192.0.2.10"),
        NodeRef("Email", "paper.lantern@example.org"),
    }
    for way in found:
        for step in way:
            start, end = (step.start, step.end) if step.direction != "<-" else (step.end, step.start)
            assert look.edge(graph, start, step.type, end) is not None


def test_a_path_goes_around_hubs_and_names_them(graph: Graph) -> None:
    around = paths_.paths(graph, EXAMPLE, PORTAL, hub=3)
    assert NodeRef("IPAddress", "192.0.2.10") in around.hubs
    assert all(step.end != NodeRef("IPAddress", "192.0.2.10") for way in around.found for step in way)


def test_a_path_to_itself_is_empty_and_to_nowhere_an_error(graph: Graph) -> None:
    assert paths_.paths(graph, EXAMPLE, EXAMPLE).found == [[]]
    with pytest.raises(NotFoundError, match=r"nobody\.example is not in the graph"):
        paths_.paths(graph, EXAMPLE, NodeRef("Domain", "nobody.example"))


def test_steps_are_what_is_stored_where_a_type_points_either_way_and_of_hubs_too(graph: Graph) -> None:
    labels = [schema.LABELS[name] for name in ("Domain", "SubDomain", "Hash", "IPAddress")]
    nodes = [
        NodeRef(label.name, row[0])
        for label in labels
        for row in graph.ask(f"MATCH (n:{label.name}) RETURN n.{label.key} AS key ORDER BY key LIMIT 12").rows
    ]
    steps = {step for node in nodes for step in Explorer(graph).around(node)}
    assert {cypher.only_direction(step.start.label, step.type, step.end.label) for step in steps} == {"->", "<-", None}
    for node in nodes:
        shown = ask.show(graph, schema.LABELS[node.label], node.key, limit=1000)
        assert shown is not None
        ties = {
            (each.type, each.direction, each.label, each.key)
            for each in shown.neighbours
            if schema.RELATIONSHIPS[each.type].is_tie and NodeRef(each.label, each.key) != node
        }
        for explorer in (Explorer(graph), Explorer(graph, hub=1)):
            assert {(each.type, each.direction, *each.end) for each in explorer.around(node, seed=True)} == ties


def test_rank_puts_what_few_share_before_what_many_do(graph: Graph) -> None:
    ranking_ = ranking.rank(graph, [EXAMPLE, PORTAL])
    ties = {tie.node: tie for tie in ranking_.ties}
    server, address = (
        ties[NodeRef("SubDomain", "ns1.lantern-dns.example")],
        ties[NodeRef("IPAddress", "192.0.2.10")],
    )
    assert server.degree < address.degree
    assert server.score > address.score
    assert [tie.score for tie in ranking_.ties] == sorted((tie.score for tie in ranking_.ties), reverse=True)
    assert set(address.ways) == {EXAMPLE, PORTAL}


PARAMETERS = {"name": "example.com", "since": "2026-01-01", "malware": "lantern"}


@pytest.mark.parametrize("name", questions.saved())
def test_each_saved_query_runs_in_both_dialects(graph: Graph, name: str) -> None:
    saved = questions.saved()[name]
    given_ = {each.name: PARAMETERS[each.name] for each in saved.parameters if each.default is None}
    assert graph.ask(saved.text(graph), saved.values(given_)).columns


def test_saved_queries_answer_what_they_say(graph: Graph) -> None:
    def rows(name: str, /, **given_: str) -> list[list[object]]:
        saved = questions.saved()[name]
        return graph.ask(saved.text(graph), saved.values(given_)).rows

    pivoted = {row[0] for row in rows("registrant-pivot", name="example[.]com")}
    assert pivoted >= {"example.net", "invoice-portal.example", "old-lure.example"}
    hosted = {row[1]: row[2] for row in rows("co-hosted", name="example.com")}
    assert "192.0.2.10" in hosted["invoice-portal.example"]  # type: ignore[operator]
    assert {row[0] for row in rows("fast-flux", least="2")} >= {"example.com", "invoice-portal.example"}
    assert all(str(row[0]) >= "2026-07" for row in rows("newly-seen", since="2026-07-01"))


def test_a_saved_query_says_what_is_wrong_with_its_parameters() -> None:
    saved = questions.saved()["co-hosted"]
    with pytest.raises(UsageError, match="needs name"):
        saved.values({})
    with pytest.raises(UsageError, match="no parameter 'nome'"):
        saved.values({"nome": "x"})
    with pytest.raises(UsageError, match="a domain or sub-domain"):
        saved.values({"name": "not a name"})


def test_ones_own_queries_join_those_that_ship(tmp_path: Path) -> None:
    (tmp_path / "mine.cypher").write_text("// Mail servers\n// of a name\nMATCH (d:Domain {name: $who}) RETURN d\n")
    mine = questions.saved(tmp_path)["mine"]
    assert (mine.doc, [each.name for each in mine.parameters]) == ("Mail servers of a name", ["who"])
    (tmp_path / "bad.cypher").write_text("MATCH (n) DELETE n")
    with pytest.raises(UsageError, match="DELETE is refused"):
        questions.saved(tmp_path)


def test_typing_finds_whole_keys_then_beginnings_then_parts(graph: Graph) -> None:
    assert find.complete(graph, "example[.]com", seconds=10)[0] == EXAMPLE
    assert find.complete(graph, "invoice", seconds=10)[0] == PORTAL
    assert PORTAL in find.complete(graph, "PORTAL", seconds=10)
    assert find.complete(graph, "nothing-like-it", seconds=10) == []


WRITES = [
    "MATCH (n) DELETE n",
    "CREATE (n:Domain {name: 'x.com'})",
    "MATCH (n:Domain) SET n.votes = 1",
    "match (n) detach delete n",
    "MERGE (n:Domain {name: 'x.com'}) RETURN n",
    "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
    "LOAD FROM '/etc/passwd' (header=false) RETURN *",
    "COPY (MATCH (n:Domain) RETURN n.name) TO '/tmp/out.csv'",
    "EXPORT DATABASE '/tmp/out'",
    "ATTACH 'x.db' AS x (dbtype sqlite)",
    "CALL dbms.listConfig()",
    "MATCH (n) RETURN n; MATCH (n) DELETE n",
    "MATCH (n) /* harmless */ DELETE /* */ n",
    "MATCH (n) WHERE n.name = 'it\\'s' DELETE n",
    "RETURN 1 AS `x` // fine\nLOAD FROM 'x' RETURN *",
]


@pytest.mark.parametrize("cypher", WRITES)
def test_what_does_more_than_read_is_refused(graph: Graph, cypher: str) -> None:
    before = graph.ask("MATCH (n) RETURN count(n)").rows
    with pytest.raises(UsageError):
        graph.ask(cypher)
    assert graph.ask("MATCH (n) RETURN count(n)").rows == before


@pytest.mark.parametrize(
    "cypher",
    [
        "MATCH (n) RETURN 'DELETE; SET' AS x",
        "MATCH (n) RETURN 1 AS `load` // set",
        'MATCH (n:Domain) WHERE n.name CONTAINS "copy" RETURN n.name /* create */;',
        "RETURN {load: 1} AS x",
        "RETURN $set AS x",
    ],
)
def test_words_that_are_no_clauses_are_not(cypher: str) -> None:
    readonly.check(cypher)


@given(st.text(max_size=40).filter(lambda text: "'" not in text and "\\" not in text))
def test_a_string_never_makes_a_query_refused(text: str) -> None:
    readonly.check(f"MATCH (n) WHERE n.name = '{text}' RETURN n")


HOSTILE = ["'", '"', "`", "\\", "') DELETE n //", "$key", "{x}", "\u202e", "<script>"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_keys_are_values_and_nothing_else(graph: Graph, text: str) -> None:
    assert ask.node(graph, schema.LABELS["Malware"], text) is None
    assert find.complete(graph, text, seconds=10) == []
    assert look.there(graph, [NodeRef("Malware", text)]) == {}


def test_limits_hold(graph: Graph) -> None:
    answer = graph.ask("MATCH (n) RETURN n", limit=3)
    assert (len(answer.rows), answer.cut, len(answer.nodes)) == (3, True, 3)
    with pytest.raises(UsageError, match="longer than"):
        graph.ask("UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b RETURN sum(a * b)", timeout=0.3)


# --- the commands -----------------------------------------------------------------------------------------------------


def run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "intel_grapher", *words, "--data", str(home / "data")]
    if words[0] != "queries":
        command += ["--db", str(home / "data" / "graph")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    "words",
    [
        ("show", "example[.]com"),
        ("path", "example.com", "invoice-portal.example"),
        ("rank", "example.com", "invoice-portal.example"),
        ("query", "MATCH (d:Domain) RETURN d.name AS name ORDER BY name"),
        ("query", "--saved", "co-hosted", "-p", "name=example.com"),
    ],
)
def test_each_command_gives_a_table_json_and_csv_and_tells_its_cypher(home: Path, words: tuple[str, ...]) -> None:
    table, as_json, as_csv = run(home, *words, "--show-cypher"), run(home, *words, "--json"), run(home, *words, "--csv")
    assert [each.returncode for each in (table, as_json, as_csv)] == [0, 0, 0], table.stderr + as_json.stderr
    assert "MATCH" in table.stderr
    assert "MATCH" not in table.stdout
    assert json.loads(as_json.stdout)["version"] == 1
    rows = list(csv.reader(io.StringIO(as_csv.stdout)))
    assert len(rows) > 1
    assert len({len(row) for row in rows}) == 1
    assert re.search(r"example\.(com|net)", table.stdout)


def test_a_whole_node_is_json_in_its_cell(home: Path) -> None:
    question = "MATCH (d:Domain {name: 'example.com'}) RETURN d"
    (cell,) = run(home, "query", question).stdout.splitlines()[1:]
    [[_], [same]] = csv.reader(io.StringIO(run(home, "query", question, "--csv").stdout))
    assert json.loads(cell) == json.loads(same)
    assert json.loads(cell)["name"] == "example.com"


def test_exit_codes_tell_what_went_wrong(home: Path) -> None:
    assert run(home, "show", "nobody.example").returncode == 1
    assert run(home, "path", "example.com", "nobody.example").returncode == 1
    assert run(home, "rank", "example.com").returncode == 2
    assert run(home, "query", "MATCH (n) DELETE n").returncode == 2
    assert run(home, "query", "--saved", "no-such").returncode == 2
    assert run(home, "queries", "--json").returncode == 0


def test_one_encoding_of_paths_and_of_a_ranking(embedded: Graph) -> None:
    document = documents.paths_document(paths_.paths(embedded, EXAMPLE, PORTAL, most=1))
    (steps,) = document["paths"]
    assert steps[0]["from"] == {"label": "Domain", "key": "example.com"}
    assert steps[0]["to"] == steps[1]["from"]
    assert {step["direction"] for step in steps} <= {"->", "<-", "--"}
    tie = documents.ranking_document(ranking.rank(embedded, [EXAMPLE, PORTAL]))["ties"][0]
    assert tie.keys() == {"label", "key", "score", "relationships", "ways"}
    with pytest.raises(UsageError, match="two indicators or more"):
        ranking.rank(embedded, [EXAMPLE])
