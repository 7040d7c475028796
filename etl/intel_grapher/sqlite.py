"""A SQLite file that several processes use at once: one write-ahead log, and each process waits for the others."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Final, Literal

from intel_grapher import disk

BUSY_SECONDS: Final = 60.0
FAULTS: Final = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What a statement raises on a file that can't be used or is corrupt; the second for text in it that is not UTF-8."""
_PAUSE: Final = 0.01


def files(path: Path) -> list[Path]:
    """Return the paths of the files that the database at `path` may consist of."""
    return [path, *(path.with_name(f"{path.name}{ending}") for ending in ("-wal", "-shm", "-journal"))]


def connect(path: Path | Literal[":memory:"]) -> sqlite3.Connection:
    """Return a connection to a file, or to ":memory:", in autocommit mode, for any thread.

    Raises one of FAULTS where the file can't be used, is corrupt, or is a symbolic link.

    To change a new file to a write-ahead log takes a lock that SQLite asks for without waiting, whatever its timeout
    (sqlite.org/wal.html, "Sometimes queries return SQLITE_BUSY"): of two that begin at once, one is refused at first.
    """
    for file in files(path) if isinstance(path, Path) else []:
        if disk.is_foreign(file):
            raise sqlite3.OperationalError(f"{file} is a symbolic link or not a file")
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    until = time.monotonic() + BUSY_SECONDS
    try:
        while True:
            try:
                db.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(_PAUSE)
        db.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        db.close()
        raise
    return db
