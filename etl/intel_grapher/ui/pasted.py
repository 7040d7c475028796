"""A pasted text: the indicators that it names, in the graph or not, and what of it was left out."""

from __future__ import annotations

from typing import Any, Final

from intel_grapher import intake, schema
from intel_grapher.ask import look
from intel_grapher.ask.documents import node_document
from intel_grapher.ask.engines import Graph
from intel_grapher.errors import BadValue
from intel_grapher.model import NodeRef

LOOKED_UP: Final = 2000
"""How many indicators of one text are looked up in the graph: each costs a question."""
LISTED: Final = 1000
"""How many of the words that were left out are listed; all are counted."""


def sheet(graph: Graph | None, text: str) -> dict[str, Any]:
    """Return what a text holds, as `intel_grapher.intake` reads it.

    `rows` are its indicators in its order, each once: label, key, spelling, line, how often, and whether it is `known`,
    which is in the graph. `left_out` are the words that look like values and are none: line, spelling, reason; there
    may be more of them than are listed: `left_out_count`. `prose` counts all other words, `beyond` the indicators after
    the first LOOKED_UP. Without a graph, none is in it.
    """
    reading = intake.read(text)
    rows: dict[NodeRef, dict[str, Any]] = {}
    left_out = [{"line": each.line, "text": each.raw, "reason": each.reason} for each in reading.leftovers]
    for mention in reading.mentions:
        try:
            label, key = schema.BY_INDICATOR[mention.kind].resolve(mention.key)
        except BadValue as bad:
            left_out.append({"line": mention.line, "text": mention.raw, "reason": bad.reason})
            continue
        node = NodeRef(label.name, key)
        row = rows.setdefault(node, {**node_document(node), "text": mention.raw, "line": mention.line, "times": 0})
        row["times"] += 1
    wanted = list(rows)[:LOOKED_UP]
    there = look.there(graph, wanted) if graph is not None else {}
    return {
        "rows": [rows[node] | {"known": node in there} for node in wanted],
        "left_out": left_out[:LISTED],
        "left_out_count": len(left_out),
        "prose": reading.prose,
        "beyond": len(rows) - len(wanted),
    }
