"""The questions that failed and have no answer since, to be listed or asked again; and how each source stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from intel_grapher.cache import Cache, Envelope, FailedBody
from intel_grapher.cache.envelope import EXCERPT, canonical_params
from intel_grapher.fetch.asking import Freshness, KeyQuestion, question_form, secrets
from intel_grapher.fetch.cached_answers import AnswerCache
from intel_grapher.fetch.forecast import Outlook
from intel_grapher.fetch.ledgers import find_ledger
from intel_grapher.fetch.run import FetchOptions, Progress, Run
from intel_grapher.fetch.summary import Summary
from intel_grapher.fetch.workload import bars
from intel_grapher.source import Endpoint, Source
from intel_grapher.verdict import FAILED, judged

_CHUNK: Final = 2000


@dataclass(frozen=True)
class Outstanding:
    """A question whose last attempt failed: when (epoch seconds), why, and the beginning of the reply."""

    source: str
    endpoint: str
    key: str
    params: dict[str, str]
    failed_at: int
    status: int
    reason: str
    excerpt: str


@dataclass
class SourceStanding:
    """How a source stands: `answers` in the cache, `failed` questions by reason, and the outlook of each API key."""

    answers: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    retired: str = ""
    needs_key: str = ""
    outlooks: list[Outlook] = field(default_factory=list)


def failed(cache: Cache, sources: Sequence[Source] = ()) -> list[Outstanding]:
    """Return the questions that failed and have no answer since, sorted by source, endpoint and key.

    `sources` give the reason for a reply from elsewhere (`cache add`); without them it is by its status.
    """
    newest: dict[tuple[str, str, str, str], Outstanding] = {}
    for failure in _failures(cache, {source.name: source for source in sources}):
        question = (failure.source, failure.endpoint, failure.key, canonical_params(failure.params))
        before = newest.get(question)
        if before is None or before.failed_at <= failure.failed_at:
            newest[question] = failure
    found: list[Outstanding] = []
    ordered = sorted(newest.items())
    for start in range(0, len(ordered), _CHUNK):
        chunk = ordered[start : start + _CHUNK]
        held = cache.held(sorted({key for (_, _, key, _), _ in chunk}))
        for (source, endpoint, key, params), failure in chunk:
            answered_at, _ = held.get(key, {}).get((source, endpoint, params), (-1, 0))
            if answered_at < failure.failed_at:
                found.append(failure)
    return found


def retry(
    cache: Cache, sources: Sequence[Source], options: FetchOptions | None = None, progress: Progress | None = None
) -> Summary:
    """Ask again the questions that failed, and return the summary. Raises the same errors as `fetch`."""
    known = {source.name: source for source in sources}
    answers = AnswerCache(cache, Freshness(), pages=1)
    questions: list[KeyQuestion] = []
    for failure in failed(cache, sources):
        source = known.get(failure.source)
        endpoint = source.endpoint(failure.endpoint) if source else None
        if endpoint is None or endpoint.kept_only:
            continue
        given = answers.given(endpoint, failure.key)
        if given or endpoint.lookup is None:  # else its look-up failed too, or finds nothing now
            questions.append(KeyQuestion(question_form(endpoint, failure.params), failure.key, given=given))
    with Run(cache, sources, options, progress) as run:
        return run.ask_again(questions)


def status(cache: Cache, sources: Sequence[Source], ledger: Path | str) -> dict[str, SourceStanding]:
    """Return how the sources stand, by name. `ledger` is the path or URL of what counts requests. Sends no request."""
    standings = {source.name: SourceStanding(retired=source.retired, needs_key=bars(source)[1]) for source in sources}
    for holding in cache.holdings():
        if holding.area == "raw" and holding.source in standings:
            standings[holding.source].answers += holding.replies - holding.taken_back
    for failure in failed(cache, sources):
        if failure.source in standings:
            standings[failure.source].failed[failure.reason] += 1
    if (found := find_ledger(ledger)) is not None:
        with found as opened:
            for source in sources:
                standing = standings[source.name]
                if not source.retired and not standing.needs_key:
                    accounts = [opened.account(source, secret) for secret in secrets(source) or [""]]
                    standing.outlooks = [Outlook.of(account) for account in accounts]
    return standings


def _failures(cache: Cache, sources: Mapping[str, Source]) -> Iterator[Outstanding]:
    for segment in cache.segments(["failed"]):
        source = sources.get(segment.source)
        endpoint = source.endpoint(segment.endpoint) if source else None
        for envelope in cache.replies(segment):  # `cache verify` lists the damaged ones
            body = _failure(endpoint, envelope)
            yield Outstanding(
                envelope.source,
                envelope.endpoint,
                envelope.key,
                envelope.params,
                envelope.epoch,
                envelope.status,
                body.reason,
                body.excerpt,
            )


def _failure(endpoint: Endpoint | None, envelope: Envelope) -> FailedBody:
    """Return the reason and the excerpt of a failure. The body of one from elsewhere is the reply itself."""
    try:
        return msgspec.json.decode(envelope.content, type=FailedBody)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        reason = judged(endpoint, envelope.status, envelope.content).reason or FAILED
        return FailedBody(reason, envelope.content[:EXCERPT].decode("utf-8", "replace"))
