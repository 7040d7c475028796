"""A plan: what a fetch would ask, how many requests that is, and when it would be done. Sends no request."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from intel_grapher.cache import Cache
from intel_grapher.fetch import forecast
from intel_grapher.fetch.asking import Indicator, secrets
from intel_grapher.fetch.cached_answers import AnswerCache
from intel_grapher.fetch.forecast import Outlook
from intel_grapher.fetch.frontier import Frontier
from intel_grapher.fetch.hops import HopStep, follow
from intel_grapher.fetch.ledgers import find_ledger
from intel_grapher.fetch.run import FetchOptions
from intel_grapher.fetch.workload import bars, workload
from intel_grapher.source import Source


@dataclass
class SourcePlan:
    """One source's part: answers in the cache, questions to ask, questions skipped by reason.

    `today` is how many of the questions its rates allow before the next UTC midnight; `seconds` how long all of them
    take by its rates alone. `outlooks` has each API key's. `held_until` (epoch seconds) and `held_reason` are set if
    every key is held.
    """

    cached: int = 0
    to_ask: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    needs_key: str = ""
    today: int = 0
    seconds: float = 0.0
    held_until: float = 0.0
    held_reason: str = ""
    outlooks: list[Outlook] = field(default_factory=list)


@dataclass
class Plan:
    """A whole fetch in advance. Each question is one request, if nothing fails and the answer has one page.

    A question that needs a look-up is counted, unless the look-up is known to have found nothing.

    Hops are known as far as the cache goes: later answers lead further. `steps` are the indicators that the cached
    answers lead to, in the order in which they would be asked about; `left_out` counts the others by reason.
    `future` cached answers are dated later than now.
    """

    sources: dict[str, SourcePlan]
    indicators: int = 0
    unasked: int = 0
    future: int = 0
    steps: list[HopStep] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    done_at: float = 0.0
    """Epoch seconds."""

    @property
    def requests(self) -> int:
        """Return the number of requests in all."""
        return sum(part.to_ask for part in self.sources.values())


def plan(
    cache: Cache, sources: Sequence[Source], indicators: Iterable[Indicator], options: FetchOptions | None = None
) -> Plan:
    """Return what `fetch` would do with the same arguments. Raises CacheError and KeyMissingError as `fetch` does."""
    options = options or FetchOptions()
    answers = AnswerCache(cache, options.freshness, options.pages)
    made = Plan({source.name: SourcePlan(needs_key=bars(source)[1]) for source in sources})
    with Frontier() as frontier:
        frontier.add(indicators)
        start = 1
        for hop in range(options.hops.depth + 1):
            stop = len(frontier) + 1
            left = None if options.requests is None else options.requests - made.requests
            seen = workload(frontier, sources, answers, start=start, requests=left)
            made.unasked += seen.unasked
            made.future += seen.future
            for name, count in seen.sources.items():
                made.sources[name].cached += count.cached
                made.sources[name].to_ask += count.to_ask
                made.sources[name].skipped += count.skipped
            if hop < options.hops.depth:
                trail = follow(cache, sources, frontier, options.hops, start=start, stop=stop)
                frontier.add(step.indicator for step in trail.steps)
                made.steps += trail.steps
                made.left_out += trail.left_out
                start = stop
        made.indicators = len(frontier)
    _forecast(made, cache, sources, options)
    return made


def _forecast(made: Plan, cache: Cache, sources: Sequence[Source], options: FetchOptions) -> None:
    now = time.time()
    ledger = find_ledger(options.ledger_at(cache))
    try:
        for source in sources:
            part = made.sources[source.name]
            if source.retired or part.needs_key:
                continue
            part.outlooks = [
                Outlook.of(ledger.account(source, secret)) if ledger else Outlook.untouched(source, now)
                for secret in secrets(source) or [""]
            ]
            first_free = min(part.outlooks, key=lambda outlook: (outlook.held_until, outlook.held_reason))
            part.held_until, part.held_reason = first_free.held_until, first_free.held_reason
            limit = forecast.today(part.outlooks, now)
            part.today = part.to_ask if limit is None else min(part.to_ask, limit)
            part.seconds = forecast.seconds(part.outlooks, part.to_ask, now)
    finally:
        if ledger is not None:
            ledger.close()
    made.done_at = now + max((part.seconds for part in made.sources.values()), default=0.0)
