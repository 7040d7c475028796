"""The result of a fetch, source by source."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

MAX_EXAMPLES: Final = 5


@dataclass(frozen=True)
class Failure:
    """A question without an answer, and the reason."""

    endpoint: str
    key: str
    reason: str


@dataclass
class Tally:
    """One source's part of a fetch. A question is one endpoint, one key and one set of parameters.

    `to_ask` questions lacked an answer and can be asked; `asked` ones were sent: `found`, `not_found` or
    `failed`. `cached` ones had an answer already. `skipped` ones were not asked, by reason. `requests` counts every
    attempt.
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
    trouble: str = ""
    """What the last request failed of, while it is to be sent again; empty after an answer."""
    aside: str = ""
    """Why the source was set aside for this run; empty if it was not."""
    until: float = 0.0
    """When a source that was set aside may be asked again (epoch seconds); 0 if that is not known."""
    needs_key: str = ""
    """The environment variable whose API key is missing or refused; empty if none is."""
    more_pages: int = 0
    """Answers, new or cached, of which the last page that may be asked for names another."""
    rate: float = 0.0
    """Requests a second in the last ten seconds."""
    left: int | None = None
    """Requests that the longest of its rates leaves; None without rates."""
    seconds_to_go: float = 0.0
    """Estimated from its limits and its rate; 0 if it is done or nothing is known yet."""

    @property
    def remaining(self) -> int:
        """Return how many questions are still to be asked."""
        return 0 if self.aside else max(0, self.to_ask - self.asked)

    def fail(self, failure: Failure) -> None:
        """Count a failed question; the first few are kept as examples."""
        self.asked += 1
        self.failed[failure.reason] += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(failure)


@dataclass
class Summary:
    """A whole fetch. `interrupted` is true if it was stopped before its end; its answers are kept all the same.

    `indicators` counts them, hops included; `unasked` those of kinds that no source takes. `left_out` counts,
    by reason, the indicators that the answers led to and that were not followed. `future` counts the cached answers
    that are dated later than now. `offline`: no service could be reached at all, so that the network is to blame.
    `silent`: no connection has come about yet, for some seconds. `unpushed`: why the replies are on this machine alone,
    and not in the store; empty if they are there, or if there is none.
    """

    sources: dict[str, Tally] = field(default_factory=dict)
    interrupted: bool = False
    indicators: int = 0
    unasked: int = 0
    future: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    offline: bool = False
    silent: bool = False
    unpushed: str = ""

    @property
    def total(self) -> Tally:
        """Return the sums over the sources."""
        whole = Tally()
        for tally in self.sources.values():
            whole.cached += tally.cached
            whole.to_ask += tally.to_ask
            whole.asked += tally.asked
            whole.found += tally.found
            whole.not_found += tally.not_found
            whole.requests += tally.requests
            whole.failed += tally.failed
            whole.skipped += tally.skipped
            whole.more_pages += tally.more_pages
            whole.rate += tally.rate
            whole.seconds_to_go = max(whole.seconds_to_go, tally.seconds_to_go)
        return whole

    @property
    def complete(self) -> bool:
        """Whether every question that could be asked has an answer: none failed, no source was set aside."""
        return not self.interrupted and not any(tally.failed or tally.aside for tally in self.sources.values())
