"""`intel-grapher cache`: replies from elsewhere into the raw cache, and what is in it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from intel_grapher import keys, times
from intel_grapher.cache import Cache, Holding, adopt, compact, verify
from intel_grapher.cli import options
from intel_grapher.cli.output import print_json, print_line, print_table, say
from intel_grapher.errors import BadValue, UsageError
from intel_grapher.source import Source, discover, named
from intel_grapher.transform.coverage import coverage, document

MAX_WARNINGS = 20

group = typer.Typer(
    no_args_is_help=True, help="The raw cache: add replies from elsewhere, list, show, cover, verify, compact."
)
KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="What was asked for.")]
SourceOption = Annotated[str | None, typer.Option("--source", "-s", help="The source that replied.")]
EndpointOption = Annotated[str | None, typer.Option("--endpoint", help="The source's endpoint.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="cache")


@group.command()
def add(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Replies: files, folders, JSON Lines, archives.")
    ],
    source: SourceOption = None,
    endpoint: EndpointOption = None,
    key: Annotated[str | None, typer.Option(help="What was asked for; by default the file's name up to `__`.")] = None,
    key_from: Annotated[
        str | None, typer.Option(metavar="MEMBER", help="The member of each reply that tells it: ip, data.id, …")
    ] = None,
    fetched_at: Annotated[str | None, typer.Option(help="When it was asked; by default the file's own time.")] = None,
    data: options.Data = options.DATA,
    *,
    json: options.Json = False,
) -> None:
    """Put replies from elsewhere into the cache.

    Where source and endpoint are not given, they are the names of the two folders above a file. The key, where it is
    not given, is the file's name up to the first `__` or to its extension. What is there already is passed over.

    A file is one reply, but each line of a .jsonl or .ndjson file is one: with its key in it, as {"key":…,"body":…} or
    as the cache itself keeps it, or bare, with --key-from.
    """
    if key is not None and key_from is not None:
        raise UsageError("--key is for one reply and --key-from for several: give one of them")
    sources = discover()
    if source is not None:
        source = named(source, sources).name
    warnings: dict[str, None] = {}
    with Cache(data) as cache, cache.writer("cache add") as writer:
        added = adopt(
            writer, paths, source=source, endpoint=endpoint, key=key, key_from=key_from,
            fetched_at=_moment(fetched_at), resolve=partial(resolve, sources, tell=warnings.setdefault),
            one_reply=partial(_takes_lines, sources),
        )  # fmt: skip
    left_out = sum(added.reasons.values())
    for each in islice(warnings, MAX_WARNINGS):
        say(f"kept, but {each}")
    if len(warnings) > MAX_WARNINGS:
        say(f"and {len(warnings) - MAX_WARNINGS} more of these; transform lists them all")
    for skipped in added.skipped:
        say(f"left out: {skipped.where}: {skipped.reason}")
    if json:
        print_json(
            {
                "added": added.added,
                "already_there": added.already_there,
                "left_out": left_out,
                "reasons": added.reasons,
                "skipped": [dataclasses.asdict(each) for each in added.skipped],
            }
        )
    else:
        print_line(f"{added.added} added, {added.already_there} there already, {left_out} left out")
    if left_out:
        raise typer.Exit(options.PART)


def resolve(
    sources: dict[str, Source],
    source: str,
    endpoint: str,
    key: str,
    tell: Callable[[str], object] = lambda _text: None,
) -> tuple[str, str, str]:
    """Return where a reply belongs: the source's own name, the endpoint's, and the canonical key.

    An endpoint without a mapping, and a key that is none of what the endpoint asks for, are kept as they are: transform
    lists them, and a later mapping may read them; `tell` is told. UsageError for a source that is not known.
    """
    known = named(source, sources)
    found = known.endpoint(endpoint)
    if found is None:
        near = ", ".join(get_close_matches(endpoint, known.endpoints)) or ", ".join(known.endpoints)
        tell(f"no mapping reads {known.name}/{endpoint}; there are: {near}")
        return known.name, endpoint.lower().replace("-", "_"), key
    try:
        return known.name, found.name, found.canonical(key)
    except BadValue as bad:
        tell(f"{key!r} is no key of {known.name}/{found.name}: {bad.reason}; say with --key what was asked for")
        return known.name, found.name, key


def _takes_lines(sources: dict[str, Source], source: str, endpoint: str) -> bool:
    """Tell whether an endpoint's one reply may be several lines; of one that nobody knows, that can't be told."""
    try:
        found = named(source, sources).endpoint(endpoint)
    except UsageError:
        return True
    return found is None or found.format != "json"


def _moment(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return times.parse(text).seconds
    except BadValue as bad:
        raise UsageError(
            f"--fetched-at {text!r}: {bad.reason}; write it as 2021-03-05 or 2021-03-05T10:11:12Z"
        ) from bad


@group.command("list")
def list_(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """List what the cache holds of each endpoint: answers ("raw") and failures ("failed")."""
    with Cache(options.existing(data)) as cache:
        rows = [dataclasses.asdict(each) for each in cache.holdings()]
    for row in rows:
        row["oldest"], row["newest"] = times.text(row["oldest"]), times.text(row["newest"])
    if json:
        print_json({"holdings": rows})
    else:
        names = [each.name for each in dataclasses.fields(Holding)]
        print_table(names, [[row[name] for name in names] for row in rows])


@group.command()
def show(
    key: KeyArgument,
    source: SourceOption = None,
    endpoint: EndpointOption = None,
    data: options.Data = options.DATA,
) -> None:
    """Print the replies kept for a key, the newest first, one envelope a line."""
    known = named(source, discover()).name if source else None
    with Cache(options.existing(data)) as cache:
        found = cache.history(key, known, endpoint) or cache.history(_canonical(key), known, endpoint)
        if not found:
            raise UsageError(f"nothing is kept for {key!r}; `intel-grapher cache list` tells what is there")
        for each in found:
            envelope = cache.read(each)
            content = envelope.content.decode("utf-8", "replace")
            line = {name: getattr(each, name) for name in ("area", "source", "endpoint", "key", "params")}
            line |= {"fetched_at": times.text(each.fetched_at), "status": each.status}
            line |= {"body": envelope.body} if envelope.form == "json" else {"text": content}
            print_line(msgspec.json.encode(line).decode())


def _canonical(key: str) -> str:
    try:
        return keys.detect(key)[1]
    except BadValue:
        return key


@group.command("coverage")
def coverage_(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """Tell what the mappings make of each endpoint's replies, and which of their fields no mapping reads.

    A field's number is in how many places it says something; [] stands for a list's items, * for any member.
    """
    with Cache(options.existing(data)) as cache:
        found = coverage(cache)
    if json:
        print_json({"coverage": document(found)})
        return
    columns = ("source", "endpoint", "replies", "facts", "rejects", "unread fields")
    print_table(columns, [
        (each.source, each.endpoint, each.replies, each.facts.total(), _counts(each.rejects), len(each.unread))
        for each in found
    ])  # fmt: skip
    print_table(("source", "endpoint", "unread field", "places"), [
        (each.source, each.endpoint, path, places) for each in found for path, places in sorted(each.unread.items())
    ])  # fmt: skip


def _counts(by_reason: Counter[str]) -> str:
    return ", ".join(f"{reason} ({count})" for reason, count in sorted(by_reason.items()))


@group.command("verify")
def verify_(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """Check every record of the cache against its checksum."""
    with Cache(options.existing(data)) as cache:
        problems = verify(cache)
    if json:
        print_json({"problems": problems})
    for problem in problems:
        say(f"{problem.where}: {problem.what}. {problem.remedy}")
    if problems:
        raise typer.Exit(1)
    if not json:
        print_line("the cache is whole")


@group.command("compact")
def compact_(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """Compress what is not compressed yet, and write damaged files anew from their whole records.

    The damaged ones are kept in the folder `set-aside`. No whole record goes: older replies of a key stay.
    """
    with Cache(options.existing(data)) as cache, cache.writer("cache compact") as writer:
        done = compact(cache, writer)
    if json:
        print_json(dataclasses.asdict(done))
        return
    print_line(f"{done.closed} files compressed, {done.mended} mended: {done.after:,} bytes instead of {done.before:,}")
    if done.lost:
        say(f"{done.lost} damaged records are out of use; next: intel-grapher fetch asks again for what is missing")
