"""`cache imports`, `cache remove`, `cache restore`: what was brought in, and taking it back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from intel_grapher import times
from intel_grapher.cache import Cache, Import, bring_back, drop, take_back
from intel_grapher.cli import options
from intel_grapher.cli.output import is_terminal, print_json, print_line, print_table, say
from intel_grapher.errors import BadValue, UsageError
from intel_grapher.registry import Registry

IMPORT_COLUMNS = ("id", "at", "from", "gave", "added", "there already", "left out", "state")
IN_USE, TAKEN_BACK, CUT_SHORT = "in use", "taken back", "cut short"
ONE_REPLY = 3  # words that name it

MOST_NAMED = 6
"""Endpoints of an import that are named on a terminal."""
AGAIN = "intel-grapher transform && intel-grapher load"
Ids = Annotated[list[str], typer.Argument(metavar="ID", help="An import's id, or how it begins; several.")]


def imports(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """List what each `cache add` brought in.

    That is: when, from where, what it gave, and whether it was taken back. What was taken out with
    `cache remove SOURCE ENDPOINT KEY` is listed as well.
    """
    with Cache(options.existing(data)) as cache:
        rows = [_document(each) for each in cache.marks.imports.values()]
    if json:
        print_json({"imports": rows})
        return
    print_table(IMPORT_COLUMNS, map(_row, rows))


def _row(row: dict[str, Any]) -> tuple[object, ...]:
    gave = [f"{name} ({count})" for name, count in row["gave"].items()]
    if is_terminal() and len(gave) > MOST_NAMED:
        gave = [*gave[:MOST_NAMED], f"… {len(gave) - MOST_NAMED} more (--json lists them)"]
    state = row["state"] if row["removed_at"] is None else f"{row['state']} {row['removed_at']}"
    return row["id"], row["at"], row["from"], gave, row["added"], row["already_there"], row["left_out"], state


def remove(
    what: Annotated[
        list[str], typer.Argument(metavar="ID…|SOURCE ENDPOINT KEY", help="Imports by id, or one question's replies.")
    ],
    data: options.Data = options.DATA,
    *,
    json: options.Json = False,
) -> None:
    """Take back what was brought in by mistake: an import by its id, or all replies to one question.

    The replies stay in the cache as history and are marked: the next transform makes the graph without them, and a
    fetch asks again. What another import, or a fetch, gave as well stays in use. `cache restore ID` brings it back.
    """
    registry = Registry.installed()
    if len(what) == ONE_REPLY and _is_source(registry, what[0]):
        _remove_replies(registry, options.existing(data), *what, json=json)
        return
    done = _each(options.existing(data), what, restore=False)
    if json:
        print_json({"removed": done})
        return
    for row in done:
        again = " was" if row["state"] == TAKEN_BACK else ""
        stay = f"; {row['stay']} of them stay, for another import gave them as well" if row["stay"] else ""
        print_line(f"{row['id']}{again} taken back: {row['added']} replies of {', '.join(row['from'])}{stay}")
    say(f"next: {AGAIN} (into Neo4j: load --prune). cache restore brings it back")


def _is_source(registry: Registry, name: str) -> bool:
    try:
        registry.named(name)
    except UsageError:
        return False
    return True


def _remove_replies(registry: Registry, data: Path, source: str, endpoint: str, key: str, *, json: bool) -> None:
    known = registry.named(source)
    found = known.endpoint(endpoint)
    name = found.name if found else endpoint
    with Cache(data) as cache, cache.writer("cache remove") as writer:
        try:
            id_, replies = drop(cache, writer, known.name, name, key)
        except UsageError:
            try:
                canonical = found.canonical(key) if found else key
            except BadValue:
                canonical = key
            id_, replies = drop(cache, writer, known.name, name, canonical)
    if json:
        print_json({"removed": [{"id": id_, "replies": replies}]})
        return
    print_line(f"{id_} taken back: {replies} replies of {known.name}/{name} for {key}")
    say(f"next: {AGAIN} (into Neo4j: load --prune). cache restore brings it back")


def restore(ids: Ids, data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """Bring back what `cache remove` took back."""
    done = _each(options.existing(data), ids, restore=True)
    if json:
        print_json({"restored": done})
        return
    for row in done:
        print_line(f"{row['id']} {'was' if row['state'] != TAKEN_BACK else 'is'} in use")
    say(f"next: {AGAIN}")


def _each(data: Path, ids: list[str], *, restore: bool) -> list[dict[str, Any]]:
    """Take back, or bring back, imports by their ids; return what is said of each as it was."""
    with Cache(data) as cache, cache.writer("cache remove") as writer:
        change = bring_back if restore else take_back
        done = [_document(change(cache, writer, id_)) for id_ in dict.fromkeys(ids)]
        writer.sync()
        cache.refresh()
        return done if restore else [{**row, "stay": cache.index.in_use(row["id"])} for row in done]


def _document(made: Import) -> dict[str, Any]:
    """Return what is said of an import, as plain values."""
    begun, ended, dropped = made.begun, made.ended, made.dropped
    whole = dropped is not None or (ended is not None and ended.whole)
    state = TAKEN_BACK if made.removed_at is not None else IN_USE if whole else CUT_SHORT
    if dropped is not None:
        gave = {f"{dropped.source}/{dropped.endpoint}": len(dropped.digests)}
        sources = [f"{dropped.source} {dropped.endpoint} {dropped.key}"]
    else:
        sources = begun.paths if begun else []
        gave = {f"{it.source}/{it.endpoint}": it.replies for it in ended.places if it.area == "raw"} if ended else {}
    return {
        "id": made.id,
        "at": times.text(made.at),
        "from": sources,
        "source": begun.source if begun else "",
        "endpoint": begun.endpoint if begun else "",
        "key": begun.key if begun else "",
        "gave": gave,
        "added": ended.added if ended else 0,
        "already_there": ended.already_there if ended else 0,
        "left_out": ended.left_out if ended else 0,
        "failures": ended.failures if ended else 0,
        "state": state,
        "removed_at": None if made.removed_at is None else times.text(made.removed_at),
    }
