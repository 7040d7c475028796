"""The index of the cache, for quick look-ups: `data/index.sqlite`.

It is derived from the segments and never the truth: it can be deleted at any time, and catches up by reading what it
does not know yet. That is also how it is made in the first place. Where the folder can't be written it is made in
memory.

Each row has a checksum of itself (`seal`), and each segment's row the count of its replies. A look-up compares the
seals of the rows that it returns, a summary those of all rows and the counts, `check` the whole file. Where one does
not hold the index is made anew from the segments. The trees of a small file are checked when it is opened; in one of
more than CHECKED bytes a flipped bit can make a look-up miss a reply, which is then asked for again, until the next
summary or check. It never yields a reply that is not there.
"""

import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, Final

import msgspec

from intel_grapher.cache import statements
from intel_grapher.cache.envelope import Area, Entry, canonical_params, crc_of
from intel_grapher.cache.marks import AREA, NO_MARKS
from intel_grapher.cache.segment import Record, Segment, list_segments
from intel_grapher.errors import CacheError
from intel_grapher.sqlite import FAULTS, connect, files

_CORRUPT: Final = {
    *(sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT),
    *(sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG),
}
CHECKED: Final = 16 << 20
"""Bytes. An index that is not larger, some 130,000 replies, is checked when it is opened, within some 50 ms."""
_SHORT_READ: Final = 522  # SQLITE_IOERR_SHORT_READ: the file has been cut


class _NotSealedError(sqlite3.DatabaseError):
    """A row is not the one that was written."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


class Found(msgspec.Struct, frozen=True, gc=False):
    """A reply that the cache holds, without its body: `Cache.read` returns that.

    Attributes:
        segment: the name of the segment's file as it was indexed; an open one may have been closed since.
        offset: the byte at which its line begins, in the segment's uncompressed content.
        length: the line's bytes, newline included.
        digest: what tells the reply from all others, 16 bytes (`envelope.digest`).
        import_: the id of the import that brought it; empty for one that was fetched.
    """

    area: Area
    source: str
    endpoint: str
    key: str
    params: dict[str, str]
    fetched_at: int
    status: int
    segment: str
    offset: int
    length: int
    digest: bytes
    import_: str = ""


@dataclass(frozen=True, slots=True)
class Holding:
    """What the cache has of one endpoint. Times are epoch seconds; `size` is in bytes, uncompressed.

    `statuses` has the number of replies by HTTP status, `taken_back` the number of those that are out of use.
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
    taken_back: int = 0


def row_of(record: Record) -> tuple[int, int, str, str, int, int, str, bytes]:
    """Return what the index keeps of a record.

    That is: offset, length, key, parameters, epoch seconds, status, import, digest.
    """
    envelope = record.envelope
    return (
        record.offset,
        record.length,
        envelope.key,
        canonical_params(envelope.params),
        envelope.epoch,
        envelope.status,
        envelope.import_,
        record.digest,
    )


class Index:
    """The index of the cache at `root`. Opening it lets it catch up. Any thread may ask it.

    `rebuilt` tells whether it was found corrupt, and made anew, since it was opened. `marks` say which replies are out
    of use; look-ups pass over these. Every method raises CacheError where the file can't be used.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        path = root / "index.sqlite"
        writable = root.is_dir() and os.access(root, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))
        self._path = path if writable else None
        self._lock = RLock()
        self.rebuilt = False
        self.marks = NO_MARKS
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
        """Return the newest reply: of several of one second the one with the largest digest, whatever their order."""
        rows = self._ask(statements.NEWEST, (key, area, source, endpoint, canonical_params(params)))
        rows = [row for row in rows if not self.marks.is_out(row[-1], row[1])]
        if not rows:
            return None
        fetched_at, mark, status, name, offset, length, by = max(rows)
        return Found(area, source, endpoint, key, params, fetched_at, status, name, offset, length, mark, by)

    def held(self, keys: Sequence[str], source: str | None, now: int) -> list[Any]:
        """Return the newest reply to each question in each area, for many keys.

        A reply dated later than `now` (epoch seconds) is the newest only if there is no other.
        A row has area, key, source, endpoint, parameters as text, fetched_at, status, digest, and its rank.
        """
        return self._ask(statements.HELD, (now, msgspec.json.encode(keys).decode(), source, bool(self.marks)))

    def history(self, key: str, source: str | None, endpoint: str | None) -> list[Found]:
        """Return every reply for a key, newest first: failures, and what is out of use, among them."""
        rows = self._ask(statements.HISTORY, {"key": key, "source": source, "endpoint": endpoint})
        return [
            Found(area, where, what, key, msgspec.json.decode(params) if params else {}, *rest)
            for area, where, what, params, *rest in rows
        ]

    def brought(self, segment: Segment, entry: Entry, mark: bytes) -> str | None:
        """Return which import brought this very reply, by its digest, to the folder of `segment`.

        Empty for one that was fetched; None where there is no such reply.
        """
        place = (segment.area, segment.source, segment.endpoint)
        values = (entry.key, *place, canonical_params(entry.params), entry.fetched_at, mark)
        found = self._ask(statements.HAS, values)
        return min(row[0] for row in found) if found else None

    def in_use(self, by: str) -> int:
        """Return how many replies that an import brought are in use. All rows are looked at."""
        ((count,),) = self._ask(statements.BROUGHT, (by,))
        return int(count)

    def summary(self) -> list[Holding]:
        """Return what there is of each endpoint, answers before failures."""
        with self._lock:
            try:
                return self._summed()
            except FAULTS as error:
                self._rebuild(error)
            try:
                return self._summed()
            except FAULTS as error:
                raise self._failure(error) from error

    def rows(self, segment: Segment) -> list[Any]:
        """Return what is known of a segment, in its order, as `row_of` returns it."""
        return self._ask(statements.ROWS, (segment.area, segment.source, segment.endpoint, segment.path.name))

    def check(self) -> bool:
        """Tell whether the whole file is what was written. Where it is not, it is made anew."""
        with self._lock:
            try:
                if not _is_whole(self._db):
                    raise _NotSealedError
                self._summed()
            except FAULTS as error:
                self._rebuild(error)
                return False
            return True

    def catch_up(self) -> None:
        """Index what is new in the segments, and forget those that are gone or are not the same file any more."""
        with self._recovering():
            stale, behind = self._compare()
            if stale:
                with self._transaction():
                    stale, behind = self._compare()  # again, now that nobody else can change the index
                    self._drop(stale)
            for segment in behind:
                self._read(segment)

    def follow(self, segment: Segment) -> None:
        """Index what has been added to one segment."""
        with self._recovering():
            self._read(segment)

    def renamed(self, segment: Segment, name: str) -> None:
        """Note that an open segment was closed, with the same records at the same offsets."""
        with self._recovering(), self._transaction():
            known = self._known(segment)
            if known is not None:
                self._change(known[0], "name = ?", name)

    def forget(self, segment: Segment) -> None:
        """Drop what is known of a segment, so that it is read anew. Records that are corrupt now are then unknown."""
        with self._recovering(), self._transaction():
            known = self._known(segment)
            if known is not None:
                self._drop([known[:1]])

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except FAULTS as error:
            if not _is_corrupt(error):
                raise self._failure(error) from error
            self.rebuilt = True
            return self._anew()

    def _connect(self) -> sqlite3.Connection:
        for file in files(self._path) if self._path is not None else []:
            if file.is_symlink():
                file.unlink()
        db = connect(self._path or ":memory:")
        try:
            for arguments in (1, 2):
                db.create_function("crc32", arguments, zlib.crc32, deterministic=True)
            db.create_function("is_out", 2, self._is_out)
            db.execute("PRAGMA cache_size = -65536")  # KiB
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                db.executescript(statements.SCHEMA)
        except FAULTS:
            db.close()
            raise
        if version not in (0, statements.VERSION):
            db.close()
            return self._anew()
        if version and self._path is not None and self._path.stat().st_size <= CHECKED and not _is_whole(db):
            db.close()
            raise _NotSealedError
        return db

    def _is_out(self, by: str, mark: bytes) -> bool:
        """Tell whether a reply is out of use, by the marks of now."""
        return self.marks.is_out(by, mark)

    def _anew(self) -> sqlite3.Connection:
        for file in files(self._path) if self._path is not None else []:
            file.unlink(missing_ok=True)
        return self._connect()

    @contextmanager
    def _recovering(self) -> Iterator[None]:
        """Replace a corrupt index by a new one; the segments have everything that the block would have noted."""
        with self._lock:
            try:
                yield
            except FAULTS as error:
                self._rebuild(error)

    def _rebuild(self, fault: Exception) -> None:
        if not _is_corrupt(fault):
            raise self._failure(fault) from fault
        try:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = self._anew()
            self.rebuilt = True
            for segment in self._compare()[1]:
                self._read(segment)
        except FAULTS as error:
            raise self._failure(error) from error

    def _ask(self, sql: str, values: Sequence[object] | dict[str, object]) -> list[Any]:
        """Return a query's rows without their first column, which tells whether the row is the one that was written."""
        with self._lock:
            try:
                return self._checked(sql, values)
            except UnicodeEncodeError:
                return []  # a key that is not text can't have been kept
            except FAULTS as error:
                self._rebuild(error)
            try:
                return self._checked(sql, values)
            except FAULTS as error:
                raise self._failure(error) from error

    def _checked(self, sql: str, values: Sequence[object] | dict[str, object]) -> list[Any]:
        rows = self._db.execute(sql, values).fetchall()
        if not all(row[0] for row in rows):
            raise _NotSealedError
        return [row[1:] for row in rows]

    def _summed(self) -> list[Holding]:
        """Return the summary. Raises one of FAULTS where a row, or the count of rows, is not what was written."""
        self._execute("BEGIN")  # one state of the file for all three
        try:
            rows = self._checked(statements.SUMMARY, ())
            numbers = self._checked(statements.STATUSES, ())
            ((total,),) = self._checked(statements.RECORDS, ())
            out = self._checked(statements.OUT, ()) if self.marks else []
        finally:
            if self._db.in_transaction:
                self._execute("ROLLBACK")
        if sum(row[3] for row in rows) != total:
            raise _NotSealedError
        statuses: dict[tuple[str, str, str], dict[int, int]] = {}
        for area, source, endpoint, status, count in numbers:
            statuses.setdefault((area, source, endpoint), {})[status] = count
        taken_back = {tuple(row[:3]): row[3] for row in out}
        return [
            Holding(*row, statuses.get(row[:3], {}), taken_back.get(row[:3], 0))  # type: ignore[call-arg]
            for row in rows
            if row[0] != AREA
        ]

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
        """Return the ids of segments to be dropped, and the segments that have more than is known."""
        self._checked(statements.FOLDERS, ())
        self._checked(statements.SEGMENTS, ())
        known = {
            tuple(row[:4]): row[4:]
            for row in self._execute(
                "SELECT f.area, f.source, f.endpoint, s.name, s.id, s.indexed, s.mark, s.mark_crc "
                "FROM segments s LEFT JOIN folders f ON f.id = s.folder"
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
        """Index a segment from where it is known on. Corrupt records are left out: nothing is known of them."""
        with self._transaction():
            folder = self._folder(segment)
            known = self._known(segment)
            if known and segment.closed:
                return
            number, end = known or (None, 0)
            if number is None:
                number = self._execute(
                    "INSERT INTO segments (folder, name, indexed, records) VALUES (?, ?, 0, 0)",
                    (folder, segment.path.name),
                ).lastrowid
            last: Record | None = None

            def rows() -> Iterator[tuple[object, ...]]:
                nonlocal last
                for record in segment.read(lambda _: None, start=end):
                    last = record
                    yield number, folder, *row_of(record)

            added = self._db.executemany(statements.INSERT, rows()).rowcount
            if last is None:
                self._change(number, "indexed = indexed")
            else:
                values = (last.offset + last.length, added, last.offset, crc_of(last.raw))
                self._change(number, "indexed = ?, records = records + ?, mark = ?, mark_crc = ?", *values)

    def _known(self, segment: Segment) -> tuple[int, int] | None:
        """Return the id of a segment and how many bytes of it are known; None for one that is not."""
        place = (segment.area, segment.source, segment.endpoint, segment.path.name)
        rows = self._checked(statements.KNOWN, place)
        return rows[0] if rows else None

    def _change(self, number: int | None, what: str, *values: object) -> None:
        """Change the row of a segment, and seal it."""
        self._execute(f"UPDATE segments SET {what} WHERE id = ?", (*values, number))  # noqa: S608 - only our own text
        self._execute(f"UPDATE segments SET seal = {statements.SEGMENT_SEAL} WHERE id = ?", (number,))  # noqa: S608 - only our own text

    def _folder(self, segment: Segment) -> int:
        place = (segment.area, segment.source, segment.endpoint)
        added = self._execute("INSERT OR IGNORE INTO folders (area, source, endpoint) VALUES (?, ?, ?)", place)
        if added.rowcount:
            self._execute(f"UPDATE folders SET seal = {statements.FOLDER_SEAL} WHERE id = ?", (added.lastrowid,))  # noqa: S608 - only our own text
        return int(self._execute(f"SELECT {statements.FOLDER}", place).fetchone()[0])

    def _drop(self, numbers: Iterable[tuple[int]]) -> None:
        for number in numbers:
            self._execute("DELETE FROM replies WHERE segment = ?", number)
            self._execute("DELETE FROM segments WHERE id = ?", number)

    def _failure(self, error: Exception) -> CacheError:
        return CacheError(
            f"{self._path or 'the index in memory'} can't be used: {error}. The replies themselves are safe. "
            "Free room or give permission and run this again; the file can be deleted at any time."
        )


def _is_whole(db: sqlite3.Connection) -> bool:
    """Tell whether tables and look-up trees are sound and hold the same."""
    return db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _is_corrupt(error: Exception) -> bool:
    """Tell whether an error says that the file is corrupt, and not that it can't be read or written."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # of the module itself: text, of a row or of an error, that is not UTF-8
        return isinstance(error, UnicodeDecodeError) or "decode" in str(error)
    return code == _SHORT_READ or code & 0xFF in _CORRUPT
