"""Habits of the command line that users bring along, where no other test stands for them (docs/habits.md)."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from campaign import campaign
from command import Desk

CANARY = "canary-of-a-test"


def test_a_traceback_is_shown_with_debug_alone_and_never_the_values_of_locals(desk: Desk) -> None:
    secret = Desk(desk.folder, more={"MADE_UP_API_KEY": CANARY})
    plain = secret.run("show", "example.com")  # which fails for a traceback
    process = secret.start("--debug", "show", "example.com")
    out, err = process.communicate(timeout=120)
    assert (plain.code, process.returncode) == (1, 1)
    assert "Traceback" in err
    assert "NoGraphError" in err
    assert err.splitlines()[-1].startswith("error: there is no graph at data/graph")
    for text in (plain.out + plain.err, out + err):
        assert CANARY not in text
        assert "locals" not in text
        assert "│" not in text  # no box of Rich's, which would have the values


@pytest.mark.parametrize("words", [("--no-progress",), ()])
def test_progress_is_shown_on_a_terminal_alone_and_not_where_it_is_not_wanted(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    desk = Desk(campaign(tmp_path, sources="analyst", load=False))
    command = [sys.executable, "-m", "intel_grapher", "transform", *words]
    terminal, other = pty.openpty()
    process = subprocess.Popen(
        command, cwd=desk.folder, env=desk.environment | {"TERM": "xterm", "COLUMNS": "80"},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=other,
    )  # fmt: skip
    os.close(other)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while block := os.read(terminal, 65536):
            shown += block
    os.close(terminal)
    assert process.wait() == 0
    assert (b"%" in shown) == (not words), shown
    piped = desk.run("transform")
    assert "%" not in piped.out + piped.err


def test_nothing_waits_for_an_answer_without_a_terminal(tmp_path: Path) -> None:
    desk = Desk(campaign(tmp_path, sources="analyst", load=False))
    for words in (("cache", "review"), ("keys", "set", "SHODAN_API_KEY"), ("show",), ("fetch",)):
        assert desk.run(*words).code in {0, 1, 2}, words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_each_shell(tmp_path: Path, shell: str) -> None:
    ran = Desk(tmp_path, more={"_INTEL_GRAPHER_COMPLETE": f"source_{shell}"}).run()
    assert ran.code == 0
    assert "intel-grapher" in ran.out
    assert f"complete_{shell}" in ran.out
