"""What an analyst says: own facts, notes, tags, verdicts. Entries of the raw cache, so that they survive rebuilds.

The page writes them (`intel_grapher.edits`). An entry's key is its own id; a body names its author. Entries of the
endpoints `take_out` and `undo` give no facts: they are rulings on what others give (`intel_grapher.rulings`).
"""

from enum import Enum

from msgspec import Struct

from intel_grapher.model import Facts, NodeRef
from intel_grapher.schema import ABOUT, ANY_NODE, NOTE_ID, RELATIONSHIPS, AnyNode, NoteId
from intel_grapher.source import Rate, Source

Type = Enum("Type", {each: each for each in RELATIONSHIPS})  # type: ignore[misc]  # the schema has them


class Relationship(Struct):
    start: NodeRef
    type: Type
    end: NodeRef
    first_seen: str | None = None
    last_seen: str | None = None


class Note(Struct):
    author: str
    about: NodeRef
    text: str


class Tag(Struct):
    author: str
    about: NodeRef
    tag: str


class Verdict(Struct):
    author: str
    about: NodeRef
    verdict: str


class Same(Struct):
    author: str
    one: NodeRef
    other: NodeRef


source = Source(
    "analyst",
    title="The analyst",
    home="about:analyst",
    limits=(Rate(1),),
    retired="never asked: these are the analyst's own entries",
)
NO_NODE = "an entry that adds to the graph is no node of its own"


@source.get("/{key}", untied=NO_NODE)
def node(asked: NoteId, reply: NodeRef) -> Facts:
    """A node that an analyst adds."""
    yield ANY_NODE.each(AnyNode(str(reply)))


@source.get("/{key}", untied=NO_NODE)
def relationship(asked: NoteId, reply: Relationship) -> Facts:
    """A relationship that an analyst adds, between nodes that its type joins."""
    seen = {name: getattr(reply, name) for name in ("first_seen", "last_seen") if getattr(reply, name) is not None}
    yield RELATIONSHIPS[reply.type.value].each(reply.start.key, reply.end.key, **seen)


@source.get("/{key}")
def note(asked: NoteId, reply: Note) -> Facts:
    """What an analyst notes about a node."""
    yield NOTE_ID.each(asked, author=reply.author, text=reply.text)
    yield ABOUT.each(asked, AnyNode(str(reply.about)))


@source.get("/{key}")
def tag(asked: NoteId, reply: Tag) -> Facts:
    """What an analyst tags a node with."""
    yield NOTE_ID.each(asked, author=reply.author, tag=reply.tag)
    yield ABOUT.each(asked, AnyNode(str(reply.about)))


@source.get("/{key}")
def verdict(asked: NoteId, reply: Verdict) -> Facts:
    """What an analyst holds a node for: malicious, suspicious, benign or unknown."""
    yield NOTE_ID.each(asked, author=reply.author, verdict=reply.verdict)
    yield ABOUT.each(asked, AnyNode(str(reply.about)))


@source.get("/{key}")
def same_as(asked: NoteId, reply: Same) -> Facts:
    """That two nodes are one: all that is told of the other is told of the one."""
    yield NOTE_ID.each(asked, author=reply.author, text=f"also known as {reply.other.key}")
    yield ABOUT.each(asked, AnyNode(str(reply.one)))
