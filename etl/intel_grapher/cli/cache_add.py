"""`cache add`: puts replies from elsewhere into the raw cache."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from difflib import get_close_matches
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from intel_grapher.analyst.entries import SOURCE, WITHOUT_FACTS
from intel_grapher.analyst.journal import check
from intel_grapher.cache import Cache, Entry, Imported, KeptFile, Rehearsal, Standing, import_replies
from intel_grapher.cli import cache_export, completion, options
from intel_grapher.cli.cache_reports import ReportAdder
from intel_grapher.cli.lists import check_list, show_list
from intel_grapher.cli.output import print_json, print_line, print_table, say
from intel_grapher.early import mapped_early
from intel_grapher.errors import BadValue, UsageError
from intel_grapher.intake.table import parse_columns
from intel_grapher.naming import Naming
from intel_grapher.placing import Place, asked_at, recognised
from intel_grapher.registry import Registry
from intel_grapher.source import Endpoint as Asked
from intel_grapher.source import Outcome, Source
from intel_grapher.verdict import judged

MAX_WARNINGS = 20
LISTS = "a list of indicators is --source indicators --endpoint plain, a table --endpoint table"

Endpoint = Annotated[str | None, typer.Option("--endpoint", help="The source's endpoint.")]
SourceName = Annotated[
    str | None, typer.Option("--source", "-s", autocompletion=completion.sources, help="The source that replied.")
]


def add(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Replies: files, folders, archives, HAR files; - is standard input."),
    ],
    *,
    source: SourceName = None,
    endpoint: Endpoint = None,
    key: Annotated[str | None, typer.Option(help="What was asked for. Default: the file's name up to `__`.")] = None,
    key_from: Annotated[
        str | None, typer.Option(metavar="MEMBER", help="The member of each reply that has the key: ip, data.id, …")
    ] = None,
    fetched_at: Annotated[str | None, typer.Option(help="When it was asked. Default: the file's own time.")] = None,
    signed_by: Annotated[
        Path | None, typer.Option(metavar="KEYS", help="Add only bundles signed by one of these public keys.")
    ] = None,
    url: Annotated[str, typer.Option(help="Where a report was published.")] = "",
    columns: Annotated[
        str, typer.Option(metavar="MAP", help="What columns of a table are: 0=indicator,Note=comment. Kept with it.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Keep nothing; show what would be kept, and how.")] = False,
    data: options.Data = options.DATA,
    import_: options.EarlyImport = options.IMPORT,
    json: options.Json = False,
) -> None:
    """Put replies from elsewhere into the cache: files, lists, archives, reports.

    Without --source and --endpoint, the two folders above a file name them, or its form does. Without --key, a reply
    goes by what it says that it is about, or by its file's name. A reply that the cache has already is left as it is.
    """
    _refuse_misuse(key, key_from, columns)
    registry = Registry.installed()
    if source is not None:
        source = registry.named(source).name
    fetched = options.timestamp("--fetched-at", fetched_at)
    cache_export.verified(paths, signed_by)
    warnings = Warnings()
    seen: list[dict[str, Any]] = []

    def look(known: Asked, file: KeptFile, own: str, _params: Mapping[str, str]) -> None:
        if dry_run:
            seen.append(show_list(known, file, own, columns, json=json))
        else:
            check_list(known, file, columns, warnings.add)

    given = source if source and not endpoint else ""
    with ExitStack() as stack:
        cache = stack.enter_context(Cache(data))
        stack.enter_context(mapped_early(cache, import_, registry))
        into = Rehearsal(cache) if dry_run else stack.enter_context(cache.writer("cache add"))
        naming = Naming(registry, cache, columns, look)
        reports = ReportAdder(cache, registry, source, url)
        added = import_replies(
            into, paths, source=source, endpoint=endpoint, key=key, key_from=key_from,
            fetched_at=fetched, resolve=partial(resolve, registry, warn=warnings.add),
            judge=partial(standing, registry),
            one_reply=partial(_may_be_lines, registry), named=naming, check=check, by_content=reports,
            asked_at=partial(asked_at, registry.values()), recognise=partial(_recognised, registry, given),
        )  # fmt: skip
    if isinstance(into, Rehearsal):
        report_rehearsal(into, added, seen, warnings, json=json)
        return
    for where, own in islice(naming.told.items(), MAX_WARNINGS):
        say(f"goes by the name that it states itself, {own}: {where}")
    if len(naming.told) > MAX_WARNINGS:
        say(f"and {len(naming.told) - MAX_WARNINGS} more that go by another name than their file's")
    reports.tell()
    report(added, warnings, json=json)
    if added.reasons or reports.unread:
        raise typer.Exit(options.PART)


def _refuse_misuse(key: str | None, key_from: str | None, columns: str) -> None:
    """Raise UsageError for options that can't be."""
    if key is not None and key_from is not None:
        raise UsageError("--key is for one reply and --key-from for several: give one of them")
    if key_from is not None and (not key_from.isprintable() or set(key_from) & set('\\"')):
        raise UsageError(f"--key-from {key_from!r} can't be the name of a member: it has control characters or quotes")
    try:
        parse_columns(columns)
    except BadValue as bad:
        raise UsageError(f"--columns: {bad.reason}") from bad


class Warnings:
    """The first MAX_WARNINGS distinct warnings of an import, `texts`, and the count of the `more` that came."""

    def __init__(self) -> None:
        self.texts: dict[str, None] = {}
        self.more = 0

    def add(self, text: str) -> None:
        """Add a warning, unless it is one of those that are listed."""
        if text in self.texts:
            return
        if len(self.texts) < MAX_WARNINGS:
            self.texts[text] = None
        else:
            self.more += 1


def report(added: Imported, warnings: Warnings, *, json: bool) -> None:
    """Print what an import gave, and say what was left out, what is doubtful, and how it is taken back."""
    left_out = sum(added.reasons.values())
    _tell(added, warnings)
    if json:
        print_json(
            {
                "import": added.id,
                "added": added.added,
                "already_there": added.already_there,
                "left_out": left_out,
                "failures": added.failures,
                "unreadable": added.unreadable,
                "passed_over": added.passed_over,
                "reasons": added.reasons,
                "skipped": [dataclasses.asdict(skipped) for skipped in added.skipped],
            }
        )
    else:
        print_line(f"{added.added} added, {added.already_there} there already, {left_out} left out")
        if added.id:
            say(f"import {added.id}; intel-grapher cache remove {added.id} takes it back")


def report_rehearsal(
    rehearsal: Rehearsal, added: Imported, seen: list[dict[str, Any]], warnings: Warnings, *, json: bool
) -> None:
    """Print what an import would give; nothing was kept."""
    _tell(added, warnings)
    rows = [
        {"area": area, "source": entry.source, "endpoint": entry.endpoint, "key": entry.key}
        for area, entry in rehearsal.first
    ]
    if json:
        counts = {"would_add": added.added, "already_there": added.already_there, "left_out": added.reasons.total()}
        print_json({**counts, "first": rows, "lists": seen})
        return
    print_table(("area", "source", "endpoint", "key"), [list(row.values()) for row in rows])
    print_line(
        f"nothing was kept; {added.added} would be added, {added.already_there} are there already, "
        f"{added.reasons.total()} left out"
    )


def _tell(added: Imported, warnings: Warnings) -> None:
    """Say which replies were kept with a fault, passed over, or left out, and why."""
    for reason, count in sorted((added.failures - added.unreadable).items()):
        say(f"kept as failures, not as answers: {count} ({reason}); `intel-grapher fetch failed` lists them")
    for unread in added.unread[:MAX_WARNINGS]:
        say(f"kept, but it can't be read: {unread.where}: {unread.reason}")
    if len(added.unread) > MAX_WARNINGS:
        say(f"and {added.unreadable.total() - MAX_WARNINGS} more of these; transform lists them all")
    for reason, count in sorted(added.passed_over.items()):
        say(f"passed over: {count} ({reason})")
    for warning in warnings.texts:
        say(f"kept, but {warning}")
    if warnings.more:
        say(f"and {warnings.more} more of these; transform lists them all")
    for skipped in added.skipped:
        say(f"left out: {skipped.where}: {skipped.reason}")


def _recognised(registry: Registry, given: str, source: str, endpoint: str, body: bytes) -> Place | None:
    """Return where a reply belongs by its form; None if a known source is named for it.

    If the user named a source and no endpoint (`given`), it is of one of that source's endpoints, or of the only one.
    """
    try:
        known = registry.named(source)
    except UsageError:
        return recognised(registry.values(), body)
    if known.name != given or known.endpoint(endpoint) is not None:
        return None
    only = next(iter(known.endpoints)) if len(known.endpoints) == 1 else ""
    return recognised([known], body) or (Place(known.name, only, "") if only else None)


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
    try:
        known = registry.named(source)
    except UsageError:
        told = f"no source is called {source!r}" if source else "nothing says which source replied"
        raise UsageError(f"{told}: say with --source and --endpoint what it is; {LISTS}") from None
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
