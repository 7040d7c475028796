"""What has changed since the page asked last: by its own jobs, by another tab, or by another person's page."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from intel_grapher.analyst.entries import SOURCE
from intel_grapher.load import Embedded, Server
from intel_grapher.load.embedded import MANIFEST
from intel_grapher.pipeline import Places


def graph_mark(places: Places) -> str:
    """Return what tells one version of the graph from another, as far as files tell it."""
    target: Embedded | Server = places.target
    files = [places.import_ / "manifest.json"]
    if isinstance(target, Embedded):
        files.append(target.place / MANIFEST)
    return _versions(files)


def entries_mark(data: Path) -> str:
    """Return what tells one version of the analysts' entries from another."""
    return _versions(sorted((data / "raw" / SOURCE).glob("*/*")))


def _versions(paths: Iterable[Path]) -> str:
    found = []
    for path in paths:
        try:
            each = path.stat()
        except OSError:
            found.append("none")
        else:
            found.append(f"{each.st_ino:x}.{each.st_mtime_ns:x}.{each.st_size:x}")
    return " ".join(found)
