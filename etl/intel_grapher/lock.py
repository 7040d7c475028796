"""One process at a time in a folder: an flock, which the kernel releases when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from intel_grapher import disk
from intel_grapher.errors import BusyError, GrapherError

_HOLDER_BYTES = 200
_POLL = 0.05  # seconds


@contextmanager
def locked(
    path: Path,
    what: str,
    command: str = "",
    *,
    failure: type[GrapherError] = GrapherError,
    patience: float = 0.0,
) -> Iterator[int]:
    """Hold the lock file at `path` while at work on `what`; yield its descriptor, which a child process may inherit.

    `command` is what a second process is told is running. The file stays behind, because removing it would let two
    processes lock two files of one name. Raises BusyError naming the holder, after `patience` seconds; `failure` where
    the file can't be written, or is a symbolic link.
    """
    with disk.failing(path, failure, "Nothing was changed."):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = disk.open_own(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        with disk.failing(path, failure, "Nothing was changed."):
            until = time.monotonic() + patience
            while not _is_free(descriptor):
                if time.monotonic() >= until:
                    raise BusyError(
                        f"{what} is in use by process {_read_holder(descriptor)}: wait until it ends, or stop it; "
                        "nothing needs to be unlocked"
                    )
                time.sleep(_POLL)
        _write_holder(descriptor, f"{os.getpid()} ({command})" if command else str(os.getpid()))
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def unchanged(path: Path, what: str, *, failure: type[GrapherError] = GrapherError) -> Iterator[None]:
    """Keep others from changing `what` while it is read: by the lock file at `path`.

    Where nothing can be written, as in a shared or read-only folder, a lock file that is there is shared with other
    readers; without one nobody can be at work. Raises what `locked` raises.
    """
    if os.access(path if path.exists() else path.parent, os.W_OK):
        with locked(path, what, failure=failure):
            yield
        return
    try:
        descriptor = disk.open_own(path, os.O_RDONLY)
    except (FileNotFoundError, PermissionError):
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(f"{what} is in use by process {_read_holder(descriptor)}: wait until it ends") from error
        yield
    finally:
        os.close(descriptor)


def holder(path: Path) -> str:
    """Return the process that holds the lock file at `path`, empty where none does; OSError where it can't be read."""
    try:
        descriptor = disk.open_own(path, os.O_RDONLY)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_holder(descriptor)
    finally:
        os.close(descriptor)
    return ""


def _is_free(descriptor: int) -> bool:
    """Lock a file, and tell whether that was possible."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_holder(descriptor: int, text: str) -> None:
    """Write who holds the lock. On a full or failing disk the lock holds all the same, and names nobody."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        disk.write(descriptor, text.encode(errors="replace"))


def _read_holder(descriptor: int) -> str:
    with suppress(OSError):
        return os.pread(descriptor, _HOLDER_BYTES, 0).decode(errors="replace").strip() or "unknown"
    return "unknown"
