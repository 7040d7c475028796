"""Power cuts: what a command does to files is recorded, and the disk is made as it may be after a cut at any moment.

`faults.c` records each change of a file or a folder. A disk keeps what was synced; of all else it may keep anything.
So after a cut there is, in the place of what was not synced, the former state, the later one, zeros, or some of each.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

PAGE = 4096
_HEAD = struct.Struct("<IQqIII")


class Kind(IntEnum):
    """The kinds of events, as `faults.c` numbers them."""

    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    SYNC = 4
    RENAME = 5
    EXCHANGE = 6
    UNLINK = 7
    RMDIR = 8
    MKDIR = 9
    LINK = 10


class Event(NamedTuple):
    """One change: `at` is an offset or a size."""

    kind: Kind
    inode: int
    at: int
    first: str
    second: str
    data: bytes


class Mode(NamedTuple):
    """What a disk keeps of what was not synced: of names and of data each the "former" state, the "later", or some."""

    names: str
    data: str


MODES = (
    Mode("former", "former"),
    Mode("later", "former"),
    Mode("later", "zeros"),
    Mode("former", "later"),
    Mode("some", "some"),
)


@dataclass
class File:
    """A file's bytes, and those that were synced."""

    number: int
    data: bytearray = field(default_factory=bytearray)
    synced: bytes = b""


@dataclass
class Folder:
    """A folder's entries, and those that were synced."""

    number: int
    entries: dict[str, File | Folder] = field(default_factory=dict)
    synced: dict[str, File | Folder] = field(default_factory=dict)


Node = File | Folder


def events(log: Path) -> list[Event]:
    """Return what was recorded."""
    found, data, place = [], log.read_bytes(), 0
    while place < len(data):
        kind, inode, at, *sizes = _HEAD.unpack_from(data, place)
        place += _HEAD.size
        parts = []
        for size in sizes:
            parts.append(data[place : place + size])
            place += size
        found.append(Event(Kind(kind), inode, at, os.fsdecode(parts[0]), os.fsdecode(parts[1]), parts[2]))
    return found


class Disk:
    """A folder's tree as it is now, all of it synced, and then changed by events."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._inodes: dict[int, Node] = {}
        self.nodes: list[Node] = []
        self.top = self._scan(root)

    def _scan(self, path: Path) -> Folder:
        folder = self._folder(path.stat().st_ino)
        for each in sorted(path.iterdir()):
            if each.is_dir():
                folder.entries[each.name] = self._scan(each)
                continue
            inode = each.stat().st_ino
            file = self._inodes.get(inode)  # one of several names?
            folder.entries[each.name] = file or self._file(inode, each.read_bytes())
        folder.synced = dict(folder.entries)
        return folder

    def _file(self, inode: int, data: bytes = b"") -> File:
        made = File(len(self.nodes), bytearray(data), data)
        self._inodes[inode] = made
        self.nodes.append(made)
        return made

    def _folder(self, inode: int) -> Folder:
        made = Folder(len(self.nodes))
        self._inodes[inode] = made
        self.nodes.append(made)
        return made

    def _place(self, path: str) -> tuple[Folder, str] | None:
        """Return the folder that a path is in, and its name there; None outside of the tree."""
        try:
            *above, name = Path(path).relative_to(self.root).parts
        except ValueError:
            return None
        folder: Node = self.top
        for each in above:
            if not isinstance(folder, Folder) or each not in folder.entries:
                return None
            folder = folder.entries[each]
        return (folder, name) if isinstance(folder, Folder) else None

    def apply(self, event: Event) -> None:
        node = self._inodes.get(event.inode)
        if event.kind is Kind.WRITE and isinstance(node, File):
            node.data.extend(bytes(max(event.at - len(node.data), 0)))
            node.data[event.at : event.at + len(event.data)] = event.data
        elif event.kind is Kind.TRUNCATE and isinstance(node, File):
            node.data[event.at :] = bytes(max(event.at - len(node.data), 0))
        elif event.kind is Kind.SYNC and isinstance(node, File):
            node.synced = bytes(node.data)
        elif event.kind is Kind.SYNC and isinstance(node, Folder):
            node.synced = dict(node.entries)
        elif event.first and (place := self._place(event.first)):
            self._change(event, *place)

    def _change(self, event: Event, folder: Folder, name: str) -> None:
        if event.kind is Kind.CREATE:
            file = folder.entries.get(name)
            if file is None:
                folder.entries[name] = self._file(event.inode)
            elif isinstance(file, File) and event.at == 0:
                file.data.clear()
        elif event.kind is Kind.MKDIR:
            folder.entries[name] = self._folder(event.inode)
        elif event.kind in {Kind.UNLINK, Kind.RMDIR}:
            folder.entries.pop(name, None)
        elif (second := self._place(event.second)) and name in folder.entries:
            other, to = second
            if event.kind is Kind.EXCHANGE:
                folder.entries[name], other.entries[to] = other.entries[to], folder.entries[name]
            elif event.kind is Kind.LINK:
                other.entries[to] = folder.entries[name]
            else:
                other.entries[to] = folder.entries.pop(name)

    def files(self) -> dict[str, bytes]:
        """Return the files as they are now, by path."""
        return dict(self._files(self.top, ""))

    def _files(self, folder: Folder, path: str) -> Iterator[tuple[str, bytes]]:
        for name, node in folder.entries.items():
            if isinstance(node, Folder):
                yield from self._files(node, f"{path}{name}/")
            else:
                yield f"{path}{name}", bytes(node.data)


class Recording:
    """The tree in which a command began, and what it did. `cuts` are the moments right before and after a change.

    Of many writes in a row, one moment in between is enough.
    """

    def __init__(self, before: Disk, log: Path) -> None:
        self._before = before
        self.events = events(log)
        kinds = [each.kind for each in self.events]
        alike = (one == other == Kind.WRITE for one, other in pairwise(kinds))
        self.cuts = [0, *(number for number, dull in enumerate(alike, 1) if not dull), len(kinds)]

    def _disk(self, cut: int) -> Disk:
        """Return the tree after so many events."""
        disk = deepcopy(self._before)
        for event in self.events[:cut]:
            disk.apply(event)
        return disk

    def check(self) -> str:
        """Return what the recording lacks: replayed as a whole, it must give the tree that the command left."""
        replayed = self._disk(len(self.events)).files()
        root = self._before.root
        found = {
            str(path.relative_to(root)): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file() and not path.name.endswith("-shm")
        }
        differing = [name for name in {*found, *replayed} if found.get(name) != replayed.get(name)]
        return f"the recording lacks what was done to {sorted(differing)[:5]}" if differing else ""

    def restore(self, cut: int, mode: Mode, chance: random.Random, home: Path) -> None:
        """Make a folder as the disk may be after a cut of the power after so many events."""
        disk = self._disk(cut)
        names = disk
        if mode.names == "some":  # a journal keeps the order: what was done up to some moment after the last sync
            synced = [number for number, each in enumerate(self.events[:cut], 1) if each.kind is Kind.SYNC]
            names = self._disk(chance.randint(synced[-1] if synced else 0, cut))
        made: dict[int, Path] = {}

        def write(folder: Folder, place: Path) -> None:
            place.mkdir(parents=True)
            for name, node in sorted((folder.synced if mode.names == "former" else folder.entries).items()):
                if isinstance(node, Folder):
                    write(node, place / name)
                elif node.number in made:
                    (place / name).hardlink_to(made[node.number])
                else:
                    made[node.number] = place / name
                    made[node.number].write_bytes(_kept(disk.nodes[node.number], mode, chance))

        shutil.rmtree(home, ignore_errors=True)
        write(names.top, home)


def _kept(file: Node, mode: Mode, chance: random.Random) -> bytes:
    """Return what a disk keeps of a file."""
    assert isinstance(file, File)
    if mode.data == "former":
        return file.synced
    if mode.data == "later":
        return bytes(file.data)
    size = len(file.data)
    old = file.synced[:size].ljust(size, b"\0")
    if mode.data == "zeros":
        return old
    pages = range(0, size, PAGE)
    return b"".join((file.data if chance.random() < 0.5 else old)[page : page + PAGE] for page in pages)
