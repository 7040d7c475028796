"""The encoding of a text that somebody brings: UTF-8, UTF-16 or Latin-1, with or without a byte order mark."""

from __future__ import annotations

import codecs

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 4096  # bytes
_SHARE_OF_NULS = 0.3  # in UTF-16 nearly every second byte of an ASCII text is NUL


def decoded(content: bytes) -> str:
    r"""Return the text of some bytes. Line ends are kept; "\r\n" and "\r" are left to `str.splitlines`.

    A byte order mark decides. Without one: UTF-16 where every second byte is NUL, as Notepad and PowerShell's `>` write
    it; else UTF-8; else Windows-1252, in which any byte is a character or a replacement character.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    sample = content[:_SAMPLE]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if sample[first::2].count(0) > _SHARE_OF_NULS * len(sample) and not sample[1 - first :: 2].count(0):
            return content.decode(encoding, "replace")
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")
