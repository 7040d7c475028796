"""Two stores of a stopped Neo4j change places: the one just imported becomes the one that is served.

    data/databases/neo4j      data/transactions/neo4j        the live store
    data/databases/NEW        data/transactions/NEW          a store imported beside it
    data/old/databases        data/old/transactions          the live store of before, kept until told otherwise
    data/trash                                               what is being deleted
    data/swap.json                                           there only while renames are under way

A store is two folders, so a swap is several renames. What they are to achieve is written down first, and each asks
what is there before it acts; so the whole can be done again from wherever a killed process left it.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from intel_grapher import disk
from intel_grapher.errors import LoadError

PARTS = ("databases", "transactions")


class StoreSwap:
    """The stores under a Neo4j's data folder. Every method wants the server stopped and nobody else at work."""

    def __init__(self, data: Path, live: str) -> None:
        self.data = data
        self.live = live
        self._old = data / "old"
        self._trash = data / "trash"
        self._note = data / "swap.json"

    def has_room_for(self, database: str) -> bool:
        """Tell whether a copy of a store would leave as much room again on the disk."""
        files = (file for part in PARTS for file in (self.data / part / database).rglob("*"))
        return shutil.disk_usage(self.data).free > 2 * sum(file.stat().st_size for file in files)

    def copy(self, database: str, to: str) -> None:
        """Copy a store that nothing is at work on; what is there under the other name goes."""
        self.remove(to)
        for part in PARTS:
            shutil.copytree(self.data / part / database, self.data / part / to)

    def remove(self, database: str) -> None:
        """Delete a store beside the live one, or what is there of it."""
        for part in PARTS:
            shutil.rmtree(self.data / part / database, ignore_errors=True)

    def swap_in(self, new: str) -> None:
        """Put the store `new` in the live one's place, and keep that one.

        A store kept from an earlier swap is the last that anyone approved of, so it comes back first and the one that
        replaced it goes. Raises LoadError where `new` is not a whole store.
        """
        if re.fullmatch(r"[a-z][a-z0-9.-]{2,62}", new) is None or new in {self.live, "system"}:
            raise LoadError(f"{new!r} is not the name of a database that could replace `{self.live}`")
        for part in PARTS:
            if not (self.data / part / new).is_dir():
                raise LoadError(f"{self.data / part / new} is not there: import into database `{new}` first")
        if self._old.exists():
            self.swap_back()
        self._write_down("in", new)
        self.repair()

    def swap_back(self) -> None:
        """Put the kept store back in its place and delete the one that is there; LoadError where none was kept."""
        if not self._old.exists():
            raise LoadError(f"{self._old} is not there: no earlier store was kept, so none can come back")
        shutil.rmtree(self._trash, ignore_errors=True)
        self._write_down("back", "")
        self.repair()

    def drop_old(self) -> None:
        """Delete the kept store, if there is one."""
        if self._old.exists():
            shutil.rmtree(self._trash, ignore_errors=True)
            _move(self._old, self._trash)
        shutil.rmtree(self._trash, ignore_errors=True)

    @property
    def unapproved(self) -> bool:
        """True if an earlier store is kept: whoever swapped has not approved of the one in its place."""
        return self._old.exists()

    def recover(self) -> None:
        """Finish what was begun by a process that was killed, and put the store back that it kept."""
        self.repair()
        if self.unapproved:
            self.swap_back()

    def repair(self) -> None:
        """Finish what was begun, wherever it was left."""
        try:
            note = json.loads(self._note.read_bytes())
        except FileNotFoundError:
            shutil.rmtree(self._trash, ignore_errors=True)
            return
        for part in PARTS:
            live, old, trash = self.data / part / self.live, self._old / part, self._trash / part
            if note["way"] == "in":
                new = self.data / part / note["new"]
                if new.exists() and live.exists():
                    _move(live, old)
                if new.exists():
                    _move(new, live)
            else:
                if live.exists() and not trash.exists():
                    _move(live, trash)
                if old.exists():
                    _move(old, live)
        if note["way"] == "in":
            self._old.mkdir(exist_ok=True)  # empty where there was no store before: that too can be gone back to
        elif self._old.exists():
            self._old.rmdir()
        disk.sync(self.data)
        self._note.unlink()
        disk.sync(self.data)
        shutil.rmtree(self._trash, ignore_errors=True)

    def _write_down(self, way: str, new: str) -> None:
        disk.write_atomically(self._note, json.dumps({"way": way, "new": new}).encode())


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    source.rename(target)
    disk.sync(target.parent)
    disk.sync(source.parent)
