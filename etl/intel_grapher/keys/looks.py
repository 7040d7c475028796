"""What a value that is no key of its kind looks like: the reason of its reject, for the reader.

A reason says what the value is and what would be right. It is one of a few fixed phrases, so that rejects can be
counted by it.
"""

from __future__ import annotations

import re

DEFANGED = "defanged: the plain form is wanted"

_ADDRESS = r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-f]*:[0-9a-f:.]*:[0-9a-f:.]*)"


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.ASCII)


_DEFANGED = _form(
    r"h(?:xx|tx|\*\*)ps?:.*|.*(?:\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\)|\[at\]|\(at\)|\[@\]|\[:\]|\[://\]|\\\.).*"
)
_NETWORK = _form(rf"{_ADDRESS}/[0-9]{{1,3}}")
_PORT = _form(rf"(?:[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}|\[{_ADDRESS}\])[:|][0-9]{{1,5}}(?:/[a-z]+)?")
_RANGE = _form(rf"{_ADDRESS}\s*-\s*{_ADDRESS}")
_SEVERAL = _form(rf"{_ADDRESS}(?:[\s,;]+{_ADDRESS})+")
_SSDEEP = _form(r"[0-9]{1,10}:[a-z0-9+/]{3,}:[a-z0-9+/]{3,}(?:,.*)?")
_TLSH = _form(r"t1[0-9a-f]{70}|[0-9a-f]{70}")
_HEX = _form(r"[0-9a-f]{8,}")
# A host and a port, a path or a query after it: a name alone is no URL, but a name.
_BARE_URL = _form(r"(?://)?(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)+|\[[0-9a-f:.]+\])(?::[0-9]{1,5}(?:[/?#].*)?|[/?#].*)")
_NAMED = _form(r".*<[^<>]+@[^<>]+>")
_DIGEST_AND_NAME = _form(r"[^|]*\|[0-9a-f]{32,128}")

# By what is wanted: forms, each with the reason.
LOOKS = {
    "address": (
        (_DEFANGED, DEFANGED),
        (_NETWORK, "a network: one address is wanted"),
        (_PORT, "a port after the address: the address is wanted"),
        (_RANGE, "a range of addresses: one address is wanted"),
        (_SEVERAL, "several addresses: one is wanted"),
    ),
    "network": (
        (_DEFANGED, DEFANGED),
        (_RANGE, "a range of addresses: ADDRESS/LENGTH is wanted"),
        (_form(_ADDRESS), "an address: a network, ADDRESS/LENGTH, is wanted"),
        (_form(rf"{_ADDRESS}/{_ADDRESS}"), "a network with a mask: ADDRESS/LENGTH is wanted"),
    ),
    "name": ((_DEFANGED, DEFANGED), (_NETWORK, "a network, not a name"), (_RANGE, "a range of addresses, not a name")),
    "digest": (
        (_SSDEEP, "an ssdeep hash: a file's digest is wanted"),
        (_TLSH, "a TLSH hash: a file's digest is wanted"),
        (_DIGEST_AND_NAME, "a name before the digest: the digest is wanted"),
        (_HEX, "hex of no digest's length (32, 40, 56, 64, 96, 128)"),
    ),
    "url": ((_DEFANGED, DEFANGED), (_BARE_URL, "a URL without its scheme")),
    "email": ((_DEFANGED, DEFANGED), (_NAMED, "a name before the address: the address is wanted")),
}


def looks(value: str, wanted: str, otherwise: str) -> str:
    """Return what a value looks like where an address, network, name, digest, url or email is wanted.

    `otherwise` is returned where it looks like nothing that is known.
    """
    return next((reason for pattern, reason in LOOKS[wanted] if pattern.fullmatch(value)), otherwise)
