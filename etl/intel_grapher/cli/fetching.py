"""`fetch` and `plan`: asking the sources, and what that would cost."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from intel_grapher import keys, times
from intel_grapher.cache import Cache
from intel_grapher.cli import options
from intel_grapher.cli.output import Advance, print_json, print_line, print_table, progress, say
from intel_grapher.errors import BadValue, KeyMissingError, UsageError
from intel_grapher.fetch import failures
from intel_grapher.fetch import plan as planning
from intel_grapher.fetch import run as fetching
from intel_grapher.fetch.asking import Freshness, Indicator
from intel_grapher.fetch.degrees import in_files
from intel_grapher.fetch.hops import Hops
from intel_grapher.fetch.summary import Summary, Tally
from intel_grapher.schema import BY_INDICATOR
from intel_grapher.source import Source, discover, named

INTERRUPTED = 130
MAX_TOLD = 20
AGES = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
ACTIONS = ("status", "failed", "retry")

Kinds = list[str] | None
IndicatorsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[INDICATOR]...", help="Of any kind, defanged ones too.")
]
DomainOption = Annotated[Kinds, typer.Option("--domain", "-d", help="A domain or sub-domain.")]
EmailOption = Annotated[Kinds, typer.Option("--email", "-e", help="An e-mail address.")]
HashOption = Annotated[Kinds, typer.Option("--hash", "-hx", help="A file's hash.")]
IpOption = Annotated[Kinds, typer.Option("--ip", "-i", help="An IP address.")]
UserOption = Annotated[Kinds, typer.Option("--user", "-u", help="A Twitter user.")]
FileOption = Annotated[
    list[Path] | None, typer.Option("--file", "-f", help="A file with an indicator a line; - is standard input.")
]
SourceOption = Annotated[list[str] | None, typer.Option("--source", "-s", help="Only this source; may be repeated.")]
MaxAge = Annotated[str | None, typer.Option(help="Ask again what is older: 12h, 7d, SOURCE=7d; parted by commas.")]
NegativeAge = Annotated[str | None, typer.Option(help='Ask again where "not found" is older.')]
Refresh = Annotated[bool, typer.Option("--refresh", help="Ask again whatever the cache holds.")]
HopsOption = Annotated[int, typer.Option("--hops", min=0, help="Follow what the replies name, so many steps.")]
KindOption = Annotated[list[str] | None, typer.Option("--follow", help="Follow only these kinds: domain, ip, hash, …")]
Under = Annotated[list[str] | None, typer.Option(help="Follow names only at or below this domain.")]
Outside = Annotated[list[str] | None, typer.Option(help="Do not follow addresses of this network (CIDR).")]
Stop = Annotated[list[str] | None, typer.Option(help="Do not follow this indicator.")]
PerKind = Annotated[int, typer.Option(min=1, help="Follow at most so many of each kind in one hop.")]
PerParent = Annotated[int, typer.Option(min=1, help="Follow at most so many that one indicator leads to.")]
Hub = Annotated[int, typer.Option(min=1, help="Do not follow what has more neighbours than this.")]
Requests = Annotated[int | None, typer.Option("--requests", min=0, help="Send at most so many requests in all.")]
Pages = Annotated[int, typer.Option(min=1, help="Ask for at most so many pages of one answer.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out what is no indicator; take the rest.")]
Explain = Annotated[bool, typer.Option("--explain", help="Say of each indicator that is followed why.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(fetch)
    app.command()(plan)


def fetch(
    indicators: IndicatorsArgument = None,
    domain: DomainOption = None,
    email: EmailOption = None,
    hash_: HashOption = None,
    ip: IpOption = None,
    user: UserOption = None,
    file: FileOption = None,
    source: SourceOption = None,
    max_age: MaxAge = None,
    negative_age: NegativeAge = None,
    hops: HopsOption = 0,
    follow: KindOption = None,
    under: Under = None,
    outside: Outside = None,
    stop: Stop = None,
    per_kind: PerKind = 1000,
    per_parent: PerParent = 50,
    hub: Hub = 200,
    requests: Requests = None,
    pages: Pages = 10,
    data: options.Data = options.DATA,
    import_: options.Import = options.IMPORT,
    *,
    refresh: Refresh = False,
    skip_bad: SkipBad = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask nothing; say what it would cost.")] = False,
    explain: Explain = False,
    json: options.Json = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Ask the sources what the cache lacks about indicators of compromise, and keep every reply.

    Indicators come as arguments, by kind (-d -e -hx -i -u), from files, or, where none are given, on standard input.
    `fetch status` tells how the sources stand, `fetch failed` what has no answer and why; `fetch retry` asks that anew.
    """
    known = discover()
    chosen = [named(each, known) for each in source or []]
    settings = fetching.Options(
        freshness=_freshness(max_age, negative_age, known, refresh=refresh),
        hops=_hops(hops, follow, under, outside, stop, per_kind, per_parent, hub, import_),
        pages=pages,
        requests=requests,
        ledger=ledger(),
    )
    if indicators and indicators[0] in ACTIONS:
        _act(indicators, chosen or list(known.values()), settings, data, json=json, no_progress=no_progress)
        return
    by_kind = {"domain": domain, "email": email, "hash": hash_, "ip": ip, "user": user}
    asked, bad = gather(indicators, by_kind, file, skip_bad=skip_bad)
    with Cache(data) as cache:
        if dry_run:
            _tell_plan(
                planning.plan(cache, chosen or list(known.values()), asked, settings), explain=explain, json=json
            )
            return
        with progress("requests", hidden=no_progress) as advance:
            summary = fetching.fetch(
                cache, chosen or list(known.values()), asked, settings, lambda so_far: _show(so_far, advance)
            )
    _end(summary, chosen, json=json)
    if bad:
        raise typer.Exit(options.PART)


def plan(
    indicators: IndicatorsArgument = None,
    domain: DomainOption = None,
    email: EmailOption = None,
    hash_: HashOption = None,
    ip: IpOption = None,
    user: UserOption = None,
    file: FileOption = None,
    source: SourceOption = None,
    max_age: MaxAge = None,
    negative_age: NegativeAge = None,
    hops: HopsOption = 0,
    follow: KindOption = None,
    under: Under = None,
    outside: Outside = None,
    stop: Stop = None,
    per_kind: PerKind = 1000,
    per_parent: PerParent = 50,
    hub: Hub = 200,
    requests: Requests = None,
    pages: Pages = 10,
    data: options.Data = options.DATA,
    import_: options.Import = options.IMPORT,
    *,
    refresh: Refresh = False,
    skip_bad: SkipBad = False,
    explain: Explain = False,
    json: options.Json = False,
) -> None:
    """Say what a fetch would cost, and ask nothing: requests, what is cached, what quotas leave, when it ends."""
    fetch(
        indicators, domain, email, hash_, ip, user, file, source, max_age, negative_age, hops, follow, under, outside,
        stop, per_kind, per_parent, hub, requests, pages, data, import_, refresh=refresh, skip_bad=skip_bad,
        dry_run=True, explain=explain, json=json,
    )  # fmt: skip


# --- what is asked about ----------------------------------------------------------------------------------------------


class Given(NamedTuple):
    """A text that should be an indicator; of a kind, where a flag says so; `place` names the file and the line."""

    text: str
    kind: str = ""
    place: str = ""


def gather(
    indicators: list[str] | None, by_kind: dict[str, Kinds], files: list[Path] | None, *, skip_bad: bool
) -> tuple[list[Indicator], list[str]]:
    """Return the indicators given in any way, each once, and what is none. UsageError unless that is to be skipped."""
    raw = [Given(each) for each in indicators or []]
    raw += [Given(each, kind) for kind, given in by_kind.items() for each in given or []]
    raw += [each for path in files or [] for each in lines(path)]
    if not raw and not files and sys.stdin is not None and not sys.stdin.isatty():
        raw = list(lines(Path("-")))
    if not raw:
        raise UsageError("no indicator is given: name one, such as example.com, or a file with --file")
    asked, bad = read_indicators(raw)
    for each in bad[:MAX_TOLD]:
        say(f"not an indicator: {each}")
    if len(bad) > MAX_TOLD:
        say(f"and {len(bad) - MAX_TOLD} more that are none")
    if bad and not skip_bad:
        raise UsageError("nothing was asked; mend these, or leave them out with --skip-bad")
    return asked, bad


def lines(path: Path) -> Iterator[Given]:
    """Yield a file's indicators; empty lines and those that begin with # are none. `-` is standard input."""
    place = "standard input" if str(path) == "-" else str(path)
    try:
        text = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as wrong:
        raise UsageError(f"{path} can't be read: {wrong.strerror}") from wrong
    for number, line in enumerate(text.decode("utf-8-sig", "replace").splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield Given(line.strip(), place=f"{place}, line {number}: ")


def read_indicators(raw: Iterable[Given]) -> tuple[list[Indicator], list[str]]:
    """Return the indicators among what was given, each once, and for each of the others what is wrong with it."""
    found: dict[Indicator, None] = {}
    bad: list[str] = []
    for text, kind, place in raw:
        try:
            told, key = keys.detect("@" + keys.refang(text).removeprefix("@") if kind == "user" else text)
        except BadValue as wrong:
            bad.append(f"{place}{text[:200]!r}: {_why_not(kind, text) or wrong.reason}")
            continue
        if kind and told != kind:
            bad.append(f"{place}{text[:200]!r}: it is of the kind {told}, not {kind}")
        else:
            found[told, key] = None
    return list(found), bad


def _why_not(kind: str, text: str) -> str:
    """Return why a text is not of the kind that a flag says; empty where no flag says one."""
    try:
        if kind:
            BY_INDICATOR[kind].canonical(text)
    except BadValue as bad:
        return bad.reason
    return ""


# --- settings ---------------------------------------------------------------------------------------------------------


def ledger() -> Path:
    """Return where requests are counted: one file a user, since quotas belong to a key and not to a folder."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(os.environ.get("INTEL_GRAPHER_LEDGER") or Path(state) / "intel-grapher" / "ledger.sqlite")


def _freshness(max_age: str | None, negative: str | None, known: dict[str, Source], *, refresh: bool) -> Freshness:
    overall: float | None = None
    by_source: dict[str, float] = {}
    for part in (max_age or "").split(","):
        name, equals, age = part.strip().rpartition("=")
        if equals:
            by_source[named(name, known).name] = seconds(age)
        elif age:
            overall = seconds(age)
    return Freshness(overall, by_source, None if negative is None else seconds(negative), refresh)


def seconds(text: str) -> float:
    """Return the seconds that an age such as 90, 12h or 7d says."""
    number, unit = (text[:-1], AGES[text[-1]]) if text[-1:] in AGES else (text, 1.0)
    if not number.isdigit():
        raise UsageError(f"{text!r} is not an age; write it as 30m, 12h or 7d")
    return int(number) * unit


def _hops(
    depth: int,
    follow: list[str] | None,
    under: list[str] | None,
    outside: list[str] | None,
    stop: list[str] | None,
    per_kind: int,
    per_parent: int,
    hub: int,
    import_: Path,
) -> Hops:
    default = Hops()
    try:
        return Hops(
            depth=depth,
            kinds=frozenset(follow) if follow else default.kinds,
            per_kind=per_kind,
            per_parent=per_parent,
            hub=hub,
            under=tuple(keys.hostname(each) for each in under or []),
            outside=tuple(keys.network(each) for each in outside or []),
            stop=default.stop | {keys.detect(each)[1] for each in stop or []},
            degrees=in_files(import_) if depth else None,
        )
    except BadValue as wrong:
        raise UsageError(f"--under takes a domain, --outside a network, --stop an indicator: {wrong.reason}") from wrong


# --- what is told -----------------------------------------------------------------------------------------------------


def _show(summary: Summary, advance: Advance) -> None:
    """Show how far each source is, its rate of late, and what its longest limit leaves."""
    for name, tally in summary.sources.items():
        if tally.to_ask:
            left = "" if tally.left is None else f", {tally.left:,} left"
            advance(name, tally.asked, tally.asked + tally.remaining, f"{tally.rate:.2g}/s{left}")


def _end(summary: Summary, chosen: list[Source], *, json: bool) -> None:
    """Tell the summary, and exit as it says."""
    if json:
        print_json({"summary": summary})
    else:
        columns = ("source", "asked", "from cache", "not found", "failed", "not asked", "why")
        print_table(columns, [
            (name, it.asked, it.cached, it.not_found, sum(it.failed.values()), sum(it.skipped.values()), _why(it))
            for name, it in summary.sources.items() if it.asked or it.cached or it.skipped
        ])  # fmt: skip
    if summary.interrupted:
        raise typer.Exit(INTERRUPTED)
    tallies = ((each, summary.sources[each.name]) for each in chosen)
    without_key = [
        (each, it.needs_key) for each, it in tallies if it.needs_key and (it.aside or it.failed or it.skipped)
    ]
    if without_key:
        wanted = ", ".join(f"{variable} ({each.title})" for each, variable in without_key)
        raise KeyMissingError(f"set {wanted} in the environment to a key that is valid, and run the command again")
    if not summary.complete:
        say("some questions have no answer; `intel-grapher fetch failed` lists them, the same command asks them again")
        raise typer.Exit(options.PART)


def _why(tally: Tally) -> str:
    reasons = [f"{reason} ({count})" for reason, count in (*tally.failed.items(), *tally.skipped.items())]
    return "; ".join([*reasons, *([tally.aside] if tally.aside else [])])


def _tell_plan(made: planning.Plan, *, explain: bool, json: bool) -> None:
    if json:
        print_json({"plan": made, "requests": made.requests, "steps": [str(each) for each in made.steps]})
        return
    columns = ("source", "from cache", "to ask", "of these today", "takes", "not asked")
    print_table(columns, [
        (name, it.cached, it.to_ask, it.today, _duration(it.seconds),
         "; ".join(f"{reason} ({count})" for reason, count in it.skipped.items()))
        for name, it in made.sources.items() if it.cached or it.to_ask or it.skipped
    ])  # fmt: skip
    if explain:
        for step in made.steps:
            print_line(str(step))
    print_line(f"{made.requests} requests; done {times.text(int(made.done_at or time.time()))}")


def _duration(length: float) -> str:
    for unit in ("w", "d", "h", "m"):
        if length >= AGES[unit]:
            return f"{length / AGES[unit]:.0f}{unit}"
    return f"{length:.0f}s"


def _act(
    words: list[str], chosen: list[Source], settings: fetching.Options, data: Path, *, json: bool, no_progress: bool
) -> None:
    """Do what `fetch status`, `fetch failed` and `fetch retry` do."""
    if len(words) > 1:
        raise UsageError(f"`fetch {words[0]}` takes no indicators")
    with Cache(data) as cache:
        if words[0] == "retry":
            with progress("requests", hidden=no_progress) as advance:
                summary = failures.retry(cache, chosen, settings, lambda so_far: _show(so_far, advance))
            _end(summary, [], json=json)
        elif words[0] == "failed":
            found = failures.failed(cache)
            if json:
                print_json({"failed": [dataclasses.asdict(each) for each in found]})
            else:
                columns = ("source", "endpoint", "key", "params", "failed_at", "status", "reason")
                print_table(columns, [
                    (it.source, it.endpoint, it.key, [f"{name}={value}" for name, value in it.params.items()],
                     times.text(it.failed_at), it.status, it.reason)
                    for it in found
                ])  # fmt: skip
        else:
            standings = failures.status(cache, chosen, settings.ledger_at(cache))
            if json:
                print_json({"sources": standings})
            else:
                print_table(("source", "answers", "failed", "key", "left"), [
                    (name, it.answers, sum(it.failed.values()), it.needs_key and f"set {it.needs_key}", _left(it))
                    for name, it in standings.items()
                ])  # fmt: skip


def _left(standing: failures.Standing) -> str:
    return (
        f"retired {standing.retired}"
        if standing.retired
        else "; ".join(
            f"{left.left} of {left.rate.requests} per {_duration(left.rate.per)}"
            for outlook in standing.outlooks
            for left in outlook.left
        )
    )
