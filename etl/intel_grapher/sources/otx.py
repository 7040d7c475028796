"""AlienVault OTX: passive DNS, the files and URLs of a host, and the pulses that name an indicator.

https://otx.alienvault.com/api: the path tells the indicator's kind, and domains from what lies beneath them. A pulse is
a report by a user, with the pages that it draws on, the malware and techniques that it is about, and whom it blames.
Dates have no zone and are UTC. An AS is "AS20473 name", or "ASNone " where none is known. `full` is a client's own.
Looked at on 2026-11-26: AlienVault-OTX/OTX-Python-SDK, of 2021-04-02, for the kinds of indicators and their sections;
no copy of the page itself was found, so that the members of an answer are known from replies. Not asked for: the
sections reputation, geo and analysis, and CVE numbers.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import (
    ADDRESS,
    ALIAS_OF,
    ANNOUNCED_BY,
    AS_NUMBER,
    ASSOCIATED,
    BLAMES,
    CITES,
    CONCERNS,
    DELIVERS,
    DETECTED_AS,
    INDICATOR,
    LINK,
    MAIL_SERVER,
    NAME_SERVER,
    ON,
    REFERENCE,
    REPORTED_IN,
    RESOLVES,
    Address,
    ASNumber,
    Digest,
    GroupId,
    Hostname,
    Link,
    MalwareName,
    Reference,
    TechniqueId,
    Term,
    on_hosts,
    same_file,
)
from intel_grapher.source import HOURS, ApiKey, Outcome, Rate, Source, Subject


class Reply(Struct):
    detail: str = ""


class Named(Struct, frozen=True):
    """A malware family by its name, or a technique by its ATT&CK id."""

    display_name: str = ""
    id: str = ""


class Pulse(Struct):
    id: str
    adversary: str | None = None
    attack_ids: list[Named | TechniqueId] = []
    created: str | None = None
    malware_families: list[Named | MalwareName] = []
    name: str | None = None
    references: list[Reference] = []
    tags: list[str] = []

    @property
    def malware(self) -> list[MalwareName]:
        """Return the names of the malware that it is about."""
        told = [each.display_name or each.id if isinstance(each, Named) else each for each in self.malware_families]
        return [MalwareName(each) for each in told if each]

    @property
    def techniques(self) -> list[TechniqueId]:
        """Return the ids of the techniques that it is about."""
        told = [each.id if isinstance(each, Named) else each for each in self.attack_ids]
        return [TechniqueId(each) for each in told if each]


class PulseInfo(Struct, frozen=True):
    pulses: list[Pulse] = []


class General(Reply):
    asn: ASNumber | None = None
    country_code: str | None = None
    indicator: str = ""
    pulse_info: PulseInfo = PulseInfo()
    type: str = ""


class Record(Struct):
    address: str
    hostname: Hostname
    asn: ASNumber | None = None
    first: str | None = None
    last: str | None = None
    record_type: str = ""


class PassiveDns(Reply):
    passive_dns: list[Record] = []


class Worker(Struct, frozen=True):
    ip: Address | None = None
    md5: Digest | None = None
    sha256: Digest | None = None


class Result(Struct, frozen=True):
    urlworker: Worker = Worker()


class Visit(Struct):
    url: Link
    date: str | None = None
    result: Result = Result()


class UrlList(Reply):
    has_next: bool = False
    page_num: int = 1
    url_list: list[Visit] = []


class Full(Reply):
    general: General | None = None
    url_list: UrlList | None = None


class Sample(Struct):
    hash: Digest
    datetime_int: int | None = None
    detections: dict[str, str | None] = {}


class Malware(Reply):
    data: list[Sample] = []


def at(section: str) -> Callable[[str], str]:
    """Return the function that gives the path of a section about an indicator."""

    def path(key: str) -> str:
        label, _ = INDICATOR.resolve(key)
        kind = {"Domain": "domain", "SubDomain": "hostname", "URL": "url"}.get(label.name, "file")
        if label.name == "IPAddress":
            kind = "IPv6" if ":" in key else "IPv4"
        return f"/indicators/{kind}/{{key}}/{section}"

    return path


def next_page(reply: UrlList) -> Mapping[str, str] | None:
    """Return the number of a list's next page."""
    return {"page": str(reply.page_num + 1)} if reply.has_next else None


source = Source(
    "otx",
    title="AlienVault OTX",
    home="https://otx.alienvault.com/api/v1",
    limits=(Rate(10_000, per=HOURS),),
    key=ApiKey("OTX_API_KEY", header="X-OTX-API-KEY", free="/users/me"),
    judge=lambda reply: Outcome.FAILED if reply.detail else Outcome.FOUND,
    terms="free with an account; pulses are their authors'",
    status="answers (2026-11)",
    also=("alienvault", "alienvault_otx"),
    subjects=(Subject("indicator"), Subject("general.indicator")),
)


@source.get(at("general"), also=("ipv4_general", "url_general", "param_ipv4_general", "param_url_general"))
def general(asked: Hostname | Address | Digest | Link | Term, reply: General) -> Facts:
    """The pulses that name an indicator; an address's AS and country."""
    indicator = Hostname(reply.indicator)  # of whatever kind: it is told by its form
    pulses = [Reference(f"otx:{each.id}") for each in reply.pulse_info.pulses]
    yield REPORTED_IN.each(indicator, pulses)
    for reference, each in zip(pulses, reply.pulse_info.pulses, strict=True):
        yield REFERENCE.each(
            reference, title=each.name, created=each.created, tags=each.tags, links=list(each.references)
        )
        yield CITES.each(reference, each.references)
        yield CONCERNS.each(reference, [*each.malware, *each.techniques])
        if each.adversary:
            yield BLAMES.each(reference, GroupId(each.adversary))
    if reply.type.lower() == "url":
        yield on_hosts([Link(reply.indicator)])
    if reply.type.startswith("IPv"):
        yield ADDRESS.each(Address(reply.indicator), country=reply.country_code)
        yield from _announced(Address(reply.indicator), reply.asn)


def _announced(address: Address, number: ASNumber | None) -> Facts:
    if number:
        yield ANNOUNCED_BY.each(address, number)
        yield AS_NUMBER.each(number, name=number.partition(" ")[2])


@source.get(at("passive_dns"), also=("hostname_passive_dns", "param_hostname_passive_dns"))
def passive_dns(asked: Hostname | Address | Term, reply: PassiveDns) -> Facts:
    """Addresses, aliases, mail servers and name servers that names had, and when."""
    for each in reply.passive_dns:
        seen = {"first_seen": each.first, "last_seen": each.last}
        if each.record_type in {"A", "AAAA"}:
            yield RESOLVES.each(each.hostname, Address(each.address), last_resolved=each.last, **seen)
            yield from _announced(Address(each.address), each.asn)
        elif each.record_type == "CNAME":
            yield ALIAS_OF.each(each.hostname, Hostname(each.address), **seen)
        elif each.record_type == "MX":
            yield MAIL_SERVER.each(each.hostname, Hostname(each.address), **seen)
        elif each.record_type == "NS":
            yield NAME_SERVER.each(each.hostname, Hostname(each.address), **seen)


@source.get(at("malware"))
def malware(asked: Hostname | Address, reply: Malware) -> Facts:
    """Files seen with a host, and scanners' names for them."""
    yield ASSOCIATED.each(asked, [each.hash for each in reply.data], seen=[each.datetime_int for each in reply.data])
    for each in reply.data:
        yield DETECTED_AS.each(each.hash, [MalwareName(name) for name in each.detections.values() if name])


@source.get(
    at("url_list"),
    {"limit": "50"},
    more=next_page,
    also=("ipv4_url_list", "param_ipv4_url_list", "param_url_url_list"),
)
def url_list(asked: Hostname | Address | Link | Term, reply: UrlList) -> Facts:
    """URLs of a host, the addresses that answered for them, and the files they gave."""
    yield LINK.each([each.url for each in reply.url_list], seen=[each.date for each in reply.url_list])
    yield on_hosts([each.url for each in reply.url_list])
    for each in reply.url_list:
        answer = each.result.urlworker
        if answer.ip:
            yield ON.each(each.url, answer.ip, seen=each.date)
        if answer.sha256:
            yield DELIVERS.each(each.url, answer.sha256, seen=each.date)
            yield same_file(answer.sha256, answer.md5)


@source.get(at("full"), kept_only="a client's way to keep several sections in one", also=("param_url_full",))
def full(asked: Link | Term, reply: Full) -> Facts:
    """What the sections general and url_list say of a URL."""
    if reply.general:
        yield from general(asked, reply.general)
    if reply.url_list:
        yield from url_list(asked, reply.url_list)
