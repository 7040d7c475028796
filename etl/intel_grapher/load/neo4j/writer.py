"""Batches of rows written into a Neo4j by transactions that overlap: the next one runs while one waits and commits.

Into an empty database rows are created; nothing there is in another's way until it commits, and that they do in turn.
Merging takes locks at once, which those before may need, so that a batch is merged only when its turn has come.

What may have been committed before is merged, not created, so that nothing is doubled: a batch that the driver tries a
second time, one whose commit was not answered, and all where somebody else writes there as well.

A batch that the server refuses is split until the row at fault stands alone; that one is listed, the rest goes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pyarrow as pa

from intel_grapher.errors import LoadError
from intel_grapher.files import Group
from intel_grapher.load.neo4j import cypher
from intel_grapher.load.neo4j.batches import PackedBatch, pack, packed
from intel_grapher.load.neo4j.session import Neo4jSession
from intel_grapher.load.prefetch import prefetched

if TYPE_CHECKING:
    import neo4j
    import neo4j.exceptions
else:
    from intel_grapher.neo4j import driver as neo4j

WRITERS = 2
"""Transactions at a time: with more, the server's commits, one after the other, are what is waited for."""
MAX_REFUSED = 1_000
"""So many refused rows are not faults of the rows."""
PATIENCE = 30.0
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


class BatchOutcome(NamedTuple):
    """What became of some rows: how many were taken, which were not; the ids of nodes, in order, where all are new."""

    batch: pa.RecordBatch
    taken: int
    refused: list[Refused]
    ids: list[int]


class RowWriter:
    """Writes batches of rows. `creates`: nobody else wrote any of these rows; it is false once one was there."""

    def __init__(self, database: Neo4jSession, *, creates: bool, refused: int = 0) -> None:
        self.database = database
        self.creates = creates
        self._overlaps = True
        self._refused = refused
        self._stopped = Event()

    def write(self, group: Group, batches: Iterator[pa.RecordBatch]) -> Iterator[BatchOutcome]:
        """Write a group's rows, and yield what became of them, in their order, when it is committed.

        Once a batch has failed for good, or the caller wants no more, none of those after it is committed.
        """
        turns = _turns(packed(batches, group))
        for several in prefetched(lambda turn: self._in_turn(group, turn), turns, WRITERS, stop=self._stopped.set):
            yield from several

    def _in_turn(self, group: Group, turn: _Turn) -> list[BatchOutcome]:
        try:
            return self._written(group, turn.batch, turn.come, create=self.creates)
        except BaseException:
            turn.come.wait()
            self._stopped.set()
            raise
        finally:
            turn.over.set()

    def _written(self, group: Group, some: PackedBatch, come: Event, *, create: bool) -> list[BatchOutcome]:
        """Write some rows; where they are refused, write each half."""
        if not (create and self._overlaps):
            self._wait(come)
        try:
            with self.database.another() as session:
                found = session.execute_write(self._create(group, some, come) if create else _merge(group, some))
        except _LateError:
            self._overlaps = False
            return self._written(group, some, come, create=create)
        except (_AgainError, neo4j.exceptions.IncompleteCommit):  # nobody knows whether it went in
            return self._written(group, some, come, create=False)
        except (neo4j.exceptions.ClientError, neo4j.exceptions.DatabaseError, neo4j.exceptions.TransientError) as wrong:
            if wrong.code not in _SPLIT:
                raise
            self._wait(come)
            if create and isinstance(wrong, neo4j.exceptions.ConstraintError):  # somebody else writes there, too
                self.creates = False
                return self._written(group, some, come, create=False)
            if middle := len(some.batch) // 2:
                halves = (pack(each, group) for each in (some.batch.slice(0, middle), some.batch.slice(middle)))
                return [each for half in halves for each in self._written(group, half, come, create=create)]
            return [
                BatchOutcome(some.batch, 0, self._refuse(group, _keys(group, some), wrong.message or wrong.code), [])
            ]
        return [
            BatchOutcome(
                some.batch, found["rows"], self._without_ends(group, some, found["rows"]), found.get("ids", [])
            )
        ]

    def _create(
        self, group: Group, some: PackedBatch, come: Event
    ) -> Callable[[neo4j.ManagedTransaction], neo4j.Record]:
        tries = count()

        def work(transaction: neo4j.ManagedTransaction) -> neo4j.Record:
            if next(tries):
                raise _AgainError
            statement = cypher.create(group, some.given, by_id=some.by_id)
            found = transaction.run(statement, some.parameters).single(strict=True)
            self._wait(come, PATIENCE)
            return found

        return work

    def _wait(self, come: Event, patience: float | None = None) -> None:
        if not come.wait(patience):
            raise _LateError
        if self._stopped.is_set():
            raise _StoppedError

    def _without_ends(self, group: Group, some: PackedBatch, taken: int) -> list[Refused]:
        if taken == len(some.batch):
            return []
        with self.database.another() as session:
            found = [each.values() for each in session.run(cypher.without_ends(group), rows=_keys(group, some))]
        return self._refuse(group, found, "an end of it is not in the database")

    def _refuse(self, group: Group, keys: list[list[str]], reason: str) -> list[Refused]:
        self._refused += len(keys)
        if self._refused > MAX_REFUSED:
            raise LoadError(
                f"the server refuses row after row, lastly of {group}: {reason}. What it took stays; see to that, then"
                " load again"
            )
        return [Refused(str(group), " → ".join(each), reason) for each in keys]


class _Turn(NamedTuple):
    """A batch; the event that those before it are dealt with, or failed, and the event that it is itself."""

    batch: PackedBatch
    come: Event
    over: Event


class _LateError(Exception):
    """The turn of a transaction to commit did not come within PATIENCE."""


class _AgainError(Exception):
    """The driver runs a transaction a second time, after the first may have been committed."""


class _StoppedError(Exception):
    """An earlier batch failed, or the caller stopped. The caller sees that error, and never this one."""


def _turns(batches: Iterator[PackedBatch]) -> Iterator[_Turn]:
    come = Event()
    come.set()
    for batch in batches:
        over = Event()
        yield _Turn(batch, come, over)
        come = over


def _merge(group: Group, some: PackedBatch) -> Callable[[neo4j.ManagedTransaction], neo4j.Record]:
    keyed = pack(some.batch.select(group.arrow.names), group) if some.by_id else some

    def work(transaction: neo4j.ManagedTransaction) -> neo4j.Record:
        return transaction.run(cypher.merge(group, some.given), keyed.parameters).single(strict=True)

    return work


def _keys(group: Group, some: PackedBatch) -> list[list[str]]:
    """Return the keys of each row."""
    return [list(row) for row in zip(*(some.batch[name].to_pylist() for name in group.keys), strict=True)]
