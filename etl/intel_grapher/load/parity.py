"""The proof after a load: what is in the database is what is in the files.

The database itself makes one text of each row's properties (as `files.row_text` does): one value to fetch instead of a
dozen. Of a relationship's ends it tells the ids, since to look up two keys for every row costs it more than anything
else; the keys of its nodes are read once, and joined to those ids here. The whole texts go through the files' checksum,
and that is compared with the manifest's. Where a group differs, its rows are laid beside the file's, so that the report
can say how many are missing, extra, or hold other values, and name one.

Two verdicts follow. `equal`: every group holds the same rows, and there is nothing else of the schema's labels and
types. That is asked of every load into an empty database. `held`: every row of the files is in the database, with
values that take in the file's by the merge rules (a least moment no later, a list with at least these items …). That
is all that can be asked where the database held other rows before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from itertools import takewhile
from threading import Event, Lock
from typing import NamedTuple, Self

import duckdb
import pyarrow as pa

from intel_grapher import sql
from intel_grapher.errors import LoadError
from intel_grapher.files import NOTHING, SEPARATOR, Content, Files, Group, checksum, content_of_few
from intel_grapher.load.row_diff import Database, Difference, diff_rows
from intel_grapher.sql import quoted

JOINED = 1 << 20  # rows whose ends are looked up together
LITTLE = 5_000  # rows of a whole set that are read with their keys: engines to join them would take longer to start
Progress = Callable[[str, int, int], None]
"""What is told of a step: its name, the rows done, and the rows there are."""


class Compared(NamedTuple):
    """One group: what the files have, what the database has, and, where they differ, in how many rows.

    `missing` rows are in the files alone, `extra` ones in the database alone, `foreign` ones among them without our
    marks; `changed` ones have other values, `lesser` ones among them values that do not take in the file's. `example`
    is the key of one that differs.
    """

    group: str
    files: Content
    database: Content
    missing: int = 0
    extra: int = 0
    changed: int = 0
    lesser: int = 0
    example: str = ""
    foreign: int = 0

    @property
    def stray(self) -> bool:
        """Tell whether this is a whole type, of which some relationships join other labels than it may."""
        return not self.database.checksum

    @property
    def differs(self) -> bool:
        """Tell whether the group's rows are not the same."""
        return self.files != self.database


@dataclass(frozen=True)
class Parity:
    """Every group of the files or of the database, compared."""

    groups: tuple[Compared, ...]

    @property
    def equal(self) -> bool:
        """Tell whether database and files hold the same."""
        return not any(each.differs for each in self.groups)

    @property
    def held(self) -> bool:
        """Tell whether the database holds all that the files do."""
        return not any(each.missing or each.lesser for each in self.groups)

    @property
    def rows(self) -> dict[str, int]:
        """Return the rows in the database by group."""
        return {each.group: each.database.rows for each in self.groups}

    def differences(self) -> list[str]:
        """Return one line for each group that differs."""
        return [_difference(each) for each in self.groups if each.differs]


@contextmanager
def reader(database: Database) -> Iterator[DatabaseReader]:
    """Yield a reader of a database that works in threads; at the end of the block, groups not yet begun are dropped."""
    with spilling() as connection, DatabaseReader(database, connection) as reading:
        yield reading


class DatabaseReader:
    """Reads groups of a database, `READERS` at a time. Ids and keys of nodes are kept in DuckDB, out of memory."""

    def __init__(self, database: Database, connection: duckdb.DuckDBPyConnection) -> None:
        self.database = database
        self.connection = connection
        self._pool = ThreadPoolExecutor(database.READERS)
        self._ended = Event()
        self._lock = Lock()
        self._begun: dict[Group, Future[dict[Group, Content]]] = {}  # by the pool, in turn
        self._read: dict[Group, Future[Content]] = {}  # by whoever needed it first

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Read no more."""
        self._ended.set()
        self._pool.shutdown(cancel_futures=True)

    def begin(self, *groups: Group) -> None:
        """Queue groups to be read, together if they are of one type. Their rows, and their nodes, must not change."""
        new = [group for group in groups if group not in self._begun]
        if new:
            reading = self._pool.submit(self._once, new)
            self._begun |= dict.fromkeys(new, reading)

    def content(self, group: Group) -> Content:
        """Return the row count and checksum of a group in the database."""
        self.begin(group)
        # A server that was away then may be back: if it isn't, reading tells so again, and not in a thread.
        with suppress(Exception):
            return self._begun[group].result()[group]
        return self._once([group])[group]

    def _once(self, groups: list[Group]) -> dict[Group, Content]:
        """Read groups, unless they are read or another thread is at it; what failed is read again."""
        with self._lock:
            first = [
                group
                for group in groups
                if (read := self._read.get(group)) is None or (read.done() and read.exception() is not None)
            ]
            self._read |= {group: Future() for group in first}
        if first:
            try:
                contents = self._contents(first)
            except BaseException as wrong:
                for group in first:
                    self._read[group].set_exception(wrong)
                raise
            for group, content in contents.items():
                self._read[group].set_result(content)
        return {group: self._read[group].result() for group in groups}

    def _contents(self, groups: list[Group]) -> dict[Group, Content]:
        """Read one group, or several of one type, of which the database yields all relationships."""
        one = groups[0]
        contents = dict.fromkeys(groups, NOTHING)
        with self.connection.cursor() as cursor:  # an engine of its own would cost a small group more than all else
            if one.type:
                for label in sorted({label for group in groups for label in group.labels}):
                    self._once([Group(label)])
            else:
                cursor.execute(f"CREATE OR REPLACE TABLE {_keys(one.start)} (id BIGINT, key VARCHAR)")
            found = takewhile(lambda _: not self._ended.is_set(), self.database.texts(one))
            for table in gathered(found):  # one by one: what DuckDB itself draws from, it reports errors of as its own
                cursor.register("found", table)
                for group in groups:
                    contents[group] += checksum(cursor, _whole_texts(group))
                if not one.type:
                    cursor.execute(f"INSERT INTO {_keys(one.start)} SELECT id, key FROM found")  # noqa: S608 - a name
            return contents


def gathered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield tables of some size, so that a join is worth its while."""
    some: list[pa.Table] = []
    for table in tables:
        some.append(table)
        if sum(map(len, some)) >= JOINED:
            yield pa.concat_tables(some)
            some = []
    if some:
        yield pa.concat_tables(some)


def _keys(label: str) -> str:
    return quoted(f"keys of {label}")


def _whole_texts(group: Group) -> str:
    """Return the query for the texts of `found`, as `files.row_text` makes them."""
    if group.type:
        keys = "s.key, e.key"
        ends = f'JOIN {_keys(group.start)} AS s ON s.id = f."start" JOIN {_keys(group.end)} AS e ON e.id = f."end"'
    else:
        keys, ends = "f.key", ""
    return f"SELECT concat_ws(chr({ord(SEPARATOR)}), {keys}, f.text) AS text FROM found AS f {ends}"  # noqa: S608


def check(files: Files, database: Database, progress: Progress = lambda _step, _done, _of: None) -> Parity:
    """Compare a database with the files. Raises what reading either raises."""
    if (agreeing := _agreeing(files, database, progress)) is not None:
        return agreeing
    with reader(database) as reading:
        return compare(files, reading, progress)


def _agreeing(files: Files, database: Database, progress: Progress) -> Parity | None:
    """Return the comparison of few rows with a database that holds just these; None where it is anything else."""
    expected = dict(files.manifest().groups())
    total, done = sum(each.rows for each in expected.values()), 0
    if total > LITTLE:
        return None
    progress("parity", 0, total)
    compared: dict[Group, Compared] = {}
    for group, wanted in expected.items():
        batches: list[pa.RecordBatch] = []
        for batch in database.rows(group):
            batches.append(batch)
            if sum(map(len, batches)) > wanted.rows:
                return None
        found = content_of_few(pa.Table.from_batches(batches, group.arrow), group)
        if found != wanted:
            return None
        compared[group] = Compared(str(group), wanted, found)
        done += wanted.rows
        progress("parity", done, total)
    others = database.others({group: each.database.rows for group, each in compared.items()})
    if any(True for _ in others) or any(True for _ in _strays(database, compared)):
        return None
    return Parity(tuple(compared.values()))


def compare(files: Files, reading: DatabaseReader, progress: Progress) -> Parity:
    """Compare a database with the files; groups that `reading` has begun are not read twice."""
    database = reading.database
    expected = dict(files.manifest().groups())
    total, done = sum(each.rows for each in expected.values()), 0
    compared: dict[Group, Compared] = {}
    progress("parity", 0, total)
    for together in _read_together(expected, database):
        reading.begin(*together)
    for group, wanted in expected.items():
        compared[group] = _compare(files, group, reading, wanted)
        done += wanted.rows
        progress("parity", done, total)
    for group in database.others({group: each.database.rows for group, each in compared.items()}):
        other = _compare(files, group, reading, NOTHING)
        if other.differs:
            compared[group] = other
    return Parity((*compared.values(), *_strays(database, compared)))


def _read_together(groups: Iterable[Group], database: Database) -> list[list[Group]]:
    """Return the groups in their order, those of one type together where the database reads whole types."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        found.setdefault(group.type if group.type and database.reads_types else str(group), []).append(group)
    return list(found.values())


def spilling() -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    """Open an engine in which two groups can be compared, however large; LoadError tells what goes wrong in it."""
    return sql.spilling(LoadError, "the files' rows can't be dealt with", "load again, nothing is doubled")


def _compare(files: Files, group: Group, reading: DatabaseReader, wanted: Content) -> Compared:
    found = reading.content(group)
    if found == wanted:
        return Compared(str(group), wanted, found)
    return _differing(files, group, reading, wanted=wanted, found=found)


def _strays(database: Database, compared: dict[Group, Compared]) -> Iterator[Compared]:
    """Yield the types that have more relationships than those between labels that they may join."""
    for type_, rows in database.types().items():
        known = sum(each.database.rows for group, each in compared.items() if group.type == type_)
        if rows != known:
            extra = rows - known
            yield Compared(
                type_, Content(known, ""), Content(rows, ""), extra=extra, example="other labels", foreign=extra
            )


def _differing(files: Files, group: Group, reading: DatabaseReader, *, wanted: Content, found: Content) -> Compared:
    """Compare a group's rows one by one, and count those that differ."""
    connection = reading.connection
    file = files.relation(group) if wanted.rows else None
    diff_rows(connection, group, file, reading.database.rows(group))
    key = f"concat_ws(' → ', {', '.join(quoted(name) for name in group.keys)})"
    query = f"SELECT kind, count(*), min({key}) FROM differing GROUP BY kind ORDER BY kind"  # noqa: S608 - names
    counts = {kind: (rows, key) for kind, rows, key in connection.sql(query).fetchall()}
    missing, lesser, changed, extra, foreign = (counts.get(kind, (0, ""))[0] for kind in Difference)
    example = next(iter(counts.values()), (0, "a row is there twice"))[1]
    return Compared(str(group), wanted, found, missing, extra + foreign, changed + lesser, lesser, example, foreign)


def _difference(each: Compared) -> str:
    what = [
        f"{count} {word}"
        for count, word in ((each.missing, "missing"), (each.extra, "extra"), (each.changed, "changed"))
        if count
    ]
    told = f"{each.group}: {each.files.rows} rows in the files, {each.database.rows} in the database"
    if not what and each.files.rows == each.database.rows:
        return (
            f"{told}: those of the file, but not those that the manifest tells of: run `intel-grapher transform` again"
        )
    return f"{told} ({', '.join(what) or 'some twice'}), such as {each.example!r}"
