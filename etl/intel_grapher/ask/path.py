"""The shortest ways between two nodes. From both ends at once, a level at a time, so that both dialects agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from intel_grapher.ask.engines import Graph
from intel_grapher.ask.explore import HUB, Explorer, Step
from intel_grapher.model import NodeRef

LONGEST = 6
MOST = 10


@dataclass(frozen=True)
class Paths:
    """The shortest paths found, all of one length; the hubs that were not entered; whether the search was cut short."""

    found: list[list[Step]]
    hubs: list[NodeRef]
    cut: bool


def paths(
    graph: Graph, start: NodeRef, end: NodeRef, *, longest: int = LONGEST, most: int = MOST, hub: int = HUB
) -> Paths:
    """Return at most `most` of the shortest paths of at most `longest` steps.

    A node with more than `hub` neighbours is not entered: too many have it in common for it to mean anything.
    Raises NotFoundError where one of the ends is not in the graph.
    """
    explorer = Explorer(graph, hub)
    for each in (start, end):
        explorer.present(each)
    sides = [_Side(start), _Side(end)]
    found: list[list[Step]] = [[]] if start == end else []
    while not found and all(side.edge for side in sides) and sum(side.steps for side in sides) < longest:
        side = min(sides, key=lambda each: len(each.edge))
        side.grow(explorer)
        meeting = sorted(
            node for node in sides[0].back.keys() & sides[1].back.keys() if not _barred(node, explorer, sides)
        )
        found = list(islice(_joined(meeting, sides), most))
    return Paths(found, sorted(explorer.hubs - {start, end}), explorer.given_up)


class _Side:
    """What has been reached from one end: each node with the steps of the level at which it was first reached."""

    def __init__(self, origin: NodeRef) -> None:
        self.origin = origin
        self.back: dict[NodeRef, list[Step]] = {origin: []}
        self.edge = [origin]
        self.steps = 0

    def grow(self, explorer: Explorer) -> None:
        reached: dict[NodeRef, list[Step]] = {}
        for node in self.edge:
            for step in explorer.around(node, seed=node == self.origin):
                if step.end not in self.back:
                    reached.setdefault(step.end, []).append(step)
        self.back |= reached
        self.edge = sorted(reached)
        self.steps += 1

    def ways(self, node: NodeRef) -> Iterator[list[Step]]:
        """Yield the ways from the origin to a node."""
        if node == self.origin:
            yield []
        for step in self.back[node]:
            for way in self.ways(step.start):
                yield [*way, step]


def _barred(node: NodeRef, explorer: Explorer, sides: list[_Side]) -> bool:
    return all(node != side.origin for side in sides) and explorer.is_hub(node)


def _joined(meeting: list[NodeRef], sides: list[_Side]) -> Iterator[list[Step]]:
    for node in meeting:
        for there in sides[0].ways(node):
            for back in sides[1].ways(node):
                yield [*there, *(step.turned() for step in reversed(back))]
