"""Rows of the lists that services and analysts keep as CSV, one line a row, with # before what is no row."""

import csv
from collections.abc import Iterator

LONGEST = 65_536


def rows(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each line that holds a row, with its cells. A line that is no CSV is one cell."""
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line, cells(line)


def cells(line: str) -> list[str]:
    """Return a line's cells; the line as one cell where it is no CSV. A quote that is left open ends with its line."""
    if len(line) > LONGEST:
        return [line]
    try:
        return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True), [])]
    except csv.Error:
        return [line]
