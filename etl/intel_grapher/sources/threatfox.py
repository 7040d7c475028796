"""ThreatFox by abuse.ch: indicators of malware, with how sure one is of each.

https://threatfox.abuse.ch/api: JSON is posted, with a free Auth-Key. An ioc of the type ip:port doesn't tell the
port's transport. Timestamps end in UTC; aliases are parted by commas. Samples were seen with the indicator; that they
are of its malware is not said. Malware may be unknown, and is then none. Looked at on 2026-11-26: a stored copy of the
beginning of that page, with the requests and an example of an answer. What is not in it (malware_samples, the types of
an ioc) is known from replies.
"""

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import (
    ASSOCIATED,
    DESTINATION,
    DETECTED_AS,
    DIGEST,
    EMAIL_ADDRESS,
    EXPOSES,
    INDICATES,
    MALWARE_NAME,
    REPORTED_IN,
    Address,
    Digest,
    EmailAddress,
    Hostname,
    Link,
    MalwareName,
    Reference,
    ServiceName,
    Term,
    on_hosts,
    same_file,
)
from intel_grapher.source import ApiKey, Outcome, Rate, Source

PLACES = {"ip:port", "domain", "url"}
FILES = {"md5_hash", "sha1_hash", "sha256_hash"}
UNKNOWN = {"", "unknown", "unknown malware"}
HELD = {"ok": Outcome.FOUND, "no_result": Outcome.NOT_FOUND, "no_results": Outcome.NOT_FOUND}


class Sample(Struct):
    sha256_hash: Digest
    md5_hash: Digest | None = None
    time_stamp: str | None = None
    malware_bazaar: Reference | None = None


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
    malware_samples: list[Sample] | None = None

    @property
    def name(self) -> MalwareName | None:
        """Return what it indicates, as people write it; None where that is not known."""
        name = MalwareName(self.malware_printable or self.malware)
        return None if name.lower() in UNKNOWN else name

    @property
    def key(self) -> str:
        """Return the indicator itself, without its port."""
        return self.ioc.rpartition(":")[0] if self.ioc_type == "ip:port" else self.ioc

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
    hosts = [each for each in reply.iocs if each.ioc_type in PLACES]
    yield ASSOCIATED.each([Hostname(each.key) for each in hosts], asked, seen=[each.first_seen for each in hosts])


@source.post("/", json={"query": "get_iocs", "days": "1"}, kept_only="it is asked for no indicator", also=("get_iocs",))
def api_v1_get_iocs(asked: Term, reply: Reply) -> Facts:
    """The newest indicators of malware."""
    yield from _told(reply)


def _told(reply: Reply) -> Facts:
    for each in reply.iocs:
        key, tags = each.key, each.tags or []
        if each.ioc_type in FILES:
            yield DIGEST.each(Digest(key), tags=tags)
            if each.name:
                yield DETECTED_AS.each(Digest(key), each.name, **each.stated)
        elif "@" in key and "://" not in key:
            yield EMAIL_ADDRESS.each(EmailAddress(key), tags=tags)
        else:
            yield DESTINATION.each(Hostname(key), tags=tags)
            if each.name:
                yield INDICATES.each(Hostname(key), each.name, **each.stated)
        if each.ioc_type == "ip:port":
            yield EXPOSES.each(Address(key), ServiceName(each.ioc), seen=each.first_seen)
        elif each.ioc_type == "url":
            yield on_hosts([Link(key)])
        if each.reference:
            yield REPORTED_IN.each(Hostname(key), each.reference, seen=each.first_seen)
        if each.name:
            aliases = (each.malware, *(each.malware_alias or "").split(","))
            yield MALWARE_NAME.each(each.name, aliases=[alias for alias in aliases if alias != each.name])
        yield from _samples(each)


def _samples(ioc: Ioc) -> Facts:
    for each in ioc.malware_samples or []:
        yield same_file(each.sha256_hash, each.md5_hash)
        if ioc.ioc_type in PLACES:
            yield ASSOCIATED.each(Hostname(ioc.key), each.sha256_hash, seen=each.time_stamp)
        if each.malware_bazaar:
            yield REPORTED_IN.each(each.sha256_hash, each.malware_bazaar, seen=each.time_stamp)
