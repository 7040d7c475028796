"""`cache`: puts replies from elsewhere into the raw cache; lists, shows and checks what is in it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from intel_grapher import keys, times
from intel_grapher.analyst.entries import SOURCE, WITHOUT_FACTS
from intel_grapher.analyst.journal import check
from intel_grapher.cache import Cache, Entry, Holding, Standing, compact, import_replies, strangers, verify
from intel_grapher.cli import options
from intel_grapher.cli.output import print_json, print_line, print_table, say
from intel_grapher.errors import BadValue, UsageError
from intel_grapher.registry import Registry
from intel_grapher.source import Outcome, Source
from intel_grapher.transform.coverage import coverage, document
from intel_grapher.verdict import by_status, judged

MAX_WARNINGS = 20
HOLDING = ("area", "source", "endpoint", "replies", "keys", "not_found", "size", "oldest", "newest")

app = typer.Typer(
    name="cache",
    no_args_is_help=True,
    add_completion=False,
    help="Put replies into the raw cache; list, show and check them.",
)
Endpoint = Annotated[str | None, typer.Option("--endpoint", help="The source's endpoint.")]
SourceName = Annotated[str | None, typer.Option("--source", "-s", help="The source that replied.")]


@app.command()
def add(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Replies: files, folders, JSON Lines, archives.")],
    *,
    source: SourceName = None,
    endpoint: Endpoint = None,
    key: Annotated[str | None, typer.Option(help="What was asked for. Default: the file's name up to `__`.")] = None,
    key_from: Annotated[
        str | None, typer.Option(metavar="MEMBER", help="The member of each reply that has the key: ip, data.id, …")
    ] = None,
    fetched_at: Annotated[str | None, typer.Option(help="When it was asked. Default: the file's own time.")] = None,
    data: options.Data = options.DATA,
    json: options.Json = False,
) -> None:
    """Put replies from elsewhere into the cache.

    Without --source and --endpoint, the two folders above a file name them. Without --key, the key is the file's name
    up to the first `__` or to its extension. A reply that the cache has already is left as it is.

    A file is one reply. A .jsonl or .ndjson file has one reply a line: with its key, as {"key":…,"body":…} or as the
    cache itself writes it, or bare, with --key-from.
    """
    if key is not None and key_from is not None:
        raise UsageError("--key is for one reply and --key-from for several: give one of them")
    if key_from is not None and (not key_from.isprintable() or set(key_from) & set('\\"')):
        raise UsageError(f"--key-from {key_from!r} can't be the name of a member: it has control characters or quotes")
    registry = Registry.installed()
    if source is not None:
        source = registry.named(source).name
    fetched = options.timestamp("--fetched-at", fetched_at)
    warnings: dict[str, None] = {}
    with Cache(data) as cache, cache.writer("cache add") as writer:
        added = import_replies(
            writer, paths, source=source, endpoint=endpoint, key=key, key_from=key_from,
            fetched_at=fetched, resolve=partial(resolve, registry, warn=warnings.setdefault),
            judge=partial(standing, registry),
            one_reply=partial(_may_be_lines, registry), check=check,
        )  # fmt: skip
    left_out = sum(added.reasons.values())
    for reason, count in sorted(added.failures.items()):
        say(f"kept as failures, not as answers: {count} ({reason}); `intel-grapher fetch failed` lists them")
    for warning in islice(warnings, MAX_WARNINGS):
        say(f"kept, but {warning}")
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
                "failures": added.failures,
                "reasons": added.reasons,
                "skipped": [dataclasses.asdict(skipped) for skipped in added.skipped],
            }
        )
    else:
        print_line(f"{added.added} added, {added.already_there} there already, {left_out} left out")
    if left_out:
        raise typer.Exit(options.PART)


def resolve(
    registry: Registry,
    source: str,
    endpoint: str,
    key: str,
    warn: Callable[[str], object] = lambda _text: None,
) -> tuple[str, str, str]:
    """Return where a reply belongs: the source's own name, the endpoint's, and the canonical key.

    An endpoint without a mapping, and a key that the endpoint does not take, are kept as they are, and `warn` is
    called with the reason: transform lists them, and a later mapping may read them. Raises UsageError for a source
    that is not known.
    """
    known = registry.named(source)
    found = known.endpoint(endpoint)
    if known.name == SOURCE and endpoint in WITHOUT_FACTS:
        return known.name, endpoint, key
    if found is None:
        near = ", ".join(get_close_matches(endpoint, known.endpoints)) or ", ".join(known.endpoints)
        warn(f"no mapping reads {known.name}/{endpoint}; there are: {near}")
        return known.name, endpoint.lower().replace("-", "_"), key
    try:
        return known.name, found.name, found.canonical(key)
    except BadValue as error:
        warn(f"{key!r} is no key of {known.name}/{found.name}: {error.reason}; say with --key what was asked for")
        return known.name, found.name, key


def standing(sources: Mapping[str, Source], entry: Entry) -> Standing:
    """Return where an adopted reply belongs, by the verdict on it.

    A failure is kept apart, as a fetch would. An unreadable reply stays among the answers for the transform to list,
    and is noted as a failure as well, so that the question is asked again.
    """
    source = sources.get(entry.source)
    verdict = judged(source.endpoint(entry.endpoint) if source else None, entry.status, entry.body)
    kept = verdict.is_answer or verdict.outcome is Outcome.UNREADABLE
    return Standing("raw" if kept else "failed", verdict.reason)


def _may_be_lines(registry: Registry, source: str, endpoint: str) -> bool:
    """Return whether one reply of an endpoint may be several lines; True if the endpoint is not known."""
    try:
        found = registry.named(source).endpoint(endpoint)
    except UsageError:
        return True
    return found is None or found.format != "json"


@app.command("list")
def list_(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """List what the cache holds of each endpoint: answers ("raw") and failures ("failed")."""
    registry = Registry.installed()
    with Cache(options.existing(data)) as cache:
        rows = [_holding(registry, holding) for holding in cache.holdings()]
    if foreign := strangers(data):
        say(f"{len(foreign)} files or links are no part of the cache and are not read; cache verify lists them")
    if json:
        print_json({"holdings": rows})
    else:
        print_table(HOLDING, [[row[name] for name in HOLDING] for row in rows])


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
) -> None:
    """Print the replies that the cache holds for a key, the newest first, one envelope a line."""
    known = Registry.installed().named(source).name if source else None
    with Cache(options.existing(data)) as cache:
        found = cache.history(key, known, endpoint) or cache.history(_canonical(key), known, endpoint)
        if not found:
            raise UsageError(f"nothing is kept for {key!r}; `intel-grapher cache list` tells what is there")
        answers = {reply.digest for reply in found if reply.area == "raw"}
        for reply in found:
            if reply.area == "failed" and reply.digest in answers:
                continue  # an unreadable reply is kept in both areas
            envelope = cache.read(reply)
            content = envelope.content.decode("utf-8", "replace")
            line = {name: getattr(reply, name) for name in ("area", "source", "endpoint", "key", "params")}
            line |= {"fetched_at": times.text(reply.fetched_at), "status": reply.status}
            line |= {"body": envelope.body} if envelope.form == "json" else {"text": content}
            print_line(msgspec.json.encode(line).decode())


def _canonical(key: str) -> str:
    try:
        return keys.detect(key)[1]
    except BadValue:
        return key


@app.command("coverage")
def coverage_(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """Print what the mappings make of each endpoint's replies, and which of their fields no mapping reads.

    "places" counts the values of a field. In its path, [] stands for the items of a list and * for any member.
    """
    with Cache(options.existing(data)) as cache:
        found = coverage(cache, Registry.installed())
    if json:
        print_json({"coverage": document(found)})
        return
    columns = ("source", "endpoint", "replies", "facts", "rejects", "unread fields")
    print_table(columns, [
        (it.source, it.endpoint, it.replies, it.facts.total(), _counts(it.rejects), len(it.unread)) for it in found
    ])  # fmt: skip
    print_table(("source", "endpoint", "unread field", "places"), [
        (it.source, it.endpoint, path, places) for it in found for path, places in sorted(it.unread.items())
    ])  # fmt: skip


def _counts(by_reason: Counter[str]) -> str:
    return ", ".join(f"{reason} ({count})" for reason, count in sorted(by_reason.items()))


@app.command("verify")
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


@app.command("compact")
def compact_(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """Compress what is not compressed yet, and write damaged files anew from their whole records.

    The damaged files are kept in the folder `set-aside`. No whole record is lost, and older replies of a key stay.
    """
    with Cache(options.existing(data)) as cache, cache.writer("cache compact") as writer:
        done = compact(cache, writer)
    if json:
        print_json(dataclasses.asdict(done))
        return
    print_line(
        f"{done.closed} files compressed, {done.repaired} repaired: {done.after:,} bytes instead of {done.before:,}"
    )
    if done.lost:
        say(f"{done.lost} damaged records are out of use; next: intel-grapher fetch asks again for what is missing")
