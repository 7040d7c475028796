"""The indicators that a document mentions: each with every place where it stands, and what was left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

import msgspec

from intel_grapher import keys
from intel_grapher.errors import BadValue
from intel_grapher.extract.confined import extracted
from intel_grapher.extract.kinds import DocumentKind, refusal, told
from intel_grapher.extract.pages import Extract, TextPage, extract
from intel_grapher.intake.context import BEFORE, not_meant
from intel_grapher.intake.documents.known import Marking
from intel_grapher.intake.documents.wrapped import WholeLine, whole_lines
from intel_grapher.intake.text import Leftover, Mention, read
from intel_grapher.keys import IndicatorKind

MOST_PLACES: Final = 20
"""Places that are kept of one indicator."""
AROUND: Final = 60
"""Characters of context on each side."""
IN_CODE: Final = "a name in a program"
_UNCONFINED: Final[frozenset[DocumentKind]] = frozenset({"text", "markdown"})  # read without a parser
_SECTION = re.compile(r"[0-9](?:\.[0-9]{1,2}){3}\.?\s+[A-Z][a-z]")
_CODE = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*\.[A-Z][a-z]\w*")  # System.Net, WScript.Shell
_SPACE = re.compile(r"\s+")
_DEFANGED: Final = frozenset({"domain", "url", "email"})
_CELL_BEHIND = re.compile(r"[\"'`]?\s?(?:[,;](?=\S)|[\t|])")
_CELL_BEFORE = re.compile(r"(?:[,;][\"']?|[\t|] ?[\"'`]?)$")


_Name = tuple[IndicatorKind, str, int]


class Occurrence(msgspec.Struct):
    """Where an indicator stands: the page from 1, the offset in its text, the part of a message; how it is spelt there.

    `context` is some text around it, in one line.
    """

    page: int
    offset: int
    part: str
    spelt: str
    context: str

    def __str__(self) -> str:
        """Return the place as a text: page 2, offset 1204; in a message also which part."""
        text = f"page {self.page}, offset {self.offset}"
        return f"{self.part}, {text}" if self.part else text


class Spotted(msgspec.Struct):
    """An indicator that a document mentions: its kind, canonical key and port (0 for none), its first places.

    A port is one of an address: behind a name it is part of how that is spelt.

    `count` says how often it stands there, `mark` why it is probably none; it is empty for no reason.
    """

    kind: IndicatorKind
    key: str
    port: int
    count: int
    places: list[Occurrence]
    mark: str = ""

    @property
    def indicator(self) -> str:
        """The indicator as one text: its key, with the port if one is named, that of a user with @."""
        if self.port:
            return f"[{self.key}]:{self.port}" if ":" in self.key else f"{self.key}:{self.port}"
        return f"@{self.key}" if self.kind == "user" else self.key


class Omitted(msgspec.Struct):
    """A word of a document that looks like a value and is no indicator, with the reason."""

    value: str
    reason: str


class Document(msgspec.Struct):
    """What a document says: `digest` is the SHA-256 of its bytes, `created` and `url` are as it states them."""

    digest: str
    format: DocumentKind
    title: str
    created: str
    url: str
    pages: int
    spotted: list[Spotted]
    omitted: list[Omitted]
    faults: list[str]


def read_document(content: bytes) -> Document:
    """Return what a document mentions. Raises BadValue for bytes that are no document.

    One of which nothing can be read has no mentions, and a fault that says why.
    """
    kind = told(content)
    if kind is None:
        raise BadValue(refusal(content))
    digest = sha256(content).hexdigest()
    try:
        found = extract(content, kind) if kind in _UNCONFINED else extracted(content, kind)
    except BadValue as bad:
        return Document(digest, kind, "", "", "", 0, [], [], [bad.reason])
    spotted, omitted = _spotted(found)
    return Document(
        digest, kind, found.title, found.created, found.url, len(found.pages), spotted, omitted, found.faults
    )


def _spotted(found: Extract) -> tuple[list[Spotted], list[Omitted]]:
    """Return the indicators of a text in the order of their first places, and what was left out."""
    lines = [(page, line) for page in found.pages for line in whole_lines(page.text, wrapped=page.wrapped)]
    reading = read("\n".join(line.text for _, line in lines), is_document=True)
    spotted: dict[_Name, Spotted] = {}
    omitted = dict.fromkeys((leftover.raw, leftover.reason) for leftover in reading.leftovers if _is_told(leftover))
    defanged: set[_Name] = set()
    rows: set[_Name] = set()
    for mention, column, end in _placed(reading.mentions, lines):
        page, line = lines[mention.line - 1]
        if reason := _no_indicator(mention, page.text[: line.offset(column)][-BEFORE:], line.text, column, end):
            omitted.setdefault((mention.raw, reason))
            continue
        place = _place(page, line, column, end)
        name = mention.kind, mention.key, mention.port if mention.kind == "ip" else 0
        each = spotted.setdefault(name, Spotted(*name, 0, []))
        each.count += 1
        if mention.kind in _DEFANGED and keys.refang(line.text[column:end]) != line.text[column:end]:
            defanged.add(name)
        if _is_in_row(mention, line.text, column, end):
            rows.add(name)
        if len(each.places) < MOST_PLACES:
            each.places.append(place)
    for attachment in found.attachments:
        each = spotted.setdefault(("hash", attachment.digest, 0), Spotted("hash", attachment.digest, 0, 0, []))
        each.count += 1
        each.places.append(
            Occurrence(1, 0, "attachments", attachment.name, f"{attachment.name}, {attachment.size:,} bytes")
        )
    marking = Marking(found.url, found.recipients, len(defanged))
    for name, each in spotted.items():
        each.mark = marking.mark(each.kind, each.key, is_defanged=name in defanged, in_row=name in rows)
    return list(spotted.values()), [Omitted(*each) for each in omitted]


def _is_in_row(mention: Mention, line: str, column: int, end: int) -> bool:
    """Tell whether a value stands in a row of a table, or a name in a list: references are links in sentences."""
    if mention.kind != "url" and end - column >= len(line.strip(" .,;*-")):
        return True
    return bool(_CELL_BEHIND.match(line, end) or _CELL_BEFORE.search(line[max(column - 2, 0) : column]))


def _is_told(leftover: Leftover) -> bool:
    """Tell whether a leftover of prose is worth a line: a digit more or less makes no reader wonder."""
    return leftover.reason != "not an indicator"


def _placed(mentions: list[Mention], lines: list[tuple[TextPage, WholeLine]]) -> Iterator[tuple[Mention, int, int]]:
    """Yield each mention with the columns where it starts and ends in its line."""
    at, column = 0, 0
    for mention in mentions:
        if mention.line != at:
            at, column = mention.line, 0
        start, end = _span(lines[at - 1][1].text, mention.raw, column)
        column = end
        yield mention, start, end


def _span(line: str, raw: str, column: int) -> tuple[int, int]:
    """Return where a word stands in a line; the reader may have taken white space out of it, and put plain dots in."""
    for start in (column, 0):
        at = line.find(raw, start)
        if at >= 0:
            return at, at + len(raw)
    loose = r"\s*".join(r"[.\u2024\u3002\uff0e\uff61]" if char == "." else _char(char) for char in raw[:500])
    for start in (column, 0):
        if match := re.compile(loose, re.IGNORECASE).search(line, start):
            return match.span()
    return min(column, len(line)), len(line)


def _char(char: str) -> str:
    return "[-\u2010-\u2015\u2212\ufe63\uff0d ]" if char == "-" else re.escape(char)


def _place(page: TextPage, line: WholeLine, column: int, end: int) -> Occurrence:
    offset = line.offset(column)
    last = line.offset(max(end - 1, column)) + 1
    return Occurrence(page.number, offset, page.part, page.text[offset:last], _context(page.text, offset, last))


def _context(text: str, start: int, end: int) -> str:
    """Return the words around a value, in one line; a word that is cut is left out."""
    before, after = text[max(start - AROUND, 0) : start], text[end : end + AROUND]
    if start > AROUND:
        before = before[len(before) - len(before.lstrip()) or before.find(" ") + 1 :]
    if end + AROUND < len(text):
        after = after[: after.rfind(" ") + 1] or after
    return _SPACE.sub(" ", f"{before}{text[start:end]}{after}").strip()


def _no_indicator(mention: Mention, before: str, line: str, column: int, end: int) -> str:
    """Return why a value of a text that is spelt like an indicator is none, by what stands around it; empty if not.

    `before` is the text before it, `column` and `end` say where it stands in its line.
    """
    if reason := not_meant(mention.kind, mention.raw, before):
        return reason
    if mention.kind == "ip" and column == 0 and _SECTION.match(line):
        return "a section's number"
    if (
        mention.kind == "domain"
        and not mention.port
        and not mention.raw.isupper()
        and _CODE.fullmatch(line[column:end])
    ):
        return IN_CODE
    return ""
