"""`cache review`: what reports mention, and which of it they report."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import typer

from intel_grapher.analyst import review
from intel_grapher.analyst.review import ACCEPTED, LEFT, REJECTED, ReportMention, ReviewedReport
from intel_grapher.cache import Cache
from intel_grapher.cli import options
from intel_grapher.cli.output import print_json, print_line, print_table, say
from intel_grapher.errors import BadValue, UsageError

REPORT_COLUMNS = ("report", "title", "added", "format", "left", "marked", "accepted", "rejected", "path")
MENTION_COLUMNS = ("state", "kind", "indicator", "where", "probably none", "context")
SHORT = len("sha256:") + 12
ASK = "accept, reject, leave, accept the rest but what is marked, quit [a/r/l/A/q]"

Several = list[str] | None
Author = Annotated[str | None, typer.Option("--author", help="Who reviews. Default: the user's name on this machine.")]


@dataclass(frozen=True)
class Decisions:
    """What a command line decides."""

    accept: Annotated[Several, typer.Option("--accept", metavar="KEY", help="It is reported. May be repeated.")] = None
    reject: Annotated[Several, typer.Option("--reject", metavar="KEY", help="It is not. May be repeated.")] = None
    leave: Annotated[Several, typer.Option("--leave", metavar="KEY", help="It is left open again.")] = None
    accept_all: Annotated[bool, typer.Option("--accept-all", help="All that are left are reported.")] = False
    accept_all_but_marked: Annotated[
        bool, typer.Option("--accept-all-but-marked", help="All that are left and not marked are reported.")
    ] = False
    reject_marked: Annotated[bool, typer.Option("--reject-marked", help="All that are left and marked are not.")] = (
        False
    )

    @property
    def any(self) -> bool:
        """Tell whether something is decided."""
        named = self.accept or self.reject or self.leave
        return bool(named or self.accept_all or self.accept_all_but_marked or self.reject_marked)

    def of(self, mention: ReportMention) -> str:
        """Return what is decided of a mention that is not named; empty for nothing."""
        if mention.state != LEFT:
            return ""
        if self.accept_all or (self.accept_all_but_marked and not mention.mark):
            return ACCEPTED
        return REJECTED if self.reject_marked and mention.mark else ""


@options.grouped
def review_command(
    report: Annotated[
        str, typer.Argument(metavar="REPORT", help="A report: its key, its digest's beginning, its file, its title.")
    ] = "",
    decisions: Decisions = Decisions(),
    author: Author = None,
    data: options.Data = options.DATA,
    *,
    json: options.Json = False,
) -> None:
    """List what reports mention, and decide which of it they report.

    Without REPORT, the reports are listed. With one, its mentions: on a terminal each that is left is asked about; else
    they are printed. What is marked (a well-known site, the report's own host, …) is probably no indicator.

    A mention counts as reported once it is accepted, after the next transform. Nothing is asked about one before.
    """
    author = author or getpass.getuser()
    with Cache(options.existing(data)) as cache:
        found = review.find(cache, report) if report else review.reports(cache)
        if decisions.any:
            _decide(cache, found, decisions, author, json=json)
        elif json:
            print_json({"reports": [_document(cache, each, with_mentions=bool(report)) for each in found]})
        elif not report:
            _list(found)
        elif len(found) > 1:
            _list(found)
            raise UsageError(f"{len(found)} reports are called {report!r}: name one by its digest's beginning")
        elif sys.stdin.isatty() and sys.stdout.isatty():
            _ask(cache, found[0], author)
        else:
            _print(found[0], review.mentions(cache, found[0].key))


def _list(found: Sequence[ReviewedReport]) -> None:
    if not found:
        say("no report is kept; next: intel-grapher cache add REPORT.pdf")
    print_table(REPORT_COLUMNS, [
        (
            each.key[:SHORT], each.title, each.added, each.format, each.counts[LEFT], each.marked,
            each.counts[ACCEPTED], each.counts[REJECTED], ", ".join(each.paths),
        )
        for each in found
    ])  # fmt: skip
    for each in found:
        for fault in each.faults:
            say(f"{each.key[:SHORT]}: {fault}")


def _print(report: ReviewedReport, mentions: Sequence[ReportMention]) -> None:
    for fault in report.faults:
        say(fault)
    print_table(MENTION_COLUMNS, [
        (each.state, each.kind, each.indicator, each.where, each.mark, each.places[0].context if each.places else "")
        for each in mentions
    ])  # fmt: skip


def _document(cache: Cache, report: ReviewedReport, *, with_mentions: bool) -> dict[str, object]:
    found: dict[str, object] = dict(msgspec.to_builtins(report))
    if with_mentions:
        found["mentions"] = [msgspec.to_builtins(each) for each in review.mentions(cache, report.key)]
    return found


def _decide(cache: Cache, found: Sequence[ReviewedReport], decisions: Decisions, author: str, *, json: bool) -> None:
    """Keep what a command line decides, of each report that mentions it."""
    named: dict[str, str] = {}
    for state, raw in ((ACCEPTED, decisions.accept), (REJECTED, decisions.reject), (LEFT, decisions.leave)):
        for name in _names(raw):
            if named.setdefault(name, state) != state:
                raise UsageError(f"{name!r} is decided twice")
    made = _decided(cache, found, decisions, named)
    entries = [
        review.decide(cache, key, author, accepted=of[ACCEPTED], rejected=of[REJECTED], left=of[LEFT]).id
        for key, of in made
    ]
    if json:
        rows = zip(made, entries, strict=True)
        print_json({"decided": [{"report": key, **by_state, "entry": entry} for (key, by_state), entry in rows]})
        return
    for (key, by_state), entry in zip(made, entries, strict=True):
        _tell(key, {state: len(names) for state, names in by_state.items()}, entry)
    if not made:
        print_line("nothing to decide")


def _decided(
    cache: Cache, found: Sequence[ReviewedReport], decisions: Decisions, named: dict[str, str]
) -> list[tuple[str, dict[str, list[str]]]]:
    """Return, for each report of which something is decided, the indicators by their new state."""
    unknown, made = set(named), list[tuple[str, dict[str, list[str]]]]()
    for report in found:
        by_state: dict[str, list[str]] = {ACCEPTED: [], REJECTED: [], LEFT: []}
        for each in review.mentions(cache, report.key):
            unknown.discard(each.indicator)
            state = named.get(each.indicator) or decisions.of(each)
            if state and state != each.state:
                by_state[state].append(each.indicator)
        if any(by_state.values()):
            made.append((report.key, by_state))
    if unknown:
        raise UsageError(f"no report here mentions {min(unknown)!r}; nothing was decided")
    return made


def _names(raw: Several) -> Iterator[str]:
    for each in raw or []:
        try:
            yield review.canonical(each)
        except BadValue as bad:
            raise UsageError(f"{each!r} is no indicator: {bad.reason}") from bad


def _tell(report: str, counts: dict[str, int], entry: str) -> None:
    print_line(
        f"{report[:SHORT]}: {counts[ACCEPTED]} accepted, {counts[REJECTED]} rejected, {counts[LEFT]} left"
        f" (entry {entry}); next: intel-grapher transform"
    )


def _ask(cache: Cache, report: ReviewedReport, author: str) -> None:
    """Ask about each mention that is left. What was decided is kept, also after Ctrl-C."""
    mentions = [each for each in review.mentions(cache, report.key) if each.state == LEFT]
    print_line(f"{report.title or report.key[:SHORT]}: {len(mentions)} mentions are left")
    for fault in report.faults:
        say(fault)
    decided: dict[str, list[str]] = {ACCEPTED: [], REJECTED: []}
    try:
        for number, mention in enumerate(mentions, 1):
            answer = _answer(mention, number, len(mentions))
            if answer == "q":
                break
            if answer == "A":
                decided[ACCEPTED] += [each.indicator for each in mentions[number - 1 :] if not each.mark]
                break
            if answer in {"a", "r"}:
                decided[ACCEPTED if answer == "a" else REJECTED].append(mention.indicator)
    finally:
        if decided[ACCEPTED] or decided[REJECTED]:
            kept = review.decide(cache, report.key, author, accepted=decided[ACCEPTED], rejected=decided[REJECTED])
            _tell(report.key, {state: len(names) for state, names in decided.items()} | {LEFT: 0}, kept.id)


def _answer(mention: ReportMention, number: int, many: int) -> str:
    """Return a, r, l, A or q. Enter accepts what is not marked, and leaves what is."""
    print_line(f"\n{number}/{many}  {mention.kind}  {mention.indicator}  ({mention.where}, {mention.count} times)")
    if mention.places:
        print_line(f"    … {mention.places[0].context} …")
    if mention.mark:
        print_line(f"    probably none: {mention.mark}")
    otherwise = "l" if mention.mark else "a"
    while True:
        answer: str = typer.prompt(ASK, default=otherwise, show_default=True).strip()
        if answer in {"a", "r", "l", "A", "q"}:
            return answer
        say(f"{answer!r} is none of these")
