"""Digests of one file as one thing, for formats that know files by several digests.

The graph joins every two digests of one file. A digest belongs to the file of the best digest that it is joined to,
or that it is itself: SHA-256 before the others. Of two digests by one algorithm that are joined to one, the second has
a file of its own: they can't be of one file. A file is named by one of its digests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from intel_grapher import labels, schema
from intel_grapher.export.part import Part, RowBatch, plain, split
from intel_grapher.files import Group
from intel_grapher.model import Merge, Property, Type
from intel_grapher.sql import quoted

ALGORITHMS: Final = {32: "MD5", 40: "SHA-1", 56: "SHA-224", 64: "SHA-256", 96: "SHA-384", 128: "SHA-512"}
"""A digest's algorithm by its length."""
BEST: Final = (64, 128, 96, 56, 40, 32)
"""The order, by length, in which digests are taken for what a file is grouped by."""
NAMING: Final = (32, 40, 64, 128, 56, 96)
"""The order in which one of them is taken to name the file: STIX's, which derives a file's identifier from it."""
_HASH: Final = Group(labels.HASH.name)


class File(NamedTuple):
    """A file: its digests by algorithm, and what is known of them together, by property."""

    digests: dict[str, str]
    properties: dict[str, Any]


def make(part: Part) -> bool:
    """Make the table `digests` (value, file) of a part, `file` being the digest that names it. False without one."""
    if _HASH.start not in part.labels():
        return False
    same = Group(_HASH.start, schema.SAME_FILE.type, _HASH.start)
    pairs = f'SELECT start AS value, "end" AS other FROM {part.relation(same)}' if same in part.groups() else ""
    pairs = f"{pairs} UNION ALL SELECT other, value FROM ({pairs}) UNION ALL" if pairs else ""
    lengths = f"({', '.join(map(str, ALGORITHMS))})"
    part.connection.execute(
        "CREATE OR REPLACE TABLE digests AS WITH pairs AS ("
        f"{pairs} SELECT value, value AS other FROM {part.relation(_HASH)}), best AS ("
        f"SELECT value, min({_ranked('other', BEST)}) AS best FROM pairs "
        f"WHERE length(value) IN {lengths} AND length(other) IN {lengths} GROUP BY value), numbered AS ("
        "SELECT value, best, row_number() OVER (PARTITION BY best, length(value) ORDER BY value) AS number FROM best) "
        f"SELECT value, min({_ranked('value', NAMING)}) OVER (PARTITION BY best, number) [2:] AS file FROM numbered"
    )
    return True


def _ranked(column: str, order: tuple[int, ...]) -> str:
    """Return the SQL of a digest after the digit of its place in an order of lengths."""
    places = " ".join(f"WHEN {length} THEN {place}" for place, length in enumerate(order))
    return f"(CASE length({column}) {places} ELSE {len(order)} END) || {column}"


def files(part: Part) -> Iterator[tuple[str, File]]:
    """Yield each file with the digest that names it, in the order of these. `make` comes first."""
    own = [each for each in _HASH.properties if each.name != labels.HASH.properties[0].name]  # a file has no algorithm
    columns, lists = merged(own, "h", start=2)
    query = (
        f"SELECT d.file, string_agg(d.value, ' ' ORDER BY d.value) AS digests, {', '.join(columns)} "
        f"FROM digests d JOIN {part.relation(_HASH)} h ON h.value = d.value GROUP BY d.file ORDER BY d.file"
    )
    names = [each.name for each in own]
    for batch in part.query(query):
        told = [split(each) if place in lists else each for place, each in enumerate(batch)]
        for file, text, *values in zip(*told, strict=True):
            part.on_rows(text.count(" ") + 1)
            known = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            yield file, File(by_algorithm(text.split(" ")), known)


def by_algorithm(digests: list[str]) -> dict[str, str]:
    """Return digests by the name of their algorithm, in the order of these names."""
    return dict(sorted((ALGORITHMS[len(each)], each) for each in digests if len(each) in ALGORITHMS))


def rows(part: Part, group: Group) -> Iterator[RowBatch]:
    """Yield a group's rows with each digest replaced by the one that names its file; what so becomes one is merged.

    Like the part's own rows where the group joins no digest.
    """
    if _HASH.start not in group.labels:
        yield from part.rows(group)
        return
    ends, joins = [], []
    for name, label in zip(group.keys, group.labels, strict=True):
        joined = label == _HASH.start
        ends.append(f"d_{name}.file" if joined else f"r.{quoted(name)}")
        joins.append(f"JOIN digests d_{name} ON d_{name}.value = r.{quoted(name)}" if joined else "")
    values, lists = merged(group.properties, "r", start=len(ends))
    query = (
        f"SELECT {', '.join(f'{end} AS k{place}' for place, end in enumerate(ends))}, {', '.join(values)} "
        f"FROM {part.relation(group)} r {' '.join(joins)} GROUP BY ALL ORDER BY k0, k1"
    )
    for columns in part.query(query):
        part.on_rows(len(columns[0]))
        yield RowBatch(group, [split(each) if place in lists else each for place, each in enumerate(columns)])


def merged(properties: Iterable[Property], table: str, *, start: int) -> tuple[list[str], set[int]]:
    """Return SQL that merges the values of several rows, a column for each property, and the places of lists."""
    columns, lists = [], set()
    for place, each in enumerate(properties, start=start):
        value = f"{table}.{quoted(each.name)}"
        if each.type is Type.TEXTS:
            lists.add(place)
            value = f"list_sort(list_distinct(flatten(list({value}))))"
        else:
            value = f"{'min' if each.merge is Merge.MIN else 'max'}({value})"
        columns.append(f"{plain(value, each.type)} AS p{place}")
    return columns, lists
