"""The README tells the truth: its tour is taken, and every command and option that it names is there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from campaign import toured
from command import Desk, matches, steps
from once import Once
from places import ROOT

sys.path.insert(0, str(ROOT / "docs"))

import generated

PAGE = (ROOT / "README.md").read_text()
COMMAND = ".venv/bin/intel-grapher"
STEPS = steps(PAGE)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, once: Once) -> Desk:
    """Return a desk where `make fetch transform load` was done."""
    return Desk(once.copy("toured", toured, tmp_path_factory.mktemp("tour")))


@pytest.mark.parametrize(("command", "printed"), STEPS, ids=[each[0][:60] for each in STEPS])
def test_a_step_of_the_tour_prints_what_the_page_shows(desk: Desk, command: str, printed: str) -> None:
    words = shlex.split(command)
    if words[0] == COMMAND:
        ran = desk.run(*words[1:])
        told = ran.out + ran.err
    else:
        assert words[0] == "grep"
        told = subprocess.run(words, cwd=desk.folder, capture_output=True, text=True, check=True).stdout
    assert matches(printed, told), told


def test_the_first_two_commands_are_those_that_were_tried() -> None:
    first = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[0].splitlines()
    assert first == [
        "git clone … intel-grapher && cd intel-grapher && make fetch transform load",
        f"{COMMAND} show example.com",
    ]


def test_every_command_and_option_that_a_page_names_is_there() -> None:
    commands = set(generated.commands())
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for block in re.findall(r"^```sh\n(.*?)^```$", path.read_text().replace("\\\n", " "), re.DOTALL | re.MULTILINE):
            for line in re.findall(r"(?:^|&& )(?:\.venv/bin/)?intel-grapher (.*?)(?: &&|  +#|$)", block, re.MULTILINE):
                words = shlex.split(line)
                own = max((each for each in commands if tuple(words[: len(each)]) == each), key=len)
                assert own, line
                told = generated.help_of(own)
                for option in (each for each in words if each.startswith("-")):
                    assert re.search(rf"(?<!\S){option}(?![\w-])", told), f"{line}: {option}"


def test_every_make_target_that_a_page_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in [*ROOT.glob("*.md"), *Path(ROOT / "docs").glob("*.md")]:
        for line in re.findall(r"(?:^|`|&& )make ([a-z- ]+?)(?: [A-Z]+=|`|$|  +#)", path.read_text(), re.MULTILINE):
            assert set(line.split()) <= targets, f"{path.name}: make {line}"
