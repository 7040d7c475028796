"""What sort of document some bytes are, told by the bytes alone."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Final, Literal

from intel_grapher.encoding import decoded

DocumentKind = Literal["pdf", "docx", "email", "html", "markdown", "text"]

NOT_A_DOCUMENT: Final = "not a document: no PDF, DOCX, HTML, e-mail or text"
_HEAD: Final = 4096  # bytes that are looked at; what is no text shows it there
_PDF_HEADER: Final = 1024  # bytes within which readers accept %PDF-
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MARKUP = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_ELEMENTS = re.compile(
    r"<(?:p|div|table|h[1-6]|ul|article|span|br)\b[^>]*>.*</(?:p|div|table|h[1-6]|ul|article|span)>", re.IGNORECASE
)
_FIELD = re.compile(r"(?:From |([A-Za-z][A-Za-z0-9-]*):)")
_MAIL_FIELDS: Final = frozenset(
    {"from", "to", "subject", "date", "received", "message-id", "mime-version", "return-path", "delivered-to"}
    | {"sender", "content-type", "reply-to", "cc"}
)
_MARKDOWN = re.compile(r"^(?:#{1,6} \S|```|\|(?:\s*:?-{3,}:?\s*\|)+)|\]\(https?://", re.MULTILINE)
_FRONT_MATTER = re.compile(r"---\n(?:[\w-]+:.*\n)+---\n")


def told(content: bytes) -> DocumentKind | None:
    """Return what sort of document some bytes are; None for what is no document that is read here: `refusal` says why.

    A text without any mark of another sort is "text".
    """
    if b"%PDF-" in content[:_PDF_HEADER]:
        return "pdf"
    if content.startswith(b"PK\x03\x04"):
        return "docx" if _is_docx(content) else None
    if not _is_text(content):
        return None
    head = decoded(content[:_HEAD]).lstrip("\ufeff")
    if _MARKUP.match(head) or (head.lstrip().startswith("<") and _ELEMENTS.search(head)):
        return "html"
    if _is_mail(head):
        return "email"
    return "markdown" if _MARKDOWN.search(head) or _FRONT_MATTER.match(head) else "text"


def refusal(content: bytes) -> str:  # noqa: PLR0911 - a reason each
    """Return why bytes that `told` knows not are not read, and what to do."""
    if content.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in content:
            return "an encrypted Office document: take its password off, and add it again"
        if "__substg1.0_".encode("utf-16-le") in content:
            return "an Outlook message: save it as .eml"
        return "a document of Office before 2007: save it as DOCX or PDF"
    if content.startswith(b"{\\rtf"):
        return "a document in RTF: save it as DOCX or PDF"
    if content.startswith(b"PK\x03\x04"):
        return "a packed file other than a Word document"
    if content.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*", b"BM")):
        return "a picture: there is no text in it to read"
    return NOT_A_DOCUMENT if content else "an empty file"


def _is_docx(content: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return "word/document.xml" in archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return b"word/document.xml" in content  # damaged: it is said when it is read


def _is_text(content: bytes) -> bool:
    if not content.strip() or content.startswith((b"{\\rtf", _OLE)):
        return False
    head = decoded(content[:_HEAD])
    controls = sum(1 for char in head if char < " " and char not in "\t\n\r\f\x1b")
    return controls * 100 < len(head)


def _is_mail(head: str) -> bool:
    """Tell whether a text begins with fields of a message, of which two at least are those of mail."""
    known = 0
    for line in head.splitlines():
        if not line.strip():
            break
        if line[0] in " \t":
            continue
        field = _FIELD.match(line)
        if field is None:
            return False
        known += (field[1] or "from").lower() in _MAIL_FIELDS
    return known > 1
