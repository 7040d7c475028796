"""Orphans: what intel-grapher has written to a store, and nothing there names any more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from intel_grapher.cache.envelope import ALL_AREAS
from intel_grapher.cache.listing import PAGES, SharedListing
from intel_grapher.objects import GRACE_SECONDS, Objects, Stat, Version
from intel_grapher.set_copy import FILE, SharedSets

_FOLDERS: Final = (*ALL_AREAS, PAGES, "sets")
_OURS: Final = re.compile(
    rf"({'|'.join(ALL_AREAS)})/\w+/\w+/[0-9]+-[0-9]+-[0-9a-f]{{16}}\.jsonl\.zst|{PAGES}/[0-9a-f]{{16}}\.json|"
    rf"sets/[0-9a-f]{{16}}/(files\.json|{FILE})"
)
_BATCH: Final = 500
_BATCH_BYTES: Final = 128 << 20


def orphans(objects: Objects) -> list[Stat]:
    """Return the orphans that are older than GRACE_SECONDS, by name.

    Nothing else below the URL is among them: no object of somebody else's, and none that counts. A segment that was
    retired, or a set that others took the place of, is an orphan when that is as long ago. The time is the store's. The
    objects are listed before what names them is read, so that none that is named meanwhile is among them.
    """
    long_ago = objects.now() - GRACE_SECONDS
    found = [each for each in objects.names(*_FOLDERS) if _OURS.fullmatch(each.name) and each.modified < long_ago]
    named = _Named(objects, long_ago).now()
    return sorted(each for each in found if each.name not in named)


def remove(objects: Objects, found: Iterable[Stat]) -> list[Stat]:
    """Remove orphans, and return those that were.

    What another machine has named since they were found stays, and so does what it has written once more and is about
    to name. No store deletes under a condition: a segment that is named in that very moment is put back.
    """
    long_ago = objects.now() - GRACE_SECONDS
    naming = _Named(objects, long_ago)
    removed: list[Stat] = []
    named = naming.now()
    for batch in _batches(found):
        contents: dict[str, bytes] = {}
        for each in batch:
            if each.name in named:
                continue
            is_of_set = each.name.startswith("sets/")  # can be made anew, and may be large
            there = objects.stat(each.name) if is_of_set else objects.find(each.name)
            if there is not None and there.modified < long_ago:
                if isinstance(there, Version):
                    contents[each.name] = there.content
                objects.delete([each.name])
                removed.append(each)
        named = naming.now()
        for name in contents.keys() & named:
            objects.put_new(name, contents[name])
    return [each for each in removed if each.name not in named]


class _Named:
    """What a store names, or has named since a moment (epoch seconds)."""

    def __init__(self, objects: Objects, since: float) -> None:
        self._listing = SharedListing(objects)
        self._sets = SharedSets(objects)
        self._since = since
        self._files: dict[str, set[str]] = {}

    def now(self) -> set[str]:
        """Return the names of objects as of now."""
        listing = self._listing.read()
        named = {*listing.pages, *listing.segments}
        named |= {name for name, since in listing.retired.items() if since >= self._since}
        for each in self._sets.read().sets:
            if not each.since or each.since >= self._since:
                if each.id not in self._files:
                    files = {file.object for file in self._sets.files(each).values()}
                    self._files[each.id] = {f"sets/{each.id}/files.json", *files}
                named |= self._files[each.id]
        return named


def _batches(found: Iterable[Stat]) -> Iterator[list[Stat]]:
    """Yield objects in lists of at most _BATCH, and of about _BATCH_BYTES."""
    batch: list[Stat] = []
    size = 0
    for each in found:
        batch.append(each)
        size += each.size
        if len(batch) >= _BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    yield batch
