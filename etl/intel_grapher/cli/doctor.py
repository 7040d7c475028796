"""`intel-grapher doctor`: what may be in the way, each with its remedy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import duckdb
import typer

from intel_grapher import disk, schema
from intel_grapher.cache import Cache, set_aside, verify
from intel_grapher.cli import options
from intel_grapher.cli.output import print_json, print_table, say
from intel_grapher.errors import GrapherError
from intel_grapher.fetch.asking import secrets
from intel_grapher.files import Files, content, exact
from intel_grapher.load import open_embedded
from intel_grapher.lock import holder
from intel_grapher.neo4j.server import LocalNeo4j, connect, connection_from_environment
from intel_grapher.source import discover

LITTLE_ROOM = 1 << 30
OK, NOTE, FAULT = "ok", "note", "fault"


class Finding(NamedTuple):
    """One thing looked at: its state (ok, note or fault), what was found, and what to do."""

    what: str
    state: str
    found: str
    remedy: str = ""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    data: options.Data = options.DATA,
    import_: options.Import = options.IMPORT,
    db: options.Db = options.DB,
    *,
    deep: Annotated[bool, typer.Option("--deep", help="Read everything, and check every checksum.")] = False,
    json: options.Json = False,
) -> None:
    """Look at keys, disk, locks, cache, files and graphs, and say what to do about what is wrong. Changes nothing."""
    findings = [
        *_looked("folders", _folders(data, import_, db)),
        *_looked("cache", _cache(data, deep=deep)),
        *_looked("files", _files(import_, deep=deep)),
        *_looked("graphs", _graphs(import_, db, data)),
        *_keys(),
    ]
    if json:
        print_json({"findings": [each._asdict() for each in findings]})
    else:
        print_table(Finding._fields, findings)
    if any(each.state == FAULT for each in findings):
        say("something needs mending: see the remedies above")
        raise typer.Exit(1)


def _looked(what: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield findings; what can't even be looked at is one, and the rest is looked at all the same."""
    try:
        yield from findings
    except (GrapherError, OSError, duckdb.Error) as wrong:
        yield Finding(what, FAULT, str(wrong), "see the text")


def _folders(data: Path, import_: Path, db: Path) -> Iterator[Finding]:
    for what, place in (("cache", data), ("files", import_), ("graph", db)):
        above = (place.absolute(), *place.absolute().parents)
        folder = next(each for each in above if os.access(each, os.F_OK))
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
        held = cache.holdings()
        yield Finding(
            "cache", OK if held else NOTE, f"{sum(each.replies for each in held)} replies of {len(held)} endpoints",
            "" if held else "intel-grapher fetch INDICATOR, or cache add FOLDER",
        )  # fmt: skip
        for problem in verify(cache) if deep else ():
            yield Finding("cache", FAULT, f"{problem.where}: {problem.what}", problem.remedy)
    aside = set_aside(data)
    if aside:
        yield Finding("cache", NOTE, f"{len(aside)} files hold what a crash tore", f"look at {data / 'set-aside'}")


def _files(import_: Path, *, deep: bool) -> Iterator[Finding]:
    again = "intel-grapher transform"
    files = Files(import_)
    try:
        manifest = files.manifest()
    except GrapherError as wrong:
        yield Finding("files", NOTE, str(wrong), again)
        return
    if manifest.schema != schema.VERSION:
        yield Finding("files", FAULT, "they are of another schema than this program's", again)
        return
    yield Finding("files", OK, f"{sum(each.rows for _, each in manifest.groups())} rows in {import_}")
    if deep:
        with duckdb.connect() as connection:
            for group, told in manifest.groups():
                path = files.path(group, "parquet")
                if path.exists() and content(connection, f"read_parquet({exact(path)})", group) != told:
                    yield Finding("files", FAULT, f"{path} is not what the manifest says", again)


def _graphs(import_: Path, db: Path, data: Path) -> Iterator[Finding]:
    try:
        manifest = Files(import_).manifest()
    except GrapherError:
        manifest = None
    try:
        with open_embedded(db, manifest):
            yield Finding("embedded graph", OK, f"{db} holds what the files do")
    except GrapherError as wrong:
        yield Finding("embedded graph", NOTE, str(wrong), "intel-grapher load")
    try:
        named = connection_from_environment()
        if named is not None:
            connect(named).close()
            yield Finding("Neo4j", OK, f"{named.uri} answers")
    except GrapherError as wrong:
        yield Finding("Neo4j", FAULT, str(wrong), "see the text")
    local = LocalNeo4j(data / "neo4j").status()
    if local.assembled:
        yield Finding(
            "local Neo4j", OK, f"{local.version}, {'running at ' + str(local.uri) if local.running else 'down'}"
        )


def _keys() -> Iterator[Finding]:
    for source in discover().values():
        if source.key is None or source.retired:
            continue
        try:
            held = len(secrets(source))
        except GrapherError as wrong:
            yield Finding(f"key of {source.title}", FAULT, str(wrong), f"set {source.key.variable} again")
            continue
        if held:
            yield Finding(f"key of {source.title}", OK, f"{held} in {source.key.variable}")
        elif source.key.required:
            yield Finding(f"key of {source.title}", NOTE, "none", f"set {source.key.variable} to ask it")
