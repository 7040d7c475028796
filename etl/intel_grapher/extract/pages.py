"""The text of a document, page by page, with its title, date and address. Runs in a confined process (`confined`).

Nothing in a document is run, and nothing that it refers to is fetched: of scripts, macros, links, external entities
and images only their presence is noted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from intel_grapher.errors import BadValue
from intel_grapher.extract.kinds import DocumentKind

MAX_TEXT: Final = 4 << 20
"""Characters of a document's text; what is beyond is left out, and that is said."""
CUT: Final = f"its text beyond {MAX_TEXT:,} characters was left out"
MACROS: Final = "it has macros, which were neither run nor read"


class TextPage(msgspec.Struct):
    """A page's text. `number` counts from 1; `part` says where it stands in a message: its headers, an attachment.

    `wrapped` says that the text is broken into lines by its layout, so that a value may go on in the next line.
    """

    number: int
    text: str
    part: str = ""
    wrapped: bool = False


class Attachment(msgspec.Struct):
    """A file in a message: its name, the SHA-256 of its bytes, their number."""

    name: str
    digest: str
    size: int


class Extract(msgspec.Struct):
    """What was read of a document. `created` and `url` are as the document states them; `faults` say what was not read.

    `format` is the kind of document. `recipients` are the addresses that a message was sent to.
    """

    format: DocumentKind
    title: str = ""
    created: str = ""
    url: str = ""
    pages: list[TextPage] = []
    attachments: list[Attachment] = []
    recipients: list[str] = []
    faults: list[str] = []

    def add(self, pages: Sequence[TextPage]) -> None:
        """Add pages as far as the bound of the whole text allows."""
        room = MAX_TEXT - sum(len(page.text) for page in self.pages)
        for page in pages:
            if len(page.text) > room:
                page.text = page.text[: max(room, 0)]
                if CUT not in self.faults:
                    self.faults.append(CUT)
            room -= len(page.text)
            if page.text:
                self.pages.append(page)


def extract(content: bytes, kind: DocumentKind) -> Extract:
    """Return the text of a document. Raises BadValue, with what to do, where nothing of it can be read.

    The readers are imported here, so that who only wants the types needs none of them.
    """
    from intel_grapher.extract import docx, html, mail, pdf, plain  # noqa: PLC0415

    readers = {
        "pdf": pdf.read_pdf, "docx": docx.read_docx, "email": mail.read_mail, "html": html.read_html,
        "markdown": plain.read_markdown, "text": plain.read_text,
    }  # fmt: skip
    try:
        return readers[kind](content)
    except (BadValue, MemoryError):
        raise
    except RecursionError as error:
        raise BadValue("nested too deep to be read") from error
