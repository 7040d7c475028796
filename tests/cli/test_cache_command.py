"""`cache`: replies from elsewhere go in, are listed, shown, covered, verified and compacted."""

from __future__ import annotations

import json
import re

import pytest
from command import Desk


def test_the_cache_is_listed_shown_covered_and_verified(loaded: Desk) -> None:
    assert re.search(r"^raw\tthreatcrowd\tdomain\t", loaded.run("cache", "list").out, re.MULTILINE)
    shown = [json.loads(line) for line in loaded.run("cache", "show", "EXAMPLE.com").out.splitlines()]
    assert {each["key"] for each in shown} == {"example.com"}
    assert "$.permalink" in loaded.run("cache", "coverage").out
    assert loaded.run("cache", "verify").out == "the cache is whole\n"


def test_a_compacted_cache_gives_the_same_graph(filled: Desk) -> None:
    held, before = filled.run("cache", "list").out, filled.run("transform", "--json").json["manifest"]
    done = filled.run("cache", "compact", "--json").json
    assert done["closed"] == len(before["segments"])
    assert (done["repaired"], done["lost"]) == (0, 0)
    assert filled.run("cache", "compact").out.startswith("0 files compressed, 0 repaired: ")
    assert filled.run("cache", "list").out == held
    after = filled.run("transform", "--json").json["manifest"]
    assert {**after, "segments": []} == {**before, "segments": []}


def test_what_can_not_be_added_is_said_and_the_rest_goes_in(desk: Desk) -> None:
    folder = desk.folder / "kept" / "threatcrowd_v2" / "domain"
    folder.mkdir(parents=True)
    (folder / "example.com__2019.json").write_bytes(b'{"response_code":"0"}')
    (desk.folder / "kept" / "nobody" / "x").mkdir(parents=True)
    (desk.folder / "kept" / "nobody" / "x" / "y.json").write_bytes(b"{}")
    ran = desk.run("cache", "add", "kept")
    assert (ran.code, ran.out) == (3, "1 added, 0 there already, 1 left out\n")
    assert "y.json: no source is called 'nobody': say with --source and --endpoint what it is; a list of " in ran.err
    assert desk.run("cache", "add", "kept/threatcrowd_v2").out == "0 added, 1 there already, 0 left out\n"


def test_lines_of_bare_replies_tell_what_was_asked_for(desk: Desk) -> None:
    lines = "".join(json.dumps({"ip": f"192.0.2.{n}", "ports": [80]}) + "\n" for n in (1, 2))
    (desk.folder / "scans.jsonl").write_text(lines)
    words = ("cache", "add", "scans.jsonl", "--source", "internetdb", "--endpoint", "ip")
    refused = desk.run(*words)
    assert (refused.code, refused.out) == (3, "0 added, 0 there already, 2 left out\n")
    assert "scans.jsonl:1: one of several bare replies: say with --key-from" in refused.err
    assert desk.run(*words, "--key-from", "ip").out == "2 added, 0 there already, 0 left out\n"
    assert desk.run("cache", "show", "192.0.2.2").out.count("192.0.2.2") == 2
    assert desk.run(*words, "--key", "192.0.2.1", "--key-from", "ip").code == 2


def test_a_damaged_record_is_found_and_the_rest_is_read(filled: Desk) -> None:
    segment = next((filled.folder / "data" / "raw" / "threatcrowd" / "domain").iterdir())
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(bytes(data))
    ran = filled.run("cache", "verify")
    assert ran.code == 1
    assert "threatcrowd/domain" in ran.err
    ran = filled.run("transform", "--import", "afresh")  # what is staged of the files there is from before the damage
    assert ran.code == 3
    assert "damaged; `intel-grapher cache verify` tells where" in ran.err


@pytest.mark.parametrize("member", ["ip\x1f", 'a"b', "a\\b", "\udcff"])
def test_a_member_s_name_that_can_be_none_is_refused(desk: Desk, member: str) -> None:
    (desk.folder / "one.json").write_text("{}")
    words = ("cache", "add", "one.json", "--source", "doh", "--endpoint", "resolve")
    ran = desk.run(*words, f"--key-from={member}")
    assert (ran.code, "can't be the name of a member" in ran.err) == (2, True)
