"""The verdict on a reply: what its HTTP status, its body and the source's own judgement say together.

`judged` is the only place that decides this. A fetch, its hops and its look-ups in the cache, the transform, retirement
and `cache add` all ask it. The cache's index has no bodies, so it asks `by_status`, the first half of `judged`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec

from intel_grapher import reading
from intel_grapher.errors import BadValue, SourceError
from intel_grapher.reading import Fault
from intel_grapher.source import ABSENT, Endpoint, Outcome

UNAUTHORIZED: Final = 401
TOO_MANY: Final = 429
_OK: Final = 200
_SUCCESS: Final = range(200, 300)
_PARTIAL: Final = 206
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_REASONS: Final = {
    0: "no reply",
    206: "a part of the reply only (HTTP 206)",
    401: "the key is refused (HTTP 401)",
    403: "not allowed (HTTP 403)",
    429: "too many requests (HTTP 429)",
}
NOT_JSON: Final = "not JSON"
HTML: Final = "HTML instead of JSON"
FAILED: Final = "the service reports a failure"
QUOTA: Final = "the service reports that the quota is used up"
FOREIGN: Final = "the reply has none of the endpoint's members"

_ANSWERS: Final = (Outcome.FOUND, Outcome.NOT_FOUND)


class Verdict(NamedTuple):
    """What a reply means.

    `reason` says why it is no answer; it is empty for an answer. `is_transient` is true for a failure that another
    attempt may mend. `reply` is the typed reply, None where the body was not read or can't be. `faults` are the parts
    of a typed reply that were left out.
    """

    outcome: Outcome
    reason: str = ""
    is_transient: bool = False
    reply: Any = None
    faults: Sequence[Fault] = ()

    @property
    def is_answer(self) -> bool:
        """True for "found" and "not found": the question needs no further request."""
        return self.outcome in _ANSWERS


_NOT_FOUND: Final = Verdict(Outcome.NOT_FOUND)
_UNMAPPED: Final = Verdict(Outcome.FOUND)


def by_status(endpoint: Endpoint | None, status: int) -> Verdict | None:
    """Return the verdict that follows from the HTTP status alone; None for a status whose body decides.

    Without an endpoint, the statuses that usually say "not found" are taken for that.
    """
    if status == _OK:
        return None
    if status in (ABSENT if endpoint is None else endpoint.source.absent):
        return _NOT_FOUND
    if status in _SUCCESS and status != _PARTIAL:
        return None
    outcome = Outcome.QUOTA if status == TOO_MANY else Outcome.FAILED
    return Verdict(outcome, _REASONS.get(status, f"HTTP {status}"), is_transient=status in _TRANSIENT)


def judged(endpoint: Endpoint | None, status: int, body: bytes | msgspec.Raw) -> Verdict:
    """Return the verdict on a reply of an endpoint. `body` is as it came, uncompressed.

    Without an endpoint (nothing reads its replies), a reply with a status of success is an answer.
    Raises nothing but SourceError, for a source that is wrong in itself.
    """
    if status != _OK and (verdict := by_status(endpoint, status)) is not None:
        return verdict
    return _UNMAPPED if endpoint is None else _by_body(endpoint, body)


def _by_body(endpoint: Endpoint, body: bytes | msgspec.Raw) -> Verdict:
    try:
        reply, faults = reading.read(endpoint, body)
    except BadValue as bad:
        return Verdict(Outcome.UNREADABLE, HTML if bad.reason == NOT_JSON and _is_html(body) else bad.reason)
    try:
        outcome = endpoint.source.judge(reply)
    except SourceError:
        raise
    except Exception as wrong:  # noqa: BLE001 - one reply's surprise must not cost the others theirs; it is listed
        return Verdict(Outcome.FAILED, f"the source can't judge it: {type(wrong).__name__}")
    if outcome is Outcome.QUOTA:
        return Verdict(outcome, QUOTA, is_transient=True)
    if outcome not in _ANSWERS:
        return Verdict(outcome, FAILED)
    if _is_foreign(endpoint, reply, faults, body):
        return Verdict(Outcome.UNREADABLE, _foreign(endpoint, body), faults=faults)
    return Verdict(outcome, "", False, reply, faults)  # noqa: FBT003 - by position: a third of the time, for each reply


def _is_html(body: bytes | msgspec.Raw) -> bool:
    return bytes(memoryview(body)[:64]).lstrip().startswith(b"<")


def _is_foreign(endpoint: Endpoint, reply: Any, faults: Sequence[Fault], body: bytes | msgspec.Raw) -> bool:  # noqa: ANN401 - typed by the endpoint
    """Tell whether nothing in a reply is what the endpoint's type declares.

    Such a reply is an error in the service's own words (`{"message": "Rate limit exceeded"}`). Decoded, it equals an
    empty reply, which a source may take for "not found".
    """
    if not isinstance(reply, msgspec.Struct):
        return isinstance(reply, (list, dict)) and not reply and bool(faults)
    blank, members = _blank(endpoint)
    if blank is None or reply != blank:
        return False
    try:
        found = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    refused = {fault.path.removeprefix("$.") for fault in faults}
    return bool(found) and members.isdisjoint(found.keys() - refused)


def _foreign(endpoint: Endpoint, body: bytes | msgspec.Raw) -> str:
    """Return why a reply is not the endpoint's: whose it is, where exactly one other of the source can read it."""
    others = [each.name for each in endpoint.source.endpoints.values() if each is not endpoint and _finds(each, body)]
    return f"a reply of the endpoint {others[0]}" if len(others) == 1 else FOREIGN


def _finds(endpoint: Endpoint, body: bytes | msgspec.Raw) -> bool:
    """Tell whether a body reads as an endpoint's reply that found something."""
    if endpoint.format != "json":
        return False
    try:
        reply, faults = reading.read(endpoint, body)
        return not faults and not _is_foreign(endpoint, reply, faults, body) and _is_found(endpoint, reply)
    except BadValue:
        return False


def _is_found(endpoint: Endpoint, reply: Any) -> bool:  # noqa: ANN401 - typed by the endpoint
    try:
        return endpoint.source.judge(reply) is Outcome.FOUND
    except Exception:  # noqa: BLE001 - a reply that the source can't judge is not this endpoint's
        return False


@cache
def _blank(endpoint: Endpoint) -> tuple[Any, frozenset[str]]:
    """Return the reply that an empty object decodes to, and its type's members; None where it can't be decoded."""
    try:
        blank = endpoint.decoder.decode(b"{}")
    except (msgspec.DecodeError, NotImplementedError):
        return None, frozenset()
    if endpoint.format != "json" or not isinstance(blank, msgspec.Struct):
        return None, frozenset()
    return blank, frozenset(blank.__struct_encode_fields__)
