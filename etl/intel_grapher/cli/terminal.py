"""Text for a terminal: wrapped without cutting a key, coloured by meaning, through a pager if it is long."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Final

import rich.cells
import rich.text
import typer

from intel_grapher.cli.output import above_bars, console, flat, is_terminal, printable

if TYPE_CHECKING:
    from rich.console import Console

COLOURS: Final = {"malicious": "bold red", "suspicious": "yellow", "benign": "green", "unknown": "dim"}
"""The colour of each judgement."""
HEADING: Final = "bold"
KEY: Final = "cyan"
DIM: Final = "dim"
FOLD: Final = 8
"""Rows of a group that are shown before the rest is folded."""
_NAMED_SOURCES: Final = 2
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z")

NoPager = Annotated[bool, typer.Option("--no-pager", help="Do not page output that is longer than the screen.")]
All = Annotated[bool, typer.Option("--all", help="Fold nothing: show every row.")]


class Screen:
    """Lines in the making. `width` is that of the terminal; None where the output is piped, and nothing is wrapped."""

    def __init__(self) -> None:
        self.width = self._console.width if is_terminal() else None
        self.lines: list[rich.text.Text] = []

    @cached_property
    def _console(self) -> Console:
        return console(stderr=False)

    def line(self, *parts: str | tuple[str, str], indent: int = 0) -> None:
        """Add one line of texts, each with a style if it is a pair. It is not wrapped."""
        text = rich.text.Text(" " * indent)
        for part in parts:
            content, style = (part, "") if isinstance(part, str) else part
            text.append(printable(content).replace("\n", " ").replace("\t", " "), style)
        text.rstrip()
        self.lines.append(text)

    def blank(self) -> None:
        """Add an empty line, unless the last one is."""
        if self.lines and self.lines[-1].plain:
            self.lines.append(rich.text.Text())

    def paragraph(self, text: str, *, indent: int = 0, style: str = "") -> None:
        """Add a text, wrapped between words."""
        for each in self._wrapped(text, indent):
            self.line((each, style), indent=indent)

    def field(self, name: str, text: str, *, indent: int = 2, column: int = 12, style: str = "") -> None:
        """Add a name and a text beside it, wrapped in its own column."""
        lines = self._wrapped(text, indent + column)
        for number, each in enumerate(lines):
            head = f"{name if not number else '':<{column - 1}} "
            self.line((head, DIM), (each, style), indent=indent)

    def rows(self, rows: Sequence[tuple[str, Sequence[str]]], *, indent: int = 2) -> None:
        """Add rows of a key and some details, aligned; a key that leaves no room for them stands on its own line."""
        details = [[printable(each) for each in row] for _, row in rows]
        widths = [
            max((rich.cells.cell_len(row[place]) for row in details), default=0) for place in range(len(details[0]))
        ]
        room = None if self.width is None else self.width - indent - sum(width + 2 for width in widths)
        lengths = [rich.cells.cell_len(printable(key)) for key, _ in rows]
        column = max((length for length in lengths if room is None or length <= room), default=0)
        for (key, _), length, row in zip(rows, lengths, details, strict=True):
            beside = "  ".join(
                f"{each}{' ' * (width - rich.cells.cell_len(each))}" for each, width in zip(row, widths, strict=True)
            )
            if room is not None and length > room:
                self.line((key, KEY), indent=indent)
                if beside.strip():
                    self.line((beside.strip(), DIM), indent=indent + 2)
            else:
                self.line((key, KEY), " " * (column - length + 2), (beside, DIM), indent=indent)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add a table: columns side by side, with texts wrapped between words, where the width allows it.

        Else each row is a block, with a line for each column that has a value: so no key is cut.
        """
        texts = [[dated(flat(value)) for value in row] for row in rows]
        widths = self._widths(columns, texts)
        if widths is None:
            column = max(map(rich.cells.cell_len, columns)) + 2
            for row in texts:
                self.blank()
                for name, text in zip(columns, row, strict=True):
                    if text:
                        self.field(name, text, indent=0, column=column)
            return
        for style, row in [(HEADING, list(columns)), *(("", row) for row in texts)]:
            cells = [_words(text, width) for text, width in zip(row, widths, strict=True)]
            for number in range(max(map(len, cells), default=0)):
                parts = [cell[number] if number < len(cell) else "" for cell in cells]
                self.line(("  ".join(_padded(part, width) for part, width in zip(parts, widths, strict=True)), style))

    def _widths(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int] | None:
        """Return the width of each column, None if the longest words do not fit side by side."""
        by_column = list(zip(columns, *rows, strict=True))
        most = [max(map(rich.cells.cell_len, cells)) for cells in by_column]
        least = [max(rich.cells.cell_len(word) for text in cells for word in text.split(" ")) for cells in by_column]
        room = None if self.width is None else self.width - 2 * (len(columns) - 1)
        if room is None or sum(most) <= room:
            return most
        if sum(least) > room:
            return None
        widths = list(least)
        for _ in range(room - sum(least)):  # a cell to the column that would else take the most lines
            widths[max(range(len(most)), key=lambda place: most[place] / widths[place])] += 1
        return widths

    def _wrapped(self, text: str, indent: int) -> list[str]:
        """Return a text in lines of the room there is; a word that is longer than that has a line of its own."""
        text = printable(text).replace("\n", " ").replace("\t", " ")
        if self.width is None:
            return [text]
        return _words(text, max(20, self.width - indent))

    def print(self) -> None:
        """Print the lines so far, and begin anew."""
        for each in self.lines:
            (above_bars() or self._console).print(each, soft_wrap=True)
        self.lines = []

    def print_paged(self, *, pager: bool) -> None:
        """Print the lines; through a pager, if that is wished and they are longer than the screen."""
        height = sum(max(1, -(-rich.cells.cell_len(each.plain) // (self.width or 1))) for each in self.lines)
        command = pager_command() if pager and self.width is not None and height >= self._console.height else []
        if not command:
            self.print()
            return
        with self._console.capture() as capture:
            self.print()
        _page(command, capture.get())


def pager_command() -> list[str]:
    """Return the pager that PAGER names, `less` without it; [] if both streams are not a terminal, or for none."""
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()):
        return []
    named = os.environ.get("PAGER", "less").strip()
    with suppress(ValueError):
        return [] if named in {"", "cat"} else shlex.split(named)
    return []


def _page(command: list[str], text: str) -> None:
    try:
        environment = {"LESS": "FRX", **os.environ}
        subprocess.run(command, input=text, text=True, errors="backslashreplace", env=environment, check=False)  # noqa: S603 - the user's own pager
    except OSError:  # there is no such program
        sys.stdout.write(text)
        sys.stdout.flush()


def _words(text: str, room: int) -> list[str]:
    """Return a text in lines of `room` cells; a word that is longer than that has a line of its own."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and rich.cells.cell_len(lines[-1]) + 1 + rich.cells.cell_len(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def _padded(text: str, width: int) -> str:
    return text + " " * (width - rich.cells.cell_len(text))


def dated(text: str) -> str:
    """Return the day of a moment in ISO 8601; any other text as it is."""
    return text[:10] if _MOMENT.fullmatch(text) else text


def day(text: object) -> str:
    """Return the day of a moment in ISO 8601; an empty string for none."""
    return str(text)[:10] if text else ""


def span(first: object, last: object) -> str:
    """Return two moments as days: one of them alone where both are of one day, or the other is not known."""
    one, other = day(first), day(last)
    return f"{one} … {other}" if one and other and one != other else one or other


def short(sources: Iterable[str]) -> str:
    """Return one or two sources by name, more by their number."""
    names = list(sources)
    return ", ".join(names) if len(names) <= _NAMED_SOURCES else f"{len(names)} sources"


def some(names: Sequence[str], most: int) -> str:
    """Return the first few of some names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: 1 source, 2 sources."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
