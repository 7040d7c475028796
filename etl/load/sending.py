"""Rows into a Neo4j, in batches, each in a managed transaction; killed or refused, it goes on where it was.

Constraints come first and are awaited: without them two merges at once would make a node twice, and every MERGE would
scan its label. Nodes come before relationships. Into an empty database rows are created, else merged; relationships
are created between ids that the server gave the nodes, which saves it two look-ups each. A managed
transaction may run twice (the driver repeats it after a deadlock, and after a reply that was lost, when nobody knows
whether it was committed), so from its second run on it merges, and nothing is doubled.

Into an empty database, a checkpoint is written beside the files after each commit: which files, which database, how
far. The next load of those files into that database goes on from there, by merging. Where a database held something
before, and where parity fails after such a resumption, its rows are laid beside the files' first, and only those are
merged that it lacks or has less of: so an addition costs by its size, and a reading of what is there.

Each group of rows is read back, for the proof, while the next is sent: the server has another core for that.

A batch that the server refuses is split until the row at fault stands alone; that one is listed, the rest goes in.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
import neo4j
from neo4j.exceptions import ClientError, ConstraintError, DatabaseError, IncompleteCommit, TransientError

from etl.errors import LoadError
from etl.files import Files, Group, Manifest
from etl.load import bolt, cypher, parity
from etl.load.beside import Kind, lay_beside, rows_of
from etl.load.ids import Ids
from etl.load.packing import Packed, pack, packed, read

MAX_REFUSED = 1_000
"""So many refused rows are not faults of the rows."""
Attempt = tuple[str, dict[str, list[Any]]]  # a statement and its parameters

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


def send(files: Files, manifest: Manifest, database: bolt.Neo4j, progress: parity.Progress) -> Sent:
    """Add the files to a database; return how the two compare then, the rows that it refused, and how many were sent.

    A database that was empty must hold the same as the files, one that was not at least what they hold, save for what
    it refused. Raises LoadError where it does not, or where the server can't be loaded; loading again goes on.
    """
    total, done = sum(content.rows for _, content in manifest.groups()), 0

    def told(rows: int) -> None:
        nonlocal done
        done += rows
        progress("send", done, total)

    sender = Sender(files, manifest, database)
    while True:
        with parity.read_ahead(database) as reading:
            sender.send(told, reading)
            found = parity.compare(files, reading, progress)
        proved = sender.accounts_for(found)
        if proved or not sender.resumes:
            break
        sender.start_over()
        done = 0
    sender.forget()
    if not proved:
        lines = "\n  ".join(found.differences())
        raise LoadError(f"the database differs from the files after the load; load again, or mend it:\n  {lines}")
    return Sent(found, tuple(sender.checkpoint.refused), sender.taken)


class Refused(msgspec.Struct, frozen=True):
    """A row that the server did not take: its group, its key or keys, the reason."""

    group: str
    key: str
    reason: str


class Sent(NamedTuple):
    """What came of it: parity, the rows that the server refused, and how many it was sent and took."""

    parity: parity.Parity
    refused: tuple[Refused, ...]
    rows: int


class Checkpoint(msgspec.Struct):
    """How far a load came. `began_empty`: there was nothing of the schema in the database when it began."""

    files: str
    database: str
    began_empty: bool
    sent: dict[str, int] = msgspec.field(default_factory=dict)
    refused: list[Refused] = msgspec.field(default_factory=list)


class Sender:
    """Sends the rows of one set of files into one database."""

    def __init__(self, files: Files, manifest: Manifest, database: bolt.Neo4j) -> None:
        self.files = files
        self.contents = dict(manifest.groups())
        self.database = database
        self._path = files.root.absolute().with_name(f".{files.root.absolute().name}.sent.json")
        counts = msgspec.json.encode([manifest.nodes, manifest.relationships])
        fresh = Checkpoint(
            hashlib.sha256(counts).hexdigest(), database.identity(), not database.nodes() or not database.counts()
        )
        kept = _read(self._path)
        self.resumes = kept is not None and (kept.files, kept.database) == (fresh.files, fresh.database)
        self.checkpoint = kept if kept is not None and self.resumes else fresh
        self._adds = not self.checkpoint.began_empty
        self.taken = 0
        self._creates = self.checkpoint.began_empty and not self.resumes

    def send(self, progress: Callable[[int], None], reading: parity.Reading) -> None:
        """Make the constraints, then send what is not there yet; `progress` is told of numbers of rows done.

        What is sent as a whole is read back by `reading`, while the next is sent.
        """
        self.database.constrain()
        if self._adds:
            self._add(reading.connection, progress)
        else:
            self._fill(Ids(reading.connection), progress, reading)

    def _fill(self, ids: Ids, progress: Callable[[int], None], reading: parity.Reading) -> None:
        """Send what an empty database has not been sent yet."""
        for group in self.contents:
            done = self.checkpoint.sent.get(str(group), 0)
            progress(done)
            of_ends = self._creates and group.type
            for batch in packed(ids.beside(self.files, group) if of_ends else read(self.files, group, done), group):
                self._put(group, batch, ids)
                done += len(batch.batch)
                self.checkpoint.sent[str(group)] = done
                self._keep()
                progress(len(batch.batch))
            reading.begin(group)

    def _add(self, connection: duckdb.DuckDBPyConnection, progress: Callable[[int], None]) -> None:
        """Merge the rows that the database lacks, or has less of."""
        with parity.Reading(self.database, connection) as before:
            for group, wanted in self.contents.items():
                found = before.content(group)
                if not found.rows:
                    for batch in packed(read(self.files, group, 0), group):
                        self._put(group, batch)
                elif found != wanted:
                    lay_beside(connection, self.files, group, self.database, wanted)
                    lacking = rows_of(connection, self.files, group, Kind.MISSING, Kind.LESSER)
                    for batch in packed(lacking, group):
                        self._put(group, batch)
                progress(wanted.rows)

    def accounts_for(self, found: parity.Parity) -> bool:
        """Tell whether the database holds what it should, given what it held before and what it refused."""
        refused = Counter(each.group for each in self.checkpoint.refused)
        if self.checkpoint.began_empty and not refused:
            return found.equal
        return all(each.missing + each.lesser <= refused[each.group] for each in found.groups)

    def start_over(self) -> None:
        """Forget how far it came: what is sent next is what the database lacks."""
        self.forget()
        self.checkpoint.sent.clear()
        self.checkpoint.refused.clear()
        self.resumes = self._creates = False
        self._adds = True

    def forget(self) -> None:
        """Remove the checkpoint: the load is done."""
        self._path.unlink(missing_ok=True)

    def _put(self, group: Group, some: Packed, ids: Ids | None = None) -> None:
        """Send some rows; where they are refused, send each half. The ids of nodes that it makes join `ids`."""
        rows = len(some.batch)
        try:
            taken = self.database.session.execute_write(write, _attempts(group, some, create=self._creates))
        except (ClientError, DatabaseError, TransientError) as wrong:
            if wrong.code not in _SPLIT:
                raise
            if self._creates and isinstance(wrong, ConstraintError):  # somebody else writes there, too
                self._creates = False
                self._put(group, some)
            elif rows > 1:
                self._put(group, pack(some.batch.slice(0, rows // 2), group), ids)
                self._put(group, pack(some.batch.slice(rows // 2), group), ids)
            else:
                self._refuse(group, _keys(group, some)[0], str(wrong.message or wrong.code))
            return
        except IncompleteCommit:  # nobody knows whether it went in
            self._creates = False
            self._put(group, some)
            return
        self.taken += taken["rows"]
        if ids is not None and "ids" in taken:
            ids.add(group.start, some.batch[0], taken["ids"])
        if taken["rows"] != rows:
            for record in self.database.run(cypher.without_ends(group), rows=_keys(group, some)):
                self._refuse(group, record.values(), "an end of it is not in the database")

    def _refuse(self, group: Group, keys: list[str], reason: str) -> None:
        key = " → ".join(keys)
        self.checkpoint.refused.append(Refused(str(group), key, reason))
        if len(self.checkpoint.refused) > MAX_REFUSED:
            raise LoadError(
                f"the server refuses row after row, lastly of {group}: {reason}. What it took stays; see to that, then"
                " load again"
            )

    def _keep(self) -> None:
        new = self._path.with_suffix(".new")
        try:
            new.write_bytes(msgspec.json.encode(self.checkpoint))
            new.replace(self._path)
        except OSError as wrong:
            raise LoadError(
                f"{new} can't be written ({wrong.strerror}), so how far the load came would not be known: see to that,"
                " then load again; nothing is doubled"
            ) from wrong


def write(transaction: neo4j.ManagedTransaction, attempts: Iterator[Attempt]) -> neo4j.Record:
    """Run the next of a batch's attempts: on any later try of the transaction, that is another one."""
    statement, parameters = next(attempts)
    return transaction.run(statement, parameters).single(strict=True)


def _attempts(group: Group, some: Packed, *, create: bool) -> Iterator[Attempt]:
    """Yield what is tried: to create the rows, then to merge them, as often as need be."""
    if create:
        yield cypher.create(group, some.given, by_id=some.by_id), some.parameters
    keyed = pack(some.batch.select(group.arrow.names), group) if some.by_id else some
    while True:
        yield cypher.merge(group, some.given), keyed.parameters


def _keys(group: Group, some: Packed) -> list[list[str]]:
    """Return the keys of each row."""
    return [list(row) for row in zip(*(some.batch[name].to_pylist() for name in group.keys), strict=True)]


def _read(path: Path) -> Checkpoint | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
