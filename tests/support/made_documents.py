"""Documents made by hand, so that tests need no package that writes them."""

from __future__ import annotations

import io
import zipfile
import zlib

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def pdf(*pages: str, encrypted: bool = False, packed: bool = False) -> bytes:
    """Return a PDF with a page for each text; a line of the text is a line of the page. An empty text: no text."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for text in pages:
        lines = "".join(f"({_escaped(line)}) Tj T*\n" for line in text.split("\n")) if text else ""
        stream = f"BT /F1 11 Tf 14 TL 40 800 Td\n{lines}ET" if lines else "0 0 595 842 re f"
        data = zlib.compress(stream.encode("latin-1")) if packed else stream.encode("latin-1")
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 << /Type /Font /Subtype"
            f" /Type1 /BaseFont /Helvetica >> >> >> /Contents {len(objects) + 2} 0 R >>"
        )
        objects.append(
            f"<< /Length {len(data)}{' /Filter /FlateDecode' if packed else ''} >>\nstream\n"
            + data.decode("latin-1")
            + "\nendstream"
        )
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(pages)} >>"
    objects.append("<< /Title (A made-up report) /CreationDate (D:20261002080000Z) >>")
    out = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + body.encode("latin-1") + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    key = "0" * 64
    locked = (
        f" /Encrypt << /Filter /Standard /V 1 /R 2 /O <{key}> /U <{key}> /P -1 >> /ID [<00> <00>]" if encrypted else ""
    )
    out += f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R{locked} >>\n".encode()
    return bytes(out + f"startxref\n{start}\n%%EOF\n".encode())


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def docx(*paragraphs: str, head: str = "", macros: bool = False, title: str = "") -> bytes:
    """Return a Word document with a paragraph for each text. `head` stands before the XML's root."""
    body = "".join(f"<w:p><w:r><w:t>{paragraph}</w:t></w:r></w:p>" for paragraph in paragraphs)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(
            "word/document.xml", f'{head}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'
        )
        if title:
            archive.writestr("docProps/core.xml", (
                '<c xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:t="http://purl.org/dc/terms/">'
                f"<dc:title>{title}</dc:title><t:created>2026-10-02T08:00:00Z</t:created></c>"
            ))  # fmt: skip
        if macros:
            archive.writestr("word/vbaProject.bin", b"\xd0\xcf\x11\xe0")
    return out.getvalue()
