"""What stands before a value and says that it is another one than it looks like."""

from __future__ import annotations

import re
from typing import Final

from intel_grapher.keys import IndicatorKind

BEFORE: Final = 40
"""Characters before a value that are looked at."""
VERSION: Final = "a version's number"
FINGERPRINT: Final = "a fingerprint, and no file's digest"
MESSAGE_ID: Final = "a message's id, not an address"
_VERSION_BEFORE = re.compile(
    r"(?:\bversions?|\bver\.?|\bv\.?|\bbuild|\brelease|\brev\.?|\bfirmware|\bupdate)[\s:=]*[\"'(]?$", re.IGNORECASE
)
_PRINTS = (
    r"(?:imp-?hash|ja3s?(?:n|_hash)?|ja4\w{0,2}|jarm|ssdeep|tlsh|vhash|authentihash|telfhash|richpe|rich header|"
    r"thumbprint|serial(?: number)?)"
)
_FINGERPRINT_BEFORE = re.compile(rf"\b{_PRINTS}(?: hash)?(?:\s*(?:is|was))?[\s:=|]*[\"'(`]?$", re.IGNORECASE)
_FINGERPRINT = re.compile(rf"{_PRINTS}\b", re.IGNORECASE)
_MESSAGE_ID_BEFORE = re.compile(r"\b(?:message-id|in-reply-to|references|content-id)\b[\s:<]*$", re.IGNORECASE)
_QUAD = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")


def not_meant(kind: IndicatorKind, spelt: str, before: str) -> str:
    """Return why a value is no indicator, by how it is spelt and by the text before it; empty if it may be one."""
    if kind == "hash" and (_FINGERPRINT_BEFORE.search(before) or _FINGERPRINT.match(spelt)):
        return FINGERPRINT
    if kind == "ip" and _QUAD.fullmatch(spelt) and _VERSION_BEFORE.search(before):
        return VERSION
    if kind == "email" and _MESSAGE_ID_BEFORE.search(before):
        return MESSAGE_ID
    return ""
