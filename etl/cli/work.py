"""`fetch`, `transform`, `load`, and `run`, which is all three."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from etl.cache import Cache
from etl.cli import options
from etl.cli.output import print_json, print_table, progress, say
from etl.errors import UsageError
from etl.files import FORMATS, Manifest
from etl.transform import Options, transform

PART = 3
UNREAD = "unreadable"
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("transform")(transform_)


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
