"""`transform`: what it made, and what it says of replies and values that it can't read."""

from __future__ import annotations

import json
import re

from command import Desk


def test_transform_tells_what_it_made(filled: Desk) -> None:
    ran = filled.run("transform")
    assert ran.code == 0
    assert re.search(r"^node\tDomain\t[1-9]", ran.out, re.MULTILINE)
    assert re.search(r"^relationship\tDomain-RESOLVES-IPAddress\t[1-9]", ran.out, re.MULTILINE)
    assert re.search(r"^reject\tplaceholder\t[1-9]", ran.out, re.MULTILINE)


BAD_REPLIES = (
    ("html.example", b"<html>502 Bad Gateway</html>", "HTML instead of JSON"),
    ("empty.example", b"", "an empty body"),
    ("cut.example", b'{"response_code":"1","resolutions":[{"ip_addr', "not JSON"),
    ("list.example", b"[1,2,3]", "wrong shape"),
    ("latin.example", b'{"response_code":"1","emails":["\xe4@example.com"]}', "not JSON"),
)


def test_replies_that_can_not_be_read_are_kept_counted_and_listed_and_the_run_goes_on(filled: Desk) -> None:
    before = filled.run("transform", "--json").json["manifest"]
    for key, body, _ in BAD_REPLIES:
        assert filled.adopt(f"{key}.json", body).code == 0
    ran = filled.run("transform", "--json")
    assert ran.code == 3
    assert f"{len(BAD_REPLIES)} replies could not be read; " in ran.err
    manifest = ran.json["manifest"]
    assert manifest["outcomes"]["unreadable"] == len(BAD_REPLIES)
    assert manifest["replies"] == before["replies"] + len(BAD_REPLIES)
    assert (manifest["nodes"], manifest["relationships"]) == (before["nodes"], before["relationships"])
    listed = [json.loads(line) for line in (filled.folder / "import" / "rejects.jsonl").read_text().splitlines()]
    told = {each["key"]: each["reason"] for each in listed if each["path"] == ""}
    assert told == {key: reason for key, _, reason in BAD_REPLIES}
    assert filled.run("cache", "show", "html.example").out.count("502 Bad Gateway") == 1


def test_a_bad_value_is_listed_with_its_place_and_the_rest_of_the_reply_stays(desk: Desk) -> None:
    rows = [{"ip_address": each, "last_resolved": "2026-01-02"} for each in ("-", "66.0.543.66", "192.0.2.77")]
    assert desk.adopt("example.com.json", json.dumps({"response_code": "1", "resolutions": rows}).encode()).code == 0
    ran = desk.run("transform", "--json")
    assert ran.code == 0
    assert ran.json["manifest"]["rejects"] == {"an impossible address": 1, "placeholder": 1}
    assert ran.json["manifest"]["relationships"]["Domain-RESOLVES-IPAddress"]["rows"] == 1
    listed = [json.loads(line) for line in (desk.folder / "import" / "rejects.jsonl").read_text().splitlines()]
    assert {(each["path"], each["value"], each["reason"]) for each in listed} == {
        ("$.resolutions[0].ip_address", "-", "placeholder"),
        ("$.resolutions[1].ip_address", "66.0.543.66", "an impossible address"),
    }
