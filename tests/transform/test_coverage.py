"""The coverage report: what is left out of the graph is a choice, and the counts over real replies are checked in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, inspect
from places import FIXTURES, ROOT

from intel_grapher.cache import Cache, Entry
from intel_grapher.registry import Registry
from intel_grapher.transform.coverage import coverage, unread

GOLDEN = ROOT / "tests" / "golden" / "coverage.json"
RENEW = "RENEW_GOLDEN"


class Row(Struct, array_like=True):
    url: str
    date: str = ""


class Inner(Struct):
    a: int = 0


class Outer(Struct, rename="pascal"):
    name: str = ""
    inner: Inner | None = None
    many: list[Inner] = []
    by_name: dict[str, Inner] = {}
    mixed: Inner | list[str] | None = None
    rows: list[Row] = []
    anything: Any = None


def paths(reply: object) -> list[str]:
    return sorted(unread(inspect.type_info(Outer), reply))


def test_what_is_declared_is_read() -> None:
    reply = {"Name": "x", "Inner": {"a": 1}, "Many": [{"a": 1}], "ByName": {"x": {"a": 1}}, "Rows": [["u", "d"]]}
    assert paths(reply | {"Anything": {"deep": [1]}, "Mixed": ["x"]}) == []


def test_what_is_not_declared_is_listed_once_for_each_place() -> None:
    reply = {
        "Name": "x", "name": "y", "More": {"deep": {"er": 1}}, "Inner": {"b": False},
        "Many": [{"b": 0}, {"b": 1, "c": 2}],
        "ByName": {"x": {"b": 1}}, "Mixed": {"b": 1}, "Rows": [["u", "d", "more"]],
    }  # fmt: skip
    assert paths(reply) == [
        "$.ByName.*.b", "$.Inner.b", "$.Many[].b", "$.Many[].b", "$.Many[].c", "$.Mixed.b", "$.More", "$.Rows[][2]",
        "$.name",
    ]  # fmt: skip


def test_what_says_nothing_is_not_listed() -> None:
    assert paths({"a": None, "b": "", "c": [], "d": {}, "Rows": [["u", "d", None]]}) == []


@pytest.mark.parametrize("reply", [None, 1, "x", [], [1], {"Name": {"a": 1}, "Many": {"a": 1}, "Inner": [{"a": 1}]}])
def test_what_is_of_another_type_is_for_the_rejects(reply: object) -> None:
    assert paths(reply) == []


def test_a_cache_is_covered_endpoint_by_endpoint(tmp_path: Path) -> None:
    found = b'{"response_code":"1","hashes":["x"],"permalink":"https://example.com/"}'
    with Cache(tmp_path) as cache:
        with cache.writer() as writer:
            for endpoint, key, body in (
                ("antivirus", "Made", found),
                ("antivirus", "Up", b"<html>"),
                ("new", "x", b"{}"),
            ):
                writer.add(
                    Entry(source="threatcrowd", endpoint=endpoint, key=key, fetched_at=1, status=200, body=body)
                )  # fmt: skip
        antivirus, new = coverage(cache, Registry.installed())
    assert (antivirus.source, antivirus.endpoint, antivirus.replies) == ("threatcrowd", "antivirus", 2)
    assert antivirus.outcomes == {"found": 1, "unreadable": 1}
    assert (antivirus.facts, antivirus.unread) == ({}, {"$.permalink": 1})
    assert antivirus.rejects == {"not a hash": 1, "HTML instead of JSON": 1}
    assert (new.endpoint, new.replies, new.outcomes) == ("new", 1, {"no mapping": 1})


# --- over all real replies --------------------------------------------------------------------------------------------


def command(folder: Path, *arguments: str) -> dict[str, Any]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("INTEL_GRAPHER_")},
        "INTEL_GRAPHER_DATA": str(folder / "data"),
        "INTEL_GRAPHER_IMPORT": str(folder / "import"),
    }
    run = subprocess.run(
        [sys.executable, "-m", "intel_grapher", *arguments, "--json"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode in {0, 3}, run.stderr
    assert "Traceback" not in run.stderr
    document: dict[str, Any] = json.loads(run.stdout)
    return document


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All real replies through `cache add`, `transform` and `cache coverage`: counts and the names of fields only."""
    if not FIXTURES.is_dir():
        pytest.skip(f"no real replies at {FIXTURES}: nothing is compared with {GOLDEN.name}")
    folder = tmp_path_factory.mktemp("real")
    added = command(folder, "cache", "add", str(FIXTURES), "--fetched-at", "2026-11-20")
    manifest = command(folder, "transform")["manifest"]
    covered = command(folder, "cache", "coverage")["coverage"]
    return {
        "added": {name: added[name] for name in ("added", "already_there", "left_out")},
        "left_out": {reason.partition(";")[0]: count for reason, count in added["reasons"].items()},
        "replies": manifest["replies"],
        "outcomes": manifest["outcomes"],
        "rejects": manifest["rejects"],
        "nodes": {name: each["rows"] for name, each in manifest["nodes"].items()},
        "relationships": {name: each["rows"] for name, each in manifest["relationships"].items()},
        "endpoints": {f"{each.pop('source')}/{each.pop('endpoint')}": each for each in covered},
    }


def test_the_counts_over_all_real_replies_are_those_checked_in(real: dict[str, Any]) -> None:
    if os.environ.get(RENEW):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(real, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    golden = json.loads(GOLDEN.read_text())
    assert real.keys() == golden.keys()
    assert {name: value for name, value in real.items() if name != "endpoints"} == {
        name: value for name, value in golden.items() if name != "endpoints"
    }, "`make golden` renews it; read what changed"
    assert real["endpoints"].keys() == golden["endpoints"].keys()
    for name, covered in real["endpoints"].items():
        assert covered == golden["endpoints"][name], name


def test_no_mapping_fails_on_a_real_reply(real: dict[str, Any]) -> None:
    assert [reason for reason in real["rejects"] if reason.startswith("the mapping failed")] == []
    assert {name: each["damaged"] for name, each in real["endpoints"].items() if each["damaged"]} == {}
