"""Sets of files in a store: swapped in as a whole, read file by file, with the connection cut at every request."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import msgspec
import pytest
from s3_server import CUTS, Cut, S3Server
from transforming import transform

from intel_grapher import Workspace, diff, set_copy, sets
from intel_grapher.cache import Cache, Entry
from intel_grapher.errors import NotPushedError, StoreError, TransformError
from intel_grapher.fetch.degrees import in_files
from intel_grapher.files import FORMATS, Files, Group
from intel_grapher.load import Embedded, load
from intel_grapher.load.neo4j import admin
from intel_grapher.lock import locked
from intel_grapher.neo4j.connection import Server
from intel_grapher.neo4j.server import LocalNeo4j
from intel_grapher.objects import Objects, place
from intel_grapher.set_copy import NAMES, SetCopy, SharedSets
from intel_grapher.tables import read_tables
from intel_grapher.transform import Options

PARQUET = ("parquet",)
START = 1_700_000_000
URL = "s3://bucket/files"
OnMachine = Callable[[str], Path]


@pytest.fixture
def on(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OnMachine:
    """Return a function that begins a new process on a machine, and returns the copy there."""
    assert s3

    def begin(machine: str) -> Path:
        monkeypatch.setattr("intel_grapher.set_copy._looked", {})
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / machine))
        return place(URL, "import")

    return begin


def say(root: Path, key: str, ports: list[int], at: int) -> None:
    body = json.dumps({"ip": key, "ports": ports}).encode()
    with Cache(root) as cache, cache.writer() as writer:
        writer.add(Entry(source="internetdb", endpoint="ip", key=key, fetched_at=at, status=200, body=body))


def publish(root: Path, folder: Path, *numbers: int, keep: int = sets.MOST, formats: tuple[str, ...] = FORMATS) -> None:
    for number in numbers:
        say(root, f"192.0.2.{number}", [80], START + number)
    with Cache(root) as cache:
        transform(cache, folder, Options(keep=keep, formats=formats))


def addresses(folder: Path) -> list[str]:
    return sorted(read_tables(Files(folder)).nodes["IPAddress"]["address"].to_pylist())


def test_a_set_is_read_elsewhere_file_by_file(on: OnMachine, s3: S3Server, tmp_path: Path) -> None:
    publish(tmp_path, on("one"), 1, 2)
    publish(tmp_path, tmp_path / "import")
    copy = on("two")
    s3.requests.clear()
    assert Files(copy).manifest() == Files(tmp_path / "import").manifest()
    assert len(s3.requests) == 4, "the names, the set's files, manifest and rejects"
    assert not list(copy.glob("*/*"))
    assert addresses(copy) == ["192.0.2.1", "192.0.2.2"]
    assert Files(copy).parts(Group("IPAddress"), "csv")[0].read_bytes().startswith(b"address:ID(IPAddress)")
    local = {path.relative_to(copy): path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    assert len(local) > 3
    assert all((tmp_path / "import" / path).read_bytes() == content for path, content in local.items())
    loaded = load(Files(on("three")), Embedded(tmp_path / "graph"))
    assert loaded.parity.equal


def test_earlier_sets_are_compared_and_only_what_changed_is_written(
    on: OnMachine, s3: S3Server, tmp_path: Path
) -> None:
    publish(tmp_path, on("one"), 1)
    publish(tmp_path, on("two"), 2)
    s3.requests.clear()
    say(tmp_path, "192.0.2.2", [443], START + 9)
    publish(tmp_path, on("one"))
    written = [path for method, path in s3.requests if method == "PUT"]
    assert any("Service" in path for path in written)
    copy = on("three")
    known = sets.published(copy)
    assert len(known) == 3
    assert [each.published_at for each in known] == [
        each.published_at // 10**9 for each in SharedSets(Objects(URL)).read().counting
    ]
    before = sets.previous(copy)
    assert before is not None
    assert {each.keys[-1] for each in diff.rows(before.folder, copy)} == {"192.0.2.2:443"}
    assert addresses(known[2].folder) == ["192.0.2.1"]
    publish(tmp_path, on("one"), 3, keep=1)
    on("three")
    assert len(sets.published(copy)) == 2


def test_the_same_rows_again_are_no_new_set(on: OnMachine, s3: S3Server, tmp_path: Path) -> None:
    publish(tmp_path, on("one"), 1)
    before = SharedSets(Objects(URL)).read().counting
    s3.requests.clear()
    publish(tmp_path, on("two"))
    assert SharedSets(Objects(URL)).read().counting == before
    assert all(path.endswith("files.json") for method, path in s3.requests if method == "PUT")


@pytest.mark.parametrize("how", ["before", "after"])
def test_after_a_cut_at_any_request_there_is_one_whole_set(
    on: OnMachine, s3: S3Server, tmp_path: Path, how: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intel_grapher.objects.ATTEMPTS", 1)
    publish(tmp_path, on("one"), 0, formats=PARQUET)
    number, held, message = 0, 1, ""
    while True:
        held += 1
        folder = on("one")
        s3.cut(how, number)
        failed = True
        try:
            publish(tmp_path, folder, held, formats=PARQUET)
            failed = False
        except NotPushedError as error:
            message = str(error)
        except StoreError:
            assert number <= 1
        was_cut = len(s3.requests) > number
        s3.cut(how)
        seen = len(addresses(on("new")))
        assert seen in ({held - 1, held} if failed else {held})
        if failed:
            publish(tmp_path, on("one"), formats=PARQUET)
        assert len(addresses(on("new"))) == held
        if not was_cut:
            break
        number += 1
    assert number > 7
    assert "The files are made" in message


@pytest.mark.parametrize("how", CUTS)
def test_a_read_that_is_cut_is_done_by_the_next(
    on: OnMachine, s3: S3Server, tmp_path: Path, how: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intel_grapher.objects.ATTEMPTS", 1)
    publish(tmp_path, on("one"), 1)
    for number in (0, 1, 2, 4):  # 3: rejects, which are empty here
        copy = on(f"new{number}")
        s3.cut(how, number)
        with pytest.raises(StoreError, match="can't be reached"):
            addresses(copy)
        s3.cut(how)
        assert addresses(on(f"new{number}")) == ["192.0.2.1"]


def test_what_is_damaged_or_foreign_is_refused(on: OnMachine, tmp_path: Path) -> None:
    publish(tmp_path, on("one"), 1)
    shared = SharedSets(Objects(URL))
    file = shared.files(shared.read().sets[0])["nodes/IPAddress.parquet"]
    shared.objects.delete([file.object])
    with pytest.raises(StoreError, match="is not there"):
        addresses(on("two"))
    shared.objects.put_new(file.object, b"x" * file.size)
    with pytest.raises(StoreError, match="is damaged"):
        addresses(on("two"))
    for content in (b"{}", b'{"kind":"intel-grapher files","version":2,"sets":[]}'):
        shared.objects.delete([NAMES])
        shared.objects.put_new(NAMES, content)
        with pytest.raises(StoreError, match=r"not what intel-grapher writes|later version"):
            addresses(on("four"))


def test_a_reader_of_a_set_that_another_takes_the_place_of_spoils_no_file(on: OnMachine, tmp_path: Path) -> None:
    publish(tmp_path, on("one"), 1)
    reading = Files(on("two"))
    reading.manifest()
    publish(tmp_path, on("one"), 2)
    Files(on("two")).manifest()  # by another process there
    with pytest.raises(TransformError, match="made anew while it was read"):
        reading.parts(Group("IPAddress"))
    assert addresses(on("two")) == ["192.0.2.1", "192.0.2.2"]


def test_a_process_that_runs_long_sees_a_new_set(
    on: OnMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, on("one"), 1)
    copy = on("two")
    assert addresses(copy) == ["192.0.2.1"]
    publish(tmp_path, on("one"), 2)
    copy = on("two")
    long_ago = time.monotonic() - set_copy.FRESH_SECONDS
    monkeypatch.setattr(set_copy, "_looked", {copy: long_ago})  # as in the process that read it before
    reading = Files(copy)
    with locked(copy.with_name(".import.lock"), URL):
        reading.manifest()
        assert addresses(copy) == ["192.0.2.1"], "what another process is at work on stays"
    monkeypatch.setattr(set_copy, "_looked", {copy: long_ago})
    assert addresses(copy) == ["192.0.2.1", "192.0.2.2"]
    with pytest.raises(TransformError, match=rf"^{URL} was made anew while it was read"):
        reading.parts(Group("IPAddress"))


def test_a_process_that_runs_long_goes_on_while_the_store_is_away(
    on: OnMachine, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, on("one"), 1)
    copy = on("two")
    assert addresses(copy) == ["192.0.2.1"]
    s3.refuses = {"GET"}
    monkeypatch.setattr(set_copy, "_looked", {copy: time.monotonic() - set_copy.FRESH_SECONDS})
    assert addresses(copy) == ["192.0.2.1"]
    with pytest.raises(StoreError, match="refuses"):
        addresses(on("two"))


def test_a_first_set_that_another_machine_publishes_meanwhile_is_the_earlier_one(
    on: OnMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, on("other"), 1)
    objects = Objects(URL)
    names = objects.get(NAMES)
    objects.delete([NAMES])
    monkeypatch.setattr(set_copy, "FRESH_SECONDS", -1.0)
    monkeypatch.setattr(set_copy, "_PATIENCE", 0.1)
    folder = on("one")
    say(tmp_path, "192.0.2.2", [80], START)

    def progress(*_: object) -> None:
        objects.put_new(NAMES, names)

    with Cache(tmp_path) as cache:
        transform(cache, folder, Options(progress=progress))
    assert len(SharedSets(objects).read().counting) == 2
    assert addresses(on("two")) == ["192.0.2.1", "192.0.2.2"]


def test_two_processes_that_bring_the_same_set_to_a_new_machine_both_have_it(on: OnMachine, tmp_path: Path) -> None:
    publish(tmp_path, on("one"), 1)
    copy = on("two")
    first, second = Files(copy), SetCopy(copy, Objects(URL))
    assert second.find("nodes/IPAddress", "parquet") == []  # begun before the first has brought anything
    brought = Event()

    def bring() -> None:
        with locked(copy.with_name(".import.lock"), URL):
            brought.set()
            time.sleep(0.2)
        brought.clear()
        first.parts(Group("IPAddress"))
        brought.set()

    with ThreadPoolExecutor() as pool:
        done = pool.submit(bring)
        assert brought.wait(10)
        first.manifest()
        done.result()
    (path,) = first.parts(Group("IPAddress"))
    before = path.stat().st_ino
    second.pull(at_once=True)
    assert path.stat().st_ino == before, "it is not taken away to be brought again"


@pytest.mark.parametrize("is_emptied", [True, False])
def test_a_copy_is_of_one_store_and_not_of_another_with_its_url(
    on: OnMachine, tmp_path: Path, *, is_emptied: bool
) -> None:
    publish(tmp_path, on("one"), 1)
    objects = Objects(URL)
    objects.delete([NAMES])
    if not is_emptied:
        publish(tmp_path, on("other"), 2)
    on("one")
    with pytest.raises(StoreError, match=r"is not the store that it was: .*remove (.*\.import\.store)\.") as refused:
        Files(on("one")).manifest()
    with pytest.raises(StoreError, match="is not the store that it was"):
        publish(tmp_path, on("one"), 3)
    assert (objects.find(NAMES) is None) is is_emptied
    Path(str(refused.value).rpartition("remove ")[2].removesuffix(".")).unlink()  # as the message says
    publish(tmp_path, on("one"), 4)
    assert len(SharedSets(objects).read().counting) == (1 if is_emptied else 2)


def test_names_of_an_earlier_version_get_what_tells_their_store_when_they_change(on: OnMachine, tmp_path: Path) -> None:
    publish(tmp_path, on("one"), 1)
    shared = SharedSets(Objects(URL))
    shared.objects.update(
        NAMES, lambda content: msgspec.json.encode({**msgspec.json.decode(content or b""), "store": ""})
    )
    assert addresses(on("two")) == addresses(on("one")) == ["192.0.2.1"]
    publish(tmp_path, on("two"), 2)
    assert shared.read().store
    assert addresses(on("two")) == ["192.0.2.1", "192.0.2.2"]


def test_what_is_a_hub_is_read_from_the_store(on: OnMachine, tmp_path: Path) -> None:
    publish(tmp_path, on("one"), 1)
    of = in_files(on("two"))
    assert of is not None
    assert of(["192.0.2.1"]) == {"192.0.2.1": 1}


def test_an_import_into_a_local_server_has_the_files_of_a_store(
    on: OnMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, on("one"), 1)
    files = Files(on("two"))
    given: list[Path] = []

    def admin_(*arguments: str) -> None:
        given.extend(Path(path) for each in arguments for path in re.findall(r"/[^,=]+\.csv", each))
        assert all(path.stat().st_size for path in given)
        raise KeyboardInterrupt

    local = LocalNeo4j(tmp_path / "neo4j")
    monkeypatch.setattr(local, "admin", admin_)
    with pytest.raises(KeyboardInterrupt):
        admin.replace(files, files.manifest(), Server("bolt://127.0.0.1:1", "", "", local), lambda *_: None)
    assert len(given) > 2


def test_files_that_could_not_be_written_to_the_store_are_read_here(
    on: OnMachine, s3: S3Server, tmp_path: Path
) -> None:
    publish(tmp_path, on("one"), 1)
    folder = on("one")
    s3.refuses = {"PUT"}
    with pytest.raises(NotPushedError):
        publish(tmp_path, folder, 2, formats=PARQUET)
    assert addresses(folder) == ["192.0.2.1", "192.0.2.2"]
    assert not Files(folder).has(Group("IPAddress"), "csv")


def test_a_workspace_in_python_works_on_a_store(on: OnMachine, tmp_path: Path) -> None:
    on("one")
    with Cache(place(URL, "data")) as cache, cache.writer() as writer:
        body = b'{"ip":"192.0.2.1","ports":[80]}'
        writer.add(Entry(source="internetdb", endpoint="ip", key="192.0.2.1", fetched_at=1, status=200, body=body))
    on("two")
    workspace = Workspace(tmp_path, data=URL, import_=URL)
    assert workspace.transform().replies == 1
    on("three")
    workspace = Workspace(tmp_path, data=URL, import_=URL, db=tmp_path / "graph")
    assert workspace.load().parity.equal
