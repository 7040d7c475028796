"""The text of a PDF, by pypdf: Python alone, so that no hostile file meets a parser that can be overrun.

pypdf gives the text in the order in which the page was written, which is that of its columns and cells; scripts,
actions, forms, embedded files and links are not read.
"""

from __future__ import annotations

import io
import logging
from contextlib import suppress
from typing import Any, Final

import pypdf
from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

from intel_grapher.errors import BadValue
from intel_grapher.extract.pages import MAX_TEXT, Extract, TextPage

# What docs/intake.md says of it: the format, what is read, what is left out.
READS = (
    (
        "report: PDF",
        "its text by page, title and date; each indicator is a mention, to be reviewed",
        "scripts, forms, embedded files, images; that a scan has no text is said",
    ),
)
MAX_PAGES: Final = 5000
MAX_FAULTS: Final = 20
_INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x2060, 0xFEFF])
_LIGATURES = str.maketrans({"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl"})
_DAMAGE: Final = (
    PyPdfError, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, OSError, EOFError,
    OverflowError, ZeroDivisionError, NotImplementedError, UnicodeError, RecursionError,
)  # fmt: skip


def read_pdf(content: bytes) -> Extract:
    """Return the text of a PDF. BadValue for one that needs a password, has no text at all, or is damaged."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what it finds odd is no business of the user's
    reader, count = _opened(content)
    found = Extract("pdf")
    _note(reader, found)
    empty, damaged = _read(reader, min(count, MAX_PAGES), found)
    if count > MAX_PAGES:
        found.faults.append(f"of its {count:,} pages those after the first {MAX_PAGES:,} were left out")
    if not found.pages and not damaged:
        pages = "1 page" if count == 1 else f"{count} pages"
        raise BadValue(f"no text in its {pages}, as if scanned: run it through OCR, and add that")
    if not found.pages:
        raise BadValue("a PDF that is damaged or cut short")
    found.faults += [f"page {number}: no text, as if scanned" for number in empty[:MAX_FAULTS]]
    found.faults += [f"page {number}: damaged" for number in damaged[:MAX_FAULTS]]
    return found


def _opened(content: bytes) -> tuple[pypdf.PdfReader, int]:
    """Return a PDF that can be read, and the number of its pages."""
    try:
        reader = pypdf.PdfReader(io.BytesIO(content), strict=False)
        is_open = not reader.is_encrypted or bool(reader.decrypt(""))
        count = len(reader.pages) if is_open else 0
    except (DependencyError, FileNotDecryptedError) as error:
        raise BadValue(
            "encrypted with AES: install intel-grapher[reports], or save it without encryption and add that"
        ) from error
    except _DAMAGE as error:
        raise BadValue("a PDF that is damaged or cut short") from error
    if not is_open:
        raise BadValue("encrypted: it needs a password. Save it without one, and add that")
    return reader, count


def _read(reader: pypdf.PdfReader, count: int, found: Extract) -> tuple[list[int], list[int]]:
    """Add the pages' text; return the numbers of those that have pictures only, and of those that can't be read."""
    empty: list[int] = []
    damaged: list[int] = []
    size = 0
    for number in range(1, count + 1):
        try:
            page = reader.pages[number - 1]
            text = page.extract_text() or ""
            if not text.strip() and _has_content(page):
                empty.append(number)
        except _DAMAGE:
            damaged.append(number)
            continue
        found.add([TextPage(number, text.translate(_INVISIBLE).translate(_LIGATURES), wrapped=True)])
        size += len(text)
        if size > MAX_TEXT:
            break
    return empty, damaged


def _has_content(page: Any) -> bool:  # noqa: ANN401 - pypdf's
    contents = page.get_contents()
    return contents is not None and bool(contents.get_data().strip())


def _note(reader: pypdf.PdfReader, found: Extract) -> None:
    with suppress(*_DAMAGE):
        about = reader.metadata
        if about is not None:
            found.title = (about.title or "").strip()[:500]
            created = about.creation_date
            found.created = created.isoformat() if created is not None else ""
