"""What failed and was not answered since: to be listed, to be asked again; and how each source stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from intel_grapher.cache import Cache, Envelope, FailedBody
from intel_grapher.cache.envelope import EXCERPT, canonical_params
from intel_grapher.fetch.asking import Ask, Freshness, question, secrets
from intel_grapher.fetch.forecast import Outlook
from intel_grapher.fetch.ledger import Ledger
from intel_grapher.fetch.run import Options, Progress, Run
from intel_grapher.fetch.shelf import Shelf
from intel_grapher.fetch.summary import Summary
from intel_grapher.fetch.survey import bars
from intel_grapher.source import Endpoint, Source
from intel_grapher.verdict import FAILED, judged

_CHUNK: Final = 2000


@dataclass(frozen=True)
class Outstanding:
    """A question whose last attempt failed: when (epoch seconds), why, and how the reply began."""

    source: str
    endpoint: str
    key: str
    params: dict[str, str]
    failed_at: int
    status: int
    reason: str
    excerpt: str


@dataclass
class Standing:
    """How a source stands: `answers` kept, `failed` questions by reason, and what each of its keys may do."""

    answers: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    retired: str = ""
    needs_key: str = ""
    outlooks: list[Outlook] = field(default_factory=list)


def failed(cache: Cache, sources: Sequence[Source] = ()) -> list[Outstanding]:
    """Return what failed and has no answer since, each question once, by source, endpoint and key.

    `sources` say of a reply from elsewhere (`cache add`) why it is no answer; without them its status does.
    """
    newest: dict[tuple[str, str, str, str], Outstanding] = {}
    for each in _failures(cache, {source.name: source for source in sources}):
        question_ = (each.source, each.endpoint, each.key, canonical_params(each.params))
        before = newest.get(question_)
        if before is None or before.failed_at <= each.failed_at:
            newest[question_] = each
    found: list[Outstanding] = []
    ordered = sorted(newest.items())
    for start in range(0, len(ordered), _CHUNK):
        chunk = ordered[start : start + _CHUNK]
        held = cache.held(sorted({key for (_, _, key, _), _ in chunk}))
        for (source, endpoint, key, params), each in chunk:
            answered_at, _ = held.get(key, {}).get((source, endpoint, params), (-1, 0))
            if answered_at < each.failed_at:
                found.append(each)
    return found


def retry(
    cache: Cache, sources: Sequence[Source], options: Options | None = None, progress: Progress | None = None
) -> Summary:
    """Ask again what failed, and only that. Behaves, and raises, as `fetch` does."""
    known = {source.name: source for source in sources}
    shelf = Shelf(cache, Freshness(), pages=1)
    asks: list[Ask] = []
    for each in failed(cache, sources):
        source = known.get(each.source)
        endpoint = source.endpoint(each.endpoint) if source else None
        if endpoint is None or endpoint.kept_only:
            continue
        given = shelf.given(endpoint, each.key)
        if given or endpoint.lookup is None:  # else it waits for its look-up, or that finds nothing any more
            asks.append(Ask(question(endpoint, each.params), each.key, given=given))
    with Run(cache, sources, options, progress) as run:
        return run.ask_again(asks)


def status(cache: Cache, sources: Sequence[Source], ledger: Path) -> dict[str, Standing]:
    """Return how the sources stand. `ledger` is the file that counts what was sent. Makes no request."""
    standings = {source.name: Standing(retired=source.retired, needs_key=bars(source)[1]) for source in sources}
    for holding in cache.holdings():
        if holding.area == "raw" and holding.source in standings:
            standings[holding.source].answers += holding.replies
    for each in failed(cache, sources):
        if each.source in standings:
            standings[each.source].failed[each.reason] += 1
    if ledger.exists():
        with Ledger(ledger) as opened:
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
        for envelope in segment.envelopes(lambda _: None):  # what is damaged there is told by `cache verify`
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
    """Return why a reply failed and how it began. The body of an adopted one is the reply itself."""
    try:
        return msgspec.json.decode(envelope.content, type=FailedBody)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        reason = judged(endpoint, envelope.status, envelope.content).reason or FAILED
        return FailedBody(reason, envelope.content[:EXCERPT].decode("utf-8", "replace"))
