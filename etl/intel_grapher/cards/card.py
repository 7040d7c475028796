"""The card of one indicator: judgement, closest ties across the list, what is new, what was not asked and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from intel_grapher import schema, times
from intel_grapher.ask.documents import node_document
from intel_grapher.cards.knowledge import COMMON, Heard, Knowledge, Link
from intel_grapher.fetch.asking import Indicator
from intel_grapher.judgement import Judgement, Told, judge
from intel_grapher.model import NodeRef

CLOSEST = 10
"""Ties of one card, at most: so many direct ones, and so many others."""
ORDER = {name: place for place, name in enumerate(schema.RELATIONSHIPS)}
"""The place of each relationship type in the schema."""


class Asked(NamedTuple):
    """How one source stands to an indicator: found, not found, failed or not asked; why, and when it answered."""

    source: str
    state: str
    why: str
    at: int


class SharedNode(NamedTuple):
    """A node that ties an indicator to others of the list; it may be one of them itself (`direct`)."""

    node: NodeRef
    type: str
    direction: str
    others: list[NodeRef]
    direct: bool


@dataclass(frozen=True)
class Card:
    """What is known of one indicator.

    facts       properties that describe it, by name
    judgement   malicious, suspicious, benign or unknown, and why
    ties        the closest first, CLOSEST at most
    counts      how many neighbours it has, by (type, direction, label)
    links       its relationships, with who says so
    new         those of them that this command's replies told of first
    first_look  nothing was known of it before
    asked       every source that could tell of it
    notes       what analysts said of it
    """

    kind: str
    node: NodeRef
    facts: dict[str, Any]
    judgement: Judgement
    ties: list[SharedNode]
    counts: dict[tuple[str, str, str], int]
    links: dict[Link, Heard]
    new: list[Link]
    first_look: bool
    asked: list[Asked]
    notes: list[Told]
    in_graph: bool = False

    @property
    def answered_at(self) -> int:
        """Return when the newest answer came (epoch seconds; 0 without any)."""
        return max((each.at for each in self.asked), default=0)


class Ties:
    """Which indicators of a list have which neighbours, as far as is known."""

    def __init__(self) -> None:
        self._seeds: dict[NodeRef, set[NodeRef]] = {}
        self._by_neighbour: dict[NodeRef, dict[NodeRef, None]] = {}
        self._types: dict[NodeRef, int] = {}

    def add(self, known: Knowledge) -> None:
        """Take in an indicator's neighbours."""
        found = self._seeds.setdefault(known.node, set())
        for link in known.links:
            if link.node not in found:
                found.add(link.node)
                self._types[link.node] = min(self._types.get(link.node, len(ORDER)), ORDER[link.type])
                self._by_neighbour.setdefault(link.node, {})[known.node] = None

    def of(self, known: Knowledge) -> list[SharedNode]:
        """Return the ties of one indicator, the closest first.

        A direct relationship with another of the list is closest. Then come neighbours that others have, too: the more
        of them the closer; among equals in the order of the schema, in which addresses stand before reports.
        """
        found: dict[NodeRef, SharedNode] = {}
        for link in sorted(known.links, key=_order):
            direct = link.node in self._seeds
            others = [each for each in self._by_neighbour.get(link.node, ()) if each != known.node]
            if direct or others:
                found.setdefault(link.node, SharedNode(link.node, link.type, link.direction, others, direct))
        return sorted(found.values(), key=lambda each: (not each.direct, -len(each.others)))

    def strongest(self) -> list[tuple[NodeRef, list[NodeRef]]]:
        """Return what at least two indicators of the list share, that which most of them have first."""
        shared = [(node, list(seeds)) for node, seeds in self._by_neighbour.items() if len(seeds) > 1]
        return sorted(shared, key=lambda each: (-len(each[1]), self._types[each[0]], each[0]))


def made(
    indicator: Indicator, known: Knowledge, ties: Ties, before: Iterable[Link], asked: list[Asked], *, first_look: bool,
    in_graph: bool,
) -> Card:  # fmt: skip
    """Return the card of an indicator; `before` are the relationships that were known before this command."""
    label = schema.LABELS[known.node.label]
    facts = {
        each.name: _shown(each.type.name, known.newest(each.name))
        for each in label.properties
        if each.name not in COMMON and each.bearing is None and known.newest(each.name) is not None
    }
    counts = Counter((link.type, link.direction, link.node.label) for link in known.links)
    held = set(before)
    found = ties.of(known)
    closest = [each for each in found if each.direct][:CLOSEST] + [each for each in found if not each.direct][:CLOSEST]
    return Card(
        kind=indicator[0],
        node=known.node,
        facts=facts,
        judgement=judge(label, known.told(), known.related(), known.notes),
        ties=closest,
        counts=dict(sorted(counts.items(), key=lambda each: (ORDER[each[0][0]], each[0]))),
        links=known.links,
        new=sorted((link for link in known.links if link not in held), key=_order),
        first_look=first_look,
        asked=asked,
        notes=[*known.notes, *known.remarks],
        in_graph=in_graph,
    )


def card_document(card: Card) -> dict[str, Any]:
    """Return a card as JSON; moments are in ISO 8601, null where they are not known."""
    why = [
        {"verdict": it.word, "says": it.text, "sources": it.sources, "at": it.at or None} for it in card.judgement.why
    ]
    return {
        **node_document(card.node),
        "kind": card.kind,
        "verdict": card.judgement.word,
        "why": why,
        "answered_at": _moment(card.answered_at),
        "properties": card.facts,
        "ties": [
            {
                **node_document(tie.node),
                "type": tie.type,
                "direction": tie.direction,
                "direct": tie.direct,
                "with": [node_document(each) for each in tie.others],
            }
            for tie in card.ties
        ],
        "counts": [
            {"type": type_, "direction": direction, "label": label, "count": count}
            for (type_, direction, label), count in card.counts.items()
        ],
        "first_look": card.first_look,
        "new": [_link_document(link, card.links) for link in card.new],
        "asked": [
            {"source": it.source, "state": it.state, "why": it.why or None, "at": _moment(it.at)} for it in card.asked
        ],
        "notes": [
            {"what": it.name, "text": it.value, "author": it.sources[0], "at": it.at or None} for it in card.notes
        ],
    }


def _link_document(link: Link, links: Mapping[Link, Heard]) -> dict[str, Any]:
    heard = links[link]
    return {
        "type": link.type,
        "direction": link.direction,
        **node_document(link.node),
        "sources": sorted(heard.sources),
        "first_seen": _moment(heard.first_seen),
        "last_seen": _moment(heard.last_seen),
    }


def _order(link: Link) -> tuple[int, Link]:
    return ORDER[link.type], link


def _moment(seconds: int) -> str | None:
    return times.text(seconds) if seconds else None


def _shown(type_: str, value: Any) -> Any:  # noqa: ANN401 - a property's value
    return times.text(value) if type_ == "TIMESTAMP" and isinstance(value, int) else value
