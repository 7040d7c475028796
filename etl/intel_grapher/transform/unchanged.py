"""What a new set of flat files takes over from the old one: each group that would come out the same.

A group's rows follow from the staged facts they are made of, the analyst's rulings, and the code that merges and
writes. A mark of all these is kept, with what each file looked like when it was written. Where nothing of it differs,
the file is given a second name in the new set.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from intel_grapher import files as flat_files
from intel_grapher.analyst.overrides import Overrides
from intel_grapher.files import Content, Files, Group
from intel_grapher.source import discover
from intel_grapher.transform import base, merge, ranks
from intel_grapher.transform.stage import Staged, digest_of, groups_of

WRITTEN = "written.json"
PACKAGES = ("duckdb", "pyarrow")


class Written(msgspec.Struct, frozen=True):
    """A group as it was written: the mark of what it came from, its content, each file's size and time (in ns)."""

    mark: str
    content: Content
    files: dict[str, tuple[int, int]]


class Unchanged:
    """What was written last time at a place, and what is written there now. `kept` is where the staged facts are.

    `marks` has for each group a mark of all that its rows follow from.
    """

    def __init__(self, kept: Path, old: Files, marks: dict[Group, str], formats: Sequence[str]) -> None:
        self._path = kept / WRITTEN
        self._old = old
        self._formats = formats
        self._marks = marks
        self._now: dict[str, Written] = {}
        self._before: dict[str, Written] = {}
        with suppress(OSError, msgspec.MsgspecError):
            self._before = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Written])

    def take(self, group: Group, new: Files) -> Content | None:
        """Take a group's files over into a new set, and return what is in them; None where they have to be written."""
        written = self._before.get(str(group))
        if not written or written.mark != self._marks.get(group) or written.files.keys() != set(self._formats):
            return None
        names = {self._old.path(group, suffix): new.path(group, suffix) for suffix in self._formats}
        try:
            if [_look(old) for old in names] != [written.files[suffix] for suffix in self._formats]:
                return None
            for old, path in names.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                os.link(old, path)
        except OSError:  # a file is gone, or this file system gives no second names
            for path in names.values():
                path.unlink(missing_ok=True)  # else what is written there would go into the old set
            return None
        self._now[str(group)] = written
        return written.content

    def note(self, group: Group, content: Content, new: Files) -> None:
        """Remember a group that has been written."""
        if group in self._marks:
            files = {suffix: _look(new.path(group, suffix)) for suffix in self._formats}
            self._now[str(group)] = Written(self._marks[group], content, files)

    def keep(self) -> None:
        """Write down what there is now, for the next time."""
        new = self._path.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(self._now))
        new.rename(self._path)


def _look(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def code_of(ruled: Overrides) -> str:
    """Return a mark of what all groups' rows follow from: the analyst's rulings, the sources, the code that merges."""
    said = (
        sorted(ruled.nodes_out),
        sorted(ruled.relationships_out),
        sorted(ruled.same.items()),
        list(discover()),
        digest_of([base, merge, ranks, flat_files], PACKAGES),
    )
    return sha256(repr(said).encode()).hexdigest()[:32]


def marks_of(staged: list[Staged], kept: Path, code: str) -> dict[Group, str]:
    """Return for each group a mark of all that its rows follow from; of a node's, also what relationships say of it.

    There are none where not all is kept that was staged.
    """
    if any(Path(each.path).parent != kept for each in staged):
        return {}
    groups = groups_of(staged)
    found = {}
    for group in groups:
        names = {str(group)}
        if not group.type:
            names |= {str(each) for each in groups if group.start in each.labels}
        of = sorted(Path(each.path).name for each in staged if not names.isdisjoint(each.tables))
        found[group] = sha256(repr((str(group), of, code)).encode()).hexdigest()[:32]
    return found
