"""Mapping while replies are written: the transform maps nothing again, and whatever is killed changes no byte."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

import pytest
from loopback import loopback, source
from transforming import bytes_of

from intel_grapher import disk, early
from intel_grapher.analyst.overrides import overrides_of
from intel_grapher.cache import Cache, Entry, take_back
from intel_grapher.cache.marks import Begun
from intel_grapher.cache.undo import ImportRun
from intel_grapher.early import EarlyMapping, mapped_early
from intel_grapher.fetch.run import FetchOptions, fetch
from intel_grapher.registry import Registry
from intel_grapher.transform import Options, early_process, transform
from intel_grapher.transform.overriding import Overriding
from intel_grapher.transform.segments import staged_name_of

REGISTRY = Registry.installed()
PATIENCE = 60.0


def reply(number: int) -> Entry:
    """Return a reply about a name; every seventh can't be read."""
    names = [f"{number}-{each}.example.com" for each in range(20)]
    body = {"response_code": "1", "subdomains": names, "resolutions": [{"ip_address": f"192.0.2.{number % 200}"}]}
    return Entry(
        source="threatcrowd",
        endpoint="domain",
        key=f"{number}.example.net",
        fetched_at=1_600_000_000 + number,
        status=200,
        body=b"[1" if number % 7 == 0 else json.dumps(body).encode(),
    )


def wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def steps_of(cache: Cache, folder: Path) -> set[str]:
    """Transform, and return the steps that had something to do: "read" is mapping."""
    steps: list[str] = []
    transform(cache, folder, REGISTRY, Options(progress=lambda step, _done, _total: steps.append(step)))
    return set(steps)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "data", segment_bytes=50_000)


def started(cache: Cache, folder: Path, *, quiet: float = 0.1) -> EarlyMapping:
    mapping = EarlyMapping(cache.root, folder, start=0, quiet=quiet)
    cache.written = mapping.note
    return mapping


def process_of(mapping: EarlyMapping) -> subprocess.Popen[bytes]:
    wait(lambda: mapping.process is not None)
    assert mapping.process is not None
    return mapping.process


def test_the_transform_after_it_maps_nothing_and_gives_the_same_bytes(cache: Cache, tmp_path: Path) -> None:
    with cache.writer() as writer, ImportRun(writer, Begun(paths=[])) as run:
        run.add(reply(1001), "raw", None)
    with cache.writer() as writer:
        take_back(cache, writer, run.id)
    mapping = started(cache, tmp_path / "import")
    with cache.writer() as writer:
        for number in range(300):
            writer.add(reply(number))
        writer.add(reply(2000), "failed")
        writer.sync()
        segments = cache.segments()
        assert [segment.closed for segment in segments] == [True] * (len(segments) - 1) + [False]
        name = staged_name_of(segments[-1], REGISTRY, Overriding(overrides_of(cache), cache.marks))
        wait((tmp_path / ".import.stage" / name).exists)  # it has been quiet
        writer.add(reply(300))  # grown again, by less than as much: at the end
    process = process_of(mapping)
    mapping.end(PATIENCE)
    wait(lambda: process.poll() is not None)
    assert mapping.mapped > len(segments)
    assert not list((tmp_path / ".import.stage").glob(".*"))
    assert "read" not in steps_of(cache, tmp_path / "import")
    assert "read" in steps_of(cache, tmp_path / "anew")
    assert bytes_of(tmp_path / "import") == bytes_of(tmp_path / "anew")
    names = {path.name for path in (tmp_path / ".import.stage").iterdir()}
    assert names == {path.name for path in (tmp_path / ".anew.stage").iterdir()}  # what had been outgrown is removed


def test_a_killed_process_is_no_loss_but_of_its_work(cache: Cache, tmp_path: Path) -> None:
    mapping = started(cache, tmp_path / "import")
    with cache.writer() as writer:
        for number in range(100):
            writer.add(reply(number))
        process = process_of(mapping)
        wait(lambda: mapping.mapped > 0)
        process.kill()
        for number in range(100, 300):
            writer.add(reply(number))
    mapping.end(PATIENCE)
    assert "read" in steps_of(cache, tmp_path / "import")
    transform(cache, tmp_path / "anew", REGISTRY)
    assert bytes_of(tmp_path / "import") == bytes_of(tmp_path / "anew")


PROGRAM = """
import sys, time
sys.path[:0] = sys.argv[3:]
from pathlib import Path
from queue import SimpleQueue
from intel_grapher.cache import Cache
from test_early import reply, started
cache = Cache(Path(sys.argv[1]), segment_bytes=50_000)
mapping = started(cache, Path(sys.argv[2]))
with cache.writer() as writer:
    for number in range(10**6):
        writer.add(reply(number + 1))
        time.sleep(0.002)
        if mapping.mapped:
            print(mapping.process.pid, flush=True)
"""


def test_it_ends_with_the_process_that_writes_which_is_killed(tmp_path: Path) -> None:
    places = [str(tmp_path / "data"), str(tmp_path / "import")]
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        *places,
        str(Path(__file__).parent),
        str(Path(__file__).parent / "support"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writing:
        assert writing.stdout is not None
        mapping = int(writing.stdout.readline())
        assert alive(mapping)
        os.kill(writing.pid, signal.SIGKILL)
    wait(lambda: not alive(mapping))
    assert not list((tmp_path / ".import.stage").glob(".*"))
    cache = Cache(tmp_path / "data")
    steps_of(cache, tmp_path / "import")
    transform(cache, tmp_path / "anew", REGISTRY)
    assert bytes_of(tmp_path / "import") == bytes_of(tmp_path / "anew")


def test_little_starts_no_process(cache: Cache, tmp_path: Path) -> None:
    with mapped_early(cache, tmp_path / "import", REGISTRY) as mapping, cache.writer() as writer:
        for number in range(50):
            writer.add(reply(number))
    assert not mapping.has_begun
    assert not (tmp_path / ".import.stage").exists()


def test_a_fetch_is_mapped_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "START_BYTES", 1)
    monkeypatch.setattr(early, "GRACE_SHARE", PATIENCE)
    monkeypatch.setattr(early, "GRACE_SECONDS", PATIENCE)
    with loopback() as service:
        cache = Cache(tmp_path / "data", segment_bytes=2000)
        with cache, mapped_early(cache, tmp_path / "import", REGISTRY) as mapping:
            names = [("domain", f"{number}.example.com") for number in range(100)]
            options = FetchOptions(ledger=tmp_path / "ledger.sqlite")
            assert fetch(cache, [source(service.home)], names, options).complete
    assert mapping.mapped >= len(cache.segments()) > 3
    assert "read" not in steps_of(cache, tmp_path / "import")


def test_a_registry_made_by_hand_and_a_small_machine_start_none(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early, "START_BYTES", 0)
    for registry, memory in ((Registry([]), 1 << 40), (REGISTRY, early.LEAST_MEMORY - 1)):
        monkeypatch.setattr(early, "memory", lambda memory=memory: memory)
        with mapped_early(cache, tmp_path / "import", registry) as mapping, cache.writer() as writer:
            writer.add(reply(1))
        assert not mapping.has_begun


def test_on_a_disk_that_is_short_of_room_nothing_is_kept(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=early_process.FREE_BYTES - 1))
    early_process.serve(cache, tmp_path, tmp_path / "own", SimpleQueue())
    assert list(tmp_path.iterdir()) == []


def test_of_two_segments_with_one_number_each_is_mapped_by_its_name(cache: Cache) -> None:
    with cache.writer() as writer:
        writer.add(reply(1))
    (ours,) = cache.segments()
    other = ours.path.with_name("000001-1-0123456789abcdef.jsonl.zst")
    other.write_bytes(b"of another machine, in a mirror")
    place = (ours.area, ours.source, ours.endpoint)
    for path in (other, ours.path):
        found = early_process.segment_named(cache.root, *place, path.name)
        assert found is not None
        assert found.path == path


def test_an_interrupt_waits_for_nothing(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "START_BYTES", 0)
    mapping = mapped_early(cache, tmp_path / "import", REGISTRY)
    begun = mapping.__enter__()
    with cache.writer() as writer:
        writer.add(reply(1))
        writer.sync()
        process = process_of(begun)
    assert not mapping.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    wait(lambda: process.poll() is not None)
    assert begun.mapped == 0


def test_a_transform_leaves_what_is_staged_meanwhile(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cache.writer() as writer:
        writer.add(reply(1))
    transform(cache, tmp_path / "import", REGISTRY)
    stage = tmp_path / ".import.stage"
    (stage / "old").write_bytes(b"")
    os.utime(stage / "old", (1, 1))
    added: list[Path] = []

    def progress(_step: str, _done: int, _total: int) -> None:
        if not added:
            added.append(stage / "new")
            added[0].write_bytes(b"")

    synced: list[Path] = []
    really = disk.sync

    def sync(path: Path) -> None:
        synced.append(path)
        really(path)

    monkeypatch.setattr(disk, "sync", sync)
    with cache.writer() as writer:
        writer.add(reply(2))
    transform(cache, tmp_path / "import", REGISTRY, Options(progress=progress))
    assert added[0].exists()
    assert added[0] not in synced  # it may be moved at any moment
    assert {path for path in stage.iterdir() if path.name not in {"index", "new"}} <= set(synced)
    assert not (stage / "old").exists()
    transform(cache, tmp_path / "import", REGISTRY)
    assert not added[0].exists()
