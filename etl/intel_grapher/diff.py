"""What came, went and changed between two sets of flat files: counts for each group and source, and the rows.

A row that both sets have is changed where any of its properties but `fetched_at` differs; a later fetch that says the
same again is no change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import duckdb

from intel_grapher.errors import TransformError
from intel_grapher.files import Files, Group
from intel_grapher.sql import quoted, spilling


class Change(Enum):
    """What became of a row."""

    CAME = "came"
    WENT = "went"
    CHANGED = "changed"


class Count(NamedTuple):
    """How many rows of a group became what, by a source that tells of them; a row of two sources counts for both."""

    group: str
    change: Change
    source: str
    rows: int


class Row(NamedTuple):
    """One row that is not as it was: its keys (two for a relationship)."""

    group: str
    change: Change
    keys: tuple[str, ...]


def counts(before: Path, after: Path) -> list[Count]:
    """Return what became of the rows, by group, change and source. TransformError where there is no manifest."""
    found = []
    with _engine(before, after) as connection:
        for group, query in _queries(Files(before), Files(after)):
            rows = connection.execute(
                f"SELECT change, source, count(*) FROM (SELECT change, unnest(sources) AS source FROM ({query})) "
                "GROUP BY ALL ORDER BY ALL"
            ).fetchall()
            found += [Count(str(group), Change(change), source, number) for change, source, number in rows]
    return found


def rows(before: Path, after: Path) -> Iterator[Row]:
    """Yield each row that is not as it was, by group and key."""
    with _engine(before, after) as connection:
        for group, query in _queries(Files(before), Files(after)):
            keys = ", ".join(map(quoted, group.keys))
            found = connection.execute(f"SELECT change, {keys} FROM ({query}) ORDER BY {keys}")
            while chunk := found.fetchmany(10_000):
                for change, *key in chunk:
                    yield Row(str(group), Change(change), tuple(key))


def _engine(before: Path, after: Path) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    return spilling(
        TransformError, f"{before} and {after} can't be compared", "make the newer again with `intel-grapher transform`"
    )


def _queries(before: Files, after: Files) -> Iterator[tuple[Group, str]]:
    """Yield for each group of either set the SQL of what is not as it was; those with one checksum are passed over."""
    old = {group: content.checksum for group, content in before.manifest().groups()}
    new = {group: content.checksum for group, content in after.manifest().groups()}
    for group in sorted(old.keys() | new.keys(), key=lambda each: (bool(each.type), each)):
        if old.get(group) == new.get(group):
            continue
        keys = ", ".join(map(quoted, group.keys))
        one, other = (
            files.relation(group)
            if group in has
            else "(SELECT " + ", ".join(f"NULL AS {quoted(each)}" for each in group.arrow.names) + " WHERE false)"
            for files, has in ((before, old), (after, new))
        )
        differ = " OR ".join(
            f"a.{quoted(each.name)} IS DISTINCT FROM b.{quoted(each.name)}"
            for each in group.properties
            if each.name != "fetched_at"
        )
        first = quoted(group.keys[0])
        change = f"CASE WHEN a.{first} IS NULL THEN 'came' WHEN b.{first} IS NULL THEN 'went' ELSE 'changed' END"
        yield (
            group,
            (
                f"SELECT {keys}, {change} AS change, list_distinct(coalesce(a.sources, []) || coalesce(b.sources, [])) "
                f"AS sources FROM {one} a FULL JOIN {other} b USING ({keys}) "
                f"WHERE a.{first} IS NULL OR b.{first} IS NULL OR {differ}"
            ),
        )
