"""A mutex on a SQLite file: a lock between threads, and SQLite's own lock between processes.

SQLite's lock ends with the process that holds it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Final, Self

from intel_grapher.errors import CacheError

REMEDY: Final = "It can be deleted; requests sent before are then not counted."


class CrossProcessLock:
    """A re-entrant context manager around one transaction (BEGIN IMMEDIATE … COMMIT), for any thread.

    Raises CacheError in place of SQLite's errors. An exception in the block rolls the transaction back.
    """

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        self._lock = RLock()
        self._depth = 0

    def __enter__(self) -> Self:
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
        self._depth -= 1
        try:
            if not self._depth and self._db.in_transaction:  # SQLite rolls back by itself after some errors
                self._db.execute("COMMIT" if error is None else "ROLLBACK")
        except sqlite3.Error as failed:
            raise failure(self._path, failed) from failed
        finally:
            self._lock.release()
        if isinstance(error, sqlite3.Error):
            raise failure(self._path, error) from error


def failure(path: Path, error: Exception) -> CacheError:
    """Return the error for a ledger that can't be used."""
    reason = error.strerror if isinstance(error, OSError) else error
    return CacheError(f"{path}, the count of requests sent, can't be used: {reason}. {REMEDY}")
