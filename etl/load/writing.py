"""Batches of rows written into a Neo4j by transactions that overlap: the next one runs while one waits and commits.

Into an empty database rows are created; nothing there is in another's way until it commits, and that they do in turn.
Elsewhere rows are merged, which takes locks at once, so that such a transaction runs when its turn has come.

A managed transaction may run twice (the driver repeats it after a deadlock, and after a reply that was lost, when
nobody knows whether it was committed), so from its second run on it merges, and nothing is doubled.

A batch that the server refuses is split until the row at fault stands alone; that one is listed, the rest goes in.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any, NamedTuple

import msgspec
import neo4j
import pyarrow as pa
from neo4j.exceptions import ClientError, ConstraintError, DatabaseError, IncompleteCommit, TransientError

from etl.errors import LoadError
from etl.files import Group
from etl.load import bolt, cypher
from etl.load.ahead import made_ahead
from etl.load.packing import Packed, pack, packed

WRITERS = 2
"""Transactions at a time: with more, the server's commits, one after the other, are what is waited for."""
MAX_REFUSED = 1_000
"""So many refused rows are not faults of the rows."""
PATIENCE = 60.0
"""Seconds that a transaction waits for its turn to commit: what it holds may be what another writer waits for."""

# What a row, or the size of a batch, can be the cause of; anything else would be refused row by row as well.
_SPLIT = (
    "Neo.ClientError.Schema.ConstraintValidationFailed",
    "Neo.ClientError.Statement.ArgumentError",
    "Neo.ClientError.Statement.TypeError",
    "Neo.ClientError.General.InvalidArguments",
    "Neo.DatabaseError.Statement.ExecutionFailed",
    "Neo.DatabaseError.Transaction.TransactionCommitFailed",
    "Neo.TransientError.General.MemoryPoolOutOfMemoryError",
    "Neo.TransientError.General.OutOfMemoryError",
)


class Refused(msgspec.Struct, frozen=True):
    """A row that the server did not take: its group, its key or keys, the reason."""

    group: str
    key: str
    reason: str


class Written(NamedTuple):
    """What became of some rows: how many were taken, which were not; the ids of nodes, in order, where all are new."""

    batch: pa.RecordBatch
    taken: int
    refused: list[Refused]
    ids: list[int]


class Writer:
    """Writes batches; `creates` tells that none of their rows is there yet, and turns false where one was."""

    def __init__(self, database: bolt.Neo4j, *, creates: bool, refused: int = 0) -> None:
        self.database = database
        self.creates = creates
        self._refused = refused

    def write(self, group: Group, batches: Iterator[pa.RecordBatch]) -> Iterator[Written]:
        """Write a group's rows, and yield what became of them, in their order, when it is committed."""
        for several in made_ahead(lambda turn: self._in_turn(group, turn), _turns(packed(batches, group)), WRITERS):
            yield from several

    def _in_turn(self, group: Group, turn: _Turn) -> list[Written]:
        try:
            return list(self._written(group, turn.batch, turn.come))
        finally:
            turn.over.set()

    def _written(self, group: Group, some: Packed, come: Event) -> Iterator[Written]:
        """Write some rows; where they are refused, write each half: what goes wrong is dealt with in turn."""
        creates = self.creates
        try:
            with self.database.another() as session:
                found = session.execute_write(_write, _attempts(group, some, creates=creates), come)
        except _LateError:
            come.wait()
            yield from self._written(group, some, come)
        except IncompleteCommit:  # nobody knows whether it went in
            self.creates = False
            yield from self._written(group, some, come)
        except (ClientError, DatabaseError, TransientError) as wrong:
            if wrong.code not in _SPLIT:
                raise
            come.wait()
            if creates and isinstance(wrong, ConstraintError):  # somebody else writes there, too
                self.creates = False
                yield from self._written(group, some, come)
            elif (rows := len(some.batch)) > 1:
                for half in (some.batch.slice(0, rows // 2), some.batch.slice(rows // 2)):
                    yield from self._written(group, pack(half, group), come)
            else:
                yield Written(some.batch, 0, self._refuse(group, _keys(group, some), wrong.message or wrong.code), [])
        else:
            refused = []
            if found["rows"] != len(some.batch):
                with self.database.another() as session:
                    without = [
                        each.values() for each in session.run(cypher.without_ends(group), rows=_keys(group, some))
                    ]
                refused = self._refuse(group, without, "an end of it is not in the database")
            yield Written(some.batch, found["rows"], refused, found.get("ids", []))

    def _refuse(self, group: Group, keys: list[list[str]], reason: str) -> list[Refused]:
        self._refused += len(keys)
        if self._refused > MAX_REFUSED:
            raise LoadError(
                f"the server refuses row after row, lastly of {group}: {reason}. What it took stays; see to that, then"
                " load again"
            )
        return [Refused(str(group), " → ".join(each), reason) for each in keys]


class _Turn(NamedTuple):
    """A batch; the event that the one before it is dealt with, and the event that it is itself."""

    batch: Packed
    come: Event
    over: Event


class _Attempt(NamedTuple):
    """A statement and its parameters. `alone`: its locks may be what another batch waits for."""

    statement: str
    parameters: dict[str, list[Any]]
    alone: bool


class _LateError(Exception):
    """A transaction's turn to commit did not come."""


def _turns(batches: Iterator[Packed]) -> Iterator[_Turn]:
    come = Event()
    come.set()
    for batch in batches:
        over = Event()
        yield _Turn(batch, come, over)
        come = over


def _write(transaction: neo4j.ManagedTransaction, attempts: Iterator[_Attempt], come: Event) -> neo4j.Record:
    """Run the next of a batch's attempts (on a later try of the transaction, that is another one)."""
    attempt = next(attempts)
    if attempt.alone:
        come.wait()
    found = transaction.run(attempt.statement, attempt.parameters).single(strict=True)
    if not come.wait(PATIENCE):
        raise _LateError
    return found


def _attempts(group: Group, some: Packed, *, creates: bool) -> Iterator[_Attempt]:
    """Yield what is tried: to create the rows, then to merge them, as often as need be."""
    if creates:
        yield _Attempt(cypher.create(group, some.given, by_id=some.by_id), some.parameters, alone=False)
    keyed = pack(some.batch.select(group.arrow.names), group) if some.by_id else some
    while True:
        yield _Attempt(cypher.merge(group, some.given), keyed.parameters, alone=True)


def _keys(group: Group, some: Packed) -> list[list[str]]:
    """Return the keys of each row."""
    return [list(row) for row in zip(*(some.batch[name].to_pylist() for name in group.keys), strict=True)]
