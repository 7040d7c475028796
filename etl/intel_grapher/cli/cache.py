"""`cache`: puts replies from elsewhere into the raw cache; lists, shows and checks what is in it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
import typer

from intel_grapher import keys, times
from intel_grapher.cache import Cache, Holding, compact, strangers, verify
from intel_grapher.cache.mirror import Mirror, mirror_at
from intel_grapher.cache.upkeep import missing
from intel_grapher.cli import cache_add, cache_export, cache_imports, cache_review, options, terminal
from intel_grapher.cli.cache_add import Endpoint, SourceName
from intel_grapher.cli.output import is_terminal, print_json, print_line, print_table, say
from intel_grapher.cli.terminal import DIM, HEADING, Screen, counted, day, span
from intel_grapher.errors import BadValue, NotFoundError, StoreError, UsageError
from intel_grapher.orphans import orphans, remove
from intel_grapher.registry import Registry
from intel_grapher.source import Source
from intel_grapher.transform.coverage import Coverage, coverage, document
from intel_grapher.verdict import by_status

WIDE = 100
"""Columns from which on a list of what the cache holds has them all."""
FEW_FIELDS = 5
HOLDING = ("area", "source", "endpoint", "replies", "keys", "not_found", "size", "oldest", "newest", "taken_back")

app = typer.Typer(
    name="cache",
    no_args_is_help=True,
    add_completion=False,
    help="Put replies into the raw cache; list, show and check them.",
)
app.command("add")(cache_add.add)
app.command("export")(cache_export.export)
app.command("imports")(cache_imports.imports)
app.command("remove")(cache_imports.remove)
app.command("restore")(cache_imports.restore)
app.command("review")(cache_review.review_command)


@app.command("list")
def list_(data: options.Data = options.DATA, *, no_pager: terminal.NoPager = False, json: options.Json = False) -> None:
    """List what the cache holds of each endpoint: answers ("raw") and failures ("failed")."""
    registry = Registry.installed()
    with Cache(options.existing(data)) as cache:
        rows = [_holding(registry, holding) for holding in cache.holdings()]
    if foreign := strangers(data):
        say(f"{len(foreign)} files or links are no part of the cache and are not read; cache verify lists them")
    if json:
        print_json({"holdings": rows})
    else:
        print_holdings(rows, pager=not no_pager)


def print_holdings(rows: Sequence[Mapping[str, object]], *, pager: bool) -> None:
    """Print what the cache holds: every column where piped, those that fit beside each other on a terminal."""
    if not is_terminal():
        print_table(HOLDING, [[row[name] for name in HOLDING] for row in rows])
        return
    screen = Screen()
    is_wide = (screen.width or WIDE) >= WIDE
    shown = []
    for row in rows:
        name = f"{row['source']}/{row['endpoint']}" + ("" if row["area"] == "raw" else " (failed)")
        replies = counted(int(str(row["replies"])), "reply", "replies")
        more = (f"{row['not_found']} not found" if row["not_found"] else "", span(row["oldest"], row["newest"]))
        shown.append((name, (replies, *(more if is_wide else (day(row["newest"]),)))))
    if shown:
        screen.rows(shown, indent=0)
    screen.print_paged(pager=pager)


def _holding(sources: Mapping[str, Source], holding: Holding) -> dict[str, object]:
    """Return what is shown of an endpoint's replies. `not_found` counts those whose HTTP status says so."""
    source = sources.get(holding.source)
    endpoint = source.endpoint(holding.endpoint) if source else None
    not_found = 0
    for status, count in holding.statuses.items():
        verdict = by_status(endpoint, status)
        not_found += count if verdict is not None and verdict.is_answer else 0
    row = {**dataclasses.asdict(holding), "not_found": not_found}
    row |= {"oldest": times.text(holding.oldest), "newest": times.text(holding.newest)}
    return {name: row[name] for name in HOLDING}


@app.command()
def show(
    key: Annotated[str, typer.Argument(metavar="KEY", help="What was asked for.")],
    source: SourceName = None,
    endpoint: Endpoint = None,
    data: options.Data = options.DATA,
    *,
    json: options.Json = False,
) -> None:
    """Print the replies that the cache holds for a key, newest first.

    There is one envelope a line. Those that were taken back come last, and say so.
    """
    lines: list[dict[str, object]] = []
    known = Registry.installed().named(source).name if source else None
    with Cache(options.existing(data)) as cache:
        for name in dict.fromkeys((key, _canonical(key))):
            found = [*cache.history(name, known, endpoint), *cache.taken_back(name, known, endpoint)]
            if found:
                break
        else:
            raise NotFoundError(f"nothing is kept for {key!r}; `intel-grapher cache list` tells what is there")
        answers = {reply.digest for reply in found if reply.area == "raw"}
        for reply in found:
            if reply.area == "failed" and reply.digest in answers:
                continue  # an unreadable reply is kept in both areas
            envelope = cache.read(reply)
            content = envelope.content.decode("utf-8", "replace")
            line = {name: getattr(reply, name) for name in ("area", "source", "endpoint", "key", "params")}
            line |= {"fetched_at": times.text(reply.fetched_at), "status": reply.status}
            line |= {"import": reply.import_} if reply.import_ else {}
            line |= {"taken_back": True} if cache.is_out(reply) else {}
            line |= {"body": envelope.body} if envelope.form == "json" else {"text": content}
            if not json:
                print_line(msgspec.json.encode(line).decode())
            lines += [line] if json else []
    if json:
        print_json({"replies": lines})


def _canonical(key: str) -> str:
    try:
        return keys.detect(key)[1]
    except BadValue:
        return key


@app.command("coverage")
def coverage_(
    data: options.Data = options.DATA,
    *,
    all_: terminal.All = False,
    no_pager: terminal.NoPager = False,
    json: options.Json = False,
) -> None:
    """Print what the mappings make of each endpoint's replies, and which of their fields no mapping reads.

    "places" counts the values of a field. In its path, [] stands for the items of a list and * for any member.
    """
    with Cache(options.existing(data)) as cache:
        found = coverage(cache, Registry.installed())
    if json:
        print_json({"coverage": document(found)})
        return
    columns = ("source", "endpoint", "replies", "facts", "rejects", "unread fields")
    endpoints = [
        (it.source, it.endpoint, it.replies, it.facts.total(), _counts(it.rejects), len(it.unread)) for it in found
    ]
    of_fields = ("source", "endpoint", "unread field", "places")
    fields = [(it.source, it.endpoint, path, places) for it in found for path, places in sorted(it.unread.items())]
    if is_terminal():
        screen = Screen()
        for it in found:
            write_coverage(screen, it, most=len(it.unread) if all_ else FEW_FIELDS)
        screen.print_paged(pager=not no_pager)
        return
    print_table(columns, endpoints)
    print_table(of_fields, fields)


def write_coverage(screen: Screen, of: Coverage, *, most: int) -> None:
    """Write what becomes of an endpoint's replies, and the fields that nothing reads: those with most places first."""
    made = f"{counted(of.facts.total(), 'fact')} of {counted(of.replies, 'reply', 'replies')}"
    screen.blank()
    screen.line((f"{of.source}/{of.endpoint}", HEADING), f"  {made}")
    if of.rejects:
        screen.field("rejects", _counts(of.rejects))
    fields = sorted(of.unread.items(), key=lambda each: (-each[1], each[0]))
    if fields[:most]:
        screen.rows([(path, (counted(places, "place"),)) for path, places in fields[:most]])
    if len(fields) > most:
        screen.line((f"… {len(fields) - most} more fields that nothing reads (--all)", DIM), indent=2)


def _counts(by_reason: Counter[str]) -> str:
    return ", ".join(f"{reason} ({count})" for reason, count in sorted(by_reason.items()))


@app.command("verify")
def verify_(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """Check every record of the cache against its checksum."""
    mirror = mirror_at(data)
    stored = [] if mirror is None else list(missing(mirror))
    try:
        with Cache(options.existing(data)) as cache:
            problems = [*verify(cache), *stored]
    except StoreError:
        if not stored:
            raise
        problems = stored
    if json:
        print_json({"problems": problems})
    for problem in problems:
        say(f"{problem.where}: {problem.what}. {problem.remedy}")
    if problems:
        raise typer.Exit(1)
    if not json:
        print_line("the cache is whole")


@app.command("compact")
def compact_(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """Compress what is not compressed yet, and write damaged files anew from their whole records.

    The damaged files are kept in the folder `set-aside`. No whole record is lost, and older replies of a key stay. In a
    store, small files are merged as well, and what is missing there is put back from this machine.
    """
    with Cache(options.existing(data)) as cache, cache.writer("cache compact") as writer:
        done = compact(cache, writer)
    if json:
        print_json(dataclasses.asdict(done))
        return
    print_line(
        f"{done.closed} files compressed, {done.repaired} repaired: {done.after:,} bytes instead of {done.before:,}"
    )
    if done.merged:
        print_line(f"{done.merged} small files were merged")
    if done.lost:
        say(f"{done.lost} damaged records are out of use; next: intel-grapher fetch asks again for what is missing")


@app.command("sync")
def sync(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """Bring a store's replies here, and write there what it lacks.

    Every command that reads replies brings them first, and every one that adds some writes them. This does both, after
    a command that could not.
    """
    with Cache(data) as cache:
        mirror = _mirror(cache)
        with cache.writer("cache sync"):
            pass
        segments = mirror.shared.read().segments
    if json:
        print_json({"url": mirror.url, "folder": str(data), "segments": len(segments)})
    else:
        print_line(f"{mirror.url} and {data} have the same {counted(len(segments), 'file')} of replies")


@app.command("orphans")
def orphans_(
    data: options.Data = options.DATA,
    *,
    is_removed: Annotated[bool, typer.Option("--remove", help="Remove them from the store.")] = False,
    json: options.Json = False,
) -> None:
    """List what a store has and nothing there names any more.

    That is: uploads that were cut off and files that others replaced, a week ago by the store's clock. Nobody is about
    to name them then, or still reads them.
    """
    with Cache(data) as cache:
        objects = _mirror(cache).objects
    found = orphans(objects)
    if is_removed:
        found = remove(objects, found)
    if json:
        print_json({"orphans": [{**each._asdict(), "modified": times.text(int(each.modified))} for each in found]})
        return
    print_table(
        ("name", "size", "modified"), [(each.name, each.size, times.text(int(each.modified))) for each in found]
    )
    if found:
        say(f"{counted(len(found), 'orphan')} removed" if is_removed else "--remove removes them")


def _mirror(cache: Cache) -> Mirror:
    """Return the mirror of a store that a cache is. Raises UsageError for a folder."""
    if cache.mirror is None:
        raise UsageError(f"{cache.root} is a folder: name the store with --data s3://BUCKET/PREFIX")
    return cache.mirror
