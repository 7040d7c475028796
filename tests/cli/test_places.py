"""Odd places that a command is run in: folders that can't be read, outputs that can't be written, strange terminals."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys

import pytest
from command import Desk, contents
from places import SAMPLES

# Root may read everything, so as root a test gives that up first.
BARRED = 'exec setpriv --bounding-set=-all --inh-caps=-all "$@"' if os.geteuid() == 0 else 'exec "$@"'


def shell(desk: Desk, line: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command by a line of shell, in which "$@" stands for it."""
    command = ["sh", "-c", line, "sh", sys.executable, "-m", "intel_grapher", *words]
    return subprocess.run(
        command, cwd=desk.folder, env=desk.environment, text=True, capture_output=True, timeout=60, check=False
    )


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root reads everything")
@pytest.mark.parametrize("locked_up", ["raw/doh", "raw/doh/resolve/000001.jsonl"])
def test_what_can_not_be_read_is_never_passed_over(filled: Desk, locked_up: str) -> None:
    place = filled.folder / "data" / locked_up
    mode = place.stat().st_mode
    place.chmod(0)
    try:
        ran = shell(filled, BARRED, "transform", "--import", "afresh")
        assert (ran.returncode, ran.stdout) == (1, "")
        told = f"data/{locked_up} can't be read: Permission denied. Make it readable for this user."
        assert ran.stderr == f"error: {told}\n"
        ran = shell(filled, BARRED, "doctor")
        assert ran.returncode == 1
        assert f"cache\tfault\t{told}" in ran.stdout
        assert "embedded graph\tok" in ran.stdout
    finally:
        place.chmod(mode)
    assert filled.run("cache", "list").out.count("raw\tdoh\tresolve") == 1


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root writes everything")
@pytest.mark.parametrize("with_lock", [True, False])
def test_files_of_a_shared_folder_that_can_not_be_written_are_loaded_and_read(filled: Desk, *, with_lock: bool) -> None:
    shared = filled.folder / "shared"
    shared.mkdir()
    (filled.folder / "import").rename(shared / "import")
    if with_lock:
        (filled.folder / ".import.lock").rename(shared / ".import.lock")
    places = [shared, *shared.rglob("*")]
    for place in places:
        place.chmod(place.stat().st_mode & ~0o222)
    try:
        ran = shell(filled, BARRED, "load", "--import", "shared/import", "--db", "graph")
        assert ran.returncode == 0, ran.stderr
        assert shell(filled, BARRED, "show", "example.com", "--db", "graph").returncode == 0
        assert shell(filled, BARRED, "diff", "shared/import", "shared/import").returncode == 0
        if with_lock:
            held = shell(
                filled, f"flock shared/.import.lock sh -c '{BARRED}' sh \"$@\"", "load", "--import", "shared/import"
            )
            assert "is in use by process" in held.stderr
        refused = shell(filled, BARRED, "transform", "--import", "shared/import")
        assert (refused.returncode, "shared" in refused.stderr) == (1, True)
    finally:
        for place in places:
            place.chmod(place.stat().st_mode | 0o200)


def test_doctor_looks_at_all_however_much_is_broken(filled: Desk) -> None:
    (filled.folder / "data" / "index.sqlite").write_bytes(b"no index")
    (filled.folder / "data" / "raw" / "doh" / "resolve" / "000001.jsonl").write_bytes(b'{"crc":"')
    for parquet in (filled.folder / "import" / "nodes").glob("*.parquet"):
        parquet.write_bytes(b"PAR1")
    shutil.rmtree(filled.folder / "data" / "graph")
    ran = filled.run("doctor", "--deep")
    assert ran.code == 1
    for told in ("its last line is torn", "files\tfault\t", "embedded graph\tnote\tthere is no graph"):
        assert told in ran.out


def test_doctor_names_who_is_at_work_and_leaves_the_lock_as_it_is(filled: Desk) -> None:
    lock = filled.folder / "data" / ".lock"
    before = lock.read_text()
    assert "lock" not in filled.run("doctor").out
    assert lock.read_text() == before
    held = shell(filled, 'flock data/.lock "$@"', "doctor")
    assert f"cache lock\tnote\tprocess {before.strip()} is at work\t" in held.stdout


@pytest.mark.parametrize("words", [("cache", "list"), ("fetch", "example.com"), ("doctor",)], ids=" ".join)
def test_a_file_in_the_place_of_the_cache_is_named(filled: Desk, words: tuple[str, ...]) -> None:
    (filled.folder / "notes.txt").write_text("mine")
    ran = filled.run(*words, "--data", "notes.txt")
    assert ran.code in {1, 2}
    assert "notes.txt" in ran.out + ran.err
    assert (filled.folder / "notes.txt").read_text() == "mine"


def test_a_transform_replaces_nothing_but_flat_files(filled: Desk) -> None:
    mine = filled.folder / "mine" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("years of work")
    for place in ("mine", "mine/thesis.txt"):
        ran = filled.run("transform", "--import", place)
        assert (ran.code, ran.out) == (1, "")
        assert "--import" in ran.err
    assert mine.read_text() == "years of work"


NOT_UTF8 = os.fsdecode(b"b\xffd")


@pytest.mark.parametrize(
    "words", [("transform", "--import"), ("load", "--db"), ("run", "example.com", "--import"), ("show", "x", "--db")]
)
@pytest.mark.parametrize(
    ("folder", "fault"),
    [("/", "is the root of the file system"), (NOT_UTF8, "is not UTF-8"), (f"{NOT_UTF8}/x", "UTF-8")],
)
def test_a_folder_that_nothing_can_be_put_in_is_named(
    filled: Desk, words: tuple[str, ...], folder: str, fault: str
) -> None:
    ran = filled.run(*words, folder)
    assert (ran.code, ran.out) == (2, "")
    assert fault in ran.err
    assert not list(filled.folder.glob("*b*d*"))


def test_a_cache_may_lie_at_a_path_that_is_not_utf8(filled: Desk) -> None:
    (filled.folder / "data").rename(filled.folder / NOT_UTF8)
    words = (
        *(("cache", "list"), ("cache", "verify"), ("cache", "coverage"), ("cache", "show", "example.com")),
        *(("plan", "example.com"), ("fetch", "status"), ("transform",), ("doctor",), ("doctor", "--json")),
        *(("neo4j", "status", "--json"), ("queries",), ("cache", "compact", "--json")),
    )
    for word in words:
        ran = filled.process(*word, "--data", NOT_UTF8)  # in a process: its streams have an encoding
        assert ran.code == 0, ran.err
    ran = filled.process("cache", "list", "--data", f"{NOT_UTF8}.not")
    assert (ran.code, "there is no cache at b\\udcffd.not" in ran.err) == (1, True)


def test_files_whose_names_are_not_utf8_are_added_or_named(filled: Desk) -> None:
    folder = filled.folder / NOT_UTF8
    folder.mkdir()
    for name in ("x.example.json", f"{NOT_UTF8}.json"):
        (folder / name).write_bytes(b'{"Status":0}')
    words = ("cache", "add", NOT_UTF8, "--source", "doh", "--endpoint", "resolve")
    ran = filled.process(*words, "--json")
    assert (ran.code, ran.json["added"], ran.json["left_out"]) == (3, 1, 1), ran.err
    assert ran.json["skipped"][0]["where"] == "b\\udcffd/b\\udcffd.json"
    assert "left out: b\\udcffd/b\\udcffd.json: " in filled.process(*words).err
    assert filled.process("plan", "--file", f"{NOT_UTF8}/none.txt").code == 2


def test_a_folder_of_work_that_is_not_utf8_is_named(filled: Desk) -> None:
    place = Desk(filled.folder.parent / NOT_UTF8)
    filled.folder.rename(place.folder)
    for words in (("cache", "list"), ("plan", "example.com"), ("fetch", "status")):
        assert place.process(*words).code == 0
    for word in ("transform", "load", "doctor"):
        ran = place.process(word)
        assert (ran.code, ran.out) == (2, "")
        assert "b\\udcffd/import is not UTF-8, and the engines take no other path" in ran.err


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


# --- no room, no permission, someone else at work ---------------------------------------------------------------------


def test_before_there_is_anything_the_next_step_is_said(desk: Desk) -> None:
    ran = desk.run("load")
    assert (ran.code, ran.out) == (1, "")
    assert "there are no flat files in import: `intel-grapher run example.com`" in ran.err
    ran = desk.run("show", "example.com")
    assert (ran.code, ran.out) == (1, "")
    assert "intel-grapher" in ran.err
    ran = desk.run("load", "--to", "neo4j")
    assert ran.code == 1
    assert "`intel-grapher neo4j up`" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("transform", "--import", "blocked/import"),
        ("load", "--db", "blocked/graph"),
        ("cache", "add", SAMPLES, "--data", "blocked/data"),
    ],
    ids=lambda words: words[0],
)
def test_where_nothing_can_be_written_that_is_said(filled: Desk, words: tuple[str, ...]) -> None:
    (filled.folder / "blocked").write_text("a file, not a folder")
    before = contents(filled.folder)
    ran = filled.run(*words)
    assert (ran.code, ran.out) == (1, "")
    assert "blocked" in ran.err
    assert ran.err.startswith("error: ")
    assert contents(filled.folder) == before


@pytest.mark.parametrize("words", [("transform",), ("load",)], ids=lambda words: words[0])
def test_with_no_room_the_old_output_stays(filled: Desk, words: tuple[str, ...]) -> None:
    places = [filled.folder / "import", filled.folder / "data" / "graph"]
    before = [contents(each) for each in places]
    ran = filled.process(*words, limit="ulimit -f 4")
    assert (ran.code, ran.out) == (1, ""), ran.err
    assert ran.err.startswith("error: ")
    assert [contents(each) for each in places] == before
    assert filled.run("show", "example.com").code == 0
    assert filled.run(*words).code == 0


def test_with_no_room_the_cache_stays_whole(filled: Desk) -> None:
    held = filled.run("cache", "list").out
    body = json.dumps({"response_code": "1", "references": [f"https://example.org/{n}" for n in range(9000)]}).encode()
    path = filled.folder / "big.example.json"
    path.write_bytes(body)
    words = ("cache", "add", path, "--source", "threatcrowd", "--endpoint", "domain")
    ran = filled.process(*words, limit="ulimit -f 100")
    assert ran.code == 1, ran.err
    assert ran.err.startswith("error: ")
    assert filled.run("cache", "verify").code == 0
    assert filled.run("cache", "list").out == held
    assert filled.run(*words).code == 0


def test_a_second_run_at_once_names_the_first(filled: Desk) -> None:
    with (filled.folder / "data" / ".lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate()
        lock.write(f"{os.getpid()} fetch\n")
        lock.flush()
        ran = filled.run("cache", "add", SAMPLES)
    assert (ran.code, ran.out) == (1, "")
    assert str(os.getpid()) in ran.err
    with (filled.folder / ".import.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = filled.run("transform")
        assert (ran.code, ran.out) == (1, "")
        assert "import" in ran.err
    assert filled.run("transform").code == 0
