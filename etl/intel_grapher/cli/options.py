"""The options that several commands share. A flag wins over its environment variable, and that over the default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intel_grapher.errors import UsageError

Data = Annotated[Path, typer.Option("--data", envvar="INTEL_GRAPHER_DATA", help="Folder of the raw cache.")]
Import = Annotated[Path, typer.Option("--import", envvar="INTEL_GRAPHER_IMPORT", help="Folder of the flat files.")]
Db = Annotated[Path, typer.Option("--db", envvar="INTEL_GRAPHER_DB", help="The embedded graph.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Show no progress, on a terminal either.")]


DATA = Path("data")
IMPORT = Path("import")
DB = Path("data/graph")

PART = 3
"""The exit code of what was done in part."""
LEAST = 64 << 20
"""Bytes. Whoever says less has forgotten the unit; the work would be cut into so many parts that it never ends."""
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def existing(data: Path) -> Path:
    """Return the folder of the raw cache; UsageError where there is none, so that a typo is not an empty cache."""
    if not data.is_dir():
        raise UsageError(f"there is no cache at {data}: name it with --data, or begin it with fetch or cache add")
    return data


def bytes_of(text: str | None) -> int | None:
    """Return the bytes that a size such as 512M or 2GiB says."""
    if text is None:
        return None
    number, unit = text.strip().upper().removesuffix("IB").removesuffix("B"), 1
    if number and number[-1] in UNITS:
        number, unit = number[:-1], UNITS[number[-1]]
    if not number.isdigit() or not int(number):
        raise UsageError(f"{text!r} is not a size; write it as 512M or 2G")
    if int(number) * unit < LEAST:
        raise UsageError(f"{text!r} is {int(number) * unit:,} bytes, too little to work with: say 64M or more, or 2G")
    return int(number) * unit
