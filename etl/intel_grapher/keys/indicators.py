"""What an analyst types: defanged, quoted, of a kind that is to be found out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from intel_grapher.errors import BadValue
from intel_grapher.keys.addresses import asn, ip_address, network
from intel_grapher.keys.identifiers import cve, digest, email, screen_name
from intel_grapher.keys.names import hostname
from intel_grapher.keys.urls import LONGEST_URL, url
from intel_grapher.keys.words import NOT_A_NAME, PLACEHOLDER, TOO_LONG

if TYPE_CHECKING:
    from collections.abc import Callable


IndicatorKind = Literal["ip", "domain", "email", "hash", "user", "url", "cve", "asn", "network"]

_LONGEST_INDICATOR = LONGEST_URL
_PAIRS = {'"': '"', "'": "'", "`": "`", "<": ">", "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u2060\ufeff\u202a-\u202e\u2066-\u2069]")
_JOINER = re.compile("[\u200c\u200d]")  # these two have a meaning in some scripts
# The scheme and the host are as they should be, so that brackets in the path are the path's own.
_PLAIN_START = re.compile(
    r"(?:https?|ftp)://(?:[^\s/?#\\()\[\]{}]+|\[[0-9a-f:.]+\](?::[0-9]*)?)(?:[/?#]|\Z)", re.IGNORECASE | re.ASCII
)
# Markdown writes a backslash before a bracket: example\[.\]com.
_MARK = re.compile(r"\\?[\[({]{1,3}\s{0,3}(\.|://|:/|//|::?|/|@|dot|at)\s{0,3}\\?[\])}]{1,3}", re.IGNORECASE | re.ASCII)
# A bracket beside the mark, without its counterpart: example[.com, bombay.com[.ar. IPv6 in brackets has none of these.
_HALF_MARK = re.compile(r"[\[({]{1,3}(?=[.@/])|(?<=[.@/])[\])}]{1,3}(?=[a-z0-9])", re.IGNORECASE | re.ASCII)
_WORDS = {"dot": ".", "at": "@"}
_DOT = re.compile(r"\\+\.|\s{1,3}dot\s{1,3}", re.IGNORECASE | re.ASCII)
_SCHEME = re.compile(
    r"\A(h[tx*_z]{2}_?p_?|x{4}|meow|f[tx]p)(?:[\[({]?(s)[\])}]?)?(?:_{0,2}://|:\\\\|(?<=[ps])//)",
    re.IGNORECASE | re.ASCII,
)


def refang(raw: str) -> str:
    r"""Return an indicator as it was before someone defanged it, or quoted it; nothing is checked.

    `hxxp`, `hxxp[s]`, `meow`, `fxp`; `[.]`, `[.`, `(dot)`, ` dot `, `\.`; `[:]`, `[://]`; `[at]`; quotes and angle
    brackets around it; commas and semicolons after it; invisible characters in it. The path of a URL whose host is
    plain is left alone.
    """
    if len(raw) > _LONGEST_INDICATOR:
        return raw  # no indicator at all
    value = raw
    while (plainer := _refanged_once(value)) != value:
        value = plainer
    return value


def _refanged_once(value: str) -> str:
    value = _INVISIBLE.sub("", value).strip().rstrip(",;").rstrip()
    if (joined := _JOINER.sub("", value)).isascii():
        value = joined
    while len(value) > 1 and _PAIRS.get(value[0]) == value[-1]:
        value = value[1:-1]
    if _PLAIN_START.match(value):
        return value
    value = _MARK.sub(lambda match: _WORDS.get(match[1].lower(), match[1]), value)
    value = _HALF_MARK.sub("", value)
    value = _DOT.sub(".", value)
    return _SCHEME.sub(_plain_scheme, value)


def _plain_scheme(match: re.Match[str]) -> str:
    return ("ftp" if match[1][0] in "fF" else "http") + (match[2] or "").lower() + "://"


def _shape(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.ASCII)


_DISPLAYED = re.compile(r"[^<>@]{1,200}<[^<>@\s]{1,64}@[^<>@\s]{1,253}>")  # Name <user@example.com>
# The first that fits decides, so that the fault which is told is that of what was meant. The rest are names.
_SHAPES: tuple[tuple[re.Pattern[str], IndicatorKind, Callable[[str], str]], ...] = (
    (_shape(r"[@\uff20].*"), "user", screen_name),
    (_shape(r"[a-z][a-z0-9+.-]*://.*"), "url", url),
    (_shape(r"cve-.*"), "cve", cve),
    (_shape(r"[0-9a-f]{32,}"), "hash", digest),
    (_shape(r"asn?\s?[0-9]+(?:\s.*)?"), "asn", asn),
    (_shape(r"(?:[0-9.]+|[0-9a-f.]*:[0-9a-f:.]*)/[0-9]+"), "network", network),
    (_shape(r"(?:mailto:.*|[^/\s]+@.*)"), "email", email),
    (_DISPLAYED, "email", lambda value: email(value[value.rindex("<") + 1 : -1])),
    (_shape(r"[0-9]+(?:\.[0-9]+)+|\[[0-9a-f:.%]+\]|(?=[^:]*:[^:]*:)[0-9a-f:.]+(?:%.*)?"), "ip", ip_address),
)


def detect(raw: str) -> tuple[IndicatorKind, str]:
    """Return which kind a bare indicator is, refanged, and its canonical key. A user's has a leading @.

    Raises BadValue, its reason the fault of what it looks most like ("an empty label", "an impossible address", …);
    "not an indicator" when it looks like nothing.
    """
    if len(raw) > _LONGEST_INDICATOR:
        raise BadValue(TOO_LONG)
    value = refang(raw)
    if not value:
        raise BadValue(PLACEHOLDER)
    if _CONTROL.search(value):
        raise BadValue("a control character")
    for pattern, kind, canonical in _SHAPES:
        if pattern.fullmatch(value):
            return kind, canonical(value)
    try:
        return "domain", hostname(value)
    except BadValue as bad:
        raise BadValue("not an indicator" if bad.reason == NOT_A_NAME else bad.reason) from None
