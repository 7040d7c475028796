"""The text of a Word document (DOCX, DOCM): its body, notes, comments, headers and footers.

The XML goes through expat as a stream. A document type is refused, so that there are no entities; expat fetches
nothing. A relation to another file or address is not followed, a macro is not touched.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from typing import Final
from xml.parsers import expat

from intel_grapher.errors import BadValue
from intel_grapher.extract.pages import CUT, MACROS, MAX_TEXT, Extract, TextPage

# What docs/intake.md says of it: the format, what is read, what is left out.
READS = (
    (
        "report: DOCX, DOCM",
        "body, notes, comments, headers and footers",
        "macros, images, what a relation points to",
    ),
)
MAX_XML: Final = 256 << 20
"""Bytes of XML that are read of one document, unpacked."""
_WORD: Final = "http://schemas.openxmlformats.org/wordprocessingml/2006/main "
_STRICT: Final = "http://purl.oclc.org/ooxml/wordprocessingml/main "
_MORE = re.compile(r"word/(?:footnotes|endnotes|comments|header[0-9]*|footer[0-9]*)\.xml")
_CHUNK: Final = 1 << 20
_TITLE: Final = "http://purl.org/dc/elements/1.1/ title"
_CREATED: Final = "http://purl.org/dc/terms/ created"
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError)


class _DocumentTypeError(Exception):
    """An XML part declares a document type, as no Word document does."""


def read_docx(content: bytes) -> Extract:
    """Return the text of a Word document; its pages are as Word last laid them out. BadValue for a damaged one."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _read(archive)
    except BadValue:
        raise
    except _BROKEN as error:
        raise BadValue("a Word document that is damaged or cut short") from error


def _read(archive: zipfile.ZipFile) -> Extract:
    names = archive.namelist()
    found = Extract("docx")
    bound = [MAX_XML]
    if "docProps/core.xml" in names:
        core = _Core()
        if not _parsed(archive, "docProps/core.xml", core.parser, bound):
            found.title, found.created = core.of(_TITLE), core.of(_CREATED)
    body = _Body()
    fault = _parsed(archive, "word/document.xml", body.parser, bound)
    if fault and not any(body.pages):
        raise BadValue(fault)
    found.faults += [fault] if fault else []
    found.add([TextPage(number, text) for number, text in enumerate(map("".join, body.pages), 1)])
    for name in sorted(filter(_MORE.fullmatch, names)):
        more = _Body()
        if fault := _parsed(archive, name, more.parser, bound):
            found.faults.append(f"{name}: {fault}")
        found.add(
            [TextPage(1, text, name.removeprefix("word/").removesuffix(".xml")) for text in map("".join, more.pages)]
        )
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        found.faults.append(MACROS)
    if body.is_full and CUT not in found.faults:
        found.faults.append(CUT)
    return found


def _parsed(archive: zipfile.ZipFile, name: str, parser: expat.XMLParserType, bound: list[int]) -> str:
    """Feed a part to a parser; return why it could not be read to its end, empty if it could."""
    parser.StartDoctypeDeclHandler = _refuse
    parser.buffer_text = True
    try:
        with archive.open(name) as part:
            while chunk := part.read(_CHUNK):
                bound[0] -= len(chunk)
                if bound[0] < 0:
                    return f"unpacked, it is larger than {MAX_XML >> 20} MiB: the rest was left out"
                parser.Parse(chunk, False)  # noqa: FBT003 - expat takes no keyword
            parser.Parse(b"", True)  # noqa: FBT003
    except _DocumentTypeError:
        return "its XML declares a document type, as no Word document does: it was not read"
    except expat.ExpatError:
        return "its XML is damaged"
    except RuntimeError:
        return "a part of it is encrypted"
    except KeyError:
        return "it has no text"
    return ""


def _refuse(*_declared: object) -> None:
    raise _DocumentTypeError


class _Body:
    """Collects the text of a part: a line for each paragraph, a list of strings for each page."""

    def __init__(self) -> None:
        self.pages: list[list[str]] = [[]]
        self.is_full = False
        self._size = 0
        self._in_text = False
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data

    def _put(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_TEXT:
            self.is_full = True
        else:
            self.pages[-1].append(text)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        if f"{space} " not in {_WORD, _STRICT}:
            return
        if local == "t":
            self._in_text = True
        elif local == "tab":
            self._put("\t")
        elif local == "noBreakHyphen":
            self._put("-")
        elif local in {"br", "cr"}:
            is_page = attributes.get(f"{space} type") == "page"
            self._put("\n")
            if is_page:
                self.pages.append([])
        elif local == "lastRenderedPageBreak" and "".join(self.pages[-1][-1:]).endswith("\n"):
            self.pages.append([])  # within a paragraph a value may go on

    def _end(self, name: str) -> None:
        space, _, local = name.rpartition(" ")
        if f"{space} " in {_WORD, _STRICT}:
            if local == "t":
                self._in_text = False
            elif local == "p":
                self._put("\n")

    def _data(self, data: str) -> None:
        if self._in_text:
            self._put(data)


class _Core:
    """Collects the properties of a document."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._inside = ""
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler = self._start
        self.parser.CharacterDataHandler = self._data

    def of(self, name: str) -> str:
        """Return the text of an element."""
        return "".join(self._texts.get(name, [])).strip()[:500]

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._inside = name

    def _data(self, data: str) -> None:
        self._texts.setdefault(self._inside, []).append(data)
