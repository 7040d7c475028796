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

app = typer.Typer(add_completion=False)


@app.command("diff")
def diff_command(
    before: Annotated[Path, typer.Argument(help="A folder of flat files, such as import.")],
    after: Annotated[Path, typer.Argument(help="Another, made later or from other replies.")],
    rows: Annotated[
        int | None, typer.Option("--rows", min=0, help="List at most so many rows, too; 0 lists all.")
    ] = None,
    *,
    json: options.Json = False,
) -> None:
    """Print what changed between two sets of flat files.

    Rows that came, went or changed are counted by group and source. A row that both sets have is changed if any
    property but `fetched_at` differs.
    """
    counts = diff.counts(before, after)
    changed = [] if rows is None else list(islice(diff.rows(before, after), rows or None))
    if json:
        document: dict[str, object] = {
            "counts": [
                {"group": it.group, "change": it.change.value, "source": it.source, "rows": it.rows} for it in counts
            ]
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
