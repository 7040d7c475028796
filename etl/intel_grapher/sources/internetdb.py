"""Shodan's InternetDB: what Shodan last saw at an address. No key; for non-commercial use.

https://internetdb.shodan.io: it does not tell a port's transport: tcp's and udp's are in one list.

Its page of documentation was not found on 2026-11-26. Compared that day with its schema as others quote it
(api-evangelist/shodan, json-schema), which has the address and these five lists. What it says of an unknown address
(`detail`) is known from replies.
"""

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import (
    ADDRESS,
    CVE,
    EXPOSES,
    RESOLVES,
    VULNERABLE_TO,
    Address,
    Hostname,
    service_name,
)
from intel_grapher.source import Outcome, Rate, Source, Subject

NOTHING = "no information available"


class Seen(Struct):
    detail: str = ""
    ip: str = ""
    ports: list[int] = []
    hostnames: list[Hostname] = []
    cpes: list[str] = []
    tags: list[str] = []
    vulns: list[CVE] = []


def judge(reply: Seen) -> Outcome:
    """Return what a reply says: one without an address tells in `detail` why there is none."""
    if reply.ip:
        return Outcome.FOUND
    return Outcome.NOT_FOUND if NOTHING in reply.detail.lower() else Outcome.FAILED


source = Source(
    "internetdb",
    title="Shodan InternetDB",
    home="https://internetdb.shodan.io",
    limits=(Rate(1),),
    judge=judge,
    status="answers (2026-11)",
    terms="non-commercial use",
    also=("shodan_internetdb",),
    subjects=(Subject("ip"),),
)


@source.get("/{key}")
def ip(asked: Address, reply: Seen) -> Facts:
    """Open ports, names, products and possible vulnerabilities of an address."""
    yield ADDRESS.each(asked, cpes=[reply.cpes], tags=[reply.tags])
    yield RESOLVES.each(reply.hostnames, asked)
    yield EXPOSES.each(asked, [service_name(asked, port) for port in reply.ports])
    yield VULNERABLE_TO.each(asked, reply.vulns)
