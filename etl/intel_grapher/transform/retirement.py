"""Superseded replies: those from before a given time whose question has a full answer from then on.

A source takes a fact back by not repeating it. An answer is full if it was read without a reject, gives facts, and has
all of its pages. A failed, an empty or a partial answer takes nothing back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from intel_grapher.cache import Corruption, Segment
from intel_grapher.cache.envelope import Envelope
from intel_grapher.errors import BadValue
from intel_grapher.model import Relationship
from intel_grapher.registry import Registry
from intel_grapher.source import Endpoint, Outcome
from intel_grapher.transform.facts import Batch, Reply
from intel_grapher.transform.overriding import Overriding
from intel_grapher.verdict import judged

Params = tuple[tuple[str, str], ...]


class Question(NamedTuple):
    """A question without its page: the endpoint, the canonical key, and the parameters of `Endpoint.vary`."""

    endpoint: str
    key: str
    params: Params


class AnswerPage(NamedTuple):
    """One page of an answer: its number of facts, and the parameters of the next page; None if it is the last."""

    facts: int
    next: Params | None


@dataclass(frozen=True)
class Counting:
    """Which replies count: none from after `until`, and none that is superseded.

    `since` maps the sources that may take facts back to epoch seconds, `answered` are the questions with a full answer
    from then on.
    """

    registry: Registry
    since: Mapping[str, int]
    until: int | None
    answered: frozenset[Question]

    def is_late(self, reply: Envelope) -> bool:
        """Tell whether a reply is from after `until`."""
        return self.until is not None and reply.epoch > self.until

    def is_superseded(self, reply: Envelope) -> bool:
        """Tell whether a reply is from before, and its question is answered."""
        if reply.epoch >= self.since.get(reply.source, 0):
            return False
        endpoint = self.registry.endpoint(reply.source, reply.endpoint)
        return endpoint is not None and _question(endpoint, reply) in self.answered


def counting(
    segments: Iterable[Segment],
    registry: Registry,
    since: Mapping[str, int],
    until: int | None = None,
    *,
    overriding: Overriding,
) -> Counting:
    """Return which replies count, by the answers in some segments.

    Replies from after `until` are not counted as answers, nor are those that `overriding` leaves out. Raises CacheError
    if a segment can't be read.
    """
    pages: dict[Question, dict[Params, AnswerPage]] = {}
    for segment in segments:
        endpoint = registry.endpoint(segment.source, segment.endpoint) if segment.source in since else None
        if endpoint is None:
            continue
        for reply in overriding.replies(segment, _passed_over):
            if reply.epoch >= since[segment.source] and (until is None or reply.epoch <= until):
                page = _page(endpoint, reply)
                if page is not None:
                    params = () if endpoint.of_files else _params(reply.params)  # a file is one page
                    pages.setdefault(_question(endpoint, reply), {})[params] = page
    answered = frozenset(question for question, found in pages.items() if _is_full(question, found))
    return Counting(registry, since, until, answered)


def _passed_over(_damage: Corruption) -> None:
    """Ignore a damaged record; it is counted where the segment is staged."""


def _params(params: Mapping[str, str] | None) -> Params:
    return tuple(sorted((params or {}).items()))


def _question(endpoint: Endpoint, reply: Envelope) -> Question:
    first = {name: value for name, value in reply.params.items() if name in endpoint.vary}
    return Question(f"{endpoint.source.name}/{endpoint.name}", _canonical(endpoint, reply.key), _params(first))


@cache
def _canonical(endpoint: Endpoint, key: str) -> str:
    try:
        return endpoint.canonical(key)
    except BadValue:
        return key


def _page(endpoint: Endpoint, reply: Envelope) -> AnswerPage | None:
    """Return a reply as a page of an answer; None if it is no answer, or has a reject.

    Its facts are its relationships; if the mapping gives none of any type, its facts about nodes.
    """
    kept = Reply.of(reply)
    verdict = judged(endpoint, kept.status, kept.content)
    if verdict.outcome is Outcome.NOT_FOUND and not verdict.faults:
        return AnswerPage(0, None)
    batch = Batch(endpoint, 0)
    joins = any(isinstance(fact.what, Relationship) for fact in batch.take(kept, verdict))
    if batch.rejects:
        return None
    facts = sum(table.num_rows for group, table in batch.encode().tables if group.type or not joins)
    more = endpoint.more(verdict.reply) if endpoint.more else None
    return AnswerPage(facts, None if more is None else _params(more))


def _is_full(question: Question, pages: dict[Params, AnswerPage]) -> bool:
    """Tell whether an answer has all its pages, and facts on them."""
    facts, params, passed = 0, question.params, set[Params]()
    while params in pages and params not in passed:
        passed.add(params)
        facts += pages[params].facts
        following = pages[params].next
        if following is None:
            return facts > 0
        params = following
    return params in passed and facts > 0
