"""One writer at a time: an flock, which the kernel lets go of when its holder dies, however it dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etl.errors import BusyError, CacheError


@contextmanager
def hold(path: Path, command: str) -> Iterator[None]:
    """Hold the lock file at `path` for the block. `command` is what a second process is told is running.

    The file stays behind, because removing it would let two processes lock two files of one name. Raises BusyError
    naming the holder; CacheError where the file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise CacheError(f"{path} can't be written: {error.strerror}. Make its folder writable.") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(handle, 200, 0).decode(errors="replace").strip() or "another one"
            raise BusyError(
                f"{path.parent} is being written by process {holder}. Wait until it ends, or stop it; nothing needs "
                "to be unlocked."
            ) from error
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()} ({command})\n".encode(errors="replace"), 0)
        except OSError:
            os.ftruncate(handle, 0)  # a full disk: the lock holds all the same, it only names nobody
        yield
    finally:
        os.close(handle)
