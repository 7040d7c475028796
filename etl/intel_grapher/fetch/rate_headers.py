"""What the headers of a reply say of rate limits: Retry-After, and the many spellings of remaining and reset."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from intel_grapher.source import DAYS

FARTHEST: Final = 32 * DAYS
"""Seconds. A quota that resets later than in a month is not believed."""

_FOREVER: Final = 10 * 366 * DAYS
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_EPOCH: Final = 1e9  # a larger number is a timestamp, a smaller one a number of seconds
_EPOCH_MS: Final = 1e12
_SPELLINGS: Final = ("x-rate-limit-", "x-ratelimit-", "ratelimit-")


class QuotaHint(NamedTuple):
    """What a service says is left of a quota: `remaining` requests until `reset` (epoch seconds)."""

    remaining: int
    reset: float


def retry_after(value: str, now: float) -> float | None:
    """Return the seconds to wait by a Retry-After header (a number or an HTTP date); None for any other text.

    `now` is in epoch seconds. A date in the past gives 0. The result is at most ten years.
    """
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return min(float(text), _FOREVER)
    date = _date(text)
    return None if date is None else min(max(0.0, date - now), _FOREVER)


def quota_hint(headers: Mapping[str, str], now: float) -> QuotaHint | None:
    """Return what headers (lower-case names) say of a quota; None if they say nothing, or a reset beyond FARTHEST."""
    for spelling in _SPELLINGS:
        remaining = headers.get(f"{spelling}remaining", "").strip()
        if not (remaining.isascii() and remaining.isdigit()):
            continue
        reset = _timestamp(headers.get(f"{spelling}reset", ""), now)
        if reset is None:
            reset = _timestamp(headers.get(f"{spelling}reset-after", ""), now)
        if reset is not None and now <= reset <= now + FARTHEST:
            return QuotaHint(int(remaining[:9]), reset)
    return None


def _timestamp(value: str, now: float) -> float | None:
    """Return epoch seconds, from epoch seconds or milliseconds, seconds from now, or a date; None for other text."""
    text = value.strip()
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number >= _EPOCH_MS:
            return number / 1000
        return number if number >= _EPOCH else now + number
    try:
        return _epoch(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return _date(text)


def _date(text: str) -> float | None:
    try:
        return _epoch(parsedate_to_datetime(text))
    except (ValueError, IndexError, TypeError, OverflowError):
        return None


def _epoch(time: datetime) -> float:
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
