"""Values that the shell completes: sources, kinds, graphs, saved queries, and the indicators in the graph.

A shell waits for the answer, so nothing is imported that the value does not need. What goes wrong completes nothing.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from pkgutil import iter_modules

import typer

import intel_grapher
from intel_grapher.errors import GrapherError

MOST = 30
SECONDS = 3.0


def sources(incomplete: str) -> list[str]:
    """Return the names of sources, without importing one."""
    folder = Path(intel_grapher.__file__).parent / "sources"
    names = {module.name for module in iter_modules([str(folder)]) if not module.name.startswith("_")}
    names |= {entry.name for entry in metadata.entry_points(group="intel_grapher.sources")}
    return _matching(names, incomplete)


def graphs(incomplete: str) -> list[str]:
    """Return what --on and --to take."""
    return _matching({"embedded", "neo4j"}, incomplete)


def kinds(incomplete: str) -> list[str]:
    """Return the kinds of indicators."""
    from intel_grapher.schema import BY_INDICATOR  # noqa: PLC0415 - see above

    return _matching(set(BY_INDICATOR), incomplete)


def queries(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of saved queries, the user's own among them."""
    from intel_grapher.ask import saved  # noqa: PLC0415 - see above

    return _matching(set(saved.saved(Path(context.params.get("data") or "data") / "queries")), incomplete)


def nodes(context: typer.Context, incomplete: str) -> list[str]:
    """Return keys in the embedded graph that begin with what was typed, or have it in them; labels, with a colon."""
    from intel_grapher import ask, schema  # noqa: PLC0415 - see above
    from intel_grapher.ask.find import complete  # noqa: PLC0415
    from intel_grapher.load import Embedded  # noqa: PLC0415

    label, colon, part = incomplete.partition(":")
    named = colon and label in schema.LABELS
    found = [] if named else [f"{name}:" for name in schema.LABELS if incomplete and name.startswith(incomplete)]
    try:
        with ask.opened(Embedded(Path(context.params.get("db") or "data/graph"))) as graph:
            known = complete(graph, part if named else incomplete, most=MOST, seconds=SECONDS)
    except (GrapherError, OSError, RuntimeError):  # there is no graph, or none that can be read
        return found
    if named:
        return [f"{label}:{node.key}" for node in known if node.label == label]
    return [*(node.key for node in known), *found]


def _matching(names: set[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
