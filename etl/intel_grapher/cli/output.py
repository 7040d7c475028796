"""What people and programs see: results on standard output, all else on standard error, plain where it is piped."""

from __future__ import annotations

import csv
import io
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import Protocol, TextIO

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from intel_grapher.errors import GrapherError

JSON_VERSION = 1
MEGA = 1_000_000


def _console(*, stderr: bool) -> Console:
    forced = os.environ.get("CLICOLOR_FORCE", "0") != "0" and "NO_COLOR" not in os.environ
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, force_terminal=True if forced else None)


def write_what_can_be() -> None:
    """Let what the terminal's encoding has no character for come out escaped, rather than end the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def give_up(stream: TextIO) -> None:
    """Let what is still to be written to a stream that takes nothing go nowhere, so that the end is not its failure."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(text: str) -> None:
    """Tell the person something, on standard error. Where nobody can be told, the exit code still is."""
    try:
        _console(stderr=True).print(Text(text), soft_wrap=True)
    except OSError:
        give_up(sys.stderr)


def print_line(text: str) -> None:
    """Print a line of the result."""
    _write(printable(text) + "\n")


def _write(text: str) -> None:
    """Write to standard output; a reader that has had enough ends the command, and well."""
    if sys.stdout is None:
        raise GrapherError("the result can't be written: standard output is closed")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        give_up(sys.stdout)
        raise typer.Exit from None
    except OSError as wrong:
        give_up(sys.stdout)
        raise GrapherError(f"the result can't be written to standard output: {wrong.strerror}") from wrong


def print_json(document: Mapping[str, object]) -> None:
    """Print one JSON document with the member `version`."""
    encoded = msgspec.json.encode({"version": JSON_VERSION, **document}, enc_hook=str)
    _write(msgspec.json.format(encoded, indent=2).decode() + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: ruled on a terminal, parted by tabs where it is piped."""
    console = _console(stderr=False)
    if not console.is_terminal:
        lines = ("\t".join(_flat(each) for each in row) for row in (columns, *rows))
        _write("".join(printable(line) + "\n" for line in lines))
        return
    table = Table(*columns, header_style="bold", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_flat(each)) for each in row))
    console.print(table)


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print CSV as programs read it (RFC 4180): every value as it is, lists joined by `;`."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow(columns)
    out.writerows([_cell(each) for each in row] for row in rows)
    _write(text.getvalue())


def _cell(value: object) -> object:
    if isinstance(value, list | tuple):
        return ";".join(str(_cell(each)) for each in value)
    if isinstance(value, dict):
        return _json(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _flat(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(_flat(each) for each in value)
    if isinstance(value, dict):
        return printable(_json(value))
    return printable(str(value).replace("\t", " ").replace("\n", " "))


def _json(value: dict[str, object]) -> str:
    """Return a whole node or relationship in one cell."""
    return msgspec.json.encode(value, enc_hook=str).decode()


def printable(text: str) -> str:
    """Return a text without the control characters that a terminal would obey."""
    return "".join(each for each in text if each.isprintable() or each in "\n\t")


class Advance(Protocol):
    """Tells how far a step is: its name, how much is done, of how much, and what else there is to say of it."""

    def __call__(self, step: str, done: int, of: int, told: str = "", /) -> None:
        """Tell it."""


@contextmanager
def progress(unit: str, *, hidden: bool = False) -> Iterator[Advance]:
    """Show a bar on a terminal for each step that the body tells of, with what is told or so many units a second.

    A step called "read" is counted in bytes.
    """
    console = _console(stderr=True)
    if hidden or not console.is_terminal:
        yield lambda _step, _done, _of, _told="", /: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    told_ = TextColumn("{task.fields[told]}")
    with Progress(*columns, told_, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True) as bar:
        steps: dict[str, TaskID] = {}

        def advance(step: str, done: int, of: int, told: str = "", /) -> None:
            if step not in steps:
                steps[step] = bar.add_task(step, total=of, told="")
            speed = bar.tasks[steps[step]].speed or 0
            told = told or (f"{speed / MEGA:,.1f} MB/s" if step == "read" else f"{speed:,.0f} {unit}/s")
            bar.update(steps[step], completed=done, total=of, told=told if speed else "")

        yield advance


@contextmanager
def heeded(advance: Advance) -> Iterator[Advance]:
    """Let Ctrl-C end the body by the next step that it tells of, where the interrupt itself was lost.

    What a library in C runs of Python may drop it without a word: Arrow does where it infers a value's type, which
    looks for dateutil (pyarrow 26.0.1, `pa.scalar`; computing with a plain value does the same).

    Not for a fetch: that ends by itself after an interrupt, and still tells of its steps meanwhile.
    """
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.default_int_handler(number, frame)

    def advance_unless(step: str, done: int, of: int, told: str = "", /) -> None:
        if pressed:
            raise KeyboardInterrupt
        advance(step, done, of, told)

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # a command put in the background ignores it
        yield advance
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield advance_unless
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
