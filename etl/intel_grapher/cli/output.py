"""Output for people and programs: results on standard output, messages on standard error, plain text where piped.

Rich and msgspec are imported where they are used: the help and a typo go without them.
"""

from __future__ import annotations

import csv
import io
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from types import FrameType
from typing import TYPE_CHECKING, Protocol, TextIO

import typer

from intel_grapher.errors import GrapherError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

JSON_VERSION = 1
PART = 3
"""Exit code: done in part."""
NEW = 10
"""Exit code: there is something new."""
ERROR = "error: "
"""What the message begins with that says why a command failed."""
QUIET = "INTEL_GRAPHER_QUIET"
"""The environment variable that leaves only results and errors; `--quiet` sets it."""
OVERRULING = frozenset({"CLICOLOR_FORCE", "FORCE_COLOR", "TTY_COMPATIBLE"})
"""Environment variables by which a stream that is no terminal may be taken for one."""
_messages: list[str] | None = None
_bars: list[Progress] = []
"""The progress bars that stand on the terminal now: none or one."""
MEGA = 1_000_000
BYTES_STEP = "read"
"""The step of a progress bar that counts bytes; every other step counts the unit that the command names."""


def console(*, stderr: bool) -> Console:
    """Return the console of a stream: coloured on a terminal, or where CLICOLOR_FORCE says so and NO_COLOR does not."""
    from rich.console import Console  # noqa: PLC0415 - see above

    forced = os.environ.get("CLICOLOR_FORCE", "0") != "0" and "NO_COLOR" not in os.environ
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, force_terminal=True if forced else None)


def escape_unencodable() -> None:
    """Make both streams write characters that the terminal's encoding lacks as backslash escapes, instead of failing.

    Bytes of a path that are not UTF-8 (surrogates, PEP 383) are escaped too.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def discard(stream: TextIO) -> None:
    """Redirect a broken stream to /dev/null, so that flushing it at exit does not raise."""
    with suppress(io.UnsupportedOperation):  # no stream of the system
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(text: str) -> None:
    """Print a message on standard error, unless the user wants none; see `complain`."""
    if QUIET not in os.environ:
        complain(text)


def complain(text: str) -> None:
    """Print an error on standard error; with --json, keep it for the one document that is printed there at the end.

    The commands that it names run as they stand. A standard error that is closed or full changes nothing else.
    """
    if "intel-grapher " in text:
        from intel_grapher.cli.next_command import runnable  # noqa: PLC0415 - it builds on this module

        text = runnable(text)
    if _messages is not None:
        _messages.append(text)
        return
    try:
        if sys.stderr is not None:
            sys.stderr.write(printable(text) + "\n")
            sys.stderr.flush()
    except OSError:
        discard(sys.stderr)


@contextmanager
def messages_as_json(*, wanted: bool) -> Iterator[None]:
    """Print the messages of the body at its end, with the exit code, as one JSON document on standard error.

    The document has `version`, `exit_code`, `error` (null if all went well) and `messages`; without any message and
    with exit code 0 nothing is printed. Not `wanted`: messages are printed as text, as they come.
    """
    global _messages
    if not wanted:
        yield
        return
    _messages, code = [], 0
    try:
        yield
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
        raise
    finally:
        messages, _messages = _messages, None
        if code or messages:
            errors = [each for each in messages if each.startswith(ERROR)]
            if not errors and code not in {0, PART, NEW}:
                errors = messages[-1:]
            document = {
                "version": JSON_VERSION,
                "exit_code": code,
                "error": errors[-1].removeprefix(ERROR) if errors else None,
                "messages": [each for each in messages if each not in errors],
            }
            try:
                sys.stderr.write(_json(document) + "\n")
                sys.stderr.flush()
            except OSError:
                discard(sys.stderr)


def print_line(text: str) -> None:
    """Print one line of the result, without control characters.

    Raises GrapherError if standard output can't be written, and Exit(0) if its reader has closed it.
    """
    _write(printable(text) + "\n")


def print_text(text: str) -> None:
    """Print lines of the result as they are."""
    _write(text)


def json_text(document: Mapping[str, object]) -> str:
    """Return one JSON document, with the member `version` first."""
    import msgspec  # noqa: PLC0415 - see above

    return msgspec.json.format(_json(_versioned(document)), indent=2) + "\n"


@contextmanager
def standard_output() -> Iterator[TextIO]:
    """Yield standard output, and flush it. A reader that closes it ends the command without a word.

    Raises GrapherError where it is closed or can't be written.
    """
    if sys.stdout is None:
        raise GrapherError("the result can't be written: standard output is closed")
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        discard(sys.stdout)
        raise typer.Exit from None
    except OSError as error:
        discard(sys.stdout)
        raise GrapherError(f"the result can't be written to standard output: {error.strerror}") from error


def above_bars() -> Console | None:
    """Return the console by which a result is written above progress bars: else they would be drawn over it.

    None where there are none now, or where the result does not go to the terminal.
    """
    return _bars[-1].console if _bars and sys.stdout is not None and sys.stdout.isatty() else None


def _write(text: str) -> None:
    if (above := above_bars()) is not None:
        above.print(text, end="", soft_wrap=True)
        return
    with standard_output() as out:
        out.write(text)


def print_json(document: Mapping[str, object]) -> None:
    """Print one JSON document, with the member `version` first. Values that JSON lacks are printed as strings."""
    _write(json_text(document))


def print_json_line(document: Mapping[str, object]) -> None:
    """Print one JSON document on one line, with the member `version` first."""
    _write(_json(_versioned(document)) + "\n")


def _versioned(document: Mapping[str, object]) -> dict[str, object]:
    """Return a document with the version of its form; no member of it may have that name."""
    if "version" in document:
        raise ValueError("a document's member can't be called version")
    return {"version": JSON_VERSION, **document}


def is_terminal(*, stderr: bool = False) -> bool:
    """Return whether results, or messages, go to a terminal, or are to look as if they did (CLICOLOR_FORCE)."""
    stream = sys.stderr if stderr else sys.stdout
    if not OVERRULING & os.environ.keys():
        with suppress(ValueError):  # it is closed
            if stream is None or not stream.isatty():
                return False  # as Rich would say, whose import this saves
    return console(stderr=stderr).is_terminal


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, pager: bool = False) -> None:
    """Print a table: aligned on a terminal, through a pager if that is wished; tab-separated where piped."""
    if is_terminal():
        from intel_grapher.cli.terminal import Screen  # noqa: PLC0415 - it builds on this module

        screen = Screen()
        screen.table(columns, rows)
        screen.print_paged(pager=pager)
        return
    lines = ("\t".join(flat(value) for value in row) for row in (columns, *rows))
    _write("".join(printable(line) + "\n" for line in lines))


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print CSV (RFC 4180): values unchanged, lists joined by `;`."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow(columns)
    out.writerows([_cell(value) for value in row] for row in rows)
    _write(text.getvalue())


def _cell(value: object) -> object:
    if isinstance(value, list | tuple):
        return ";".join(str(_cell(item)) for item in value)
    if isinstance(value, dict):
        return _json(value)
    return value.isoformat() if isinstance(value, datetime) else value


def flat(value: object) -> str:
    """Return a value as text on one line: a list's items parted by commas, an object as JSON, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(flat(item) for item in value)
    if isinstance(value, dict):
        return printable(_json(value))
    return printable(str(value).replace("\t", " ").replace("\n", " "))


def _json(value: object) -> str:
    """Return a value as JSON text; a string that is not valid Unicode is escaped with backslashes."""
    import msgspec  # noqa: PLC0415 - see above

    try:
        return msgspec.json.encode(value, enc_hook=str).decode()
    except UnicodeEncodeError:
        return msgspec.json.encode(_encodable(msgspec.to_builtins(value, enc_hook=str))).decode()


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {_encodable(name): _encodable(member) for name, member in value.items()}
    return value


def encodable(text: str) -> str:
    """Return a text that UTF-8 can encode: surrogates, as in a path that is not UTF-8 (PEP 383), are escaped."""
    return text.encode(errors="backslashreplace").decode()


def printable(text: str) -> str:
    """Return a text without the control characters that a terminal would obey."""
    return "".join(character for character in encodable(text) if character.isprintable() or character in "\n\t")


class Advance(Protocol):
    """Reports progress: the name of the step, how much is done, of how much, and an optional note."""

    def __call__(self, step: str, done: int, total: int, note: str = "", /) -> None:
        """Report one step."""


@contextmanager
def progress(unit: str, *, hidden: bool = False) -> Iterator[Advance]:
    """Show a progress bar for each step that the body reports, on a terminal only.

    A bar shows the step's note, or its speed: `unit` a second, or MB a second for the step BYTES_STEP.
    """
    if hidden or QUIET in os.environ or not is_terminal(stderr=True):
        yield lambda _step, _done, _total, _note="", /: None
        return
    from rich.progress import (  # noqa: PLC0415 - see above
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    notes = TextColumn("{task.fields[note]}")
    times_ = (TimeElapsedColumn(), TimeRemainingColumn())
    # Standard output is left alone: it may be a pipe, and what is printed there is no message beside the bars.
    with Progress(*columns, notes, *times_, console=console(stderr=True), transient=True, redirect_stdout=False) as bar:
        steps: dict[str, TaskID] = {}

        def advance(step: str, done: int, total: int, note: str = "", /) -> None:
            if step not in steps:
                steps[step] = bar.add_task(step, total=total, note="")
            speed = bar.tasks[steps[step]].speed or 0
            note = note or (f"{speed / MEGA:,.1f} MB/s" if step == BYTES_STEP else f"{speed:,.0f} {unit}/s")
            bar.update(steps[step], completed=done, total=total, note=note if speed else "")

        _bars.append(bar)
        try:
            yield advance
        finally:
            _bars.remove(bar)


@contextmanager
def interruptible(advance: Advance) -> Iterator[Advance]:
    """Raise KeyboardInterrupt at the next progress report after Ctrl-C, in case the interrupt itself was lost.

    A C library that calls Python may drop KeyboardInterrupt. Arrow does so when it infers a value's type, because that
    looks for dateutil (seen with pyarrow 26.0.1: `pa.scalar`, and computing with a plain value).

    Do not use it for a fetch: a fetch ends in its own way after an interrupt and still reports progress meanwhile.
    """
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.default_int_handler(number, frame)

    def advance_unless_pressed(step: str, done: int, total: int, note: str = "", /) -> None:
        if pressed:
            raise KeyboardInterrupt
        advance(step, done, total, note)

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # a background job ignores Ctrl-C
        yield advance
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield advance_unless_pressed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
