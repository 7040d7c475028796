"""Sets of flat files in a store, and this machine's copies of them.

    s3://bucket/prefix/
      sets.json                                      the sets that count, the present one first; replaced by
                                                     conditional writes alone
      sets/3f79bb7b435b0532/files.json               the files of a set: object, bytes and SHA-256 of each
      sets/3f79bb7b435b0532/nodes/Domain.parquet     a file; a later set that has the same names this object too

    ~/.local/share/intel-grapher/stores/bucket-prefix-1a2b3c4d/
      import/                                        the copy of the present set: the manifest, and what was read
      .import.files.json                             the files that it has in the store

A set is there as a whole from the moment when `sets.json` names it. A reader takes the manifest first, and each other
file when it is first read; its checksum is compared then. Sets that are not named any more stay as orphans, and so do
not vanish from under a reader, until `intel-grapher cache orphans --remove` takes what is a week old.
"""

from __future__ import annotations

import hashlib
import math
import os
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import get_ident
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from intel_grapher import disk
from intel_grapher.errors import BusyError, NotPushedError, StoreError, TransformError
from intel_grapher.lock import locked
from intel_grapher.objects import GRACE_SECONDS, Objects, remember, url_of

T = TypeVar("T")
NAMES: Final = "sets.json"
VERSION: Final = 1
MANIFEST: Final = "manifest.json"
_THREADS: Final = 8
_FOLDER: Final = "import"
_EARLIER: Final = ".import.sets"
_AT_ONCE: Final = (MANIFEST, "rejects.jsonl")
_Id = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{16}\Z")]
_Digest = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
FILE: Final = r"(manifest\.json|rejects\.jsonl|(nodes|relationships)/[A-Za-z0-9_-]+(\.[0-9]+)?\.(parquet|csv))"
_Path = Annotated[str, msgspec.Meta(pattern=rf"\A{FILE}\Z")]
"""A file's path in a set's folder. What a listing says becomes a path, so nothing else is taken."""
_Object = Annotated[str, msgspec.Meta(pattern=rf"\Asets/[0-9a-f]{{16}}/{FILE}\Z")]
FRESH_SECONDS: Final = 5.0
"""So long what a store names is not asked for again by this process."""
_PATIENCE: Final = 30.0
"""Seconds to wait for another process that brings the first set to this machine."""
_looked: dict[Path, float] = {}


class SetFile(msgspec.Struct, frozen=True, array_like=True):
    """A file of a set: the object that it is, its bytes, and their SHA-256."""

    object: _Object
    size: int
    sha256: _Digest


class SetName(msgspec.Struct, frozen=True):
    """A set: its id, when it was published (nanoseconds since 1970), and the SHA-256 of its `files.json`.

    One that was made with --as-of does not stay when another takes its place. `since` (epoch seconds) says since when
    it does not count any more; 0 for one that does.
    """

    id: _Id
    published_at: int
    sha256: _Digest
    is_kept: bool = True
    since: int = 0


class SetNames(msgspec.Struct, frozen=True):
    """The sets in a store: the present one first, and those that a reader may still have begun to read.

    `store` tells the store from others at its URL; empty where an earlier version wrote this.
    """

    kind: Literal["intel-grapher files"]
    version: int
    sets: list[SetName]
    store: str = ""

    @property
    def counting(self) -> list[SetName]:
        """The sets that count."""
        return [each for each in self.sets if not each.since]


_NOTHING: Final = SetNames("intel-grapher files", VERSION, [])


class _Copied(msgspec.Struct, frozen=True):
    """What a folder is the copy of: the set's id, and its files by their path in the folder."""

    id: str
    files: dict[_Path, SetFile]


class SharedSets:
    """The sets in a store. Every method raises StoreError where it can't be reached, or holds something else."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def read(self) -> SetNames:
        """Return the names as they are now; none where there are none yet."""
        found = self.objects.find(NAMES)
        return _NOTHING if found is None else self._names(found.content)

    def files(self, named: SetName) -> dict[str, SetFile]:
        """Return the files of a set by their path in its folder."""
        name = f"sets/{named.id}/files.json"
        content = self.objects.get(name)
        if hashlib.sha256(content).hexdigest() != named.sha256:
            raise StoreError(f"{self.objects.url}/{name} is damaged: its checksum differs. Transform again.")
        return _decoded(content, dict[_Path, SetFile], f"{self.objects.url}/{name}")

    def publish(self, files: dict[str, SetFile], published_at: int, most: int, *, is_kept: bool) -> SetNames:
        """Let the store name a set whose files are there, and return the names; of earlier ones at most `most` count.

        A set with the time of the present one takes its place. Readers see the one or the other as a whole.
        """
        content = msgspec.json.encode(files, order="sorted")
        digest = hashlib.sha256(content).hexdigest()
        new = SetName(digest[:16], published_at, digest, is_kept)
        self.objects.put_new(f"sets/{new.id}/files.json", content)

        def change(present: bytes | None) -> bytes:
            names = _NOTHING if present is None else self._names(present)
            if present is not None and names.sets[:1] == [new]:
                return present
            earlier, now = [each for each in names.sets if each.id != new.id], int(time.time())
            kept = [each for each in earlier if each.is_kept and not each.since and each.published_at != published_at]
            gone = [
                msgspec.structs.replace(each, since=each.since or now)
                for each in earlier
                if each not in kept[:most] and (not each.since or each.since > now - GRACE_SECONDS)
            ]
            store = names.store or secrets.token_hex(8)
            return msgspec.json.encode(msgspec.structs.replace(names, store=store, sets=[new, *kept[:most], *gone]))

        return self._names(self.objects.update(NAMES, change))

    def _names(self, content: bytes) -> SetNames:
        where = f"{self.objects.url}/{NAMES}"
        names = _decoded(content, SetNames, where)
        if names.version > VERSION:
            raise StoreError(f"{where} was written by a later version of intel-grapher: install that one.")
        return names


class SetCopy:
    """A copy, in a folder of this machine, of a set of files in a store."""

    def __init__(self, folder: Path, objects: Objects, *, is_present: bool = True) -> None:
        self.folder = folder
        self.shared = SharedSets(objects)
        self._is_present = is_present
        self._copied: _Copied | None = None
        self._is_pulled = False

    def pull(self, *, at_once: bool = False) -> None:
        """Let the folder be the present set of the store, unless it is that of an earlier one.

        That is done once: what this object reads is of one set. While another process is at work there, the set that
        is there stays; `at_once` raises BusyError then. The store is not asked again within FRESH_SECONDS, unless
        `at_once`. Where it can't be reached, a process that has asked it before goes on with what is there.
        """
        if not self._is_present or (self._is_pulled and not at_once):
            return
        if at_once or time.monotonic() - _looked.get(self.folder, -FRESH_SECONDS) >= FRESH_SECONDS:
            try:
                names = self.shared.read()
            except StoreError:
                if at_once or self.folder not in _looked:
                    raise
            else:
                self._know(names)
                if names.counting and not self._has(names.counting[0]):
                    self._bring(names.counting[0], at_once=at_once)
            _looked[self.folder] = time.monotonic()
        self._is_pulled = True

    def pull_earlier(self, place: Path) -> None:
        """Let `place` have a folder for each earlier set of the store: a copy that has its manifest, at least."""
        names = {_folder_name(each): each for each in self._read().counting[1:]}
        held = [path for path in place.glob("[!.]*") if path.is_dir()] if place.is_dir() else []
        if {path.name for path in held} == names.keys() and all(_read_state(each).id for each in held):
            return
        with locked(place / ".lock", self.shared.objects.url, failure=TransformError, patience=_PATIENCE):
            for path in held:
                if path.name not in names:
                    disk.remove(path)
                    disk.remove(_state_of(path))
            for name, each in names.items():
                if _read_state(place / name).id != each.id:
                    self._take(place / name, each, _Copied("", {}))

    def find(self, name: str, suffix: str) -> list[str]:
        """Return the paths of a group's files: `name` is its folder and its name; one file, or parts in their order."""
        head = f"{name}."
        found = [path for path in self._state().files if path.startswith(head) and path.endswith(f".{suffix}")]
        return sorted(path for path in found if "." not in path[len(head) : -len(suffix) - 1])

    def bring(self, path: str) -> Path:
        """Return a file of the set, which is read from the store unless it is there.

        Raises TransformError where another process has put another set in the folder since this one was first read.
        """
        local = self.folder / path
        files = self._state().files
        while not local.exists():  # the folder may just have been replaced by one of the same set
            self._place(path, files)
        if _read_state(self.folder).id != self._state().id:
            raise self._made_anew()
        return local

    def _place(self, path: str, files: dict[str, SetFile]) -> None:
        """Read a file of the set from the store, and put it in the folder, if that is still the set's."""
        new = self.folder.with_name(f".{self.folder.name}.{os.getpid()}-{get_ident()}.part")
        self._fetch(files[path], new)
        with disk.failing(self.folder / path, TransformError, "What was there is as it was."):
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            try:  # by the descriptor, so that the file goes to no folder that is put in place meanwhile
                with os.fdopen(os.open(MANIFEST, os.O_RDONLY, dir_fd=folder), "rb") as manifest:
                    if hashlib.file_digest(manifest, "sha256").hexdigest() != files[MANIFEST].sha256:
                        raise self._made_anew()
                with suppress(FileExistsError):
                    os.mkdir(path.partition("/")[0], dir_fd=folder)
                os.rename(new, path, dst_dir_fd=folder)
            finally:
                os.close(folder)
                new.unlink(missing_ok=True)

    def _made_anew(self) -> TransformError:
        return TransformError(f"{self.shared.objects.url} was made anew while it was read: run the command again")

    def push(self, most: int, *, is_kept: bool) -> None:
        """Write the set in the folder to the store, and let that name it: only files that the present one lacks.

        Raises NotPushedError where that fails.
        """
        self._copied = None
        disk.remove(_state_of(self.folder))  # what is in the folder is the copy of no set yet
        try:
            present = self._read().counting[:1]
            if not present:
                self.shared.objects.prove_conditions()
            there = {each.sha256: each for named in present for each in self.shared.files(named).values()}
            paths = sorted(path for path in self.folder.rglob("*") if disk.is_own(path))
            digests = {path.relative_to(self.folder).as_posix(): _digest(path) for path in paths}
            own = hashlib.sha256(msgspec.json.encode(digests, order="sorted")).hexdigest()[:16]
            files: dict[str, SetFile] = {}
            for (name, digest), path in zip(digests.items(), paths, strict=True):
                files[name] = there.get(digest) or SetFile(f"sets/{own}/{name}", path.stat().st_size, digest)
            new = [name for name, file in files.items() if file.sha256 not in there]
            with ThreadPoolExecutor(_THREADS) as pool:
                list(pool.map(lambda name: self.shared.objects.put_file(files[name].object, self.folder / name), new))
            published_at = (self.folder / MANIFEST).stat().st_mtime_ns
            names = self.shared.publish(files, published_at, most, is_kept=is_kept)
            self._know(names)
        except StoreError as error:
            raise NotPushedError(
                f"{error} The files are made, and lie in {self.folder}: `intel-grapher transform` writes them to the "
                "store when that can be reached."
            ) from error
        self._write_state(self.folder, _Copied(names.sets[0].id, files))

    def _read(self) -> SetNames:
        """Return what the store names, if it is still the one that this is the copy of."""
        names = self.shared.read()
        self._know(names)
        return names

    def _know(self, names: SetNames) -> None:
        if names.store or not names.sets:
            path = self.folder.with_name(f".{self.folder.name}.store")
            remember(path, self.shared.objects.url, names.store, f"To go on with what is there now, remove {path}.")

    def _has(self, named: SetName) -> bool:
        return self._state().id == named.id and (self.folder / MANIFEST).exists()

    def _bring(self, named: SetName, *, at_once: bool) -> None:
        """Put the copy of a set in place, unless another process does or has."""
        is_first = not (self.folder / MANIFEST).exists()
        try:
            with locked(
                self.folder.with_name(f".{self.folder.name}.lock"),
                self.shared.objects.url,
                failure=TransformError,
                patience=_PATIENCE if is_first else 0,
            ):
                self._copied = None
                if not self._has(named):
                    self._take(self.folder, named, self._state())
        except BusyError:
            if is_first or at_once:
                raise

    def _state(self) -> _Copied:
        if self._copied is None:
            self._copied = _read_state(self.folder)
        return self._copied

    def _write_state(self, folder: Path, copied: _Copied) -> None:
        disk.write_atomically(_state_of(folder), msgspec.json.encode(copied))
        if folder == self.folder:
            self._copied = copied

    def _take(self, folder: Path, named: SetName, old: _Copied) -> None:
        """Put the copy of a set in place: its manifest and rejects, and those other files that the old one has too."""
        files = self.shared.files(named)
        new = folder.with_name(f".{folder.name}.new")
        with disk.failing(folder, TransformError, "What was there is as it was."):
            disk.remove(new)
            new.mkdir(parents=True)
            for path, file in files.items():
                (new / path).parent.mkdir(exist_ok=True)
                if path in _AT_ONCE:
                    self._fetch(file, new / path)
                elif path in old.files and old.files[path].sha256 == file.sha256 == _digest(folder / path):
                    os.link(folder / path, new / path)
            os.utime(new / MANIFEST, ns=(named.published_at, named.published_at))
            disk.remove(_state_of(folder))  # so that it never tells of other files than those that are there
            disk.swap_in(new, folder)
            self._write_state(folder, _Copied(named.id, files))

    def _fetch(self, file: SetFile, path: Path) -> None:
        """Write a file of the store to a path, if it is the one that was listed."""
        new = path.with_name(f".{path.name}.{os.getpid()}.new")
        with disk.failing(path, TransformError, "What was there is as it was."):
            try:
                if self.shared.objects.get_file(file.object, new) != file.sha256:
                    raise StoreError(
                        f"{self.shared.objects.url}/{file.object} is damaged: its checksum differs. Transform again."
                    )
                disk.replace(new, path)
            finally:
                new.unlink(missing_ok=True)


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Bring no set to a folder in the block: this process makes one there, and holds its lock."""
    _looked[folder] = math.inf
    try:
        yield
    finally:
        _looked[folder] = time.monotonic()


def copy_at(folder: Path) -> SetCopy | None:
    """Return the copy of a set, the present or an earlier one, that a folder is; None for a folder that is none."""
    is_present = folder.name == _FOLDER
    if not is_present and folder.parent.name != _EARLIER:
        return None
    url = url_of(folder if is_present else folder.parent)
    return None if url is None else SetCopy(folder, Objects(url), is_present=is_present)


def _folder_name(named: SetName) -> str:
    at = datetime.fromtimestamp(named.published_at // 10**9, UTC)
    return f"{at:%Y-%m-%dT%H-%M-%SZ}.{named.id[:4]}"


def _state_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.files.json")


def _read_state(folder: Path) -> _Copied:
    try:
        with disk.open_reading(_state_of(folder)) as file:
            return msgspec.json.decode(file.read(), type=_Copied)
    except (OSError, msgspec.MsgspecError):
        return _Copied("", {})


def _decoded(content: bytes, type_: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(content, type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreError(f"{where} is not what intel-grapher writes ({error}). Name another prefix.") from error


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file; empty where there is none."""
    try:
        with disk.open_reading(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
