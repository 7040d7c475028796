"""What a block list has: what a verdict calls malicious or suspicious, or all of a part, less what must not go in.

Left out are nodes that a benign verdict names, addresses of private networks, what the user's warning lists have, and
what was seen last too long ago.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final, NamedTuple

from intel_grapher import labels
from intel_grapher.export import markings
from intel_grapher.export.format import Settings, Written
from intel_grapher.export.part import Part
from intel_grapher.model import NodeRef

NAMES: Final = (labels.DOMAIN.name, labels.SUBDOMAIN.name)
ADDRESSES: Final = (labels.IP_ADDRESS.name, labels.NETWORK.name)
PRIVATE: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::/128", "::1/128", "fc00::/7", "fe80::/10", "ff00::/8"),
        ),
    )
)


class Blocked(NamedTuple):
    """A node that goes into a block list."""

    label: str
    key: str


def blocked(part: Part, settings: Settings, wanted: tuple[str, ...], written: Written) -> Iterator[Blocked]:
    """Yield what goes into a block list that takes nodes of the wanted labels; count all others in `written`."""
    verdicts = markings.verdicts(part)
    for group in part.nodes():
        label = group.start
        if label not in wanted:
            written.left_out[label] += part.count(group)
            continue
        for rows in part.rows(group):
            for key, known in zip(rows.keys[0], rows.dicts(), strict=True):
                verdict = verdicts.get(NodeRef(label, key))
                judged = verdict.verdict if verdict else ""
                last = max(known.get("last_seen") or known.get("fetched_at") or "", verdict.at if verdict else "")
                bad = judged in markings.MALICIOUS or (settings.unjudged and judged in {"", "unknown"})
                old = settings.newest_before is not None and last < settings.newest_before
                if not bad or old or _is_private(label, key) or settings.excludes(NodeRef(label, key)):
                    written.left_out[label] += 1
                else:
                    written.nodes += 1
                    yield Blocked(label, key)
    for group in part.relationships():
        written.left_out[group.type] += part.count(group)


def _is_private(label: str, key: str) -> bool:
    """Tell whether an address or a network touches one that has no place in a block list."""
    if label not in ADDRESSES:
        return False
    network = ipaddress.ip_network(key)
    return any(network.version == each.version and network.overlaps(each) for each in PRIVATE)
