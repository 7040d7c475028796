"""Adding analysts' entries to a raw cache, and listing those that it has."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from intel_grapher import times
from intel_grapher.analyst.entries import (
    SOURCE,
    VARIANTS,
    AnalystEntry,
    InvalidEntry,
    UndoEntry,
    document,
    read,
)
from intel_grapher.analyst.overrides import overrides_of, replies
from intel_grapher.cache import Cache, Entry
from intel_grapher.errors import UsageError
from intel_grapher.model import NodeRef


@dataclass(frozen=True)
class StoredEntry:
    """An entry of a cache: its id, when it was made (ISO 8601), its variant's tag, what it says, whether it is undone.

    `touched` are the nodes that it names. `fault` says why an entry is passed over; it then has no `body`.
    """

    id: str
    author: str
    at: str
    what: str
    body: dict[str, Any]
    touched: tuple[NodeRef, ...]
    undone: bool = False
    fault: str = ""


def keep(cache: Cache, entry: AnalystEntry) -> StoredEntry:
    """Check an entry and add it to the cache; return it. It is durable then.

    Raises UsageError where it can't be said, BusyError where another process writes to the cache.
    """
    [made] = stated(cache, [entry])
    write(cache, [made])
    return made


def stated(cache: Cache, entries: Sequence[AnalystEntry], waiting: Collection[str] = ()) -> list[StoredEntry]:
    """Return entries as of now, each checked and with an id. Nothing is written.

    `waiting` are the ids of entries that are not in the cache yet and may be undone as well. Raises UsageError where
    one can't be said.
    """
    at = times.text(int(time.time()))
    known: set[str] | None = None
    made = []
    for each in entries:
        try:
            entry = each.checked()
        except InvalidEntry as invalid:
            raise UsageError(invalid.detail) from invalid
        if isinstance(entry, UndoEntry):
            known = known if known is not None else {*waiting, *(reply.key for reply, _ in replies(cache))}
            if entry.undoes not in known:
                raise UsageError(f"there is no entry {entry.undoes!r} to undo")
        made.append(StoredEntry(_new_id(), entry.author, at, _tag(entry), document(entry), entry.nodes))
    return made


def write(cache: Cache, entries: Iterable[StoredEntry]) -> None:
    """Add stated entries to the cache, all of them at once. Raises BusyError where another process writes to it."""
    with cache.writer("an analyst's entry") as writer:
        for each in entries:
            body, at = msgspec.json.encode(each.body), times.parse(each.at).seconds
            writer.add(Entry(source=SOURCE, endpoint=each.what, key=each.id, fetched_at=at, status=200, body=body))


def check(reply: Entry) -> None:
    """Raise InvalidEntry where a reply that is to be added to a cache is an analyst's entry that must not be."""
    if reply.source == SOURCE:
        read(reply.endpoint, reply.body)


def stored(cache: Cache) -> list[StoredEntry]:
    """Return all entries of a cache, newest first, those that are undone or faulty included."""
    undone = overrides_of(cache).undone
    found = []
    for reply, what in replies(cache):
        id_, at = reply.key, times.text(reply.epoch)
        try:
            entry = read(what, reply.content)
        except InvalidEntry as invalid:
            found.append(StoredEntry(id_, "", at, what, {}, (), id_ in undone, invalid.reason))
        else:
            found.append(StoredEntry(id_, entry.author, at, what, document(entry), entry.nodes, id_ in undone))
    return sorted(found, key=lambda entry: entry.at, reverse=True)


def _new_id() -> str:
    """Return 32 hex digits: the time, so that of two entries of one second the later one sorts last; then chance."""
    return f"{time.time_ns():016x}{uuid.uuid4().hex[:16]}"


def _tag(entry: AnalystEntry) -> str:
    return next(tag for tag, variant in VARIANTS.items() if isinstance(entry, variant))
