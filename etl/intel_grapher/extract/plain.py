"""Text and Markdown as documents."""

from __future__ import annotations

import re

from intel_grapher.encoding import decoded
from intel_grapher.extract.pages import Extract, TextPage

# What docs/intake.md says of it: the format, what is read, what is left out.
READS = (
    (
        "report: Markdown, text",
        "the text",
        "markup",
    ),
)
_INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x2060, 0xFEFF])  # breaks that show nothing, also within a value
_LONGEST_TITLE = 200
_FRONT_MATTER = re.compile(r"\s*---\n(.*?)\n---\n", re.DOTALL)
_FRONT_FIELD = re.compile(
    r"^(title|date|url|link|canonical_url)\s*:\s*[\"']?(.*?)[\"']?\s*$", re.MULTILINE | re.IGNORECASE
)
_HEADING = re.compile(r"^#{1,3}\s+(.+?)\s*#*\s*$", re.MULTILINE)
_LINK = re.compile(r"!?\[((?:[^\[\]\n]|\[[^\[\]\n]{0,20}\]){0,500})\]\(\s*<?(\S+?)>?(?:\s+[\"'][^\n]{0,200}?)?\s*\)")
_ESCAPED = re.compile(r"\\([_*\-.#+!|~`>{}()])")
_TAG = re.compile(r"</?(?:br|p|div|span|code|b|i|em|strong|td|tr|th|table|details)\b[^<>\n]{0,200}/?>", re.IGNORECASE)


def read_text(content: bytes) -> Extract:
    """Return a text, its pages parted at form feeds. Its title is its first line, if that is short."""
    text = decoded(content).translate(_INVISIBLE)
    found = Extract("text", title=_first_line(text))
    found.add(paged(text, wrapped=True))
    return found


def read_markdown(content: bytes) -> Extract:
    """Return a Markdown text without its marks in and around words. Its title is its front matter's, or its heading."""
    text = decoded(content).translate(_INVISIBLE).replace("\r\n", "\n")
    found = Extract("markdown")
    if front := _FRONT_MATTER.match(text):
        fields = {name.lower(): value for name, value in _FRONT_FIELD.findall(front[1])}
        found.title, found.created = fields.get("title", ""), fields.get("date", "")
        found.url = next((fields[name] for name in ("canonical_url", "url", "link") if fields.get(name)), "")
        text = text[front.end() :]
    if not found.title and (heading := _HEADING.search(text)):
        found.title = heading[1][:_LONGEST_TITLE]
    found.add(paged(without_marks(text)))
    return found


def without_marks(text: str) -> str:
    r"""Return a Markdown text with links as their words and their target, and without tags and escapes (1\.2)."""
    return _ESCAPED.sub(r"\1", _TAG.sub(" ", _LINK.sub(_words_and_target, text)))


def _words_and_target(link: re.Match[str]) -> str:
    return link[1] if link[1] == link[2] else f"{link[1]} ({link[2]})"


def paged(text: str, *, part: str = "", wrapped: bool = False) -> list[TextPage]:
    """Return the pages of a text: a form feed ends one."""
    return [TextPage(number, page, part, wrapped) for number, page in enumerate(text.split("\f"), 1)]


def _first_line(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= _LONGEST_TITLE // 2 and " " in line and "://" not in line else ""
