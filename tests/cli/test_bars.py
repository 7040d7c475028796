"""Progress bars and results: the ones never draw over the others, nor take them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from screen import on_terminal

BOTH = """
import time
from intel_grapher.cli.output import print_json_line, print_line, progress, say
from intel_grapher.cli.terminal import Screen
with progress("requests") as advance:
    advance("one", 1, 2)
    advance("two", 1, 2)
    time.sleep(0.3)
    card = Screen()
    for number in range(5):
        card.line(f"line {number} of the card")
    card.print()
    say("a message")
    time.sleep(0.3)
    advance("one", 2, 2)
    print_line("a line")
    print_json_line({"a": "document"})
    time.sleep(0.3)
say("the end")
"""
RESULT = [*(f"line {number} of the card" for number in range(5)), "a line", '{"version":1,"a":"document"}']


@pytest.fixture
def environment() -> dict[str, str]:
    return {**os.environ, "TERM": "xterm-256color"}


@pytest.mark.parametrize("width", [60, 140])
def test_a_result_stands_whole_where_bars_were(tmp_path: Path, environment: dict[str, str], width: int) -> None:
    ran = on_terminal([sys.executable, "-c", BOTH], width, folder=tmp_path, environment=environment)
    assert ran.code == 0, ran.text
    assert "one" in ran.text  # a bar was drawn
    assert ran.lines == [*RESULT[:5], "a message", *RESULT[5:], "the end"]


def test_a_piped_result_goes_into_the_pipe_while_bars_are_on_the_terminal(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    with (tmp_path / "out").open("wb") as out:
        words = [sys.executable, "-c", BOTH]
        ran = on_terminal(words, 80, folder=tmp_path, environment=environment, out=out.fileno())
    assert ran.code == 0, ran.text
    assert (tmp_path / "out").read_text().splitlines() == RESULT
    assert ran.lines == ["a message", "the end"]
