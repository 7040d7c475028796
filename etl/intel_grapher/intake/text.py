"""A text as a whole: each line by its format, else word by word."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from intel_grapher import keys
from intel_grapher.encoding import decoded
from intel_grapher.errors import BadValue
from intel_grapher.intake import lines, words
from intel_grapher.intake.context import BEFORE, FINGERPRINT, MESSAGE_ID, VERSION, not_meant
from intel_grapher.intake.suffixes import ambiguous, top_level
from intel_grapher.keys import IndicatorKind
from intel_grapher.keys.urls import is_plain_url

_SURE_NAME = 63  # characters: no label of such a name is too long
SHOWN = 200  # characters of a leftover
# What docs/intake.md says of a text: the format, what is read, what is left out.
READS = (
    (
        "list or prose (UTF-8, UTF-16, Latin-1)",
        (
            "every value of a line, defanged or not: names, addresses, networks, e-mail addresses, digests, URLs "
            "(with port, path and query; without a scheme as http), CVE and AS numbers, @users; `host:port` also "
            "as a Service; of another scheme (`wss`, `tcp`, `ldap`) the host"
        ),
        (
            "names of files, words whose last label is no top-level domain, masked addresses, hex of a length "
            "that no digest has: each listed with its line and reason; prose and comments are counted"
        ),
    ),
)

_COMMENTS = ("#", ";", "//", "!", "--", "REM ")
_BULLET = re.compile(r"\A(?:[-*\u2022\u2023\u25aa\u2013\u2014+>]|\(?[0-9]{1,3}[.)])\s+(?=\S)")
# One bare value on a line, as nearly all lines of long lists are: it needs no further look.
_BARE = re.compile(
    r"(?:[a-z0-9_-]+\.)+[a-z]{2,24}|[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}"
)
_VALUE_LIKE = re.compile(r"[.:@/0-9\[({]")
_FOREIGN = re.compile("[\u060c\u061b\u2010-\u2013\u2024\u2212\u3001-\u301f\ufe63\uff01-\uff61]")
# Full-width letters and hyphens as ASCII has them; what parts words in East Asian and Arabic texts, with a space.
_PLAIN = {
    **{0xFEE0 + code: chr(code) for code in range(0x21, 0x7F) if chr(code) != "."},
    **{0xFEE0 + ord(char): f" {char} " for char in '!"(),;?[]{|}'},
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2212\ufe63"), "-"),
    **dict.fromkeys((0x060C, 0x061B, 0x3001, *range(0x3008, 0x3012)), " "),
}
_DOTS = dict.fromkeys(map(ord, "\u2024\u3002\uff0e\uff61"), ".")
_COLON = re.compile("\uff1a(?!\uff0f)")
_LATIN = re.compile(r"[A-Za-z0-9\s]")
# The end of a sentence, and no dot of a name: not between two Latin letters or digits.
_STOP = re.compile(r"(?<![A-Za-z0-9\])])[\u3002\uff0e\uff61](?=.)|[\u3002\uff0e\uff61](?![A-Za-z0-9\[(])")
# Marks of defanging with white space in or around them; only the white space goes here, `keys.refang` does the rest.
_SPACED = re.compile(r"\s*(\\?[\[({])\s*(\.|::?|/|@|dot|at)\s*(\\?[\])}])\s*", re.IGNORECASE)
# A text of JSON, and what begins a line that has some; a Windows path in it is none.
_JSON_LINE = re.compile(r"\s*(?:[\[{]|\"[^\"]*\"\s*(?::|,?\Z))(?!.*(?<!\w)[A-Za-z]:\\[^\\])")
_JSON_TEXT = re.compile(r"\"(?:[^\"\\]|\\.)*\"")
_SPACED_SCHEME = re.compile(r"(?i)\b(h[tx]{2}ps?|ftp)(\[?:\]?//)\s+(?=\S)")
# An address and its mask: a netmask, or what Cisco calls a wildcard.
_MASKED = re.compile(
    r"(?<![0-9.])([0-9]{1,3}(?:\.[0-9]{1,3}){3})\s+((?:255|0(?!\.0\.0\.0))(?:\.[0-9]{1,3}){3})(?![0-9.])"
)
_CVE_SPACED = re.compile(r"(?i)\b(cve)[ _:]([0-9]{4})[-_ ]([0-9]{4,19})\b")
_SPELT_OUT = re.compile(r"(?i)\S+(?:\s+(?:dot|at|\[at\]|\(at\))\s+\S+)+")
_PARTS = re.compile(r"[\s\t]+")
# Quotes and angle brackets part the values of JSON, XML and HTML; arrows; `MD5:size:name`, as ClamAV has it.
_SEPARATORS = re.compile(r"[,;|\"<>\u2014]+|[-=]>|\u2192|\]\(|(?<=[0-9a-f]{32}):(?=[0-9*]+:)", re.IGNORECASE)
_URL_BEGINS = re.compile(r"[a-z][a-z0-9+.*-]*\[?:\]?\[?//|[^\"<>]*=[a-z]+\[?:\]?\[?//", re.IGNORECASE)
_AROUND_URL = re.compile(r"[\"<>]+|\]\(")
_AFTER_URL = re.compile(
    r"(?:[,;|]|[-=]>|\u2192)+(?=[a-z][a-z0-9+.-]*://|\Z)|[;|](?=[0-9a-f]{32,64}\b)|[|]", re.IGNORECASE
)
_CELL_AFTER_URL = re.compile(_AFTER_URL.pattern + r"|,(?=[a-z][a-z -]{1,20}(?:,|\Z))", re.IGNORECASE)


class Mention(NamedTuple):
    """An indicator in a text: its kind, canonical key and port (0 if none), its line from 1, its spelling there."""

    kind: IndicatorKind
    key: str
    port: int
    line: int
    raw: str


class Leftover(NamedTuple):
    """A word that looks like a value and is no indicator: its line from 1, its spelling, the reason."""

    line: int
    raw: str
    reason: str


NO_TYPOS = frozenset(
    {
        *(words.FILE_NAME, words.AMBIGUOUS, words.NETMASK, words.RANGE, words.GLUED, words.BESIDE),
        words.CUT_OFF,
        *(VERSION, FINGERPRINT, MESSAGE_ID),
        *(lines.NOT_BLOCKED, lines.RULE_PATTERN, lines.NO_INDICATOR, lines.HIDDEN, lines.BESIDE_RANGE),
    }
)
"""Reasons of leftovers that nobody meant as an indicator: a text may be full of them."""


class TextReading(NamedTuple):
    """What a text holds, in its order. `prose` counts the words that look like no value."""

    mentions: list[Mention]
    leftovers: list[Leftover]
    prose: int


def read(content: bytes | str, *, is_document: bool = False) -> TextReading:
    """Return the indicators of a text and what was left out of it. Bytes may be UTF-8, UTF-16 or Windows-1252.

    A document, unlike a list, has no comments and no lines that are commands of a resolver or a firewall; a bare name
    that may be a file's is none there, whatever stands around it.

    Time and memory are linear in the text's length. Nothing is raised for any content.
    """
    text = decoded(content) if isinstance(content, bytes) else content
    reader = _Reader(is_document=is_document)
    for number, line in enumerate(text.splitlines(), 1):
        reader.line(line.strip("\x00\ufeff \t"), number)
    return reader.reading()


class _Reader:
    """Reads lines. What a bare word means may depend on the others, so some wait for the end.

    A name with an ambiguous last label is a name among names, and a file among files. A word that has no shape of a
    value is a fault in a list of values, and prose among prose (a heading).
    """

    def __init__(self, *, is_document: bool) -> None:
        self._is_document = is_document
        self._mentions: list[Mention] = []
        self._leftovers: list[Leftover] = []
        self._prose = 0
        self._ambiguous: list[tuple[int, int, str]] = []  # index among the mentions, line, word
        self._bare_names = 0
        self._alone = 0  # lines with one value
        self._shapeless: list[Leftover] = []

    def reading(self) -> TextReading:
        """Return what was read."""
        files = sum(1 for leftover in self._leftovers if leftover.reason == words.FILE_NAME)
        if (
            self._bare_names > files and not self._is_document
        ):  # a list of names: the ambiguous ones among them are names as well
            for index, number, raw in reversed(self._ambiguous):
                found = words.classify(raw, is_value=True)
                if isinstance(found, words.Identified):
                    self._mentions.insert(index, Mention(found.kind, found.key, found.port, number, raw))
        else:
            self._leftovers += [Leftover(number, raw, words.AMBIGUOUS) for _, number, raw in self._ambiguous]
        if self._prose > self._alone or self._is_document:
            self._prose += len(self._shapeless)
        else:
            self._leftovers += self._shapeless
        self._leftovers.sort(key=lambda leftover: leftover.line)
        return TextReading(self._mentions, self._leftovers, self._prose)

    def line(self, line: str, number: int) -> None:
        """Read one line without the white space around it."""
        if _BARE.fullmatch(line):
            self._bare(line, number)
        elif line.startswith("http") and line.count("://") == 1 and self._is_url(line):
            self._mentions.append(Mention("url", line, 0, number, line))
        elif self._is_document:
            if line:
                self._parts(_BULLET.sub("", line, count=1), number)
        elif line.startswith(_COMMENTS) and not line.startswith(("##", "![")):
            self._prose += len(line.split())
        elif (found := lines.values_of(line)) is not None:
            self._leftovers += [Leftover(number, raw[:SHOWN], reason) for raw, reason in found.others]
            for value in found.values:
                self._add(value, number)
        elif line:
            content, comment = lines.comment_of(_BULLET.sub("", _without_escapes(line), count=1))
            self._prose += len(comment.split())
            self._parts(_MASKED.sub(r"\1/\2", content), number)

    def _is_url(self, line: str) -> bool:
        """Tell whether a line is a canonical URL; a sentence's end, or the cells of a row, may stand behind one."""
        return line[-1] not in ".,;:)" and not (self._is_document and "," in line) and is_plain_url(line)

    def _parts(self, content: str, number: int) -> None:
        parts = list(_words(_joined(content), is_document=self._is_document))
        if len(parts) == 1 and _BARE.fullmatch(word := parts[0].lower()):
            self._bare(word, number)
            return
        if len(parts) == 1 and not _VALUE_LIKE.search(parts[0]):
            self._shapeless.append(Leftover(number, parts[0][:SHOWN], "not an indicator"))
            return
        self._alone += len(parts) == 1
        self._each(parts, number, is_value=len(parts) == 1)

    def _each(self, parts: list[str], number: int, *, is_value: bool, before: str = "") -> None:
        """Add the words of a line in turn; `before` is what stands before the first one."""
        for part in parts:
            found = words.classify(part, is_value=is_value)
            whole = found if isinstance(found, words.Identified) else words.glued(part, found)
            if isinstance(whole, list):
                self._each(whole, number, is_value=False, before=before)
            else:
                self._keep(whole, part, number, before)
            before = f"{before}{part} "[-BEFORE:]

    def _bare(self, word: str, number: int) -> None:
        """Add a word in lower case that has a line of its own: a name, an IPv4 address or a digest."""
        self._alone += 1
        _, dot, last = word.rpartition(".")
        if not dot:
            self._mentions.append(Mention("hash", word, 0, number, word))
        elif ambiguous(last):
            self._ambiguous.append((len(self._mentions), number, word))
        elif last.isdigit() and word[0] > "0":
            self._address(word, number)
        elif last in top_level() and len(word) <= _SURE_NAME:
            self._bare_names += 1
            self._mentions.append(Mention("domain", word, 0, number, word))
        else:
            self._add(word, number)

    def _address(self, word: str, number: int) -> None:
        try:
            self._mentions.append(Mention("ip", keys.ip_address(word), 0, number, word))
        except BadValue as bad:
            self._leftovers.append(Leftover(number, word, bad.reason))

    def _add(self, raw: str, number: int) -> None:
        """Add a word that its context says to be a value."""
        self._each([raw], number, is_value=True)

    def _keep(self, found: words.Identified | words.Unusable | None, raw: str, number: int, before: str) -> None:
        if found is None:
            self._prose += 1
        elif isinstance(found, words.Unusable):
            self._leftovers.append(Leftover(number, raw[:SHOWN], found.reason))
        elif not self._is_document and (
            reason := not_meant(found.kind, raw, before)
        ):  # a document's is looked at whole
            self._leftovers.append(Leftover(number, raw[:SHOWN], reason))
        else:
            self._mentions.append(Mention(found.kind, found.key, found.port, number, raw[: words.LONGEST]))


def _joined(line: str) -> str:
    """Return a line with the white space taken out that was put into values to defang them."""
    if _FOREIGN.search(line):
        line = _COLON.sub(": ", line).translate(_PLAIN)
        if _LATIN.search(line):  # else it may be a name in which they are the dots
            line = _STOP.sub(". ", line)
        line = line.translate(_DOTS)
    line = _CVE_SPACED.sub(r"\1-\2-\3", _SPACED_SCHEME.sub(r"\1\2", line))
    if "[" in line or "(" in line or "{" in line:
        line = _SPACED.sub(r"\1\2\3", line)
    if _SPELT_OUT.fullmatch(line):  # nothing else is on the line, so that "dot" is no word of a sentence
        refanged = re.sub(r"(?i)\s+dot\s+", ".", line)
        refanged = re.sub(r"(?i)\s+[\[(]?at[\])]?\s+", "@", refanged)
        try:
            keys.detect(refanged)
        except BadValue:
            return line
        return refanged
    return line


def _words(line: str, *, is_document: bool = False) -> Iterator[str]:
    """Yield a line's words, parted at white space and separators; a URL keeps its own separators.

    In a document, a URL ends where the next cell of a row begins with a word.
    """
    after = _CELL_AFTER_URL if is_document else _AFTER_URL
    for part in _PARTS.split(line):
        has_url = "://" in part or "[:]//" in part
        inside = has_url and not _URL_BEGINS.match(words.trimmed(part))
        for outer in _AROUND_URL.split(part) if inside else [part]:
            is_url = has_url and ("://" in outer or "[:]//" in outer)
            for piece in after.split(outer) if is_url else _SEPARATORS.split(outer):
                if word := words.trimmed(piece):
                    yield word


def _without_escapes(line: str) -> str:
    r"""Return a line of JSON with its texts as they are meant: `\/` is a slash, a line end in a text parts words."""
    if "\\" in line and _JSON_LINE.match(line):
        return _JSON_TEXT.sub(_meant, line)
    return line


def _meant(match: re.Match[str]) -> str:
    try:
        return '"' + " ".join(json.loads(match[0]).split()) + '"'
    except ValueError:
        return match[0]
