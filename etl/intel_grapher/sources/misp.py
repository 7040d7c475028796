"""MISP: events that an instance exports or a feed offers, brought in with `cache add`.

https://www.misp-standard.org/rfc/misp-standard-core.html: an event has attributes, each of a type, and objects, which
are attributes that belong together. A composite type, such as domain|ip, has two values in one text. Objects refer to
each other: a file is detected-as a signature, downloaded-from a URL. imphash and its like are no digests of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from msgspec import Struct

from intel_grapher.model import Fact, Facts
from intel_grapher.schema import (
    CONTACTS,
    DELIVERS,
    DETECTED_AS,
    DIGEST,
    DROPS,
    REFERENCE,
    REPORTED_IN,
    RESOLVES,
    Address,
    Digest,
    Hostname,
    Link,
    MalwareName,
    Reference,
    Term,
    on_hosts,
    same_file,
)
from intel_grapher.source import Outcome, Rate, Source

NAMES = {"domain", "hostname"}
ADDRESSES = {"ip-src", "ip-dst", "ip"}
EMAILS = {"email", "email-src", "email-dst", "email-reply-to", "whois-registrant-email"}
DIGESTS = {"md5", "sha1", "sha224", "sha256", "sha384", "sha512"}
INDICATORS = NAMES | ADDRESSES | EMAILS | DIGESTS | {"url", "vulnerability"}


class Attribute(Struct):
    type: str
    value: str
    object_relation: str | None = None
    first_seen: str | None = None
    last_seen: str | None = None
    deleted: bool = False

    def parts(self) -> list[tuple[str, str]]:
        """Return its types, each with its value: two of a composite one. A file's name may itself have the |."""
        types = ("filename|md5" if self.type == "malware-sample" else self.type).split("|")
        values = self.value.rsplit("|", len(types) - 1)
        return list(zip(types, values, strict=False))


class ObjectReference(Struct):
    referenced_uuid: str = ""
    relationship_type: str = ""


class Object(Struct, rename={"attributes": "Attribute", "references": "ObjectReference"}):
    uuid: str = ""
    name: str = ""
    first_seen: str | None = None
    last_seen: str | None = None
    deleted: bool = False
    attributes: list[Attribute] = []
    references: list[ObjectReference] = []

    def values(self, types: set[str]) -> list[str]:
        """Return the values of the attributes of these types."""
        return [each.value for each in self.attributes if each.type in types and not each.deleted]

    @property
    def digests(self) -> list[Digest]:
        """Return the digests of the file that it is, the longest first."""
        found = self.values(DIGESTS) if self.name == "file" else []
        return [Digest(each) for each in sorted(found, key=len, reverse=True)]

    @property
    def hosts(self) -> list[Hostname]:
        """Return its names and addresses."""
        return [Hostname(each) for each in self.values(NAMES | ADDRESSES)]

    @property
    def links(self) -> list[Link]:
        """Return its URLs."""
        return [Link(each) for each in self.values({"url"})]

    @property
    def signatures(self) -> list[MalwareName]:
        """Return what a scanner calls a file."""
        return [MalwareName(each.value) for each in self.attributes if each.object_relation == "signature"]


class Tag(Struct):
    name: str = ""


class Event(Struct, rename={"tags": "Tag", "attributes": "Attribute", "objects": "Object"}):
    uuid: str
    info: str | None = None
    date: str | None = None
    tags: list[Tag] = []
    attributes: list[Attribute] = []
    objects: list[Object] = []


class Reply(Struct, rename={"event": "Event"}):
    event: Event | None = None
    response: list[Reply] | Reply | None = None


def events(reply: Reply | list[Reply]) -> Iterator[Event]:
    """Yield the events of a reply, whichever way it wraps them."""
    for each in reply if isinstance(reply, list) else [reply]:
        if each.event:
            yield each.event
        if each.response:
            yield from events(each.response)


def judge(reply: Reply | list[Reply]) -> Outcome:
    """Tell an empty answer from what is no event at all."""
    if next(events(reply), None):
        return Outcome.FOUND
    empty = reply == [] or (isinstance(reply, Reply) and reply.response == [])
    return Outcome.NOT_FOUND if empty else Outcome.FAILED


source = Source(
    "misp",
    title="MISP events",
    home="https://www.circl.lu/doc/misp/feed-osint",
    limits=(Rate(1),),
    judge=judge,
    terms="each event's sharing group and TLP tag say to whom it may be passed on",
    status="brought in with `cache add`",
)


@source.get("/{key}.json", kept_only="events are brought in with `cache add`", also=("events", "events_add", "feed"))
def event(asked: Term, reply: Reply | list[Reply]) -> Facts:
    """Indicators of an event, and how its files, URLs, names and addresses belong together."""
    for each in events(reply):
        yield from _told(each)


def _told(event: Event) -> Facts:
    report = Reference(f"misp:{event.uuid}")
    objects = [each for each in event.objects if not each.deleted]
    alone = [each for each in event.attributes if not each.deleted]
    owned: list[tuple[Attribute, Attribute | Object]] = [(each, each) for each in alone]  # by what tells its dates
    owned += [(each, one) for one in objects for each in one.attributes if not each.deleted]
    attributes = [each for each, _ in owned]
    yield REFERENCE.each(
        report,
        title=event.info,
        created=event.date,
        tags=[[each.name for each in event.tags]],
        links=[[each.value for each in attributes if each.type == "link"]],
    )
    named = [
        (value, each.first_seen or owner.first_seen, each.last_seen or owner.last_seen)
        for each, owner in owned
        for type_, value in each.parts()
        if type_ in INDICATORS
    ]
    yield REPORTED_IN.each(
        [Hostname(value) for value, _, _ in named],
        report,
        first_seen=[first or event.date for _, first, _ in named],
        last_seen=[last or first or event.date for _, first, last in named],
    )
    yield on_hosts([Link(each.value) for each in attributes if each.type == "url" and "://" in each.value])
    for each in alone:
        match each.parts():
            case [("domain", name), ("ip", address)]:
                yield RESOLVES.each(Hostname(name), Address(address))
            case [("filename", name), (algorithm, digest)] if algorithm in DIGESTS:
                yield DIGEST.each(Digest(digest), names=[[name]])
    yield from _belonging(objects)


def _belonging(objects: list[Object]) -> Facts:
    """Yield what objects are in themselves and to each other."""
    by_uuid = {each.uuid: each for each in objects}
    for one in objects:
        if one.digests:
            yield DIGEST.each(one.digests, names=[one.values({"filename"})] * len(one.digests))
            yield same_file(*one.digests)
        yield _resolves(one, one)
        for reference in one.references:
            other = by_uuid.get(reference.referenced_uuid)
            if other is not None:
                yield from _referring(one, reference.relationship_type, other)


def _resolves(one: Object, other: Object) -> Fact:
    pairs = list(product(one.values(NAMES), other.values(ADDRESSES)))
    return RESOLVES.each([Hostname(name) for name, _ in pairs], [Address(address) for _, address in pairs])


def _referring(one: Object, how: str, other: Object) -> Facts:
    if how in {"resolved-to", "resolves-to"}:
        yield _resolves(one, other)
    for digest in one.digests[:1]:
        match how:
            case "detected-as":
                yield DETECTED_AS.each(digest, other.signatures)
            case "downloaded-from":
                yield DELIVERS.each(other.links, digest)
            case "connected-to" | "connects-to" | "communicates-with" | "exfiltrates-to":
                yield CONTACTS.each(digest, [*other.links, *other.hosts])
            case "dropped-by":
                yield DROPS.each(other.digests[:1], digest)
            case "drops":
                yield DROPS.each(digest, other.digests[:1])
