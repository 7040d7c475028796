"""`watch`: the first remembers, the next tells only what is new and why it matters, in four forms."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command import Desk

LIST = "watch-a.example\nwatch-b.example\nwatch-c.example\n192.0.2.99\n"
WORDS = ("watch", "list.txt", "--source", "threatcrowd", "--max-age", "9999d", "--requests", "0", "--no-progress")


def reply(*addresses: str) -> bytes:
    resolutions = [{"ip_address": address, "last_resolved": "2026-11-20"} for address in addresses]
    return json.dumps({"response_code": "1", "resolutions": resolutions}).encode()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Return a desk whose list has been watched once: b and c have had 192.0.2.88."""
    desk = Desk(tmp_path_factory.mktemp("watched"))
    (desk.folder / "list.txt").write_text(LIST)
    desk.adopt("watch-a.example.json", reply("192.0.2.1"))
    for name in "bc":
        desk.adopt(f"watch-{name}.example.json", reply("192.0.2.88"))
    ran = desk.run(*WORDS)
    assert ran.out.startswith("4 indicators are watched from now on")
    assert ran.code != 10
    return desk


@pytest.fixture
def later(watched: Desk, tmp_path: Path) -> Desk:
    """Return a copy, in which a newer reply gives watch-a.example the others' address and one of the list."""
    shutil.copytree(watched.folder, tmp_path / "desk")
    desk = Desk(tmp_path / "desk")
    desk.adopt("watch-a.example__new.json", reply("192.0.2.1", "192.0.2.88", "192.0.2.99"))
    return desk


def test_only_what_is_new_is_told_and_why_it_matters(later: Desk) -> None:
    ran = later.run(*WORDS, "--log", "watch.log")
    assert ran.code == 10, ran.err
    lines = ran.out.splitlines()
    assert lines[0].startswith("2 new since ")
    assert lines[1] == "watch-a.example now resolves to 192.0.2.99, which is on your list (threatcrowd, 2026-11-20)"
    assert lines[2] == (
        "watch-a.example now resolves to 192.0.2.88, which 2 of your list have, too: "
        "watch-b.example, watch-c.example (threatcrowd, 2026-11-20)"
    )
    assert len(lines) == 3
    again = later.run(*WORDS, "--log", "watch.log", "--json")
    assert again.code != 10
    assert (again.json["relationships"], again.json["judgements"], again.json["watched"]) == ([], [], 4)
    log = (later.folder / "watch.log").read_text().splitlines()
    assert [line.split(maxsplit=1)[1].rpartition(" ")[0] for line in log] == [
        *("watched=4 new=2 added=0", "watched=4 new=0 added=0"),
    ]


@pytest.mark.parametrize(
    ("format_", "expected"),
    [
        ("markdown", "- `watch-a.example` now resolves to `192.0.2.88`, which 2 of your list have"),
        ("html", "<li><code>watch-a.example</code> now resolves to <code>192.0.2.88</code>, which 2"),
        ("json", '"others_of_the_list"'),
    ],
)
def test_it_goes_into_a_file_in_other_forms(later: Desk, format_: str, expected: str) -> None:
    ran = later.run("-q", *WORDS, "--as", format_, "--output", "news.txt")
    assert (ran.code, ran.out) == (10, ""), ran.err
    assert expected in (later.folder / "news.txt").read_text()


def test_what_could_not_be_told_is_told_the_next_time(later: Desk) -> None:
    ran = later.run(*WORDS, "--output", "nowhere/news.txt")
    assert (ran.code, "the watch is not remembered" in ran.err) == (2, True)
    assert later.run(*WORDS).code == 10


def test_what_comes_on_the_list_is_no_news(later: Desk) -> None:
    (later.folder / "list.txt").write_text("watch-b.example\nwatch-c.example\n192.0.2.1\n")
    ran = later.run(*WORDS)
    assert ran.code != 10
    assert ran.out.splitlines()[1:] == ["new on the list, and not told of: 1"]


def test_a_state_that_is_none_is_named_and_not_replaced(later: Desk) -> None:
    state = later.folder / "data" / "watches" / "list.txt.json"
    state.write_text("{")
    ran = later.run(*WORDS)
    assert (ran.code, "remove it to begin anew" in ran.err) == (2, True)
    assert state.read_text() == "{"
    assert later.run(*WORDS, "--as", "carrier-pigeon").code == 2
