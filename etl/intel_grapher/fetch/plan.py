"""Planning: what a fetch would ask, what that costs, and when it will be done. Makes no request."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from intel_grapher.cache import Cache
from intel_grapher.fetch import forecast
from intel_grapher.fetch.asking import Indicator, secrets
from intel_grapher.fetch.forecast import Outlook
from intel_grapher.fetch.frontier import Frontier
from intel_grapher.fetch.hops import Step, follow
from intel_grapher.fetch.ledger import Ledger
from intel_grapher.fetch.run import Options
from intel_grapher.fetch.shelf import Shelf
from intel_grapher.fetch.survey import bars, survey
from intel_grapher.source import Source


@dataclass
class SourcePlan:
    """One source's part: what is there, what would be asked, what not and why.

    `today` is how many of the questions its limits let out before the next UTC midnight; `seconds` how long all of
    them take by its limits alone. `outlooks` has what each of its keys may do. `held_until` (epoch seconds) and
    `held_reason` tell when every key is held back.
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
    """A whole fetch as it would be. Each question takes one request, if all goes well and has one page.

    A question that needs a look-up's answer is counted, unless that is known to have found nothing.

    With hops it knows as much as the cache does: answers still to come will lead further. `steps` are the indicators
    that the cached answers lead to, in the order in which they would be asked; `left_out` counts the others.
    `future` cached answers are dated later than now.
    """

    sources: dict[str, SourcePlan]
    indicators: int = 0
    unasked: int = 0
    future: int = 0
    steps: list[Step] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    done_at: float = 0.0
    """Epoch seconds."""

    @property
    def requests(self) -> int:
        """Return how many requests it takes in all."""
        return sum(each.to_ask for each in self.sources.values())


def plan(
    cache: Cache, sources: Sequence[Source], indicators: Iterable[Indicator], options: Options | None = None
) -> Plan:
    """Return what `fetch` would do with the same arguments. Raises CacheError and KeyMissingError as it does."""
    options = options or Options()
    shelf = Shelf(cache, options.freshness, options.pages)
    made = Plan({source.name: SourcePlan(needs_key=bars(source)[1]) for source in sources})
    with Frontier() as frontier:
        frontier.add(indicators)
        start = 1
        for hop in range(options.hops.depth + 1):
            stop = len(frontier) + 1
            left = None if options.requests is None else options.requests - made.requests
            seen = survey(frontier, sources, shelf, start=start, requests=left)
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


def _forecast(made: Plan, cache: Cache, sources: Sequence[Source], options: Options) -> None:
    now = time.time()
    path = options.ledger_at(cache)
    ledger = Ledger(path) if path.exists() else None
    try:
        for source in sources:
            part = made.sources[source.name]
            if source.retired or part.needs_key:
                continue
            part.outlooks = [
                Outlook.of(ledger.account(source, secret)) if ledger else Outlook.untouched(source, now)
                for secret in secrets(source) or [""]
            ]
            part.held_until, part.held_reason = min((each.held_until, each.held_reason) for each in part.outlooks)
            limit = forecast.today(part.outlooks, now)
            part.today = part.to_ask if limit is None else min(part.to_ask, limit)
            part.seconds = forecast.seconds(part.outlooks, part.to_ask, now)
    finally:
        if ledger is not None:
            ledger.close()
    made.done_at = now + max((each.seconds for each in made.sources.values()), default=0.0)
