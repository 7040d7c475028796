"""Text as XML 1.0 has it."""

from __future__ import annotations

import re
from typing import Final

_SPECIAL: Final = re.compile('[<>&"\t\n\r\x00-\x1f\ud800-\udfff\ufffe\uffff]')
_ENTITIES: Final = {
    "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;",
}  # fmt: skip


def escaped(text: str) -> str:
    """Return a text as content or as an attribute's value in double quotes. What XML can't hold becomes U+FFFD."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], "\ufffd"), text)
