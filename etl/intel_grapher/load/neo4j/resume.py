"""A set of flat files into a Neo4j; killed or refused, it goes on where it was.

Constraints of the labels that have rows come first and are awaited: without them two merges at once would make a node
twice, and every MERGE would scan its label. Nodes come before relationships. Into an empty database rows are created,
else merged; relationships are created between ids that the server gave the nodes, which saves it two look-ups each.

Into an empty database, a checkpoint is written beside the files after each commit: which files, which database, how
far. The next load of those files into that database goes on from there, by merging. Where a database held something
before, and where parity fails after such a resumption, its rows are laid beside the files' first, and only those are
merged that it lacks or has less of: so an addition costs by its size, and a reading of what is there.

Each group of rows is read back, for the proof, while the next is sent.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import duckdb
import msgspec

from intel_grapher import disk
from intel_grapher.errors import LoadError
from intel_grapher.files import Files, Manifest
from intel_grapher.load import parity
from intel_grapher.load.neo4j.batches import read
from intel_grapher.load.neo4j.node_ids import NodeIds
from intel_grapher.load.neo4j.session import Neo4jSession
from intel_grapher.load.neo4j.writer import BatchOutcome, Refused, RowWriter
from intel_grapher.load.row_diff import Difference, diff_rows, differing_rows


def send(files: Files, manifest: Manifest, database: Neo4jSession, progress: parity.Progress) -> Sent:
    """Add the files to a database; return how the two compare then, the rows that it refused, and how many were sent.

    A database that was empty must hold the same as the files, one that was not at least what they hold, save for what
    it refused. Raises LoadError where it does not, or where the server can't be loaded; loading again goes on.
    """
    total, done = sum(content.rows for _, content in manifest.groups()), 0

    def sent(rows: int) -> None:
        nonlocal done
        done += rows
        progress("send", done, total)

    sender = Sender(files, manifest, database)
    while True:
        with parity.reader(database) as reading:
            sender.send(sent, reading)
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

    def __init__(self, files: Files, manifest: Manifest, database: Neo4jSession) -> None:
        self.files = files
        self.contents = dict(manifest.groups())
        self.database = database
        root = disk.real(files.root)
        self._path = root.with_name(f".{root.name}.sent.json")
        counts = msgspec.json.encode([manifest.nodes, manifest.relationships])
        fresh = Checkpoint(
            hashlib.sha256(counts).hexdigest(), database.identity(), not database.nodes() or not database.counts()
        )
        kept = _read(self._path)
        self.resumes = kept is not None and (kept.files, kept.database) == (fresh.files, fresh.database)
        self.checkpoint = kept if kept is not None and self.resumes else fresh
        self._adds = not self.checkpoint.began_empty
        self.taken = 0
        creates = self.checkpoint.began_empty and not self.resumes
        self._writer = RowWriter(database, creates=creates, refused=len(self.checkpoint.refused))

    def send(self, progress: Callable[[int], None], reading: parity.DatabaseReader) -> None:
        """Make the constraints, then send what is not there yet; `progress` is told of numbers of rows done.

        What is sent as a whole is read back by `reading`, while the next is sent.
        """
        self.database.constrain(self.contents)
        if self._adds:
            self._add(reading.connection, progress)
        else:
            self._fill(NodeIds(reading.connection), progress, reading)

    def _fill(self, ids: NodeIds, progress: Callable[[int], None], reading: parity.DatabaseReader) -> None:
        """Send what an empty database has not been sent yet."""
        for group in self.contents:
            done = self.checkpoint.sent.get(str(group), 0)
            progress(done)
            by_id = self._writer.creates and group.type
            rows = ids.beside(self.files, group) if by_id else read(self.files, group, done)
            for some in self._writer.write(group, rows):
                if some.ids:
                    ids.add(group.start, some.batch[0], some.ids)
                done += len(some.batch)
                self._take(some)
                self.checkpoint.sent[str(group)] = done
                self._keep()
                progress(len(some.batch))
            reading.begin(group)

    def _add(self, connection: duckdb.DuckDBPyConnection, progress: Callable[[int], None]) -> None:
        """Merge the rows that the database lacks, or has less of."""
        with parity.DatabaseReader(self.database, connection) as before:
            for group, wanted in self.contents.items():
                found = before.content(group)
                if found != wanted:
                    lacking = read(self.files, group, 0)
                    if found.rows:
                        file = self.files.relation(group)
                        diff_rows(connection, group, file, self.database.rows(group))
                        lacking = differing_rows(connection, group, file, Difference.MISSING, Difference.LESSER)
                    for some in self._writer.write(group, lacking):
                        self._take(some)
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
        self.resumes = False
        self._adds = True
        self._writer = RowWriter(self.database, creates=False)

    def forget(self) -> None:
        """Remove the checkpoint: the load is done."""
        self._path.unlink(missing_ok=True)

    def _take(self, some: BatchOutcome) -> None:
        self.taken += some.taken
        self.checkpoint.refused += some.refused

    def _keep(self) -> None:
        if not os.access(self._path.parent, os.W_OK):  # files of a shared folder: a load that is killed begins anew
            return
        unknown = "How far the load came would not be known; a load after that doubles nothing."
        with disk.failing(self._path, LoadError, unknown):
            disk.write_atomically(self._path, msgspec.json.encode(self.checkpoint))


def _read(path: Path) -> Checkpoint | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
