"""`plan`: what a fetch would cost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from intel_grapher import cache as caches
from intel_grapher import registry as registries
from intel_grapher import times
from intel_grapher.cli import options, terminal
from intel_grapher.cli.fetch_settings import FetchSettings, duration
from intel_grapher.cli.indicators import Indicators
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import is_terminal, print_json, print_line, print_table, say
from intel_grapher.cli.terminal import DIM, HEADING, Screen, counted
from intel_grapher.fetch import plan as planning
from intel_grapher.fetch import workload
from intel_grapher.times import dated

if TYPE_CHECKING:
    from intel_grapher.fetch.asking import Indicator
    from intel_grapher.source import Source

FEW = 3
LACKING = "lack a key"
MOST_EXPLAINED = 1000
"""Of more indicators it is not looked up which of them nobody can be asked about."""

app = typer.Typer(add_completion=False)


@app.command("plan")
@grouped
def plan(
    indicators: Indicators,
    settings: FetchSettings,
    data: options.Data = options.DATA,
    import_: options.HubsImport = options.IMPORT,
    *,
    explain: options.Explain = False,
    all_: options.AllCounts = False,
    no_pager: terminal.NoPager = False,
    json: options.Json = False,
) -> None:
    """Print what a fetch would cost, and ask nothing.

    That is, for each source: what the cache answers, how many requests, what quotas leave, and when it would end.
    """
    print_plan(indicators, settings, data, import_, explain=explain, json=json, all_=all_, pager=not no_pager)


def print_plan(
    indicators: Indicators,
    settings: FetchSettings,
    data: Path,
    import_: Path,
    *,
    explain: bool,
    json: bool,
    all_: bool = False,
    pager: bool = False,
) -> None:
    """Plan a fetch and print the plan; with `explain`, also why each indicator is followed."""
    registry = registries.Registry.installed()
    how = settings.options(registry, import_)
    found, _ = indicators.read()
    with caches.Cache(data) as cache:
        made = planning.plan(cache, settings.selected(registry), found, how)
    say_future(made.future)
    say_unaskable(found, settings.selected(registry), data)
    if json:
        print_json(dated({"plan": made, "requests": made.requests, "steps": [str(step) for step in made.steps]}))
        return
    if is_terminal() and not all_:
        screen = Screen()
        _write_plan(screen, made, explain=explain)
        screen.print_paged(pager=pager)
        return
    columns = ("source", "from cache", "to ask", "of these today", "takes", "not asked")
    print_table(columns, [
        (name, it.cached, it.to_ask, it.today, duration(it.seconds),
         "; ".join(f"{reason} ({count})" for reason, count in it.skipped.items()))
        for name, it in made.sources.items() if it.cached or it.to_ask or it.skipped
    ])  # fmt: skip
    if explain:
        for step in made.steps:
            print_line(str(step))
    print_line(f"{made.requests} requests; done {times.text(int(made.done_at or time.time()))}")


def _write_plan(screen: Screen, made: planning.Plan, *, explain: bool) -> None:
    """Write what a fetch would send, to whom, how long that takes, and why others would not be asked."""
    asked = {name: part for name, part in made.sources.items() if part.to_ask}
    cached = sum(part.cached for part in made.sources.values())
    done = times.text(int(made.done_at or time.time()))
    requests = counted(made.requests, "request")
    when = f", done by {done[:16].replace('T', ' ')} UTC"
    screen.line((f"{requests} to {counted(len(asked), 'service')}", HEADING), when if asked else "")
    if cached:
        screen.line(f"{counted(cached, 'answer')} in the cache, not asked again")
    if asked:
        screen.blank()
        rows = [
            (name, part.to_ask, "all" if part.today >= part.to_ask else part.today, duration(part.seconds), part.cached)
            for name, part in asked.items()
        ]
        screen.table(("service", "requests", "today", "takes", "cached"), rows)
        screen.paragraph(
            "today: how many the limits allow until midnight UTC; takes: the time by the limits; cached: has an answer",
            style=DIM,
        )
    others = {name: list(part.skipped) for name, part in made.sources.items() if part.skipped and not part.to_ask}
    screen.blank()
    screen.paragraph(told_services(len(asked), others))
    if explain:
        for step in made.steps:
            screen.paragraph(str(step))


def because(many: int, reason: str) -> str:
    """Return how many services are not asked for a reason."""
    return f"{many} {'lacks a key' if many == 1 and reason == LACKING else reason}"


def told_services(asked: int, others: Mapping[str, Sequence[str]]) -> str:
    """Return how many services are asked, and why others are not; `others` has each one's reasons."""
    reasons: Counter[str] = Counter()
    for why in others.values():
        for reason in why[:1]:
            reasons[LACKING if reason.startswith("no key in") else reason] += 1
    rest = [because(many, reason) for reason, many in reasons.items()]
    return ", ".join([f"{counted(asked, 'service')} asked", *rest]) + (" (--all lists them)" if rest else "")


def say_unaskable(indicators: Sequence[Indicator], sources: Sequence[Source], data: Path) -> None:
    """Say why nobody can be asked about some indicators: of the first few, and how many more there are."""
    if len(indicators) > MOST_EXPLAINED:
        return
    found = list(workload.unaskable(indicators, sources, caches.Cache(data) if data.is_dir() else None))
    for (_, key), reason in found[:FEW]:
        say(f"nobody can be asked about {key}: {reason}")
    if len(found) > FEW:
        say(f"nor about {len(found) - FEW} more")


def say_future(answers: int) -> None:
    """Say that cached answers are dated in the future, if any are."""
    if answers:
        say(
            f"{answers} cached answers are dated in the future: a clock was ahead when they were kept. They stay valid "
            "until you ask again with --refresh or --max-age"
        )
