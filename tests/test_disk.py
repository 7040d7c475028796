"""Replacement of files and folders: whole or not at all, durable, and never through a symbolic link."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from intel_grapher import disk
from intel_grapher.errors import CacheError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that records, in order, each file or folder that is synced and each rename."""
    calls: list[str] = []
    fsync, rename = os.fsync, os.replace

    def recorded(descriptor: int) -> None:
        calls.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def renamed(source: Path, target: Path) -> None:
        calls.append(f"rename {Path(source).name} {Path(target).name}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", recorded)
    monkeypatch.setattr(os, "replace", renamed)
    return calls


def test_a_file_is_replaced_in_four_steps(tmp_path: Path, synced: list[str]) -> None:
    path = tmp_path / "state.json"
    for data in (b"one", b"two"):
        synced.clear()
        disk.write_atomically(path, data)
        assert path.read_bytes() == data
        assert synced == ["sync .state.json.new", "rename .state.json.new state.json", f"sync {tmp_path.name}"]
    assert names(tmp_path) == ["state.json"]


def test_a_file_is_written_with_its_mode(tmp_path: Path) -> None:
    disk.write_atomically(tmp_path / "password", b"x", 0o600)
    assert stat.S_IMODE((tmp_path / "password").stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_failure_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"before")

    def failing(*_args: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, failing)
    text = f"state.json can't be written: {os.strerror(number)}. All is safe. .* and run it again"
    with pytest.raises(CacheError, match=text), disk.failing(path, CacheError, "All is safe."):
        disk.write_atomically(path, b"after")
    assert path.read_bytes() == b"before"
    assert names(tmp_path) == ["state.json"]


def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".state.json.new").write_bytes(b"half")
    disk.write_atomically(tmp_path / "state.json", b"whole")
    assert (tmp_path / "state.json").read_bytes() == b"whole"
    assert names(tmp_path) == ["state.json"]


def test_several_writers_of_one_file_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    texts = [bytes([65 + number]) * 100_000 for number in range(8)]
    threads = [threading.Thread(target=disk.write_atomically, args=(path, text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in texts
    assert names(tmp_path) == ["state.json"]


@pytest.mark.parametrize("name", ["state.json", ".state.json.new"])
def test_a_link_is_replaced_and_not_followed(tmp_path: Path, name: str) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / name).symlink_to(precious)
    disk.write_atomically(folder / "state.json", b"ours")
    assert precious.read_bytes() == b"precious"
    assert not (folder / "state.json").is_symlink()
    assert (folder / "state.json").read_bytes() == b"ours"


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.with_name("target").write_bytes(b"precious")
    path.symlink_to("target")


@pytest.mark.parametrize("make", [_fifo, _link, Path.mkdir])
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_RDWR | os.O_CREAT | os.O_TRUNC])
def test_only_a_regular_file_is_opened(tmp_path: Path, make: Callable[[Path], None], flags: int) -> None:
    make(tmp_path / "file")
    with pytest.raises(OSError, match=r"it is a symbolic link|it is not a regular file|Is a directory"):
        disk.open_own(tmp_path / "file", flags)
    assert not (tmp_path / "target").exists() or (tmp_path / "target").read_bytes() == b"precious"


def _folder(path: Path, name: str) -> Path:
    path.mkdir(parents=True)
    (path / name).write_text(name)
    return path


@pytest.mark.parametrize("in_one_step", [True, False])
def test_a_folder_takes_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, in_one_step: bool
) -> None:
    if not in_one_step:
        monkeypatch.setattr("ctypes.CDLL", lambda *_args, **_options: object())
    for name in ("first", "second"):
        disk.swap_in(_folder(tmp_path / ".set.new", name), tmp_path / "set")
        assert names(tmp_path / "set") == [name]
        assert names(tmp_path) == ["set"]


def test_a_place_that_is_a_link_works_as_the_folder_it_names(tmp_path: Path) -> None:
    place, target = tmp_path / "set", tmp_path / "disk" / "big"
    target.parent.mkdir()
    place.symlink_to(target)  # dangling at first
    for name in ("first", "second", "third"):
        new = disk.real(place).with_name(".big.new")
        disk.recover(place)
        disk.swap_in(_folder(new, name), place)
        assert place.is_symlink()
        assert names(place) == [name]
        assert names(tmp_path) == ["disk", "set"]
        assert names(target.parent) == ["big"]


def test_a_folder_left_aside_comes_back(tmp_path: Path) -> None:
    _folder(tmp_path / ".set.old", "first")
    disk.recover(tmp_path / "set")
    assert names(tmp_path) == ["set"]
    _folder(tmp_path / ".set.old", "second")
    disk.recover(tmp_path / "set")
    assert names(tmp_path) == ["set"]
    assert names(tmp_path / "set") == ["first"]


@pytest.mark.parametrize("name", [".set.old", ".set.new"])
def test_a_link_beside_a_folder_is_removed_and_not_followed(tmp_path: Path, name: str) -> None:
    precious = _folder(tmp_path / "precious", "file")
    (tmp_path / name).symlink_to(precious)
    disk.recover(tmp_path / "set")
    disk.remove(tmp_path / ".set.new")
    assert names(tmp_path) == ["precious"]
    assert names(precious) == ["file"]


def test_a_tree_is_synced_with_all_that_is_in_it(tmp_path: Path, synced: list[str]) -> None:
    _folder(tmp_path / "tree" / "inner", "file")
    os.mkfifo(tmp_path / "tree" / "fifo")
    (tmp_path / "tree" / "link").symlink_to("nowhere")
    disk.sync_tree(tmp_path / "tree")
    assert sorted(synced) == ["sync file", "sync inner", "sync tree"]
