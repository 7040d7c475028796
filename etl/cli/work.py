"""`fetch`, `transform`, `load`, and `run`, which is all three."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from etl import keys
from etl.asking import Freshness, Indicator
from etl.cache import Cache
from etl.cli import options, targets
from etl.cli.output import print_json, print_line, print_table, progress, say
from etl.errors import BadValue, KeyMissingError, UsageError
from etl.fetch import Options as FetchOptions
from etl.fetch import fetch
from etl.files import FORMATS, Files, Manifest
from etl.load import Embedded, Loaded, load
from etl.source import Source, discover, named
from etl.summary import Summary, Tally
from etl.transform import Options, transform

PART = 3
UNREAD = "unreadable"
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
AGES = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("fetch")(fetch_)
    app.command("transform")(transform_)
    app.command("load")(load_)
    app.command("run")(run)


# --- fetch ------------------------------------------------------------------------------------------------------------

Kinds = list[str] | None
IndicatorsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[INDICATOR]...", help="Of any kind, defanged ones too.")
]
FileOption = Annotated[
    list[Path] | None, typer.Option("--file", "-f", help="A file with an indicator a line; - is standard input.")
]
SourceOption = Annotated[
    list[str] | None, typer.Option("--source", "-s", help="Ask only this source; may be repeated.")
]


def fetch_(
    indicators: Annotated[
        list[str] | None, typer.Argument(metavar="[INDICATOR]...", help="Any kind, defanged too.")
    ] = None,
    domain: Annotated[Kinds, typer.Option("--domain", "-d", help="A domain or sub-domain.")] = None,
    email: Annotated[Kinds, typer.Option("--email", "-e", help="An e-mail address.")] = None,
    hash_: Annotated[Kinds, typer.Option("--hash", "-hx", help="A file's hash.")] = None,
    ip: Annotated[Kinds, typer.Option("--ip", "-i", help="An IP address.")] = None,
    user: Annotated[Kinds, typer.Option("--user", "-u", help="A Twitter user.")] = None,
    file: FileOption = None,
    source: SourceOption = None,
    max_age: Annotated[
        str | None, typer.Option(help="Ask again where the answer is older, such as 12h, 7d, or SOURCE=7d.")
    ] = None,
    data: options.Data = options.DATA,
    *,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out what is no indicator; ask the rest.")] = False,
    json: options.Json = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Ask the sources what the cache lacks about indicators of compromise, and keep every reply.

    Indicators come as arguments, by kind (-d -e -hx -i -u), from files, or, where none are given, on standard input.
    """
    by_kind = {"domain": domain, "email": email, "hash": hash_, "ip": ip, "user": user}
    raw = [("", each) for each in indicators or []]
    raw += [(kind, each) for kind, given in by_kind.items() for each in given or []]
    raw += [("", each) for path in file or [] for each in lines(path)]
    if not raw and not file and not sys.stdin.isatty():
        raw = [("", each) for each in lines(Path("-"))]
    if not raw:
        raise UsageError("no indicator is given: name one, such as example.com, or a file with --file")
    known = discover()
    chosen = [named(each, known) for each in source or []] or list(known.values())
    asked, bad = read_indicators(raw)
    for each in bad:
        say(f"not an indicator: {each}")
    if bad and not skip_bad:
        raise UsageError("nothing was asked; mend these, or leave them out with --skip-bad")
    with Cache(data) as cache, progress("fetch", hidden=no_progress) as advance:
        summary = fetch(
            cache,
            chosen,
            asked,
            FetchOptions(freshness=freshness(max_age, known)),
            lambda so_far: advance(so_far.total.cached + so_far.total.asked, len(asked)),
        )
    _tell(summary, json=json)
    _exit(summary, chosen if source else [])
    if bad:
        raise typer.Exit(PART)


def lines(path: Path) -> Iterator[str]:
    """Yield a file's indicators; empty lines and those that begin with # are none."""
    try:
        text = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as wrong:
        raise UsageError(f"{path} can't be read: {wrong.strerror}") from wrong
    for line in text.decode("utf-8-sig", "replace").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()


def read_indicators(raw: Iterable[tuple[str, str]]) -> tuple[list[Indicator], list[str]]:
    """Return the indicators among (kind, text) pairs, each once, and for each of the others what is wrong with it."""
    found: dict[Indicator, None] = {}
    bad: list[str] = []
    for kind, text in raw:
        try:
            told, key = keys.detect("@" + keys.refang(text).removeprefix("@") if kind == "user" else text)
        except BadValue as wrong:
            bad.append(f"{text[:200]!r}: {wrong.reason}")
            continue
        if kind and told != kind:
            bad.append(f"{text[:200]!r}: it is of the kind {told}, not {kind}")
        else:
            found[told, key] = None
    return list(found), bad


def freshness(max_age: str | None, known: dict[str, Source]) -> Freshness:
    """Return how old an answer may be: `7d` for all sources, `SOURCE=7d` for one, several parted by commas."""
    overall: float | None = None
    by_source: dict[str, float] = {}
    for part in (max_age or "").split(","):
        name, equals, age = part.strip().rpartition("=")
        if equals:
            by_source[named(name, known).name] = seconds(age)
        elif age:
            overall = seconds(age)
    return Freshness(max_age=overall, by_source=by_source)


def seconds(text: str) -> float:
    """Return the seconds that an age such as 90, 12h or 7d says."""
    number, unit = (text[:-1], AGES[text[-1]]) if text[-1:] in AGES else (text, 1.0)
    if not number.isdigit():
        raise UsageError(f"{text!r} is not an age; write it as 30m, 12h or 7d")
    return int(number) * unit


def _tell(summary: Summary, *, json: bool) -> None:
    if json:
        print_json({"summary": summary})
        return
    columns = ("source", "asked", "from cache", "not found", "failed", "not asked", "why")
    print_table(columns, [
        (name, it.asked, it.cached, it.not_found, sum(it.failed.values()), sum(it.skipped.values()), _why(it))
        for name, it in summary.sources.items() if it.asked or it.cached or it.skipped
    ])  # fmt: skip


def _why(tally: Tally) -> str:
    reasons = [f"{reason} ({count})" for reason, count in (*tally.failed.items(), *tally.skipped.items())]
    return "; ".join([*reasons, *([tally.aside] if tally.aside else [])])


def _exit(summary: Summary, named_: list[Source]) -> None:
    if summary.interrupted:
        raise typer.Exit(130)
    without_key = [each for each in named_ if summary.sources[each.name].needs_key]
    if without_key:
        wanted = ", ".join(f"{each.key.variable} ({each.title})" for each in without_key if each.key)
        raise KeyMissingError(f"set {wanted} in the environment, and run the command again")
    if not summary.complete:
        say("some questions were not answered; the same command asks them again, and only them")
        raise typer.Exit(PART)


# --- transform --------------------------------------------------------------------------------------------------------


def bytes_of(text: str | None) -> int | None:
    """Return the bytes that a size such as 512M or 2GiB says."""
    if text is None:
        return None
    number, unit = text.strip().upper().removesuffix("IB").removesuffix("B"), 1
    if number and number[-1] in UNITS:
        number, unit = number[:-1], UNITS[number[-1]]
    if not number.isdigit() or not int(number):
        raise UsageError(f"{text!r} is not a size; write it as 512M or 2G")
    return int(number) * unit


def transform_(
    data: options.Data = options.DATA,
    import_: options.Import = options.IMPORT,
    format_: Annotated[list[str] | None, typer.Option("--format", help="parquet, csv: only this one.")] = None,
    memory: Annotated[
        str | None, typer.Option(help="What grouping may use, such as 1G; a quarter of the machine's.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="How many processes; as many as there are cores.")
    ] = None,
    *,
    json: options.Json = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Turn all cached replies into deduplicated nodes and relationships, as Parquet and CSV files."""
    formats = tuple(format_ or FORMATS)
    if not set(formats) <= set(FORMATS):
        raise UsageError(f"--format is one of {', '.join(FORMATS)}, not {', '.join(set(formats) - set(FORMATS))}")
    given = Options(formats=formats)
    given.memory = bytes_of(memory) or given.memory
    given.processes = processes or os.cpu_count() or 1
    with progress("transform", hidden=no_progress) as given.progress:
        manifest = transform(Cache(data), import_, given)
    if json:
        print_json({"manifest": manifest})
    else:
        _summary(manifest)
    unread = manifest.outcomes.get(UNREAD, 0)
    if unread:
        say(f"{unread} replies could not be read; {import_ / 'rejects.jsonl'} lists each, with its reason")
    if manifest.damaged:
        say(f"{manifest.damaged} records of the cache are damaged; `intel-grapher cache verify` tells where")
    if unread or manifest.damaged:
        raise typer.Exit(PART)


def _summary(manifest: Manifest) -> None:
    rows = [("node", name, each.rows) for name, each in manifest.nodes.items()]
    rows += [("relationship", name, each.rows) for name, each in manifest.relationships.items()]
    rows += [("reject", reason, count) for reason, count in manifest.rejects.items()]
    rows += [("reply", outcome, count) for outcome, count in manifest.outcomes.items()]
    print_table(("what", "which", "count"), rows)


# --- load, and all three ----------------------------------------------------------------------------------------------


def load_(
    import_: options.Import = options.IMPORT,
    db: options.Db = options.DB,
    data: options.Data = options.DATA,
    to: targets.To = "embedded",
    method: Annotated[str, typer.Option(help="auto, or for Neo4j: admin, bolt.")] = "auto",
    memory: Annotated[str | None, typer.Option(help="What the embedded engine may use, such as 1G.")] = None,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what a Neo4j database holds.")] = False,
    json: options.Json = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Load the flat files into the embedded graph or into Neo4j, and prove that they are there."""
    if method not in {"auto", "copy", "admin", "bolt"}:
        raise UsageError(f"--method is auto, admin or bolt, not {method!r}")
    target = targets.target(to, db, data)
    size = bytes_of(memory)
    if isinstance(target, Embedded) and size:
        target = dataclasses.replace(target, memory=size)
    with progress("load", hidden=no_progress) as advance:
        loaded = load(
            Files(import_), target, method=method, replace=replace,  # type: ignore[arg-type]
            progress=lambda _step, done, of: advance(done, of),
        )  # fmt: skip
    if json:
        print_json({"loaded": loaded})
    else:
        _tell_loaded(loaded)


def _tell_loaded(loaded: Loaded) -> None:
    print_table(("group", "rows"), loaded.rows.items())
    nodes = sum(rows for name, rows in loaded.rows.items() if "-" not in name)
    print_line(
        f"{nodes} nodes and {sum(loaded.rows.values()) - nodes} relationships are in {loaded.target}, "
        f"by {loaded.method} ({loaded.why}); files and database agree"
    )
    say("next: intel-grapher show INDICATOR, or intel-grapher query 'MATCH (n) RETURN count(n)'")


def run(
    indicators: IndicatorsArgument = None,
    file: FileOption = None,
    source: SourceOption = None,
    data: options.Data = options.DATA,
    import_: options.Import = options.IMPORT,
    db: options.Db = options.DB,
    to: targets.To = "embedded",
) -> None:
    """Fetch, transform and load, one after the other."""
    steps: list[Callable[[], None]] = [
        partial(fetch_, indicators, file=file, source=source, data=data),
        partial(transform_, data, import_),
        partial(load_, import_, db, data, to),
    ]
    code = 0
    for step in steps:
        try:
            step()
        except typer.Exit as ended:
            if ended.exit_code != PART:
                raise
            code = PART
    raise typer.Exit(code)
