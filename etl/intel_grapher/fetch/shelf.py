"""The cache as one run sees it: which questions have an answer that is fresh enough, and which must be asked."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from intel_grapher.cache import Cache
from intel_grapher.errors import CacheError
from intel_grapher.fetch.asking import Ask, Freshness, Question, following, question
from intel_grapher.source import Endpoint, Outcome
from intel_grapher.verdict import Verdict, by_status, judged

Held = Mapping[tuple[str, str, str], tuple[int, int]]
"""Of one key: when the newest answer to each question came, and its status."""
NOTHING: Final[Held] = {}
CLOCK_STEP: Final = 1.0
"""Seconds. Answers are dated in whole seconds."""


class Due(NamedTuple):
    """Of questions about one key: how many answers are there, what must be asked, and how many lack what they need."""

    cached: int
    asks: list[Ask]
    ungiven: int


class Shelf:
    """Look-ups in the cache. What came since `started` (epoch seconds) is fresh, whatever the rules say.

    `future` counts the answers looked at that are dated later than now: a clock was ahead when they were kept. They
    are of unknown age, so any rule about age has them asked again.
    """

    def __init__(self, cache: Cache, freshness: Freshness, pages: int, started: float | None = None) -> None:
        self._cache = cache
        self._freshness = freshness
        self._pages = pages
        self._started = time.time() if started is None else started
        self.future = 0

    def held(self, keys: Sequence[str], source: str | None = None) -> Mapping[str, Held]:
        """Return what is there for many keys at once."""
        return self._cache.held(keys, source)

    def missing(self, ask: Ask, held: Held) -> tuple[int, Ask | None]:
        """Return how many answers are there, and the first question, of this one and its next pages, that lacks one.

        `held` is what is there for the key.
        """
        there = 0
        page: Ask | None = ask
        while page is not None:
            answer = held.get(page.question.name)
            if answer is None or not self._is_fresh(page, *answer):
                return there, page
            there += 1
            page = None if page.question.endpoint.more is None else self._page_after(page, answer[1])
        return there, None

    def due(self, questions: Sequence[Question], key: str, held: Held) -> Due:
        """Return what is to be done for all of one source's questions about a key; `held` is what is there for it.

        A question that is given something by an answer that must itself be asked waits for that one, in its `then`.
        """
        cached = ungiven = 0
        asks: list[Ask] = []
        lookups: dict[str, int] = {}  # by endpoint: where among `asks`
        answers: dict[str, Any] = {}  # what look-ups found, each read once
        for each in questions:
            there, ask = self.missing(Ask(each, key), held)
            cached += there
            if ask is None:
                continue
            lookup = each.endpoint.lookup
            if lookup is None:
                lookups[each.endpoint.name] = len(asks)
                asks.append(ask)
            elif (place := lookups.get(lookup.name)) is not None:
                asks[place] = asks[place]._replace(then=(*asks[place].then, ask))
            else:
                if lookup.name not in answers:
                    answers[lookup.name] = self._found(lookup, key)
                given = each.endpoint.told(answers[lookup.name])
                asks += [ask._replace(given=given)] if given else []
                ungiven += not given
        return Due(cached, asks, ungiven)

    def given(self, endpoint: Endpoint, key: str) -> str:
        """Return what the newest answer to an endpoint's look-up tells it; empty where that found nothing."""
        return endpoint.told(self._found(endpoint.lookup, key)) if endpoint.lookup else ""

    def _found(self, lookup: Endpoint, key: str) -> Any:  # noqa: ANN401 - typed by the endpoint
        verdict = self._verdict(Ask(question(lookup, {}), key))
        return verdict.reply if verdict.outcome is Outcome.FOUND else None

    def missing_page(self, page: Ask) -> tuple[int, Ask | None]:
        """Return what `missing` does, for a page that a reply has just led to."""
        return self.missing(page, self.held([page.key], page.question.name[0]).get(page.key, NOTHING))

    def _is_fresh(self, ask: Ask, fetched_at: int, status: int) -> bool:
        by_status_ = by_status(ask.question.endpoint, status)
        if by_status_ is not None and not by_status_.is_answer:
            return False
        age = self._age(fetched_at)
        source = ask.question.name[0]
        longest, not_found = self._freshness.of(source), self._freshness.of_not_found(source)
        if longest is not None and age >= max(longest, 0.0) and age > 0:
            return False
        if not_found is None or age < not_found or age <= 0:
            return True
        return (by_status_ or self._verdict(ask)).outcome is Outcome.FOUND

    def _age(self, fetched_at: int) -> float:
        """Return an answer's age in seconds: 0 for one of this run, infinity for one that is dated later than now."""
        if fetched_at > self._started and fetched_at > time.time() + CLOCK_STEP:
            self.future += 1
            return math.inf
        return max(0.0, self._started - fetched_at)

    def _page_after(self, ask: Ask, status: int) -> Ask | None:
        if by_status(ask.question.endpoint, status) is not None:
            return None
        verdict = self._verdict(ask)
        return None if verdict.reply is None else following(ask, verdict.reply, self._pages)

    def _verdict(self, ask: Ask) -> Verdict:
        """Return the verdict on the newest answer. One that can't be read any more is unreadable."""
        source, endpoint, _ = ask.question.name
        found = self._cache.newest(source, endpoint, ask.key, dict(ask.question.params))
        if found is None:
            return Verdict(Outcome.UNREADABLE, "not kept")
        try:
            return judged(ask.question.endpoint, found.status, self._cache.read(found).content)
        except CacheError as error:
            return Verdict(Outcome.UNREADABLE, str(error))
