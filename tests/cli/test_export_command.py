"""`export`: which part goes out, where to, and what it says when that can't be."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from campaign import campaign
from command import Desk
from once import Once

from intel_grapher.export import format as formats


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, once: Once) -> Desk:
    """Give a desk with the campaign's cache, files and graph."""
    return Desk(once.copy("campaign", campaign, tmp_path_factory.mktemp("export")))


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_list_names_every_format(desk: Desk) -> None:
    assert {each["name"] for each in desk.run("export", "--list", "--json").json["formats"]} == set(formats.installed())
    assert "graphml" in desk.run("export", "--list").out


def test_a_file_is_written_and_its_name_tells_the_format(desk: Desk) -> None:
    done = desk.run("export", "-o", "graph.jsonl", "--json").json
    written = lines(desk.folder / "graph.jsonl")
    assert (done["format"], done["left_out"]) == ("jsonl", {})
    assert len(written) == done["nodes"] + done["relationships"]


def test_standard_output_has_the_same_bytes_and_nothing_else(desk: Desk) -> None:
    assert desk.run("export", "-o", "same.jsonl").code == 0
    ran = desk.process("export", "--format", "jsonl")
    assert ran.code == 0
    assert ran.out == (desk.folder / "same.jsonl").read_text()
    assert "nodes" in ran.err


def test_a_neighbourhood_and_its_hubs(desk: Desk) -> None:
    ran = desk.run("export", "-o", "near.jsonl", "--around", "example[.]com", "--hops", "2", "--hub", "8")
    assert ran.code == 0, ran.err
    assert "not entered" in ran.err
    assert {"label": "Domain", "key": "example.com"} in [
        {name: line[name] for name in ("label", "key")} for line in lines(desk.folder / "near.jsonl") if "label" in line
    ]


@pytest.mark.parametrize("named", ["Malware:Trojan.PaperLantern.A", "Trojan.PaperLantern.A", "CVE-2018-15473"])
def test_any_node_may_be_the_middle(desk: Desk, named: str) -> None:
    assert desk.run("export", "-o", "one.jsonl", "--around", named, "--hops", "0").code == 0
    assert named.partition(":")[2] or named in {line.get("key") for line in lines(desk.folder / "one.jsonl")}


def test_the_nodes_that_a_saved_query_names(desk: Desk) -> None:
    ran = desk.run("export", "-o", "rows.jsonl", "--saved", "registrant-pivot", "-p", "name=example.com")
    assert ran.code == 0, ran.err
    keys = {line["key"] for line in lines(desk.folder / "rows.jsonl") if line.get("label") == "Domain"}
    csv = desk.run("query", "--saved", "registrant-pivot", "-p", "name=example.com", "--csv").out.splitlines()[1:]
    assert keys == {line.split(",")[0] for line in csv}


def test_the_nodes_of_a_case_and_what_of_it_is_not_there(desk: Desk) -> None:
    nodes = [{"label": "Domain", "key": "example.com"}, {"label": "Domain", "key": "gone.example"}, {"count": 3}]
    folder = desk.folder / "data" / "investigations"
    folder.mkdir(exist_ok=True)
    (folder / "Paper Lantern.json").write_text(json.dumps({"version": 1, "nodes": nodes, "edges": []}))
    ran = desk.run("export", "-o", "case.jsonl", "--case", "Paper Lantern")
    assert ran.code == 0, ran.err
    assert "Domain:gone.example" in ran.err
    assert "example.com" in {line.get("key") for line in lines(desk.folder / "case.jsonl")}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--format", "jsno"], 2, "there is no format 'jsno'"),
        (["-o", "graph.what"], 2, "does not tell the format"),
        ([], 2, "say with --format"),
        (["--format", "jsonl", "--json"], 2, "-o"),
        (["-o", "a.jsonl", "--around", "example.com", "--case", "x"], 2, "one of"),
        (["-o", "a.jsonl", "--around", "exmaple..com"], 2, "not an indicator"),
        (["-o", "a.jsonl", "--around", "nowhere.example"], 1, "not in the flat files"),
        (["-o", "a.jsonl", "--case", "none"], 2, "no investigation"),
        (["-o", "a.jsonl", "--saved", "none"], 2, "no saved query"),
        (["-o", "a.jsonl", "--saved", "counts"], 2, "name no node"),
        (["-o", "a.jsonl", "--import", "nothing"], 1, "no flat files"),
        (["-o", "data", "--format", "jsonl"], 2, "folder"),
        (["-o", "no/such/folder.jsonl"], 1, "can't be written"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_left_behind(
    desk: Desk, arguments: list[str], code: int, says: str
) -> None:
    before = set(desk.folder.iterdir())
    ran = desk.run("export", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err
    assert set(desk.folder.iterdir()) == before


def test_a_file_that_can_not_be_finished_leaves_the_old_one(desk: Desk) -> None:
    old = desk.folder / "kept.graphml"
    old.write_text("what was there")
    ran = desk.process("export", "-o", old.name, limit="ulimit -f 2")
    assert ran.code == 1
    assert "as it was" in ran.err
    assert old.read_text() == "what was there"
    assert not list(desk.folder.glob(".kept*"))


def test_a_block_list_without_what_a_warning_list_has(desk: Desk) -> None:
    (desk.folder / "warn.json").write_text(
        json.dumps({"name": "top", "list": ["update.example", "invoice-portal.example"]})
    )
    (desk.folder / "warn.txt").write_text("# ours\ncdn-update[.]example  # a mirror\n")
    assert desk.run("export", "-o", "a.block.txt").code == 0
    assert (desk.folder / "a.block.txt").read_text() == "cdn-update.example\n"
    told = desk.run("export", "-o", "a.block.txt").err
    assert told.startswith("1 node and 0 relationships as Block list, plain\nnot in it: ")
    assert re.search(r"\(\d+\) and \d+ more; --json counts each kind$", told.rstrip()), told
    options = ["--exclude", "warn.json", "--exclude", "warn.txt", "--max-age", "90d", "--unjudged"]
    ran = desk.run("export", "-o", "b.block.txt", *options, "--json")
    assert ran.json["left_out"]["Domain"] >= 2
    assert "example.net" in (desk.folder / "b.block.txt").read_text().splitlines()
    assert not {"cdn-update.example", "invoice-portal.example"} & set((desk.folder / "b.block.txt").read_text().split())
    assert desk.run("export", "-o", "c.block.txt", "--exclude", "data").code == 2
    assert desk.run("export", "-o", "c.block.txt", "--max-age", "soon").code == 2


def test_a_level_of_the_traffic_light_protocol(desk: Desk) -> None:
    assert desk.run("export", "-o", "clear.jsonl", "--max-tlp", "TLP:CLEAR").code == 0
    assert desk.run("export", "-o", "clear.jsonl", "--max-tlp", "mauve").code == 2


def test_digests_that_nothing_joins_are_files_by_themselves(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (tmp_path / "hashes.txt").write_text("a" * 64 + "\n" + "b" * 32 + "\n")
    assert desk.run("cache", "add", "hashes.txt", "--source", "indicators", "--endpoint", "plain").code == 0
    assert desk.run("transform").code == 0
    ran = desk.run("export", "-o", "out.json", "--format", "stix")
    assert ran.code == 0, ran.err
    objects = json.loads((tmp_path / "out.json").read_text())["objects"]
    assert [list(each["hashes"]) for each in objects if each["type"] == "file"] == [["SHA-256"], ["MD5"]]
