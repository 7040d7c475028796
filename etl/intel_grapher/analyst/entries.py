"""The variants of an analyst's entry, as one tagged union, and the check that each must pass.

An entry is one reply in the raw cache: its endpoint is the variant's tag (`what`), its key the entry's own id, and its
body the entry in JSON. Bodies of older versions have no member `what`; the endpoint tells it. `read` is the only way
from a body to an entry: the page, `cache add`, the mappings of `intel_grapher.sources.analyst` and the overrides use
it, so that the same rules hold for each.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal, Self

import msgspec

from intel_grapher import keys, schema, times
from intel_grapher.errors import BadValue
from intel_grapher.model import Label, NodeRef

SOURCE: Final = "analyst"
VERDICTS: Final = ("malicious", "suspicious", "benign", "unknown")
LONGEST: Final = 10_000  # characters of a note, tag or verdict
_AUTHOR: Final = re.compile(r"[^\x00-\x1f\x7f]{1,100}")


class InvalidEntry(BadValue):
    """An entry that must not be taken in. `reason` is a fixed phrase, `detail` a sentence that names the values."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.detail = detail


class _Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="what"):
    author: str

    @property
    def nodes(self) -> tuple[NodeRef, ...]:
        """The nodes that the entry names."""
        return ()

    def checked(self) -> Self:
        """Return the entry in its canonical form. Raises InvalidEntry where the schema or a rule forbids it."""
        author = self.author.strip()
        if not _AUTHOR.fullmatch(author):
            raise InvalidEntry("no author", "say who you are: the author of an entry has 1 to 100 characters")
        return msgspec.structs.replace(self, author=author)


class NodeEntry(_Entry, frozen=True, tag="node"):
    """A node that the analyst adds."""

    label: str
    key: str

    @property
    def nodes(self) -> tuple[NodeRef, ...]:
        """The node that is added."""
        return (NodeRef(self.label, self.key),)

    def checked(self) -> Self:
        """Return the entry with its canonical key."""
        node = _canonical(NodeRef(self.label, self.key), "the node")
        return msgspec.structs.replace(super().checked(), label=node.label, key=node.key)


class RelationshipEntry(_Entry, frozen=True, tag="relationship"):
    """A relationship that the analyst adds. The dates are in any form that `times.parse` reads."""

    start: NodeRef
    type: str
    end: NodeRef
    first_seen: str | None = None
    last_seen: str | None = None

    @property
    def nodes(self) -> tuple[NodeRef, ...]:
        """The relationship's ends."""
        return self.start, self.end

    def checked(self) -> Self:
        """Return the entry with canonical keys and dates in ISO 8601."""
        start, end = _canonical_ends(self.start, self.type, self.end)
        first_seen, last_seen = _date("first_seen", self.first_seen), _date("last_seen", self.last_seen)
        return msgspec.structs.replace(
            super().checked(), start=start, end=end, first_seen=first_seen, last_seen=last_seen
        )


class NoteEntry(_Entry, frozen=True, tag="note"):
    """A note on a node."""

    about: NodeRef
    text: str

    @property
    def nodes(self) -> tuple[NodeRef, ...]:
        """The node that it is about."""
        return (self.about,)

    def checked(self) -> Self:
        """Return the entry with its canonical key, and its text without outer white space."""
        return msgspec.structs.replace(super().checked(), about=_subject(self.about), text=_text("note", self.text))


class TagEntry(_Entry, frozen=True, tag="tag"):
    """A tag of a node."""

    about: NodeRef
    tag: str

    @property
    def nodes(self) -> tuple[NodeRef, ...]:
        """The node that it is about."""
        return (self.about,)

    def checked(self) -> Self:
        """Return the entry with its canonical key, and its tag without outer white space."""
        return msgspec.structs.replace(super().checked(), about=_subject(self.about), tag=_text("tag", self.tag))


class VerdictEntry(_Entry, frozen=True, tag="verdict"):
    """A verdict on a node, one of VERDICTS."""

    about: NodeRef
    verdict: str

    @property
    def nodes(self) -> tuple[NodeRef, ...]:
        """The node that it is about."""
        return (self.about,)

    def checked(self) -> Self:
        """Return the entry with its canonical key."""
        verdict = _text("verdict", self.verdict)
        if verdict not in VERDICTS:
            raise InvalidEntry("not a verdict", f"a verdict is one of: {', '.join(VERDICTS)}")
        return msgspec.structs.replace(super().checked(), about=_subject(self.about), verdict=verdict)


class SameAsEntry(_Entry, frozen=True, tag="same_as"):
    """The statement that `other` is `one`: all facts about `other` become facts about `one`."""

    one: NodeRef
    other: NodeRef

    @property
    def nodes(self) -> tuple[NodeRef, ...]:
        """The node that stays, and the one that is merged into it."""
        return self.one, self.other

    def checked(self) -> Self:
        """Return the entry with canonical keys."""
        one, other = _canonical(self.one, "the one"), _canonical(self.other, "the other")
        if one.label != other.label or one == other:
            raise InvalidEntry(
                "not two nodes of one label",
                f"two nodes of one label can be one: {one.label} {one.key} and {other.label} {other.key} not",
            )
        return msgspec.structs.replace(super().checked(), one=one, other=other)


class TakeOutEntry(_Entry, frozen=True, tag="take_out"):
    """The removal of a node (`node`), or else of the relationship from `start` to `end`, whatever sources say."""

    node: NodeRef | None = None
    start: NodeRef | None = None
    type: str = ""
    end: NodeRef | None = None

    @property
    def nodes(self) -> tuple[NodeRef, ...]:
        """The node that is taken out, or the relationship's ends."""
        return tuple(node for node in (self.node, self.start, self.end) if node is not None)

    def checked(self) -> Self:
        """Return the entry with canonical keys."""
        entry = super().checked()
        if self.node is not None and self.start is None and self.end is None:
            return msgspec.structs.replace(entry, node=_canonical(self.node, "the node", of_entries=True))
        if self.node is None and self.start is not None and self.end is not None:
            start, end = _canonical_ends(self.start, self.type, self.end, of_entries=True)
            return msgspec.structs.replace(entry, start=start, end=end)
        raise InvalidEntry("not one node or relationship", "say which node is taken out, or which relationship")


class MentionDecision(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a review says of an indicator that a report mentions: accepted, rejected, or left open again.

    `comment` is what the graph says of an accepted one: where it stands in the report.
    """

    indicator: str
    state: Literal["accepted", "rejected", "left"]
    comment: str = ""


class ReviewEntry(_Entry, frozen=True, tag="review"):
    """The review of what a report mentions. The newest decision on a mention counts."""

    report: str
    decisions: tuple[MentionDecision, ...]

    @property
    def nodes(self) -> tuple[NodeRef, ...]:
        """The report."""
        return (NodeRef(schema.REFERENCE.labels[0].name, self.report),)

    def checked(self) -> Self:
        """Return the entry with canonical indicators; each may be named once."""
        try:
            report = keys.reference(self.report)
        except BadValue as bad:
            raise InvalidEntry(bad.reason, f"{self.report!r} is no report: {bad.reason}") from bad
        decisions = tuple(
            MentionDecision(_indicator(each.indicator), each.state, keys.text(each.comment)[:LONGEST])
            for each in self.decisions
        )
        if not decisions or len({each.indicator for each in decisions}) < len(decisions):
            raise InvalidEntry("decides nothing, or twice", "say of each indicator once whether the report reports it")
        return msgspec.structs.replace(super().checked(), report=report, decisions=decisions)


class UndoEntry(_Entry, frozen=True, tag="undo"):
    """The undoing of another entry, named by its id. Undoing an undo restores what it undid."""

    undoes: str

    def checked(self) -> Self:
        """Return the entry."""
        if not self.undoes:
            raise InvalidEntry("names no entry", "say which entry is undone")
        return super().checked()


AnalystEntry = (
    NodeEntry
    | RelationshipEntry
    | NoteEntry
    | TagEntry
    | VerdictEntry
    | SameAsEntry
    | TakeOutEntry
    | ReviewEntry
    | UndoEntry
)
VARIANTS: Final[dict[str, type[AnalystEntry]]] = {
    str(variant.__struct_config__.tag): variant for variant in AnalystEntry.__args__
}
WITHOUT_FACTS: Final = frozenset({"take_out", "undo"})
"""The tags of entries that give no facts, and so have no mapping: they only override other entries' and sources'."""


def read(what: str, body: bytes | msgspec.Raw) -> AnalystEntry:
    """Return the entry that a body of the variant `what` is, in its canonical form. Raises InvalidEntry."""
    variant = VARIANTS.get(what)
    if variant is None:
        raise InvalidEntry("no kind of entry", f"there is no kind of entry called {what!r}")
    try:
        entry = msgspec.json.decode(body, type=variant)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        raise InvalidEntry("not of an entry's form", f"the {what} is not of an entry's form: {wrong}") from wrong
    return entry.checked()


def relationships_of(label: Label) -> list[dict[str, str]]:
    """Return the relationships that an analyst may add from or to nodes of `label`.

    Each has `type`, `direction` ("->", "<-" or "--", as seen from such a node), `label` of the other node, and `doc`.
    """
    found: dict[tuple[str, str, str, str], None] = {}
    for relationship in schema.RELATIONSHIPS.values():
        if relationship is schema.ABOUT:
            continue
        for start, end in relationship.joins:
            if start is label:
                direction = "--" if relationship.both_ways else "->"
                found[relationship.type, direction, end.name, relationship.doc] = None
            if end is label and not relationship.both_ways:
                found[relationship.type, "<-", start.name, relationship.doc] = None
    return [dict(zip(("type", "direction", "label", "doc"), row, strict=True)) for row in found]


def _canonical(node: NodeRef, role: str, *, of_entries: bool = False) -> NodeRef:
    """Return a node with its canonical key; `role` says in an error what it is in the entry.

    Nodes that stand for entries themselves are refused, unless `of_entries`: nothing can be said about them. A key that
    is none as it stands is read as a defanged one.
    """
    label = schema.LABELS.get(node.label)
    if label is None or not (of_entries or label in schema.ANY_NODE.labels):
        raise InvalidEntry("a label that an entry can't name", f"{role}: name its label and its key")
    try:
        return _resolved(node)
    except BadValue as bad:
        try:
            return _resolved(NodeRef(node.label, keys.refang(node.key)))
        except BadValue:
            raise InvalidEntry(bad.reason, f"{node.key!r} is no {node.label}: {bad.reason}") from bad


def _indicator(raw: str) -> str:
    """Return the canonical form of an indicator that a report may report."""
    try:
        return mentioned(schema.REPORTED.resolve(raw.strip()))
    except BadValue as bad:
        raise InvalidEntry(bad.reason, f"{raw!r} is no indicator: {bad.reason}") from bad


def mentioned(node: tuple[Label, str]) -> str:
    """Return an indicator as mentions and reviews name it: its key, that of a user with @."""
    label, key = node
    return f"@{key}" if label in schema.SCREEN_NAME.labels else key


def _subject(node: NodeRef) -> NodeRef:
    return _canonical(node, "what it is about")


def _resolved(node: NodeRef) -> NodeRef:
    label, key = schema.ANY_NODE.resolve(str(node))
    return NodeRef(label.name, key)


def _canonical_ends(start: NodeRef, type_: str, end: NodeRef, *, of_entries: bool = False) -> tuple[NodeRef, NodeRef]:
    """Return a relationship's ends with canonical keys. Raises InvalidEntry where its type does not join them."""
    known = schema.RELATIONSHIPS.get(type_)
    start = _canonical(start, "where it starts", of_entries=of_entries)
    end = _canonical(end, "where it ends", of_entries=of_entries)
    if known is None or (schema.LABELS[start.label], schema.LABELS[end.label]) not in known.joins:
        raise InvalidEntry(
            "not a relationship of the schema", f"the schema has no {type_} from {start.label} to {end.label}"
        )
    if known.both_ways and start == end:
        raise InvalidEntry("a node with itself", f"{type_} joins two nodes, not {start.key} with itself")
    if fault := known.fault(start.key, end.key):
        raise InvalidEntry(fault, f"{type_} does not hold from {start.key} to {end.key}: {fault}; {known.doc}")
    return start, end


def _date(name: str, value: str | None) -> str | None:
    if not value:
        return None
    try:
        seconds, precision = times.parse(value)
    except BadValue as bad:
        raise InvalidEntry(bad.reason, f"{name} {value!r}: {bad.reason}; write it as 2026-01-31") from bad
    text = times.text(seconds)
    return text[: len("2026-01-31")] if precision == "day" else text


def _text(name: str, value: str) -> str:
    text = value.strip()
    if not text or len(text) > LONGEST:
        raise InvalidEntry(
            f"empty, or longer than {LONGEST} characters", f"the {name} is empty, or longer than {LONGEST} characters"
        )
    return text


def encode(entry: AnalystEntry) -> bytes:
    """Return an entry as the body that the raw cache keeps."""
    return msgspec.json.encode(entry)


def document(entry: AnalystEntry) -> dict[str, Any]:
    """Return an entry as plain JSON values, with its tag `what`."""
    return dict(msgspec.to_builtins(entry))
