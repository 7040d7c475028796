"""ThreatFox by abuse.ch: indicators of malware, with how sure one is of each.

https://threatfox.abuse.ch/api: JSON is posted, with a free Auth-Key. An ioc of the type ip:port doesn't tell the
port's transport; these are servers of botnets, and tcp is taken. Moments end in UTC; aliases are parted by commas.
"""

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import (
    DESTINATION,
    DETECTED_AS,
    DIGEST,
    EXPOSES,
    INDICATES,
    MALWARE_NAME,
    REPORTED_IN,
    Address,
    Digest,
    Hostname,
    Link,
    MalwareName,
    Reference,
    ServiceName,
    Term,
    on_hosts,
)
from intel_grapher.source import ApiKey, Outcome, Rate, Source

FILES = {"md5_hash", "sha1_hash", "sha256_hash"}
HELD = {"ok": Outcome.FOUND, "no_result": Outcome.NOT_FOUND, "no_results": Outcome.NOT_FOUND}


class Ioc(Struct):
    ioc: str
    ioc_type: str = ""
    malware: str = ""
    malware_printable: str = ""
    malware_alias: str | None = None
    confidence_level: int | None = None
    first_seen: str | None = None
    last_seen: str | None = None
    reference: Reference | None = None
    tags: list[str] | None = None

    @property
    def name(self) -> MalwareName:
        """Return what it indicates, as people write it."""
        return MalwareName(self.malware_printable or self.malware)

    @property
    def stated(self) -> dict[str, str | int | None]:
        """Return when it was seen, and how sure one is."""
        last = self.last_seen or self.first_seen
        return {"first_seen": self.first_seen, "last_seen": last, "confidence": self.confidence_level}


class Reply(Struct):
    query_status: str = ""
    data: list[Ioc] | str | None = None  # a text says what is wrong

    @property
    def iocs(self) -> list[Ioc]:
        """Return the indicators."""
        return self.data if isinstance(self.data, list) else []


source = Source(
    "threatfox",
    title="ThreatFox",
    home="https://threatfox-api.abuse.ch/api/v1",
    limits=(Rate(1),),
    key=ApiKey("ABUSECH_AUTH_KEY", header="Auth-Key"),
    judge=lambda reply: HELD.get(reply.query_status, Outcome.FAILED),
    terms="CC0; fair use of the interface",
    status="answers (2026-11)",
)


@source.post("/", json={"query": "search_ioc", "search_term": "{key}"})
def search_ioc(asked: Hostname | Address | Link, reply: Reply) -> Facts:
    """The malware that a name, address or URL serves or steers, and who says so."""
    yield from _told(reply)


@source.post("/", json={"query": "search_hash", "hash": "{key}"})
def search_hash(asked: Digest, reply: Reply) -> Facts:
    """Indicators that belong to a file."""
    yield from _told(reply)


@source.post("/", json={"query": "get_iocs", "days": "1"}, kept_only="it is asked for no indicator", also=("get_iocs",))
def api_v1_get_iocs(asked: Term, reply: Reply) -> Facts:
    """The newest indicators of malware."""
    yield from _told(reply)


def _told(reply: Reply) -> Facts:
    for each in reply.iocs:
        ioc = each.ioc.rpartition(":")[0] if each.ioc_type == "ip:port" else each.ioc
        if each.ioc_type in FILES:
            yield DIGEST.each(Digest(ioc), tags=each.tags or [])
            yield DETECTED_AS.each(Digest(ioc), each.name, **each.stated)
        else:
            yield DESTINATION.each(Hostname(ioc), tags=each.tags or [])
            yield INDICATES.each(Hostname(ioc), each.name, **each.stated)
        if each.ioc_type == "ip:port":
            yield EXPOSES.each(Address(ioc), ServiceName(f"{each.ioc}/tcp"), seen=each.first_seen)
        elif each.ioc_type == "url":
            yield on_hosts([Link(ioc)])
        if each.reference:
            yield REPORTED_IN.each(Hostname(ioc), each.reference, seen=each.first_seen)
        aliases = (each.malware_alias or "").split(",")
        yield MALWARE_NAME.each(each.name, aliases=[alias for alias in (each.malware, *aliases) if alias != each.name])
