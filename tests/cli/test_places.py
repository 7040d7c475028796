"""Odd places that a command is run in: folders that can't be read, outputs that can't be written, strange terminals."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import Desk
from places import SAMPLES

# Root may read everything, so as root a test gives that up first.
BARRED = 'exec setpriv --bounding-set=-all --inh-caps=-all "$@"' if os.geteuid() == 0 else 'exec "$@"'


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Give a desk with two sources' samples in the cache, the files and the embedded graph. Read it only."""
    desk = Desk(tmp_path_factory.mktemp("loaded"))
    assert desk.run("cache", "add", SAMPLES / "doh", SAMPLES / "threatcrowd").code == 0
    assert desk.run("transform").code == 0
    assert desk.run("load").code == 0
    return desk


@pytest.fixture
def desk(loaded: Desk, tmp_path: Path) -> Desk:
    """Give a desk like `loaded` to change."""
    shutil.copytree(loaded.folder, tmp_path / "desk")
    return Desk(tmp_path / "desk")


def shell(desk: Desk, line: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command by a line of shell, in which "$@" stands for it."""
    command = ["sh", "-c", line, "sh", sys.executable, "-m", "intel_grapher", *words]
    return subprocess.run(
        command, cwd=desk.folder, env=desk.environment, text=True, capture_output=True, timeout=60, check=False
    )


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root reads everything")
@pytest.mark.parametrize("locked_up", ["raw/doh", "raw/doh/resolve/000001.jsonl"])
def test_what_can_not_be_read_is_never_passed_over(desk: Desk, locked_up: str) -> None:
    place = desk.folder / "data" / locked_up
    mode = place.stat().st_mode
    place.chmod(0)
    try:
        ran = shell(desk, BARRED, "transform", "--import", "afresh")
        assert (ran.returncode, ran.stdout) == (1, "")
        told = f"data/{locked_up} can't be read: Permission denied. Make it readable for this user."
        assert ran.stderr == f"error: {told}\n"
        ran = shell(desk, BARRED, "doctor")
        assert ran.returncode == 1
        assert f"cache\tfault\t{told}" in ran.stdout
        assert "embedded graph\tok" in ran.stdout
    finally:
        place.chmod(mode)
    assert desk.run("cache", "list").out.count("raw\tdoh\tresolve") == 1


def test_doctor_looks_at_all_however_much_is_broken(desk: Desk) -> None:
    (desk.folder / "data" / "index.sqlite").write_bytes(b"no index")
    (desk.folder / "data" / "raw" / "doh" / "resolve" / "000001.jsonl").write_bytes(b'{"crc":"')
    for parquet in (desk.folder / "import" / "nodes").glob("*.parquet"):
        parquet.write_bytes(b"PAR1")
    shutil.rmtree(desk.folder / "data" / "graph")
    ran = desk.run("doctor", "--deep")
    assert ran.code == 1
    for told in ("its last line is torn", "files\tfault\t", "embedded graph\tnote\tthere is no graph"):
        assert told in ran.out


def test_doctor_names_who_is_at_work_and_leaves_the_lock_as_it_is(desk: Desk) -> None:
    lock = desk.folder / "data" / ".lock"
    before = lock.read_text()
    assert "lock" not in desk.run("doctor").out
    assert lock.read_text() == before
    held = shell(desk, 'flock data/.lock "$@"', "doctor")
    assert f"cache lock\tnote\tprocess {before.strip()} is at work\t" in held.stdout


@pytest.mark.parametrize("words", [("cache", "list"), ("fetch", "example.com"), ("doctor",)], ids=" ".join)
def test_a_file_in_the_place_of_the_cache_is_named(desk: Desk, words: tuple[str, ...]) -> None:
    (desk.folder / "notes.txt").write_text("mine")
    ran = desk.run(*words, "--data", "notes.txt")
    assert ran.code in {1, 2}
    assert "notes.txt" in ran.out + ran.err
    assert (desk.folder / "notes.txt").read_text() == "mine"


def test_a_transform_replaces_nothing_but_flat_files(desk: Desk) -> None:
    mine = desk.folder / "mine" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("years of work")
    for place in ("mine", "mine/thesis.txt"):
        ran = desk.run("transform", "--import", place)
        assert (ran.code, ran.out) == (1, "")
        assert "--import" in ran.err
    assert mine.read_text() == "years of work"


# --- outputs ----------------------------------------------------------------------------------------------------------


READING = (("query", "MATCH (n) RETURN n", "--csv"), ("--help",))


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_result_that_can_not_be_written_is_a_failure(loaded: Desk, words: tuple[str, ...]) -> None:
    ran = shell(loaded, '"$@" >/dev/full', *words)
    assert ran.returncode == 1
    assert "No space left on device" in ran.stderr
    assert "fault of the program" not in ran.stderr


def test_a_closed_output_is_told_and_a_closed_error_output_changes_no_exit_code(loaded: Desk) -> None:
    ran = shell(loaded, '"$@" >&-', "cache", "list")
    assert (ran.returncode, ran.stderr) == (1, "error: the result can't be written: standard output is closed\n")
    assert shell(loaded, '"$@" 2>/dev/full', "fetch", "exmaple..com").returncode == 2


def test_a_reader_that_has_had_enough_ends_the_command_and_well(loaded: Desk) -> None:
    ran = shell(loaded, '("$@"; echo "code $?" >&2) | true', "query", "MATCH (n) RETURN n", "--csv")
    assert ran.stderr == "code 0\n"


def test_what_an_encoding_has_no_character_for_is_escaped(loaded: Desk) -> None:
    plain = Desk(loaded.folder, more={"PYTHONIOENCODING": "ascii"})
    ran = plain.process("query", "RETURN 'caf\u00e9' AS x")
    assert (ran.code, ran.out.splitlines()) == (0, ["x", "caf\\xe9"])
