"""Comparison of one group's rows in a database with its file: which are missing, changed or extra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import ClassVar, NamedTuple, Protocol

import duckdb
import pyarrow as pa

from intel_grapher.files import Group, row_text
from intel_grapher.model import Merge, Property
from intel_grapher.sql import literal, quoted

BATCH_ROWS = 10_000


class Database(Protocol):
    """What parity asks of a loaded database; each engine has one. READERS: recommended number of concurrent reads."""

    READERS: ClassVar[int]

    @property
    def reads_types(self) -> bool:
        """True if `texts` yields all relationships of a group's type, whatever they join."""

    def others(self, known: Mapping[Group, int]) -> Iterator[Group]:
        """Yield every other group of the schema that may have rows, given how many the known ones have."""

    def rows(self, group: Group) -> Iterator[pa.RecordBatch]:
        """Yield a group's rows in batches that have the columns and types of `group.arrow`, in any order."""

    def texts(self, group: Group) -> Iterator[pa.Table]:
        """Yield a group's rows (`reads_types`: its type's) in tables with the columns of `text_schema`, unordered."""

    def types(self) -> dict[str, int]:
        """Return the number of relationships of each type, whichever labels they join."""


def text_schema(group: Group) -> pa.Schema:
    """Return the columns of `Database.texts`.

    `text` is what `files.row_text` makes of a row's properties. Before it come, of a node, its `id` in the database,
    which no other of its label has, and its `key`; of a relationship, the ids of its ends.
    """
    names = [("start", pa.int64()), ("end", pa.int64())] if group.type else [("id", pa.int64()), ("key", pa.string())]
    return pa.schema([*names, ("text", pa.string())])


class Difference(IntEnum):
    """How a row of the database differs from the file's row of the same key.

    MISSING  the database has no such row
    LESSER   its values do not take in the file's by the merge rules
    CHANGED  its values take in the file's, and are others
    EXTRA    no file has it, and it has our marks: a load wrote it
    FOREIGN  no file has it, and it lacks a mark: somebody else wrote it
    """

    MISSING = 1
    LESSER = 2
    CHANGED = 3
    EXTRA = 4
    FOREIGN = 5


MARKS = ("sources", "fetched_at")
"""The properties that every node and relationship of the files has: what lacks one was not written by a load."""


class Scope(NamedTuple):
    """Some rows of a group, by their keys: `whole` rows, and those that have one of `starts`, or one of `ends`.

    A node has one key, so only `starts` names it.
    """

    starts: frozenset[str] = frozenset()
    ends: frozenset[str] = frozenset()
    whole: frozenset[tuple[str, str]] = frozenset()

    def condition(self, group: Group) -> str:
        """Return the SQL condition of these rows."""
        columns = [quoted(name) for name in group.keys]
        found = [
            f"{column} IN ({', '.join(map(literal, sorted(keys)))})"
            for column, keys in zip(columns, (self.starts, self.ends), strict=False)
            if keys
        ]
        pairs = (f"({literal(start)}, {literal(end)})" for start, end in sorted(self.whole))
        found += [f"({', '.join(columns)}) IN ({', '.join(pairs)})"] if self.whole else []
        return f"({' OR '.join(found or ['false'])})"


def diff_rows(
    connection: duckdb.DuckDBPyConnection,
    group: Group,
    file: str | None,
    rows: Iterator[pa.RecordBatch],
    scope: Scope | None = None,
) -> None:
    """Create the temporary table `differing`: `kind` (a Difference) and the keys of each row that is not equal in both.

    `file` is the SQL of the group's rows in the files, None where these have no such group; `rows` are
    the database's; `scope` leaves out all other rows of the files.
    """
    connection.register("found", group.arrow.empty_table())
    connection.execute("CREATE OR REPLACE TEMP TABLE held AS SELECT * FROM found")
    for batch in rows:
        connection.register("found", batch)
        connection.execute("INSERT INTO held SELECT * FROM found")
    if scope is not None:  # a row that it names by both of its ends was read twice
        connection.execute("CREATE OR REPLACE TEMP TABLE held AS SELECT DISTINCT * FROM held")
    source = "(FROM held LIMIT 0)" if file is None else file
    if scope is not None:
        source = f"(FROM {source} WHERE {scope.condition(group)})"
    keys = [quoted(name) for name in group.keys]
    columns = ", ".join(f"{name} := {name}" for name in [*keys, *(quoted(each.name) for each in group.properties)])
    sides = f"SELECT struct_pack({columns}) AS row, {row_text(group)} AS text, {', '.join(keys)}"
    lesser = " OR ".join(f"coalesce({_lesser(each, group)}, false)" for each in group.properties)
    marked = " AND ".join(f"h.row.{quoted(name)} IS NOT NULL" for name in MARKS)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE differing AS
        WITH f AS ({sides} FROM {source}), h AS ({sides} FROM held)
        SELECT CASE WHEN h.row IS NULL THEN {Difference.MISSING:d}
                    WHEN f.row IS NULL THEN CASE WHEN {marked} THEN {Difference.EXTRA:d} ELSE {Difference.FOREIGN:d} END
                    WHEN {lesser} THEN {Difference.LESSER:d} ELSE {Difference.CHANGED:d} END AS kind,
               {", ".join(f"coalesce(f.{name}, h.{name}) AS {name}" for name in keys)}
        FROM f FULL JOIN h ON {" AND ".join(f"f.{name} = h.{name}" for name in keys)}
        WHERE f.text IS DISTINCT FROM h.text""")  # noqa: S608 - names of the schema


def differing_rows(
    connection: duckdb.DuckDBPyConnection, group: Group, file: str, *kinds: Difference
) -> Iterator[pa.RecordBatch]:
    """Yield the file's rows that `differing` has under one of `kinds`, with the columns of `group.arrow`."""
    keys, columns = (", ".join(map(quoted, names)) for names in (group.keys, group.arrow.names))
    wanted = f"SELECT {keys} FROM differing WHERE kind IN ({', '.join(f'{each:d}' for each in kinds)})"  # noqa: S608
    whole = f"SELECT {columns} FROM {file} SEMI JOIN ({wanted}) USING ({keys})"  # noqa: S608 - as above
    for batch in connection.sql(whole).to_arrow_reader(BATCH_ROWS):
        yield batch.cast(group.arrow)


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
