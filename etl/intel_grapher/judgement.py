"""The judgement on an indicator: what all that is known of it says for or against it, and who says so.

What bears on it is declared in the schema: properties and relationship types with a `bearing`. An analyst's verdict
counts before all else; then the worst that any source says. A judgement is made when it is shown, and never stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from intel_grapher import labels, schema
from intel_grapher.model import Label

UNKNOWN: Final = "unknown"
WORDS: Final = ("malicious", "suspicious", "benign", UNKNOWN)
"""The judgements, the worst first."""
_FEW: Final = 3


class Told(NamedTuple):
    """One value of a property: who says so, and when they last did (ISO 8601; empty where not known)."""

    name: str
    value: Any
    sources: tuple[str, ...]
    at: str = ""


class Related(NamedTuple):
    """One relationship as seen from the node: `direction` is "->", "<-" or "--", `title` what the other is called."""

    type: str
    direction: str
    title: str
    sources: tuple[str, ...]
    at: str = ""


class Statement(NamedTuple):
    """One thing that is said for or against: its word, the sentence, who says it, when they last did."""

    word: str
    text: str
    sources: tuple[str, ...]
    at: str


class Judgement(NamedTuple):
    """The judgement: one of WORDS, and the statements, those that decide first."""

    word: str
    why: list[Statement]


def judge(label: Label, told: Iterable[Told], related: Iterable[Related], notes: Sequence[Told] = ()) -> Judgement:
    """Return the judgement on a node of a label. `notes` are verdicts of analysts, the newest first."""
    own = [each for each in map(_of_verdict, notes) if each]
    found = [each for each in (_of_property(label, each) for each in told) if each]
    found += _of_relationships(related)
    order = {word: place for place, word in enumerate(WORDS)}
    found = sorted(dict.fromkeys(found), key=lambda each: order[each.word])
    word = (own or found)[0].word if own or found else UNKNOWN
    return Judgement(word, [*own, *found])


def _of_verdict(told: Told) -> Statement | None:
    declared = labels.NOTE.property(told.name)
    if declared is None or declared.bearing is None:
        return None
    word = declared.bearing.word(told.value) or UNKNOWN
    return Statement(word, declared.bearing.phrase.format(told.value), told.sources, told.at)


def _of_property(label: Label, told: Told) -> Statement | None:
    declared = label.property(told.name)
    if declared is None or declared.bearing is None or told.value is None:
        return None
    word = declared.bearing.word(told.value)
    return Statement(word, declared.bearing.phrase.format(told.value), told.sources, told.at) if word else None


def _of_relationships(related: Iterable[Related]) -> list[Statement]:
    """Return one statement for each type with a bearing."""
    by_type: dict[str, list[Related]] = {}
    for each in related:
        if each.type in schema.RELATIONSHIPS and schema.RELATIONSHIPS[each.type].bearing and each.direction == "->":
            by_type.setdefault(each.type, []).append(each)
    found = []
    for type_, those in by_type.items():
        bearing = schema.RELATIONSHIPS[type_].bearing
        titles = list(dict.fromkeys(each.title for each in those))
        named = ", ".join(titles[:_FEW]) + (f" and {len(titles) - _FEW} more" if len(titles) > _FEW else "")
        sources = tuple(sorted({source for each in those for source in each.sources}))
        if bearing is not None:
            text = bearing.phrase.replace("{}", named)
            found.append(Statement(bearing.word(titles), text, sources, max(each.at for each in those)))
    return found
