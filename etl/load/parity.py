"""The proof after a load: what is in the database is what is in the files.

Each group's rows are read back, streamed through the files' own checksum (`files.content`), and compared with the
manifest. Where a group differs, its rows are laid beside the file's, so that the report can say how many are missing,
extra, or hold other values, and name one.

Two verdicts follow. `equal`: every group holds the same rows, and there is nothing else of the schema's labels and
types. That is asked of every load into an empty database. `held`: every row of the files is in the database, with
values that take in the file's by the merge rules (a least moment no later, a list with at least these items …). That
is all that can be asked where the database held other rows before.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import duckdb
import pyarrow as pa

from etl.files import Content, Files, Group, content, literal, quoted, row_text
from etl.graph import Merge, Property

Progress = Callable[[str, int, int], None]
"""Told of a step's name, the rows done, and the rows there are."""

_NOTHING = Content(0, f"{0:016x}")
_SPILL_FROM = "1GiB"


class Database(Protocol):
    """What parity asks of a loaded database."""

    def groups(self) -> Iterator[Group]:
        """Yield every group of the schema that has rows."""

    def rows(self, group: Group) -> Iterator[pa.RecordBatch]:
        """Yield a group's rows in batches that have the columns and types of `group.arrow`, in any order."""

    def types(self) -> dict[str, int]:
        """Return how many relationships of each type there are, whatever they join."""


class Compared(NamedTuple):
    """One group: what the files have, what the database has, and, where they differ, in how many rows.

    `missing` rows are in the files alone, `extra` ones in the database alone; `changed` ones have other values,
    `lesser` ones among them values that do not take in the file's. `example` is the key of one that differs.
    """

    group: str
    files: Content
    database: Content
    missing: int = 0
    extra: int = 0
    changed: int = 0
    lesser: int = 0
    example: str = ""

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


def check(files: Files, database: Database, progress: Progress = lambda _step, _done, _of: None) -> Parity:
    """Compare a database with the files. Raises what reading either raises."""
    expected = dict(files.manifest().groups())
    groups = [*expected, *(group for group in database.groups() if group not in expected)]
    total, done = sum(each.rows for each in expected.values()), 0
    compared = []
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = {literal(_SPILL_FROM)}")
        for group in groups:
            found = _content(connection, group, database)
            wanted = expected.get(group, _NOTHING)
            if found == wanted == _NOTHING and group not in expected:
                continue
            if found == wanted:
                compared.append(Compared(str(group), wanted, found))
            else:
                compared.append(_lay_beside(connection, files, group, database, wanted=wanted, found=found))
            done += wanted.rows
            progress("parity", done, total)
    return Parity((*compared, *_strays(database, compared)))


def _strays(database: Database, compared: list[Compared]) -> Iterator[Compared]:
    """Yield the types that have more relationships than those between labels that they may join."""
    for type_, rows in database.types().items():
        known = sum(each.database.rows for each in compared if Group.parse(each.group).type == type_)
        if rows != known:
            yield Compared(type_, Content(known, ""), Content(rows, ""), extra=rows - known, example="other labels")


def _content(connection: duckdb.DuckDBPyConnection, group: Group, database: Database) -> Content:
    rows, checksum = 0, 0
    for batch in database.rows(group):  # one by one: what DuckDB itself draws from, it reports errors of as its own
        connection.register("found", batch)
        part = content(connection, "found", group)
        rows, checksum = rows + part.rows, checksum + int(part.checksum, 16)
    return Content(rows, f"{checksum % (1 << 64):016x}")


def _lay_beside(
    connection: duckdb.DuckDBPyConnection,
    files: Files,
    group: Group,
    database: Database,
    *,
    wanted: Content,
    found: Content,
) -> Compared:
    """Join a group's rows in the database with the file's, and count what differs."""
    connection.register("found", group.arrow.empty_table())
    connection.execute("CREATE OR REPLACE TEMP TABLE held AS SELECT * FROM found")
    for batch in database.rows(group):
        connection.register("found", batch)
        connection.execute("INSERT INTO held SELECT * FROM found")
    file = files.path(group, "parquet")
    source = f"read_parquet({literal(glob.escape(str(file)))})" if wanted.rows else "(FROM held LIMIT 0)"
    keys = [quoted(name) for name in group.keys]
    lesser = " OR ".join(f"coalesce({_lesser(each, group)}, false)" for each in group.properties)
    key = f"concat_ws(' → ', {', '.join(f'coalesce(f.{name}, h.{name})' for name in keys)})"
    same = " AND ".join(f"f.{name} = h.{name}" for name in keys)
    columns = ", ".join(f"{name} := {name}" for name in [*keys, *(quoted(each.name) for each in group.properties)])
    text = row_text(group)
    query = f"""
        WITH f AS (SELECT struct_pack({columns}) AS row, {text} AS text, {", ".join(keys)} FROM {source}),
             h AS (SELECT struct_pack({columns}) AS row, {text} AS text, {", ".join(keys)} FROM held),
             pairs AS (SELECT CASE WHEN h.row IS NULL THEN 1 WHEN f.row IS NULL THEN 4 WHEN f.text = h.text THEN 0
                                   WHEN {lesser} THEN 2 ELSE 3 END AS kind, {key} AS key
                       FROM f FULL JOIN h ON {same})
        SELECT kind, count(*), min(key) FROM pairs WHERE kind > 0 GROUP BY kind ORDER BY kind"""  # noqa: S608 - names
    counts = {kind: (rows, key) for kind, rows, key in connection.sql(query).fetchall()}
    missing, lesser_, changed, extra = (counts.get(kind, (0, ""))[0] for kind in (1, 2, 3, 4))
    example = next(iter(counts.values()), (0, "a row is there twice"))[1]
    return Compared(str(group), wanted, found, missing, extra, changed + lesser_, lesser_, example)


def _lesser(declared: Property, group: Group) -> str:
    """Return the SQL condition that the database's value (h) does not take in the file's (f)."""
    file, held = (f"{side}.row.{quoted(declared.name)}" for side in ("f", "h"))
    gone = f"{file} IS NOT NULL AND {held} IS NULL"
    if declared.merge is Merge.UNION:
        return f"({gone} AND len({file}) > 0) OR NOT list_has_all({held}, {file})"
    if declared.merge is Merge.NEWEST:
        at = quoted(observed(declared, group))
        return f"{gone} OR (f.row.{at} = h.row.{at} AND {held} < {file})"
    return f"{gone} OR {held} {'>' if declared.merge is Merge.MIN else '<'} {file}"


def observed(declared: Property, group: Group) -> str:
    """Return the property that tells when a NEWEST one was observed: its own `…_at`, else the row's."""
    own = f"{declared.name}_at"
    return own if any(each.name == own for each in group.properties) else "fetched_at"


def _difference(each: Compared) -> str:
    what = [
        f"{count} {word}"
        for count, word in ((each.missing, "missing"), (each.extra, "extra"), (each.changed, "changed"))
        if count
    ]
    return (
        f"{each.group}: {each.files.rows} rows in the files, {each.database.rows} in the database"
        f" ({', '.join(what) or 'some twice'}), such as {each.example!r}"
    )
