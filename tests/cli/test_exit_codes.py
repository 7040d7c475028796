"""Exit codes are those of the README in every case, and with --json an error is one document on standard error."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from command import Desk, Ran, install
from places import ROOT, SAMPLES

sys.path.insert(0, str(ROOT / "docs"))

import generated

from intel_grapher.cli import COMMANDS
from intel_grapher.cli.output import JSON_VERSION

# One case or more for each command: words, the exit code where the sample campaign is, the code where nothing is.
WALK = (
    (("fetch", "example.com", "--source", "threatcrowd"), 0, 1),
    (("fetch", "status"), 0, 0),
    (("fetch", "failed"), 0, 0),
    (("fetch", "retry"), 0, 0),
    (("plan", "example.com"), 0, 0),
    (("transform",), 0, 1),
    (("load",), 0, 1),
    (("run", "example.com", "--source", "threatcrowd"), 0, 1),
    (("look", "example.com", "--offline"), 0, 1),
    (("show", "example.com"), 0, 1),
    (("show", "nowhere.example"), 1, 1),
    (("path", "example.com", "example.net"), 0, 1),
    (("path", "example.com", "nowhere.example"), 1, 1),
    (("rank", "example.com", "example.net"), 0, 1),
    (("rank", "example.com", "harmless.example"), 1, 1),
    (("query", "MATCH (d:Domain) RETURN d.name"), 0, 1),
    (("queries",), 0, 0),
    (("sources",), 0, 0),
    (("schema",), 0, 0),
    (("diff",), 1, 1),
    (("diff", "--list"), 0, 0),
    (("doctor",), 0, 0),
    (("cache", "list"), 0, 1),
    (("cache", "coverage"), 0, 1),
    (("cache", "verify"), 0, 1),
    (("cache", "compact"), 0, 1),
    (("neo4j", "status"), 0, 0),
    (("init", "mine"), 0, 0),
    (("config", "show"), 0, 0),
    (("keys", "check"), 0, 0),
    (("cache", "imports"), 0, 1),
    (("cache", "show", "example.com"), 0, 1),
    (("cache", "show", "nowhere.example"), 1, 1),
)
ELSEWHERE = {"mcp", "demo", "export", "maltego", "taxii", "ui", "watch"}
"""Commands with a test file of their own, because they take long or serve."""


def error_of(ran: Ran) -> dict[str, Any]:
    """The one document on standard error; it has a version."""
    document: dict[str, Any] = json.loads(ran.err)
    assert document["version"] == JSON_VERSION
    return document


def checked(ran: Ran, code: int) -> None:
    assert ran.code == code, ran.err
    if ran.err:
        assert error_of(ran)["exit_code"] == code
    if code not in {0, 3}:
        assert error_of(ran)["error"]
    if ran.out:
        assert all(json.loads(line)["version"] == JSON_VERSION for line in documents(ran.out))


def documents(out: str) -> list[str]:
    """One document, or one a line."""
    lines = out.splitlines()
    return lines if all(line.startswith("{") and line.endswith("}") for line in lines) else [out]


@pytest.mark.parametrize(("words", "there", "nowhere"), WALK, ids=[" ".join(each[0]) for each in WALK])
def test_a_command_ends_with_its_code_and_one_document(
    filled: Desk, desk: Desk, words: tuple[str, ...], there: int, nowhere: int
) -> None:
    checked(filled.run(*words, "--json"), there)
    checked(desk.run(*words, "--json"), nowhere)


def test_the_walk_goes_by_every_command() -> None:
    assert {each[0][0] for each in WALK} | ELSEWHERE >= set(COMMANDS), "add a case for the new command"


def test_every_command_that_yields_data_has_json() -> None:
    without = {words for words in generated.commands() if "--json" not in generated.help_of(words)}
    groups = {("cache",), ("config",), ("keys",), ("maltego",), ("neo4j",), ()}
    in_xml = {("maltego", each) for each in ("around", "ask", "config", "plan", "query")}
    assert without - groups - in_xml == {("ui",), ("mcp",), ("keys", "set"), ("neo4j", "up"), ("neo4j", "down")}


def test_wrong_use_is_one_document_too(desk: Desk) -> None:
    for words in (("fetch", "--no-such-option"), ("frobnicate",), ("show", "--limit", "x"), ("query",)):
        ran = desk.run(*words, "--json")
        checked(ran, 2)
        assert ran.out == ""


OFFLINE = """
from msgspec import Struct
from intel_grapher.model import Facts
from intel_grapher.schema import HOSTNAME, Hostname
from intel_grapher.source import Source


class Reply(Struct):
    found: bool = True


{name} = Source("{name}", title="{name}", home="http://127.0.0.1:9", limits=())


@{name}.get("/names/{{key}}")
def names(asked: Hostname, reply: Reply) -> Facts:
    '''Nothing but the name.'''
    yield HOSTNAME.each(asked)
"""


def test_a_lost_network_is_told_once_and_as_such(desk: Desk) -> None:
    packages = desk.folder / "packages"
    packages.mkdir()
    for name in ("one", "two"):
        install(packages, name, OFFLINE.format(name=name), name)
    cut = Desk(desk.folder, packages)
    ran = cut.process("fetch", "host.example.net", "--source", "one", "--source", "two", "--json")
    assert ran.code == 1
    assert error_of(ran)["error"].startswith("no network: none of 2 services could be reached")
    assert ran.json["summary"]["offline"] is True


NO_PROXY = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
"""An environment in which nothing can be reached, whatever the machine's own network."""


def test_one_service_alone_tells_a_lost_network_too(desk: Desk) -> None:
    ran = Desk(desk.folder, more=NO_PROXY).run("run", "example.com", "--source", "rdap", "--json")
    assert ran.code == 1
    found = error_of(ran)
    assert found["error"].startswith("no network: rdap could not be reached (the proxy can't be reached or refuses)")
    assert found["messages"] == []  # that nothing is kept is no second fault


def test_a_run_that_could_ask_nobody_tells_that_alone(desk: Desk) -> None:
    ran = desk.run("run", "example.com", "--source", "threatcrowd", "--json")
    found = error_of(ran)
    assert (ran.code, found["error"], found["messages"]) == (1, "nobody could be asked: retired", [])


def test_a_look_without_a_network_is_done_in_part_where_something_is_kept(loaded: Desk) -> None:
    cut = Desk(loaded.folder, more=NO_PROXY)
    ran = cut.run("look", "example.com", "--source", "rdap", "--source", "threatcrowd", "--refresh")
    assert ran.code == 3, ran.err
    assert "no network" in ran.err
    assert "graph:" not in ran.err  # nothing is new


def test_a_watch_without_a_network_has_not_watched(desk: Desk, tmp_path: Path) -> None:
    assert desk.run("cache", "add", SAMPLES / "rdap").code == 0
    (tmp_path / "list.txt").write_text("example.com\n")
    cut, words = Desk(tmp_path, more=NO_PROXY), ("watch", "list.txt", "--source", "rdap", "--no-progress")
    ran = cut.run(*words)
    assert (ran.code, ran.out.count("\n")) == (1, 1), ran.err
    assert "could be asked about 1 indicators: no network; they are not watched yet" in ran.out
    assert not (tmp_path / "data" / "watches").exists()
    assert Desk(tmp_path).run(*words, "--requests", "0").code == 0
    ran = cut.run(*words, "--refresh")
    assert ran.code == 1
    assert "no network; nothing new in what is kept, since " in ran.out
    ran = cut.run(*words, "--refresh", "--json")
    assert (ran.code, ran.json["unasked"]) == (1, "no network")


def test_nothing_could_be_asked_is_a_failure_with_its_reason(desk: Desk) -> None:
    for words, code, why in (
        (("d195ce778dcb3eb032f7122fffaaca95",), 4, "it takes a key"),
        (("host.corp",), 1, "is kept private"),
        (("example.com", "--source", "threatcrowd"), 1, "retired"),
        (("AS64496", "--source", "doh"), 1, "no service that is chosen takes this kind"),
    ):
        ran = desk.run("fetch", *words)
        assert ran.code == code, ran.err
        assert why in ran.err
        assert ran.err.count("error:") == 1
    assert desk.run("fetch", "example.org", "--requests", "0").code == 0  # it was told to ask nothing


def test_no_command_is_a_look(loaded: Desk) -> None:
    named = loaded.run("look", "--offline", "--no-graph", "example.com")
    assert loaded.run("--offline", "--no-graph", "example.com").out == named.out
    assert loaded.run("example[.]com", "--offline", "--no-graph").out == named.out
    piped = loaded.run("--offline", "--no-graph", text="a note on hxxp://example[.]com and 192.0.2.10\n")
    assert "192.0.2.10  IPAddress" in piped.out
    assert loaded.run("shwo", "example.com").code == 2
    assert "Usage" in loaded.run().out
    lines = loaded.run("look", "--offline", "--no-graph", "example.com", "192.0.2.10", "--json").out.splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["example.com", "192.0.2.10"]
