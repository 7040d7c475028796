"""What is exported: rows of the flat files, all of them or those of chosen nodes, in a fixed order, as a stream.

DuckDB reads the Parquet files, joins what has to be joined within a limit of memory, and hands over batches of rows. No
more than a batch is held here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import duckdb

from intel_grapher import schema
from intel_grapher.errors import TransformError
from intel_grapher.files import ARRAY_DELIMITER, Files, Group, Manifest
from intel_grapher.model import NodeRef, Property, Type
from intel_grapher.sql import MEMORY, literal, quoted, spilling

BATCH = 1 << 13
MOMENT = "%Y-%m-%dT%H:%M:%SZ"
AGAIN = "run `intel-grapher transform` again"


class RowBatch(NamedTuple):
    """Some rows of a group, in columns: the keys first (two for a relationship), then the properties.

    Timestamps are ISO 8601, lists of texts are Python lists, and None stands for what is not known.
    """

    group: Group
    columns: list[list[Any]]

    @property
    def keys(self) -> list[list[str]]:
        """Return the columns of the keys."""
        return self.columns[: len(self.group.keys)]

    @property
    def properties(self) -> list[tuple[Property, list[Any]]]:
        """Return the columns of the properties."""
        return list(zip(self.group.properties, self.columns[len(self.group.keys) :], strict=True))

    def dicts(self) -> Iterator[dict[str, Any]]:
        """Yield the known properties of each row."""
        names = [each.name for each in self.group.properties]
        for values in zip(*self.columns[len(self.group.keys) :], strict=True):
            yield {name: value for name, value in zip(names, values, strict=True) if value is not None}


class Part:
    """The graph of a set of flat files, or a part of it.

    Made by `opened`, which closes it. `on_rows` is called with the number of rows of each batch.
    """

    def __init__(self, files: Files, manifest: Manifest, connection: duckdb.DuckDBPyConnection) -> None:
        self.files = files
        self.manifest = manifest
        self.connection = connection
        self.on_rows: Callable[[int], None] = lambda _many: None
        self._in = [group for group, content in manifest.groups() if content.rows]
        self._chosen = False
        self._hidden = False

    def groups(self, *, type_: str | None = None) -> list[Group]:
        """Return the groups that have rows, nodes' before relationships'; those of one relationship type if given."""
        return [group for group in self._in if type_ is None or group.type == type_]

    def nodes(self) -> list[Group]:
        """Return the groups of nodes that have rows."""
        return [group for group in self._in if not group.type]

    def relationships(self) -> list[Group]:
        """Return the groups of relationships that have rows."""
        return [group for group in self._in if group.type]

    def labels(self) -> set[str]:
        """Return the labels that have rows."""
        return {group.start for group in self.nodes()}

    def chosen(self) -> None:
        """Narrow the part to the nodes in the table `chosen` (label, key)."""
        self._chosen = True
        self._forget_empty()

    def hide(self, query: str) -> None:
        """Take nodes out of the part, with their relationships: those that a SQL query names by (label, key)."""
        self.connection.execute(f"CREATE OR REPLACE TABLE hidden AS SELECT DISTINCT label, key FROM ({query})")
        self._hidden = True
        self._forget_empty()

    def is_whole(self) -> bool:
        """Tell whether it is the whole graph."""
        return not (self._chosen or self._hidden)

    def file(self, group: Group) -> str:
        """Return the SQL of all rows of a group's file, in or out of the part."""
        return self.files.relation(group)

    def relation(self, group: Group) -> str:
        """Return the SQL of a group's rows as the flat file has them, in its order."""
        rows = self.file(group)
        if self.is_whole():
            return rows
        conditions = []
        for label, column in zip(group.labels, group.keys, strict=True):
            named = f"(SELECT key FROM {{}} WHERE label = {literal(label)})"
            if self._chosen:
                conditions.append(f"{quoted(column)} IN {named.format('chosen')}")
            if self._hidden:
                conditions.append(f"{quoted(column)} NOT IN {named.format('hidden')}")
        order = ", ".join(map(quoted, group.keys))
        return f"(FROM {rows} WHERE {' AND '.join(conditions)} ORDER BY {order})"

    def has(self, node: NodeRef) -> bool:
        """Tell whether the files have a node, chosen or not."""
        group = Group(node.label)
        if group not in dict(self.manifest.groups()):
            return False
        query = f"SELECT count(*) FROM {self.file(group)} WHERE {quoted(group.keys[0])} = ?"
        return bool(self.connection.execute(query, [node.key]).fetchall()[0][0])

    def count(self, group: Group) -> int:
        """Return how many rows of a group are in the part."""
        if self.is_whole():
            return dict(self.manifest.groups())[group].rows
        query = f"SELECT count(*) FROM {self.relation(group)}"
        return int(self.connection.execute(query).fetchall()[0][0])

    def rows(self, group: Group) -> Iterator[RowBatch]:
        """Yield a group's rows in batches, in the order of their keys."""
        columns = [quoted(each) for each in group.keys]
        columns += [f"{plain(quoted(each.name), each.type)} AS {quoted(each.name)}" for each in group.properties]
        lists = {place for place, each in enumerate(group.properties, start=len(group.keys)) if each.type is Type.TEXTS}
        for columns_ in self.query(f"SELECT {', '.join(columns)} FROM {self.relation(group)}"):
            self.on_rows(len(columns_[0]))
            yield RowBatch(group, [split(each) if place in lists else each for place, each in enumerate(columns_)])

    def query(self, sql: str) -> Iterator[list[list[Any]]]:
        """Yield the columns of a query's rows, in batches."""
        with self.connection.cursor() as cursor:
            for batch in cursor.sql(sql).to_arrow_reader(BATCH):
                yield [column.to_pylist() for column in batch.columns]

    def _forget_empty(self) -> None:
        self._in = [group for group in self._in if self.count(group)]


@contextmanager
def opened(files: Files, memory: int = MEMORY) -> Iterator[Part]:
    """Yield the whole graph of a set of files.

    Raises TransformError where there is none, where it has another schema, has no Parquet, can't be read, or was
    replaced while it was read.
    """
    manifest = files.manifest()
    if manifest.schema != schema.VERSION:
        raise TransformError(f"{files} has schema {manifest.schema}, this program {schema.VERSION}: {AGAIN}")
    for group, content in manifest.groups():
        if content.rows and not files.has(group):
            path = files.path(group, "parquet")
            raise TransformError(f"{path} is not there, and an export reads Parquet: {AGAIN}, without --format csv")
    with spilling(TransformError, f"{files} can't be exported", AGAIN, memory=memory) as connection:
        yield Part(files, manifest, connection)
    if files.manifest() != manifest:
        raise TransformError(f"{files} was made anew during the export, which may mix old and new: run it again")


def plain(expression: str, type_: Type) -> str:
    """Return the SQL of a value as text or number: a timestamp in ISO 8601, a list with its items joined by `;`."""
    if type_ is Type.TIMESTAMP:
        return f"strftime(make_timestamp(epoch_us({expression})), {literal(MOMENT)})"
    return f"array_to_string({expression}, {literal(ARRAY_DELIMITER)})" if type_ is Type.TEXTS else expression


def split(column: list[str | None]) -> list[list[str] | None]:
    """Return the lists whose items were joined by `;`, which no item has in it; None for an empty one."""
    return [text.split(ARRAY_DELIMITER) if text else None for text in column]
