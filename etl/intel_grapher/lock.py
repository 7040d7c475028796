"""One process at a time at one place: an flock, which the kernel lets go of when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from intel_grapher.errors import BusyError, GrapherError


@contextmanager
def locked(path: Path, what: str, command: str = "", *, failure: type[GrapherError] = GrapherError) -> Iterator[int]:
    """Hold the lock file at `path` while at work on `what`; give its handle, which a child process may inherit.

    `command` is what a second process is told is running. The file stays behind, because removing it would let two
    processes lock two files of one name. Raises BusyError naming the holder; `failure` where the file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise failure(f"{path} can't be written: {error.strerror}. Make its folder writable.") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(
                f"{what} is in use by process {_told(handle)}: wait until it ends, or stop it; nothing needs to be "
                "unlocked"
            ) from error
        _tell(handle, f"{os.getpid()} ({command})" if command else str(os.getpid()))
        yield handle
    finally:
        os.close(handle)


def holder(path: Path) -> str:
    """Return which process holds the lock file at `path`, empty where none does; OSError where it can't be read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _told(handle)
    finally:
        os.close(handle)
    return ""


def _tell(handle: int, text: str) -> None:
    try:
        os.ftruncate(handle, 0)
        os.write(handle, text.encode(errors="replace"))
    except OSError:
        os.ftruncate(handle, 0)  # a full disk: the lock holds all the same, it only names nobody


def _told(handle: int) -> str:
    return os.pread(handle, 200, 0).decode(errors="replace").strip() or "unknown"
