"""One thread of one process at a time on a SQLite file: the threads' lock, then SQLite's own, which dies with it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Final, Self

from intel_grapher.errors import CacheError

REMEDY: Final = "It can be deleted; what was sent before is then not counted."


class Turn:
    """Held in a `with`, in which SQLite's errors become CacheErrors. The thread that has it may take it again."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        self._lock = RLock()
        self._depth = 0

    def __enter__(self) -> Self:
        """Wait for the turn."""
        self._lock.acquire()
        try:
            if not self._depth:
                self._db.execute("BEGIN IMMEDIATE")
        except BaseException as error:
            self._lock.release()
            if isinstance(error, sqlite3.Error):
                raise failure(self._path, error) from error
            raise
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit, or undo after an error, and let the next one."""
        self._depth -= 1
        try:
            if not self._depth and self._db.in_transaction:  # the bucket commits by itself
                self._db.execute("COMMIT" if error is None else "ROLLBACK")
        except sqlite3.Error as failed:
            raise failure(self._path, failed) from failed
        finally:
            self._lock.release()
        if isinstance(error, sqlite3.Error):
            raise failure(self._path, error) from error


def failure(path: Path, error: Exception) -> CacheError:
    """Return what to tell when the file can't be used."""
    why = error.strerror if isinstance(error, OSError) else error
    return CacheError(f"{path}, which counts what was sent to the services, can't be used: {why}. {REMEDY}")
