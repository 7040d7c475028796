"""What in a report is probably no indicator: marks for a review, which decides.

`known.txt` is the packaged list, dated. The other marks follow from the document: its own host, the recipients of a
message, an address that is not defanged where others are.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Final
from urllib.parse import urlsplit

from intel_grapher import keys
from intel_grapher.errors import BadValue
from intel_grapher.keys import IndicatorKind

OWN_HOST: Final = "the report's own host"
RECIPIENT: Final = "a recipient's"
NOT_DEFANGED: Final = "not defanged, as others in the report are"
PRIVATE: Final = "a private address"
ANYBODY: Final = "a site where anybody may put a file or a page"
_DOCUMENTATION: Final = "a documentation name"
_FEW: Final = 3  # defanged addresses, from which on a report is one that defangs
_PRIVATE_NETWORKS: Final = [
    ipaddress.ip_network(each)
    for each in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::/127", "fc00::/7", "fe80::/10", "ff00::/8"),
    )
]
_NAMED: Final = frozenset({"domain", "url", "email"})


class Marking:
    """Marks the indicators of one document. `defanged` is how many different addresses of it are spelt defanged."""

    def __init__(self, url: str, recipients: Iterable[str], defanged: int) -> None:
        self._own = _registrable(urlsplit(url).hostname or "") if "://" in url else ""
        self._recipients = {each.lower() for each in recipients}
        self._homes = {each.rpartition("@")[2] for each in self._recipients}
        self._defangs = defanged >= _FEW

    def mark(self, kind: IndicatorKind, key: str, *, is_defanged: bool, in_row: bool) -> str:  # noqa: PLR0911 - a reason each
        """Return why an indicator is probably none; empty for no reason.

        `is_defanged` says that it is spelt so at least once, `in_row` that it stands in a row of values.
        """
        if kind == "ip":
            return listed().get(key, "") or (PRIVATE if _is_private(key) else "")
        if kind not in _NAMED:
            return listed().get(key, "")
        host = _host(kind, key)
        if self._own and _is_below(host, self._own):
            return OWN_HOST
        if key in self._recipients or (kind == "domain" and any(_is_below(host, home) for home in self._homes)):
            return RECIPIENT
        known = _known(host)
        if known == _DOCUMENTATION and host.removeprefix("www.") not in listed():
            known = ""  # names below it are made up by whoever writes the report
        if known:
            is_specific = kind == "url" and urlsplit(key).path.strip("/")
            if not (is_specific and is_defanged and known == ANYBODY):
                return known
        if kind == "url" and _is_address(host) and _is_private(host):
            return PRIVATE
        return NOT_DEFANGED if self._defangs and not is_defanged and not in_row else ""


@cache
def listed() -> dict[str, str]:
    """Return the packaged list: names, addresses and digests, each with the reason."""
    found: dict[str, str] = {}
    reason = ""
    text = resources.files(__package__).joinpath("known.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("["):
            reason = line.strip("[]")
        elif not line.startswith("#"):
            found |= dict.fromkeys(line.split(), reason)
    return found


def _known(host: str) -> str:
    """Return the reason of the nearest name at or above a host that is listed."""
    labels = host.split(".")
    return next((reason for at in range(len(labels)) if (reason := listed().get(".".join(labels[at:]), ""))), "")


def _host(kind: IndicatorKind, key: str) -> str:
    if kind == "url":
        return (urlsplit(key).hostname or "").strip("[]")
    return key.rpartition("@")[2] if kind == "email" else key


def _registrable(host: str) -> str:
    try:
        return keys.registrable(host)
    except (BadValue, ValueError):
        return host


def _is_below(host: str, name: str) -> bool:
    return host == name or host.endswith(f".{name}")


def _is_address(host: str) -> bool:
    return bool(re.fullmatch(r"[0-9.]+|[0-9a-f:]*:[0-9a-f:.]*", host))


def _is_private(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in _PRIVATE_NETWORKS if network.version == parsed.version)
