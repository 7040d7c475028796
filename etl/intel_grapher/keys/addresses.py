"""IP addresses, networks, autonomous systems."""

from __future__ import annotations

import ipaddress
import re

from intel_grapher.errors import BadValue
from intel_grapher.keys.looks import looks
from intel_grapher.keys.words import IMPOSSIBLE_ADDRESS, NOT_AN_ADDRESS, PLACEHOLDER, PLACEHOLDERS

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IPV4 = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}")
_LIKE_AN_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+)+|(?=[^:]*:[^:]*:)[0-9A-Fa-f:.]+")
_NETWORK = re.compile(r"([0-9A-Fa-f:.]+)/([0-9]{1,3})")
_MAPPED_BITS = 96  # ::ffff:0:0/96 holds IPv4
_ASN = re.compile(r"(?:ASN?\s*([0-9]{1,10})(?:\s.*)?|([0-9]{1,10}))", re.IGNORECASE | re.ASCII | re.DOTALL)
_NO_ASN = frozenset({"na", "as", "asn", "asnone", "asna", "as-"}) | PLACEHOLDERS
_GREATEST_ASN = 2**32 - 1
GREATEST_PORT = 65_535


def ip_address(raw: str) -> str:
    """Return IPv4 dotted, or IPv6 compressed (RFC 5952) without brackets; an IPv4-mapped IPv6 address as IPv4.

    Raises BadValue: "placeholder" ("-", "0.0.0.0", "::", …), "an impossible address" (66.0.543.66, leading zeros),
    what it looks like ("a network: one address is wanted", "defanged: …"), or "not an IP address" (one with a zone,
    too: it means nothing elsewhere).
    """
    if IPV4.fullmatch(raw) and raw != "0.0.0.0":  # noqa: S104 - refused, not bound
        return raw
    value = raw.strip()
    if ":" in value:
        if value[0] == "[" and value[-1] == "]":
            value = value[1:-1]
        address = _ipv6(value)
    elif IPV4.fullmatch(value):
        address = ipaddress.IPv4Address(value)
    elif value.lower() in PLACEHOLDERS:
        raise BadValue(PLACEHOLDER)
    else:
        raise BadValue(_fault(value))
    if address.is_unspecified:
        raise BadValue(PLACEHOLDER)
    return str(address)


def _ipv6(value: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if "%" in value:
        raise BadValue(NOT_AN_ADDRESS)
    try:
        address = ipaddress.IPv6Address(value)
    except ValueError:
        raise BadValue(_fault(value)) from None
    return address.ipv4_mapped or address


def _fault(value: str) -> str:
    """Return why this is no IP address, and what it looks like."""
    return looks(value, "address", IMPOSSIBLE_ADDRESS if _LIKE_AN_ADDRESS.fullmatch(value) else NOT_AN_ADDRESS)


def network(raw: str) -> str:
    """Return a CIDR block, its address the network's own, IPv6 compressed, an IPv4-mapped one as IPv4.

    Raises BadValue: "placeholder" (the whole address space, too), "an impossible network", what it looks like, or
    "not a network".
    """
    value = raw.strip()
    if value.lower() in PLACEHOLDERS:
        raise BadValue(PLACEHOLDER)
    match = _NETWORK.fullmatch(value)
    if match is None:
        raise BadValue(looks(value, "network", "not a network"))
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


def asn_after_as(raw: str) -> str:
    """Return the same for a number after AS; BadValue("not an AS number") for digits alone."""
    if raw.strip()[:2].lower() != "as":
        raise BadValue("not an AS number")
    return asn(raw)


def bracketed(address: str) -> str:
    """Return a canonical address as it stands before a port."""
    return f"[{address}]" if ":" in address else address


def port(digits: str) -> int:
    """Return a port's number; BadValue("an impossible port")."""
    number = int(digits)
    if not 0 < number <= GREATEST_PORT:
        raise BadValue("an impossible port")
    return number
