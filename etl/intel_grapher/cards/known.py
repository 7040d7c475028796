"""A node as the graph has it: the judgement on it, its properties and neighbours, and what analysts say of it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import Any

from intel_grapher import judgement, schema
from intel_grapher.ask import look
from intel_grapher.ask.engines import Graph
from intel_grapher.ask.look import Group, Neighbour, Shown
from intel_grapher.cards.knowledge import MOST, Knowledge
from intel_grapher.errors import NotFoundError
from intel_grapher.judgement import Judgement, Told
from intel_grapher.labels import NOTE
from intel_grapher.model import NodeRef

MOST_NOTES = 1000


@dataclass(frozen=True)
class KnownNode:
    """What the graph has about one node.

    node         its label and key
    properties   by name; None for those that nobody tells
    neighbours   its relationships, of each kind the first ones
    counts       how many there are of each kind, by (type, direction, label)
    judgement    malicious, suspicious, benign or unknown, and why
    verdicts     analysts' verdicts on it, the newest first; `remarks` are their notes and tags
    titles       what a neighbour is called, where that is not its key
    """

    node: NodeRef
    properties: dict[str, Any]
    neighbours: list[Neighbour]
    counts: dict[Group, int]
    judgement: Judgement
    verdicts: list[Told]
    remarks: list[Told]
    titles: dict[NodeRef, str]


def known_node(graph: Graph, node: NodeRef, *, limit: int) -> KnownNode:
    """Return what the graph has about a node, with at most `limit` neighbours of each kind.

    The judgement, the verdicts and the remarks are the same whatever the limit. Raises NotFoundError where the node is
    not there.
    """
    shown = look.show(graph, schema.LABELS[node.label], node.key, limit=max(limit, MOST), more={NOTE.name: MOST_NOTES})
    if shown is None:
        raise NotFoundError(f"{node.label} {node.key} has gone from the graph meanwhile: ask again")
    known = Knowledge(node)
    known.add_shown(graph, shown)
    return of_shown(dataclasses.replace(shown, neighbours=_first(shown.neighbours, limit)), known)


def _first(neighbours: list[Neighbour], limit: int) -> list[Neighbour]:
    """Return the first of each kind."""
    seen: Counter[Group] = Counter()
    found = []
    for each in neighbours:
        kind = each.type, each.direction, each.label
        seen[kind] += 1
        if seen[kind] <= limit:
            found.append(each)
    return found


def of_shown(shown: Shown, known: Knowledge) -> KnownNode:
    """Return a node that was read from a graph, judged by what is known of it."""
    found = judgement.judge(schema.LABELS[known.node.label], known.told(), known.related(), known.notes)
    return KnownNode(
        known.node,
        shown.properties,
        shown.neighbours,
        shown.counts,
        found,
        known.notes,
        known.remarks,
        known.titles,
    )


def known_document(known: KnownNode) -> dict[str, Any]:
    """Return a node as JSON, with all of its relationships that were read."""
    counts = [
        {"type": type_, "direction": direction, "label": other, "count": count}
        for (type_, direction, other), count in known.counts.items()
    ]
    why = known.judgement.why
    return {
        "label": known.node.label,
        "key": known.node.key,
        "properties": known.properties,
        "counts": counts,
        "neighbours": [dataclasses.asdict(neighbour) for neighbour in known.neighbours],
        "verdict": known.judgement.word,
        "why": [{"verdict": it.word, "says": it.text, "sources": it.sources, "at": it.at or None} for it in why],
        "notes": [
            {"what": it.name, "text": it.value, "author": it.sources[0], "at": it.at or None}
            for it in (*known.verdicts, *known.remarks)
        ],
    }
