"""Which replies are out of date: the source was asked the same again, and really answered.

A source takes a fact back by not saying it again. So a reply from before a moment no longer counts where the same
question has a full answer from then on: one that is read without a fault, gives facts, and has all of its pages. A
failed, an empty or a partial answer takes nothing back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import NamedTuple

from intel_grapher.cache import Corruption, Segment
from intel_grapher.cache.envelope import Envelope
from intel_grapher.errors import BadValue
from intel_grapher.model import Relationship
from intel_grapher.source import Endpoint, Outcome, Source
from intel_grapher.transform.facts import Batch, Reply
from intel_grapher.verdict import judged

Params = tuple[tuple[str, str], ...]


class Question(NamedTuple):
    """What was asked, whichever page of it: the endpoint, the key, and those parameters that are asked in turn."""

    endpoint: str
    key: str
    params: Params


class Page(NamedTuple):
    """An answer's page: how many facts it gives, and the parameters of the next; None where it is the last."""

    facts: int
    next: Params | None


def superseded(
    segments: Iterable[Segment], sources: Mapping[str, Source], since: Mapping[str, int], until: int | None = None
) -> Callable[[Envelope], bool]:
    """Return what tells of a reply whether it is out of date.

    `since` has the moment of each source that may take facts back, in epoch seconds; what came after `until` counts
    for nothing.
    """
    pages: dict[Question, dict[Params, Page]] = {}
    for segment in segments:
        source = sources.get(segment.source)
        endpoint = source.endpoint(segment.endpoint) if source and segment.source in since else None
        if endpoint is None:
            continue
        for reply in segment.envelopes(_passed_over):
            if reply.epoch >= since[segment.source] and (until is None or reply.epoch <= until):
                page = _page(endpoint, reply)
                if page is not None:
                    pages.setdefault(_question(endpoint, reply), {})[_params(reply.params)] = page
    answered = {question for question, found in pages.items() if _is_full(question, found)}

    def is_superseded(reply: Envelope) -> bool:
        if reply.epoch >= since.get(reply.source, 0):
            return False
        endpoint = sources[reply.source].endpoint(reply.endpoint)
        return endpoint is not None and _question(endpoint, reply) in answered

    return is_superseded


def _passed_over(_damage: Corruption) -> None:
    """Do nothing: the transform counts what is damaged."""


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


def _page(endpoint: Endpoint, reply: Envelope) -> Page | None:
    """Return what a reply is as a page of an answer; None where it is none, or not whole.

    An answer's facts are its relationships; where the mapping gives none of any type, what it says of nodes.
    """
    kept = Reply.of(reply)
    verdict = judged(endpoint, kept.status, kept.content)
    if verdict.outcome is Outcome.NOT_FOUND and not verdict.faults:
        return Page(0, None)
    batch = Batch(endpoint, 0)
    joins = any(isinstance(fact.what, Relationship) for fact in batch.take(kept, verdict))
    if batch.rejects:
        return None
    facts = sum(table.num_rows for group, table in batch.encode().tables if group.type or not joins)
    more = endpoint.more(verdict.reply) if endpoint.more else None
    return Page(facts, None if more is None else _params(more))


def _is_full(question: Question, pages: dict[Params, Page]) -> bool:
    """Tell whether an answer has all its pages, and facts in them."""
    facts, params, passed = 0, question.params, set[Params]()
    while params in pages and params not in passed:
        passed.add(params)
        facts += pages[params].facts
        following = pages[params].next
        if following is None:
            return facts > 0
        params = following
    return params in passed and facts > 0
