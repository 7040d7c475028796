"""The analyst's own entries in the raw cache: what may be said, how it is kept, what there is, and undoing it.

Nothing is ever changed or removed: an undo is an entry too, and can be undone.
"""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from intel_grapher import keys, rulings, schema, times
from intel_grapher.cache import Cache, Entry
from intel_grapher.errors import BadValue, UsageError
from intel_grapher.model import Label, NodeRef
from intel_grapher.rulings import SOURCE

What = Literal["node", "relationship", "note", "tag", "verdict", "same_as", "take_out", "undo"]
VERDICTS: Final = ("malicious", "suspicious", "benign", "unknown")
_AUTHOR = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
_LONGEST: Final = 10_000


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that an analyst says; each kind has some of these members (`what` tells which)."""

    what: What
    node: NodeRef | None = None
    about: NodeRef | None = None
    start: NodeRef | None = None
    type: str = ""
    end: NodeRef | None = None
    one: NodeRef | None = None
    other: NodeRef | None = None
    text: str = ""
    tag: str = ""
    verdict: str = ""
    first_seen: str = ""
    last_seen: str = ""
    undoes: str = ""


@dataclass(frozen=True)
class Kept:
    """An entry: its id, who made it when (ISO 8601), what it says, and whether it is undone."""

    id: str
    author: str
    at: str
    what: str
    body: dict[str, Any]
    undone: bool


def resolve(end: NodeRef | None, what: str) -> NodeRef:
    """Return a node with its canonical key. UsageError where there can be no such node."""
    if end is None or end.label not in schema.LABELS:
        raise UsageError(f"{what}: name its label and its key")
    try:
        label, key = schema.ANY_NODE.resolve(str(NodeRef(end.label, keys.refang(end.key))))
    except BadValue as wrong:
        raise UsageError(f"{end.key!r} is no {end.label}: {wrong.reason}") from wrong
    return NodeRef(label.name, key)


def checked(said: Said) -> dict[str, Any]:  # noqa: PLR0911 - one return for each thing that can be said
    """Return what is said as an entry's body, keys canonical. UsageError where the schema does not allow it."""
    if said.what == "node":
        node = resolve(said.node, "the node")
        return {"label": node.label, "key": node.key}
    if said.what == "relationship":
        return _relationship(said)
    if said.what in {"note", "tag", "verdict"}:
        return {"about": msgspec.to_builtins(resolve(said.about, "what it is about"))} | _remark(said)
    if said.what == "same_as":
        one, other = resolve(said.one, "the one"), resolve(said.other, "the other")
        if one.label != other.label or one == other:
            raise UsageError(
                f"two nodes of one label can be one: {one.label} {one.key} and {other.label} {other.key} not"
            )
        return {"one": msgspec.to_builtins(one), "other": msgspec.to_builtins(other)}
    if said.what == "take_out":
        if said.node is not None:
            return {"node": msgspec.to_builtins(resolve(said.node, "the node"))}
        return _relationship(said)
    if not said.undoes:
        raise UsageError("say which entry is undone")
    return {"undoes": said.undoes}


def _remark(said: Said) -> dict[str, str]:
    text = {"note": said.text, "tag": said.tag, "verdict": said.verdict}[said.what].strip()
    if not text or len(text) > _LONGEST:
        raise UsageError(f"the {said.what} is empty, or longer than {_LONGEST} characters")
    if said.what == "verdict" and text not in VERDICTS:
        raise UsageError(f"a verdict is one of: {', '.join(VERDICTS)}")
    return {{"note": "text"}.get(said.what, said.what): text}


def _relationship(said: Said) -> dict[str, Any]:
    known = schema.RELATIONSHIPS.get(said.type)
    start, end = resolve(said.start, "where it starts"), resolve(said.end, "where it ends")
    if known is None or (schema.LABELS[start.label], schema.LABELS[end.label]) not in known.joins:
        raise UsageError(f"the schema has no {said.type} from {start.label} to {end.label}")
    if known.fault(start.key, end.key):
        raise UsageError(f"{said.type} does not hold from {start.key} to {end.key}: {known.doc}")
    body = {"start": msgspec.to_builtins(start), "type": said.type, "end": msgspec.to_builtins(end)}
    for name, value in (("first_seen", said.first_seen), ("last_seen", said.last_seen)):
        if value and said.what == "relationship":
            try:
                body[name] = times.text(times.parse(value).seconds)
            except BadValue as wrong:
                raise UsageError(f"{name} {value!r}: {wrong.reason}; write it as 2026-01-31") from wrong
    return body


def offered(label: Label) -> list[dict[str, str]]:
    """Return the relationships that the schema allows from or to a label: type, direction, other label, doc."""
    found = []
    for each in schema.RELATIONSHIPS.values():
        if each is schema.ABOUT:
            continue
        for start, end in each.joins:
            if start is label:
                found.append((each.type, "--" if each.both_ways else "->", end.name, each.doc))
            if end is label and not each.both_ways:
                found.append((each.type, "<-", start.name, each.doc))
    return [dict(zip(("type", "direction", "label", "doc"), each, strict=True)) for each in dict.fromkeys(found)]


def keep(cache: Cache, author: str, said: Said) -> Kept:
    """Add an entry to the raw cache; return it. UsageError where it can't be said, BusyError where another writes."""
    if not _AUTHOR.fullmatch(author.strip()):
        raise UsageError("say who you are: the author of an entry has 1 to 100 characters")
    body = {"author": author.strip(), **checked(said)}
    if said.what == "undo" and said.undoes not in {each.id for each in entries(cache)}:
        raise UsageError(f"there is no entry {said.undoes!r} to undo")
    name, at = uuid.uuid4().hex, int(time.time())
    entry = Entry(
        source=SOURCE, endpoint=said.what, key=name, fetched_at=at, status=200, body=msgspec.json.encode(body)
    )
    with cache.writer("an analyst's entry") as writer:
        writer.add(entry)
    return Kept(name, author.strip(), times.text(at), said.what, body, undone=False)


def entries(cache: Cache) -> list[Kept]:
    """Return all entries, the newest first."""
    undone = rulings.rulings(cache).undone
    found = [
        Kept(entry.key, str(body.get("author", "")), times.text(entry.epoch), what, body, entry.key in undone)
        for entry, what, body in rulings.read(cache, dict[str, Any])
    ]
    return sorted(found, key=lambda each: each.at, reverse=True)


def touched(kept: Kept) -> list[NodeRef]:
    """Return the nodes that an entry is about."""
    found = [kept.body.get(name) for name in ("node", "about", "start", "end", "one", "other")]
    if "label" in kept.body:
        found.append({"label": kept.body["label"], "key": kept.body["key"]})
    return [
        NodeRef(each["label"], each["key"])
        for each in found
        if isinstance(each, dict) and {"label", "key"} <= each.keys()
    ]
