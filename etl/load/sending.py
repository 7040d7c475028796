"""Rows into a Neo4j, in batches, each in a managed transaction; killed or refused, it goes on where it was.

Constraints come first and are awaited: without them two merges at once would make a node twice, and every MERGE would
scan its label. Nodes come before relationships. Into an empty database rows are created, else merged. A managed
transaction may run twice (the driver repeats it after a deadlock, and after a reply that was lost, when nobody knows
whether it was committed), so from its second run on it merges, and nothing is doubled.

Into an empty database, a checkpoint is written beside the files after each commit: which files, which database, how
far. The next load of those files into that database goes on from there, by merging. Where a database held something
before, and where parity fails after such a resumption, its rows are laid beside the files' first, and only those are
merged that it lacks or has less of: so an addition costs by its size, and a reading of what is there.

A batch that the server refuses is split until the row at fault stands alone; that one is listed, the rest goes in.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import neo4j
from neo4j.exceptions import ClientError, ConstraintError, DatabaseError, IncompleteCommit, TransientError

from etl.errors import LoadError
from etl.files import Files, Group, Manifest
from etl.load import bolt, cypher, parity
from etl.load.beside import Kind, lay_beside, rows_of
from etl.load.packing import Packed, pack, packed, sliced

MAX_REFUSED = 1_000
"""So many refused rows are not faults of the rows."""

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
        sender.send(told)
        found = parity.check(files, database, progress)
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
        fresh = Checkpoint(hashlib.sha256(counts).hexdigest(), database.identity(), not database.counts())
        kept = _read(self._path)
        self.resumes = kept is not None and (kept.files, kept.database) == (fresh.files, fresh.database)
        self.checkpoint = kept if kept is not None and self.resumes else fresh
        self._adds = not self.checkpoint.began_empty
        self.taken = 0
        self._creates = self.checkpoint.began_empty and not self.resumes

    def send(self, progress: Callable[[int], None]) -> None:
        """Make the constraints, then send what is not there yet; `progress` is told of numbers of rows done."""
        self.database.constrain()
        if self._adds:
            self._add(progress)
            return
        for group in self.contents:
            done = self.checkpoint.sent.get(str(group), 0)
            progress(done)
            for batch in packed(self.files, group, done):
                self._put(group, batch)
                done += len(batch.batch)
                self.checkpoint.sent[str(group)] = done
                self._keep()
                progress(len(batch.batch))

    def _add(self, progress: Callable[[int], None]) -> None:
        """Merge the rows that the database lacks, or has less of."""
        with parity.spilling() as connection:
            for group, wanted in self.contents.items():
                found = parity.content_of(connection, group, self.database)
                if not found.rows:
                    for batch in packed(self.files, group, 0):
                        self._put(group, batch)
                elif found != wanted:
                    lay_beside(connection, self.files, group, self.database, wanted)
                    for rows in rows_of(connection, self.files, group, Kind.MISSING, Kind.LESSER):
                        for piece in sliced(rows):
                            self._put(group, pack(piece, group))
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

    def _put(self, group: Group, some: Packed) -> None:
        """Send some rows; where they are refused, send each half."""
        rows = some.parameters["rows"]
        statements = [cypher.create(group, some.given)] if self._creates else []
        statements.append(cypher.merge(group, some.given))
        try:
            taken = self.database.session.execute_write(write, statements, some.parameters)
        except (ClientError, DatabaseError, TransientError) as wrong:
            if wrong.code not in _SPLIT:
                raise
            if self._creates and isinstance(wrong, ConstraintError):  # somebody else writes there, too
                self._creates = False
                self._put(group, some)
            elif len(rows) > 1:
                middle = len(rows) // 2
                self._put(group, pack(some.batch.slice(0, middle), group))
                self._put(group, pack(some.batch.slice(middle), group))
            else:
                self._refuse(group, rows[0], str(wrong.message or wrong.code))
            return
        except IncompleteCommit:  # nobody knows whether it went in
            self._creates = False
            self._put(group, some)
            return
        self.taken += taken
        if taken != len(rows):
            self._refuse_without_ends(group, rows)

    def _refuse_without_ends(self, group: Group, rows: list[list[Any]]) -> None:
        for record in self.database.run(cypher.without_ends(group), rows=[row[:2] for row in rows]):
            self._refuse(group, record.values(), "an end of it is not in the database")

    def _refuse(self, group: Group, row: list[Any], reason: str) -> None:
        key = " → ".join(map(str, row[: len(group.keys)]))
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


def write(transaction: neo4j.ManagedTransaction, statements: list[str], parameters: dict[str, list[Any]]) -> int:
    """Run the first statement, and on any later try the last: `statements` belongs to one batch."""
    statement = statements.pop(0) if len(statements) > 1 else statements[0]
    return int(transaction.run(statement, parameters).single(strict=True)["rows"])


def _read(path: Path) -> Checkpoint | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
