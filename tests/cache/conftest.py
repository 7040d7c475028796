from __future__ import annotations

from pathlib import Path

import pytest
from small_cache import Fill, entry

from intel_grapher.cache import Cache


@pytest.fixture
def fill() -> Fill:
    """Return a function that adds replies of these numbers to the cache at a root."""

    def fill(root: Path, *numbers: int, segment_bytes: int = 1 << 30, endpoint: str = "a") -> None:
        with Cache(root, segment_bytes) as cache, cache.writer() as writer:
            for number in numbers:
                writer.place(entry(number, endpoint))

    return fill
