"""The text of an HTML page: what a reader would see, a line for each block; scripts and styles are passed over.

The parser is Python's own. It fetches nothing and knows no entities but HTML's.
"""

from __future__ import annotations

import codecs
import re
from html.parser import HTMLParser
from typing import Final

from intel_grapher.encoding import decoded
from intel_grapher.extract.pages import CUT, MAX_TEXT, Extract, TextPage

# What docs/intake.md says of it: the format, what is read, what is left out.
READS = (
    (
        "report: HTML",
        "what a reader would see",
        "scripts, styles; nothing is fetched",
    ),
)
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]{1,40})", re.IGNORECASE)
_CHARSET_WITHIN: Final = 4096
_BLOCKS: Final = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "option",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
    ]
)
_UNSEEN: Final = frozenset({"script", "style", "template", "noscript", "svg", "head", "object", "iframe"})
_VOID: Final = frozenset({"object", "iframe"})
_SPACE = re.compile(r"[ \t\n\r\f\v\u00a0]+")
_INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x2060, 0xFEFF])
_TITLES: Final = ("og:title", "twitter:title")
_DATES: Final = ("article:published_time", "datepublished", "date", "dc.date", "dcterms.created", "pubdate")


def read_html(content: bytes) -> Extract:
    """Return the text of a page, and its title, date and address as its head states them."""
    parser = _Parser(links=False)
    parser.read(html_text(content))
    found = Extract("html", parser.title_found(), parser.date, parser.address)
    found.add([TextPage(1, parser.text())])
    if parser.is_full:
        found.faults.append(CUT)
    return found


def text_and_links(markup: str) -> str:
    """Return the text of a message's HTML, each link's address behind its words: there it is the lure itself."""
    parser = _Parser(links=True)
    parser.read(markup)
    return parser.text()


def html_text(content: bytes) -> str:
    """Return the characters of a page, by its byte order mark, the encoding that it declares, or what fits."""
    declared = _CHARSET.search(content[:_CHARSET_WITHIN])
    if declared and not content.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            codec = codecs.lookup(declared[1].decode("ascii"))
            if codec._is_text_encoding and codec.name not in {"utf-8", "utf-16", "utf-32"}:  # noqa: SLF001 - no other way
                return content.decode(codec.name, "replace")
        except (LookupError, UnicodeDecodeError):
            pass
    return decoded(content)


class _Parser(HTMLParser):
    def __init__(self, *, links: bool) -> None:
        super().__init__(convert_charrefs=True)
        self._links = links
        self._out: list[str] = []
        self._size = 0
        self._unseen: list[str] = []
        self._verbatim = 0
        self._target = ""
        self._title: list[str] = []
        self._in_title = False
        self._heading: list[str] = []
        self._in_heading = False
        self._named_title = ""
        self.date = ""
        self.address = ""
        self.is_full = False

    def read(self, markup: str) -> None:
        """Parse a whole page."""
        self.feed(markup)
        self.close()

    def text(self) -> str:
        """Return the text: single spaces, a line for each block."""
        lines = (_SPACE.sub(" ", line).strip() for line in "".join(self._out).translate(_INVISIBLE).split("\n"))
        return "\n".join(line for line in lines if line)

    def title_found(self) -> str:
        """Return the title: the one for previews, the page's, its first heading."""
        for title in (self._named_title, "".join(self._title), "".join(self._heading)):
            if text := _SPACE.sub(" ", title).strip():
                return text[:500]
        return ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self._note(tag, named)
        if tag in _UNSEEN and tag not in _VOID:
            self._unseen.append(tag)
        if tag == "body":
            self._unseen.clear()  # a head or a noscript that was never closed
        if tag == "pre":
            self._verbatim += 1
        if tag in _BLOCKS or tag == "br":
            self._put("\n")
        elif tag in {"td", "th"}:
            self._put(" \t ")
        if tag == "a":
            self._target = named.get("href", "")
            if code := named.get("data-cfemail"):
                self._put(_hidden_address(code))
        elif (
            self._links and tag in {"img", "form", "area"} and (target := named.get("src") or named.get("action") or "")
        ):
            self._link(target)
        self._in_title = self._in_title or (tag == "title" and not self._title)
        self._in_heading = self._in_heading or (tag == "h1" and not self._heading)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._unseen:
            while self._unseen.pop() != tag:
                pass
        if tag == "pre" and self._verbatim:
            self._verbatim -= 1
        if tag in _BLOCKS:
            self._put("\n")
        if tag == "a":
            self._link(self._target)
            self._target = ""
        if tag == "title":
            self._in_title = False
        if tag == "h1":
            self._in_heading = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self._title.append(data)
        if self._unseen:
            return
        if self._in_heading:
            self._heading.append(data)
        self._put(data if self._verbatim else _SPACE.sub(" ", data))

    def _put(self, text: str) -> None:
        if self._unseen or self.is_full:
            return
        self._size += len(text)
        if self._size > MAX_TEXT:
            self.is_full = True
            return
        self._out.append(text)

    def _link(self, target: str) -> None:
        if self._links and not target.startswith(("#", "cid:", "data:", "javascript:")) and ":" in target:
            self._put(f" <{target.removeprefix('mailto:')}> ")

    def _note(self, tag: str, named: dict[str, str]) -> None:
        """Take what the head says of the page."""
        if tag == "meta":
            name = (named.get("property") or named.get("name") or named.get("itemprop") or "").lower()
            value = named.get("content", "")
            if name in _TITLES:
                self._named_title = self._named_title or value
            elif name in _DATES:
                self.date = self.date or value
            elif name == "og:url":
                self.address = self.address or value
        elif tag == "link" and "canonical" in named.get("rel", "").lower().split():
            self.address = named.get("href", "") or self.address
        elif tag == "time":
            self.date = self.date or named.get("datetime", "")


def _hidden_address(code: str) -> str:
    """Return the e-mail address that Cloudflare hides from crawlers: hex digits, the first byte XORed onto the rest."""
    try:
        first, *rest = bytes.fromhex(code)
    except ValueError:
        return ""
    return f" {bytes(first ^ byte for byte in rest).decode('utf-8', 'replace')} "
