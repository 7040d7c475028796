"""How long to wait: what Retry-After says, and how waits grow while it says nothing."""

from __future__ import annotations

import random
import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

FIRST_WAIT: Final = 1.0
_SECONDS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_LONGEST: Final = 10 * 366 * 86400.0  # beyond it a number is as good as forever


def retry_after(value: str, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for (a number, or an HTTP date); None for nonsense.

    `now` is in epoch seconds. A moment that has passed is 0.
    """
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text[:20]), _LONGEST)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, moment.timestamp() - now), _LONGEST)


def backoff(attempt: int, cap: float) -> float:
    """Return the seconds to wait after the attempt of that number (from 1): doubled each time, half of it by chance."""
    whole = min(cap, FIRST_WAIT * 2.0 ** min(attempt - 1, 30))
    return whole * random.uniform(0.5, 1.0)  # noqa: S311 - to spread load, not to hide anything
