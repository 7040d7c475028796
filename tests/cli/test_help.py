"""The help: an example of every command that runs as it stands, one screen for what is common, completed values."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import pytest
from command import Desk
from places import ROOT

from intel_grapher.cli.help_pages import EXAMPLES, MORE

sys.path.insert(0, str(ROOT / "docs"))

import generated

COMMANDS = list(generated.commands())
LEAVES = [words for words in COMMANDS if words and not any(other[: len(words)] == words != other for other in COMMANDS)]
SCREEN = 30


def test_there_is_an_example_of_every_command() -> None:
    without = {" ".join(words) for words in LEAVES} - EXAMPLES.keys()
    assert without == set()
    assert EXAMPLES.keys() <= {" ".join(words) for words in COMMANDS}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_of_its_command_and_has_options_that_there_are(name: str) -> None:
    words = shlex.split(EXAMPLES[name])
    assert words[: len(name.split())] == name.split()
    told = generated.help_of(name.split())
    assert f"Example: intel-grapher {EXAMPLES[name]}" in re.sub(r"\s+", " ", told)
    for option in (each for each in words if each.startswith("-")):
        assert re.search(rf"(?<!\S){option}(?![\w-])", told), option


def test_what_is_common_is_on_one_screen_and_the_rest_under_a_heading() -> None:
    environment = {**os.environ, "COLUMNS": "80", "TYPER_USE_RICH": "1", "NO_COLOR": "1"}
    started = subprocess.run(
        [sys.executable, "-c", PRINTS_HELP, json.dumps(COMMANDS)],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    pages: dict[str, str] = json.loads(started.stdout)
    assert len(pages) == len(COMMANDS)
    for name, page in pages.items():
        told = page.splitlines()
        assert "╭─ Options" in page or name in {"cache", "fetch", "keys", "config", "maltego", "neo4j"}, name
        common = next((number for number, line in enumerate(told) if MORE in line), len(told))
        assert common <= SCREEN or not name, name  # without a name: the list of all commands
        assert not any("--processes" in line for line in told[:common]) or common == len(told), name
        assert not re.search(r"<(bool|str|int|float|list|file|dir|path)|\[\[", page), name


PRINTS_HELP = """
import contextlib, io, json, sys
from intel_grapher.cli import main
pages = {}
for words in json.loads(sys.argv[1]):
    sys.argv = ["intel-grapher", *words, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as page, contextlib.suppress(SystemExit):
        main()
    pages[" ".join(words)] = page.getvalue()
print(json.dumps(pages))
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("intel-grapher fetch --source thr", {"threatcrowd", "threatfox", "threatminer"}),
        ("intel-grapher load --to ne", {"neo4j"}),
        ("intel-grapher query --saved registrant", {"registrant-pivot"}),
        ("intel-grapher show invoice-por", {"invoice-portal.example"}),
        ("intel-grapher show Domain:invoice-por", {"Domain:invoice-portal.example"}),
        ("intel-grapher run --follow use", {"user"}),
    ],
)
def test_values_are_completed(loaded: Desk, line: str, expected: set[str]) -> None:
    words = line.split(" ")
    asked = {"_INTEL_GRAPHER_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line}
    ran = subprocess.run(
        [sys.executable, "-c", "from intel_grapher.cli import main; main()"], cwd=loaded.folder,
        env=loaded.environment | asked, capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = ran.stdout.replace("\\\\:", ":")
    found = set(re.findall(r'"([^"]+)"', told)) or set(told.split())
    assert expected <= found, (words, ran)


def test_where_there_is_no_graph_nothing_is_completed_and_nothing_said(desk: Desk) -> None:
    asked = {"_INTEL_GRAPHER_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "intel-grapher show exam"}
    ran = subprocess.run(
        [sys.executable, "-c", "from intel_grapher.cli import main; main()"], cwd=desk.folder,
        env=desk.environment | asked, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.stdout.strip(), ran.stderr) in {("", ""), ("_files", "")}
