"""A Neo4j server over Bolt: constraints, then rows merged in batches, each in a managed transaction; rows read back.

Constraints come first and are awaited: without them two merges at once would make a node twice, and every MERGE would
scan its label. Nodes come before relationships. A managed transaction may run twice (the driver repeats it after a
deadlock or a lost reply); since rows are merged, that changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import neo4j
import pyarrow as pa
import pyarrow.parquet as pq
from neo4j.exceptions import ClientError, ConstraintError, DatabaseError, DriverError, Neo4jError

from etl import schema
from etl.errors import LoadError
from etl.files import Files, Group, Manifest
from etl.load import cypher, parity
from etl.neo4j_connection import DATABASE, Connection, connect, explained
from etl.neo4j_server import LocalNeo4j

BATCH = 10_000  # rows a transaction: about where more stops helping
_READ = 1 << 14  # rows read back together


@dataclass(frozen=True)
class Server:
    """A Neo4j server: its address, such as bolt://127.0.0.1:7687; and, where it is one of our own, that."""

    uri: str
    user: str
    password: str = field(repr=False)
    local: LocalNeo4j | None = field(default=None, repr=False)

    @classmethod
    def started(cls, local: LocalNeo4j) -> Server:
        """Return a local server of our own, started if it is not running."""
        connection = local.up()
        return cls(connection.uri, connection.user, connection.password, local)

    def __str__(self) -> str:
        return f"the Neo4j at {self.uri}"


def _session(driver: neo4j.Driver) -> neo4j.Session:
    # That a label or a type has no rows yet is nothing to warn of.
    return driver.session(database=DATABASE, fetch_size=_READ, notifications_min_severity="OFF")


@contextmanager
def connected(server: Server) -> Iterator[Neo4j]:
    """Connect to a server; LoadError tells what is wrong with it, then and while it is used."""
    connection = Connection(server.uri, server.user, server.password)
    with connect(connection) as driver, _session(driver) as session:
        try:
            yield Neo4j(session)
        except ConstraintError as wrong:
            raise LoadError(f"{server} holds a key twice: delete one of the two nodes, then load again") from wrong
        except (ClientError, DatabaseError) as wrong:
            raise LoadError(f"{server} refused ({wrong.code}): {wrong.message}") from wrong
        except (DriverError, Neo4jError) as wrong:
            raise LoadError(f"{explained(connection, wrong)}; then load again: nothing is doubled") from wrong


def merge(files: Files, manifest: Manifest, server: Server, progress: parity.Progress) -> parity.Parity:
    """Merge the files into a server's database; return how the two compare then.

    A database that was empty must hold the same as the files; one that was not, at least what they hold. LoadError
    where it does not, or where the server can't be loaded; loading again goes on from there, and doubles nothing.
    """
    groups = list(manifest.groups())
    total, done = sum(content.rows for _, content in groups), 0

    def told(rows: int) -> None:
        nonlocal done
        done += rows
        progress("merge", done, total)

    with connected(server) as database:
        before = database.counts()
        database.constrain()
        for group, _ in groups:
            database.merge(files, group, told)
        found = parity.check(files, database, progress)
    if not (found.held if before else found.equal):
        lines = "\n  ".join(found.differences())
        raise LoadError(f"{server} differs from the files after the load; load again, or mend it by hand:\n  {lines}")
    return found


class Neo4j:
    """An open session with a server."""

    def __init__(self, session: neo4j.Session) -> None:
        self.session = session

    def constrain(self) -> None:
        """Make the schema's constraints and wait until they hold."""
        for statement in cypher.constraints():
            self._run(statement)
        self._run("CALL db.awaitIndexes(600)")

    def merge(self, files: Files, group: Group, progress: Callable[[int], None]) -> None:
        """Merge a group's rows into the database; `progress` is told of each batch's number of rows."""
        path = files.path(group, "parquet")
        statement = cypher.merge(group)
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH, columns=group.arrow.names):
                rows = _rows(batch.cast(group.arrow))  # Parquet has no seconds: it gives moments in milliseconds
                merged = self.session.execute_write(_merge, statement, rows)
                if merged != len(rows):
                    raise LoadError(
                        f"{len(rows) - merged} relationships of {group} have an end that the database lacks:"
                        " run `intel-grapher transform`, then `intel-grapher load` again"
                    )
                progress(len(rows))

    def nodes(self) -> int:
        """Return how many nodes there are of any label."""
        return int(self._run("MATCH (n) RETURN count(n) AS rows")[0]["rows"])

    def counts(self) -> dict[str, int]:
        """Return how many nodes of each label, and relationships of each type, there are of the schema's."""
        queries = {label: cypher.count(label=label) for label in schema.LABELS}
        queries |= {type_: cypher.count(type_=type_) for type_ in schema.RELATIONSHIPS}
        return {name: rows for name, query in queries.items() if (rows := self._run(query)[0]["rows"])}

    def groups(self) -> Iterator[Group]:
        """Yield every group of the schema that has rows."""
        counts = self.counts()
        yield from (Group(label) for label in schema.LABELS if label in counts)
        for type_, each in schema.RELATIONSHIPS.items():
            if type_ in counts:
                yield from (Group(start.name, type_, end.name) for start, end in each.joins)

    def types(self) -> dict[str, int]:
        """Return how many relationships of each type there are, whatever they join."""
        return {name: rows for name, rows in self.counts().items() if name in schema.RELATIONSHIPS}

    def rows(self, group: Group) -> Iterator[pa.RecordBatch]:
        """Yield a group's rows."""
        result = self.session.run(cypher.read(group))
        rows = (record.values() for record in result)
        while some := list(islice(rows, _READ)):
            columns = zip(*some, strict=True)
            try:
                arrays = [_array(column, each) for column, each in zip(columns, group.arrow, strict=True)]
            except (pa.ArrowException, TypeError) as wrong:
                raise LoadError(f"{group} has a value of another type than the schema's: {wrong}") from wrong
            yield pa.record_batch(arrays, schema=group.arrow)

    def _run(self, query: str, **parameters: object) -> list[neo4j.Record]:
        return list(self.session.run(query, parameters))


def _merge(transaction: neo4j.ManagedTransaction, statement: str, rows: list[list[Any]]) -> int:
    record = transaction.run(statement, rows=rows).single(strict=True)
    return int(record["rows"])


def _rows(batch: pa.RecordBatch) -> list[list[Any]]:
    columns = [
        (batch[place].cast(pa.int64()) if pa.types.is_timestamp(each.type) else batch[place]).to_pylist()
        for place, each in enumerate(batch.schema)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _array(column: tuple[Any, ...], each: pa.Field) -> pa.Array:
    if pa.types.is_timestamp(each.type):
        return pa.array(column, pa.int64()).cast(each.type)
    return pa.array(column, each.type)
