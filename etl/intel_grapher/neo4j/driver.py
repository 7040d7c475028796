"""The Neo4j driver, imported at its first use: that takes 0.4 s of CPU, and most commands never use it.

A module names it in this way, so that types are the driver's own:

    if TYPE_CHECKING:
        import neo4j
    else:
        from intel_grapher.neo4j import driver as neo4j
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the driver has by that name
    """Return what the driver has by that name."""
    return getattr(import_module("neo4j"), name)
