"""What all commands have in common: JSON, plain text where piped, the folders' options, wrong use."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from command import THREE, Desk, contents
from places import SAMPLES

JSON = (
    ("fetch", "example.com", *THREE),
    ("plan", "example.com"),
    ("transform",),
    ("load",),
    ("sources",),
    ("schema",),
    ("show", "example.com"),
    ("path", "example.com", "example.net"),
    ("rank", "example.com", "example.net"),
    ("query", "MATCH (d:Domain) RETURN d.name"),
    ("queries",),
    ("doctor",),
    ("cache", "add", str(SAMPLES)),
    ("cache", "list"),
    ("cache", "coverage"),
    ("cache", "verify"),
)


@pytest.mark.parametrize("words", JSON, ids=[" ".join(each[:2]) for each in JSON])
def test_json_is_one_document_with_a_version(filled: Desk, words: tuple[str, ...]) -> None:
    ran = filled.run(*words, "--json")
    assert ran.code in {0, 1}, ran.err
    assert len(ran.json) > 1


def test_version_and_help() -> None:
    desk = Desk(Path.cwd())
    assert re.fullmatch(r"intel-grapher \d+\.\d+\.\d+\S*\n", desk.run("--version").out)
    assert desk.run("--help").code == desk.run("fetch", "-h").code == 0
    assert "Usage" in desk.run().out + desk.run().err


def test_sources_and_schema_list_what_there_is(loaded: Desk) -> None:
    assert re.search(r"^threatcrowd\t", loaded.run("sources").out, re.MULTILINE)
    assert "RESOLVES" in loaded.run("schema").out
    with_key = Desk(loaded.folder, more={"SHODAN_API_KEY": "canary-1234567890"})
    told = {each["source"]: each for each in with_key.run("sources", "--json").json["sources"]}
    assert told["greynoise"]["asks"] == ["IPAddress"]  # its searches are kept only: they ask about nothing
    assert told["indicators"]["asks"] == []
    assert {"domain", "ip"} <= set(told["threatcrowd"]["traced"])
    assert told["twitter"]["traced"] == []
    assert (told["shodan"]["key"], told["shodan"]["key_set"]) == ("SHODAN_API_KEY", True)
    assert not told["virustotal"]["key_set"]
    assert "canary" not in with_key.run("sources").out


def test_piped_output_is_plain(loaded: Desk) -> None:
    for words in (("show", "example.com"), ("sources",), ("doctor",), ("cache", "list")):
        ran = loaded.run(*words)
        assert "\x1b" not in ran.out + ran.err
        assert not re.search(r"[─│╭]", ran.out)


def test_data_import_and_db_lie_where_they_are_told(loaded: Desk, tmp_path: Path) -> None:
    other = Desk(
        tmp_path, more={"INTEL_GRAPHER_DATA": str(loaded.folder / "data"), "INTEL_GRAPHER_IMPORT": "elsewhere"}
    )
    assert other.run("transform").code == 0
    assert other.run("load", "--db", "graph-of-mine").code == 0
    assert other.run("show", "example.com", "--db", "graph-of-mine").code == 0
    assert {each.name for each in tmp_path.iterdir() if not each.name.startswith(".")} == {"elsewhere", "graph-of-mine"}


WRONG = (
    (("fetch",), "no indicator is given"),
    (("fetch", "--file", "missing.txt"), "missing.txt can't be read: No such file"),
    (("fetch", "--file", "."), "can't be read: Is a directory"),
    (("fetch", "example.com", "--source", "nobody"), "no source is called 'nobody'; there are: "),
    (("fetch", "example.com", "--max-age", "soon"), "'soon' is not an age; write it as"),
    (("fetch", "example.com", "--max-age", "nobody=7d"), "no source is called 'nobody'"),
    (("fetch", "example.com", "--no-such-option"), "No such option"),
    (("cache", "add", "missing.json"), "missing.json"),
    (("cache", "add", ".", "--source", "nobody"), "no source is called 'nobody'"),
    (("cache", "add", ".", "--source", "doh", "--fetched-at", "soon"), "--fetched-at 'soon': not a date; write it as"),
    (("transform", "--format", "xml"), "--format is one of parquet, csv, not xml"),
    (("transform", "--memory", "much"), "'much' is not a size; write it as"),
    (("transform", "--memory", "4096"), "'4096' is 4,096 bytes, too little to work with"),
    (("load", "--to", "oracle"), "a graph is called embedded or neo4j, not 'oracle'"),
    (("load", "--method", "magic"), "--method is auto, copy, admin or bolt, not 'magic'"),
    (("load", "--yes"), "--yes goes with --prune"),
    (("query",), "give a question in Cypher"),
    (("query", "--saved", "nothing"), "nothing"),
    (("rank", "example.com"), "name two indicators or more"),
    (("frobnicate",), "No such command"),
)


@pytest.mark.parametrize(("words", "why"), WRONG, ids=[" ".join(each[0]) for each in WRONG])
def test_what_is_asked_wrongly_is_said_and_nothing_is_done(loaded: Desk, words: tuple[str, ...], why: str) -> None:
    before = contents(loaded.folder / "import")
    held = loaded.run("cache", "list").out
    ran = loaded.run(*words)
    assert (ran.code, ran.out) == (2, "")
    assert why in ran.err
    assert contents(loaded.folder / "import") == before
    assert loaded.run("cache", "list").out == held


WIDE = (
    ("show", "invoice-portal.example"),
    ("show", "--all", "d195ce778dcb3eb032f7122fffaaca94"),
    ("path", "billing@invoice-portal.example", "198.51.100.23"),
    ("rank", "example.com", "example.net"),
    ("query", "MATCH (h:Hash)-[r]->(m) RETURN h.value AS hash, m.name AS name, r.sources AS sources LIMIT 5"),
    ("fetch", "status"),
    ("plan", "8.8.8.8", "example.org"),
    ("sources",),
    ("cache", "list"),
    ("cache", "coverage"),
    ("config", "show"),
    ("look", "--offline", "--no-graph", "example.com", "cdn-update.example"),
)


@pytest.mark.parametrize("words", WIDE, ids=" ".join)
def test_a_terminal_of_any_width_shows_whole_keys(loaded: Desk, words: tuple[str, ...]) -> None:
    told = []
    for width in (60, 80, 140):
        terminal = Desk(loaded.folder, more={"COLUMNS": str(width), "CLICOLOR_FORCE": "1", "TERM": "xterm"})
        ran = terminal.run(*words)
        assert ran.code == 0, ran.err
        plain = re.sub(r"\x1b\[[0-9;]*m", "", ran.out)
        for line in plain.splitlines():  # a line may be longer for a long word alone
            assert len(line) <= width or max(map(len, line.split())) > width - 25 or "next" in line[:6], line
        told.append(plain.split())
    words_of = [{word for word in each if len(word) > 20} for each in told]
    assert words_of[0] >= {word for word in words_of[2] if not word.endswith((",", ";", ":"))} or words[0] == "show"


@pytest.mark.parametrize("width", [60, 80])
def test_what_the_doctor_finds_takes_a_line_and_its_remedy_another(loaded: Desk, width: int) -> None:
    terminal = Desk(loaded.folder, more={"COLUMNS": str(width), "CLICOLOR_FORCE": "1", "TERM": "xterm"})
    ran = terminal.run("doctor")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", ran.out)
    assert ran.code == 0, ran.err
    assert "ok     embedded graph: data/graph holds what the files do\n" in plain
    assert "note   key of Shodan: none\n       set SHODAN_API_KEY to ask it\n" in plain
    assert len(plain.splitlines()) < 2.5 * len(loaded.run("doctor").out.splitlines())


def test_a_long_hash_is_whole_at_60_columns(loaded: Desk) -> None:
    terminal = Desk(loaded.folder, more={"COLUMNS": "60", "CLICOLOR_FORCE": "1", "TERM": "xterm"})
    ran = terminal.run("show", "d195ce778dcb3eb032f7122fffaaca94")
    assert "14154699038f12b179775d511732471c7ab5e93fd0076444c3928bb2f771592d" in ran.out
    assert "malicious" in ran.out.splitlines()[0]
    folded = terminal.run("show", "example.com")
    assert "CONTACTS <- Hash" in folded.out
    assert len(folded.out.splitlines()) < len(terminal.run("show", "--all", "example.com").out.splitlines())


def test_no_colour_where_it_is_not_wanted(loaded: Desk) -> None:
    more = {"COLUMNS": "80", "CLICOLOR_FORCE": "1", "TERM": "xterm", "NO_COLOR": "1"}
    assert "\x1b" not in Desk(loaded.folder, more=more).run("show", "example.com").out


@pytest.mark.parametrize("pager", ["", "--no-pager"])
def test_a_pager_where_output_is_longer_than_the_screen(loaded: Desk, tmp_path: Path, pager: str) -> None:
    log = tmp_path / "paged"
    script = tmp_path / "pager"
    script.write_text(f"#!/bin/sh\ncat > {log}\n")
    script.chmod(0o755)
    more = {**loaded.environment, "PAGER": str(script), "TERM": "xterm"}
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 80, 0, 0))
    words = [sys.executable, "-m", "intel_grapher", "show", "example.com", *([pager] if pager else [])]
    process = subprocess.Popen(words, cwd=loaded.folder, env=more, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while block := os.read(master, 65536):
            shown += block
    os.close(master)
    assert process.wait(60) == 0, shown
    assert (b"RESOLVES" in shown) == bool(pager)
    assert log.exists() == (not pager)
    assert not log.exists() or "RESOLVES" in log.read_text()
