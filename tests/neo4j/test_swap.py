from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from intel_grapher.errors import LoadError
from intel_grapher.neo4j.server import LocalNeo4j
from intel_grapher.neo4j.swap import PARTS, StoreSwap

DIES_AT_EVERY_STEP = """
# In each folder, in turn: swap, and die at its first, second, third, ... change to the disk; until one goes through.
import os, sys
from pathlib import Path
from intel_grapher.neo4j.server import LocalNeo4j
from intel_grapher.neo4j.swap import StoreSwap

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "open"}
method, *arguments = sys.argv[2:]

def swap_and_die(data, left):
    def die(event, about):
        nonlocal left
        if event in CHANGES and str(about[0]).startswith(str(data)):
            left -= 1
            if left < 0:
                os._exit(9)
    sys.addaudithook(die)
    getattr(StoreSwap(data, "neo4j"), method)(*arguments)
    os._exit(0)

for data in sorted(Path(sys.argv[1]).iterdir()):
    child = os.fork() or swap_and_die(data, int(data.name))
    if os.waitpid(child, 0)[1] == 0:
        print(data.name)
        break
"""


def store(data: Path, name: str, content: str) -> None:
    for part in PARTS:
        (data / part / name).mkdir(parents=True)
        (data / part / name / "store").write_text(content)


def held(data: Path, folder: str) -> set[str]:
    """Return what the two halves of a store hold: one content, unless they were mixed up."""
    return {path.read_text() for part in PARTS for path in (data / part / folder).glob("store")}


def live(data: Path) -> set[str]:
    assert all((data / part / "neo4j").is_dir() for part in PARTS)
    return held(data, "neo4j")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    store(tmp_path, "neo4j", "first")
    store(tmp_path, "system", "system")
    store(tmp_path, "fresh", "second")
    return tmp_path


def leftovers(data: Path) -> set[str]:
    return {path.name for path in data.iterdir()} - set(PARTS)


def test_swapped_in_and_the_old_one_kept(data: Path) -> None:
    StoreSwap(data, "neo4j").swap_in("fresh")
    assert live(data) == {"second"}
    assert {path.read_text() for path in (data / "old").rglob("store")} == {"first"}
    assert held(data, "fresh") == set()
    assert held(data, "system") == {"system"}


def test_back_again_leaves_nothing_behind(data: Path) -> None:
    swap = StoreSwap(data, "neo4j")
    swap.swap_in("fresh")
    swap.swap_back()
    assert live(data) == {"first"}
    assert leftovers(data) == set()


def test_dropped_for_good(data: Path) -> None:
    swap = StoreSwap(data, "neo4j")
    swap.swap_in("fresh")
    swap.drop_old()
    swap.drop_old()
    assert live(data) == {"second"}
    assert leftovers(data) == set()
    with pytest.raises(LoadError, match="no earlier store was kept"):
        swap.swap_back()


def test_an_unapproved_store_never_displaces_the_one_kept(data: Path) -> None:
    swap = StoreSwap(data, "neo4j")
    swap.swap_in("fresh")
    store(data, "fresh", "third")
    swap.swap_in("fresh")
    assert live(data) == {"third"}
    swap.swap_back()
    assert live(data) == {"first"}


def test_a_store_that_nobody_approved_of_goes_when_the_folder_is_next_worked_on(tmp_path: Path) -> None:
    local = LocalNeo4j(tmp_path / "home")
    data = local.home / "data"
    for name, content in (("neo4j", "first"), ("fresh", "second"), ("later", "third")):
        store(data, name, content)
    local.swap_in("fresh")  # a process that was killed before it had its proof
    with local.alone():
        assert live(data) == {"first"}
        local.swap_in("later")
        local.drop_old()
    with local.alone():
        assert live(data) == {"third"}


def test_a_first_store_has_nothing_to_keep_and_can_be_taken_back(tmp_path: Path) -> None:
    store(tmp_path, "fresh", "second")
    swap = StoreSwap(tmp_path, "neo4j")
    swap.swap_in("fresh")
    assert live(tmp_path) == {"second"}
    swap.swap_back()
    assert held(tmp_path, "neo4j") == set()
    assert leftovers(tmp_path) == set()


@pytest.mark.parametrize("name", ["", "neo4j", "system", "../fresh", "fresh/..", "Fresh", "a", "x" * 64, "fresh\n"])
def test_a_name_that_is_none_is_refused(data: Path, name: str) -> None:
    with pytest.raises(LoadError, match="is not the name of a database"):
        StoreSwap(data, "neo4j").swap_in(name)
    assert live(data) == {"first"}


def test_half_a_store_is_refused(data: Path) -> None:
    (data / "transactions" / "fresh" / "store").unlink()
    (data / "transactions" / "fresh").rmdir()
    with pytest.raises(LoadError, match="import into database `fresh` first"):
        StoreSwap(data, "neo4j").swap_in("fresh")
    assert live(data) == {"first"}


@pytest.mark.parametrize(
    ("call", "before", "after"), [(["swap_in", "fresh"], "first", "second"), (["swap_back"], "second", "first")]
)
def test_killed_at_any_step_it_is_one_store_or_the_other(
    tmp_path: Path, call: list[str], before: str, after: str
) -> None:
    folders = [tmp_path / f"{steps:02}" for steps in range(60)]
    for data in folders:
        store(data, "neo4j", "first")
        store(data, "fresh", "second")
        if before == "second":
            StoreSwap(data, "neo4j").swap_in("fresh")
    command = [sys.executable, "-c", DIES_AT_EVERY_STEP, str(tmp_path), *call]
    whole = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert whole > 6
    seen: list[str] = []
    for data in folders[: whole + 1]:
        StoreSwap(data, "neo4j").repair()
        seen += live(data)
        assert seen[-1] in {before, after}
        if seen[-1] == "second":
            StoreSwap(data, "neo4j").swap_back()
        assert live(data) == {"first"}
    assert seen[0] == before
    assert seen[-1] == after
