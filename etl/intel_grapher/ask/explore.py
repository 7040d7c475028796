"""Steps from node to node, remembered, within a budget; what has very many neighbours is a hub and is not entered."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from intel_grapher import schema
from intel_grapher.ask import cypher, look
from intel_grapher.ask.engines import Graph
from intel_grapher.errors import NotFoundError
from intel_grapher.model import NodeRef

HUB = 500
BUDGET = 4000
SECONDS = 20.0


class Step(NamedTuple):
    """One relationship, walked from `start` to `end`; `direction` says how it points."""

    start: NodeRef
    type: str
    direction: str
    end: NodeRef

    def turned(self) -> Step:
        """Return the same relationship, walked the other way."""
        return Step(self.end, self.type, {"->": "<-", "<-": "->", "--": "--"}[self.direction], self.start)


class Explorer:
    """Walks a graph. `hub` is how many neighbours make a hub; `hubs` are those met; `given_up`: the budget ran out.

    At most BUDGET nodes are looked around, for SECONDS.
    """

    def __init__(self, graph: Graph, hub: int = HUB) -> None:
        self.graph = graph
        self.hub = hub
        self.hubs: set[NodeRef] = set()
        self.given_up = False
        self._around: dict[NodeRef, list[Step]] = {}
        self._degrees: dict[NodeRef, int] = {}
        self._until = time.monotonic() + SECONDS

    def present(self, node: NodeRef) -> None:
        """Raise NotFoundError unless the node is in the graph."""
        if not look.there(self.graph, [node]):
            raise NotFoundError(f"{node.label} {node.key} is not in the graph: fetch it, then transform and load")

    def degree(self, node: NodeRef) -> int:
        """Return how many relationships a node has."""
        if node not in self._degrees:
            question = cypher.degree(self.graph, schema.LABELS[node.label])
            self._degrees[node] = int(self.graph.ask(question, {"key": node.key}).rows[0][0])
        return self._degrees[node]

    def is_hub(self, node: NodeRef) -> bool:
        """Tell whether a node is a hub, and remember it."""
        if self.degree(node) > self.hub:
            self.hubs.add(node)
        return node in self.hubs

    def around(self, node: NodeRef, *, seed: bool = False) -> list[Step]:
        """Return the steps from a node; none from a hub, unless it is a `seed`, of which some are returned."""
        if node in self._around:
            return self._around[node]
        if node in self.hubs and not seed:
            return []
        if len(self._around) >= BUDGET or time.monotonic() > self._until:
            self.given_up = True
            return []
        label, most = schema.LABELS[node.label], max(self.hub, HUB) + 1
        rows = self.graph.ask(cypher.ties(self.graph, label, most), {"key": node.key}, limit=most).rows
        if len(rows) > self.hub and not seed:
            self.hubs.add(node)
            return []
        if len(rows) < most:
            self._degrees[node] = len(rows)
        steps = _steps(node, rows) if len(rows) < most else None
        if steps is None:
            steps = set()
            for direction, question in cypher.around(self.graph, label, most, ties=True):
                rows = self.graph.ask(question, {"key": node.key}, limit=most).rows
                steps |= _steps(node, rows, direction) or set()
        self._around[node] = sorted(steps)
        return self._around[node]


def _steps(node: NodeRef, rows: Iterable[Sequence[Any]], direction: str = "") -> set[Step] | None:
    """Return the steps from a node that rows tell, all in a direction.

    Without one, each in the only direction that it can have; None where one may have either.
    """
    steps = set()
    for type_, other in filter(None, map(cypher.neighbour, rows)):
        way = direction or cypher.only_direction(node.label, type_, other.label)
        if other == node:
            continue
        if way is None:
            return None
        steps.add(Step(node, type_, cypher.seen_from(type_, way), other))
    return steps
