"""A cache of a few small replies, for the tests of the cache itself."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from intel_grapher.cache import Entry


class Fill(Protocol):
    """Adds replies of these numbers to the cache at a root; each once."""

    def __call__(self, root: Path, *numbers: int, segment_bytes: int = ..., endpoint: str = ...) -> None: ...


def entry(number: int, endpoint: str = "a") -> Entry:
    """Return a reply; equal numbers make equal replies."""
    body = b'{"n":%d}' % number
    return Entry(source="dns", endpoint=endpoint, key=f"host{number}.example", fetched_at=number, status=200, body=body)
