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


def in_process(desk: Desk, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, whose standard input is empty."""
    command = [sys.executable, "-m", "intel_grapher", *words]
    return subprocess.run(
        command, cwd=desk.folder, env=desk.environment | more, capture_output=True, text=True, check=False, timeout=120,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_a_traceback_is_shown_with_debug_alone_and_never_the_values_of_locals(desk: Desk) -> None:
    plain = in_process(desk, "show", "example.com", MADE_UP_API_KEY=CANARY)
    told = in_process(desk, "--debug", "show", "example.com", MADE_UP_API_KEY=CANARY)
    assert (plain.returncode, told.returncode) == (1, 1)
    assert "Traceback" not in plain.stderr
    assert "Traceback" in told.stderr
    assert "NoGraphError" in told.stderr
    assert plain.stderr.splitlines()[-1] == told.stderr.splitlines()[-1]
    for text in (plain.stdout + plain.stderr, told.stdout + told.stderr):
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
    piped = in_process(desk, "transform")
    assert "%" not in piped.stdout + piped.stderr


def test_nothing_waits_for_an_answer_without_a_terminal(tmp_path: Path) -> None:
    desk = Desk(campaign(tmp_path, sources="analyst", load=False))
    for words in (("cache", "review"), ("keys", "set", "SHODAN_API_KEY"), ("show",), ("fetch",)):
        ran = in_process(desk, *words)  # in which a wait would end in TimeoutExpired
        assert ran.returncode in {0, 1, 2}, (words, ran)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_each_shell(desk: Desk, shell: str) -> None:
    asked = desk.environment | {"_INTEL_GRAPHER_COMPLETE": f"source_{shell}"}
    command = [sys.executable, "-c", "from intel_grapher.cli import main; main()"]
    told = subprocess.run(command, cwd=desk.folder, env=asked, capture_output=True, text=True, check=True).stdout
    assert "intel-grapher" in told
    assert f"complete_{shell}" in told
