"""`fetch`: asks the sources what the cache lacks. `fetch status|failed|retry`: how they stand, what failed, again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from intel_grapher import cache as caches
from intel_grapher import early as earlier
from intel_grapher import registry as registries
from intel_grapher import times
from intel_grapher.cli import ending, options
from intel_grapher.cli.fetch_settings import FetchSettings, Limits, SourceChoice, duration
from intel_grapher.cli.indicators import Indicators
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import Advance, is_terminal, print_json, print_table, progress, say
from intel_grapher.cli.plan import print_plan, say_future, say_unaskable, told_services
from intel_grapher.cli.terminal import DIM, Screen, counted
from intel_grapher.errors import KeyMissingError
from intel_grapher.fetch import asking, failures, ledgers, workload
from intel_grapher.fetch import run as fetching
from intel_grapher.times import dated

if TYPE_CHECKING:
    from intel_grapher.fetch.summary import Summary, Tally
    from intel_grapher.registry import Registry
    from intel_grapher.source import Source

COLUMN = 9
LINES = 4
"""Services that the end of a fetch names on a terminal."""


class FetchGroup(typer.core.TyperGroup):
    """`fetch INDICATOR…`, unless its first argument is the name of a sub-command; options may stand before that."""

    allow_interspersed_args = True

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401 - typer's own click
        """Return the context of the sub-command that the arguments name, or of `fetch` itself."""
        position = self._first_argument(args)
        command = self.commands.get(args[position]) if position is not None else None
        if command is None or position is None:
            return super().make_context(info_name, args, parent, **extra)
        rest = args[:position] + args[position + 1 :]
        return command.make_context(f"{info_name} {command.name}", rest, parent, **extra)

    def _first_argument(self, args: Sequence[str]) -> int | None:
        """Return the position of the first argument that is no option and no option's value; None if there is none."""
        with_value = {name for option in self.params if not getattr(option, "is_flag", False) for name in option.opts}
        position = 0
        while position < len(args) and args[position] != "--":
            if not args[position].startswith("-"):
                return position
            position += 2 if args[position] in with_value else 1
        return None


app = typer.Typer(name="fetch", cls=FetchGroup, add_completion=False, subcommand_metavar="")


@app.callback(invoke_without_command=True)
@grouped
def fetch(
    indicators: Indicators,
    settings: FetchSettings,
    data: options.Data = options.DATA,
    import_: options.HubsImport = options.IMPORT,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask nothing; print what it would cost.")] = False,
    explain: options.Explain = False,
    all_: options.AllCounts = False,
    json: options.Json = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Ask the sources what the cache lacks, and keep every reply.

    Indicators of compromise come as arguments, by kind (-d -e -hx -i -u), from files, or, if none are given, from
    standard input.
    """
    if dry_run:
        print_plan(indicators, settings, data, import_, explain=explain, json=json, all_=all_)
        return
    registry = registries.Registry.installed()
    summary, skipped = fetched(indicators, settings, registry, data, import_, no_progress=no_progress)
    print_json(dated({"summary": summary})) if json else print_summary(summary, all_=all_)
    raise typer.Exit(exit_code(summary, settings.chosen(registry)) or (options.PART if skipped else 0))


def fetched(
    indicators: Indicators,
    settings: FetchSettings,
    registry: Registry,
    data: Path,
    import_: Path,
    *,
    no_progress: bool,
) -> tuple[Summary, int]:
    """Return the summary of a fetch, and how many texts were skipped because they are no indicator."""
    how = settings.options(registry, import_)
    sources = settings.selected(registry)
    found, skipped = indicators.read()
    say_unaskable(found, sources, data)
    ending.remember(data, found)
    with (
        caches.Cache(data) as cache,
        progress("requests", hidden=no_progress) as shown,
        earlier.mapped_early(cache, import_, registry) as early,
    ):
        summary = fetching.fetch(cache, sources, found, how, advancing(shown))
        if summary.interrupted:
            early.end()
        return summary, skipped


def advancing(shown: Advance) -> Callable[[Summary], None]:
    """Return what reports each source's progress, with its recent rate and what its longest limit leaves."""
    silence = Silence()

    def advance(summary: Summary) -> None:
        silence.tell(summary)
        for name, tally in summary.sources.items():
            if tally.to_ask:
                left = "" if tally.left is None else f", {tally.left:,} left"
                shown(name, tally.asked, tally.asked + tally.remaining, f"{tally.rate:.2g}/s{left}")

    return advance


class Silence:
    """Says once that no service could be reached so far, so that a lost network is not waited for without a word."""

    def __init__(self) -> None:
        self._told = False

    def tell(self, summary: Summary) -> None:
        """Take in how a fetch stands."""
        if summary.silent and not summary.offline and not self._told:
            self._told = True
            say("no service could be reached so far: is there a network? It is waited for a few seconds more")


def print_summary(summary: Summary, *, all_: bool = False) -> None:
    """Print what each source was asked and answered: as a table, or on a terminal in a few lines."""
    if is_terminal() and not all_:
        screen = Screen()
        write_summary(screen, summary)
        screen.print()
        return
    columns = ("source", "asked", "from cache", "not found", "failed", "not asked", "why")
    print_table(columns, [
        (name, it.asked, it.cached, it.not_found, it.failed.total(), it.skipped.total(), _reasons(it))
        for name, it in summary.sources.items() if it.asked or it.cached or it.skipped
    ])  # fmt: skip


def write_summary(screen: Screen, summary: Summary) -> None:
    """Write what the services that were asked answered, and how many others were not asked, and why."""
    asked = {name: tally for name, tally in summary.sources.items() if tally.asked}
    cached = summary.total.cached
    if not asked and cached:
        text = f"nobody: {counted(cached, 'answer')} were in the cache already"
        screen.field("asked", text, indent=0, column=COLUMN)
        return
    screen.field("asked", told_services(
        len(asked), {name: list(tally.skipped) for name, tally in summary.sources.items() if name not in asked}
    ), indent=0, column=COLUMN)  # fmt: skip
    for name, tally in list(asked.items())[: 0 if summary.offline else LINES]:
        parts = [f"{tally.found} found", f"{tally.not_found} not found"]
        parts += [f"{many} failed: {reason}" for reason, many in tally.failed.items()]
        parts[-1] += f"; {tally.aside}" if tally.aside else ""
        screen.field("", f"{name}: {', '.join(parts)}", indent=0, column=COLUMN)
    if len(asked) > LINES and not summary.offline:
        screen.field("", f"and {len(asked) - LINES} more services (--all)", indent=0, column=COLUMN, style=DIM)
    if cached:
        screen.field("cache", f"{counted(cached, 'answer')} there already, not asked again", indent=0, column=COLUMN)


def _reasons(tally: Tally) -> str:
    reasons = [f"{reason} ({count})" for reason, count in (*tally.failed.items(), *tally.skipped.items())]
    return "; ".join([*reasons, *([tally.aside] if tally.aside else [])])


def exit_code(summary: Summary, chosen: Sequence[Source]) -> int:
    """Return the exit code of a fetch, and say what to do if it is PART.

    Raises KeyMissingError if a source that the user chose had something to ask and no valid key.
    """
    say_future(summary.future)
    if summary.unpushed:
        say(f"error: {summary.unpushed}")
    if cut := summary.total.more_pages:
        say(f"{counted(cut, 'answer has', 'answers have')} more pages than were asked for; --pages gives more of them")
    if summary.interrupted:
        return options.INTERRUPTED
    total = summary.total
    if summary.offline:
        say(f"error: no network: {_unreached(summary)}; mend the connection and run the same command again")
        return options.FAILED
    tallies = [(source, summary.sources[source.name]) for source in chosen]
    wanted = [
        f"{tally.needs_key} ({source.title})"
        for source, tally in tallies
        if tally.needs_key and (tally.aside or tally.failed or tally.skipped)
    ]
    if wanted:
        raise KeyMissingError(
            f"set {', '.join(wanted)} in the environment to a key that is valid, and run the command again"
        )
    if total.failed and not total.found + total.not_found + total.cached:
        say("error: no question has an answer; `intel-grapher fetch failed` lists them, this command asks them again")
        return options.FAILED
    if not summary.complete:
        say("some questions have no answer; `intel-grapher fetch failed` lists them, the same command asks them again")
        return options.PART
    if summary.indicators and not total.asked + total.cached and workload.BEYOND not in total.skipped:
        return nothing_asked(summary)
    return options.PART if summary.unpushed else 0


def why_unasked(summary: Summary) -> str:
    """Return why every question that was to be asked failed; empty if one has an answer, or if there was none."""
    total = summary.total
    if summary.offline:
        return fetching.LOST
    if total.found + total.not_found + total.cached:
        return ""
    return ", ".join(dict.fromkeys([*total.failed, *(it.aside for it in summary.sources.values() if it.aside)]))


def _unreached(summary: Summary) -> str:
    """Return how many services could not be reached; the one and its fault, if it is one alone."""
    names = [name for name, tally in summary.sources.items() if tally.to_ask]
    if len(names) > 1:
        return f"none of {len(names)} services could be reached"
    faults = [fault for name in names for fault in summary.sources[name].failed]
    return f"{names[0]} could not be reached{f' ({faults[0]})' if faults else ''}"


def nothing_asked(summary: Summary) -> int:
    """Return FAILED, and say why no question could be asked. Raises KeyMissingError if only keys are missing."""
    missing = sorted({tally.needs_key for tally in summary.sources.values() if tally.needs_key and tally.skipped})
    if missing and asking.PRIVATE not in summary.total.skipped:
        raise KeyMissingError(
            f"nobody could be asked: set one of {', '.join(missing)} in the environment; `intel-grapher sources` tells "
            "whose key each is"
        )
    reasons = (
        ", ".join(each for each in summary.total.skipped if not each.startswith("no key in"))
        or "no service takes an indicator of this kind"
    )
    say(f"error: nobody could be asked: {reasons}")
    return options.FAILED


# --- sub-commands -----------------------------------------------------------------------------------------------------


@app.command()
@grouped
def status(sources: SourceChoice, data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """Print the state of each source.

    That is: how many answers are kept, how many questions failed, its key, and what its limits leave.
    """
    with caches.Cache(data) as cache:
        standings = failures.status(cache, sources.selected(registries.Registry.installed()), ledgers.users_ledger())
    if json:
        print_json(dated({"sources": standings}))
        return
    print_table(("source", "answers", "failed", "key", "left"), [
        (name, it.answers, it.failed.total(), it.needs_key and f"set {it.needs_key}", _left(it))
        for name, it in standings.items()
    ])  # fmt: skip


def _left(standing: failures.SourceStanding) -> str:
    if standing.retired:
        return f"retired {standing.retired}"
    return "; ".join(
        f"{left.left} of {left.rate.requests} per {duration(left.rate.per)}"
        for outlook in standing.outlooks
        for left in outlook.left
    )


@app.command()
@grouped
def failed(sources: SourceChoice, data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """List the questions that failed and have no answer since, with the reason."""
    registry = registries.Registry.installed()
    names = {source.name for source in sources.chosen(registry)}
    with caches.Cache(data) as cache:
        outstanding = failures.failed(cache, list(registry.values()))
        found = [question for question in outstanding if not names or question.source in names]
    if json:
        print_json(dated({"failed": found}))
        return
    columns = ("source", "endpoint", "key", "params", "failed_at", "status", "reason")
    print_table(columns, [
        (it.source, it.endpoint, it.key, [f"{name}={value}" for name, value in it.params.items()],
         times.text(it.failed_at), it.status, it.reason)
        for it in found
    ])  # fmt: skip


@app.command()
@grouped
def retry(
    sources: SourceChoice,
    limits: Limits,
    data: options.Data = options.DATA,
    *,
    json: options.Json = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Ask again the questions that failed, and no others."""
    selected = sources.selected(registries.Registry.installed())
    with caches.Cache(data) as cache, progress("requests", hidden=no_progress) as shown:
        summary = failures.retry(cache, selected, limits.limited(), advancing(shown))
    print_json(dated({"summary": summary})) if json else print_summary(summary)
    raise typer.Exit(exit_code(summary, []))
