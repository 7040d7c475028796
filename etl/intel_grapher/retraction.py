"""What analysts' entries took out of the graph, for a load into a Neo4j that may still hold it."""

from __future__ import annotations

from pathlib import Path

from intel_grapher.load import Embedded, Retraction, Server


def retraction(data: Path, target: Embedded | Server) -> Retraction | None:
    """Return what analysts' entries took out, which a Neo4j may still hold because a load only adds to it.

    None for the embedded graph, which is brought to what the files hold, and where there is no cache.
    """
    if isinstance(target, Embedded):
        return None
    from intel_grapher.analyst.overrides import overrides_of  # noqa: PLC0415 - the embedded graph goes without
    from intel_grapher.cache import Cache, is_there  # noqa: PLC0415 - likewise

    if not is_there(data):
        return None
    with Cache(data) as cache:
        return Retraction(*overrides_of(cache).stale)
