"""Where each reply stands, for quick look-ups: `data/index.sqlite`.

It is derived from the segments and never the truth: it can be deleted at any time, and catches up by reading what it
does not know yet. That is also how it is made in the first place. Where the folder can't be written it is made in
memory.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, Final

import msgspec

from intel_grapher.cache.envelope import Area, Entry, canonical_params, crc_of, digest
from intel_grapher.cache.segment import Record, Segment, list_segments
from intel_grapher.errors import CacheError
from intel_grapher.sqlite import connect

_VERSION: Final = 1
_DAMAGED: Final = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_SHORT_READ: Final = 522  # SQLITE_IOERR_SHORT_READ: the file has been cut
_SCHEMA: Final = f"""
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS folders (
        id INTEGER PRIMARY KEY, area TEXT, source TEXT, endpoint TEXT, UNIQUE (area, source, endpoint)
    );
    CREATE TABLE IF NOT EXISTS segments (
        id INTEGER PRIMARY KEY, folder INTEGER, number INTEGER, name TEXT,
        indexed INTEGER,                 -- bytes, uncompressed, up to the end of the last record that is known
        mark INTEGER, mark_crc TEXT,     -- where that record begins and its checksum: is it still the same file?
        UNIQUE (folder, name)
    );
    CREATE TABLE IF NOT EXISTS replies (
        segment INTEGER, folder INTEGER, offset INTEGER, length INTEGER, key TEXT, params TEXT,
        fetched_at INTEGER, status INTEGER, digest BLOB,
        PRIMARY KEY (segment, offset)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS replies_by_key ON replies (key, folder, params, fetched_at);
    PRAGMA user_version = {_VERSION};
    COMMIT;
"""
_FOLDER: Final = "(SELECT id FROM folders WHERE area = ? AND source = ? AND endpoint = ?)"
_NEWEST: Final = f"""
    SELECT r.fetched_at, r.status, s.number, s.name, r.offset, r.length, r.digest
    FROM replies r JOIN segments s ON s.id = r.segment
    WHERE r.key = ? AND r.folder = {_FOLDER} AND r.params = ?
    ORDER BY r.fetched_at DESC, r.digest DESC LIMIT 1
"""  # noqa: S608 - only our own constant goes in
_HISTORY: Final = """
    SELECT f.area, f.source, f.endpoint, r.params, r.fetched_at, r.status,
           s.number, s.name, r.offset, r.length, r.digest
    FROM replies r JOIN segments s ON s.id = r.segment JOIN folders f ON f.id = r.folder
    WHERE r.key = :key AND f.source = coalesce(:source, f.source) AND f.endpoint = coalesce(:endpoint, f.endpoint)
    ORDER BY r.fetched_at DESC, f.area DESC, f.source, f.endpoint, r.params, r.digest DESC
"""
_HELD: Final = """
    SELECT f.area, r.key, f.source, f.endpoint, r.params, max(r.fetched_at), r.status, r.digest
    FROM json_each(?) asked CROSS JOIN replies r ON r.key = asked.value JOIN folders f ON f.id = r.folder
    WHERE f.source = coalesce(?, f.source)
    GROUP BY r.key, r.folder, r.params
"""
_HAS: Final = f"""
    SELECT 1 FROM replies WHERE key = ? AND folder = {_FOLDER} AND params = ? AND fetched_at = ? AND digest = ?
"""  # noqa: S608 - only our own constant goes in
_ROWS: Final = f"""
    SELECT offset, length, key, params, fetched_at, status, digest FROM replies
    WHERE segment = (SELECT id FROM segments WHERE folder = {_FOLDER} AND name = ?) ORDER BY offset
"""  # noqa: S608 - only our own constant goes in
_SUMMARY: Final = """
    SELECT f.area, f.source, f.endpoint, count(*), count(DISTINCT r.key), sum(r.length),
           min(r.fetched_at), max(r.fetched_at)
    FROM replies r JOIN folders f ON f.id = r.folder
    GROUP BY f.id ORDER BY f.area DESC, f.source, f.endpoint
"""
_STATUSES: Final = """
    SELECT f.area, f.source, f.endpoint, r.status, count(*)
    FROM replies r JOIN folders f ON f.id = r.folder GROUP BY f.id, r.status
"""


class Found(msgspec.Struct, frozen=True, gc=False):
    """A reply that the cache holds, without its body: `Cache.read` gives that."""

    area: Area
    source: str
    endpoint: str
    key: str
    params: dict[str, str]
    fetched_at: int
    status: int
    number: int
    segment: str
    """The name of the segment's file as it was indexed; an open one may have been closed since."""
    offset: int
    length: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Holding:
    """What is there of one endpoint. Times are epoch seconds; `size` is in bytes, uncompressed.

    `statuses` has the number of replies by HTTP status.
    """

    area: Area
    source: str
    endpoint: str
    replies: int
    keys: int
    size: int
    oldest: int
    newest: int
    statuses: Mapping[int, int]


def row_of(record: Record) -> tuple[int, int, str, str, int, int, bytes]:
    """Give what the index keeps of a record, in the order of its columns from `offset` on."""
    envelope = record.envelope
    return (
        record.offset,
        record.length,
        envelope.key,
        canonical_params(envelope.params),
        envelope.epoch,
        envelope.status,
        digest(record.raw),
    )


class Index:
    """The index of the cache at `root`; opening it lets it catch up. Any thread may ask it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        path = root / "index.sqlite"
        writable = root.is_dir() and os.access(root, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))
        self._path = path if writable else None
        self._lock = RLock()
        self._db = self._open()
        self.catch_up()

    @property
    def in_memory(self) -> bool:
        """Whether it will be gone when closed, since there is no folder that can be written."""
        return self._path is None

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    def newest(self, area: Area, source: str, endpoint: str, key: str, params: dict[str, str]) -> Found | None:
        """Give the newest reply; of several of one second the one with the largest digest, so that order is nothing."""
        rows = self._ask(_NEWEST, (key, area, source, endpoint, canonical_params(params)))
        if not rows:
            return None
        return Found(area, source, endpoint, key, params, *rows[0])

    def held(self, keys: Sequence[str], source: str | None) -> list[Any]:
        """Return the newest reply to each question in each area, for many keys.

        A row has area, key, source, endpoint, parameters as text, fetched_at, status, digest.
        """
        return self._ask(_HELD, (msgspec.json.encode(keys).decode(), source))

    def history(self, key: str, source: str | None, endpoint: str | None) -> list[Found]:
        """Give every reply for a key, newest first, failures among them."""
        rows = self._ask(_HISTORY, {"key": key, "source": source, "endpoint": endpoint})
        return [
            Found(area, where, what, key, msgspec.json.decode(params) if params else {}, *rest)
            for area, where, what, params, *rest in rows
        ]

    def has(self, segment: Segment, entry: Entry, mark: bytes) -> bool:
        """Whether this very reply, by its digest, is known in the folder of `segment`."""
        place = (segment.area, segment.source, segment.endpoint)
        return bool(self._ask(_HAS, (entry.key, *place, canonical_params(entry.params), entry.fetched_at, mark)))

    def summary(self) -> list[Holding]:
        """Give what there is of each endpoint, answers before failures."""
        statuses: dict[tuple[str, str, str], dict[int, int]] = {}
        for area, source, endpoint, status, count in self._ask(_STATUSES, ()):
            statuses.setdefault((area, source, endpoint), {})[status] = count
        rows = self._ask(_SUMMARY, ())
        return [Holding(*row, statuses.get(row[:3], {})) for row in rows]  # type: ignore[call-arg]

    def rows(self, segment: Segment) -> list[Any]:
        """Give what is known of a segment, in its order, as `row_of` gives it."""
        return self._ask(_ROWS, (segment.area, segment.source, segment.endpoint, segment.path.name))

    def catch_up(self) -> None:
        """Index what is new in the segments, and forget those that are gone or are not the same file any more."""
        with self._mending():
            stale, behind = self._compare()
            if stale:
                with self._transaction():
                    stale, behind = self._compare()  # again, now that nobody else can change the index
                    self._drop(stale)
            for segment in behind:
                self._read(segment)

    def follow(self, segment: Segment) -> None:
        """Index what has been added to one segment."""
        with self._mending():
            self._read(segment)

    def renamed(self, segment: Segment, name: str) -> None:
        """Note that an open segment was closed, with the same records at the same offsets."""
        with self._mending(), self._transaction():
            self._execute(
                "UPDATE segments SET name = ? WHERE folder = ? AND name = ?",
                (name, self._folder(segment), segment.path.name),
            )

    def forget(self, segment: Segment) -> None:
        """Drop what is known of a segment, so that it is read anew. Records that are damaged now are then unknown."""
        with self._mending(), self._transaction():
            self._drop(
                self._execute(
                    "SELECT id FROM segments WHERE folder = ? AND name = ?",
                    (self._folder(segment), segment.path.name),
                ).fetchall()
            )

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                raise self._failure(error) from error
            return self._anew()

    def _connect(self) -> sqlite3.Connection:
        db = connect(self._path or ":memory:")
        try:
            db.execute("PRAGMA cache_size = -65536")  # KiB
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                db.executescript(_SCHEMA)
        except sqlite3.DatabaseError:
            db.close()
            raise
        if version in (0, _VERSION):
            return db
        db.close()
        return self._anew()

    def _anew(self) -> sqlite3.Connection:
        if self._path is not None:
            for ending in ("", "-wal", "-shm"):
                Path(f"{self._path}{ending}").unlink(missing_ok=True)
        return self._connect()

    @contextmanager
    def _mending(self) -> Iterator[None]:
        """Replace a damaged index by a new one; the segments have everything that the block would have noted."""
        with self._lock:
            try:
                yield
            except sqlite3.DatabaseError as error:
                self._mend(error)

    def _mend(self, damage: sqlite3.DatabaseError) -> None:
        code = getattr(damage, "sqlite_errorcode", 0)
        if code != _SHORT_READ and code & 0xFF not in _DAMAGED:
            raise self._failure(damage) from damage
        try:
            self._db.close()
            self._db = self._anew()
            for segment in self._compare()[1]:
                self._read(segment)
        except sqlite3.DatabaseError as error:
            raise self._failure(error) from error

    def _ask(self, sql: str, values: Sequence[object] | dict[str, object]) -> list[Any]:
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except UnicodeEncodeError:
                return []  # a key that is not text can't have been kept
            except sqlite3.DatabaseError as error:
                self._mend(error)
            return self._db.execute(sql, values).fetchall()

    def _execute(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self._db.execute(sql, values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
            self._execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._execute("ROLLBACK")

    def _compare(self) -> tuple[list[tuple[int]], list[Segment]]:
        """Give the ids of segments to be dropped, and the segments that have more than is known."""
        known = {
            tuple(row[:4]): row[4:]
            for row in self._execute(
                "SELECT f.area, f.source, f.endpoint, s.name, s.id, s.indexed, s.mark, s.mark_crc "
                "FROM segments s JOIN folders f ON f.id = s.folder"
            )
        }
        stale: list[tuple[int]] = []
        behind: list[Segment] = []
        for segment in list_segments(self._root):
            there = known.pop((segment.area, segment.source, segment.endpoint, segment.path.name), None)
            if there is None:
                behind.append(segment)
            elif not segment.closed:
                number, indexed, mark, mark_crc = there
                if indexed > segment.size or (indexed and crc_of(segment.line_at(mark, 19)) != mark_crc):
                    stale.append((number,))
                    behind.append(segment)
                elif indexed < segment.size:
                    behind.append(segment)
        stale += [(there[0],) for there in known.values()]
        return stale, behind

    def _read(self, segment: Segment) -> None:
        """Index a segment from where it is known. Damaged records are left out: nothing is known of them."""
        with self._transaction():
            folder = self._folder(segment)
            known = self._execute(
                "SELECT id, indexed FROM segments WHERE folder = ? AND name = ?", (folder, segment.path.name)
            ).fetchone()
            if known and segment.closed:
                return
            number, end = known or (None, 0)
            if number is None:
                number = self._execute(
                    "INSERT INTO segments (folder, number, name, indexed) VALUES (?, ?, ?, 0)",
                    (folder, segment.number, segment.path.name),
                ).lastrowid
            last: Record | None = None

            def rows() -> Iterator[tuple[object, ...]]:
                nonlocal last
                for record in segment.read(lambda _: None, start=end):
                    last = record
                    yield number, folder, *row_of(record)

            self._db.executemany("INSERT INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows())
            if last is not None:
                self._execute(
                    "UPDATE segments SET indexed = ?, mark = ?, mark_crc = ? WHERE id = ?",
                    (last.offset + last.length, last.offset, crc_of(last.raw), number),
                )

    def _folder(self, segment: Segment) -> int:
        place = (segment.area, segment.source, segment.endpoint)
        self._execute("INSERT OR IGNORE INTO folders (area, source, endpoint) VALUES (?, ?, ?)", place)
        return int(self._execute(f"SELECT {_FOLDER}", place).fetchone()[0])

    def _drop(self, numbers: Iterable[tuple[int]]) -> None:
        for number in numbers:
            self._execute("DELETE FROM replies WHERE segment = ?", number)
            self._execute("DELETE FROM segments WHERE id = ?", number)

    def _failure(self, error: sqlite3.DatabaseError) -> CacheError:
        return CacheError(
            f"{self._path or 'the index in memory'} can't be used: {error}. The replies themselves are safe. "
            "Free room or give permission and run this again; the file can be deleted at any time."
        )
