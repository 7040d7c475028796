"""What a load or a run ends with on a terminal: what was found, what ties it together, what to type next."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from intel_grapher import ask, disk, judgement, schema
from intel_grapher.ask import look
from intel_grapher.ask.engines import Graph
from intel_grapher.ask.rank import MIN_SEEDS, rank
from intel_grapher.cards.knowledge import Knowledge
from intel_grapher.cli.next_command import command
from intel_grapher.cli.terminal import DIM, HEADING, KEY, Screen
from intel_grapher.errors import BadValue, GrapherError
from intel_grapher.load import Embedded, Loaded, Server
from intel_grapher.model import NodeRef

if TYPE_CHECKING:
    from intel_grapher.fetch.asking import Indicator

ASKED: Final = "last-asked.json"
"""The file beside the raw cache that names the indicators of the last fetch."""
MOST_KEPT: Final = 1000
MOST_JUDGED: Final = 25
MOST_ROWS: Final = 500_000
"""In a larger graph nothing is looked up at the end of a load: it would take too long."""
TIES: Final = 2
CONSIDERED: Final = 25
"""Ties among which those are looked for that are no reports or names of malware, which tie by what they say."""
NAMED: Final = 3
COLUMN: Final = 9


def remember(data: Path, indicators: Sequence[Indicator]) -> None:
    """Note what a fetch was about, for the end of the next load."""
    with suppress(OSError):  # a folder that can't be written takes no note
        if data.is_dir():
            disk.write_atomically(data / ASKED, msgspec.json.encode(list(indicators[:MOST_KEPT])))


def recalled(data: Path) -> list[Indicator]:
    """Return what the last fetch was about, [] if that is not known."""
    try:
        return msgspec.json.decode((data / ASKED).read_bytes(), type=list[tuple[str, str]])
    except (OSError, msgspec.MsgspecError):
        return []


def write_end(
    screen: Screen, done: Loaded, target: Embedded | Server, indicators: Sequence[Indicator], places: dict[str, Path]
) -> None:
    """Write at most seven lines: the judgements, what ties the indicators together, commands."""
    seeds = _nodes(indicators)
    known: list[NodeRef] = []
    with suppress(GrapherError):
        if sum(done.rows.values()) <= MOST_ROWS and seeds:
            with ask.opened(target) as graph:
                known = list(look.there(graph, seeds[:MOST_JUDGED]))
                _write_found(screen, graph, known, len(seeds))
                _write_ties(screen, graph, known)
    to = [] if isinstance(target, Embedded) else ["--on", "neo4j"]
    named = [node.key for node in known[:NAMED]]
    lines = [command("show", *named[:1], *to, places=places)] if named else []
    lines += [command("rank", *named, *to, places=places)] if len(named) >= MIN_SEEDS else []
    lines += [] if to else [command("ui", places=places)]
    for number, line in enumerate(lines):
        screen.line((f"{'' if number else 'next':<{COLUMN}}", DIM), line)


def _nodes(indicators: Sequence[Indicator]) -> list[NodeRef]:
    found: dict[NodeRef, None] = {}
    for kind, key in indicators:
        with suppress(BadValue, KeyError):
            label, canonical = schema.BY_INDICATOR[kind].resolve(key)
            found[NodeRef(label.name, canonical)] = None
    return list(found)


def _write_found(screen: Screen, graph: Graph, known: Sequence[NodeRef], asked: int) -> None:
    words = [judged(graph, node) for node in known]
    told = ", ".join(f"{words.count(word)} {word}" for word in judgement.WORDS if word in words)
    of = f"{len(known)} of {asked} indicators" if asked <= MOST_JUDGED else f"the first {len(known)} of {asked}"
    screen.line(
        (f"{'found':<{COLUMN}}", DIM), (f"{of}: {told}" if known else "nothing about these indicators", HEADING)
    )


def judged(graph: Graph, node: NodeRef) -> str:
    """Return the judgement on a node, by its properties and by those relationships alone that bear on it."""
    label = schema.LABELS[node.label]
    knowledge = Knowledge(node)
    counts = look.counts(graph, label, node.key)
    telling = {
        group: many
        for group, many in counts.items()
        if (schema.RELATIONSHIPS[group[0]].bearing and group[1] == "->")
        or group[2] == schema.ABOUT.start.labels[0].name
    }
    neighbours = [
        each
        for group, many in telling.items()
        for each in look.neighbours(graph, label, node.key, group, many=many, limit=NAMED)
    ]
    properties = look.node(graph, label, node.key) or {}
    knowledge.add_shown(graph, look.Shown(node.label, node.key, properties, neighbours, telling), titles=False)
    return judgement.judge(label, knowledge.told(), knowledge.related(), knowledge.notes).word


def _write_ties(screen: Screen, graph: Graph, known: Sequence[NodeRef]) -> None:
    if len(known) < MIN_SEEDS:
        return
    found = rank(graph, known, most=CONSIDERED).ties
    telling = [tie for tie in found if not any(schema.RELATIONSHIPS[way[-1].type].bearing for way in tie.ways.values())]
    for number, tie in enumerate((telling or found)[:TIES]):
        head = (f"{'' if number else 'ties':<{COLUMN}}", DIM)
        screen.line(head, (f"{tie.node.label} ", DIM), (tie.node.key, KEY), f" ties {len(tie.ways)} of them")
