"""Which indicators mean something in a private network only, or nothing at all. They are never sent out."""

from __future__ import annotations

import ipaddress
import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import takewhile
from typing import Final
from urllib.parse import urlsplit

# Names that mean something in one network only: RFC 6761, 6762, 8375, ICANN's .internal, and what offices use.
_PRIVATE_ZONES: Final = (
    *(".localhost", ".local", ".internal", ".home.arpa", ".test", ".example", ".invalid", ".onion"),
    *(".localdomain", ".lan", ".intranet", ".private", ".corp", ".home"),
)
_MAYBE_PRIVATE_ZONES: Final = (*_PRIVATE_ZONES, ".arpa")
# Every IPv4 address that is not global begins with one of these.
_MAYBE_PRIVATE: Final = frozenset(map(str, (0, 10, 100, 127, 169, 172, 192, 198, 203, *range(224, 256))))
_REVERSE_IPV4: Final = ".in-addr.arpa"
_REVERSE_IPV6: Final = ".ip6.arpa"
_OCTET: Final = re.compile(r"[0-9]{1,3}")
_NIBBLE: Final = re.compile(r"[0-9a-f]")
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")  # RFC 8215
_COMPATIBLE: Final = IPv6Network("::/96")  # RFC 4291, 2.5.5.1
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214, 6.1
_LAST_32: Final = 0xFFFFFFFF
_IPV4_BYTES: Final = 4
_IPV6_NIBBLES: Final = 32
_MOST_OF_OCTET: Final = 255


def is_private(kind: str, key: str) -> bool:
    """Return whether an indicator (its kind and canonical key) must not be sent to a service."""
    if kind == "domain":  # the two kinds that lists have most of come first
        return key.endswith(_MAYBE_PRIVATE_ZONES) and _is_private_name(key)
    if kind == "ip":
        first, dot, _ = key.partition(".")
        if dot and first not in _MAYBE_PRIVATE and ":" not in first:
            return False
        address = _address(key)
        return address is None or is_reserved(address)
    if kind == "network":
        return is_reserved_network(ipaddress.ip_network(key, strict=False))
    if kind == "url":
        return _is_private_host(_host(key))
    return kind == "email" and _is_private_name(key.rpartition("@")[2])


def is_reserved(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is no global unicast one, or is IPv6 and holds an IPv4 address that is none."""
    if not address.is_global or address.is_multicast:
        return True
    if isinstance(address, IPv4Address):
        return False
    if address.is_site_local or address in _LOCAL_NAT64:
        return True
    inner = _embedded(address)
    return inner is not None and is_reserved(inner)


def is_reserved_network(network: IPv4Network | IPv6Network) -> bool:
    """Return whether the first and the last address of a network are reserved."""
    return is_reserved(network.network_address) and is_reserved(network.broadcast_address)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for: mapped, compatible, 6to4, NAT64 or ISATAP."""
    mapped = address.ipv4_mapped or address.sixtofour
    if mapped is not None:
        return mapped
    number = int(address)
    if address in _NAT64 or address in _COMPATIBLE or number >> 32 & _LAST_32 in _ISATAP:
        return IPv4Address(number & _LAST_32)
    return None


def _host(url: str) -> str:
    """Return the host of a URL in lower case; empty if it has none or can't be told."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_private_host(host: str) -> bool:
    """Return whether a URL's host is a reserved address, a private name, or nothing that the whole internet knows."""
    address = _address(host)
    if address is not None:
        return is_reserved(address)
    name = host.rstrip(".")
    return "." not in name or _is_private_name(name)


def _is_private_name(name: str) -> bool:
    if name.endswith(_PRIVATE_ZONES):
        return True
    if name.endswith(".arpa"):
        network = _reverse(name)
        return network is not None and is_reserved_network(network)
    return False


def _reverse(name: str) -> IPv4Network | IPv6Network | None:
    """Return the address or network that a name of reverse DNS is about; None for another name.

    The labels next to the zone count as far as they are numbers: `lb._dns-sd._udp.0.1.168.192.in-addr.arpa`.
    """
    if name.endswith(_REVERSE_IPV4):
        octets = _labels(name.removesuffix(_REVERSE_IPV4), _OCTET)
        packed = bytes(int(octet) for octet in octets if int(octet) <= _MOST_OF_OCTET)
        if not octets or len(packed) < len(octets) or len(packed) > _IPV4_BYTES:
            return None
        return IPv4Network((packed.ljust(_IPV4_BYTES, b"\0"), 8 * len(packed)))
    if name.endswith(_REVERSE_IPV6):
        nibbles = "".join(_labels(name.removesuffix(_REVERSE_IPV6), _NIBBLE))
        if nibbles and len(nibbles) <= _IPV6_NIBBLES:
            return IPv6Network((int(nibbles.ljust(_IPV6_NIBBLES, "0"), 16), 4 * len(nibbles)))
    return None


def _labels(name: str, digit: re.Pattern[str]) -> list[str]:
    """Return the labels that match, from the last one on to the first that does not."""
    return list(takewhile(digit.fullmatch, reversed(name.split("."))))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is, also in the old spellings of IPv4 (`127.1`, `0x7f000001`); None for a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    last = text.rstrip(".").rpartition(".")[2]
    if not (last.isascii() and (last.isdigit() or last.startswith("0x"))):
        return None
    try:
        return IPv4Address(socket.inet_aton(text.rstrip(".")))
    except (OSError, ValueError):
        return None
