"""`transform`, `load`, and `run`, which fetches before."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from etl import times
from etl.cache import Cache
from etl.cli import options, targets
from etl.cli.fetching import FileOption, IndicatorsArgument, SourceOption, fetch
from etl.cli.output import print_json, print_line, print_table, progress, say
from etl.errors import BadValue, UsageError
from etl.files import FORMATS, Files, Manifest
from etl.load import SHARE, Embedded, Loaded, load
from etl.source import discover, named
from etl.transform.run import Options, transform

PART = 3
UNREAD = "unreadable"
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("transform")(transform_)
    app.command("load")(load_)
    app.command("run")(run)


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
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Only what had been fetched by then, such as 2024-05-01T10:00:00Z.")
    ] = None,
    seen_since: Annotated[
        list[str] | None,
        typer.Option(
            "--seen-since",
            metavar="[SOURCE=]TIME",
            help="Leave out what a source said before then and, asked the same again since, did not repeat.",
        ),
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
    given.as_of = _moment(as_of)
    given.seen_since = _since(seen_since or [])
    cache = Cache(options.existing(data))
    if not cache.segments():
        raise UsageError(f"no reply is kept in {data}: begin with intel-grapher fetch, or cache add")
    with progress("rows", hidden=no_progress) as given.progress:
        manifest = transform(cache, import_, given)
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


def _moment(text: str | None) -> int | None:
    try:
        return None if text is None else times.parse(text).seconds
    except BadValue as bad:
        raise UsageError(f"{text!r} is {bad.reason}; write a moment as 2024-05-01 or 2024-05-01T10:00:00Z") from bad


def _since(told: list[str]) -> dict[str, int]:
    """Return each source's moment; one without a source is for all that have none of their own."""
    known, moments = discover(), dict[str, int]()
    for each in told:
        name, _, moment = each.rpartition("=")
        moments[named(name, known).name if name else ""] = _moment(moment) or 0
    default = moments.pop("", None)
    return moments if default is None else dict.fromkeys(known, default) | moments


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
    prune: Annotated[bool, typer.Option("--prune", help="Delete what the files no longer have.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help=f"Let --prune delete more than {SHARE:.0%} of the rows.")] = False,
    json: options.Json = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Load the flat files into the embedded graph or into Neo4j, and prove that they are there."""
    if yes and not prune:
        raise UsageError("--yes goes with --prune: there is nothing else to agree to")
    if method not in {"auto", "copy", "admin", "bolt"}:
        raise UsageError(f"--method is auto, admin or bolt, not {method!r}")
    target = targets.target(to, db, data)
    size = bytes_of(memory)
    if isinstance(target, Embedded) and size:
        target = dataclasses.replace(target, memory=size)
    with progress("rows", hidden=no_progress) as advance:
        loaded = load(
            Files(import_), target, method=method, replace=replace,  # type: ignore[arg-type]
            prune=(1.0 if yes else SHARE) if prune else None,
            progress=advance,
        )  # fmt: skip
    if json:
        print_json({"loaded": loaded})
    else:
        _tell_loaded(loaded)
    if loaded.refused:
        raise typer.Exit(PART)


def _agreement(loaded: Loaded) -> str:
    if loaded.parity.equal:
        return "files and database agree"
    return "the database holds all that the files do, and more"


def _tell_loaded(loaded: Loaded) -> None:
    print_table(("group", "rows"), loaded.rows.items())
    nodes = sum(rows for name, rows in loaded.rows.items() if "-" not in name)
    print_line(
        f"{nodes} nodes and {sum(loaded.rows.values()) - nodes} relationships are in {loaded.target}, "
        f"by {loaded.method} ({loaded.why}); {_agreement(loaded)}"
    )
    if loaded.pruned:
        print_line(f"{loaded.pruned} rows that the files do not have were deleted")
    for each in loaded.refused:
        say(f"refused: {each}")
    others = sum(each.extra for each in loaded.parity.groups)
    if others:
        say(f"{others} rows there are in no file; load --prune deletes them, save for nodes that others are tied to")
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
        partial(fetch, indicators, file=file, source=source, data=data),
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
