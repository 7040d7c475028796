"""The review of what reports mention: which indicators a report reports, which it only names.

    reports(cache)                                      the reports of a cache, the newest first
    find(cache, "report.pdf")                           those that a key, a digest's beginning, a title or a path names
    mentions(cache, report)                             what a report mentions, with the state of each
    decide(cache, report, author, accepted=…, …)        one entry for many decisions; it can be undone like any other

A mention is "left" until somebody decides. "accepted": the report reports the indicator (after the next transform).
"rejected": no fact. What is decided anew counts from then on; `left=` takes a decision back. Indicators are named as
`ReportMention.indicator` spells them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from intel_grapher import keys, schema, times
from intel_grapher.analyst.entries import MentionDecision, ReviewEntry, mentioned
from intel_grapher.analyst.journal import StoredEntry, keep
from intel_grapher.analyst.overrides import decisions_of
from intel_grapher.cache import Cache
from intel_grapher.errors import BadValue, UsageError
from intel_grapher.intake.documents import Document, Occurrence, Spotted, read_document

SOURCE: Final = "reports"
DOCUMENT: Final = "document"
ORIGIN: Final = "origin"
State = Literal["left", "accepted", "rejected"]
LEFT: Final = "left"
ACCEPTED: Final = "accepted"
REJECTED: Final = "rejected"
STATES: Final[tuple[State, ...]] = (LEFT, ACCEPTED, REJECTED)
_REMEMBERED: Final = 256  # readings
_SHORTEST: Final = 4  # digits of a digest that name a report


@dataclass(frozen=True)
class ReviewedReport:
    """A report of a cache: its key in the graph, title, date as stated, kind, when it was brought in, its paths.

    `faults` say what of it could not be read, `counts` how many mentions are in which state; `marked` how many of those
    left are probably no indicators.
    """

    key: str
    title: str
    created: str
    format: str
    url: str
    added: str
    paths: list[str]
    pages: int
    faults: list[str]
    counts: dict[str, int]
    marked: int


@dataclass(frozen=True)
class ReportMention:
    """An indicator that a report mentions: its canonical form and kind, its state, why it is probably none.

    `mark` is empty where nothing speaks against it. `places` are the first of `count`.
    """

    indicator: str
    kind: str
    state: str
    mark: str
    count: int
    places: list[Occurrence] = field(default_factory=list)

    @property
    def where(self) -> str:
        """Where it first stands, as a text: page 2, offset 1204."""
        return str(self.places[0]) if self.places else ""


@dataclass
class _Kept:
    """The records of one report."""

    content: bytes = b""
    added: int = 0
    paths: dict[str, None] = field(default_factory=dict)


class _Origin(msgspec.Struct):
    path: str = ""


def reports(cache: Cache) -> list[ReviewedReport]:
    """Return the reports of a cache, the newest first. Each is read for it, which takes a while for long PDFs."""
    return _made({key: kept for key, kept in _kept(cache).items() if kept.content}, cache)


def find(cache: Cache, named: str = "") -> list[ReviewedReport]:
    """Return the reports that a text names: a key, the beginning of a digest, a path or its last part, a title.

    Raises UsageError where it names none.
    """
    text = named.strip().lower()
    kept = {key: each for key, each in _kept(cache).items() if each.content}
    found = {key: each for key, each in kept.items() if _is_named(key, each, text)}
    if not found:
        found = {key: each for key, each in kept.items() if text in _read(key, each.content).title.lower()}
    if not found or not text:
        raise UsageError(f"no report is called {named!r}; intel-grapher cache review lists those that there are")
    return _made(found, cache)


def mentions(cache: Cache, report: str) -> list[ReportMention]:
    """Return what a report mentions, in its order. Raises UsageError where the cache has no such report."""
    kept = _kept(cache).get(report)
    if kept is None or not kept.content:
        raise UsageError(f"the cache has no report {report}")
    decided = decisions_of(cache)
    return [_mention(report, each, decided) for each in _read(report, kept.content).spotted]


def decide(
    cache: Cache,
    report: str,
    author: str,
    *,
    accepted: Iterable[str] = (),
    rejected: Iterable[str] = (),
    left: Iterable[str] = (),
) -> StoredEntry:
    """Keep one entry with decisions on mentions of a report, and return it.

    Raises UsageError for an indicator that the report does not mention, or one that is named twice; BusyError where
    another process writes to the cache.
    """
    return keep(cache, decision(cache, report, author, accepted=accepted, rejected=rejected, left=left))


def decision(
    cache: Cache,
    report: str,
    author: str,
    *,
    accepted: Iterable[str] = (),
    rejected: Iterable[str] = (),
    left: Iterable[str] = (),
) -> ReviewEntry:
    """Return one entry with decisions on mentions of a report, not kept yet.

    Raises UsageError for an indicator that the report does not mention.
    """
    known = {each.indicator: each for each in mentions(cache, report)}
    named: dict[State, list[str]] = {ACCEPTED: list(accepted), REJECTED: list(rejected), LEFT: list(left)}
    decisions = [(indicator, state) for state, indicators in named.items() for indicator in indicators]
    for indicator, _ in decisions:
        if indicator not in known:
            raise UsageError(f"the report does not mention {indicator!r}")
    return ReviewEntry(
        author=author,
        report=report,
        decisions=tuple(
            MentionDecision(indicator, state, comment(known[indicator]) if state == ACCEPTED else "")
            for indicator, state in decisions
        ),
    )


def comment(mention: ReportMention) -> str:
    """Return what the graph says of an accepted mention: where it stands, and the words around it."""
    return f"{mention.where}: {mention.places[0].context}" if mention.places else ""


def canonical(raw: str) -> str:
    """Return an indicator, defanged or not, as mentions name it. Raises BadValue for none."""
    try:
        return mentioned(schema.REPORTED.resolve(raw.strip()))
    except BadValue:
        return mentioned(schema.REPORTED.resolve(keys.refang(raw)))


def _kept(cache: Cache) -> dict[str, _Kept]:
    """Return the newest record of each report, and its paths, by key."""
    found: dict[str, _Kept] = {}
    for segment in cache.segments():
        if segment.source != SOURCE:
            continue
        for reply in cache.replies(segment):
            kept = found.setdefault(reply.key, _Kept())
            if segment.endpoint == DOCUMENT and reply.epoch >= kept.added:
                kept.content, kept.added = reply.content, reply.epoch
            elif segment.endpoint == ORIGIN:
                path = msgspec.json.decode(reply.content, type=_Origin).path
                kept.paths |= {path: None} if path else {}
    return found


def _is_named(key: str, kept: _Kept, text: str) -> bool:
    digest = key.rpartition(":")[2]
    bare = text.removeprefix("sha256:")
    is_digest = len(bare) >= _SHORTEST and digest.startswith(bare)
    paths = [path.lower() for path in kept.paths]
    return key == text or is_digest or any(text in {path, path.rpartition("/")[2]} for path in paths)


_readings: dict[str, Document] = {}


def _read(key: str, content: bytes) -> Document:
    """Return a document by its key, which has its digest: what was read once is remembered."""
    found = _readings.get(key)
    if found is None:
        found = read_document(content)
        if len(_readings) >= _REMEMBERED:  # another thread of the page may do so, too
            _readings.clear()
        _readings[key] = found
    return found


def _made(kept: dict[str, _Kept], cache: Cache) -> list[ReviewedReport]:
    decided = decisions_of(cache)
    found = [_report(key, each, decided) for key, each in kept.items()]
    return sorted(found, key=lambda report: (report.added, report.key), reverse=True)


def _report(key: str, kept: _Kept, decided: dict[tuple[str, str], str]) -> ReviewedReport:
    document = _read(key, kept.content)
    found = [_mention(key, each, decided) for each in document.spotted]
    counts: dict[str, int] = {state: sum(each.state == state for each in found) for state in STATES}
    return ReviewedReport(
        key, document.title, document.created, document.format, document.url, times.text(kept.added),
        list(kept.paths), document.pages, document.faults, counts,
        sum(bool(each.mark) for each in found if each.state == LEFT),
    )  # fmt: skip


def _mention(report: str, spotted: Spotted, decided: dict[tuple[str, str], str]) -> ReportMention:
    name = spotted.indicator
    return ReportMention(
        name, spotted.kind, decided.get((report, name), LEFT), spotted.mark, spotted.count, spotted.places
    )
