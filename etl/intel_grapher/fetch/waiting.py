"""How waits grow while a service fails and does not say how long to wait."""

from __future__ import annotations

import random
from typing import Final

FIRST_WAIT: Final = 1.0
"""Seconds."""


def backoff(attempt: int, cap: float) -> float:
    """Return the seconds to wait after the attempt of that number (from 1): doubled each time, half of it by chance."""
    whole = min(cap, FIRST_WAIT * 2.0 ** min(attempt - 1, 30))
    return whole * random.uniform(0.5, 1.0)  # noqa: S311 - to spread load, not to hide anything
