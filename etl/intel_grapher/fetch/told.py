"""What a service's replies tell of its limits: Retry-After, and the many spellings of "so many left until then"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from intel_grapher.source import DAYS

FARTHEST: Final = 32 * DAYS
"""A quota that opens later than in a month is taken for nonsense."""

_FOREVER: Final = 10 * 366 * DAYS
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_EPOCH: Final = 1e9  # a larger number is a moment, a smaller one a number of seconds
_EPOCH_MS: Final = 1e12
_SPELLINGS: Final = ("x-rate-limit-", "x-ratelimit-", "ratelimit-")


class Told(NamedTuple):
    """`remaining` requests may be sent until `reset` (epoch seconds)."""

    remaining: int
    reset: float


def retry_after(value: str, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for (a number, or an HTTP date); None for nonsense.

    `now` is in epoch seconds. A moment that has passed is 0, and more than ten years are as good as ten.
    """
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return min(float(text), _FOREVER)
    moment = _date(text)
    return None if moment is None else min(max(0.0, moment - now), _FOREVER)


def told(headers: Mapping[str, str], now: float) -> Told | None:
    """Return what a reply's headers (lower-case names) tell of a quota; None where they don't, or talk nonsense."""
    for spelling in _SPELLINGS:
        remaining = headers.get(f"{spelling}remaining", "").strip()
        if not (remaining.isascii() and remaining.isdigit()):
            continue
        reset = _moment(headers.get(f"{spelling}reset", ""), now)
        if reset is None:
            reset = _moment(headers.get(f"{spelling}reset-after", ""), now)
        if reset is not None and now <= reset <= now + FARTHEST:
            return Told(int(remaining[:9]), reset)
    return None


def _moment(value: str, now: float) -> float | None:
    """Return a moment in epoch seconds, told as such, in milliseconds, as seconds from now, or as a date."""
    text = value.strip()
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number >= _EPOCH_MS:
            return number / 1000
        return number if number >= _EPOCH else now + number
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _date(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
