"""What is known of one indicator: values of its properties and its relationships, with who says so and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from intel_grapher import schema, times
from intel_grapher.ask import look
from intel_grapher.ask.engines import Graph
from intel_grapher.ask.look import Shown
from intel_grapher.errors import BadValue
from intel_grapher.judgement import Related, Told
from intel_grapher.labels import NOTE, SEEN
from intel_grapher.model import NodeRef

if TYPE_CHECKING:
    from intel_grapher.source import Outcome

MOST = 200
"""Neighbours of one kind that are read from the graph."""
COMMON = frozenset(each.name for each in SEEN)
"""The names of what every node and relationship has."""


class Link(NamedTuple):
    """A relationship as seen from the indicator: `direction` is "->", "<-" or "--"."""

    type: str
    direction: str
    node: NodeRef


@dataclass
class Heard:
    """Who says so, when they last did, and the times when it was seen first and last (epoch seconds; 0: not known)."""

    sources: set[str] = field(default_factory=set)
    fetched_at: int = 0
    first_seen: int = 0
    last_seen: int = 0

    def add(self, sources: Iterable[str], fetched_at: int, first_seen: int = 0, last_seen: int = 0) -> None:
        """Take one more statement in."""
        self.sources |= set(sources)
        self.fetched_at = max(self.fetched_at, fetched_at)
        self.first_seen = min(filter(None, (self.first_seen, first_seen)), default=0)
        self.last_seen = max(self.last_seen, last_seen)


class Answered(NamedTuple):
    """What a source answered: the verdict's outcome and when (epoch seconds)."""

    outcome: Outcome
    at: int


@dataclass
class Knowledge:
    """All that is known of one node.

    values    by property, source and value: when it was last said
    links     its relationships
    titles    what a neighbour is called, where that is not its key
    answers   by source: the best outcome of its answers, and the newest time
    notes     verdicts of analysts, newest first; `remarks` are their notes and tags
    """

    node: NodeRef
    values: dict[str, dict[str, tuple[int, Any]]] = field(default_factory=dict)
    links: dict[Link, Heard] = field(default_factory=dict)
    titles: dict[NodeRef, str] = field(default_factory=dict)
    answers: dict[str, Answered] = field(default_factory=dict)
    notes: list[Told] = field(default_factory=list)
    remarks: list[Told] = field(default_factory=list)

    def newest(self, name: str) -> Any:  # noqa: ANN401 - a property's value
        """Return the newest value of a property, None if nobody tells of it; of a list all that anybody tells."""
        found = sorted(self.values.get(name, {}).values(), key=lambda each: each[0])
        if found and isinstance(found[-1][1], list):
            return sorted({item for _, items in found for item in items})
        return found[-1][1] if found else None

    def told(self) -> list[Told]:
        """Return every value of every property, with its source."""
        return [
            Told(name, value, (source,) if source else (), _text(at))
            for name, by_source in self.values.items()
            for source, (at, value) in sorted(by_source.items())
        ]

    def related(self) -> list[Related]:
        """Return the relationships as a judgement takes them."""
        return [
            Related(
                link.type,
                link.direction,
                self.titles.get(link.node, link.node.key),
                tuple(sorted(heard.sources)),
                _text(heard.fetched_at),
            )
            for link, heard in self.links.items()
        ]

    def add_graph(self, graph: Graph) -> bool:
        """Take in what the graph has of this node and no reply says; return whether the graph has the node."""
        shown = look.show(graph, schema.LABELS[self.node.label], self.node.key, limit=MOST)
        if shown is not None:
            self.add_shown(graph, shown)
        return shown is not None

    def add_shown(self, graph: Graph, shown: Shown, *, titles: bool = True) -> None:
        """Take in a node as it was read from a graph, with its notes and the titles of what it is reported in."""
        at = _seconds(shown.properties.get("fetched_at"))
        for name, value in shown.properties.items():
            if value is not None and name not in COMMON and name not in self.values:
                self.values[name] = {"": (at, value)}
        for each in shown.neighbours:
            other = NodeRef(each.label, each.key)
            if each.label == NOTE.name:
                self._add_note(graph, other)
                continue
            moments = (_seconds(each.properties.get(name)) for name in ("fetched_at", "first_seen", "last_seen"))
            heard = self.links.setdefault(Link(each.type, each.direction, other), Heard())
            heard.add(each.properties.get("sources") or (), *moments)
        for node in self._untitled() if titles else ():
            found = look.node(graph, schema.LABELS[node.label], node.key) or {}
            title = next((found[name] for name in schema.LABELS[node.label].title if found.get(name)), None)
            self.titles.setdefault(node, str(title or node.key))

    def _add_note(self, graph: Graph, note: NodeRef) -> None:
        found = look.node(graph, NOTE, note.key) or {}
        author = (str(found.get("author") or ""),)
        for name in NOTE.title:
            if found.get(name):
                told = Told(name, found[name], author, str(found.get("fetched_at") or ""))
                declared = NOTE.property(name)
                own = self.notes if declared is not None and declared.bearing else self.remarks
                own.append(told)
                own.sort(key=lambda each: each.at, reverse=True)

    def _untitled(self) -> list[NodeRef]:
        """Return the first few neighbours that bear on the judgement and whose title is not known."""
        bearing = (link for link in self.links if schema.RELATIONSHIPS[link.type].bearing and link.direction == "->")
        found = [link.node for link in bearing if schema.LABELS[link.node.label].title]
        return [node for node in found if node not in self.titles][:MOST]


def _text(seconds: int) -> str:
    return times.text(seconds) if seconds else ""


def _seconds(text: object) -> int:
    try:
        return times.parse(str(text)).seconds if text else 0
    except BadValue:
        return 0
