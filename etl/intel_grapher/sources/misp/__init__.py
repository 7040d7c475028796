"""MISP: events that an instance exports or a feed offers, brought in with `cache add`.

https://www.misp-standard.org/rfc/misp-standard-core.html: an event has attributes, each of a type, and objects, which
are attributes that belong together, and refer to each other. A search answers with events, attributes or objects in
`response`; PyMISP writes an event without a member around it; a feed has a list of its events, manifest.json, and one
of MD5 sums of attributes' values, hashes.csv, which are digests of no file. Looked at on 2026-11-26: that standard, and
the templates of MISP/misp-objects, of 2026-06-27.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from intel_grapher.model import Facts
from intel_grapher.schema import BLAMES, CITES, REFERENCE, GroupId, Reference, Term
from intel_grapher.source import Outcome, Rate, Source
from intel_grapher.sources._ties import RULES
from intel_grapher.sources.misp import attributes, galaxies, objects, references
from intel_grapher.sources.misp.attributes import is_source
from intel_grapher.sources.misp.shapes import Attribute, Event, Head, Object, ObjectReference, Reply

T = TypeVar("T", Attribute, Object, ObjectReference)
# What docs/intake.md says of it: the format, what is read, what is left out.
READS = (
    (
        "MISP event, feed, `restSearch`",
        "attributes and objects by their type, composites, references, galaxies, dates, tags",
        "types that have no place in the graph, each listed; manifest.json and hashes.csv of a feed",
    ),
)
_UUID = rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_MANIFEST = re.compile(rb'\s*\{\s*"' + _UUID + rb'"\s*:\s*\{')
_HASHES = re.compile(rb"\s*[0-9a-fA-F]{32},\s*" + _UUID)


def prepare(body: bytes) -> bytes:
    """Return a reply as a JSON object: a feed's manifest and its list of hashes in a member of that name."""
    if _MANIFEST.match(body):
        return b'{"manifest":' + body + b"}"
    if _HASHES.match(body):
        events = (line.rpartition(b",")[2].strip().decode("ascii", "replace") for line in body.splitlines())
        return msgspec.json.encode({"hashes": list(dict.fromkeys(filter(None, events)))})
    return body


class _Outline(msgspec.Struct, rename={"event": "Event", "attributes": "Attribute", "objects": "Object"}):
    uuid: str = ""
    info: str | None = None
    event: _Outline | None = None
    attributes: msgspec.Raw = msgspec.Raw()
    objects: msgspec.Raw = msgspec.Raw()
    response: list[_Outline] | None = None

    @property
    def is_event(self) -> bool:
        """Tell whether it has what every event has."""
        return bool(self.uuid) and self.info is not None and bool(bytes(self.attributes) or bytes(self.objects))


def recognise(body: bytes) -> str | None:
    """Return the uuid of the event that a body is; empty for several, and for a feed's lists; None for another body."""
    if _HASHES.match(body) or _MANIFEST.match(body):
        return ""
    try:
        found = msgspec.json.decode(body, type=_Outline | list[_Outline])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    several = found if isinstance(found, list) else found.response
    if several:
        return "" if all(each.event and each.event.is_event for each in several) else None
    one = found if isinstance(found, _Outline) else None
    one = one.event or one if one else None
    return one.uuid if one and one.is_event else None


def events(reply: Reply | list[Reply]) -> Iterator[Event]:
    """Yield the events of a reply, whichever way it wraps them; what a search finds, as events that hold it alone."""
    for each in reply if isinstance(reply, list) else [reply]:
        if each.event:
            yield each.event
        if each.response:
            yield from events(each.response)
        if each.uuid or each.info is not None:
            yield each
        else:
            yield from _found(_many(each.attributes), _many(each.objects))


def _found(found: list[Attribute], ones: list[Object]) -> Iterator[Event]:
    """Yield the events of a search's attributes and objects, by what each says of its event."""
    heads = [(each.event or Head()) for each in found] + [(each.event or Head()) for each in ones]
    for head in {each.uuid: each for each in heads}.values():
        yield Event(
            uuid=head.uuid,
            info=head.info,
            date=head.date,
            attributes=[each for each in found if (each.event or Head()).uuid == head.uuid],
            objects=[each for each in ones if (each.event or Head()).uuid == head.uuid],
        )


def _many(found: list[Attribute] | Attribute | list[Object] | Object) -> list:  # type: ignore[type-arg]
    return found if isinstance(found, list) else [found]


def judge(reply: Reply | list[Reply]) -> Outcome:
    """Tell an empty answer from what is no event at all."""
    if next(events(reply), None) or (isinstance(reply, Reply) and (reply.manifest or reply.hashes)):
        return Outcome.FOUND
    inner = reply.response if isinstance(reply, Reply) else reply
    empty = inner == [] or (isinstance(inner, Reply) and inner == Reply())
    return Outcome.NOT_FOUND if empty else Outcome.FAILED


def unmapped(reply: Reply | list[Reply]) -> Iterator[str]:
    """Yield the types of attributes, references and galaxies that no mapping takes."""
    for event in events(reply):
        for alone in standing(_many(event.attributes)):
            if not attributes.is_taken(alone, None):
                yield f"$.Event.Attribute[].type={alone.type}"
        for one in standing(_many(event.objects)):
            yield from _unmapped_in(one)
        for about in galaxies.clusters(event.galaxies, event.tags):
            if not galaxies.is_taken(about):
                yield f"$.Event.Galaxy[].type={about.galaxy}"


def _unmapped_in(one: Object) -> Iterator[str]:
    for each in standing(one.attributes):
        if not (attributes.is_taken(each, one) or objects.is_read(one, each.object_relation or "")):
            yield f"$.Event.Object[].name={one.name}: {each.object_relation} ({each.type})"
    for reference in standing(one.references):
        if reference.relationship_type.lower() not in RULES:
            yield f"$.Event.Object[].ObjectReference[].relationship_type={reference.relationship_type}"


source = Source(
    "misp",
    title="MISP events",
    home="https://www.circl.lu/doc/misp/feed-osint",
    limits=(Rate(1),),
    judge=judge,
    terms="each event's sharing group and TLP tag say to whom it may be passed on",
    status="brought in with `cache add`",
)


@source.get(
    "/{key}.json",
    kept_only="events are brought in with `cache add`",
    also=("events", "events_add", "feed"),
    prepare=prepare,
    unmapped=unmapped,
    recognise=recognise,
)
def event(asked: Term, reply: Reply | list[Reply]) -> Facts:
    """Indicators of an event, and how its files, URLs, names and addresses belong together."""
    if isinstance(reply, Reply):
        listed = [(Reference(f"misp:{uuid}"), each) for uuid, each in reply.manifest.items()]
        yield REFERENCE.each(
            [report for report, _ in listed],
            title=[each.info for _, each in listed],
            created=[each.date for _, each in listed],
            tags=[[tag.name for tag in each.tags] for _, each in listed],
        )
        yield REFERENCE.each([Reference(f"misp:{uuid}") for uuid in reply.hashes])
    for each in events(reply):
        yield from _event(each)


def standing(found: Iterable[T]) -> list[T]:
    """Return what has not been deleted."""
    return [each for each in found if not each.deleted]


def _event(event: Event) -> Facts:
    report = Reference(f"misp:{event.uuid}") if event.uuid else None
    alone = standing(_many(event.attributes))
    ones = [
        msgspec.structs.replace(each, attributes=standing(each.attributes), references=standing(each.references))
        for each in standing(_many(event.objects))
    ]
    owned = [(each, None) for each in alone] + [(each, one) for one in ones for each in one.attributes]
    about = list(galaxies.clusters(event.galaxies, event.tags))
    if report:
        pages = [each.text for each, _ in owned if is_source(each)]
        yield REFERENCE.each(
            report, title=event.info, created=event.date, tags=[[each.name for each in event.tags]], links=[pages]
        )
        yield CITES.each(report, [Reference(each) for each in pages])
        yield BLAMES.each(report, [GroupId(each.text) for each, _ in owned if each.type == "threat-actor"])
    yield from galaxies.concerned(report, about)
    found = [each for attribute, one in owned for each in attributes.named(attribute, one)]
    yield from attributes.reported(report, found, event.date)
    for each in found:
        if each.attribute.galaxies or each.attribute.tags:
            yield from galaxies.belonging(each, galaxies.clusters(each.attribute.galaxies, each.attribute.tags))
    for attribute, one in owned:
        yield from attributes.together(attribute, one)
    yield from _belonging(ones, alone)


def _belonging(ones: list[Object], alone: list[Attribute]) -> Facts:
    """Yield what objects are in themselves, and to each other and to attributes."""
    known: dict[str, Object | Attribute] = {each.uuid: each for each in alone}
    known |= {each.uuid: each for one in ones for each in one.attributes}
    known |= {each.uuid: each for each in ones}
    for one in ones:
        yield from objects.within(one)
        for reference in one.references:
            other = known.get(reference.referenced_uuid)
            if other is not None and reference.referenced_uuid:
                yield from references.referring(one, reference.relationship_type, other)
