"""`plan`: what a fetch would cost."""

from __future__ import annotations

import time
from pathlib import Path

import typer

from intel_grapher import times
from intel_grapher.cache import Cache
from intel_grapher.cli import options
from intel_grapher.cli.fetch_settings import FetchSettings, duration
from intel_grapher.cli.indicators import Indicators
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import print_json, print_line, print_table, say
from intel_grapher.fetch.plan import plan as plan_fetch
from intel_grapher.registry import Registry

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
    json: options.Json = False,
) -> None:
    """Print what a fetch would cost, and ask nothing.

    That is, for each source: what the cache answers, how many requests, what quotas leave, and when it would end.
    """
    print_plan(indicators, settings, data, import_, explain=explain, json=json)


def print_plan(
    indicators: Indicators, settings: FetchSettings, data: Path, import_: Path, *, explain: bool, json: bool
) -> None:
    """Plan a fetch and print the plan; with `explain`, also why each indicator is followed."""
    registry = Registry.installed()
    how = settings.options(registry, import_)
    found, _ = indicators.read()
    with Cache(data) as cache:
        made = plan_fetch(cache, settings.selected(registry), found, how)
    say_future(made.future)
    if json:
        print_json({"plan": made, "requests": made.requests, "steps": [str(step) for step in made.steps]})
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


def say_future(answers: int) -> None:
    """Say that cached answers are dated in the future, if any are."""
    if answers:
        say(
            f"{answers} cached answers are dated in the future: a clock was ahead when they were kept. They stay valid "
            "until you ask again with --refresh or --max-age"
        )
