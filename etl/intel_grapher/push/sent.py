"""What was sent where: a SQLite file in the data folder, by target and by what was chosen of the graph.

A unit is what a server keeps as one thing: a STIX object, an attribute, an object or a reference of MISP. It is known
by its identifier there, and compared by its content. What was taken
back is remembered with an empty digest: a version that comes after it must be newer. The file may be deleted: a push
then sends everything again.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from intel_grapher import sqlite
from intel_grapher.errors import GrapherError
from intel_grapher.lock import locked

FILE: Final = "sent.sqlite"
_LOCK: Final = ".sent.lock"
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS pushes (
        push INTEGER PRIMARY KEY, target TEXT NOT NULL, scope TEXT NOT NULL, event TEXT NOT NULL, UNIQUE (target, scope)
    );
    CREATE TABLE IF NOT EXISTS sent (
        push INTEGER NOT NULL, id TEXT NOT NULL, phase INTEGER NOT NULL, digest BLOB NOT NULL, content BLOB NOT NULL,
        PRIMARY KEY (push, id)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS sent_by_id ON sent (id);
    CREATE TEMP TABLE now (id TEXT PRIMARY KEY, phase INTEGER, digest BLOB, content BLOB, kind TEXT);
    CREATE TEMP TABLE todo (
        place INTEGER PRIMARY KEY, id TEXT, phase INTEGER, state TEXT, digest BLOB, content BLOB, old BLOB, kind TEXT
    );
"""


class UnitState(Enum):
    """How a unit stands to what was sent."""

    NEW = "new"
    CHANGED = "changed"
    GONE = "gone"


class Unit(NamedTuple):
    """What a server keeps as one thing: its identifier there, its JSON, what kind of thing it is.

    Phases are sent one after the other.
    """

    id: str
    phase: int
    content: bytes
    kind: str = ""


class Todo(NamedTuple):
    """A unit that is still to be sent. `old` is what was sent last of it, by this push or another to the same place."""

    unit: Unit
    state: UnitState
    old: bytes | None
    digest: bytes


class Counts(NamedTuple):
    """How many units are new, changed, no longer there, and as they were sent."""

    new: int = 0
    changed: int = 0
    gone: int = 0
    same: int = 0


class SentUnits:
    """What one push has sent, and what it has to send. Made by `opened`.

    `event` is the UUID of the MISP event that it has made, empty for none.
    """

    def __init__(self, db: sqlite3.Connection, target: str, scope: str) -> None:
        self._db = db
        self._target = target
        self._scope = scope
        row = db.execute("SELECT push, event FROM pushes WHERE target = ? AND scope = ?", [target, scope]).fetchone()
        self._push: int | None = row[0] if row else None
        self.event: str = row[1] if row else ""

    def begin(self, event: str = "") -> None:
        """Note that the push is made, into this event. One into another event than before has sent nothing yet."""
        with self._db:
            self._db.execute("BEGIN")
            if self._push is not None and event != self.event:
                self._db.execute("DELETE FROM sent WHERE push = ?", [self._push])
            self._db.execute(
                "INSERT INTO pushes (target, scope, event) VALUES (?, ?, ?) "
                "ON CONFLICT (target, scope) DO UPDATE SET event = excluded.event",
                [self._target, self._scope, event],
            )
            found = self._db.execute(
                "SELECT push FROM pushes WHERE target = ? AND scope = ?", [self._target, self._scope]
            ).fetchone()
            self._push, self.event = found[0], event

    def has_head(self) -> bool:
        """Tell whether the event of the push was made."""
        found = self._db.execute("SELECT 1 FROM sent WHERE push = ? AND phase = 0 AND digest <> x''", [self._push])
        return found.fetchone() is not None

    def compare(self, units: Iterable[Unit], *, prune: bool, event: str = "") -> Counts:
        """Take the units that are to be there, in this event, and return how they stand to what was sent.

        `prune` says that what is no longer among them is to be taken back. Into another event nothing was sent yet.
        """
        db, push = self._db, -1 if self._push is None or event != self.event else self._push
        with db:
            db.execute("BEGIN")
            db.executemany(
                "INSERT OR REPLACE INTO now VALUES (?, ?, ?, ?, ?)",
                (
                    (each.id, each.phase, _digest(each.content), zlib.compress(each.content, 1), each.kind)
                    for each in units
                ),
            )
            last = (
                "SELECT s.content FROM sent s JOIN pushes p USING (push) "
                "WHERE s.id = n.id AND p.target = :target ORDER BY s.push = :push DESC LIMIT 1"
            )
            own = {"push": push, "target": self._target}
            db.execute(
                f"INSERT INTO todo SELECT NULL, n.id, n.phase, iif(s.id IS NULL OR s.digest = x'', 'new', 'changed'), n.digest, n.content, "  # noqa: S608, E501 - of constants
                f"({last}), n.kind FROM now n LEFT JOIN sent s ON s.push = :push AND s.id = n.id "
                "WHERE s.digest IS NOT n.digest ORDER BY n.phase, n.rowid",
                own,
            )
            gone = (
                "FROM sent s WHERE s.push = :push AND s.digest <> x'' AND s.id NOT IN (SELECT id FROM now) "
                "AND NOT EXISTS (SELECT 1 FROM sent o JOIN pushes p USING (push) "
                "WHERE o.id = s.id AND o.push <> :push AND o.digest <> x'' AND p.target = :target)"
            )
            many = db.execute(f"SELECT count(*) {gone}", own).fetchone()[0]
            if prune:
                db.execute(
                    f"INSERT INTO todo SELECT NULL, s.id, s.phase, 'gone', s.digest, s.content, s.content, '' {gone} "
                    "ORDER BY s.phase DESC, s.id",
                    own,
                )
        told = dict(db.execute("SELECT state, count(*) FROM todo GROUP BY state").fetchall())
        new, changed = told.get("new", 0), told.get("changed", 0)
        return Counts(new, changed, many, db.execute("SELECT count(*) FROM now").fetchone()[0] - new - changed)

    def kinds(self) -> dict[str, int]:
        """Return how many units of each kind are new or changed, the most frequent first."""
        counted = "SELECT kind, count(*) AS many FROM todo WHERE state <> 'gone' GROUP BY kind ORDER BY many DESC, kind"
        return dict(self._db.execute(counted).fetchall())

    def batches(self, most: int, largest: int) -> Iterator[list[Todo]]:
        """Yield what is to be sent, at most so many units and so many bytes at a time, each batch of one phase."""
        batch: list[Todo] = []
        size = 0
        for each in self._todo():
            length = len(each.unit.content)
            full = len(batch) == most or size + length > largest
            if batch and (full or (each.unit.phase, each.state) != (batch[0].unit.phase, batch[0].state)):
                yield batch
                batch, size = [], 0
            batch.append(each)
            size += length
        if batch:
            yield batch

    def _todo(self) -> Iterator[Todo]:
        place = 0
        while rows := self._db.execute(
            "SELECT place, id, phase, state, digest, content, old FROM todo WHERE place > ? ORDER BY place LIMIT 256",
            [place],
        ).fetchall():
            for place, id_, phase, state, digest, content, old in rows:  # noqa: B007 - the last one counts
                unit = Unit(id_, phase, zlib.decompress(content))
                yield Todo(unit, UnitState(state), None if old is None else zlib.decompress(old), digest)

    def done(self, sent: Iterable[tuple[Todo, bytes]]) -> None:
        """Record what the server has now, each with the content that it was sent with."""
        rows = (
            (
                *(self._push, todo.unit.id, todo.unit.phase),
                b"" if todo.state is UnitState.GONE else todo.digest,
                zlib.compress(content),
            )
            for todo, content in sent
        )
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?, ?)", rows)


@contextmanager
def opened(data: Path, target: str, scope: str) -> Iterator[SentUnits]:
    """Yield what a push has sent, while no other process pushes. Raises BusyError, or GrapherError for a bad file."""
    path = data / FILE
    with locked(data / _LOCK, "what was sent", "export --to"):
        try:
            with closing(sqlite.connect(path)) as db:
                db.executescript(_SCHEMA)
                yield SentUnits(db, target, scope)
        except sqlite.FAULTS as wrong:
            raise GrapherError(
                f"{path} can't be used: {wrong}; move it away, and run it again: everything is then sent once more"
            ) from wrong


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
