"""A Neo4j server over Bolt: who it is, an open session with it, and its rows read back for parity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from intel_grapher import schema
from intel_grapher.errors import LoadError
from intel_grapher.files import Group
from intel_grapher.load.neo4j import cypher
from intel_grapher.load.prefetch import prefetched
from intel_grapher.load.row_diff import Scope, text_schema
from intel_grapher.neo4j.connection import DATABASE, Server, connect, explained

if TYPE_CHECKING:
    import neo4j
    import neo4j.exceptions
else:
    from intel_grapher.neo4j import driver as neo4j

_READ = 1 << 14  # rows read back together
_READERS = 2  # sessions that read texts at the same time: the server answers each with one thread
_SPAN = 10_000  # ids that one of them is asked for at a time: their texts come back together
_SPARSE = 8  # ids a row: from there on, going through the ids costs more than it saves


@contextmanager
def connected(server: Server) -> Iterator[Neo4jSession]:
    """Connect to a server; LoadError tells what is wrong with it, then and while it is used."""
    with connect(server) as driver, open_session(driver) as session:
        try:
            yield Neo4jSession(driver, session)
        except neo4j.exceptions.ConstraintError as wrong:
            raise LoadError(f"{server} holds a key twice: delete one of the two nodes, then load again") from wrong
        except (neo4j.exceptions.ClientError, neo4j.exceptions.DatabaseError) as wrong:
            raise LoadError(f"{server} refused ({wrong.code}): {wrong.message}") from wrong
        except (neo4j.exceptions.DriverError, neo4j.exceptions.Neo4jError) as wrong:
            raise LoadError(f"{explained(server, wrong)}; then load again: nothing is doubled") from wrong


def open_session(driver: neo4j.Driver) -> neo4j.Session:
    """Return a session with the server's database; the caller closes it."""
    # That a label or a type has no rows yet is nothing to warn of.
    return driver.session(database=DATABASE, fetch_size=_READ, notifications_min_severity="OFF")


class Neo4jSession:
    """An open session with a server; its driver opens more of them, for what goes on at the same time.

    `reads_types`: relationships are read back by whole types, which saves the server a look at the labels of both ends.
    Where somebody else may have written relationships of our types, it reads those that join our labels alone.
    """

    READERS: ClassVar[int] = 1  # of which each reads with several sessions

    def __init__(self, driver: neo4j.Driver, session: neo4j.Session) -> None:
        self._driver = driver
        self.session = session
        self.reads_types = False

    def another(self) -> neo4j.Session:
        """Return a session beside this one; the caller closes it."""
        return open_session(self._driver)

    def run(self, query: str, **parameters: object) -> list[neo4j.Record]:
        """Run Cypher made of the schema's names alone, and return the whole answer."""
        return list(self.session.run(query, parameters))

    def constrain(self, groups: Iterable[Group]) -> None:
        """Make the constraints of the labels in some groups, and wait until they hold: each costs a server 60 ms."""
        labels = {label for group in groups for label in group.labels}
        there = {record["name"] for record in self.run("SHOW CONSTRAINTS YIELD name")}
        for name, statement in cypher.constraints(labels).items():
            if name not in there:
                self.run(statement)
        self.run("CALL db.awaitIndexes(600)")

    def identity(self) -> str:
        """Return what tells this database from any other, one restored or made anew in its place among them."""
        return str(self.run("CALL db.info() YIELD id RETURN id")[0]["id"])

    def nodes(self) -> int:
        """Return how many nodes there are of any label."""
        return int(self.run("MATCH (n) RETURN count(n) AS rows")[0]["rows"])

    def counts(self) -> dict[str, int]:
        """Return how many nodes of each label, and relationships of each type, there are of the schema's."""
        known = {record["name"] for record in self.run(cypher.NAMES)}
        queries = [cypher.count(label=label) for label in schema.LABELS if label in known]
        queries += [cypher.count(type_=type_) for type_ in schema.RELATIONSHIPS if type_ in known]
        # One query of many parts: each alone would be planned alone, which is what costs.
        counted = self.run("\nUNION ALL\n".join(queries)) if queries else []
        return {record["name"]: record["rows"] for record in counted if record["rows"]}

    def others(self, known: Mapping[Group, int]) -> Iterator[Group]:
        """Yield every other group that may have rows, given how many the known ones have."""
        for name, rows in self.counts().items():
            if name in schema.LABELS:
                groups = [Group(name)]
            else:
                groups = [Group(start.name, name, end.name) for start, end in schema.RELATIONSHIPS[name].joins]
            if rows != sum(known.get(group, 0) for group in groups):
                yield from (group for group in groups if group not in known)

    def types(self) -> dict[str, int]:
        """Return how many relationships of each type there are, whatever they join."""
        return {name: rows for name, rows in self.counts().items() if name in schema.RELATIONSHIPS}

    def rows(self, group: Group) -> Iterator[pa.RecordBatch]:
        """Yield a group's rows."""
        yield from _batches(self.session.run(cypher.read(group)), group)

    def rows_within(self, group: Group, scope: Scope) -> Iterator[pa.RecordBatch]:
        """Yield those rows of a scope that have our marks; a row that it names twice comes twice."""
        for by, keys in zip(("start", "end", "both"), scope, strict=True):
            if keys:
                yield from _batches(
                    self.session.run(
                        cypher.read_ours(group, by),
                        keys=[each if isinstance(each, str) else list(each) for each in keys],
                    ),
                    group,
                )

    def types_at(self, label: str, keys: Iterable[str]) -> list[str]:
        """Return the types of the relationships that a label's nodes with these keys have."""
        return [record["name"] for record in self.run(cypher.types_at(label), keys=list(keys))]

    def texts(self, group: Group) -> Iterator[pa.Table]:
        """Yield the texts of a group's rows, as `Database` has it; the server makes them.

        They come through sessions of their own: other work may go on in this one.
        """
        with self.another() as session:
            first, last, rows = session.run(cypher.ids(group)).single(strict=True).values()
            if not rows:
                return
            if last - first > _SPARSE * rows + _SPAN:
                query = cypher.texts_of_rows(group, whole_type=self.reads_types)
                found = (record.values() for record in session.run(query))
                while some := list(islice(found, _READ)):
                    yield _table(text_schema(group), zip(*some, strict=True), group)
                return
        query = cypher.texts(group, whole_type=self.reads_types)

        def read(start: int) -> list[pa.Table]:
            with self.another() as session:
                found = session.run(query, first=start, last=min(start + _SPAN - 1, last))
                return [_table(text_schema(group), record.values(*text_schema(group).names), group) for record in found]

        yield from read(first)  # by one session alone, so that the query is planned once
        for several in prefetched(read, range(first + _SPAN, last + 1, _SPAN), _READERS):
            yield from several


def _batches(result: neo4j.Result, group: Group) -> Iterator[pa.RecordBatch]:
    rows = (record.values() for record in result)
    while some := list(islice(rows, _READ)):
        yield from _table(group.arrow, zip(*some, strict=True), group).to_batches()


def _table(schema_: pa.Schema, columns: Iterable[Sequence[Any]], group: Group) -> pa.Table:
    try:
        arrays = [_array(column, each) for column, each in zip(columns, schema_, strict=True)]
        return pa.table(arrays, schema=schema_)
    except (pa.ArrowException, TypeError) as wrong:
        raise LoadError(f"{group} has a value of another type than the schema's: {wrong}") from wrong


def _array(column: Sequence[Any], each: pa.Field) -> pa.Array:
    if pa.types.is_timestamp(each.type):
        return pa.array(column, pa.int64()).cast(each.type)
    return pa.array(column, each.type)
