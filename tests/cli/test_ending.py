"""The end of the main job on a terminal: at most ten lines, and commands that can be pasted and run as they stand."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from command import THREE, Desk
from places import INDICATORS

from intel_grapher.cli import next_command, output

TERMINAL = {"COLUMNS": "80", "CLICOLOR_FORCE": "1", "TERM": "xterm", "INTEL_GRAPHER_QUIET": ""}


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_the_main_job_ends_in_ten_lines_with_commands_that_run(filled: Desk) -> None:
    desk = Desk(filled.folder, more=TERMINAL)
    told = ""
    for words in (("fetch", "--file", str(INDICATORS), *THREE), ("transform",), ("load",)):
        ran = desk.run(*words, "--no-progress")
        assert ran.code == 0, ran.err
        told += plain(ran.out + ran.err)
    lines = told.splitlines()
    assert len(lines) <= 10, told
    assert re.search(r"^found +17 of 17 indicators: \d+ malicious, ", told, re.MULTILINE)
    assert re.search(r"^ties +\w+ \S+ ties \d+ of them$", told, re.MULTILINE)
    commands = [line[9:] for line in lines[lines.index(next(each for each in lines if each.startswith("next"))) :]]
    assert [shlex.split(each)[1] for each in commands] == ["show", "rank", "ui"]
    for command in commands[:2]:
        again = filled.run(*shlex.split(command)[1:])
        assert again.code == 0, again.err
    run = plain(desk.run("run", "--file", INDICATORS, *THREE, "--no-progress").out)
    assert len(run.splitlines()) <= 10, run
    assert len(plain(desk.run("load", "-v", "--no-progress").out).splitlines()) > 50


def test_the_next_command_names_the_program_and_the_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / ".venv" / "bin" / "intel-grapher"
    own.parent.mkdir(parents=True)
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(own)])
    monkeypatch.setenv("PATH", "/nowhere")
    assert next_command.command("show", "a b") == ".venv/bin/intel-grapher show 'a b'"
    monkeypatch.setenv("PATH", str(own.parent))
    assert next_command.command("ui") == "intel-grapher ui"
    monkeypatch.setenv("PATH", "/nowhere")
    message = "`intel-grapher run a.example` asks; a later intel-grapher reads it; see intel-grapher nothing"
    monkeypatch.setattr(sys, "argv", [str(own), "-C", "my work", "show"])
    assert next_command.runnable(message) == message.replace(
        "intel-grapher run", ".venv/bin/intel-grapher -C 'my work' run"
    )
    output.complain("next: intel-grapher ui")
    assert capsys.readouterr().err == "next: .venv/bin/intel-grapher -C 'my work' ui\n"
    monkeypatch.setattr(sys, "argv", [str(own)])
    monkeypatch.setenv("PATH", str(own.parent))
    places = {"--db": Path("other graph"), "--data": Path("data")}
    assert next_command.command("ui", places=places) == "intel-grapher ui --db 'other graph'"
    monkeypatch.setenv("INTEL_GRAPHER_DB", "other graph")
    assert next_command.command("ui", places=places) == "intel-grapher ui"
    monkeypatch.setattr(sys, "argv", ["/somewhere/intel_grapher/__main__.py"])
    assert next_command.program() == f"{sys.executable} -m intel_grapher"
