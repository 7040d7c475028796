"""Imports as they are made, taken back and brought back: what writes the log that `marks` reads."""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import msgspec

from intel_grapher.cache.envelope import Area, Entry, digest, encode
from intel_grapher.cache.marks import (
    AGAIN,
    AREA,
    LOG,
    SOURCE,
    AddedTo,
    Again,
    Begun,
    Dropped,
    Ended,
    Event,
    Import,
    Marks,
    Removed,
    Restored,
)
from intel_grapher.cache.store import Cache
from intel_grapher.cache.writer import Writer
from intel_grapher.errors import CacheError, UsageError

SHORTEST_ID: Final = 4
"""Digits of an id that are enough where no other id begins with them."""
MOST_SHOWN: Final = 20
_NOTED: Final = 50_000  # digests in one note


class ImportRun:
    """One run of `cache add`: notes in the log that it began, what it gave, and that it ended.

    Use it in a `with` statement. A run that gives nothing leaves nothing in the log. After an error or an interrupt
    what it gave so far is noted; after a kill only that it began, and that is enough to take it back.

    Attributes:
        id: the import's id, eight hex digits.
        left_out: how many replies were left out; the caller counts them.
        failures: how many replies were added that are no answers; the caller counts them.
    """

    def __init__(self, writer: Writer, begun: Begun) -> None:
        self.id = secrets.token_hex(4)
        self.left_out = 0
        self.failures = 0
        self._writer = writer
        self._begun = begun
        self._has_begun = False
        self._added = 0
        self._there = 0
        self._replies: dict[tuple[Area, str, str], list[int]] = {}  # how many, first and last segment
        self._again: defaultdict[tuple[str, str], list[bytes]] = defaultdict(list)

    @property
    def gave(self) -> bool:
        """Whether the run gave anything that could be taken back."""
        return self._has_begun

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Note the end. An error on its way is not covered by a second one."""
        if error is None:
            self._end(whole=True)
        else:
            with suppress(CacheError):
                self._end(whole=False)

    def add(self, entry: Entry, area: Area, also: Area | None = None) -> bool:
        """Add a reply unless the same one is in use already, and return whether it was added.

        `also` is a second area that gets it as well.
        """
        if not self._has_begun:
            _note(self._writer, self.id, self._begun)
            self._writer.sync()
            self._has_begun = True
        added = self._place(entry, area)
        if also is not None:
            self._place(entry, also)
        self._added += added
        self._there += not added
        return added

    def _place(self, entry: Entry, area: Area) -> bool:
        placed = self._writer.place(entry, area, self.id)
        if placed.is_new:
            where = self._replies.setdefault((area, entry.source, entry.endpoint), [0, placed.segment, 0])
            where[0] += 1
            where[2] = placed.segment
            return True
        marks = self._writer.marks
        if placed.by != self.id and (placed.by or placed.digest in marks.dropped):
            noted = self._again[entry.source, entry.endpoint]
            noted.append(placed.digest)
            if len(noted) == _NOTED:
                self._note_again()
        return placed.by != self.id and marks.is_out(placed.by, placed.digest)

    def _note_again(self) -> None:
        marks = self._writer.marks
        for (source, endpoint), digests in self._again.items():
            note = Again(source, endpoint, marks.events, digests, marks.dropped_by(digests))
            self._writer.add(_entry(AGAIN, self.id, note), AREA)
        self._again.clear()

    def _end(self, *, whole: bool) -> None:
        if not self._has_begun:
            return
        self._note_again()
        places = [AddedTo(*place, *counted) for place, counted in sorted(self._replies.items())]
        _note(
            self._writer,
            self.id,
            Ended(
                places=places,
                added=self._added,
                already_there=self._there,
                left_out=self.left_out,
                failures=self.failures,
                whole=whole,
            ),
        )


class Rehearsal:
    """A run of `cache add` that keeps nothing: what it would add, in counts and as the first MOST_SHOWN entries."""

    def __init__(self, cache: Cache) -> None:
        self.id = ""
        self.gave = False
        self.left_out = 0
        self.failures = 0
        self.first: list[tuple[Area, Entry]] = []
        self._cache = cache

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""

    def add(self, entry: Entry, area: Area, also: Area | None = None) -> bool:  # noqa: ARG002 - as of ImportRun
        """Return whether a reply would be added."""
        mark = digest(memoryview(encode(entry))[:-1])
        there = self._cache.history(entry.key, entry.source, entry.endpoint)
        if any(found.digest == mark for found in there):
            return False
        if len(self.first) < MOST_SHOWN:
            self.first.append((area, entry))
        return True


def find_import(marks: Marks, id_: str) -> Import:
    """Return the import with an id, or with the only id that begins so. Raises UsageError where there is none."""
    wanted = id_.strip().lower()
    found = [each for each in marks.imports.values() if each.id.startswith(wanted)]
    if len(wanted) >= SHORTEST_ID and len(found) == 1:
        return found[0]
    if len(found) > 1 and len(wanted) >= SHORTEST_ID:
        raise UsageError(f"{len(found)} imports have an id that begins with {wanted!r}: give more of it")
    raise UsageError(f"there is no import {id_!r}; `intel-grapher cache imports` lists those that there are")


def take_back(cache: Cache, writer: Writer, id_: str) -> Import:
    """Take an import out of use, and return it as it was. Raises UsageError where there is none with this id.

    Nothing is done for one that is out of use already.
    """
    found = find_import(cache.marks, id_)
    if found.removed_at is None:
        _note(writer, found.id, found.dropped or Removed())
    return found


def bring_back(cache: Cache, writer: Writer, id_: str) -> Import:
    """Bring an import that was taken back into use again, and return it as it was. Raises UsageError as `take_back`."""
    found = find_import(cache.marks, id_)
    if found.removed_at is not None:
        _note(writer, found.id, Restored())
    return found


def drop(cache: Cache, writer: Writer, source: str, endpoint: str, key: str) -> tuple[str, int]:
    """Take all replies to a question about a key out of use; return the id to bring them back by, and their number.

    Replies that come later count. Raises UsageError where no reply is in use.
    """
    found = {reply.digest for reply in cache.history(key, source, endpoint)}
    if not found:
        raise UsageError(
            f"no reply of {source}/{endpoint} for {key!r} is in use; `intel-grapher cache show KEY` prints what is kept"
        )
    id_ = secrets.token_hex(4)
    _note(writer, id_, Dropped(source=source, endpoint=endpoint, key=key, digests=sorted(found)))
    return id_, len(found)


def _note(writer: Writer, id_: str, event: Event) -> None:
    writer.add(_entry(LOG, id_, event), AREA)


def _entry(endpoint: str, id_: str, body: msgspec.Struct) -> Entry:
    now = int(time.time())
    return Entry(source=SOURCE, endpoint=endpoint, key=id_, fetched_at=now, status=200, body=msgspec.json.encode(body))
