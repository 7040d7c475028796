"""What ties seeds together: the infrastructure that they share, weighted so that what everyone shares does not win.

A node's *weight* is 1 / (1 + ln(1 + its relationships)). From each seed a node gets 1 for a direct relationship, or,
through one node in between, half of that node's weight; the best way counts. Its score is its own weight times the sum
over the seeds, for nodes that at least two seeds reach. So a name server of a million domains, or what lies behind it,
scores next to nothing, and an address that two domains alone have had scores high.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from intel_grapher.ask.engines import Graph
from intel_grapher.ask.explore import HUB, Explorer, Step
from intel_grapher.errors import UsageError
from intel_grapher.model import NodeRef

MOST = 25
MIN_SEEDS = 2
_AFAR = 0.5


@dataclass(frozen=True)
class Tie:
    """A node that ties seeds together: its score, how many relationships it has, and the best way from each seed."""

    node: NodeRef
    score: float
    degree: int
    ways: dict[NodeRef, list[Step]]


@dataclass(frozen=True)
class Ranking:
    """The ties, best first; the hubs that were not entered; whether the search was cut short."""

    ties: list[Tie]
    hubs: list[NodeRef]
    cut: bool


def require_several(seeds: Sequence[object]) -> None:
    """Raise UsageError for fewer than two seeds: one alone shares nothing."""
    if len(seeds) < MIN_SEEDS:
        raise UsageError("name two indicators or more: what ties them together is what is ranked")


def rank(graph: Graph, seeds: Sequence[NodeRef], *, most: int = MOST, hub: int = HUB) -> Ranking:
    """Return what at least two of the seeds reach in at most two steps, the strongest tie first.

    Raises NotFoundError where a seed is not in the graph, UsageError for fewer than two seeds.
    """
    require_several(seeds)
    explorer = Explorer(graph, hub)
    reached: dict[NodeRef, dict[NodeRef, tuple[float, list[Step]]]] = {}
    seeds = list(dict.fromkeys(seeds))
    for seed in seeds:
        explorer.present(seed)
    for seed in seeds:
        near = explorer.around(seed, seed=True)
        for first in near:
            _keep(reached, seed, 1.0, [first])
        for first in near:
            for second in explorer.around(first.end, seed=first.end in seeds):
                _keep(reached, seed, _AFAR * _weight(explorer.degree(first.end)), [first, second])
    ties = [
        Tie(
            node,
            round(_weight(explorer.degree(node)) * sum(strength for strength, _ in ways.values()), 4),
            explorer.degree(node),
            {seed: way for seed, (_, way) in ways.items()},
        )
        for node, ways in reached.items()
        if len(ways) > 1 and node not in seeds and not explorer.is_hub(node)
    ]
    ties.sort(key=lambda tie: (-tie.score, tie.node))
    return Ranking(ties[:most], sorted(explorer.hubs - set(seeds)), explorer.given_up)


def _keep(
    reached: dict[NodeRef, dict[NodeRef, tuple[float, list[Step]]]], seed: NodeRef, strength: float, way: list[Step]
) -> None:
    """Keep a way from a seed if it is stronger than the one known."""
    node = way[-1].end
    if node == seed:
        return
    ways = reached.setdefault(node, {})
    if seed not in ways or strength > ways[seed][0]:
        ways[seed] = strength, way


def _weight(degree: int) -> float:
    return 1 / (1 + log(1 + degree))
