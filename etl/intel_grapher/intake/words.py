"""One word of a text: an indicator, a value that can't be one (with the reason), or prose."""

from __future__ import annotations

import re
from typing import NamedTuple

from intel_grapher import keys
from intel_grapher.errors import BadValue
from intel_grapher.intake.suffixes import EXTENSIONS, ambiguous, top_level
from intel_grapher.keys import IndicatorKind

LONGEST = 4096  # characters of a word; a longer one is cut where it is listed
FILE_NAME = "a file name"
NETMASK = "a netmask or the broadcast address"
RANGE = "a range of addresses within a text"
AMBIGUOUS = "a file name or a domain; write it defanged or as a URL if it is a domain"


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
_PARTLY_MASKED = _shape(r"(?:[0-9]{1,3}\.){1,3}(?:[x*]|xx|xxx)(?:\.[x*0-9]+)*")
_DOTTED = re.compile(r"[\w*-]+(?:\.[\w-]+)+\.?")
_ABBREVIATION = re.compile(r"(?:\w\.)+\w?\.?|\w+(?:\.\w)+\.?")  # e.g., i.e., U.S., a.k.a, v.s
_VERSION = _shape(r"v?[0-9]+(?:\.[0-9]+)+[a-z]?[0-9]*")
_MEMBER = re.compile(r"[a-z][a-z0-9]*(?:\.[a-zA-Z][a-zA-Z0-9]*)*\.[a-z]+[A-Z][a-zA-Z0-9]*")  # xmlhttp.onReadyState
_CVE_LIKE = _shape(r"cve[-\u2010-\u2015 ]?[0-9].*")


def trimmed(word: str) -> str:
    """Return a word without the quotes, brackets and punctuation around it, "" where nothing else is in it.

    Brackets that are balanced inside of it stay.
    """
    while True:
        start = word[:1]
        if start == "[" and word.count("[") == word.count("]") and "]:" in word:
            break  # [2001:db8::1]:443
        if not start or start not in _OPENING:
            break
        word = word[1:]
    while word and (word[-1] in _CLOSING or (word[-1] == "." and not word.endswith("..."))):
        if word[-1] == ")" and word.count("(") >= word.count(")"):
            break
        if word[-1] == "]" and word.count("[") >= word.count("]"):
            break
        word = word[:-1]
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
        return _detected(word)
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
            if not 0 < number <= 65_535:  # noqa: PLR2004 - the greatest port
                return Unusable("an impossible port")
            found = _detected(match[1].strip("[]"))
            return found._replace(port=number) if isinstance(found, Identified) else found
    return None


def _numeric(word: str, is_value: bool) -> Identified | Unusable | None:  # noqa: FBT001, PLR0911 - one signature for all; reasons
    """Return an address or a network."""
    if _PARTLY_MASKED.fullmatch(word):
        return Unusable("an address with a part left out")
    if re.fullmatch(rf"{_V4}[-\u2013]{_V4}", word):
        return Unusable(RANGE)
    if word.startswith("255.") and not is_value:
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
    known = last in top_level() or (not last.isascii() and not last.isdigit())
    if known and not (_MEMBER.fullmatch(word) and not is_value):
        return _detected(word)
    if last in EXTENSIONS:
        return Unusable(FILE_NAME)
    return Unusable(f"{last} is no top-level domain") if is_value else None
