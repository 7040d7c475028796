"""Whether a service accepts an API key, asked with a request that costs nothing."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from intel_grapher.fetch import http
from intel_grapher.fetch.asking import secrets
from intel_grapher.source import Request, Source

OK = range(200, 300)
REFUSED = (400, 401, 403)
"""HTTP statuses; urlscan.io answers 400 to what has not the form of a key (its documents, 2026-05)."""


class KeyState(Enum):
    """What is known of a source's key."""

    MISSING = "not set"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNREACHED = "no answer"
    UNASKED = "set, not asked"


class KeyCheck(NamedTuple):
    """The state of a source's keys, and more about it: why there is no answer, or which of several keys it is about."""

    state: KeyState
    detail: str = ""


def check(source: Source) -> KeyCheck:
    """Return what the service says to the source's keys: the worst, of several. Nothing is asked that has a price."""
    found = secrets(source)
    if source.key is None or not found:
        return KeyCheck(KeyState.MISSING)
    if not source.key.free:
        return KeyCheck(KeyState.UNASKED, "no free question to it is known; a fetch tells")
    worst = KeyCheck(KeyState.ACCEPTED)
    client = http.Client(source)
    try:
        for number, secret in enumerate(found, 1):
            reply = client.send(Request(source.home + source.key.free), secret)
            which = f"key {number} of {len(found)}" if len(found) > 1 else ""
            if reply.status in REFUSED:
                return KeyCheck(KeyState.REFUSED, which or f"HTTP status {reply.status}")
            if reply.fault or reply.status not in OK:
                worst = KeyCheck(KeyState.UNREACHED, reply.fault or f"HTTP status {reply.status}")
    finally:
        client.close()
    return worst
