"""The answers that the cache has for a run: which questions have one that is fresh, and which must be asked."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from intel_grapher.cache import Cache
from intel_grapher.errors import CacheError
from intel_grapher.fetch.asking import Freshness, KeyQuestion, QuestionForm, next_page, question_form
from intel_grapher.source import Endpoint, Outcome
from intel_grapher.verdict import Verdict, by_status, judged

Held = Mapping[tuple[str, str, str], tuple[int, int]]
"""For one key: the time (epoch seconds) and HTTP status of the newest answer to each question."""
NOTHING: Final[Held] = {}
CLOCK_STEP: Final = 1.0
"""Seconds. Answers are dated in whole seconds."""


class Due(NamedTuple):
    """Questions about one key: `cached` have an answer, `questions` must be asked, `ungiven` can't be (UNGIVEN).

    Of `cut` the last page that may be asked for is there, and names another.
    """

    cached: int
    questions: list[KeyQuestion]
    ungiven: int
    cut: int


class Pages(NamedTuple):
    """The pages of one answer: how many are there and fresh, the question for the next, if any, and `cut` as in Due."""

    there: int
    question: KeyQuestion | None
    cut: bool


class AnswerCache:
    """Look-ups in the cache. An answer from after `started` (epoch seconds) is fresh, whatever the rules say.

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
        """Return the newest answers for many keys at once."""
        return self._cache.held(keys, source)

    def missing(self, question: KeyQuestion, held: Held) -> Pages:
        """Return the pages with a fresh answer, and the first without one. `held` has the key's answers."""
        there, cut = 0, False
        page: KeyQuestion | None = question
        while page is not None:
            answer = held.get(page.form.name)
            if answer is None or not self._is_fresh(page, *answer):
                return Pages(there, page, cut=False)
            there += 1
            page, cut = (None, False) if page.form.endpoint.more is None else self._page_after(page, answer[1])
        return Pages(there, None, cut)

    def due(self, forms: Sequence[QuestionForm], key: str, held: Held) -> Due:
        """Return what must be asked of one source about a key; `held` has the key's answers.

        A question that needs the answer to another one, which must be asked first, waits in the other's `then`.
        """
        cached = ungiven = cut = 0
        questions: list[KeyQuestion] = []
        lookups: dict[str, int] = {}  # by endpoint: the position in `questions`
        answers: dict[str, Any] = {}  # by look-up: its reply, read once
        for form in forms:
            there, question, is_cut = self.missing(KeyQuestion(form, key), held)
            cached += there
            cut += is_cut
            if question is None:
                continue
            lookup = form.endpoint.lookup
            if lookup is None:
                lookups[form.endpoint.name] = len(questions)
                questions.append(question)
            elif (place := lookups.get(lookup.name)) is not None:
                questions[place] = questions[place]._replace(then=(*questions[place].then, question))
            else:
                if lookup.name not in answers:
                    answers[lookup.name] = self._found(lookup, key)
                given = form.endpoint.told(answers[lookup.name])
                questions += [question._replace(given=given)] if given else []
                ungiven += not given
        return Due(cached, questions, ungiven, cut)

    def given(self, endpoint: Endpoint, key: str) -> str:
        """Return the value that an endpoint's look-up found for a key; empty if it found none."""
        return endpoint.told(self._found(endpoint.lookup, key)) if endpoint.lookup else ""

    def _found(self, lookup: Endpoint, key: str) -> Any:  # noqa: ANN401 - typed by the endpoint
        verdict = self._verdict(KeyQuestion(question_form(lookup, {}), key))
        return verdict.reply if verdict.outcome is Outcome.FOUND else None

    def missing_page(self, page: KeyQuestion) -> Pages:
        """Return the same as `missing`, for a page that a reply has just named."""
        return self.missing(page, self.held([page.key], page.form.name[0]).get(page.key, NOTHING))

    def _is_fresh(self, question: KeyQuestion, fetched_at: int, status: int) -> bool:
        early = by_status(question.form.endpoint, status)
        if early is not None and not early.is_answer:
            return False
        age = self._age(fetched_at)
        source = question.form.name[0]
        longest, not_found = self._freshness.of(source), self._freshness.of_not_found(source)
        if longest is not None and age >= max(longest, 0.0) and age > 0:
            return False
        if not_found is None or age < not_found or age <= 0:
            return True
        return (early or self._verdict(question)).outcome is Outcome.FOUND

    def _age(self, fetched_at: int) -> float:
        """Return an answer's age in seconds: 0 for one of this run, infinity for one that is dated later than now."""
        if fetched_at > self._started and fetched_at > time.time() + CLOCK_STEP:
            self.future += 1
            return math.inf
        return max(0.0, self._started - fetched_at)

    def _page_after(self, question: KeyQuestion, status: int) -> tuple[KeyQuestion | None, bool]:
        """Return the question for the next page, and whether there is one more than may be asked for."""
        if by_status(question.form.endpoint, status) is not None:
            return None, False
        reply = self._verdict(question).reply
        return (None, False) if reply is None else next_page(question, reply, self._pages)

    def _verdict(self, question: KeyQuestion) -> Verdict:
        """Return the verdict on the newest answer; UNREADABLE if it is gone or damaged."""
        source, endpoint, _ = question.form.name
        found = self._cache.newest(source, endpoint, question.key, dict(question.form.params))
        if found is None:
            return Verdict(Outcome.UNREADABLE, "not kept")
        try:
            return judged(question.form.endpoint, found.status, self._cache.read(found).content)
        except CacheError as error:
            return Verdict(Outcome.UNREADABLE, str(error))
