"""URLs, normalised."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from urllib.parse import urlsplit

from intel_grapher.errors import BadValue
from intel_grapher.keys.addresses import IPV4, bracketed, ip_address, port
from intel_grapher.keys.looks import looks
from intel_grapher.keys.names import PLAIN_NAME, hostname
from intel_grapher.keys.words import PLACEHOLDER, PLACEHOLDERS, TOO_LONG

LONGEST_URL = 4000
_NOT_A_URL = "not a URL"
_DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21}
_PLAIN_URL = re.compile(
    rf"https?://(?=[^/]{{4,63}}/){PLAIN_NAME}/[A-Za-z0-9._~!$&'()*+,;=:@/-]*+(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?-]*+)?"
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


_NUMBER = re.compile(r"0x[0-9a-f]{1,8}|[1-9][0-9]{7,9}", re.IGNORECASE | re.ASCII)
_GREATEST_ADDRESS = 2**32 - 1


def url(raw: str) -> str:
    """Return an http, https or ftp URL, normalised (RFC 3986, 6.2).

    The host is canonical, the default port dropped, dot segments are resolved, escapes in upper case and only where
    needed, what may not stand there (spaces, non-ASCII) is escaped. The fragment is dropped, for no server sees it, and
    so is a user's name and password: credentials are not kept. Raises BadValue: "placeholder", "too long" (more than
    4,000 characters), "a scheme other than http, https, ftp", "an impossible port", "not a URL", or the host's fault.
    """
    if is_plain_url(raw):
        return raw
    value = raw.strip()
    if len(value) > LONGEST_URL:
        raise BadValue(TOO_LONG)
    match = _URL.fullmatch(value)
    if match is None:
        raise BadValue(_url_fault(value))
    scheme = match[1].lower()
    place = _AUTHORITY.fullmatch(match[2].rpartition("@")[2])
    if place is None or not place[1]:
        raise BadValue(_NOT_A_URL)
    number = port(place[2]) if place[2] else _DEFAULT_PORTS[scheme]
    where = "" if number == _DEFAULT_PORTS[scheme] else f":{number}"
    path = _without_dots(_TO_ESCAPE.sub(_escaped, match[3] or "/"))
    query = _TO_ESCAPE.sub(_escaped, match[4] or "")
    whole = f"{scheme}://{_url_host(place[1])}{where}{path}{query}"
    if len(whole) > LONGEST_URL:
        raise BadValue(TOO_LONG)
    return whole


def host_of(raw: str) -> str | None:
    """Return the host that a URL lies on; None for what is no URL."""
    with suppress(BadValue):
        return urlsplit(url(raw)).hostname or ""
    return None


def is_plain_url(raw: str) -> bool:
    """Tell whether a URL is canonical at a glance, as most are; False decides nothing."""
    return len(raw) <= LONGEST_URL and "/." not in raw and _PLAIN_URL.fullmatch(raw) is not None


def _url_fault(value: str) -> str:
    if value.lower() in PLACEHOLDERS:
        return PLACEHOLDER
    return looks(value, "url", "a scheme other than http, https, ftp" if _OTHER_SCHEME.match(value) else _NOT_A_URL)


def _url_host(host: str) -> str:
    if _NUMBER.fullmatch(host) and int(host, 0) <= _GREATEST_ADDRESS:
        return ip_address(str(ipaddress.IPv4Address(int(host, 0))))  # as browsers read it (WHATWG URL, 3.5)
    return bracketed(ip_address(host)) if host[0] == "[" or IPV4.fullmatch(host) else hostname(host)


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
