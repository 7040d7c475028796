"""What a run of fetching did, source by source."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

MAX_EXAMPLES: Final = 5


@dataclass(frozen=True)
class Failure:
    """One question that was not answered, and why."""

    endpoint: str
    key: str
    reason: str


@dataclass
class Tally:
    """One source's part. A question is what is asked of one endpoint for one key with one set of parameters.

    `to_ask` questions lacked an answer and can be asked; `asked` ones were put to the service: `found`, `not_found`
    or `failed`. `cached` ones had an answer already. `skipped` ones were not asked, by reason. `requests` counts what
    was sent, with every further attempt.
    """

    cached: int = 0
    to_ask: int = 0
    asked: int = 0
    found: int = 0
    not_found: int = 0
    requests: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    examples: list[Failure] = field(default_factory=list)
    aside: str = ""
    """Why the source was given up for this run; empty when it was not."""
    until: float = 0.0
    """When a source that was set aside may be asked again, in epoch seconds; 0 where it does not tell."""
    needs_key: str = ""
    """The environment variable that lacks a key, or whose key is refused; empty when none does."""
    rate: float = 0.0
    """Requests a second, of late."""
    left: int | None = None
    """Requests that the longest of its limits leaves; None without limits."""
    seconds_to_go: float = 0.0
    """As far as its limits and its rate of late tell; 0 when it is done, or while nothing is known."""

    @property
    def remaining(self) -> int:
        """Return how many questions are still to be asked."""
        return 0 if self.aside else max(0, self.to_ask - self.asked)

    def fail(self, failure: Failure) -> None:
        """Count a question that failed; the first few are kept as examples."""
        self.asked += 1
        self.failed[failure.reason] += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(failure)


@dataclass
class Summary:
    """A whole run. `interrupted` says that it was stopped before its end; what was answered is kept all the same.

    `indicators` is how many there were, hops included; `unasked` how many of them no source can be asked about.
    `left_out` counts what the answers led to and was not followed, by reason. `future` cached answers are dated later
    than now.
    """

    sources: dict[str, Tally] = field(default_factory=dict)
    interrupted: bool = False
    indicators: int = 0
    unasked: int = 0
    future: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> Tally:
        """Return the sources' figures added up."""
        whole = Tally()
        for each in self.sources.values():
            whole.cached += each.cached
            whole.to_ask += each.to_ask
            whole.asked += each.asked
            whole.found += each.found
            whole.not_found += each.not_found
            whole.requests += each.requests
            whole.failed += each.failed
            whole.skipped += each.skipped
            whole.rate += each.rate
            whole.seconds_to_go = max(whole.seconds_to_go, each.seconds_to_go)
        return whole

    @property
    def complete(self) -> bool:
        """Whether every question that could be asked was answered: none failed, no source was set aside."""
        return not self.interrupted and not any(each.failed or each.aside for each in self.sources.values())
