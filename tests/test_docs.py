"""The docs: the tutorial's commands print what it shows, links lead somewhere, every page is in the site."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from command import Desk, matches, steps
from places import ROOT

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
TUTORIAL = (DOCS / "tutorial.md").read_text()
STEPS = steps(TUTORIAL)
RUN = r"(?:^|&& |\$ |\| )(?:\.venv/bin/)?intel-grapher (.*)"
REST = r"  +#.*| && .*| \| .*|'[^']*'|\"[^\"]*\""
"""What of a line is no word of the command: a comment, other commands, quoted values."""
SITE = (ROOT / "mkdocs.yml").read_text()


# --- the tutorial -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Return an empty folder, with the files beside it that the tutorial tells to write."""
    desk = Desk(tmp_path_factory.mktemp("tutorial"))
    for name, text in re.findall(r"into a file `([\w.]+)`:\n\n```\w+\n(.*?)^```$", TUTORIAL, re.DOTALL | re.MULTILINE):
        (desk.folder / name).write_text(text)
    return desk


def test_a_step_of_the_tutorial_prints_what_the_page_shows(desk: Desk) -> None:
    here = desk.folder
    for command, printed in STEPS:
        words = shlex.split(command)
        if words[0] == "cd":
            for path in here.glob("*.csv"):
                path.rename(here / words[1] / path.name)
            here = (here / words[1]).resolve()
            continue
        if words[0] == "intel-grapher":
            ran = Desk(here, more={"INTEL_GRAPHER_LEDGER": str(desk.folder / "ledger.sqlite")}).run(*words[1:])
            told = ran.out + ran.err if not printed.startswith("nobody") else ran.err + ran.out
            assert ran.code == 0, (command, ran)
        else:
            assert words[0] == "grep"
            told = subprocess.run(words, cwd=here, capture_output=True, text=True, check=True).stdout
        assert matches(printed, told), (command, told)
    assert here == desk.folder
    assert {path.name for path in here.iterdir() if path.is_dir()} <= {
        "intel-grapher-demo",
        "investigation",
        ".config",
    }


# --- links ------------------------------------------------------------------------------------------------------------


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and Python-Markdown make them where both agree."""
    found = set()
    without_code = re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)
    for heading in re.findall(r"^#{1,6} (.+)$", without_code, re.MULTILINE):
        plain = unicodedata.normalize("NFKD", re.sub(r"[`*\[\]]|\(.*?\)", "", heading)).lower()
        found.add(re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip()))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_link_leads_to_a_file_that_is_there_and_to_a_heading_of_it(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE))
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    for link in links:
        if re.match(r"[a-z]+:", link):
            assert link.startswith("https://"), link
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_file(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target.read_text()), f"{page.name}: {link}"
        if page.parent == DOCS:  # a page of the site can't lead out of it
            assert target.parent == DOCS, f"{page.name}: {link} is not in the site; name the file in its place"


def test_every_page_is_in_the_site_once_and_the_site_needs_no_plugin() -> None:
    named = re.findall(r"[\w -]+: ([\w-]+\.md)$", SITE.partition("\nnav:\n")[2], re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in DOCS.glob("*.md"))
    assert not re.search(r"^(plugins|hooks|extra_javascript|extra_css):", SITE, re.MULTILINE)
    told = (DOCS / "index.md").read_text()
    assert {name for name in named if f"({name})" not in told} <= {"index.md"}


# --- commands ---------------------------------------------------------------------------------------------------------


def test_every_command_and_option_that_a_page_shows_is_there() -> None:
    sys.path.insert(0, str(DOCS))
    import generated  # noqa: PLC0415 - it reads the registry

    commands = set(generated.commands())
    for path in PAGES:
        text = path.read_text().partition("<!-- [[[cog")[0].replace("\\\n", " ")
        blocks = re.findall(r"^```(?:sh|console|text)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        lines = [line for block in blocks for line in re.findall(RUN, block, re.MULTILINE)]
        lines += re.findall(r"`intel-grapher ([^`]+)`", text)
        for line in lines:
            words = re.sub(REST, "", line).split()
            words = words[2:] if words[:1] == ["-C"] else words
            own = max((each for each in commands if tuple(words[: len(each)]) == each), key=len)
            told = generated.help_of(own) + generated.help_of(())
            for option in (each.partition("=")[0] for each in words if each.startswith("--")):
                assert re.search(rf"(?<!\S){re.escape(option)}(?![\w-])", told), f"{path.name}: {line}: {option}"


def test_every_test_that_stands_for_a_habit_is_there() -> None:
    rows = re.findall(r"^\| ([a-zJSON ]+) \| .*\| (`tests/.*`) \|$", (DOCS / "habits.md").read_text(), re.MULTILINE)
    assert {name for name, _ in rows} == {
        *("quickstart", "precedence", "exit codes", "streams", "JSON", "colour", "progress", "errors", "summary"),
        *("dry run", "prompts", "resume", "doctor", "sources", "completion"),
    }
    for _, tests in rows:
        for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests):
            assert f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"
            assert "skip" not in (ROOT / path).read_text().partition(f"def {name}(")[0].rpartition("\n\n\n")[2]


def test_what_is_said_of_others_is_dated_has_its_thread_and_its_test() -> None:
    page = (DOCS / "compared.md").read_text()
    assert re.search(r"read on\n20[0-9]{2}-[0-9]{2}-[0-9]{2}", page)
    rows = re.findall(r"^\| \*\*.*$", page, re.MULTILINE)
    assert len(rows) == 5
    for row in rows:
        for number, thread, state in re.findall(r"\[#([0-9]+)\]\(https://github\.com/(\S+)\) \(?(open|closed)?", row):
            assert thread.endswith(f"/issues/{number}")
            assert state, row
        path, name = re.findall(r"`(tests/[\w/]+\.py)::(\w+)` \|$", row)[0]
        assert f"def {name}(" in (ROOT / path).read_text()


def test_the_notebook_that_a_page_leads_to_is_one() -> None:
    assert json.loads((DOCS / "graph.ipynb").read_text())["nbformat"] == 4


def test_the_picture_of_performance_is_drawn_from_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    growth = importlib.import_module("growth")
    figures = json.loads((ROOT / "docs" / "performance.json").read_text())
    assert (ROOT / "docs" / "performance.svg").read_text() == growth.draw(figures)
