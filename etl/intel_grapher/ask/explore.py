"""Steps from node to node, remembered, within a budget; what has very many neighbours is a hub and is not entered."""

from __future__ import annotations

import time
from typing import NamedTuple

from intel_grapher import schema
from intel_grapher.ask import cypher
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
        label = schema.LABELS[node.label]
        question = f"MATCH {cypher.keyed('n', label, 'key')} RETURN count(n) AS many"
        if not self.graph.ask(question, {"key": node.key}).rows[0][0]:
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
        if not seed and self.is_hub(node):
            return []
        if len(self._around) >= BUDGET or time.monotonic() > self._until:
            self.given_up = True
            return []
        steps: dict[Step, None] = {}
        most = max(self.hub, HUB) + 1
        for direction, question in cypher.around(self.graph, schema.LABELS[node.label], most, ties=True):
            for type_, label, key in self.graph.ask(question, {"key": node.key}, limit=most).rows:
                other = NodeRef(label, key)
                if type_ in schema.RELATIONSHIPS and label in schema.LABELS and other != node:
                    steps[Step(node, type_, cypher.seen_from(type_, direction), other)] = None
        self._around[node] = sorted(steps)
        return self._around[node]
