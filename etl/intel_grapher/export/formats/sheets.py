"""CSV for spreadsheets: one table, in which nothing is taken for a formula.

A cell that a spreadsheet would take for a formula begins with an apostrophe, which it shows as text. Numbers stay
numbers. The file begins with a byte order mark: without it Excel does not read UTF-8.
"""

from __future__ import annotations

import re
from typing import Any, BinaryIO, Final

from intel_grapher.export.format import Format, Settings, Written
from intel_grapher.export.part import Part, RowBatch
from intel_grapher.model import Property, Type

HEAD: Final = ("what", "label", "key", "type", "to_label", "to_key")
FORMULA: Final = re.compile(r"\s*[=+\-@|%\uff1d\uff0b\uff0d\uff20\t\r\n]")
_QUOTED: Final = re.compile(r'[",\r\n\t;]|^\s|\s$')
LONGEST: Final = 32_767
"""Characters that a cell of Excel can hold. A longer one would spill into the next."""


def write(part: Part, out: BinaryIO, settings: Settings) -> Written:
    """Write one table: a row for each node, then for each relationship."""
    _ = settings
    written = Written()
    names = _columns(part)
    out.write("\ufeff".encode() + ",".join([*HEAD, *names]).encode() + b"\r\n")
    for group in part.groups():
        for rows in part.rows(group):
            lines = zip(*_cells(rows, names), strict=True)
            out.write("".join(",".join(line) + "\r\n" for line in lines).encode())
            written.add(rows)
    return written


def cell(text: str) -> str:
    """Return a text as a cell that no spreadsheet takes for a formula."""
    if FORMULA.match(text):
        text = "'" + text
    if len(text) > LONGEST:
        text = text[: LONGEST - 1] + "…"
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def _columns(part: Part) -> list[str]:
    """Return the names of all properties: those that every row has first, then others in the schema's order."""
    found: dict[str, int] = {}
    for group in part.groups():
        for each in group.properties:
            found[each.name] = found.get(each.name, 0) + 1
    most = len(part.groups())
    return sorted(found, key=lambda name: found[name] < most)


def _cells(rows: RowBatch, names: list[str]) -> list[list[str]]:
    many = len(rows.columns[0])
    group = rows.group
    keys = [[cell(key) for key in column] for column in rows.keys]
    fixed = [["relationship" if group.type else "node"] * many, [group.start] * many, keys[0]]
    ends = [[group.type] * many, [group.end] * many, keys[1]] if group.type else [[""] * many] * 3
    have = {each.name: _values(each, column) for each, column in rows.properties}
    empty = [""] * many
    return [*fixed, *ends, *(have.get(name, empty) for name in names)]


def _values(property_: Property, column: list[Any]) -> list[str]:
    if property_.type is Type.TEXT:
        return ["" if value is None else cell(value) for value in column]
    if property_.type is Type.TEXTS:
        return ["" if value is None else cell("; ".join(value)) for value in column]
    return ["" if value is None else str(value) for value in column]


format = Format(
    name="csv",
    title="CSV for spreadsheets",
    suffix=".csv",
    doc="One table: a row for each node and for each relationship, a column for each property; no cell is a formula.",
    write=write,
    used_by="Excel, LibreOffice, Google Sheets",
    checked_by="Python's csv",
)
