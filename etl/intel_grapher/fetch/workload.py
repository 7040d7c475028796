"""The work of a run: how many questions about the indicators have an answer, and which must be asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from intel_grapher.cache import Cache
from intel_grapher.fetch.asking import PRIVATE, UNGIVEN, Indicator, KeyQuestion, QuestionForm, QuestionIndex, secrets
from intel_grapher.fetch.cached_answers import NOTHING, AnswerCache, Held
from intel_grapher.fetch.frontier import Frontier
from intel_grapher.fetch.private import is_private
from intel_grapher.source import Source

RETIRED: Final = "retired"
BEYOND: Final = "beyond the limit of requests"
QuestionsBySource = Sequence[tuple[str, tuple[QuestionForm, ...]]]
"""The questions about one indicator, by source, as `QuestionIndex.of` returns them."""


@dataclass
class SourceWork:
    """One source's questions: with an answer, to be asked, and not asked, by reason; `cut` as in Due."""

    cached: int = 0
    cut: int = 0
    to_ask: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


@dataclass
class Workload:
    """The work for a part of the frontier, by source. From place `cut` on nothing is asked.

    `unasked` indicators are of kinds that no source takes. `future` answers are dated later than now.
    """

    sources: dict[str, SourceWork]
    cut: int
    unasked: int = 0
    future: int = 0


def bars(source: Source) -> tuple[str, str]:
    """Return why a source can't be asked, and the variable of the API key that it lacks; empty if nothing is wrong."""
    if source.retired:
        return RETIRED, ""
    if source.key is not None and source.key.required and not secrets(source):
        return f"no key in {source.key.variable}", source.key.variable
    return "", ""


def workload(
    frontier: Frontier,
    sources: Sequence[Source],
    answers: AnswerCache,
    *,
    start: int = 1,
    requests: int | None = None,
) -> Workload:
    """Return the work for the indicators from place `start` on. At most the first `requests` questions are asked."""
    tallies = _Tallies(sources)
    index = QuestionIndex(sources)
    found = Workload(tallies.counts, len(frontier) + 1)
    left, future = requests, answers.future
    for chunk in frontier.chunks(start):
        held = answers.held([key for _, _, key in chunk])
        for place, kind, key in chunk:
            by_source = index.of(kind, key)
            if not by_source:
                found.unasked += 1
                continue
            private = is_private(kind, key)
            missing = _missing(answers, key, by_source, held[key], tallies) if key in held else None
            if left is not None and place < found.cut and not private:
                left -= tallies.cost(by_source, missing)
                if left < 0:
                    found.cut = place
            tallies.note(by_source, missing, PRIVATE if private else BEYOND if place >= found.cut else "")
    tallies.finish()
    found.future = answers.future - future
    return found


def unaskable(
    indicators: Sequence[Indicator], sources: Sequence[Source], cache: Cache | None = None
) -> Iterator[tuple[Indicator, str]]:
    """Yield the indicators that no source can be asked about and the `cache` has no answer of, with the reason."""
    index = QuestionIndex(sources)
    barred = {source.name: bars(source) for source in sources}
    for kind, key in indicators:
        names = [name for name, _ in index.of(kind, key)]
        if not names:
            reason = "no service that is chosen takes this kind"
        elif is_private(kind, key):
            reason = "it means something in a private network only, or is a documentation name, and is kept private"
        elif all(barred[name][0] for name in names):
            keys = sorted({barred[name][1] for name in names} - {""})
            reason = f"it takes a key ({', '.join(keys)})" if keys else "the services that took it are retired"
        else:
            continue
        if cache is None or not cache.held([key]).get(key):
            yield (kind, key), reason


class _Tallies:
    """The counts. Most indicators have no answer at all: these are only counted by kind, and added up at the end."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.counts = {source.name: SourceWork() for source in sources}
        self._barred = {source.name: bars(source)[0] for source in sources}
        self._questions: dict[int, QuestionsBySource] = {}
        self._costs: dict[int, int] = {}
        self._bare = Counter[tuple[int, str]]()

    def cost(self, by_source: QuestionsBySource, missing: Sequence[int] | None) -> int:
        """Return the number of requests for the missing answers (None: all)."""
        if missing is None:
            if id(by_source) not in self._costs:
                self._costs[id(by_source)] = self.cost(by_source, [len(forms) for _, forms in by_source])
            return self._costs[id(by_source)]
        return sum(requests for (name, _), requests in zip(by_source, missing, strict=True) if not self._barred[name])

    def note(self, by_source: QuestionsBySource, missing: Sequence[int] | None, reason: str, times: int = 1) -> None:
        """Count the missing answers (None: all) as to be asked, or as not asked for a reason."""
        if missing is None:
            self._questions[id(by_source)] = by_source
            self._bare[id(by_source), reason] += times
            return
        for (name, _), requests in zip(by_source, missing, strict=True):
            if why := self._barred[name] or reason:
                if requests:
                    self.counts[name].skipped[why] += requests * times
            else:
                self.counts[name].to_ask += requests * times

    def finish(self) -> None:
        """Add the indicators without any answer."""
        for (number, reason), times in self._bare.items():
            by_source = self._questions[number]
            self.note(by_source, [len(forms) for _, forms in by_source], reason, times)


def _missing(answers: AnswerCache, key: str, by_source: QuestionsBySource, held: Held, tallies: _Tallies) -> list[int]:
    """Count the cached answers, and return for each source how many questions lack one."""
    missing: list[int] = []
    for name, forms in by_source:
        due = answers.due(forms, key, held)
        count = tallies.counts[name]
        count.cached += due.cached
        count.cut += due.cut
        if due.ungiven:
            count.skipped[UNGIVEN] += due.ungiven
        missing.append(sum(question.requests for question in due.questions))
    return missing


def pending(frontier: Frontier, source: Source, answers: AnswerCache, start: int, stop: int) -> Iterator[KeyQuestion]:
    """Yield the questions to one source about the indicators from place `start` up to, but not including, `stop`."""
    index = QuestionIndex([source])
    for chunk in frontier.chunks(start, stop):
        held: Mapping[str, Held] = answers.held([key for _, _, key in chunk], source.name)
        for _, kind, key in chunk:
            for _, forms in index.of(kind, key):
                if not is_private(kind, key):
                    yield from answers.due(forms, key, held.get(key, NOTHING)).questions
