"""The embedded graph: built from the files, proved against them, swapped in, only read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import ladybug
import pytest
from load_samples import HOSTILE, MANY, SAMPLE, write

from intel_grapher import schema
from intel_grapher.errors import BusyError, LoadError, TransformError, UsageError
from intel_grapher.files import Files, Group
from intel_grapher.load import Embedded, load, open_embedded, verify
from intel_grapher.load.embedded import STORE
from intel_grapher.lock import locked

POOL = 64 << 20


def embedded(folder: Path) -> Embedded:
    return Embedded(folder / "graph", POOL)


def ask(target: Embedded, query: str) -> list[list[object]]:
    with open_embedded(target.place, memory=POOL) as graph:
        result = graph.connection.execute(query)
        assert isinstance(result, ladybug.QueryResult)
        return [list(row) for row in result.get_all()]


def test_what_is_loaded_is_what_is_in_the_files(tmp_path: Path) -> None:
    files = write(tmp_path / "import", SAMPLE)
    told: list[tuple[str, int, int]] = []
    loaded = load(files, embedded(tmp_path), progress=lambda *step: told.append(step))
    assert loaded.method == "copy"
    assert loaded.parity.equal
    assert loaded.rows == loaded.parity.rows == {str(group): len(rows) for group, rows in SAMPLE.items()}
    assert told[-1] == ("parity", sum(loaded.rows.values()), sum(loaded.rows.values()))
    found = ask(embedded(tmp_path), "MATCH (d:Domain)-[r:RESOLVES]->(i:IPAddress) RETURN d.name, i.address, r.sources")
    assert found == [["example.com", "192.0.2.1", ["doh", "threatcrowd"]]]


def test_files_that_are_not_the_manifest_s_are_told_as_such(tmp_path: Path) -> None:
    files = write(tmp_path / "import", SAMPLE)
    first, *rest = SAMPLE[Group("Domain")]
    other = write(tmp_path / "other", SAMPLE | {Group("Domain"): [{**first, "votes": 7}, *rest]})
    (other.root / "manifest.json").write_bytes((files.root / "manifest.json").read_bytes())
    with pytest.raises(LoadError, match="Domain: 2 rows in the files, 2 in the database: those of the file, but not"):
        load(other, embedded(tmp_path))


def test_a_graph_is_read_back_in_slices_or_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write(tmp_path / "import", MANY)
    load(files, embedded(tmp_path))
    nodes = sum(len(rows) for group, rows in MANY.items() if not group.type)
    for size in (1, 7, nodes - 1, nodes):
        monkeypatch.setattr("intel_grapher.load.embedded.store.SLICE", size)
        for little in (0, 5_000):
            monkeypatch.setattr("intel_grapher.load.parity.LITTLE", little)
            assert verify(files, embedded(tmp_path)).equal


def test_hostile_values_come_back_as_they_are(tmp_path: Path) -> None:
    files = write(tmp_path / "im'port [1]*", HOSTILE)
    target = Embedded(tmp_path / "gra'ph [2]?", POOL)
    assert load(files, target).parity.equal
    names = {row["name"] for row in HOSTILE[Group("Malware")]}
    assert {row[0] for row in ask(target, "MATCH (m:Malware) RETURN m.name")} == names


def test_a_label_without_nodes_can_be_asked_for(tmp_path: Path) -> None:
    load(write(tmp_path / "import", SAMPLE), embedded(tmp_path))
    for label in schema.LABELS:
        assert ask(embedded(tmp_path), f"MATCH (n:`{label}`) RETURN count(n)")[0][0] is not None
    for type_ in schema.RELATIONSHIPS:
        assert ask(embedded(tmp_path), f"MATCH ()-[r:`{type_}`]->() RETURN count(r)")[0][0] is not None


def test_no_rows_at_all(tmp_path: Path) -> None:
    assert load(write(tmp_path / "import", {}), embedded(tmp_path)).parity.groups == ()


def test_loading_twice_changes_nothing(tmp_path: Path) -> None:
    files = write(tmp_path / "import", SAMPLE)
    first, second = load(files, embedded(tmp_path)), load(files, embedded(tmp_path))
    assert first.parity == second.parity
    assert sorted(each.name for each in tmp_path.iterdir() if each.is_dir()) == ["graph", "import"]


def test_a_reader_keeps_the_graph_that_it_opened(tmp_path: Path) -> None:
    load(write(tmp_path / "import", SAMPLE), embedded(tmp_path))
    with open_embedded(embedded(tmp_path).place, memory=POOL) as graph:
        load(write(tmp_path / "import", {}), embedded(tmp_path))
        result = graph.connection.execute("MATCH (d:Domain)-[:RESOLVES]->(i) RETURN i.address")
        assert isinstance(result, ladybug.QueryResult)
        assert result.get_all() == [["192.0.2.1"]]
    assert ask(embedded(tmp_path), "MATCH (d:Domain) RETURN count(d)") == [[0]]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("MATCH (d:Domain {name: 'example.com'}) SET d.votes = 7", "1 changed"),
        ("MATCH (:Domain)-[r:RESOLVES]->() SET r.last_resolved = timestamp('2021-01-01')", "1 changed"),
        ("MATCH (d:Domain {name: 'example.net'}) DETACH DELETE d", "1 missing"),
        ("MATCH (:Domain)-[r:RESOLVES]->() DELETE r", "1 missing"),
        ("CREATE (:Domain {name: 'example.org'})", "1 extra"),
        ("CREATE (:Vulnerability {id: 'CVE-2021-44228'})", "1 extra"),
        (
            "MATCH (a:Domain {name: 'example.com'}) MATCH (b:Domain {name: 'example.net'}) CREATE (a)-[:ALIAS_OF]->(b)",
            "1 extra",
        ),
        (
            "MATCH (d:Domain)-[:RESOLVES]->(i:IPAddress) CREATE (d)-[:RESOLVES]->(i)",
            "2 in the database",
        ),
    ],
)
def test_a_planted_difference_is_found(tmp_path: Path, change: str, word: str) -> None:
    files = write(tmp_path / "import", SAMPLE)
    load(files, embedded(tmp_path))
    database = ladybug.Database(embedded(tmp_path).place / STORE, buffer_pool_size=POOL)
    connection = ladybug.Connection(database)
    connection.execute(change)
    connection.close()
    database.close()
    found = verify(files, embedded(tmp_path))
    assert not found.equal
    assert any(word in line for line in found.differences()), found.differences()


def test_files_that_are_not_their_manifest_s_are_refused_and_the_old_graph_stays(tmp_path: Path) -> None:
    load(write(tmp_path / "import", SAMPLE), embedded(tmp_path))
    files = write(tmp_path / "import", {**SAMPLE, Group("Email"): [{"address": "abuse@example.com"}]})
    other = write(tmp_path / "other", {**SAMPLE, Group("Email"): [{"address": "info@example.com"}]})
    shutil.copy(other.path(Group("Email"), "parquet"), files.path(Group("Email"), "parquet"))
    with pytest.raises(LoadError, match=r"Email: 1 rows in the files, 1 in the database"):
        load(files, embedded(tmp_path))
    assert ask(embedded(tmp_path), "MATCH (e:Email) RETURN count(e)") == [[0]]


def test_a_failed_copy_leaves_the_old_graph(tmp_path: Path) -> None:
    load(write(tmp_path / "import", SAMPLE), embedded(tmp_path))
    twice = write(tmp_path / "import", {Group("Domain"): [{"name": "example.com"}, {"name": "example.com"}]})
    with pytest.raises(LoadError, match="as it was"):
        load(twice, embedded(tmp_path))
    assert ask(embedded(tmp_path), "MATCH (d:Domain) RETURN count(d)") == [[2]]
    assert not (tmp_path / ".graph.new").exists()


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    files = write(tmp_path / "import", SAMPLE)
    (tmp_path / ".graph.new").mkdir()
    (tmp_path / ".graph.new" / STORE).write_bytes(b"half a store")
    assert load(files, embedded(tmp_path)).parity.equal


def test_a_folder_of_someone_else_is_not_replaced(tmp_path: Path) -> None:
    files = write(tmp_path / "import", SAMPLE)
    (tmp_path / "graph").mkdir()
    (tmp_path / "graph" / "thesis.txt").write_text("years of work")
    with pytest.raises(LoadError, match=r"more than an embedded graph \(thesis\.txt\)"):
        load(files, embedded(tmp_path))
    assert (tmp_path / "graph" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("foreign", ["notes.txt", "sub/y", "graph.lbug.notes", "manifest.json.bak"])
def test_what_is_beside_a_graph_is_not_replaced_with_it(tmp_path: Path, foreign: str) -> None:
    files = write(tmp_path / "import", SAMPLE)
    load(files, embedded(tmp_path))
    path = tmp_path / "graph" / foreign
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(LoadError, match="move that away"):
        load(files, embedded(tmp_path))
    assert path.read_text() == "mine"
    assert verify(files, embedded(tmp_path)).equal


def test_what_was_put_there_during_a_build_is_not_replaced(tmp_path: Path) -> None:
    files = write(tmp_path / "import", SAMPLE)
    load(files, embedded(tmp_path))
    with pytest.raises(LoadError, match=r"late\.txt"):
        load(files, embedded(tmp_path), progress=lambda *_: (tmp_path / "graph" / "late.txt").touch())
    assert verify(files, embedded(tmp_path)).equal


def test_a_place_that_is_a_link_stays_one(tmp_path: Path) -> None:
    disk = tmp_path / "disk" / "graph"
    disk.mkdir(parents=True)
    (tmp_path / "graph").symlink_to(disk)
    for rows in (SAMPLE, {}):
        assert load(write(tmp_path / "import", rows), embedded(tmp_path)).parity.equal
    assert (tmp_path / "graph").is_symlink()
    assert sorted(each.name for each in disk.iterdir()) == ["graph.lbug", "manifest.json", "proof.json"]
    with pytest.raises(LoadError, match="a folder of its own"):
        load(write(tmp_path / "import", SAMPLE), Embedded(Path("/"), POOL))


@pytest.mark.parametrize(
    ("ending", "word"),
    [
        ("os.abort()", "SIGABRT, which it does where the disk has no room"),
        ("os.kill(os.getpid(), 9)", "SIGKILL, perhaps for want of memory"),
        ("os.write(1, b'\"Buffer manager exception\"\\n')", "give it more with --memory"),
        ("os._exit(3)", "ended with 3"),
    ],
)
def test_an_engine_that_ends_its_process_is_told_and_the_old_graph_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, word: str
) -> None:
    files = write(tmp_path / "import", SAMPLE)
    load(files, embedded(tmp_path))
    script = tmp_path / "ends.py"
    script.write_text(f"import os, sys\nsys.stdin.readline()\nos.write(1, b'done\\n')\n{ending}\n")
    monkeypatch.setattr("intel_grapher.load.embedded.engine._SCRIPT", script)
    with pytest.raises(LoadError, match=word) as told:
        load(files, embedded(tmp_path), method="copy")
    assert "what was there is as it was" in str(told.value)
    assert "of room" not in str(told.value)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=3 << 20))
    with pytest.raises(LoadError, match="3 MiB of room are left on that disk: free some"):
        load(files, embedded(tmp_path), method="copy")
    assert verify(files, embedded(tmp_path)).equal
    assert not (tmp_path / ".graph.new").exists()


def test_a_second_run_names_the_first(tmp_path: Path) -> None:
    files = write(tmp_path / "import", SAMPLE)
    for lock in (".graph.lock", ".import.lock"):
        with locked(tmp_path / lock, "it"), pytest.raises(BusyError, match=str(os.getpid())):
            load(files, embedded(tmp_path))


def test_what_there_is_to_do_where_there_is_no_graph(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="run `intel-grapher load` first"):
        open_embedded(tmp_path / "graph")
    with pytest.raises(TransformError, match="transform"):
        load(Files(tmp_path / "import"), embedded(tmp_path))
    files = write(tmp_path / "import", SAMPLE)
    with pytest.raises(UsageError, match="--to neo4j"):
        load(files, embedded(tmp_path), method="bolt")
    load(files, embedded(tmp_path))
    with pytest.raises(LoadError, match="other files"):
        open_embedded(embedded(tmp_path).place, write(tmp_path / "import", HOSTILE).manifest())
    files = write(tmp_path / "import", SAMPLE, version="0")
    with pytest.raises(LoadError, match="schema 0"):
        load(files, embedded(tmp_path))
    files.path(Group("Domain"), "parquet").unlink()


def test_killed_at_any_time_the_next_load_ends_in_parity(tmp_path: Path) -> None:
    files = write(tmp_path / "import", SAMPLE)
    load(files, embedded(tmp_path))
    program = (
        "import os, sys, pathlib\n"
        "from intel_grapher.files import Files\nfrom intel_grapher.load import Embedded, load\n"
        "steps = int(sys.argv[1])\n"
        "def progress(*_):\n"
        "    global steps\n"
        "    steps -= 1\n"
        "    if steps == 0: os.kill(os.getpid(), 9)\n"
        "root = pathlib.Path(sys.argv[2])\n"
        f"load(Files(root / 'import'), Embedded(root / 'graph', {POOL}), method='copy', progress=progress)\n"
    )
    for step in (1, len(SAMPLE), len(SAMPLE) + 1, 2 * len(SAMPLE)):
        ended = subprocess.run([sys.executable, "-c", program, str(step), str(tmp_path)], check=False)
        assert ended.returncode == -9
        assert verify(files, embedded(tmp_path)).equal
        assert load(files, embedded(tmp_path)).parity.equal
