"""Mirrors of one store: pulled before they are read, pushed from, with the connection cut at every request."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from loopback import NOTHING, Loopback, source
from obstore.store import MemoryStore
from s3_server import CREDENTIALS, CUTS, Cut, S3Server
from small_cache import entry

from intel_grapher.cache import Cache, compact, verify
from intel_grapher.cache.envelope import ALL_AREAS
from intel_grapher.cache.listing import ROOT, Listed, Listing, SharedListing
from intel_grapher.cache.mirror import Mirror
from intel_grapher.cache.upkeep import FEWEST, missing
from intel_grapher.cache.writer import Writer
from intel_grapher.cli.fetch import exit_code
from intel_grapher.errors import CacheError, NotPushedError, StoreError
from intel_grapher.fetch.asking import Indicator
from intel_grapher.fetch.run import fetch
from intel_grapher.fetch.summary import Summary
from intel_grapher.objects import GRACE_SECONDS, Objects, Stat, local_folder, place, url_of
from intel_grapher.orphans import orphans, remove

URL = "s3://bucket/case"


class Machines:
    """Machines that share a store: each is a folder with a mirror."""

    def __init__(self, folder: Path, objects: Objects) -> None:
        self.folder = folder
        self.objects = objects

    def cache(self, name: str, segment_bytes: int = 1 << 30) -> Cache:
        root = self.folder / name / "data"
        return Cache(root, segment_bytes, Mirror(root, self.objects))

    def add(self, name: str, *numbers: int, segment_bytes: int = 1 << 30, endpoint: str = "a") -> None:
        with self.cache(name, segment_bytes) as cache, cache.writer() as writer:
            for number in numbers:
                writer.place(entry(number, endpoint))

    def held(self, name: str) -> list[str]:
        """Return the keys of all replies that a machine sees, sorted; each as often as it is there."""
        with self.cache(name) as cache:
            assert cache.mirror is not None
            cache.mirror.pull(at_once=True)
            return sorted(reply.key for segment in cache.segments(ALL_AREAS) for reply in cache.replies(segment))


def hosts(*numbers: int) -> list[str]:
    return sorted(f"host{number}.example" for number in numbers)


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    return Machines(tmp_path, Objects(URL, MemoryStore()))


@pytest.fixture
def shared(tmp_path: Path, s3: S3Server) -> Machines:
    assert s3
    return Machines(tmp_path, Objects(URL))


def test_what_one_machine_adds_the_others_read(machines: Machines) -> None:
    machines.add("one", 1, 2)
    machines.add("two", 3)
    machines.add("one", 4, segment_bytes=1)
    for name in ("one", "two", "three"):
        assert machines.held(name) == hosts(1, 2, 3, 4)
        with machines.cache(name) as cache:
            assert verify(cache) == []
            assert cache.newest("dns", "a", "host3.example") is not None
            assert all(segment.closed for segment in cache.segments())


def test_one_number_on_two_machines_is_two_segments(machines: Machines) -> None:
    with machines.cache("one") as one, one.writer() as first, machines.cache("two") as two, two.writer() as second:
        first.add(entry(1))
        second.add(entry(2))
    names = [[segment.path.name for segment in machines.cache(name).segments()] for name in ("one", "three")]
    assert machines.held("one") == machines.held("two") == hosts(1, 2)
    machines.add("one", 3)
    assert machines.held("three") == hosts(1, 2, 3)
    assert [name[:6] for name in names[1]] == ["000001", "000001"]


def test_a_reply_that_is_there_already_is_not_added_by_another_machine(machines: Machines) -> None:
    machines.add("one", 1, 2)
    machines.add("two", 1, 2, 3)
    assert machines.held("one") == hosts(1, 2, 3)


def test_a_lost_mirror_comes_back_and_a_cut_file_is_mended(machines: Machines) -> None:
    machines.add("one", *range(10), segment_bytes=400)
    segments = machines.cache("one").segments()
    segments[0].path.write_bytes(segments[0].path.read_bytes()[:-3])
    segments[1].path.unlink()
    assert machines.held("one") == hosts(*range(10))
    shutil.rmtree(machines.folder / "one")
    assert machines.held("one") == hosts(*range(10))


def test_a_failure_at_the_end_leaves_the_replies_for_the_next_command(
    shared: Machines, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.add("one", 1)
    s3.refuses = {"PUT"}
    with pytest.raises(NotPushedError, match="All replies are kept in") as failed:
        shared.add("one", 2)
    assert failed.value.exit_code == 3
    assert shared.held("two") == hosts(1)
    s3.refuses = {"PUT", "GET"}
    monkeypatch.setattr("intel_grapher.cache.mirror._pulled", {})
    with pytest.raises(StoreError, match="refuses"):
        shared.add("one", 3)
    s3.refuses = set()
    shared.add("one", 4)
    assert shared.held("two") == hosts(1, 2, 4)


def test_an_error_of_the_block_is_not_covered_and_its_replies_are_pushed(machines: Machines) -> None:
    def work() -> None:
        with machines.cache("one") as cache, cache.writer() as writer:
            writer.add(entry(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert machines.held("two") == hosts(1)


def test_a_long_command_pushes_while_it_runs(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    def awaited(*numbers: int) -> None:
        for _ in range(500):
            if machines.held("two") == hosts(*numbers):
                return
            time.sleep(0.01)
        raise AssertionError(machines.held("two"))

    with machines.cache("one", segment_bytes=500) as cache, cache.writer() as writer:
        for number in range(10):
            writer.add(entry(number))
        awaited(*range(8))
        monkeypatch.setattr("intel_grapher.cache.mirror.PUSH_SECONDS", 0.01)
        assert cache.mirror is not None
        cache.mirror.filled.set()
        writer.add(entry(10))
        awaited(*range(11))


def test_a_store_without_conditions_gets_no_reply(shared: Machines, s3: S3Server) -> None:
    s3.unconditional = True
    with pytest.raises(NotPushedError, match="does not heed conditional writes"):
        shared.add("one", 1)
    assert [each.name for each in shared.objects.names()] == ["conditional-writes"]


@pytest.mark.parametrize("how", CUTS)
def test_after_a_cut_at_any_request_all_is_there_once(
    shared: Machines, s3: S3Server, how: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request is cut, as often as it is sent: the command fails or not, and the next one makes it whole."""
    monkeypatch.setattr("intel_grapher.objects.ATTEMPTS", 1)
    shared.add("one", 1, 2, segment_bytes=1)
    wanted, number = [1, 2], 0
    while True:
        s3.cut(how, number)
        added = len(wanted) + 1
        try:
            shared.add("one", added, segment_bytes=1)
        except NotPushedError:
            wanted.append(added)
        except StoreError:
            assert number <= 1, "only what is read at the beginning ends a command before it adds anything"
        else:
            wanted.append(added)
        is_over = len(s3.requests) <= number
        s3.cut(how)
        shared.add("one", 0)
        assert shared.held("two") == shared.held(f"new{number}") == hosts(0, *wanted)
        if is_over:
            break
        number += 1
    assert number > 3


@pytest.mark.parametrize("how", CUTS)
def test_a_pull_that_is_cut_is_done_by_the_next(
    shared: Machines, s3: S3Server, how: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intel_grapher.objects.ATTEMPTS", 1)
    shared.add("one", 1, 2, 3, segment_bytes=1)
    for number in range(4):
        s3.cut(how, number)
        with pytest.raises(StoreError, match="can't be reached"):
            shared.held(f"new{number}")
        s3.cut(how)
        assert shared.held(f"new{number}") == hosts(1, 2, 3)
        with shared.cache(f"new{number}") as cache:
            assert verify(cache) == []


def test_small_segments_are_merged_and_nothing_is_lost(machines: Machines) -> None:
    for number in range(FEWEST + 2):
        machines.add(f"m{number % 3}", number)
    machines.add("m0", *range(20, 22), endpoint="b")
    before = machines.held("m1")
    with machines.cache("m0") as cache, cache.writer() as writer:
        done = compact(cache, writer)
        assert cache.newest("dns", "a", "host3.example") is not None
    assert done.merged == FEWEST + 2
    for name in ("m0", "m1", "new"):
        assert machines.held(name) == before
        with machines.cache(name) as cache:
            assert [segment.endpoint for segment in cache.segments()] == ["a", "b"]
            assert verify(cache) == []
    machines.add("m2", 30)
    assert machines.held("m0") == sorted([*before, *hosts(30)])


def test_two_machines_that_merge_the_same_make_no_double(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(FEWEST):
        machines.add("one", number)
    machines.held("two")
    replace = SharedListing.replace

    def late(shared: SharedListing, old: list[str], new: Listed) -> Listing | None:
        monkeypatch.setattr(SharedListing, "replace", replace)
        with machines.cache("two") as other, other.writer() as writer:
            assert compact(other, writer).merged == FEWEST
        return replace(shared, old, msgspec.structs.replace(new, name=new.name.replace("/000009", "/000099")))

    monkeypatch.setattr(SharedListing, "replace", late)
    with machines.cache("one") as cache, cache.writer() as writer:
        assert compact(cache, writer).merged == 0
    assert machines.held("one") == machines.held("new") == hosts(*range(FEWEST))


def test_what_is_damaged_on_one_side_comes_from_the_other(machines: Machines) -> None:
    machines.add("one", *range(6), segment_bytes=1)
    machines.held("two")
    paths = [segment.path for segment in machines.cache("one").segments()]
    names = [str(path.relative_to(machines.folder / "one/data")) for path in paths]
    content = bytearray(paths[0].read_bytes())
    content[-5] ^= 1
    paths[0].write_bytes(content)
    machines.objects.delete([names[1], names[2]])
    machines.objects.put_new(names[2], b"short")
    with machines.cache("one") as cache:
        assert cache.mirror is not None
        assert [each.what for each in missing(cache.mirror)] == [
            "it is missing in the store", "it is damaged in the store",
        ]  # fmt: skip
        assert len(verify(cache)) == 1
        with cache.writer() as writer:
            assert compact(cache, writer).repaired == 3
        assert verify(cache) == list(missing(cache.mirror)) == []
    assert machines.held("one") == machines.held("new") == hosts(*range(6))


def test_what_is_to_be_retired_while_a_push_retires_is_retired_by_the_next(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines.add("one", *range(2), segment_bytes=1)
    first, second = (Mirror.name(segment) for segment in machines.cache("one").segments())
    add = SharedListing.add
    with machines.cache("one") as cache, cache.writer() as writer:
        mirror = cache.mirror
        assert mirror is not None
        mirror.retire.append(first)

        def slow(*how: Any) -> Listing:  # noqa: ANN401 - as `add` takes them
            monkeypatch.setattr(SharedListing, "add", add)
            mirror.retire.append(second)
            return add(*how)

        monkeypatch.setattr(SharedListing, "add", slow)
        mirror.push(writer)
        assert SharedListing(machines.objects).read().retired.keys() == {first}
        mirror.push(writer)
    assert SharedListing(machines.objects).read().retired.keys() == {first, second}


def test_what_is_damaged_on_both_sides_is_written_anew_from_what_is_whole(machines: Machines) -> None:
    machines.add("one", *range(4))
    (segment,) = machines.cache("one").segments()
    content = bytearray(segment.path.read_bytes())
    content[-1] ^= 1  # the frame's own checksum
    segment.path.write_bytes(content)
    name = Mirror.name(segment)
    machines.objects.delete([name])
    machines.objects.put_new(name, bytes(content))
    with machines.cache("one") as cache, cache.writer() as writer:
        compact(cache, writer)
    assert name in SharedListing(machines.objects).read().retired
    assert machines.held("new") == machines.held("one")


def test_orphans_are_what_nothing_names_for_a_week(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(FEWEST):
        machines.add("one", number)
    with machines.cache("one") as cache, cache.writer() as writer:
        compact(cache, writer)
    stray = "raw/dns/a/000001-1-0123456789abcdef.jsonl.zst"
    machines.objects.put_new(stray, b"cut off")
    machines.objects.put_new("notes/of-somebody.txt", b"not ours")
    machines.objects.put_new("sets/0123456789abcdef/of-somebody.txt", b"not ours")
    assert orphans(machines.objects) == []
    later = machines.objects.now() + GRACE_SECONDS + 60
    monkeypatch.setattr(Objects, "now", lambda _: later)
    found = [each.name for each in orphans(machines.objects)]
    assert len(found) == FEWEST + 1
    assert stray in found
    assert [each.name for each in remove(machines.objects, orphans(machines.objects))] == found
    assert orphans(machines.objects) == []
    assert machines.held("new") == hosts(*range(FEWEST))
    assert machines.objects.find("notes/of-somebody.txt") is not None


@pytest.fixture
def orphan(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> list[Stat]:
    """Return the one orphan: what machine `two` has uploaded, and could not name. A grace is a moment here."""
    add = SharedListing.add

    def fail(*_: object, **__: object) -> Listing:
        raise StoreError("cut off")

    monkeypatch.setattr("intel_grapher.objects.GRACE_SECONDS", 0.1)
    monkeypatch.setattr("intel_grapher.orphans.GRACE_SECONDS", 0.1)
    monkeypatch.setattr(SharedListing, "add", fail)
    with pytest.raises(NotPushedError):
        machines.add("two", 1)
    monkeypatch.setattr(SharedListing, "add", add)
    time.sleep(0.15)
    found = orphans(machines.objects)
    assert len(found) == 1
    return found


def test_an_orphan_that_is_named_after_they_were_found_is_not_removed(machines: Machines, orphan: list[Stat]) -> None:
    machines.add("two", 2)
    time.sleep(0.15)
    assert remove(machines.objects, orphan) == []
    assert machines.held("new") == hosts(1, 2)


def test_an_orphan_that_is_written_anew_to_be_named_is_not_removed(
    machines: Machines, orphan: list[Stat], monkeypatch: pytest.MonkeyPatch
) -> None:
    add = SharedListing.add
    removed: list[Stat] = []

    def late(shared: SharedListing, *how: Any) -> Listing:  # noqa: ANN401 - as `add` takes them
        removed.extend(remove(machines.objects, orphan))
        return add(shared, *how)

    monkeypatch.setattr(SharedListing, "add", late)
    machines.add("two", 2)
    assert removed == []
    assert machines.held("new") == hosts(1, 2)


def test_an_orphan_that_is_named_at_its_deletion_is_put_back(
    machines: Machines, orphan: list[Stat], monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = Objects.delete

    def late(objects: Objects, names: list[str]) -> None:
        monkeypatch.setattr(Objects, "delete", delete)
        machines.add("two", 2)
        delete(objects, names)

    monkeypatch.setattr(Objects, "delete", late)
    assert remove(machines.objects, orphan) == []
    assert machines.held("new") == hosts(1, 2)


@pytest.mark.usefixtures("orphan")
def test_what_was_there_before_it_is_named_is_looked_at_once_more(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = SharedListing.add

    def late(shared: SharedListing, segments: Iterable[Listed]) -> Listing:
        named = list(segments)
        machines.objects.delete([each.name for each in named])  # by who took them for orphans
        monkeypatch.setattr(SharedListing, "add", add)
        return add(shared, named)

    monkeypatch.setattr(SharedListing, "add", late)
    machines.add("two", 2)
    assert machines.held("new") == hosts(1, 2)


def test_a_segment_that_is_retired_while_it_is_read_is_read_to_its_end(
    machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(FEWEST):
        machines.add("one", number)
    reading = machines.cache("one")
    segments = reading.segments()
    found = reading.newest("dns", "a", "host3.example")
    with machines.cache("one") as cache, cache.writer() as writer:
        assert compact(cache, writer).merged == FEWEST
    assert machines.held("one") == hosts(*range(FEWEST)), "nobody else sees it"
    keys = [reply.key for segment in segments for reply in reading.replies(segment)]
    assert sorted(keys) == hosts(*range(FEWEST))
    assert found is not None
    assert reading.read(found).key == "host3.example"
    monkeypatch.setattr("intel_grapher.cache.retired.SECONDS", -1)
    machines.held("one")
    assert not [path for path in (tmp_path / "one/data/retired").rglob("*") if path.is_file()]
    with pytest.raises(CacheError, match=r"is gone\. Run the command again"):
        segments[0].content()


PUSHER = """
import sys
from pathlib import Path
from small_cache import entry
from intel_grapher.cache import Cache
from intel_grapher.objects import place
name, start = sys.argv[1], int(sys.argv[2])
import os
os.environ["XDG_DATA_HOME"] = name
for number in range(start, start + 20, 5):
    with Cache(place("s3://bucket/case", "data"), 500) as cache, cache.writer() as writer:
        for each in range(number, number + 5):
            writer.add(entry(each))
    print(number, flush=True)
"""


def test_processes_push_side_by_side_and_a_killed_one_loses_nothing(
    shared: Machines, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path)), **s3.environment()}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PUSHER, str(tmp_path / f"home{start}"), str(start)],
            env=environment, stdout=subprocess.PIPE, text=True,
        )
        for start in (0, 20, 40)
    ]  # fmt: skip
    killed = running[2]
    assert killed.stdout is not None
    assert killed.stdout.readline() == "40\n"
    killed.kill()
    for process in running:
        process.communicate()
    assert [process.returncode for process in running[:2]] == [0, 0]
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home40"))
    with Cache(place(URL, "data")) as cache, cache.writer() as writer:
        mine = {reply.key for segment in cache.segments() for reply in cache.replies(segment)}
        for number in range(40, 60):
            writer.place(entry(number))
    assert set(hosts(*range(40, 45))) <= mine
    assert shared.held("new") == hosts(*range(60))


def test_the_path_of_a_mirror_means_its_url_and_no_other_folder_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    data = place(f"{URL}/", "data")
    assert data == local_folder(URL) / "data"
    assert url_of(data) == url_of(place(str(data), "data")) == URL
    project = tmp_path / "project"
    shutil.copytree(data.parent, project)
    assert url_of(project / "data") is None
    (data.parent / "store.url").write_text("s3://somebody-elses/bucket\n")
    assert url_of(data) is None


def test_nothing_that_is_kept_has_a_secret(shared: Machines) -> None:
    shared.add("one", 1)
    for path in shared.folder.rglob("*"):
        if path.is_file():
            assert not any(secret.encode() in path.read_bytes() for secret in CREDENTIALS.values())
    for each in shared.objects.names():
        assert not any(secret.encode() in shared.objects.get(each.name) for secret in CREDENTIALS.values())


def test_a_slow_push_writes_again_what_may_have_been_taken_for_an_orphan(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intel_grapher.cache.mirror._SLOW_SECONDS", -1)
    add = SharedListing.add

    def add_late(shared: SharedListing, segments: object, retire: tuple[str, ...] = ()) -> object:
        named = list(segments)  # type: ignore[call-overload]
        machines.objects.delete([each.name for each in named])
        monkeypatch.setattr(SharedListing, "add", add)
        return add(shared, named, retire)

    monkeypatch.setattr(SharedListing, "add", add_late)
    machines.add("one", 1)
    assert machines.held("two") == hosts(1)


def test_a_fetch_that_can_not_push_says_so_and_its_exit_code_is_that_of_a_part(
    service: Loopback, s3: S3Server, shared: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    service.script = lambda _: NOTHING
    hosts: list[Indicator] = [("domain", f"host{number}.example.net") for number in range(3)]

    def asked() -> Summary:
        with shared.cache("one") as cache:
            return fetch(cache, [source(service.home)], hosts)

    s3.refuses = {"PUT"}
    summary = asked()
    assert "All replies are kept in" in summary.unpushed
    assert summary.total.not_found == 3
    assert exit_code(summary, []) == 3
    assert "refuses" in capsys.readouterr().err
    s3.refuses = set()
    summary = asked()
    assert summary.total.cached == 3, "what is in the mirror alone is not asked again"
    assert not summary.unpushed
    assert len(shared.held("two")) == 3


def test_what_is_missing_in_the_store_keeps_no_other_segment_away(machines: Machines) -> None:
    machines.add("one", *range(3), segment_bytes=1)
    names = [Mirror.name(segment) for segment in machines.cache("one").segments()]
    machines.objects.delete(names[:2])
    with pytest.raises(StoreError, match=rf"{names[0]} is missing in the store, and so are 1 more. Run .*compact"):
        machines.held("two")
    assert (machines.folder / "two/data" / names[2]).exists()
    with machines.cache("one") as cache, cache.writer() as writer:
        assert compact(cache, writer).repaired == 2
    assert machines.held("two") == hosts(*range(3))


def test_a_mirror_is_of_one_store_and_not_of_another_with_its_url(machines: Machines, tmp_path: Path) -> None:
    machines.add("one", 1)
    emptied, replaced = Objects(URL, MemoryStore()), Objects(URL, MemoryStore())
    Machines(tmp_path / "other", replaced).add("two", 2)
    for objects in (emptied, replaced):
        before = [each.name for each in objects.names()]
        other = Machines(tmp_path, objects)
        with pytest.raises(StoreError, match=r"is not the store that it was: .* endpoint"):
            other.add("one", 3)
        assert [each.name for each in objects.names()] == before
    (tmp_path / "one/data/listing/store").unlink()  # as the message says
    Machines(tmp_path, replaced).add("one", 4)
    assert Machines(tmp_path, replaced).held("three") == hosts(1, 2, 4)


def test_a_listing_without_an_id_tells_its_store_by_what_it_named_first(
    machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intel_grapher.cache.listing.PAGE", 3)
    machines.add("one", 1)
    objects = Objects(URL, MemoryStore())
    for each in machines.objects.names():
        objects.put_new(each.name, machines.objects.get(each.name))
    without = {**msgspec.json.decode(objects.get(ROOT)), "store": ""}
    objects.update(ROOT, lambda _: msgspec.json.encode(without))
    earlier = Machines(tmp_path / "earlier", objects)
    other = Machines(tmp_path / "earlier", Objects(URL, MemoryStore()))
    Machines(tmp_path / "other", other.objects).add("one", 1000)
    assert earlier.held("one") == hosts(1)
    with pytest.raises(StoreError, match="is not the store that it was"):
        other.held("one")
    earlier.add("two", *range(2, 5), segment_bytes=1)
    assert len(SharedListing(objects).read().pages) == 1
    assert earlier.held("one") == hosts(*range(1, 5)), "it is still that store"


def test_a_store_that_is_replaced_while_a_command_runs_gets_none_of_its_replies(
    machines: Machines, tmp_path: Path
) -> None:
    machines.add("one", 1)
    replaced = Objects(URL, MemoryStore())
    Machines(tmp_path / "other", replaced).add("two", 2)

    def work() -> None:
        with machines.cache("one") as cache, cache.writer() as writer:
            writer.add(entry(3))
            assert cache.mirror is not None
            cache.mirror.objects = cache.mirror.shared.objects = replaced

    with pytest.raises(NotPushedError, match="is not the store that it was"):
        work()
    assert len(SharedListing(replaced).read().segments) == 1


def test_a_fault_of_the_disk_does_not_end_the_pushing(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    push, calls = Mirror.push, []

    def failing(mirror: Mirror, writer: Writer, *, close: bool = True) -> int:
        calls.append(close)
        if len(calls) == 1:
            raise CacheError("the disk is full")
        return push(mirror, writer, close=close)

    monkeypatch.setattr(Mirror, "push", failing)
    monkeypatch.setattr("intel_grapher.cache.mirror.PUSH_SECONDS", 0.01)
    with machines.cache("one") as cache, cache.writer() as writer:
        writer.place(entry(1))
        deadline = time.monotonic() + 20
        while len(calls) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(calls) >= 2
    assert machines.held("two") == hosts(1)
