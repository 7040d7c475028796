"""What this machine has."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")
"""The limit of a container, as Linux states it: bytes, or the word "max"."""


def memory() -> int:
    """Return the memory of this machine, or of the container that this is, in bytes."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):
        return min(whole, int(_LIMIT.read_text()))
    return whole


def quarter_of_memory() -> int:
    """Return a quarter of it: what a command uses unless it is told otherwise."""
    return memory() // 4
