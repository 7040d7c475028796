"""A plain block list: an indicator a line, which most firewalls, proxies and SIEMs take."""

from __future__ import annotations

from typing import BinaryIO, Final

from intel_grapher import labels
from intel_grapher.export.format import Format, Settings, Written
from intel_grapher.export.formats._blocking import ADDRESSES, NAMES, blocked
from intel_grapher.export.part import Part

WANTED: Final = (*NAMES, *ADDRESSES, labels.EMAIL.name, labels.HASH.name, labels.URL.name)


def write(part: Part, out: BinaryIO, settings: Settings) -> Written:
    """Write names, addresses, networks, e-mail addresses, digests and URLs."""
    written = Written()
    out.writelines(each.key.encode() + b"\n" for each in blocked(part, settings, WANTED, written))
    return written


format = Format(
    name="plain",
    title="Block list, plain",
    suffix=".block.txt",
    doc="A name, address, network, e-mail address, digest or URL a line, by analysts' verdicts.",
    write=write,
    used_by="firewalls, proxies, SIEMs",
    checked_by="our own reader of lists",
)
