"""`transform`: the raw cache into flat files."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from intel_grapher import times
from intel_grapher.cache import Cache
from intel_grapher.cli import options
from intel_grapher.cli.output import heeded, print_json, print_table, progress, say
from intel_grapher.errors import BadValue, UsageError
from intel_grapher.files import FORMATS, Manifest
from intel_grapher.source import discover, named
from intel_grapher.transform.run import Options, transform

UNREAD = "unreadable"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("transform")(transform_)


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
    given.memory = options.bytes_of(memory) or given.memory
    given.processes = processes or os.cpu_count() or 1
    given.as_of = _moment(as_of)
    given.seen_since = _since(seen_since or [])
    cache = Cache(options.existing(data))
    if not cache.segments():
        raise UsageError(f"no reply is kept in {data}: begin with intel-grapher fetch, or cache add")
    with progress("rows", hidden=no_progress) as advance, heeded(advance) as given.progress:
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
        raise typer.Exit(options.PART)


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
