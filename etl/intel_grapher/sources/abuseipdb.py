"""AbuseIPDB: how surely an address is abused, by those who report it.

https://docs.abuseipdb.com: the score goes from 0 to 100; `usageType` says what the address is for; `domain` is its
provider's, not its own name, and is left out; so are the reports themselves.

Left out, too, are how many reported it, how often, and whether it is on the service's list of known good ones.

Of https://docs.abuseipdb.com the stored text has the beginning alone, with the question of `check`. Its replies were
compared on 2026-11-26 with a description of the API by others (api-evangelist/abuseipdb, openapi).
"""

from contextlib import suppress
from ipaddress import ip_network

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import (
    ADDRESS,
    CIDR,
    IN_NETWORK,
    OPERATED_BY,
    RESOLVES,
    Address,
    Hostname,
    OrganizationName,
    Term,
)
from intel_grapher.source import DAYS, ApiKey, Outcome, Rate, Source, Subject


class Reported(Struct, rename="camel"):
    ip_address: Address
    abuse_confidence_score: int | None = None
    country_code: str | None = None
    last_reported_at: str | None = None
    most_recent_report: str | None = None


class Checked(Struct, rename="camel"):
    ip_address: Address
    abuse_confidence_score: int | None = None
    country_code: str | None = None
    hostnames: list[Hostname] = []
    is_tor: bool = False
    isp: OrganizationName | None = None
    last_reported_at: str | None = None
    usage_type: str | None = None


class Check(Struct):
    data: Checked | None = None


class Block(Struct, rename="camel"):
    network_address: str = ""
    netmask: str = ""
    reported_address: list[Reported] = []

    @property
    def network(self) -> CIDR:
        """The network, in its canonical form where it is one."""
        return _network(f"{self.network_address}/{self.netmask}")


class CheckBlock(Struct):
    data: Block | None = None


class Blacklist(Struct):
    data: list[Reported] = []


source = Source(
    "abuseipdb",
    title="AbuseIPDB",
    home="https://api.abuseipdb.com/api/v2",
    limits=(Rate(1000, per=DAYS),),
    key=ApiKey("ABUSEIPDB_API_KEY", header="Key"),
    judge=lambda reply: Outcome.FOUND if reply.data else Outcome.NOT_FOUND,
    terms="1,000 checks a day are free; the blacklist may not be passed on",
    status="answers (2026-11)",
    subjects=(Subject("data.ipAddress"),),
)


@source.get("/check", {"ipAddress": "{key}", "maxAgeInDays": "90"})
def check(asked: Address | Term, reply: Check) -> Facts:
    """How surely an address is abused; its provider, country and names."""
    it = reply.data
    if it is None:
        return
    tags = [each for each in (it.usage_type, "tor" if it.is_tor else None) if each]
    yield ADDRESS.each(
        it.ip_address,
        abuse_score=it.abuse_confidence_score,
        country=it.country_code,
        tags=tags,
        last_seen=it.last_reported_at,
    )
    yield RESOLVES.each(it.hostnames, it.ip_address)
    if it.isp:
        yield OPERATED_BY.each(it.ip_address, it.isp)


@source.get("/check-block", {"network": "{key}"}, kept_only="networks are not asked for")
def check_block(asked: CIDR | Term, reply: CheckBlock) -> Facts:
    """How surely the addresses of a network are abused."""
    if reply.data:
        addresses = reply.data.reported_address
        yield from _reported(addresses)
        if reply.data.network_address:
            yield IN_NETWORK.each([each.ip_address for each in addresses], reply.data.network)


@source.get("/blacklist", kept_only="one list for all: 5 a day")
def blacklist(asked: Term, reply: Blacklist) -> Facts:
    """The addresses that are surely abused."""
    yield from _reported(reply.data)


def _network(text: str) -> CIDR:
    with suppress(ValueError):
        return CIDR(str(ip_network(text, strict=False)))
    return CIDR(text)


def _reported(addresses: list[Reported]) -> Facts:
    yield ADDRESS.each(
        [each.ip_address for each in addresses],
        abuse_score=[each.abuse_confidence_score for each in addresses],
        country=[each.country_code for each in addresses],
        last_seen=[each.last_reported_at or each.most_recent_report for each in addresses],
    )
