"""What a reply means for the one who asked: an answer, "not found", or a failure, and whether to try again."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from intel_grapher.errors import BadValue
from intel_grapher.fetch.http import LASTING, Reply
from intel_grapher.reading import read
from intel_grapher.source import Endpoint, Outcome

UNAUTHORIZED: Final = 401
TOO_MANY: Final = 429
_WHOLE: Final = range(200, 300)
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_TITLES: Final = {
    401: "the key is refused (HTTP 401)",
    403: "not allowed (HTTP 403)",
    429: "too many requests (HTTP 429)",
}


class Verdict(NamedTuple):
    """The outcome; for a failure its reason and whether another attempt may mend it; for an answer the typed reply."""

    outcome: Outcome
    reason: str = ""
    passing: bool = False
    reply: Any = None


def judge(endpoint: Endpoint, reply: Reply) -> Verdict:
    """Return what a reply to a question to this endpoint means."""
    if reply.fault:
        return Verdict(Outcome.FAILED, reply.fault, passing=reply.fault not in LASTING)
    if reply.status in endpoint.source.absent:
        return Verdict(Outcome.NOT_FOUND)
    if reply.status not in _WHOLE:
        reason = _TITLES.get(reply.status, f"HTTP {reply.status}")
        return Verdict(Outcome.FAILED, reason, passing=reply.status in _PASSING)
    try:
        typed, _ = read(endpoint, reply.body)
    except BadValue as bad:
        return Verdict(Outcome.FAILED, _unreadable(reply.body) or bad.reason)
    try:
        outcome = endpoint.source.judge(typed)
    except Exception as wrong:  # noqa: BLE001 - one reply's surprise must not cost the others theirs; it is listed
        return Verdict(Outcome.FAILED, f"the source can't judge it: {type(wrong).__name__}")
    return Verdict(outcome, "the service reports a failure" if outcome is Outcome.FAILED else "", reply=typed)


def _unreadable(body: bytes) -> str:
    start = body[:64].lstrip()
    if not start:
        return "an empty reply"
    return "HTML instead of JSON" if start.startswith(b"<") else ""
