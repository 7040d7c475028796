"""A response policy zone: names and addresses that a name server answers for with "there is no such name".

https://datatracker.ietf.org/doc/html/draft-vixie-dnsop-dns-rpz-00, section 4. A name stands for all beneath it as well.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import BinaryIO, Final

from intel_grapher.export.format import Format, Settings, Written
from intel_grapher.export.formats._blocking import ADDRESSES, NAMES, blocked
from intel_grapher.export.part import Part
from intel_grapher.sql import literal

_TRIGGERS: Final = "rpz-"
"""What the last label of a trigger begins with: a name 32.1.2.0.192.rpz-ip in a reply blocks no address."""
_LONGEST: Final = 240
"""Characters of a name, so that with the zone's own it is one that DNS can have."""


def write(part: Part, out: BinaryIO, settings: Settings) -> Written:
    """Write the zone. Its serial number is the time of the newest fact, so that it grows with the graph."""
    written = Written()
    out.write(
        f"$TTL 300\n@ IN SOA localhost. hostmaster.localhost. {_serial(part)} 3600 600 86400 300\n"
        "@ IN NS localhost.\n".encode()
    )
    for each in blocked(part, settings, (*NAMES, *ADDRESSES), written):
        if each.label in ADDRESSES:
            out.write(f"{address(each.key)}.rpz-ip CNAME .\n".encode())
        elif len(each.key) <= _LONGEST and not each.key.rpartition(".")[2].startswith(_TRIGGERS):
            out.write(f"{each.key} CNAME .\n*.{each.key} CNAME .\n".encode())
        else:
            written.nodes -= 1
            written.left_out[each.label] += 1
    return written


def address(key: str) -> str:
    """Return an address or a network as a trigger has it: its length, then its parts from the last to the first."""
    network = ipaddress.ip_network(key)
    if network.version == 4:  # noqa: PLR2004 - IPv4
        return f"{network.prefixlen}.{'.'.join(reversed(str(network.network_address).split('.')))}"
    text = str(network.network_address)
    if "::" in text:
        text = text.replace("::", ":zz:").strip(":")
    return f"{network.prefixlen}.{'.'.join(reversed(text.split(':')))}"


def _serial(part: Part) -> int:
    parts = [f"SELECT max(fetched_at) AS at_ FROM {part.relation(group)}" for group in part.nodes()]
    if not parts:
        return 1
    moment = f"strftime(make_timestamp(epoch_us(max(at_))), {literal('%Y-%m-%dT%H:%M:%SZ')})"
    found = part.connection.execute(f"SELECT {moment} FROM ({' UNION ALL '.join(parts)})").fetchall()[0][0]
    return int(datetime.fromisoformat(found).timestamp()) if found else 1


format = Format(
    name="rpz",
    title="Block list, response policy zone",
    suffix=".rpz",
    doc="A zone in which names, all beneath them, and addresses do not exist, by analysts' verdicts.",
    write=write,
    used_by="BIND, Unbound, PowerDNS, Knot Resolver",
    checked_by="named-checkzone where it is installed",
)
