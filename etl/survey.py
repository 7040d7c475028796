"""What a run has to do: of all that the indicators could be asked about, what is there, and what must be asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from etl.asking import PRIVATE, Ask, Menu, Question, is_private, secrets
from etl.frontier import Frontier
from etl.shelf import NOTHING, Held, Shelf
from etl.source import Source

RETIRED: Final = "retired"
BEYOND: Final = "beyond the limit of requests"


@dataclass
class Count:
    """Of one source: questions that have an answer, that must be asked, and that are not asked, by reason."""

    cached: int = 0
    to_ask: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


@dataclass
class Survey:
    """A stretch of the frontier: by source what there is to do; from place `cut` on nothing is asked.

    `unasked` indicators are such that no source can be asked about.
    """

    sources: dict[str, Count]
    cut: int
    unasked: int = 0


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
    counts = {source.name: Count() for source in sources}
    barred = {source.name: bars(source)[0] for source in sources}
    menu = Menu(sources)
    found = Survey(counts, len(frontier) + 1)
    left = requests
    for chunk in frontier.chunks(start):
        held = shelf.held([key for _, _, key in chunk])
        for place, kind, key in chunk:
            courses = menu.of(kind, key)
            found.unasked += not courses
            there = held.get(key)
            asked = Counter[str]()
            for name, questions in courses:
                count = counts[name]
                cached, missing = (0, len(questions)) if there is None else _missing(shelf, key, questions, there)
                count.cached += cached
                if missing:
                    reason = barred[name] or (PRIVATE if is_private(kind, key) else "")
                    if reason:
                        count.skipped[reason] += missing
                    else:
                        asked[name] = missing
            if left is not None and place < found.cut:
                left -= asked.total()
                if left < 0:
                    found.cut = place
            for name, missing in asked.items():
                if place < found.cut:
                    counts[name].to_ask += missing
                else:
                    counts[name].skipped[BEYOND] += missing
    return found


def _missing(shelf: Shelf, key: str, questions: Sequence[Question], held: Held) -> tuple[int, int]:
    cached = missing = 0
    for question in questions:
        there, ask = shelf.missing(Ask(question, key), held)
        cached += there
        missing += ask is not None
    return cached, missing


def pending(frontier: Frontier, source: Source, shelf: Shelf, start: int, stop: int) -> Iterator[Ask]:
    """Yield what one source must be asked about the indicators from place `start` up to, and not including, `stop`."""
    menu = Menu([source])
    for chunk in frontier.chunks(start, stop):
        held: Mapping[str, Held] = shelf.held([key for _, _, key in chunk], source.name)
        for _, kind, key in chunk:
            for _, questions in menu.of(kind, key):
                if is_private(kind, key):
                    continue
                for question in questions:
                    _, ask = shelf.missing(Ask(question, key), held.get(key, NOTHING))
                    if ask is not None:
                        yield ask
