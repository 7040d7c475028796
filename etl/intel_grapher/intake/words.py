"""One word of a text: an indicator, a value that can't be one (with the reason), or prose."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from intel_grapher import keys
from intel_grapher.errors import BadValue
from intel_grapher.intake.suffixes import EXTENSIONS, ambiguous, top_level
from intel_grapher.keys import IndicatorKind
from intel_grapher.keys.addresses import GREATEST_PORT

LONGEST = 4096  # characters of a word; a longer one is cut where it is listed
FILE_NAME = "a file name"
NETMASK = "a netmask or the broadcast address"
RANGE = "a range of addresses within a text"
AMBIGUOUS = "a file name or a domain; write it defanged or as a URL if it is a domain"
GLUED = "a name with a word of another script before it; write it apart"
CUT_OFF = "a value that may be cut off"
BESIDE = "a name beside other signs; write it apart if it is meant"


class Identified(NamedTuple):
    """An indicator: its kind and canonical key, and the port that the text puts after an address or a name, or 0."""

    kind: IndicatorKind
    key: str
    port: int = 0


class Unusable(NamedTuple):
    """Why a word that looks like a value is no indicator."""

    reason: str


def _shape(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.ASCII)


# What may stand before a value: "sha256:", "MD5 =", "ip:". Not a scheme: no slash follows.
_LABEL = _shape(
    r"(?:md5|sha-?(?:1|224|256|384|512)|hash|ssdeep|imphash|ip(?:v[46])?(?:-?(?:src|dst|addr(?:ess)?))?|dst|src|domain|"
    r"hostname|host|fqdn|dns|url|uri|link|e?-?mail|from|to|cve|asn?|c2|c&c|cnc|ioc|indicator|value|site|server)"
    r"\s*[:=]+\s*(?!//)(?=\S)"
)
_OPENING = "\"'`<([{\u00ab\u201c\u2018*\u2022\u2023\u25aa\u2013\u2014-\u2192>=|,;:!?+&#\u201e\u201a\u2039"
_CLOSING = "\"'`>)]}\u00bb\u201d\u2019*,;:!?|=&\u203a\u201c"
_URL = _shape(r"([a-z][a-z0-9+.-]*)://(.+)")
_WEB = frozenset({"http", "https", "ftp"})
_HEX = _shape(r"(?:0x)?([0-9a-f]{16,})")
_V4 = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_V4_PORT = _shape(rf"({_V4}):([0-9]{{1,5}})(?:/(?:tcp|udp))?")
_V6_PORT = _shape(r"(\[[0-9a-f:.]+\]):([0-9]{1,5})(?:/(?:tcp|udp))?")
_NAME_PORT = _shape(r"((?:[a-z0-9_-]+\.)+[a-z0-9-]{2,}):([0-9]{1,5})(?:/(?:tcp|udp))?")
_WITH_PATH = _shape(rf"(?:(?:[a-z0-9_-]+\.)+[a-z0-9-]{{2,}}|{_V4})(?::[0-9]{{1,5}})?[/?].*")
_NETMASK = _shape(rf"{_V4}/{_V4}")
_PARTLY_MASKED = _shape(r"(?:[0-9]{1,3}\.){1,3}(?:[x*]|xx|xxx)(?:\.[x*0-9]+)*")
_DOTTED = re.compile(r"[\w*-]+(?:\.[\w-]+)+\.?")
_ABBREVIATION = re.compile(r"(?:\w\.)+\w?\.?|\w+(?:\.\w)+\.?")  # e.g., i.e., U.S., a.k.a, v.s
_VERSION = _shape(r"v?[0-9]+(?:\.[0-9]+)+[a-z]?[0-9]*")
_MEMBER = re.compile(r"[a-z][a-z0-9]*(?:\.[a-zA-Z][a-zA-Z0-9]*)*\.[a-z]+[A-Z][a-zA-Z0-9]*")  # xmlhttp.onReadyState
# Letters of scripts that are written without spaces, or with endings at foreign words.
_WIDE = r"\u1100-\u11ff\u2e80-\u2fff\u3040-\u318f\u31a0-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
_WIDE_BEFORE = re.compile(rf"[{_WIDE}]+[A-Za-z0-9]")
_INSIDE_URL = re.compile(r"((?<![A-Za-z0-9])(?:h[tx]{2}ps?|ftp)://[^\s'\"<>`\u2018\u2019]+)", re.IGNORECASE)
_BESIDE = re.compile(rf"[()\[\]{{}}'`\u2018\u2019&=+~*{_WIDE}]+|:(?![0-9]{{1,5}}(?:[^0-9.]|\Z))")
_SIGN = _shape(r"[.@:]|[0-9a-f]{32}|cve-")  # no value is without one
_CODE_LIKE = re.compile(r"[A-Za-z0-9_\]][(\[{]|[=&+*:]")
_MAY_HOLD_VALUES = frozenset({"not an indicator", "not an e-mail address", "a single label"})
_CVE_LIKE = _shape(r"cve[-\u2010-\u2015 ]?[0-9].*")


_V6_START = _shape(r"::[0-9a-f]")
_V6_END = _shape(r"[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){1,6}::")
_MASKED_END = re.compile(r"[0-9]\.\*\Z")
_POSSESSIVE = re.compile(r"(?<=[A-Za-z0-9])['\u2019]s\Z")


def trimmed(word: str) -> str:
    """Return a word without the quotes, brackets and punctuation around it, "" where nothing else is in it.

    Brackets that are balanced inside of it stay.
    """
    while True:
        start = word[:1]
        if start == "[" and word.count("[") == word.count("]") and "]:" in word:
            break  # [2001:db8::1]:443
        if not start or start not in _OPENING or _V6_START.match(word):
            break
        word = word[1:]
    while word and (word[-1] in _CLOSING or (word[-1] == "." and not word.endswith("..."))):
        if _V6_END.fullmatch(word) or _MASKED_END.search(word):
            break
        if word[-1] == ")" and word.count("(") >= word.count(")"):
            break
        if word[-1] == "]" and word.count("[") >= word.count("]"):
            break
        word = word[:-1]
    for mark in ("_", "~~"):  # Markdown's
        word = word.removeprefix(mark).removesuffix(mark) if word.startswith(mark) and word.endswith(mark) else word
    word = word if "/" in word else _POSSESSIVE.sub("", word)  # in a path it may be the path's own
    return word if any(map(str.isalnum, word)) else ""


def classify(raw: str, *, is_value: bool = False) -> Identified | Unusable | None:
    """Return what a word is; None for prose.

    `is_value` says that its context leaves no doubt that a value is meant (a line of its own, a column of values, a
    defanged spelling). Then a name with an ambiguous last label counts as a name, and what looks like nothing is an
    `Unusable` with the reason of `keys.detect`.
    """
    word = keys.refang(raw)
    is_value = is_value or word not in raw  # it was defanged
    word = _LABEL.sub("", word, count=1) if _LABEL.match(word) else word
    if word[:1] == "." and _DOTTED.fullmatch(word[1:]):
        word = word[1:]  # .example.com and, without its mark, *.example.com: the name and all below it
    if word.endswith(("...", "\u2026")) and isinstance(classify(word.rstrip(".\u2026")), Identified):
        return Unusable(CUT_OFF)
    if len(word) > LONGEST:
        return Unusable("too long") if is_value or "://" in word else None
    for recognise in (_url, _plain, _with_port, _numeric, _name):
        found = recognise(word, is_value)
        if found is not None:
            return found
    return _detected(word) if is_value else None


def _detected(word: str) -> Identified | Unusable:
    try:
        return Identified(*keys.detect(word))
    except BadValue as bad:
        return Unusable(bad.reason)


def _url(word: str, is_value: bool) -> Identified | Unusable | None:  # noqa: ARG001, FBT001 - one signature for all
    """Return an http, https or ftp URL; of another scheme, the host."""
    match = _URL.fullmatch(word)
    if match is None:
        return None
    if match[1].lower() in _WEB:
        found = _detected(word)
        last = (keys.host_of(word) or "").rpartition(".")[2]
        if not word.isascii() and last.startswith("xn--") and last not in top_level():
            return Unusable("a URL whose host has no top-level domain")
        return found
    return _host(re.split(r"[/?#\\]", match[2].rpartition("@")[2] or match[2], maxsplit=1)[0], match[1])


def _host(authority: str, scheme: str) -> Identified | Unusable:
    """Return the host of a URL whose scheme is no URL of the graph's."""
    found = _with_port(authority, True) or _detected(authority.strip("[]"))  # noqa: FBT003 - see above
    if isinstance(found, Identified) and found.kind in {"ip", "domain"}:
        return found
    return Unusable(f"a scheme other than http, https, ftp ({scheme.lower()}), and no host in it")


def _plain(word: str, is_value: bool) -> Identified | Unusable | None:  # noqa: FBT001, PLR0911 - one signature for all; one kind a return
    """Return what a word's first characters say: a user, a CVE, an AS number, an e-mail address, a digest."""
    if word[:1] in {"@", "\uff20"} and len(word) > 1:
        return _detected(word)
    if _CVE_LIKE.match(word):
        return _detected(re.sub("[\u2010-\u2015 ]", "-", word))
    if re.fullmatch(r"(?i:asn?) ?[0-9]{1,10}", word):
        return _detected(word)
    if "@" in word and "/" not in word and "." in word.rpartition("@")[2]:
        return _detected(word)
    if match := _HEX.fullmatch(word):
        digits = match[1]
        try:
            return Identified("hash", keys.digest(digits))
        except BadValue:
            long = len(digits) >= 32 or is_value  # noqa: PLR2004 - an MD5 digest's
            return Unusable(f"{len(digits)} hex digits, which no digest has") if long else None
    return None


def _with_port(word: str, is_value: bool) -> Identified | Unusable | None:  # noqa: ARG001, FBT001 - one signature for all
    """Return an address or a name with a port."""
    for pattern in (_V4_PORT, _V6_PORT, _NAME_PORT):
        if match := pattern.fullmatch(word):
            number = int(match[2])
            if pattern is _NAME_PORT and match[1].rpartition(".")[2].lower() not in top_level():
                return None  # main.py:42
            if not 0 < number <= GREATEST_PORT:
                return Unusable("an impossible port")
            found = _detected(match[1].strip("[]"))
            return found._replace(port=number) if isinstance(found, Identified) else found
    return None


def _numeric(word: str, is_value: bool) -> Identified | Unusable | None:  # noqa: FBT001, PLR0911 - one signature for all; reasons
    """Return an address or a network."""
    if _PARTLY_MASKED.fullmatch(word):
        return Unusable("an address with a part left out")
    if _NETMASK.fullmatch(word):
        return _masked(word)
    if re.fullmatch(rf"{_V4}[-\u2013](?:{_V4}|[0-9]{{1,3}})", word):
        return Unusable(RANGE)
    if word.startswith(("255.", "0.")) and word.count(".") == 3 and not is_value:  # noqa: PLR2004 - an IPv4 address's
        return Unusable(NETMASK)
    if re.fullmatch(rf"{_V4}(?:/[0-9]{{1,2}})?", word):
        return _detected(word.removesuffix("/32"))
    if ":" in word and re.fullmatch(
        r"\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?(?:%\w+)?(?:/[0-9]{1,3})?", word
    ):
        looks = is_value or "::" in word or word.count(":") == 7  # noqa: PLR2004 - an address in full; 12:30:45 is a time
        return _detected(word) if looks else None
    if _VERSION.fullmatch(word):
        return _detected(word) if is_value else None
    return None


def _masked(word: str) -> Identified | Unusable:
    """Return the network of an address and its mask, 192.0.2.0/255.255.255.0."""
    try:
        return _detected(str(ipaddress.ip_network(word, strict=False)).removesuffix("/32"))
    except ValueError:
        return Unusable("an impossible network")


def _name(word: str, is_value: bool) -> Identified | Unusable | None:  # noqa: FBT001, PLR0911 - one signature for all; reasons
    """Return a DNS name, or a URL whose scheme was left out."""
    if _WITH_PATH.fullmatch(word):
        last = re.split(r"[:/?]", word, maxsplit=1)[0].rpartition(".")[2].lower()
        if last.isdigit() or (last in top_level() and (is_value or not ambiguous(last))):
            return _detected(f"http://{word}")
        return Unusable("a URL without its scheme, and its host has no top-level domain") if is_value else None
    if not _DOTTED.fullmatch(word) or (_ABBREVIATION.fullmatch(word) and not is_value):
        return None
    last = word.rstrip(".").rpartition(".")[2].lower()
    if ambiguous(last) and not is_value and not word.lower().startswith("www."):
        return Unusable(AMBIGUOUS)
    if not is_value and _WIDE_BEFORE.match(word):
        return Unusable(GLUED) if last in top_level() else None
    if last in top_level() and not (_MEMBER.fullmatch(word) and not is_value):
        return _detected(word)
    if last in EXTENSIONS:
        return Unusable(FILE_NAME)
    return Unusable(f"{last} is no top-level domain") if is_value else None


def glued(raw: str, found: Unusable | None) -> list[str] | Unusable | None:
    """Return the parts of a word that is no value itself, where some are: beside brackets, quotes, another script.

    Names beside signs that programs use as well are unusable: there is no telling. `found` is what the whole word is,
    and what is returned where no part is a value.
    """
    if found is not None and not (found.reason in _MAY_HOLD_VALUES or found.reason.endswith("top-level domain")):
        return found
    if not _SIGN.search(raw) or not (_BESIDE.search(raw) or _INSIDE_URL.search(raw)):
        return found
    word = keys.refang(raw)
    parts: list[str] = []
    for part in _INSIDE_URL.split(word):
        inside = [part] if _INSIDE_URL.fullmatch(part) else _BESIDE.split(part)
        parts += filter(None, map(trimmed, inside))
    kinds = {each.kind for each in map(classify, parts) if isinstance(each, Identified)} if parts != [word] else set()
    if kinds == {"domain"} and word in raw and _CODE_LIKE.search(word):
        return Unusable(BESIDE)
    return parts if kinds else found
