"""Answers as JSON: one encoding of a node, a step, paths and a ranking, for the command line and the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from intel_grapher.ask.explore import Step
from intel_grapher.ask.path import Paths
from intel_grapher.ask.rank import Ranking
from intel_grapher.model import NodeRef


def node_document(node: NodeRef) -> dict[str, Any]:
    """Return `{label, key}`."""
    return {"label": node.label, "key": node.key}


def step_document(step: Step) -> dict[str, Any]:
    """Return `{from, type, direction, to}`: `direction` is "->", "<-" or "--" as seen from `from`."""
    return {
        "from": node_document(step.start),
        "type": step.type,
        "direction": step.direction,
        "to": node_document(step.end),
    }


def paths_document(paths: Paths) -> dict[str, Any]:
    """Return `{paths, hubs, cut}`: a path is its steps in order, `hubs` are the nodes that were not entered."""
    return {"paths": [_steps(path) for path in paths.found], **_search(paths.hubs, cut=paths.cut)}


def ranking_document(ranking: Ranking) -> dict[str, Any]:
    """Return `{ties, hubs, cut}`, the best tie first; a tie has a way, which is its steps in order, from each seed."""
    ties = [
        {
            **node_document(tie.node),
            "score": tie.score,
            "relationships": tie.degree,
            "ways": [_steps(way) for way in tie.ways.values()],
        }
        for tie in ranking.ties
    ]
    return {"ties": ties, **_search(ranking.hubs, cut=ranking.cut)}


def _steps(steps: Sequence[Step]) -> list[dict[str, Any]]:
    return [step_document(step) for step in steps]


def _search(hubs: Sequence[NodeRef], *, cut: bool) -> dict[str, Any]:
    return {"hubs": [node_document(hub) for hub in hubs], "cut": cut}
