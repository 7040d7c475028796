"""One canonical form for every key and text of the graph, and the kind of a bare indicator.

Every function takes any string, returns the canonical one, and raises nothing but BadValue, whose reason is one of a
few fixed phrases. All are idempotent: a canonical form is its own canonical form. A value that is canonical already,
as most are, takes the short way at a function's beginning.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal

import idna
from publicsuffixlist import PublicSuffixList

from etl.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Callable

PLACEHOLDER = "placeholder"
TOO_LONG = "too long"
NOT_A_NAME = "not a DNS name"
IMPOSSIBLE_ADDRESS = "an impossible address"

# What services send where they have nothing to say, in lower case.
_PLACEHOLDERS = frozenset(
    {"", "-", "--", ".", "n/a", "none", "null", "nil", "unknown", "undefined", "unavailable", "not available"}
    | {"redacted", "redacted for privacy", "data redacted"}
)

# --- DNS names --------------------------------------------------------------------------------------------------------

_LONGEST_LABEL = 63
_LONGEST_NAME = 253
_KEPT_REGISTRABLE = 65_536  # names; some 15 MB when full

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
# A name whose length alone (at most 63) says that no label is too long; all names in practice end in a letter's label.
_PLAIN_NAME = r"(?:[a-z0-9_]++(?:-++[a-z0-9_]++)*+\.)++[a-z][a-z0-9-]*[a-z0-9]"
_PLAIN = re.compile(_PLAIN_NAME)
# The last label is no number (decimal or hex): browsers and resolvers read such a name as an IPv4 address.
_NAME = re.compile(rf"(?:{_LABEL}\.)+(?!(?:[0-9]+|0x[0-9a-f]*)\Z){_LABEL}")
_NAME_FAULTS = (
    ("a wildcard", re.compile(r"\*\.")),
    ("a URL, not a name", re.compile(r"[a-z0-9+.-]+://")),
    ("an e-mail address, not a name", re.compile(r"[^/]*@")),
    ("percent-escapes", re.compile(r".*%[0-9a-f]{2}", re.DOTALL)),
    ("a single label", re.compile(r"[a-z0-9_][a-z0-9_-]*\Z")),
    ("an empty label", re.compile(r"(?=\.|.*\.(?:\.|\Z))[^\s/:]+\Z")),
    (IMPOSSIBLE_ADDRESS, re.compile(rf"(?:{_LABEL}\.)+(?:[0-9]+|0x[0-9a-f]*)\Z")),
    ("a port after the host", re.compile(r"(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\]):[0-9]+\Z")),
    ("a URL without its scheme", re.compile(rf"(?:{_LABEL}\.)+{_LABEL}(?::[0-9]+)?[/?#]")),
    (TOO_LONG, re.compile(r"(?=.{254}|.*[a-z0-9_-]{64})[a-z0-9_.-]+\Z")),
)


def hostname(raw: str) -> str:
    """Return a DNS name in lower case and A-label form (IDNA 2008 after UTS 46), without its final dot.

    Underscores are kept, and so is a label that is an A-label already. Raises BadValue: "placeholder", "a wildcard",
    "an IP address, not a name", "an impossible address" (it ends in a number), "an e-mail address, not a name", "a URL,
    not a name", "a URL without its scheme", "a port after the host", "a single label", "an empty label",
    "percent-escapes", "too long" or "not a DNS name".
    """
    if len(raw) <= _LONGEST_LABEL and _PLAIN.fullmatch(raw):
        return raw
    name = raw.strip()
    name = (name.lower() if name.isascii() else _a_labels(name)).removesuffix(".")
    if len(name) <= _LONGEST_NAME and _NAME.fullmatch(name):
        return name
    raise BadValue(_name_fault(name))


def _a_labels(name: str) -> str:
    """Return the name with its non-ASCII labels as A-labels, or unchanged where IDNA has none for it."""
    try:
        mapped = idna.uts46_remap(name, std3_rules=False)
        # Label by label, because IDNA would refuse the underscores of the ASCII ones.
        return ".".join(each if each.isascii() else idna.alabel(each).decode() for each in mapped.split("."))
    except UnicodeError:
        return name


def _name_fault(name: str) -> str:
    """Return why this is no DNS name."""
    try:
        ip_address(name)
    except BadValue as bad:
        if bad.reason != _NOT_AN_ADDRESS:
            return bad.reason
    else:
        return "an IP address, not a name"
    return next((reason for reason, pattern in _NAME_FAULTS if pattern.match(name)), NOT_A_NAME)


@cache
def _suffixes() -> PublicSuffixList:
    """Return the Public Suffix List as it was packaged, ICANN's and the private section; never downloaded."""
    return PublicSuffixList()


@lru_cache(_KEPT_REGISTRABLE)
def registrable(name: str) -> str:
    """Return the registrable domain that a canonical name is, or lies beneath. An unknown TLD is a public suffix.

    Raises BadValue("a public suffix") for a name that has none, such as co.uk or github.io.
    """
    found = _suffixes().privatesuffix(name)
    if found is None:
        raise BadValue("a public suffix")
    return found


def is_registrable(name: str) -> bool:
    """Tell whether a canonical name is registrable itself: then it is a Domain, else a SubDomain."""
    try:
        return registrable(name) == name
    except BadValue:
        return False


def domain(raw: str) -> str:
    """Return the canonical name if it is registrable; else BadValue, as hostname's or "a sub-domain"."""
    name = hostname(raw)
    if not is_registrable(name):
        raise BadValue("a sub-domain")
    return name


def subdomain(raw: str) -> str:
    """Return the canonical name if it is not registrable; else BadValue, as hostname's or "a registrable name"."""
    name = hostname(raw)
    if is_registrable(name):
        raise BadValue("a registrable name")
    return name


# --- addresses, networks, autonomous systems, services ----------------------------------------------------------------

_NOT_AN_ADDRESS = "not an IP address"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}")
_LIKE_AN_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+)+|(?=[^:]*:[^:]*:)[0-9A-Fa-f:.]+")
_NETWORK = re.compile(r"([0-9A-Fa-f:.]+)/([0-9]{1,3})")
_MAPPED_BITS = 96  # ::ffff:0:0/96 holds IPv4
_ASN = re.compile(r"(?:ASN?\s*([0-9]{1,10})(?:\s.*)?|([0-9]{1,10}))", re.IGNORECASE | re.ASCII | re.DOTALL)
_NO_ASN = frozenset({"na", "as", "asn", "asnone", "asna", "as-"}) | _PLACEHOLDERS
_GREATEST_ASN = 2**32 - 1
_SERVICE = re.compile(r"(.+):([0-9]{1,5})/(tcp|udp)", re.IGNORECASE | re.ASCII)
_GREATEST_PORT = 65_535


def ip_address(raw: str) -> str:
    """Return IPv4 dotted, or IPv6 compressed (RFC 5952) without brackets; an IPv4-mapped IPv6 address as IPv4.

    Raises BadValue: "placeholder" ("-", "0.0.0.0", "::", …), "an impossible address" (66.0.543.66, leading zeros) or
    "not an IP address" (one with a zone, too: it means nothing elsewhere).
    """
    if _IPV4.fullmatch(raw) and raw != "0.0.0.0":  # noqa: S104 - refused, not bound
        return raw
    value = raw.strip()
    if ":" in value:
        if value[0] == "[" and value[-1] == "]":
            value = value[1:-1]
        address = _ipv6(value)
    elif _IPV4.fullmatch(value):
        address = ipaddress.IPv4Address(value)
    elif value.lower() in _PLACEHOLDERS:
        raise BadValue(PLACEHOLDER)
    else:
        raise BadValue(IMPOSSIBLE_ADDRESS if _LIKE_AN_ADDRESS.fullmatch(value) else _NOT_AN_ADDRESS)
    if address.is_unspecified:
        raise BadValue(PLACEHOLDER)
    return str(address)


def _ipv6(value: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if "%" in value:
        raise BadValue(_NOT_AN_ADDRESS)
    try:
        address = ipaddress.IPv6Address(value)
    except ValueError:
        raise BadValue(IMPOSSIBLE_ADDRESS if _LIKE_AN_ADDRESS.fullmatch(value) else _NOT_AN_ADDRESS) from None
    return address.ipv4_mapped or address


def network(raw: str) -> str:
    """Return a CIDR block, its address the network's own, IPv6 compressed, an IPv4-mapped one as IPv4.

    Raises BadValue: "placeholder" (the whole address space, too), "an impossible network" or "not a network".
    """
    value = raw.strip()
    if value.lower() in _PLACEHOLDERS:
        raise BadValue(PLACEHOLDER)
    match = _NETWORK.fullmatch(value)
    if match is None:
        raise BadValue("not a network")
    try:
        block = ipaddress.ip_network(f"{match[1]}/{int(match[2])}", strict=False)
        mapped = block.network_address.ipv4_mapped if isinstance(block, ipaddress.IPv6Network) else None
        if mapped is not None and block.prefixlen >= _MAPPED_BITS:
            block = ipaddress.IPv4Network((int(mapped), block.prefixlen - _MAPPED_BITS))
    except ValueError:
        raise BadValue("an impossible network") from None
    if block.prefixlen == 0:
        raise BadValue(PLACEHOLDER)
    return str(block)


def asn(raw: str) -> str:
    """Return "AS20473" of "AS20473 name", "as20473", "ASN20473" or "20473".

    Raises BadValue: "placeholder" ("ASNone ", "AS0", "NA", …) or "not an AS number".
    """
    value = raw.strip()
    match = _ASN.fullmatch(value)
    if match is None:
        raise BadValue(PLACEHOLDER if value.lower() in _NO_ASN else "not an AS number")
    number = int(match[1] or match[2])
    if number == 0:
        raise BadValue(PLACEHOLDER)
    if number > _GREATEST_ASN:
        raise BadValue("not an AS number")
    return f"AS{number}"


def service(raw: str) -> str:
    """Return "192.0.2.1:443/tcp" or "[2001:db8::1]:443/tcp". What follows the last colon is the port, always.

    Raises BadValue: ip_address's, "an impossible port" or "not a service".
    """
    match = _SERVICE.fullmatch(raw.strip())
    if match is None:
        raise BadValue("not a service")
    return f"{_bracketed(ip_address(match[1]))}:{_port(match[2])}/{match[3].lower()}"


def service_port(value: str) -> int:
    """Return the port of a canonical service."""
    return int(value[value.rindex(":") + 1 : value.rindex("/")])


def service_transport(value: str) -> str:
    """Return the transport of a canonical service: tcp or udp."""
    return value[value.rindex("/") + 1 :]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _port(digits: str) -> int:
    number = int(digits)
    if not 0 < number <= _GREATEST_PORT:
        raise BadValue("an impossible port")
    return number


# --- e-mail addresses, Twitter names, digests, identifiers ------------------------------------------------------------

_NOT_AN_EMAIL = "not an e-mail address"
_LOCAL_PART = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]++(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]++)*")
_LONGEST_LOCAL_PART = 64
_SCREEN_NAME = re.compile(r"[a-z0-9_]{1,20}")
_HEX = re.compile(r"[0-9a-f]+")
_SHA256 = 64  # hex digits
_NUMBER = re.compile(r"0|[1-9][0-9]{0,38}")
_CERTIFICATE = re.compile(r"[a-z][a-z0-9_]{0,31}:[0-9]{1,38}")
_SERVICE_ID = re.compile(r"(?!https?:|ftp:)[a-z][a-z0-9_]{0,63}:(?!//)[A-Za-z0-9._~-]{1,255}")
_ALGORITHMS = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}  # by hex digits
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_ATTACK_ID = re.compile(r"T[0-9]{4}(?:\.[0-9]{3})?|TA[0-9]{4}|[SGM][0-9]{4}")


def email(raw: str) -> str:
    """Return local@domain in lower case, the domain canonical; a leading "mailto:" (and its "?…") is dropped.

    RFC 5321 leaves the local part's case to the receiver, yet no large one tells them apart, services disagree on how
    they spell it, and two spellings must meet in one node. Quoted and non-ASCII local parts are refused.
    Raises BadValue: "placeholder", "not an e-mail address", or hostname's for the domain.
    """
    value = raw.strip()
    if value[:7].lower() == "mailto:":
        value = value[7:].partition("?")[0]
    local, _, host = value.rpartition("@")
    local = local.lower() if local.isascii() else ""
    if not host or len(local) > _LONGEST_LOCAL_PART or not _LOCAL_PART.fullmatch(local):
        raise BadValue(PLACEHOLDER if value.lower() in _PLACEHOLDERS else _NOT_AN_EMAIL)
    return f"{local}@{hostname(host)}"


def screen_name(raw: str) -> str:
    """Return a Twitter name in lower case without its @: 1 to 15 of a-z, 0-9 and _, and up to 20 for accounts of old.

    Raises BadValue: "placeholder" or "not a Twitter name". Words such as null are names that people do have.
    """
    if _SCREEN_NAME.fullmatch(raw):
        return raw
    name = raw.strip()
    if name[:1] in {"@", "\uff20"}:  # the full-width one, too
        name = name[1:]
    name = name.lower() if name.isascii() else ""
    if not _SCREEN_NAME.fullmatch(name):
        raise BadValue(PLACEHOLDER if raw.strip() in {"", "-"} else "not a Twitter name")
    return name


def digest(raw: str) -> str:
    """Return a file's digest in lower case hex; an empty file's is one, too.

    Raises BadValue: "placeholder" or "not a hash" (the length is that of no algorithm, or there is more than hex).
    """
    if len(raw) in _ALGORITHMS and _HEX.fullmatch(raw):
        return raw
    value = raw.strip()
    value = value.lower() if value.isascii() else ""
    if len(value) not in _ALGORITHMS or not _HEX.fullmatch(value):
        raise BadValue(PLACEHOLDER if raw.strip().lower() in _PLACEHOLDERS else "not a hash")
    return value


def digest_algorithm(value: str) -> str:
    """Return which algorithm a digest's length tells: md5, sha1, sha224, sha256, sha384 or sha512."""
    return _ALGORITHMS[len(digest(value))]


def number(raw: str) -> str:
    """Return a service's decimal number as it is told (a tweet's): kept as text, since many are beyond 2^53."""
    return _identifier(raw, _NUMBER, "not a number")


def certificate(raw: str) -> str:
    """Return what a certificate is known by: its SHA-256 fingerprint in lower case hex, or `log:number`."""
    value = raw.strip()
    if _CERTIFICATE.fullmatch(value):
        return value
    value = value.replace(":", "").lower()
    if len(value) == _SHA256 and _HEX.fullmatch(value):
        return value
    raise BadValue(PLACEHOLDER if value in _PLACEHOLDERS else "not a certificate's fingerprint or number")


def cve(raw: str) -> str:
    """Return a CVE number such as CVE-2021-44228, in upper case; else BadValue: "placeholder", "not a CVE number"."""
    return _identifier(raw, _CVE, "not a CVE number")


def attack_id(raw: str) -> str:
    """Return an ATT&CK id of a tactic, technique, software, group or mitigation, in upper case.

    Raises BadValue: "placeholder" or "not an ATT&CK id".
    """
    return _identifier(raw, _ATTACK_ID, "not an ATT&CK id")


def _identifier(raw: str, pattern: re.Pattern[str], reason: str) -> str:
    if pattern.fullmatch(raw):
        return raw
    value = raw.strip()
    value = value.upper() if value.isascii() else ""
    if not pattern.fullmatch(value):
        raise BadValue(PLACEHOLDER if raw.strip().lower() in _PLACEHOLDERS else reason)
    return value


# --- URLs -------------------------------------------------------------------------------------------------------------

_LONGEST_URL = 4000
_NOT_A_URL = "not a URL"
_DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21}
_PLAIN_URL = re.compile(
    rf"https?://(?=[^/]{{4,63}}/){_PLAIN_NAME}/[A-Za-z0-9._~!$&'()*+,;=:@/-]*+(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?-]*+)?"
)
# Controls and lone surrogates match nowhere; the authority has no white space and no backslash.
_URL = re.compile(
    r"((?ai:https?|ftp))://([^\s/?#\\\x00-\x1f\x7f\ud800-\udfff]*)"
    r"(/[^?#\x00-\x1f\x7f\ud800-\udfff]*)?(\?[^#\x00-\x1f\x7f\ud800-\udfff]*)?(?:#[^\x00-\x1f\x7f\ud800-\udfff]*)?"
)
_OTHER_SCHEME = re.compile(
    r"(?!https?:|ftp:)(?:[a-z][a-z0-9+.-]*://|(?:about|data|javascript|mailto):)", re.IGNORECASE | re.ASCII
)
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]{0,5}))?")
_TO_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})|[^A-Za-z0-9._~!$&'()*+,;=:@/?-]")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def url(raw: str) -> str:
    """Return an http, https or ftp URL, normalised (RFC 3986, 6.2).

    The host is canonical, the default port dropped, dot segments are resolved, escapes in upper case and only where
    needed, what may not stand there (spaces, non-ASCII) is escaped. The fragment is dropped, for no server sees it, and
    so is a user's name and password: credentials are not kept. Raises BadValue: "placeholder", "too long" (more than
    4,000 characters), "a scheme other than http, https, ftp", "an impossible port", "not a URL", or the host's fault.
    """
    if len(raw) <= _LONGEST_URL and "/." not in raw and _PLAIN_URL.fullmatch(raw):
        return raw
    value = raw.strip()
    if len(value) > _LONGEST_URL:
        raise BadValue(TOO_LONG)
    match = _URL.fullmatch(value)
    if match is None:
        raise BadValue(_url_fault(value))
    scheme = match[1].lower()
    place = _AUTHORITY.fullmatch(match[2].rpartition("@")[2])
    if place is None or not place[1]:
        raise BadValue(_NOT_A_URL)
    port = _port(place[2]) if place[2] else _DEFAULT_PORTS[scheme]
    where = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
    path = _without_dots(_TO_ESCAPE.sub(_escaped, match[3] or "/"))
    query = _TO_ESCAPE.sub(_escaped, match[4] or "")
    whole = f"{scheme}://{_url_host(place[1])}{where}{path}{query}"
    if len(whole) > _LONGEST_URL:
        raise BadValue(TOO_LONG)
    return whole


def _url_fault(value: str) -> str:
    if value.lower() in _PLACEHOLDERS:
        return PLACEHOLDER
    return "a scheme other than http, https, ftp" if _OTHER_SCHEME.match(value) else _NOT_A_URL


def _url_host(host: str) -> str:
    return _bracketed(ip_address(host)) if host[0] == "[" or _IPV4.fullmatch(host) else hostname(host)


def _escaped(match: re.Match[str]) -> str:
    """Return an escape as it must be written, or the escape of a character that needs one."""
    if match[1] is None:
        return "".join(f"%{byte:02X}" for byte in match[0].encode())
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _without_dots(path: str) -> str:
    """Return an absolute path without its segments "." and ".." (RFC 3986, 5.2.4)."""
    segments = path.split("/")[1:]
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            kept[-1:] = []
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")  # they name a folder: its slash stays
    return "/" + "/".join(kept)


# --- texts ------------------------------------------------------------------------------------------------------------

_LONGEST_NAME_TEXT = 500
_LONGEST_TEXT = 65_536
_LONGEST_HASHTAG = 280
# Controls, lone surrogates, and what shows nothing or turns the direction of writing.
_UNSEEN = "\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069"
_NOT_IN_A_NAME = re.compile(rf"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff{_UNSEEN}]+")
_NOT_IN_A_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]+")
_NOT_IN_A_HASHTAG = re.compile(rf"[\s#\uff03\x00-\x1f\x7f-\x9f\ud800-\udfff{_UNSEEN}]")


def hashtag(raw: str) -> str:
    """Return a hashtag without its #, case folded, NFC.

    Raises BadValue: "placeholder" (nothing after the #) or "not a hashtag" (white space, controls, another # in it).
    """
    tag = raw.strip()
    if tag[:1] in {"#", "\uff03"}:
        tag = tag[1:]
    if not tag:
        raise BadValue(PLACEHOLDER)
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", tag).casefold())
    if len(folded) > _LONGEST_HASHTAG or _NOT_IN_A_HASHTAG.search(folded):
        raise BadValue("not a hashtag")
    return folded


def name_text(raw: str) -> str:
    """Return a name (of malware, an organisation, …) as it is spelt: NFC, single spaces, no controls, case kept.

    Raises BadValue: "placeholder" or "too long" (more than 500 characters: cut, two names could become one).
    """
    if raw.isascii() and raw.isprintable():
        name = " ".join(raw.split()) if "  " in raw else raw.strip()
    else:
        name = " ".join(unicodedata.normalize("NFC", _NOT_IN_A_NAME.sub("", raw)).split())
    if len(name) > _LONGEST_NAME_TEXT:
        raise BadValue(TOO_LONG)
    if (folded := name.lower()) in _PLACEHOLDERS or folded == "error scanning file":
        raise BadValue(PLACEHOLDER)
    return name


def list_item(raw: str) -> str:
    """Return a name as an item of a list: like name_text, with "," for ";", which parts the items in CSV."""
    return name_text(raw).replace(";", ",")


def text(raw: str) -> str:
    r"""Return free text: NFC, lines ended by \n, without controls but \n and \t, cut to 65,536 characters."""
    if not (raw.isascii() and raw.isprintable()):
        raw = raw.replace("\r\n", "\n").replace("\r", "\n")
        raw = unicodedata.normalize("NFC", _NOT_IN_A_TEXT.sub("", raw))
    return raw[:_LONGEST_TEXT]


def reference(raw: str) -> str:
    """Return what a report is known by: its URL, normalised, or its service and its id there, `service:id`."""
    value = raw.strip()
    if _SERVICE_ID.fullmatch(value):
        return value
    return url(value)


# --- what an analyst types --------------------------------------------------------------------------------------------

IndicatorKind = Literal["ip", "domain", "email", "hash", "user", "url", "cve", "asn", "network"]

_LONGEST_INDICATOR = _LONGEST_URL
_PAIRS = {'"': '"', "'": "'", "`": "`", "<": ">", "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u2060\ufeff\u202a-\u202e\u2066-\u2069]")
_JOINER = re.compile("[\u200c\u200d]")  # these two have a meaning in some scripts
# The scheme and the host are as they should be, so that brackets in the path are the path's own.
_PLAIN_START = re.compile(
    r"(?:https?|ftp)://(?:[^\s/?#\\()\[\]{}]+|\[[0-9a-f:.]+\](?::[0-9]*)?)(?:[/?#]|\Z)", re.IGNORECASE | re.ASCII
)
_MARK = re.compile(r"[\[({]{1,3}\s{0,3}(\.|://|:/|//|:|/|@|dot|at)\s{0,3}[\])}]{1,3}", re.IGNORECASE | re.ASCII)
_WORDS = {"dot": ".", "at": "@"}
_DOT = re.compile(r"\\+\.|\s{1,3}dot\s{1,3}", re.IGNORECASE | re.ASCII)
_SCHEME = re.compile(r"\A(h[tx*_z]{2}p|meow|f[tx]p)(s?)(?:://|:\\\\)", re.IGNORECASE | re.ASCII)


def refang(raw: str) -> str:
    r"""Return an indicator as it was before someone defanged it, or quoted it; nothing is checked.

    `hxxp`, `meow`, `fxp`; `[.]`, `(dot)`, ` dot `, `\.`; `[:]`, `[://]`; `[at]`; quotes and angle brackets around it;
    commas and semicolons after it; invisible characters in it. The path of a URL whose host is plain is left alone.
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
    value = _DOT.sub(".", value)
    return _SCHEME.sub(lambda match: ("ftp" if match[1][0] in "fF" else "http") + match[2].lower() + "://", value)


def _shape(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.ASCII)


# The first that fits decides, so that the fault which is told is that of what was meant. The rest are names.
_SHAPES: tuple[tuple[re.Pattern[str], IndicatorKind, Callable[[str], str]], ...] = (
    (_shape(r"[@\uff20].*"), "user", screen_name),
    (_shape(r"[a-z][a-z0-9+.-]*://.*"), "url", url),
    (_shape(r"cve-.*"), "cve", cve),
    (_shape(r"[0-9a-f]{32,}"), "hash", digest),
    (_shape(r"asn?\s?[0-9]+(?:\s.*)?"), "asn", asn),
    (_shape(r"(?:[0-9.]+|[0-9a-f.]*:[0-9a-f:.]*)/[0-9]+"), "network", network),
    (_shape(r"(?:mailto:.*|[^/\s]+@.*)"), "email", email),
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
