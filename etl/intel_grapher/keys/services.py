"""Services: what answers at a port of an address, or of a name where only that is told."""

from __future__ import annotations

import re

from intel_grapher.errors import BadValue
from intel_grapher.keys.addresses import bracketed, ip_address, port
from intel_grapher.keys.names import hostname

_SERVICE = re.compile(r"(.+):([0-9]{1,5})/(tcp|udp)", re.IGNORECASE | re.ASCII)
_BARE_PORT = re.compile(r"(\[[^\]]+\]|[^\s:/@\[\]]+\.[^\s:/@\[\]]+):([0-9]{1,5})", re.ASCII)
_LETTER = re.compile(r"[^0-9.\[\]:]")


def service(raw: str) -> str:
    """Return "192.0.2.1:443/tcp" or "[2001:db8::1]:443/tcp"; "192.0.2.1:443" where the transport is not known.

    Where a source names no address, the host is a DNS name: "example.com:443". With a transport, what follows the last
    colon is the port; without one, IPv6 must stand in brackets.

    Raises BadValue: ip_address's or hostname's, "an impossible port" or "not a service".
    """
    value = raw.strip()
    if match := _SERVICE.fullmatch(value):
        return f"{_host(match[1])}:{port(match[2])}/{match[3].lower()}"
    if match := _BARE_PORT.fullmatch(value):
        return f"{_host(match[1])}:{port(match[2])}"
    raise BadValue("not a service")


def _host(text: str) -> str:
    """Return the canonical address, or name, of a service."""
    is_name = _LETTER.search(text) and ":" not in text
    return hostname(text) if is_name else bracketed(ip_address(text))


def service_port(value: str) -> int:
    """Return the port of a canonical service."""
    return int(value.rpartition(":")[2].partition("/")[0])


def service_transport(value: str) -> str | None:
    """Return the transport of a canonical service: tcp or udp; None where it is not known."""
    return value.rpartition(":")[2].partition("/")[2] or None
