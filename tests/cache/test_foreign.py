"""What is not ours in a cache's folder: passed over, told, and never written through, cut or deleted."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import shutil
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from command import Desk
from small_cache import Fill, entry

from intel_grapher.cache import Cache, compact, verify
from intel_grapher.cache.envelope import encode
from intel_grapher.errors import CacheError, GrapherError
from intel_grapher.lock import holder, locked

FOLDER = Path("raw", "dns", "a")


def keys(root: Path) -> list[str]:
    with Cache(root) as cache:
        return [each.key for segment in cache.segments() for each in segment.envelopes(lambda _: None)]


def _dangling(path: Path) -> None:
    path.symlink_to("nobody@host.1")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _above(path: Path) -> None:
    path.symlink_to("../..")


STRANGERS: dict[str, Callable[[Path], None]] = {
    ".#notes": _dangling,
    "000007.jsonl": _dangling,
    "000008.jsonl": os.mkfifo,
    "000009.jsonl": Path.mkdir,
    "000010-3-0123456789abcdef.jsonl.zst": Path.mkdir,
    "000011.jsonl": _loop,
    "000012.jsonl": _above,
    "0000013.jsonl": Path.touch,
    "99999999999999999999999.jsonl": Path.touch,
    "000014-99999999999999999999999-0123456789abcdef.jsonl.zst": Path.touch,
    "\u0660\u0660\u0660\u0660\u0661\u0665.jsonl": Path.touch,  # digits, but not ours
    ".000016.tmp": _dangling,
    ".000017.tmp": Path.mkdir,
    "fifo": os.mkfifo,
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_is_passed_over_and_told(tmp_path: Path, fill: Fill, name: str) -> None:
    fill(tmp_path, 1, 2)
    STRANGERS[name](tmp_path / FOLDER / name)
    assert keys(tmp_path) == ["host1.example", "host2.example"]
    fill(tmp_path, 3)
    with Cache(tmp_path) as cache:
        assert [Path(problem.where).name for problem in verify(cache)] == [name]
        with cache.writer() as writer:
            assert compact(cache, writer).closed == 1
    fill(tmp_path, 4)
    assert keys(tmp_path) == ["host1.example", "host2.example", "host3.example", "host4.example"]
    assert os.path.lexists(tmp_path / FOLDER / name)


@pytest.mark.parametrize("place", ["raw/dns/b", "raw/other", "raw/DNS"])
def test_a_folder_that_is_a_link_is_passed_over_and_told(tmp_path: Path, fill: Fill, place: str) -> None:
    fill(tmp_path, 1)
    (tmp_path / place).symlink_to(tmp_path / "raw" / "dns")
    assert keys(tmp_path) == ["host1.example"]
    with Cache(tmp_path) as cache:
        assert [problem.where for problem in verify(cache)] == [str(tmp_path / place)]


def test_a_stranger_is_told_by_list_and_doctor(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path / "data", 1)
    for name, make in STRANGERS.items():
        make(tmp_path / "data" / FOLDER / name)
    desk = Desk(tmp_path)
    told = f"{len(STRANGERS)} files or links are no part of the cache and are not read"
    assert told in desk.run("cache", "list").err
    assert told in desk.run("doctor").out


def test_a_file_with_the_last_number_ends_with_the_way_out(tmp_path: Path, fill: Fill) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "999999999999-0-0123456789abcdef.jsonl.zst").touch()
    with pytest.raises(CacheError, match="move it out of that folder"):
        fill(tmp_path, 1)


@pytest.mark.parametrize("status", ["99999999999999999999999", "-1", "1000"])
def test_a_record_that_no_writer_writes_is_told(tmp_path: Path, fill: Fill, status: str) -> None:
    fill(tmp_path, 1)
    rest = encode(entry(2)).rstrip(b"\n")[18:].replace(b'"status":200', b'"status":' + status.encode())
    with (tmp_path / FOLDER / "000001.jsonl").open("ab") as file:
        file.write(b'{"crc":"%08x",%s\n' % (zlib.crc32(rest), rest))
    fill(tmp_path, 3)
    assert keys(tmp_path) == ["host1.example", "host3.example"]
    with Cache(tmp_path) as cache:
        assert [problem.lost for problem in verify(cache)] == [1]
        assert cache.newest("dns", "a", "host3.example")


def _everything(root: Path) -> dict[Path, bytes | str]:
    """Return the content of each file, and the target of each link, under a folder."""
    return {
        path: str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def _paths(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_no_link_inside_is_followed(tmp_path: Path, fill: Fill) -> None:
    """Replace each file and folder of a cache by a link to one outside, in turn, and run every command that writes."""
    model = tmp_path / "model"
    fill(model, 1, 2, 3, segment_bytes=1)
    fill(model, 4)
    (torn := model / FOLDER / "000004.jsonl").write_bytes(torn.read_bytes() + b"torn")
    fill(model, 5)  # makes the quarantine
    torn.write_bytes(torn.read_bytes() + b"torn")
    (corrupt := next((model / FOLDER).glob("000001-*"))).write_bytes(corrupt.read_bytes()[:-1] + b"x")
    (model / "failed" / "dns" / "a").mkdir(parents=True)
    names = {
        *_paths(model),
        "index.sqlite-wal",
        "index.sqlite-shm",
        "index.sqlite-journal",
        str(FOLDER / ".000004.tmp"),
    }
    names |= {"set-aside/raw/dns/a/000001-" + corrupt.name.partition("-")[2], "raw/dns/a/.000001.tmp"}
    assert len(names) > 15
    for name in sorted(names):
        for foreign in ("file", "folder", "nothing", "copy"):
            home, outside = tmp_path / "home", tmp_path / "outside"
            for folder in (home, outside):
                shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(model, home)
            (outside / "folder" / "dns" / "a").mkdir(parents=True)
            (outside / "folder" / "dns" / "a" / "000001.jsonl").write_bytes(b"precious")
            (outside / "folder" / "a").mkdir()
            (outside / "file").write_bytes(b"precious, too")
            path = home / name
            if foreign == "copy":
                if not path.exists():
                    continue
                path.rename(outside / foreign)
            elif path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            path.symlink_to(outside / foreign)
            before, paths = _everything(outside), _paths(outside)
            for work in (partial(fill, home, 7), partial(fill, home, 8, segment_bytes=1), partial(_compacted, home)):
                with suppress(GrapherError):
                    work()
                assert (_everything(outside), _paths(outside)) == (before, paths), (name, foreign)


def _compacted(home: Path) -> None:
    with Cache(home) as cache, cache.writer() as writer:
        compact(cache, writer)
    with Cache(home) as cache:
        verify(cache)


def test_a_cache_given_as_a_link_works_as_the_folder(tmp_path: Path, fill: Fill) -> None:
    (tmp_path / "data").symlink_to(tmp_path / "disk" / "big")
    (tmp_path / "disk" / "big").mkdir(parents=True)
    fill(tmp_path / "data", 1)
    fill(tmp_path / "data", 2)
    assert keys(tmp_path / "disk" / "big") == ["host1.example", "host2.example"]
    assert (tmp_path / "data").is_symlink()


def test_few_descriptors_are_enough(tmp_path: Path) -> None:
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened + 24, allowed[1]))
    try:
        with Cache(tmp_path) as cache, cache.writer() as writer:
            for number in range(3):
                for endpoint in range(60):
                    assert writer.place(entry(number, f"e{endpoint}")).is_new
                    assert not writer.place(entry(number, f"e{endpoint}")).is_new
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, allowed)
    with Cache(tmp_path) as cache:
        assert verify(cache) == []
        assert sum(each.replies for each in cache.holdings()) == 180


def test_a_folder_whose_name_is_not_text_holds_a_cache(tmp_path: Path, fill: Fill) -> None:
    root = tmp_path / os.fsdecode(b"\xff\xfe data")
    fill(root, 1)
    fill(root, 2)
    assert keys(root) == ["host1.example", "host2.example"]
    with Cache(root) as cache:
        assert verify(cache) == []
        assert cache.newest("dns", "a", "host2.example")


@pytest.mark.parametrize("call", ["ftruncate", "write"])
def test_a_disk_that_keeps_failing_does_not_stop_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def failing(*_args: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, call, failing)
    with locked(tmp_path / ".lock", "the cache", "fetch") as descriptor:
        with pytest.raises(BlockingIOError):
            fcntl.flock(os.open(tmp_path / ".lock", os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert descriptor > 0
        assert holder(tmp_path / ".lock") == "unknown"


@pytest.mark.parametrize("calls", [("write",), ("write", "ftruncate"), ("write", "ftruncate", "fsync")])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_keeps_failing_ends_with_the_way_out(
    tmp_path: Path, fill: Fill, monkeypatch: pytest.MonkeyPatch, calls: tuple[str, ...], number: int
) -> None:
    fill(tmp_path, 1)

    def failing(*_args: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        for call in calls:
            broken.setattr(os, call, failing)
        with pytest.raises(CacheError, match=rf"raw/dns/a.* can't be written: {os.strerror(number)}.*run it again"):
            fill(tmp_path, 2)
    fill(tmp_path, 3)
    assert keys(tmp_path) == ["host1.example", "host3.example"]
