"""A SQLite file that several processes use at once: one write-ahead log, and each waits for the others."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Final

BUSY_SECONDS: Final = 60.0
_PAUSE: Final = 0.01


def connect(path: Path | str) -> sqlite3.Connection:
    """Open a file, in autocommit mode, for any thread; sqlite3.Error tells why it can't be used.

    To change a new file to a write-ahead log takes a lock that SQLite asks for without waiting, whatever its timeout
    (sqlite.org/wal.html, "Sometimes queries return SQLITE_BUSY"): of two that begin at once, one is refused at first.
    """
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
    except sqlite3.Error:
        db.close()
        raise
    return db
