"""`diff`: what came, went and changed between two sets of flat files."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from intel_grapher import diff
from intel_grapher.cli import options
from intel_grapher.cli.output import print_json, print_table, say

CHANGES = tuple(diff.Change)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("diff")(diff_)


def diff_(
    before: Annotated[Path, typer.Argument(help="A folder of flat files, such as import.")],
    after: Annotated[Path, typer.Argument(help="Another, made later or with other replies.")],
    rows: Annotated[
        int | None, typer.Option("--rows", min=0, help="List so many of the rows besides; 0 is all of them.")
    ] = None,
    *,
    json: options.Json = False,
) -> None:
    """Tell what came, went and changed from one set of flat files to another, by group and by source.

    A row that both have is changed where any property but `fetched_at` is; what a later fetch only says again is not.
    """
    counts = diff.counts(before, after)
    listed = [] if rows is None else list(islice(diff.rows(before, after), rows or None))
    if json:
        found = [{"group": it.group, "change": it.change.value, "source": it.source, "rows": it.rows} for it in counts]
        changed = [{"group": it.group, "change": it.change.value, "keys": it.keys} for it in listed]
        print_json({"counts": found} | ({} if rows is None else {"rows": changed}))
        return
    table: dict[tuple[str, str], Counter[diff.Change]] = {}
    for each in counts:
        table.setdefault((each.group, each.source), Counter())[each.change] += each.rows
    print_table(
        ("group", "source", *(each.value for each in CHANGES)),
        [(*names, *(change[each] for each in CHANGES)) for names, change in table.items()],
    )
    if listed:
        print_table(("group", "change", "keys"), [(it.group, it.change.value, " ".join(it.keys)) for it in listed])
    if not counts:
        say("they say the same")
