"""The indicators that a command is about: from arguments, from flags by kind, from files, or from standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from intel_grapher import intake, keys, schema
from intel_grapher.cli.output import say
from intel_grapher.errors import BadValue, UsageError

if TYPE_CHECKING:
    from intel_grapher.fetch.asking import Indicator

MAX_MESSAGES = 20
SHOWN_CHARACTERS = 200
NO_INDICATOR = "not an indicator"

Texts = list[str] | None


@dataclass(frozen=True, kw_only=True)
class Indicators:
    """Option group: every way to name indicators."""

    indicators: Annotated[Texts, typer.Argument(metavar="INDICATOR", help="Of any kind, defanged or not.")] = None
    domain: Annotated[Texts, typer.Option("--domain", "-d", help="A domain or sub-domain.")] = None
    email: Annotated[Texts, typer.Option("--email", "-e", help="An e-mail address.")] = None
    hash_: Annotated[Texts, typer.Option("--hash", "-hx", help="A file's hash.")] = None
    ip: Annotated[Texts, typer.Option("--ip", "-i", help="An IP address.")] = None
    user: Annotated[Texts, typer.Option("--user", "-u", help="A Twitter user.")] = None
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", "-f", help="A list or any text with indicators in it; - is standard input."),
    ] = None
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out what is no indicator; take the rest.")] = False

    def read(self, *, is_text: bool = False) -> tuple[list[Indicator], int]:
        """Return the indicators, each once, and how many texts were none.

        Standard input is read if nothing else names an indicator and it is not a terminal. `is_text`: files may be any
        text, and what is no indicator in them stops nothing.
        Raises UsageError if no indicator is named, and for a text that is none unless `skip_bad` is set.
        """
        by_kind = {"domain": self.domain, "email": self.email, "hash": self.hash_, "ip": self.ip, "user": self.user}
        entries = [NamedText(text) for text in self.indicators or []]
        entries += [NamedText(text, kind) for kind, texts in by_kind.items() for text in texts or []]
        files = self.file or []
        if not entries and not files and sys.stdin is not None and not sys.stdin.isatty():
            files = [Path("-")]
        found, faults = parse(entries)
        stops = bool(faults) or not is_text
        for path in files:
            of_file, faults_of_file = read_file(path)
            found += of_file
            faults += faults_of_file
        found = list(dict.fromkeys(found))
        if not found and not faults:
            raise UsageError("no indicator is given: name one, such as example.com, or a file with --file")
        for fault in faults[:MAX_MESSAGES]:
            say(f"not an indicator: {fault}")
        if len(faults) > MAX_MESSAGES:
            say(f"and {len(faults) - MAX_MESSAGES} more that are none")
        if faults and ((stops and not self.skip_bad) or not found):
            raise UsageError("nothing was asked; mend these, or leave them out with --skip-bad")
        return found, len(faults)


class NamedText(NamedTuple):
    """A text that should be an indicator. `kind` is set by a flag."""

    text: str
    kind: str = ""


def read_file(path: Path) -> tuple[list[Indicator], list[str]]:
    """Return the indicators in a file (`-`: standard input), and a description of each value in it that is none.

    Words that look like no value, comments and names of files are passed over; the last are said. Raises UsageError if
    the file can't be read.
    """
    is_stdin = str(path) == "-"
    name = "standard input" if is_stdin else str(path)
    try:
        content = sys.stdin.buffer.read() if is_stdin else path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise UsageError(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from error
    mentions, leftovers, _ = intake.read(content)
    passed_over = [raw for _, raw, reason in leftovers if reason in intake.NO_TYPOS]
    if passed_over:
        say(f"{name}: no indicators, passed over: {', '.join(map(repr, passed_over[:MAX_MESSAGES]))}")
    faults = [
        f"{name}, line {line}: {raw!r}: {reason}" for line, raw, reason in leftovers if reason not in intake.NO_TYPOS
    ]
    return [(mention.kind, mention.key) for mention in mentions], faults


def parse(entries: Iterable[NamedText]) -> tuple[list[Indicator], list[str]]:
    """Return the indicators among the entries, each once, and a description of each entry that is none."""
    found: dict[Indicator, None] = {}
    faults: list[str] = []
    for text, kind in entries:
        shown = repr(text[:SHOWN_CHARACTERS])
        try:
            detected, key = intake.single("@" + keys.refang(text).removeprefix("@") if kind == "user" else text)
        except BadValue as error:
            mentions, leftovers, _ = intake.read(text) if len(text.split()) > 1 and not kind else ([], [], 0)
            found |= dict.fromkeys((mention.kind, mention.key) for mention in mentions)
            if mentions:  # a quoted text of several words
                typos = (each for each in leftovers if each.reason not in intake.NO_TYPOS)
                faults += [f"{each.raw[:SHOWN_CHARACTERS]!r}: {each.reason}" for each in typos]
            else:
                reason = _fault_of_kind(kind, text) or error.reason
                faults.append(shown if reason == NO_INDICATOR else f"{shown}: {reason}")
            continue
        if kind and detected != kind:
            faults.append(f"{shown}: it is of the kind {detected}, not {kind}")
        else:
            found[detected, key] = None
    return list(found), faults


def _fault_of_kind(kind: str, text: str) -> str:
    """Return why a text is not of a kind; an empty string if it is, or if no kind is named."""
    try:
        if kind:
            schema.BY_INDICATOR[kind].canonical(text)
    except BadValue as error:
        return error.reason
    return ""
