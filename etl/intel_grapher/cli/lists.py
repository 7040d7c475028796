"""What `cache add` says of lists of indicators: how a table's columns were taken, and what a list would give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from intel_grapher.cache import KeptFile
from intel_grapher.cli.output import print_line, print_table
from intel_grapher.intake.preview import Preview, preview
from intel_grapher.source import Endpoint

SAMPLE = 128 << 10  # bytes of a list that are looked at before it is kept
WHOLE = 16 << 20  # bytes of a list that is looked at as a whole, if nothing is in its beginning
SHOWN = 10
LONGEST_CELL = 40


def check_list(endpoint: Endpoint, file: KeptFile, columns: str, warn: Callable[[str], object]) -> None:
    """Say of a list which columns are left out, and whether it gives nothing.

    Raises BadValue for a map of columns that does not fit.
    """
    where, form = file.name.where, endpoint.of_files or "text"
    seen = preview(file.body, form, columns, SAMPLE)
    if not seen.kinds and SAMPLE < len(file.body) <= WHOLE:
        seen = preview(file.body, form, columns)
    if seen.is_barren:
        warn(f"{where}: no column of it holds indicators; say with --columns which does, and see it with --dry-run")
    elif not seen.kinds and file.body.strip():
        warn(f"{where}: it names no indicator; --dry-run shows what was left out")
    elif seen.left_out:
        warn(f"{where}: these columns are left out: {', '.join(seen.left_out)}")


def show_list(endpoint: Endpoint, file: KeptFile, key: str, columns: str, *, json: bool) -> dict[str, Any]:
    """Print what a list would give, unless that is wanted as JSON; return it as plain values.

    Raises BadValue for a map of columns that does not fit.
    """
    seen = preview(file.body, endpoint.of_files or "text", columns)
    if not json:
        print_line(f"{file.name.where}: a list ({endpoint.source.name}/{endpoint.name}), to be known as {key}")
        _print(seen)
    return {
        "where": file.name.where,
        "source": endpoint.source.name,
        "endpoint": endpoint.name,
        "key": key,
        "delimiter": seen.delimiter,
        "columns": [
            {"number": number, "name": column.name, "role": column.role} for number, column in enumerate(seen.columns)
        ],
        "indicators": dict(sorted(seen.kinds.items())),
        "left_out": dict(sorted(Counter(leftover.reason for leftover in seen.leftovers).items())),
        "examples": [{"line": line, "value": raw, "reason": reason} for line, raw, reason in seen.leftovers[:SHOWN]],
    }


def _print(seen: Preview) -> None:
    if seen.columns:
        rows = []
        for number, column in enumerate(seen.columns):
            first = [row[number][:LONGEST_CELL] for row in seen.first if number < len(row)]
            rows.append((number, column.name, column.role, first))
        print_table(("column", "name", "taken for", "first values"), rows)
    gives = ", ".join(f"{count} {kind}" for kind, count in sorted(seen.kinds.items())) or "no indicator"
    prose = f"; {seen.prose} other words" if seen.prose else ""
    print_line(f"gives {gives}; left out: {len(seen.leftovers)}{prose}")
    for line, raw, reason in seen.leftovers[:SHOWN]:
        print_line(f"  line {line}: {raw[:LONGEST_CELL]}: {reason}")
    if len(seen.leftovers) > SHOWN:
        print_line(f"  and {len(seen.leftovers) - SHOWN} more")
