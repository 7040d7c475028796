"""Answers, and their values as JSON has them, whichever engine they come from."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from intel_grapher import schema
from intel_grapher.model import NodeRef


@dataclass(frozen=True)
class Answer:
    """The answer to a question.

    columns    names, in the order of the query
    rows       one list of values a row, as JSON has them
    cut        there were more rows than asked for
    nodes      the nodes among the values, each once
    """

    columns: list[str]
    rows: list[list[Any]]
    cut: bool = False
    nodes: list[NodeRef] = field(default_factory=list)


class ValueReader:
    """Turns values of either engine into what JSON has, and collects the nodes among them."""

    def __init__(self) -> None:
        self._seen: dict[NodeRef, None] = {}

    @property
    def nodes(self) -> list[NodeRef]:
        """Return the nodes that were read, each once, in order."""
        return list(self._seen)

    def plain(self, value: Any) -> Any:  # noqa: ANN401 - any value of either engine
        """Return a value as JSON has it: timestamps in ISO 8601, nodes and relationships as their properties."""
        graph = sys.modules.get("neo4j.graph")  # where it is not imported, no value is a Neo4j's
        if graph and isinstance(value, graph.Path):
            return {"nodes": self.plain(value.nodes), "relationships": self.plain(value.relationships)}
        if graph and isinstance(value, graph.Entity):
            if isinstance(value, graph.Node):
                for label in sorted(value.labels):
                    self._note(label, dict(value))
            return {name: self.plain(item) for name, item in value.items()}
        if hasattr(value, "to_native"):
            value = value.to_native()
        if isinstance(value, datetime):
            return (value.astimezone(UTC) if value.tzinfo else value).strftime("%Y-%m-%dT%H:%M:%SZ")
        if isinstance(value, dict):
            return self._dictionary({name.lower() if name[:1] == "_" else name: item for name, item in value.items()})
        if isinstance(value, list | tuple):
            return [self.plain(item) for item in value]
        return value

    def _dictionary(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return the embedded engine's node, relationship or path, or a map, without its inner names."""
        if "_nodes" in value:
            return {"nodes": self.plain(value["_nodes"]), "relationships": self.plain(value["_rels"])}
        if "_label" in value and "_src" not in value:
            self._note(value["_label"], value)
        # A node of several possible labels has every label's properties, null where they are another's.
        inner = "_label" in value
        return {
            name: self.plain(item) for name, item in value.items() if not (name[:1] == "_" or (inner and item is None))
        }

    def _note(self, label: str, properties: dict[str, Any]) -> None:
        known = schema.LABELS.get(label)
        if known is not None and isinstance(properties.get(known.key), str):
            self._seen[NodeRef(label, properties[known.key])] = None
