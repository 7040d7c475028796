"""What matters in a graph, for whoever opens it: how much of what there is, hubs, what came in last."""

from __future__ import annotations

from typing import Any, Final

from intel_grapher import schema
from intel_grapher.ask import saved
from intel_grapher.ask.engines import Graph
from intel_grapher.errors import UsageError
from intel_grapher.load.quote import quote

SECONDS: Final = 5.0
FEW: Final = 6


def overview(graph: Graph) -> dict[str, Any]:
    """Return counts of `labels`, the `hubs`, and the `newest` nodes, each list the largest first.

    A part that takes longer than SECONDS is empty.
    """
    return {"labels": _labels(graph), "hubs": _hubs(graph), "newest": _newest(graph)}


def _labels(graph: Graph) -> list[dict[str, Any]]:
    question = saved.named("counts", saved.saved())
    rows = _rows(graph, question.text(graph))
    return [{"label": label, "count": count} for label, count in rows if label in schema.LABELS]


def _hubs(graph: Graph) -> list[dict[str, Any]]:
    question = saved.named("hubs", saved.saved())
    rows = _rows(graph, question.text(graph), question.values({"most": str(FEW)}))
    return [
        {"label": label, "key": key, "relationships": count} for label, key, count in rows if label in schema.LABELS
    ]


def _newest(graph: Graph) -> list[dict[str, Any]]:
    """Return the nodes that sources told of last; those that only stand for others' entries are left out."""
    found = []
    for label in schema.ANY_NODE.labels:
        if any(each.name == "fetched_at" for each in label.properties):
            key = f"n.{quote(label.key)}"
            rows = _rows(
                graph,
                f"MATCH (n:{quote(label.name)}) WHERE n.fetched_at IS NOT NULL"
                f" RETURN {key} AS key, n.fetched_at AS at ORDER BY at DESC, key LIMIT {FEW}",
            )
            found += [{"label": label.name, "key": row[0], "fetched_at": row[1]} for row in rows]
    return sorted(found, key=lambda each: str(each["fetched_at"]), reverse=True)[:FEW]


def _rows(graph: Graph, cypher: str, values: dict[str, Any] | None = None) -> list[list[Any]]:
    try:
        return graph.ask(cypher, values or {}, timeout=SECONDS).rows
    except UsageError:  # out of time
        return []
