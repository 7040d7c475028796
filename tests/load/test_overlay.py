"""The overlay of the embedded graph: few changed rows beside the store, proved like a graph that is built anew."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ladybug
import pytest
from load_samples import HOSTILE, MANY, SAMPLE, Rows, day, write

from intel_grapher import disk, sets
from intel_grapher.errors import LoadError
from intel_grapher.files import Files, Group
from intel_grapher.load import Embedded, Loaded, load, open_embedded, verify
from intel_grapher.load.embedded import STORE, overlay
from intel_grapher.load.embedded.store import LOG, PROOF

POOL = 64 << 20


@pytest.fixture(autouse=True)
def _of_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a graph of few rows have an overlay, too."""
    monkeypatch.setattr(overlay, "LEAST", 0)


DOMAINS, ADDRESSES = Group("Domain"), Group("IPAddress")
RESOLVES = Group("Domain", "RESOLVES", "IPAddress")
Row = dict[str, Any]


def publish(folder: Path, rows: Rows) -> Files:
    """Put a set of files with these rows in place, as a transform does: the one before is kept."""
    place, new = folder / "import", folder / "new"
    write(new, rows)
    sets.keep(place, new)
    disk.swap_in(new, place)
    return Files(place)


def loaded(folder: Path, rows: Rows, method: str = "auto") -> Loaded:
    target = Embedded(folder / "graph", POOL)
    done = load(publish(folder, rows), target, method="copy" if method == "copy" else "auto")
    assert done.parity.equal
    if done.method == "overlay":
        assert verify(Files(folder / "import"), target).equal, "read back as a whole, it is the same"
    return done


def ask(folder: Path, query: str) -> list[list[object]]:
    with open_embedded(folder / "graph", memory=POOL) as graph:
        result = graph.connection.execute(query)
        assert isinstance(result, ladybug.QueryResult)
        return [list(row) for row in result.get_all()]


def with_more(rows: Rows, name: str) -> Rows:
    """Return rows with one more domain, which resolves to an address that is there."""
    tie = {"start": name, "end": rows[ADDRESSES][0]["address"], "last_resolved": day(4)}
    domains = sorted([*rows[DOMAINS], {"name": name, "fetched_at": day(3)}], key=lambda row: str(row["name"]))
    ties = sorted([*rows[RESOLVES], tie], key=lambda row: (str(row["start"]), str(row["end"])))
    return {**rows, DOMAINS: domains, RESOLVES: ties}


def test_few_rows_go_into_an_overlay_and_the_store_stays(tmp_path: Path) -> None:
    assert loaded(tmp_path, SAMPLE).method == "copy"
    store = (tmp_path / "graph" / STORE).stat()
    done = loaded(tmp_path, with_more(SAMPLE, "example.org"))
    assert (done.method, done.sent) == ("overlay", 2)
    assert (tmp_path / "graph" / STORE).stat().st_ino == store.st_ino
    assert (tmp_path / "graph" / STORE).stat().st_mtime_ns == store.st_mtime_ns
    again = loaded(tmp_path, with_more(SAMPLE, "example.org"))
    assert (again.method, again.sent) == ("overlay", 0)
    found = ask(tmp_path, "MATCH (d:Domain {name: 'example.org'})-[:RESOLVES]->(i) RETURN i.address")
    assert found == [["192.0.2.1"]]
    assert sorted(each.name for each in (tmp_path / "graph").iterdir()) == [STORE, LOG, "manifest.json", PROOF]
    assert loaded(tmp_path, SAMPLE, "copy").method == "copy"
    assert sorted(each.name for each in (tmp_path / "graph").iterdir()) == [STORE, "manifest.json", PROOF]


def test_a_small_graph_that_holds_the_files_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "LEAST", 20_000)
    assert loaded(tmp_path, SAMPLE).method == "copy"
    store = (tmp_path / "graph" / STORE).stat().st_ino
    monkeypatch.setattr(overlay, "spilling", None)  # nor is an engine begun to compare what did not change
    again = loaded(tmp_path, SAMPLE)
    assert (again.method, again.sent) == ("overlay", 0)
    assert (tmp_path / "graph" / STORE).stat().st_ino == store
    assert loaded(tmp_path, with_more(SAMPLE, "example.org")).method == "copy"


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 6))])
def test_any_changes_one_after_the_other_end_in_the_files_rows(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable
    rows = MANY
    loaded(tmp_path, rows)
    for _ in range(3):
        rows = changed(rows, chance)
        assert loaded(tmp_path, rows).method == "overlay"


def changed(rows: Rows, chance: random.Random) -> Rows:
    """Return rows of which some nodes and relationships came, went and have other values."""

    def value(row: Row) -> Row:
        return row | chance.choice(
            [{"last_seen": day(chance.randint(1, 28))}, {"sources": ["doh", "otx"]}, {"fetched_at": None}, {}]
        )

    names = {str(row["name"]): row for row in rows[DOMAINS]}
    for name in chance.sample(sorted(names), 4):
        del names[name]
    for _ in range(3):
        name = f"new-{chance.randint(0, 30):02}.example"
        names[name] = {"name": name, "votes": chance.randint(-3, 3), "tags": ["a", "b"]}
    for name in chance.sample(sorted(names), 3):
        names[name] = value(names[name])
    addresses = [str(row["address"]) for row in rows[ADDRESSES]]
    ties = {(str(row["start"]), str(row["end"])): row for row in rows[RESOLVES] if row["start"] in names}
    for start, end in chance.sample(sorted(ties), 5):
        ties[start, end] = value(ties[start, end])
    for _ in range(5):
        start, end = chance.choice(sorted(names)), chance.choice(addresses)
        ties[start, end] = {"start": start, "end": end, "sources": ["doh"]}
    found: Rows = {
        **rows,
        DOMAINS: [names[name] for name in sorted(names)],
        RESOLVES: [ties[key] for key in sorted(ties)],
    }
    if chance.random() < 0.5:  # a group that was not there, or has gone
        found[Group("Malware")] = [{"name": f"family {chance.randint(0, 9)}"}]
    else:
        found.pop(Group("Malware"), None)
    return found


def test_hostile_values_come_back_as_they_are(tmp_path: Path) -> None:
    place = tmp_path / "im'port [1]*"
    place.mkdir()
    loaded(place, {**HOSTILE, Group("Malware"): [], Group("Hash", "DETECTED_AS", "Malware"): []})
    assert loaded(place, HOSTILE).method == "overlay"
    assert loaded(place, {**HOSTILE, Group("Domain"): []}).method == "overlay"
    names = {row["name"] for row in HOSTILE[Group("Malware")]}
    assert {row[0] for row in ask(place, "MATCH (m:Malware) RETURN m.name")} == names


def test_a_reader_keeps_the_graph_that_it_opened(tmp_path: Path) -> None:
    loaded(tmp_path, SAMPLE)
    with open_embedded(tmp_path / "graph", memory=POOL) as graph:
        assert loaded(tmp_path, with_more(SAMPLE, "example.org")).method == "overlay"
        with open_embedded(tmp_path / "graph", memory=POOL) as second:
            assert loaded(tmp_path, SAMPLE).method == "overlay"
            counts = []
            for each in (graph, second):
                result = each.connection.execute("MATCH (d:Domain) RETURN count(d)")
                assert isinstance(result, ladybug.QueryResult)
                counts += result.get_all()
    assert counts == [[2], [3]]
    assert ask(tmp_path, "MATCH (d:Domain) RETURN count(d)") == [[2]]


def test_an_overlay_has_a_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "MOST", 5)
    loaded(tmp_path, SAMPLE)
    one = with_more(SAMPLE, "example.org")
    two = with_more(one, "example.edu")
    assert loaded(tmp_path, one).method == "overlay"
    assert loaded(tmp_path, two).method == "overlay"
    done = loaded(tmp_path, with_more(two, "example.net.example"))
    assert done.method == "copy"
    assert "more than 5 rows" in done.why
    assert loaded(tmp_path, two).method == "overlay", "which begins anew"


def test_files_that_are_not_kept_any_more_are_no_reason_to_fail(tmp_path: Path) -> None:
    loaded(tmp_path, SAMPLE)
    publish(tmp_path, MANY)
    shutil.rmtree(tmp_path / ".import.sets")
    done = load(Files(tmp_path / "import"), Embedded(tmp_path / "graph", POOL))
    assert done.method == "copy"
    assert "not kept" in done.why


@pytest.fixture(scope="module")
def with_overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with files, and a graph of them that has an overlay."""
    folder = tmp_path_factory.mktemp("overlay")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlay, "LEAST", 0)
        for rows in (SAMPLE, with_more(SAMPLE, "example.org")):
            load(publish(folder, rows), Embedded(folder / "graph", POOL))
    assert (folder / "graph" / LOG).exists()
    return folder


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda graph: flip(graph / STORE), "damaged"),
        (lambda graph: flip(graph / LOG), "damaged"),
        (lambda graph: (graph / LOG).unlink(), "failed"),
        (lambda graph: (graph / PROOF).unlink(), "no proof"),
        (lambda graph: (graph / PROOF).write_text("{"), "no proof"),
        (lambda graph: (graph / STORE).write_bytes(b""), "damaged"),
    ],
)
def test_what_is_not_as_it_was_proved_is_built_anew(
    tmp_path: Path, with_overlay: Path, damage: Callable[[Path], object], why: str
) -> None:
    shutil.copytree(with_overlay, tmp_path, dirs_exist_ok=True)
    damage(tmp_path / "graph")
    done = load(publish(tmp_path, SAMPLE), Embedded(tmp_path / "graph", POOL))
    assert done.parity.equal
    assert done.method == "copy"
    assert why in done.why


def test_a_store_whose_overlay_is_away_is_not_asked(tmp_path: Path, with_overlay: Path) -> None:
    shutil.copytree(with_overlay, tmp_path, dirs_exist_ok=True)
    (tmp_path / "graph" / LOG).unlink()
    with pytest.raises(LoadError, match="lacks a part of"):
        open_embedded(tmp_path / "graph", memory=POOL)


def test_a_change_that_was_found_wrongly_is_not_put_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded(tmp_path, SAMPLE)
    right = overlay._change  # noqa: SLF001 - a fault is planted there

    def wrong(*given: Any) -> overlay.GroupChange:  # noqa: ANN401 - whatever it is given
        return right(*given)._replace(created=None)

    monkeypatch.setattr(overlay, "_change", wrong)
    done = loaded(tmp_path, with_more(SAMPLE, "example.org"))
    assert done.method == "copy"
    assert "an overlay would differ" in done.why


def test_an_engine_that_ends_its_process_leads_to_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded(tmp_path, SAMPLE)
    script = tmp_path / "ends.py"
    real = Path(overlay.__file__).with_name("engine_process.py")
    script.write_text(
        "import os, runpy, sys\n"
        "if sys.argv[4] == '1': os.abort()\n"
        f"runpy.run_path({str(real)!r}, run_name='__main__')\n"
    )
    monkeypatch.setattr("intel_grapher.load.embedded.engine._SCRIPT", script)
    done = loaded(tmp_path, with_more(SAMPLE, "example.org"))
    assert done.method == "copy"
    assert "SIGABRT" in done.why


def test_killed_at_any_time_the_graph_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    program = (
        "import os, sys, pathlib\n"
        "from intel_grapher import disk\nfrom intel_grapher.files import Files\n"
        "from intel_grapher.load import Embedded, load\nfrom intel_grapher.load.embedded import overlay\n"
        "calls = int(sys.argv[1])\n"
        "def killing(function):\n"
        "    def called(*given, **named):\n"
        "        global calls\n"
        "        calls -= 1\n"
        "        if calls == 0: os.kill(os.getpid(), 9)\n"
        "        return function(*given, **named)\n"
        "    return called\n"
        "overlay.LEAST = 0\n"
        "os.link, os.fsync, pathlib.Path.rename = map(killing, (os.link, os.fsync, pathlib.Path.rename))\n"
        "overlay.run, overlay.prove, disk._exchange = map(killing, (overlay.run, overlay.prove, disk._exchange))\n"
        "root = pathlib.Path(sys.argv[2])\n"
        f"load(Files(root / 'import'), Embedded(root / 'graph', {POOL}), progress=killing(lambda *_: None))\n"
    )
    loaded(tmp_path, SAMPLE)
    publish(tmp_path, with_more(SAMPLE, "example.org"))
    domains: object = 2
    call, kills = 1, 0
    while True:
        ended = subprocess.run([sys.executable, "-c", program, str(call), str(tmp_path)], check=False)
        now = ask(tmp_path, "MATCH (d:Domain) RETURN count(d)")[0][0]
        if ended.returncode == 0:
            break
        assert ended.returncode == -9
        assert now == domains or (domains, now) == (2, 3)
        domains, call, kills = now, call + 3, kills + 1
    assert now == 3
    assert kills > 3
    assert not (tmp_path / ".graph.new").exists()
    assert verify(Files(tmp_path / "import"), Embedded(tmp_path / "graph", POOL)).equal
