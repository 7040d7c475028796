"""What a run has to do: of all that the indicators could be asked about, what is there, and what must be asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from intel_grapher.fetch.asking import PRIVATE, UNGIVEN, Ask, Menu, Question, secrets
from intel_grapher.fetch.frontier import Frontier
from intel_grapher.fetch.private import is_private
from intel_grapher.fetch.shelf import NOTHING, Held, Shelf
from intel_grapher.source import Source

RETIRED: Final = "retired"
BEYOND: Final = "beyond the limit of requests"
Courses = Sequence[tuple[str, tuple[Question, ...]]]
"""The questions about one indicator, by source, as `Menu.of` gives them."""


@dataclass
class Count:
    """Of one source: questions that have an answer, that must be asked, and that are not asked, by reason."""

    cached: int = 0
    to_ask: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


@dataclass
class Survey:
    """A stretch of the frontier: by source what there is to do; from place `cut` on nothing is asked.

    `unasked` indicators are such that no source can be asked about. `future` answers are dated later than now.
    """

    sources: dict[str, Count]
    cut: int
    unasked: int = 0
    future: int = 0


def bars(source: Source) -> tuple[str, str]:
    """Return why a source can't be asked at all, or nothing; and the variable of the key that it lacks, or nothing."""
    if source.retired:
        return RETIRED, ""
    if source.key is not None and source.key.required and not secrets(source):
        return f"no key in {source.key.variable}", source.key.variable
    return "", ""


def survey(
    frontier: Frontier,
    sources: Sequence[Source],
    shelf: Shelf,
    *,
    start: int = 1,
    requests: int | None = None,
) -> Survey:
    """Look through the frontier from place `start` on. `requests`: so many may be asked at most, the first ones."""
    tallies = _Tallies(sources)
    menu = Menu(sources)
    found = Survey(tallies.counts, len(frontier) + 1)
    left, future = requests, shelf.future
    for chunk in frontier.chunks(start):
        held = shelf.held([key for _, _, key in chunk])
        for place, kind, key in chunk:
            courses = menu.of(kind, key)
            if not courses:
                found.unasked += 1
                continue
            private = is_private(kind, key)
            missing = _missing(shelf, key, courses, held[key], tallies) if key in held else None
            if left is not None and place < found.cut and not private:
                left -= tallies.cost(courses, missing)
                if left < 0:
                    found.cut = place
            tallies.note(courses, missing, PRIVATE if private else BEYOND if place >= found.cut else "")
    tallies.finish()
    found.future = shelf.future - future
    return found


class _Tallies:
    """Counts up. Most indicators have no answer at all: of those only how many there are of each kind is noted."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.counts = {source.name: Count() for source in sources}
        self._barred = {source.name: bars(source)[0] for source in sources}
        self._courses: dict[int, Courses] = {}
        self._costs: dict[int, int] = {}
        self._bare = Counter[tuple[int, str]]()

    def cost(self, courses: Courses, missing: Sequence[int] | None) -> int:
        """Return how many requests it takes to ask what is missing (None: all)."""
        if missing is None:
            if id(courses) not in self._costs:
                self._costs[id(courses)] = self.cost(courses, [len(questions) for _, questions in courses])
            return self._costs[id(courses)]
        return sum(many for (name, _), many in zip(courses, missing, strict=True) if not self._barred[name])

    def note(self, courses: Courses, missing: Sequence[int] | None, reason: str, times: int = 1) -> None:
        """Count what is missing (None: all) as to be asked, or as not asked for a reason."""
        if missing is None:
            self._courses[id(courses)] = courses
            self._bare[id(courses), reason] += times
            return
        for (name, _), many in zip(courses, missing, strict=True):
            if why := self._barred[name] or reason:
                if many:
                    self.counts[name].skipped[why] += many * times
            else:
                self.counts[name].to_ask += many * times

    def finish(self) -> None:
        """Add what was only noted."""
        for (number, reason), times in self._bare.items():
            courses = self._courses[number]
            self.note(courses, [len(questions) for _, questions in courses], reason, times)


def _missing(shelf: Shelf, key: str, courses: Courses, held: Held, tallies: _Tallies) -> list[int]:
    """Count what is there, and return how many questions lack an answer, for each source."""
    missing: list[int] = []
    for name, questions in courses:
        due = shelf.due(questions, key, held)
        count = tallies.counts[name]
        count.cached += due.cached
        if due.ungiven:
            count.skipped[UNGIVEN] += due.ungiven
        missing.append(sum(ask.many for ask in due.asks))
    return missing


def pending(frontier: Frontier, source: Source, shelf: Shelf, start: int, stop: int) -> Iterator[Ask]:
    """Yield what one source must be asked about the indicators from place `start` up to, and not including, `stop`."""
    menu = Menu([source])
    for chunk in frontier.chunks(start, stop):
        held: Mapping[str, Held] = shelf.held([key for _, _, key in chunk], source.name)
        for _, kind, key in chunk:
            for _, questions in menu.of(kind, key):
                if not is_private(kind, key):
                    yield from shelf.due(questions, key, held.get(key, NOTHING)).asks
