"""`diff`: what came, went and changed between two sets of flat files."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from intel_grapher import diff, objects, sets, times
from intel_grapher.cli import options
from intel_grapher.cli.output import print_json, print_table, say
from intel_grapher.errors import NotFoundError, UsageError
from intel_grapher.files import Files
from intel_grapher.sets import PublishedSet

CHANGES = tuple(diff.Change)

app = typer.Typer(add_completion=False)


@app.command("diff")
def diff_command(
    before: Annotated[
        str | None,
        typer.Argument(help="A folder of flat files, or a moment: 2026-05-01, yesterday, 7d. Default: the set before."),
    ] = None,
    after: Annotated[str | None, typer.Argument(help="Another folder or moment. Default: the present set.")] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", min=0, help="List at most so many rows, too; 0 lists all.")
    ] = None,
    import_: options.Import = options.IMPORT,
    *,
    list_: Annotated[bool, typer.Option("--list", help="List the sets that are known by their date.")] = False,
    json: options.Json = False,
) -> None:
    """Print what changed between two sets of flat files.

    Rows that came, went or changed are counted by group and source. A row that both sets have is changed if any
    property but `fetched_at` differs. A transform keeps the sets before (--sets), so that a moment names one. Where
    there is none yet, that is said, and the exit code is 1.
    """
    if list_:
        _print_sets(import_, json=json)
        return
    one, other = _before(before, import_), _named(after, import_) if after else import_
    counts = diff.counts(one, other)
    changed = [] if rows is None else list(islice(diff.rows(one, other), rows or None))
    if json:
        document: dict[str, object] = {
            "before": _document(one),
            "after": _document(other),
            "counts": [
                {"group": it.group, "change": it.change.value, "source": it.source, "rows": it.rows} for it in counts
            ],
        }
        if rows is not None:
            document["rows"] = [{"group": it.group, "change": it.change.value, "keys": it.keys} for it in changed]
        print_json(document)
        return
    table: dict[tuple[str, str], Counter[diff.Change]] = {}
    for count in counts:
        table.setdefault((count.group, count.source), Counter())[count.change] += count.rows
    print_table(
        ("group", "source", *(change.value for change in CHANGES)),
        [(*names, *(of_change[change] for change in CHANGES)) for names, of_change in table.items()],
    )
    if changed:
        print_table(("group", "change", "keys"), [(it.group, it.change.value, " ".join(it.keys)) for it in changed])
    if not counts:
        say("they say the same")


def _before(text: str | None, import_: Path) -> Path:
    """Return the folder of the set that the first argument names; without one, of the set before the present one."""
    if text is not None:
        return _named(text, import_)
    Files(import_).manifest()  # raises where there is no set at all
    found = sets.previous(import_)
    if found is None:
        raise NotFoundError(
            f"no set before {Files(import_)} is kept yet: it is the first, or was made with --sets 0; transform again "
            "when there are new replies, or name two folders"
        )
    say(f"compared with the set of {times.text(found.published_at)}")
    return found.folder


def _named(text: str, import_: Path) -> Path:
    """Return the folder that a text names: a folder of that name, else the set that was the present one at a moment."""
    if Path(text).is_dir() or "/" in text:
        return objects.place(text, "import")
    moment = options.timestamp("diff", text) or 0
    known = sets.published(import_)
    if not known:
        raise UsageError(
            f"{text!r} is no folder, and {Files(import_)} has no set of flat files: intel-grapher transform"
        )
    found = sets.as_of(import_, moment)
    if found is None:
        found = known[-1]
        say(f"no set is as old as {times.text(moment)}: the oldest, of {times.text(found.published_at)}, is taken")
    return found.folder


def _document(folder: Path) -> dict[str, object]:
    found = sets.published(folder)
    return {"folder": str(folder), "published_at": times.text(found[0].published_at) if found else None}


def _print_sets(import_: Path, *, json: bool) -> None:
    """Print the sets of flat files, newest first: when each was published, its rows and its folder."""
    known = sets.published(import_)
    if json:
        print_json({"sets": [_set_document(each) for each in known]})
        return
    columns = ("published_at", "nodes", "relationships", "folder")
    print_table(columns, [[_set_document(each)[name] for name in columns] for each in known])


def _set_document(known: PublishedSet) -> dict[str, object]:
    manifest = Files(known.folder).manifest()
    return {
        "published_at": times.text(known.published_at),
        "nodes": sum(content.rows for content in manifest.nodes.values()),
        "relationships": sum(content.rows for content in manifest.relationships.values()),
        "folder": str(known.folder),
    }
