"""`doctor`: looks at keys, disk, locks, cache, files and graphs; prints what is wrong, and the remedy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import duckdb
import typer

from intel_grapher import disk, schema, times
from intel_grapher.cache import Cache, quarantined, strangers, verify
from intel_grapher.cli import options
from intel_grapher.cli.next_command import runnable
from intel_grapher.cli.output import is_terminal, print_json, print_table, say
from intel_grapher.errors import GrapherError, NothingYetError
from intel_grapher.fetch.asking import secrets
from intel_grapher.fetch.failures import failed
from intel_grapher.files import Files, content
from intel_grapher.load import open_embedded
from intel_grapher.lock import holder
from intel_grapher.neo4j.server import LocalNeo4j, connect, connection_from_environment
from intel_grapher.registry import Registry
from intel_grapher.verdict import UNAUTHORIZED

LITTLE_ROOM = 1 << 30
OK, NOTE, FAULT = "ok", "note", "fault"
STATE = 7  # cells of the column that has it
FIRST = "intel-grapher run example.com"
"""What makes the files and the graph where there is nothing to make them of yet."""


class Finding(NamedTuple):
    """One thing that was looked at: its state (ok, note or fault), what was found, and what to do."""

    what: str
    state: str
    found: str
    remedy: str = ""


app = typer.Typer(add_completion=False)


@app.command("doctor")
def doctor(
    data: options.Data = options.DATA,
    import_: options.Import = options.IMPORT,
    db: options.Db = options.DB,
    *,
    deep: Annotated[bool, typer.Option("--deep", help="Read everything, and check every checksum.")] = False,
    json: options.Json = False,
) -> None:
    """Look for what is wrong, and print the remedies.

    It looks at keys, disk, locks, cache, files and graphs, and changes nothing.
    """
    findings = [
        *_or_fault("folders", _folders(data, import_, db)),
        *_or_fault("cache", _cache(data, deep=deep)),
        *_or_fault("files", _files(import_, data, deep=deep)),
        *_or_fault("graphs", _graphs(import_, db, data)),
        *_or_fault("keys", _keys(Registry.installed(), data)),
    ]
    if json:
        print_json({"findings": [finding._asdict() for finding in findings]})
    elif is_terminal():
        _show(findings)
    else:
        print_table(Finding._fields, ([*each[:-1], runnable(each.remedy)] for each in findings))
    if any(finding.state == FAULT for finding in findings):
        say("something needs mending: see the remedies above")
        raise typer.Exit(1)


def _show(findings: list[Finding]) -> None:
    """Show each finding on a line of a terminal, as far as its width goes, and the remedy beneath it."""
    from intel_grapher.cli.terminal import Screen  # noqa: PLC0415 - it builds on what prints

    screen = Screen()
    for each in findings:
        screen.field(each.state, f"{each.what}: {each.found}", indent=0, column=STATE)
        if each.remedy:
            screen.field("", runnable(each.remedy), indent=0, column=STATE)
    screen.print()


def _or_fault(what: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield the findings. An error that ends them becomes a finding itself, so that the rest is looked at, too."""
    try:
        yield from findings
    except (GrapherError, OSError, ValueError, duckdb.Error) as error:
        yield Finding(what, FAULT, str(error), "see the text")


def _folders(data: Path, import_: Path, db: Path) -> Iterator[Finding]:
    for what, path in (("cache", data), ("files", import_), ("graph", db)):
        folder = next(above for above in (path.absolute(), *path.absolute().parents) if os.access(above, os.F_OK))
        if not os.access(folder, os.W_OK):
            yield Finding(f"{what} folder", FAULT, f"{folder} can't be written", "make it writable, or name another")
            continue
        room = shutil.disk_usage(folder).free
        state = OK if room > LITTLE_ROOM else NOTE
        yield Finding(f"{what} folder", state, f"{folder}: {room >> 20} MiB free", "" if state == OK else "make room")
    files = disk.real(import_)
    for what, lock in (("cache", data / ".lock"), ("files", files.parent / f".{files.name}.lock")):
        if held_by := holder(lock):
            yield Finding(f"{what} lock", NOTE, f"process {held_by} is at work", "wait until it ends")


def _cache(data: Path, *, deep: bool) -> Iterator[Finding]:
    with Cache(data) as cache:
        holdings = cache.holdings()
        if cache.index.rebuilt:
            yield Finding("cache index", NOTE, "it was corrupt and has been made anew", "nothing to do")
        replies = sum(holding.replies for holding in holdings)
        taken_back = sum(holding.taken_back for holding in holdings)
        out = f", {taken_back} of them taken back" if taken_back else ""
        yield Finding(
            "cache", OK if holdings else NOTE, f"{replies} replies of {len(holdings)} endpoints{out}",
            "" if holdings else "intel-grapher fetch INDICATOR, or cache add FOLDER",
        )  # fmt: skip
        for problem in verify(cache) if deep else ():
            yield Finding("cache", FAULT, f"{problem.where}: {problem.what}", problem.remedy)
    if foreign := strangers(data):
        what = f"{len(foreign)} files or links are no part of the cache and are not read, {foreign[0]} among them"
        yield Finding("cache", NOTE, what, "move them elsewhere; cache verify lists them")
    aside = quarantined(data)
    if aside:
        yield Finding("cache", NOTE, f"{len(aside)} files hold what a crash tore", f"look at {data / 'set-aside'}")


def _files(import_: Path, data: Path, *, deep: bool) -> Iterator[Finding]:
    again = "intel-grapher transform" if (data / "raw").is_dir() else FIRST
    files = Files(import_)
    try:
        manifest = files.manifest()
    except GrapherError as error:
        yield Finding("files", NOTE, _found(error), again)
        return
    if manifest.schema != schema.VERSION:
        yield Finding("files", FAULT, "they are of another schema than this program's", again)
        return
    yield Finding("files", OK, f"{sum(content.rows for _, content in manifest.groups())} rows in {files}")
    if deep:
        with duckdb.connect() as connection:
            for group, stated in manifest.groups():
                if files.has(group) and content(connection, files.relation(group), group) != stated:
                    path = files.path(group, "parquet")
                    yield Finding("files", FAULT, f"{path} is not what the manifest says", again)


def _found(error: GrapherError) -> str:
    """Return what an error found, without the remedy, which has a column of its own."""
    return error.what if isinstance(error, NothingYetError) else str(error)


def _graphs(import_: Path, db: Path, data: Path) -> Iterator[Finding]:
    try:
        manifest = Files(import_).manifest()
    except GrapherError:
        manifest = None
    made = "intel-grapher transform && intel-grapher load" if (data / "raw").is_dir() else FIRST
    again = made if manifest is None else "intel-grapher load"
    try:
        with open_embedded(db, manifest):
            yield Finding("embedded graph", OK, f"{db} holds what the files do")
    except GrapherError as error:
        yield Finding("embedded graph", NOTE, _found(error), again)
    try:
        named = connection_from_environment()
        if named is not None:
            connect(named).close()
            yield Finding("Neo4j", OK, f"{named.uri} answers")
    except GrapherError as error:
        yield Finding("Neo4j", FAULT, str(error), "see the text")
    local = LocalNeo4j(data / "neo4j").status()
    if local.assembled:
        yield Finding(
            "local Neo4j", OK, f"{local.version}, {'running at ' + str(local.uri) if local.running else 'down'}"
        )


def _keys(registry: Registry, data: Path) -> Iterator[Finding]:
    refused = {}
    if data.is_dir():
        with Cache(data) as cache:
            refused = {it.source: it for it in failed(cache, list(registry.values())) if it.status == UNAUTHORIZED}
    for source in registry.values():
        if source.key is None or source.retired:
            continue
        try:
            count = len(secrets(source))
        except GrapherError as error:
            yield Finding(f"key of {source.title}", FAULT, str(error), f"set {source.key.variable} again")
            continue
        if count and source.name in refused:
            when = times.text(refused[source.name].failed_at)
            yield Finding(
                f"key of {source.title}", FAULT, f"{source.key.variable} was refused at {when}",
                f"set {source.key.variable} to a valid key, then intel-grapher fetch retry --source {source.name}",
            )  # fmt: skip
        elif count:
            yield Finding(f"key of {source.title}", OK, f"{count} in {source.key.variable}")
        elif source.key.required:
            yield Finding(f"key of {source.title}", NOTE, "none", f"set {source.key.variable} to ask it")
