"""Imports and what was taken back: the log of `cache add`, and which replies do not count any more.

Each run of `cache add` is an import with an id, and each reply that it brings has that id in its record. To take an
import back is to add a mark to the log: the replies stay as history, and nothing reads them any more. To bring it back
is to add another mark. A reply that a second import gave as well is not written twice; the second one notes its digest,
and it counts until both are taken back. A reply that was fetched counts in any case.

    data/imports/cache/log/000001.jsonl       what began, ended, was taken back or brought back: an event a line
    data/imports/cache/again/000001.jsonl     digests of replies that an import gave and the cache had from another one

Both are segments like all others, so that they are checked and survive a crash in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from intel_grapher.cache.envelope import Area, Envelope
from intel_grapher.cache.segment import Corruption, OnCorruption, Segment, list_segments

AREA: Final[Area] = "imports"
SOURCE: Final = "cache"
LOG: Final = "log"
AGAIN: Final = "again"


class AddedTo(msgspec.Struct, frozen=True):
    """Where an import added replies: how many, and the numbers of the first and the last segment that has some."""

    area: Area
    source: str
    endpoint: str
    replies: int
    first: int
    last: int

    def has(self, segment: Segment) -> bool:
        """Tell whether a segment may hold some of them."""
        place = (segment.area, segment.source, segment.endpoint)
        return place == (self.area, self.source, self.endpoint) and self.first <= segment.number <= self.last


class _Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="what"):
    pass


class Begun(_Event, frozen=True, tag="begun"):
    """An import began: the paths as they were given, and what its options said."""

    paths: list[str]
    source: str = ""
    endpoint: str = ""
    key: str = ""


class Ended(_Event, frozen=True, tag="ended"):
    """An import ended, as a whole or, where `whole` is false, by an error or an interrupt; what it gave."""

    places: list[AddedTo]
    added: int
    already_there: int
    left_out: int
    failures: int = 0
    whole: bool = True


class Removed(_Event, frozen=True, tag="removed"):
    """An import was taken back."""


class Restored(_Event, frozen=True, tag="restored"):
    """What had been taken back was brought back."""


class Dropped(_Event, frozen=True, tag="dropped"):
    """The replies to one question were taken back, whoever had brought them; those of later count."""

    source: str
    endpoint: str
    key: str
    digests: list[bytes]


class Again(msgspec.Struct, frozen=True):
    """Digests of replies of one endpoint that an import gave and the cache had. `after` events stood in the log.

    `dropped` is what had taken some of them back by then (`Import.dropping`). Where it is said, `after` says nothing:
    the logs of several machines become one, and events get other numbers.
    """

    source: str
    endpoint: str
    after: int
    digests: list[bytes]
    dropped: list[str] | None = None


Event = Begun | Ended | Removed | Restored | Dropped


@dataclass
class Import:
    """One run of `cache add`, or the taking back of one question's replies (`dropped`).

    `at` and `removed_at` are epoch seconds, the second None for what is in use. `ended` is None where the process was
    killed.
    """

    id: str
    at: int
    begun: Begun | None = None
    ended: Ended | None = None
    dropped: Dropped | None = None
    removed_at: int | None = None
    dropped_at: int = 0  # the number of the event
    times: int = 0  # how often it was dropped

    def note(self, event: Event, at: int, number: int) -> None:
        """Take in an event of the log: when it was (epoch seconds), and its number."""
        if isinstance(event, Begun):
            self.begun = event
        elif isinstance(event, Ended):
            self.ended = event
        else:
            self.removed_at = None if isinstance(event, Restored) else at
        if isinstance(event, Dropped):
            self.dropped, self.dropped_at = event, number
            self.times += 1

    @property
    def dropping(self) -> str:
        """What tells this dropping from others, on all machines: the id, and how often it was."""
        return f"{self.id}.{self.times}"

    def has(self, segment: Segment) -> bool:
        """Tell whether a segment may hold replies of it."""
        if self.dropped is not None:
            return (segment.source, segment.endpoint) == (self.dropped.source, self.dropped.endpoint)
        return self.ended is None or any(place.has(segment) for place in self.ended.places)


@dataclass(frozen=True)
class Marks:
    """All imports of a cache by id, in their order, and what of their replies is out of use.

    Attributes:
        events: the number of events in the log.
        removed: ids of the imports that are taken back.
        kept: digests of replies of theirs that an import in use gave as well.
        dropped: digests of replies that were taken back one by one.
        damaged: records of the log that can't be read.
    """

    imports: dict[str, Import] = field(default_factory=dict)
    events: int = 0
    removed: frozenset[str] = frozenset()
    kept: frozenset[bytes] = frozenset()
    dropped: frozenset[bytes] = frozenset()
    damaged: int = 0

    def __bool__(self) -> bool:
        """Tell whether any reply is out of use."""
        return bool(self.removed or self.dropped)

    def is_out(self, by: str, digest: bytes) -> bool:
        """Tell whether a reply is out of use: `by` is the import that brought it (empty for none)."""
        return digest in self.dropped or (by in self.removed and digest not in self.kept)

    def dropped_by(self, digests: Iterable[bytes]) -> list[str]:
        """Return what took some of these replies back one by one (`Import.dropping`), sorted."""
        some = set(digests)
        out = (each for each in self.imports.values() if each.dropped is not None and each.removed_at is not None)
        return sorted(each.dropping for each in out if each.dropped and not some.isdisjoint(each.dropped.digests))

    def inputs(self, segment: Segment) -> tuple[object, ...]:
        """Return what the use of a segment's replies depends on; empty where all of them count."""
        touching = self._touching(segment)
        return (touching, sorted(self.kept), sorted(self.dropped)) if touching else ()

    def in_use(self, segment: Segment, on_corruption: OnCorruption, content: bytes | None = None) -> list[Envelope]:
        """Return the envelopes of a segment's replies that count, as `Segment.envelopes` does."""
        if not self._touching(segment):
            return segment.envelopes(on_corruption, content)
        return [
            record.envelope
            for record in segment.records_of(on_corruption, content)
            if not self.is_out(record.envelope.import_, record.digest)
        ]

    def _touching(self, segment: Segment) -> list[str]:
        """Return the ids of what was taken back and may have replies in a segment, sorted."""
        if not self:
            return []
        return sorted(each.id for each in self.imports.values() if each.removed_at is not None and each.has(segment))


NO_MARKS: Final = Marks()


def read_marks(root: Path) -> Marks:
    """Return the marks of the cache at `root`. Raises CacheError where a file of the log can't be read."""
    lost: list[Corruption] = []
    segments = [segment for segment in list_segments(root, [AREA]) if segment.source == SOURCE]
    imports: dict[str, Import] = {}
    events = 0
    for reply in _envelopes((segment for segment in segments if segment.endpoint == LOG), lost):
        events += 1
        try:
            event: Event = msgspec.json.decode(reply.content, type=Event)
        except msgspec.DecodeError:
            lost.append(Corruption(root, None, "not an event of the log", 1))
            continue
        imports.setdefault(reply.key, Import(reply.key, reply.epoch)).note(event, reply.epoch, events)
    out = [each for each in imports.values() if each.removed_at is not None]
    removed = frozenset(each.id for each in out if each.dropped is None)
    dropped = {digest: each for each in out if each.dropped for digest in each.dropped.digests}
    kept: set[bytes] = set()
    for reply in _envelopes((segment for segment in segments if out and segment.endpoint == AGAIN), lost):
        if reply.key not in removed:
            note = msgspec.json.decode(reply.content, type=Again)
            kept.update(note.digests)
            for digest in note.digests:
                by = dropped.get(digest)
                is_known = by is not None and (
                    by.dropped_at <= note.after if note.dropped is None else by.dropping in note.dropped
                )
                if is_known:
                    del dropped[digest]
    damaged = sum(corruption.lost for corruption in lost)
    return Marks(imports, events, removed, frozenset(kept), frozenset(dropped), damaged)


def _envelopes(segments: Iterable[Segment], lost: list[Corruption]) -> Iterable[Envelope]:
    for segment in segments:
        yield from segment.envelopes(lost.append)
