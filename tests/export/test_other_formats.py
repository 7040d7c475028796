"""Parquet, OpenGraph, Maltego's table, block lists, the picture and the Cypher script, as their readers take them."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest
from command import Desk
from exporting import exported, exported_with
from judged import DIGESTS, REPORT
from neo4j import Driver
from places import ROOT

from intel_grapher import warning_lists
from intel_grapher.errors import UsageError
from intel_grapher.export import choose, markings
from intel_grapher.export.format import Settings
from intel_grapher.export.formats import picture, rpz
from intel_grapher.export.formats.cypher import literal
from intel_grapher.export.part import Part, opened
from intel_grapher.files import Files, Group
from intel_grapher.load import Server, verify
from intel_grapher.model import NodeRef

# What BloodHound's ingest wants of a node and of an edge: its own JSON schemas, of 2026-11, shortened to what they ask.
PROPERTIES = {
    "type": ["object", "null"],
    "additionalProperties": {
        "anyOf": [
            {"type": ["string", "number", "boolean"]},
            {
                "type": "array",
                "anyOf": [{"items": {"type": each}} for each in ("string", "number", "boolean")],
            },
        ]
    },
}
END = {
    "type": "object",
    "required": ["value"],
    "properties": {"match_by": {"enum": ["id"]}, "value": {"type": "string"}},
}
NODE = {
    "type": "object",
    "required": ["id", "kinds"],
    "properties": {
        "id": {"type": "string"},
        "kinds": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
        "properties": PROPERTIES,
    },
}
EDGE = {
    "type": "object",
    "required": ["start", "end", "kind", "properties"],
    "properties": {
        "start": END,
        "end": END,
        "kind": {"type": "string", "pattern": "^[A-Za-z0-9_]+$"},
        "properties": PROPERTIES,
    },
}


@pytest.mark.parametrize("graph", ["site", "hostile_site"])
def test_bloodhounds_ingest_takes_every_node_and_edge(graph: str, request: pytest.FixtureRequest) -> None:
    with opened(Files(request.getfixturevalue(graph) / "import")) as part:
        found = json.loads(exported("opengraph", part))["graph"]
        assert len(found["nodes"]) == sum(map(part.count, part.nodes()))
        assert len(found["edges"]) == sum(map(part.count, part.relationships()))
    node, edge = jsonschema.Draft202012Validator(NODE), jsonschema.Draft202012Validator(EDGE)
    assert [error.message for each in found["nodes"] for error in node.iter_errors(each)] == []
    assert [error.message for each in found["edges"] for error in edge.iter_errors(each)] == []
    ids = {each["id"] for each in found["nodes"]}
    assert len(ids) == len(found["nodes"])
    assert {each[end]["value"] for each in found["edges"] for end in ("start", "end")} <= ids


def test_duckdb_reads_the_parquet_file(part: Part, tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(exported("parquet", part))
    found = duckdb.from_parquet(str(tmp_path / "x.parquet"))
    rows = found.aggregate("what, label, coalesce(type, ''), coalesce(to_label, ''), count(*)").fetchall()
    counts = {Group(label, type_, to): many for _, label, type_, to, many in rows}
    assert counts == {group: part.count(group) for group in part.groups()}
    told = (
        found.filter("key = 'cdn-update.example' AND what = 'node'")
        .select("sources, fetched_at, properties")
        .fetchall()
    )
    (sources, fetched, properties) = told[0]
    assert "virustotal" in sources
    assert fetched.year == 2026
    assert "PaperLantern" in json.loads(properties)["tags"]


@pytest.mark.parametrize("graph", ["site", "hostile_site"])
def test_maltegos_table_has_every_relationship_and_every_node(graph: str, request: pytest.FixtureRequest) -> None:
    with opened(Files(request.getfixturevalue(graph) / "import")) as part:
        table = list(csv.DictReader(io.StringIO(exported("maltego", part).decode(), newline="")))
        keys = {key for group in part.nodes() for it in part.rows(group) for key in it.keys[0]}
        assert sum(bool(row["Link"]) for row in table) == sum(map(part.count, part.relationships()))
    named = {row[side] for row in table for side in ("Source", "Target") if row[side]}
    assert {each.removeprefix("'") for each in named} == {each.removeprefix("'") for each in keys}
    assert all(row["Source type"].startswith("maltego.") for row in table)
    assert not [each for each in named if re.match(r"\s*[=+@-]", each)]


def lines(name: str, files: Files, settings: Settings) -> list[str]:
    with opened(files) as part:
        return exported(name, part, settings).decode().splitlines()


def test_a_block_list_has_what_a_verdict_names_and_our_own_reader_takes_it(files: Files) -> None:
    plain = lines("plain", files, Settings())
    assert set(plain) == {"cdn-update.example", "192.0.2.10", "http://example.com/it's?a=1", DIGESTS["sha1"]}
    assert lines("hosts", files, Settings()) == ["0.0.0.0 cdn-update.example"]
    assert lines("rpz", files, Settings())[3:] == [
        "cdn-update.example CNAME .",
        "*.cdn-update.example CNAME .",
        "32.10.2.0.192.rpz-ip CNAME .",
    ]


def test_what_nobody_judged_goes_in_if_that_is_wished_but_never_what_is_benign(files: Files) -> None:
    plain = lines("plain", files, Settings(unjudged=True))
    assert {"invoice-portal.example", "192.0.2.10"} <= set(plain)
    assert "example.com" not in plain


@pytest.mark.parametrize(
    ("excluded", "gone"),
    [
        ("example", {"cdn-update.example"}),
        ("cdn-update.example.", {"cdn-update.example"}),
        ("192.0.2.0/24", {"192.0.2.10"}),
        ("192.0.2.10", {"192.0.2.10"}),
        ("EXAMPLE.com", {"http://example.com/it's?a=1"}),  # the host of a URL
        (DIGESTS["sha1"].upper(), {DIGESTS["sha1"]}),
        ("update.example", set()),
    ],
)
def test_warning_lists_keep_things_out(excluded: str, gone: set[str], files: Files) -> None:
    whole = set(lines("plain", files, Settings()))
    listed = warning_lists.text("ours", excluded)
    assert whole - set(lines("plain", files, Settings(excluded=(listed,)))) == gone


def test_what_was_seen_last_too_long_ago_is_left_out(files: Files) -> None:
    assert lines("plain", files, Settings(newest_before="2030-01-01T00:00:00Z")) == []
    assert lines("plain", files, Settings(newest_before="2020-01-01T00:00:00Z")) != []


@pytest.mark.parametrize(
    ("key", "trigger"),
    [
        ("192.0.2.10", "32.10.2.0.192"),
        ("192.0.2.0/24", "24.0.2.0.192"),
        ("2001:db8::1", "128.1.zz.db8.2001"),
        ("2001:db8::/32", "32.zz.db8.2001"),
        ("::ffff:0:1", "128.1.0.ffff.zz"),
    ],
)
def test_addresses_are_triggers_of_a_zone(key: str, trigger: str) -> None:
    assert rpz.address(key) == trigger


def test_a_name_that_is_spelt_as_a_trigger_blocks_no_address(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    names = ["evil.example", "32.1.2.0.192.rpz-ip", "a.b.rpz-nsdname", "rpz-ip.example"]
    reply = {"response_code": "1", "resolutions": [{"domain": name} for name in names]}
    (tmp_path / "reply.json").write_text(json.dumps(reply))
    place = ("--source", "threatcrowd", "--endpoint", "ip", "--key", "198.51.100.1")
    assert desk.run("cache", "add", "reply.json", *place).code == 0
    assert desk.run("transform").code == 0
    zone = lines("rpz", Files(tmp_path / "import"), Settings(unjudged=True))[3:]
    owners = {line.split()[0].removeprefix("*.") for line in zone}
    assert owners == {"evil.example", "rpz-ip.example", "32.1.100.51.198.rpz-ip"}


@pytest.mark.skipif(not shutil.which("named-checkzone"), reason="BIND's named-checkzone is not installed")
def test_bind_takes_the_zone(files: Files, tmp_path: Path) -> None:
    (tmp_path / "zone").write_text("\n".join(lines("rpz", files, Settings(unjudged=True))) + "\n")
    subprocess.run(["named-checkzone", "rpz.example", tmp_path / "zone"], check=True)  # noqa: S607 - where it is


def test_markings_keep_nodes_and_their_relationships_out(files: Files) -> None:
    with opened(files) as part:
        markings.hide_above(part, "green")
        text = exported("jsonl", part).decode()
        assert "invoice-portal.example" in text  # other keys have it in them
        found = [json.loads(line) for line in text.splitlines()]
    marked = {"label": "Domain", "key": "invoice-portal.example"}
    assert not [each for each in found if marked in (each.get("start"), each.get("end"))]
    assert not [each for each in found if each.get("key") == marked["key"] and each.get("label") == "Domain"]
    assert [each for each in found if each.get("key") == "example.com"]


def test_what_is_said_of_what_is_marked_stays_here_with_it(files: Files) -> None:
    with opened(files) as part:
        open_ = [json.loads(line) for line in exported("jsonl", part).splitlines()]
        markings.hide_above(part, "green")
        text = exported("jsonl", part).decode()
    mentioned = {each["start"]["key"] for each in open_ if each.get("end") == {"label": "Report", "key": REPORT}}
    assert mentioned
    left = {each.get("key") for each in map(json.loads, text.splitlines())}
    assert not left & mentioned
    assert [each for each in left if each and "#" in each]  # what another report mentions
    assert "for amber eyes alone" not in text


@pytest.mark.parametrize("graph", ["site", "hostile_site"])
def test_a_picture_has_no_markup_of_anybodys(graph: str, request: pytest.FixtureRequest) -> None:
    with opened(Files(request.getfixturevalue(graph) / "import")) as part:
        page = exported("html", part, Settings(title="</title><script>x</script>{{data}}")).decode()
        many = sum(map(part.count, part.nodes()))
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data
    assert len(json.loads(data[1])["nodes"]) == many
    assert page.count("<script") == 2
    assert "hacked" not in page.replace(data[0], "")
    assert "default-src 'none'" in page


def test_a_picture_of_too_much_is_refused(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "MOST", 10)
    with pytest.raises(UsageError, match="no picture"):
        exported("html", part)


@pytest.mark.parametrize(
    "text", ["it's", "a\\", "\\'", "a\nb\tc\r", "'; MATCH (n) DETACH DELETE n; //", "\u2028\x00\ud800"]
)
def test_a_literal_stays_one(text: str) -> None:
    made = literal(text)
    assert "\n" not in made
    assert re.fullmatch(r"'(?:[^'\\]|\\u[0-9a-f]{4}|\\.)*'", made)


@pytest.mark.neo4j
def test_neo4j_has_the_same_graph_after_the_script(server: Server, neo4j_driver: Driver, site: Path) -> None:
    files = Files(site / "import")
    with opened(files) as part:
        script = exported("cypher", part).decode()
    with neo4j_driver.session() as session:
        for statement in script.splitlines():
            assert statement.endswith(";")
            session.run(statement.removesuffix(";")).consume()
    assert verify(files, server).equal


def test_the_parts_of_other_formats_are_in_the_docs() -> None:
    page = (ROOT / "docs" / "exchange.md").read_text()
    assert "--unjudged" in page
    assert "--max-tlp" in page


def test_a_choice_of_nothing_is_written_by_every_format(part: Part) -> None:
    choose.nodes(part, [NodeRef("Domain", "nowhere.example")])
    for name in ("opengraph", "parquet", "maltego", "plain", "hosts", "rpz", "html", "cypher"):
        made: tuple[bytes, Any] = exported_with(name, part)
        assert made[1].nodes == 0
