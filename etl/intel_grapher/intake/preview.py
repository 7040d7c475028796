"""What a list would give, before anything of it is kept: its columns, its indicators by kind, what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Literal, NamedTuple

from intel_grapher.encoding import decoded
from intel_grapher.intake.table import INDICATOR, OTHER, TableColumn, cells, parse_columns, read_table
from intel_grapher.intake.text import Leftover, read

FIRST_ROWS = 3


class Preview(NamedTuple):
    """What a list gives: columns ([] for a text), their first cells, indicators by kind, and what is left out.

    `prose` counts the words of a text that look like no value.
    """

    delimiter: str
    columns: Sequence[TableColumn]
    first: Sequence[Sequence[str]]
    kinds: Mapping[str, int]
    leftovers: Sequence[Leftover]
    prose: int = 0

    @property
    def left_out(self) -> list[str]:
        """The columns that are left out, by name or by number from 0."""
        return [column.name or str(number) for number, column in enumerate(self.columns) if column.role == OTHER]

    @property
    def is_barren(self) -> bool:
        """Whether it is a table of which no column holds indicators."""
        return bool(self.columns) and all(column.role != INDICATOR for column in self.columns)


def preview(content: bytes, form: Literal["text", "table"], columns: str = "", most: int | None = None) -> Preview:
    """Return what a list gives, or its first `most` bytes, up to the end of a line.

    `columns` is a map of columns. Raises BadValue for one that does not fit.
    """
    if most is not None and len(content) > most:
        content = content[: max(content.rfind(b"\n", 0, most), 0) or most]
    text = decoded(content)
    mapped = parse_columns(columns)
    table = read_table(text, mapped) if form == "table" else None
    if table is None:
        mentions, leftovers, prose = read(text)
        return Preview("", [], [], Counter(str(mention.kind) for mention in mentions), leftovers, prose)
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    rows = [cells(line, table.delimiter or ",") for line in islice(lines, FIRST_ROWS + 1)]
    names = [column.name for column in table.columns]
    first = [row for row in rows if row != names][:FIRST_ROWS]
    kinds = Counter(str(row.found.kind) for row in table.entries)
    return Preview(table.delimiter, table.columns, first, kinds, table.leftovers)
