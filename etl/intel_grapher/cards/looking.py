"""Looking at a list: asks what the cache lacks, and hands out each indicator's card when its last answer is there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from intel_grapher import schema
from intel_grapher.ask.engines import Graph
from intel_grapher.cache import Cache
from intel_grapher.cards import replies
from intel_grapher.cards.card import Asked, Card, Ties, made
from intel_grapher.cards.knowledge import Knowledge, Link
from intel_grapher.errors import BadValue
from intel_grapher.fetch import http
from intel_grapher.fetch.asking import PRIVATE, Indicator, KeyQuestion, QuestionIndex
from intel_grapher.fetch.cached_answers import NOTHING, AnswerCache
from intel_grapher.fetch.private import is_private
from intel_grapher.fetch.run import FetchOptions, fetch
from intel_grapher.fetch.summary import Summary
from intel_grapher.fetch.workload import bars
from intel_grapher.model import NodeRef
from intel_grapher.registry import Registry
from intel_grapher.source import Outcome, Source
from intel_grapher.transform.facts import Reply
from intel_grapher.verdict import Verdict

OFFLINE = "offline"

Show = Callable[[Card], None]
Reported = Callable[[Summary], None]


@dataclass
class Looked:
    """What a look gave: the fetch's summary (None if nothing was to be asked), the number of cards, what is shared."""

    summary: Summary | None
    cards: int
    shared: list[tuple[NodeRef, list[NodeRef]]]


@dataclass
class _Seed:
    """One indicator: what is known, the relationships known before, and the questions that wait, by source."""

    indicator: Indicator
    known: Knowledge
    before: set[Link]
    first_look: bool
    in_graph: bool
    waiting: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    shown: bool = False


def look(
    cache: Cache,
    registry: Registry,
    sources: Sequence[Source],
    indicators: Sequence[Indicator],
    options: FetchOptions,
    *,
    show: Show,
    graph: Graph | None = None,
    offline: bool = False,
    progress: Reported = lambda _summary: None,
) -> Looked:
    """Hand the card of each indicator to `show`, as soon as nothing more is to be asked about it.

    `sources` are asked what the cache lacks, as `fetch` does, unless `offline`. `graph` is what was known before.
    An interrupt ends the fetch; the cards that are left are shown with what is known. Raises what `fetch` raises.
    """
    return _Looking(cache, registry, sources, options, show=show, offline=offline).at(indicators, graph, progress)


class _Looking:
    """One look. Replies come in threads of the fetch; all else happens in the calling thread."""

    def __init__(
        self,
        cache: Cache,
        registry: Registry,
        sources: Sequence[Source],
        options: FetchOptions,
        *,
        show: Show,
        offline: bool,
    ) -> None:
        self._cache = cache
        self._registry = registry
        self._sources = sources
        self._options = options
        self._show = show
        self._offline = offline
        self._index = QuestionIndex(sources)
        self._barred = {source.name: bars(source)[0] for source in sources}
        self._ties = Ties()
        self._seeds: dict[str, list[_Seed]] = {}
        self._arrived: SimpleQueue[tuple[KeyQuestion, http.HttpReply, Verdict]] = SimpleQueue()
        self._cards = 0

    def at(self, indicators: Sequence[Indicator], graph: Graph | None, progress: Reported) -> Looked:
        """Look at a list."""
        seeds = [seed for seed in (self._seed(each, graph) for each in dict.fromkeys(indicators)) if seed]
        for seed in seeds:
            self._seeds.setdefault(seed.indicator[1], []).append(seed)
        summary = None
        if not self._offline:
            self._await(seeds)
        if any(seed.waiting for seed in seeds):

            def report(so_far: Summary) -> None:
                self._take(so_far)
                progress(so_far)

            for seed in seeds:
                if not seed.waiting:
                    self._print(seed, None)
            summary = fetch(
                self._cache,
                self._sources,
                [seed.indicator for seed in seeds],
                self._options,
                report,
                replied=self._answer,
            )
            self._take(summary)
        for seed in seeds:
            self._print(seed, summary)
        return Looked(summary, self._cards, self._ties.strongest())

    def _seed(self, indicator: Indicator, graph: Graph | None) -> _Seed | None:
        kind, key = indicator
        try:
            label, canonical = schema.BY_INDICATOR[kind].resolve(key)
        except BadValue:
            return None
        known = replies.of_cache(self._cache, self._registry, NodeRef(label.name, canonical), key)
        in_graph = graph is not None and known.add_graph(graph)
        self._ties.add(known)
        return _Seed(indicator, known, set(known.links), not known.answers and not in_graph, in_graph)

    def _await(self, seeds: Iterable[_Seed]) -> None:
        """Count the questions that the fetch will ask about each indicator."""
        answers = AnswerCache(self._cache, self._options.freshness, self._options.pages)
        for seed in seeds:
            kind, key = seed.indicator
            if is_private(kind, key):
                continue
            held = self._cache.held([key]).get(key, NOTHING)
            for name, forms in self._index.of(kind, key):
                if not self._barred[name]:
                    due = answers.due(forms, key, held)
                    seed.waiting[name] += sum(question.requests for question in due.questions)
            seed.waiting = +seed.waiting

    def _answer(self, question: KeyQuestion, reply: http.HttpReply, verdict: Verdict) -> None:
        """Note a reply; called in the fetch's threads."""
        self._arrived.put((question, reply, verdict))

    def _take(self, summary: Summary) -> None:
        """Take in the replies that have come, and show the cards that wait for nothing more."""
        while True:
            try:
                question, reply, verdict = self._arrived.get_nowait()
            except Empty:
                break
            for seed in self._seeds.get(question.key, ()):
                self._add(seed, question, reply, verdict)
        aside = {name for name, tally in summary.sources.items() if tally.aside}
        for seeds in self._seeds.values():
            for seed in seeds:
                if not seed.shown and not seed.waiting.keys() - aside:
                    self._print(seed, summary)

    def _add(self, seed: _Seed, question: KeyQuestion, reply: http.HttpReply, verdict: Verdict) -> None:
        endpoint, source = question.form.endpoint, question.form.name[0]
        if verdict.is_answer:
            told = Reply(question.key, int(time.time()), reply.status, reply.body)
            replies.add_reply(seed.known, endpoint, told, verdict)
            self._ties.add(seed.known)
        else:
            seed.failed[source] = verdict.reason
        done = 1 if verdict.outcome is Outcome.FOUND else question.requests
        if question.page == 1:
            seed.waiting[source] -= done
            seed.waiting = +seed.waiting

    def _print(self, seed: _Seed, summary: Summary | None) -> None:
        if not seed.shown:
            seed.shown = True
            self._cards += 1
            asked = self._asked(seed, summary)
            self._show(
                made(
                    seed.indicator, seed.known, self._ties, seed.before, asked, first_look=seed.first_look,
                    in_graph=seed.in_graph,
                )
            )  # fmt: skip

    def _asked(self, seed: _Seed, summary: Summary | None) -> list[Asked]:
        """Return how every source stands that takes the indicator, and those that have answered at some time."""
        kind, key = seed.indicator
        names = dict.fromkeys([*(name for name, _ in self._index.of(kind, key)), *sorted(seed.known.answers)])
        return [self._of_source(name, seed, summary) for name in names]

    def _of_source(self, name: str, seed: _Seed, summary: Summary | None) -> Asked:
        answer = seed.known.answers.get(name)
        failed = seed.failed.get(name, "")
        if answer is not None:
            return Asked(name, answer.outcome.value, f"asked again: {failed}" if failed else "", answer.at)
        if failed:
            return Asked(name, "failed", failed, 0)
        tally = summary.sources.get(name) if summary else None
        reason = self._barred.get(name, "") or (PRIVATE if is_private(*seed.indicator) else "")
        if not reason and self._offline:
            reason = OFFLINE
        if not reason and tally is not None:
            reason = tally.aside or "; ".join(tally.skipped)
        return Asked(name, "not asked", reason or "its question needs another answer first", 0)
