"""To whom a reply may be passed on: what it says of itself, and what analysts said of what it is about."""

from __future__ import annotations

from contextlib import suppress

from intel_grapher import tlp
from intel_grapher.analyst.entries import SOURCE, TagEntry, read
from intel_grapher.analyst.overrides import overrides_of, replies
from intel_grapher.cache import Cache, Envelope
from intel_grapher.errors import BadValue


def marked_keys(cache: Cache) -> dict[str, str]:
    """Return the strictest TLP level that analysts gave to nodes, by the nodes' keys; undone tags do not count."""
    undone = overrides_of(cache).undone
    found: dict[str, str] = {}
    for reply, what in replies(cache):
        if reply.key in undone:
            continue
        try:
            entry = read(what, reply.content)
        except BadValue:
            continue
        level = tlp.of_tag(entry.tag) if isinstance(entry, TagEntry) else None
        if isinstance(entry, TagEntry) and level is not None:
            found[entry.about.key] = tlp.strictest([level, found.get(entry.about.key)]) or level
    return found


def level(reply: Envelope, marked: dict[str, str]) -> str | None:
    """Return the strictest TLP level that a reply names, or that its key, or an entry's nodes, are marked with."""
    keys = [reply.key]
    if reply.source == SOURCE:
        with suppress(BadValue):
            keys += [node.key for node in read(reply.endpoint, reply.content).nodes]
    return tlp.strictest([tlp.stated(reply.content), *(marked.get(key) for key in keys)])
