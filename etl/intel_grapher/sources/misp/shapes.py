"""The shapes of what MISP exports: events, attributes, objects, galaxies, and the two lists of a feed.

https://www.misp-standard.org/rfc/misp-standard-core.html, and the templates of MISP/misp-objects, of 2026-06-27: looked
at on 2026-11-26.
"""

from __future__ import annotations

from msgspec import Struct

MALWARE_SAMPLE = "filename|md5"  # what the type malware-sample has for a value


class Tag(Struct):
    name: str = ""


class Meta(Struct):
    synonyms: list[str] | str | None = None
    external_id: list[str] | str | None = None


class Cluster(Struct):
    """A threat actor, malware or technique that an event or an attribute is about."""

    value: str = ""
    meta: Meta | list[Meta] | None = None  # an empty list where there is none


class Galaxy(Struct, rename={"clusters": "GalaxyCluster"}):
    type: str = ""
    clusters: list[Cluster] = []


class Head(Struct):
    """What the attribute of a search, or a feed's manifest, says of its event."""

    uuid: str = ""
    info: str | None = None
    date: str | None = None


class Attribute(Struct, rename={"tags": "Tag", "galaxies": "Galaxy", "event": "Event"}):
    type: str
    value: str | int | float
    uuid: str = ""
    category: str = ""
    to_ids: bool = False
    comment: str | None = None
    object_relation: str | None = None
    first_seen: str | None = None
    last_seen: str | None = None
    deleted: bool = False
    tags: list[Tag] = []
    galaxies: list[Galaxy] = []
    event: Head | None = None

    @property
    def text(self) -> str:
        """Return its value as text."""
        return str(self.value)

    def parts(self) -> list[tuple[str, str]]:
        """Return its types, each with its value: two of a composite one. A file's name may itself have the |."""
        types = (MALWARE_SAMPLE if self.type == "malware-sample" else self.type).split("|")
        values = self.text.rsplit("|", len(types) - 1)
        return list(zip(types, values, strict=False))


class ObjectReference(Struct):
    referenced_uuid: str = ""
    relationship_type: str = ""
    deleted: bool = False


class Object(Struct, rename={"attributes": "Attribute", "references": "ObjectReference", "event": "Event"}):
    uuid: str = ""
    name: str = ""
    comment: str | None = None
    first_seen: str | None = None
    last_seen: str | None = None
    deleted: bool = False
    attributes: list[Attribute] = []
    references: list[ObjectReference] = []
    event: Head | None = None

    def of(self, *relations: str) -> list[str]:
        """Return the values of its attributes of these relations, in the relations' order."""
        return [each.text for relation in relations for each in self.attributes if each.object_relation == relation]

    def first(self, *relations: str) -> str | None:
        """Return the first value of these relations, or None."""
        return next(iter(self.of(*relations)), None)

    @property
    def dates(self) -> tuple[str | None, str | None]:
        """Return when what it describes was first and last seen; an attribute of it may tell that."""
        first = self.first_seen or self.first(
            "first-seen", "first_seen", "first-packet-seen", "start_time", "time_first"
        )
        last = self.last_seen or self.first("last-seen", "last_seen", "last-packet-seen", "end_time", "time_last")
        return first, last or first


class Event(Struct, rename={"tags": "Tag", "galaxies": "Galaxy", "attributes": "Attribute", "objects": "Object"}):
    uuid: str = ""
    info: str | None = None
    date: str | None = None
    tags: list[Tag] = []
    galaxies: list[Galaxy] = []
    attributes: list[Attribute] | Attribute = []
    objects: list[Object] | Object = []


class Listed(Head, rename={"tags": "Tag"}):
    """An event as a feed's manifest lists it, by its uuid."""

    tags: list[Tag] = []


class Reply(Event, rename={"event": "Event"}):
    """An event by itself or in a member Event; a search's answer; a feed's manifest or its list of hashes."""

    event: Event | None = None
    response: list[Reply] | Reply | None = None
    manifest: dict[str, Listed] = {}
    hashes: list[str] = []
