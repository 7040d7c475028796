"""A hosts file: names that lead nowhere, for machines without a name server of their own."""

from __future__ import annotations

from typing import BinaryIO

from intel_grapher.export.format import Format, Settings, Written
from intel_grapher.export.formats._blocking import NAMES, blocked
from intel_grapher.export.part import Part


def write(part: Part, out: BinaryIO, settings: Settings) -> Written:
    """Write the names. A hosts file has no wildcards: names beneath these are not blocked."""
    written = Written()
    out.writelines(f"0.0.0.0 {each.key}\n".encode() for each in blocked(part, settings, NAMES, written))
    return written


format = Format(
    name="hosts",
    title="Block list, hosts file",
    suffix=".hosts",
    doc="A name a line that leads to 0.0.0.0, by analysts' verdicts.",
    write=write,
    used_by="operating systems, Pi-hole, AdGuard",
    checked_by="the rules of hosts(5)",
)
