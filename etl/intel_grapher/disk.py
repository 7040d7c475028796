"""Durable files: replacement of a file or a folder in one step, and opening of what is ours alone.

A file is replaced in four steps, so that after a crash or a power cut there is either the old file or the new one,
whole: write a temporary file beside it, fsync that, rename it, fsync the folder. A folder is replaced by exchanging
two names. Symbolic links inside our folders are never followed for writing, cutting or deleting.

Functions raise OSError. `failing` turns that into an error that names the path and the way out.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import Final

from intel_grapher.errors import GrapherError

SYNC_THREADS: Final = 16
_FOREIGN: Final = (errno.ELOOP, errno.EINVAL, errno.ENXIO, errno.EISDIR, errno.ENOTDIR, errno.EEXIST)
_REMEDIES: Final = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "Free some room on that disk"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "Make it writable for this user"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "Raise the limit on open files (`ulimit -n`)"),
    **dict.fromkeys(_FOREIGN, "Move it out of that folder"),
    errno.EFBIG: "Raise the limit on the size of a file",
    errno.EIO: "Check the disk, which reports an error,",
}


def open_own(path: Path, flags: int, mode: int = 0o666) -> int:
    """Return the descriptor of a regular file. `flags` as for `os.open`; it is not inherited by child processes.

    Raises OSError for a symbolic link, and for a folder, a FIFO, a socket or a device.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link", str(path)) from error
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "it is not a regular file", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return descriptor


def open_reading(path: Path) -> BufferedReader:
    """Return a regular file, opened for reading. Raises OSError as `open_own` does."""
    return os.fdopen(open_own(path, os.O_RDONLY), "rb")


def create(path: Path, mode: int = 0o666) -> BufferedWriter:
    """Return a new file, opened for writing. What was there, a file or a symbolic link, is removed and not followed.

    For a temporary file whose one writer holds a lock.
    """
    path.unlink(missing_ok=True)
    return os.fdopen(open_own(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")


def refuse_links(root: Path, *names: str) -> Path:
    """Return the folder `root/names…`. Raises OSError where a folder below `root` is a symbolic link."""
    path = root
    for name in names:
        path = path / name
        if path.is_symlink():
            raise OSError(errno.ELOOP, "it is a symbolic link", str(path))
    return path


def is_own(path: Path) -> bool:
    """Tell whether a path names a regular file that is no symbolic link."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def is_foreign(path: Path) -> bool:
    """Tell whether a path names something else than a regular file: a symbolic link, a folder, a FIFO."""
    try:
        return not stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def real(place: Path) -> Path:
    """Return the absolute path of the folder that the user's path means: where it is a symbolic link, its target."""
    return Path(os.path.realpath(place))


def sync(path: Path) -> None:
    """Make a file's content, or a folder's list of names, durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Make a folder and all files and folders in it durable, SYNC_THREADS at a time: each waits for the disk."""
    paths = [path for path in folder.rglob("*") if not path.is_symlink() and (path.is_file() or path.is_dir())]
    sync_all([*paths, folder])


def sync_all(paths: Iterable[Path]) -> None:
    """Make files and folders durable, SYNC_THREADS at a time."""
    with ThreadPoolExecutor(SYNC_THREADS) as pool:
        list(pool.map(sync, paths))


def write_atomically(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Replace the file at `path`, or make it. A failure leaves it as it was. Several processes may write it at once.

    A symbolic link at `path` is replaced, not followed. `mode` is the new file's, less the umask.
    """
    temporary = path.with_name(f".{path.name}.new")
    descriptor = _open_temporary(temporary, mode)
    try:
        with _removing_on_failure(temporary):
            write(descriptor, data)
        replace(temporary, path)
    finally:
        os.close(descriptor)


def write(descriptor: int, data: bytes | memoryview) -> None:
    """Write all bytes; `os.write` may write fewer."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def replace(temporary: Path, path: Path) -> None:
    """Put a finished temporary file at `path`, durably; both lie in one folder. A failure removes it."""
    with _removing_on_failure(temporary):
        sync(temporary)
        temporary.replace(path)
    sync(path.parent)


def remove(path: Path) -> None:
    """Remove a file, a symbolic link or a folder with all that is in it; nothing where there is nothing."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        if not path.is_dir() or path.is_symlink():
            raise
        shutil.rmtree(path)


def swap_in(new: Path, place: Path) -> None:
    """Put the folder `new` at `place` in one step, and remove what was there.

    A symbolic link at `place` stays: its target is replaced. `new` must lie on the same disk as `real(place)`, so make
    it beside that.
    """
    place = real(place)
    sync(new)
    if place.exists():
        _exchange(new, place)
        shutil.rmtree(new)
    else:
        new.rename(place)
    sync(place.parent)


def recover(place: Path) -> None:
    """Bring back the folder that a process left under another name when it was killed within `swap_in`."""
    place = real(place)
    aside = _aside(place)
    if not os.path.lexists(place) and aside.is_dir() and not aside.is_symlink():
        aside.rename(place)
    remove(aside)


@contextmanager
def failing(path: Path, failure: type[GrapherError], state: str) -> Iterator[None]:
    """Turn an OSError of the block into `failure`. `state` is a sentence that says what is safe."""
    try:
        yield
    except OSError as error:
        where = error.filename if error.errno in _FOREIGN and error.filename else path
        raise failure(f"{where} can't be written: {error.strerror}. {state} {remedy(error)}") from error


def remedy(error: OSError) -> str:
    """Return the sentence that says what to do about a failed write."""
    return f"{_REMEDIES.get(error.errno or 0, 'Mend that')} and run it again."


def _open_temporary(path: Path, mode: int) -> int:
    """Return the descriptor of a new, empty file, locked. What a killed process left there is removed."""
    while True:
        if is_foreign(path):
            remove(path)
        descriptor = open_own(path, os.O_WRONLY | os.O_CREAT, mode)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # another writer of this file may be at work
            own = os.fstat(descriptor)
            with suppress(FileNotFoundError):
                if os.path.samestat(own, path.lstat()):
                    if not own.st_size:
                        return descriptor
                    path.unlink()
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


@contextmanager
def _removing_on_failure(temporary: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _aside(place: Path) -> Path:
    return place.with_name(f".{place.name}.old")


def _exchange(new: Path, place: Path) -> None:
    """Exchange the names of two folders: in one step where the system can, else by three renames."""
    at_cwd, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE: linux/fcntl.h, linux/fs.h
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None and rename(at_cwd, os.fsencode(new), at_cwd, os.fsencode(place), exchange) == 0:
        return
    aside = _aside(place)
    place.rename(aside)
    try:
        new.rename(place)
    except OSError:
        aside.rename(place)
        raise
    aside.rename(new)
