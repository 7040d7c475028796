"""The frontier: a run's indicators in the order in which they are asked about, without duplicates."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from threading import RLock
from types import TracebackType
from typing import Final, Self

from intel_grapher.errors import CacheError
from intel_grapher.fetch.asking import Indicator

CHUNK: Final = 2000
_CACHE_KIB: Final = 65536


class Frontier:
    """A list of indicators in a temporary file, so that memory stays bounded. Any thread may read it.

    Places count from 1. Raises CacheError if there is no room for temporary files.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # a temporary file
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._db.execute("CREATE TABLE found (place INTEGER PRIMARY KEY, kind TEXT, key TEXT, UNIQUE (key, kind))")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def add(self, indicators: Iterable[Indicator]) -> None:
        """Append the indicators that are not in it yet."""
        with self._lock:
            try:
                self._db.execute("BEGIN")
                self._db.executemany("INSERT OR IGNORE INTO found (kind, key) VALUES (?, ?)", indicators)
                self._db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise no_room(error) from error

    def __len__(self) -> int:
        with self._lock:
            return int(self._db.execute("SELECT coalesce(max(place), 0) FROM found").fetchone()[0])

    def __contains__(self, indicator: Indicator) -> bool:
        with self._lock:
            return bool(self._db.execute("SELECT 1 FROM found WHERE kind = ? AND key = ?", indicator).fetchone())

    def chunks(self, start: int = 1, stop: int | None = None) -> Iterator[list[tuple[int, str, str]]]:
        """Yield lists of (place, kind, key), CHUNK long, from place `start` up to, but not including, `stop`."""
        last = len(self) + 1 if stop is None else stop
        while start < last:
            with self._lock:
                rows = self._db.execute(
                    "SELECT place, kind, key FROM found WHERE place >= ? AND place < ? ORDER BY place LIMIT ?",
                    (start, last, CHUNK),
                ).fetchall()
            if not rows:
                return
            yield rows
            start = rows[-1][0] + 1


def no_room(error: sqlite3.Error) -> CacheError:
    """Return the error for a temporary file that can't grow."""
    return CacheError(
        f"the indicators can't be kept in a temporary file: {error}. Free some room, or set TMPDIR to another folder."
    )
