"""Names in Cypher, as both engines read them. Only names of the schema are put into a query, and no value ever is."""

from __future__ import annotations


def quote(name: str) -> str:
    """Return a label, a relationship type or a property name as a Cypher identifier, in backticks."""
    return "`" + name.replace("`", "``") + "`"
