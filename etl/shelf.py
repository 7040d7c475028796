"""The cache as one run sees it: which questions have an answer that is fresh enough, and which must be asked."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from etl.asking import NOT_FOUND, Ask, Freshness, following
from etl.cache import Cache
from etl.errors import BadValue, CacheError
from etl.reading import read
from etl.source import Outcome

Held = Mapping[tuple[str, str, str], tuple[int, int]]
"""Of one key: when the newest answer to each question came, and its status."""
NOTHING: Final[Held] = {}


class Shelf:
    """Look-ups in the cache. What came since `started` (epoch seconds) is fresh, whatever the rules say."""

    def __init__(self, cache: Cache, freshness: Freshness, pages: int, started: float | None = None) -> None:
        self._cache = cache
        self._freshness = freshness
        self._pages = pages
        self._now = time.time() if started is None else started

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

    def missing_page(self, page: Ask) -> tuple[int, Ask | None]:
        """Return what `missing` does, for a page that a reply has just led to."""
        return self.missing(page, self.held([page.key], page.question.name[0]).get(page.key, NOTHING))

    def _is_fresh(self, ask: Ask, fetched_at: int, status: int) -> bool:
        age = self._now - fetched_at
        source = ask.question.name[0]
        longest, not_found = self._freshness.of(source), self._freshness.of_not_found(source)
        if longest is not None and age >= max(longest, 0.0) and age > 0:
            return False
        return not_found is None or age < not_found or age <= 0 or not self._says_nothing(ask, status)

    def _says_nothing(self, ask: Ask, status: int) -> bool:
        if status == NOT_FOUND:
            return True
        reply = self._read(ask)
        return reply is None or ask.question.endpoint.source.judge(reply) is Outcome.NOT_FOUND

    def _page_after(self, ask: Ask, status: int) -> Ask | None:
        reply = None if status == NOT_FOUND else self._read(ask)
        return None if reply is None else following(ask, reply, self._pages)

    def _read(self, ask: Ask) -> Any:  # noqa: ANN401 - typed by the endpoint
        """Return the typed reply, or None where it can't be read (any more)."""
        source, endpoint, _ = ask.question.name
        found = self._cache.newest(source, endpoint, ask.key, dict(ask.question.params))
        try:
            return None if found is None else read(ask.question.endpoint, self._cache.read(found).content)[0]
        except (BadValue, CacheError):
            return None
