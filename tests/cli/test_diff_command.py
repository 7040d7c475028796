"""`diff` without a hand-made copy: the sets before are named by a moment."""

from __future__ import annotations

import os

from command import Desk

BODY = b'{"response_code":"1","subdomains":["%s.example.com"]}'


def made(desk: Desk, name: str, day: int) -> None:
    assert desk.adopt(f"example.com__{day}.json", BODY % name.encode()).code == 0
    assert desk.run("transform", "--processes", "1", "--format", "parquet").code == 0
    at = 1_700_000_000 + day * 86_400
    os.utime(desk.folder / "import" / "manifest.json", (at, at))


def test_a_set_is_named_by_a_moment(desk: Desk) -> None:
    assert desk.run("diff").code == 1
    made(desk, "one", 0)
    refused = desk.run("diff")
    assert (refused.code, refused.out) == (1, "")
    assert "no set before import is kept" in refused.err
    made(desk, "two", 3)
    made(desk, "three", 6)
    ran = desk.run("diff", "--rows", "0", "--json")
    assert ran.json["before"]["published_at"] == "2023-11-17T22:13:20Z"
    assert ["three.example.com"] in [row["keys"] for row in ran.json["rows"]]
    assert ["two.example.com"] not in [row["keys"] for row in ran.json["rows"]]
    ran = desk.run("diff", "2023-11-15", "--rows", "0")
    assert "two.example.com" in ran.out
    older = desk.run("diff", "2020-01-01")
    assert "no set is as old as 2020-01-01T00:00:00Z: the oldest, of 2023-11-14T22:13:20Z, is taken" in older.err
    assert desk.run("diff", "2023-11-15", "2023-11-18", "--rows", "0").out.count("two.example.com") == 2
    assert desk.run("diff", "1d", "1d").err == "they say the same\n"
    listed = desk.run("diff", "--list", "--json").json["sets"]
    assert [each["published_at"][:10] for each in listed] == ["2023-11-20", "2023-11-17", "2023-11-14"]
    assert desk.run("diff", "soon").code == 2
