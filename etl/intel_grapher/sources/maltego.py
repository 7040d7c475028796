"""Maltego: graphs that an analyst drew, as .mtgx, GraphML or CSV, brought in with `cache add`.

An .mtgx file is a zip with graphs as GraphML, in which every node has an entity of a type (maltego.Domain, …) with
properties, one of which is its value. In a CSV, a cell that is a type has its value in the next cell. Entities of
domains, DNS names, MX and NS records, websites, addresses, e-mail addresses, URLs, hashes, AS numbers, netblocks,
Twitter users and CVE numbers are nodes. That a graph has them says nothing bad of them, so that they are known, and
not reported.

Of the links only those are read whose ends say what they are: a domain to its NS and MX records; a name to an address
where a transform made the link. All other links and entities are left out, and listed. No documentation of these files
was found on 2026-11-26: they are known from files that others' tools write and read (pcbje/pymtgx, the graph API of
VirusTotal).
"""

from __future__ import annotations

import csv
import io
import ipaddress
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import Struct

from intel_grapher import intake
from intel_grapher.errors import BadValue
from intel_grapher.model import Facts, Kind, LeftOut
from intel_grapher.schema import (
    ADDRESS,
    AS_NUMBER,
    CIDR_RANGE,
    CVE_ID,
    DIGEST,
    EMAIL_ADDRESS,
    HOSTNAME,
    LINK,
    MAIL_SERVER,
    NAME_SERVER,
    RESOLVES,
    SCREEN_NAME,
    Address,
    Hostname,
    Link,
    Term,
    on_hosts,
)
from intel_grapher.source import Outcome, Rate, Source
from intel_grapher.sources._written import settled
from intel_grapher.sources._xml import build

# Of each type of entity: what it is, and the names of the properties that may be its value.
TYPES: dict[str, tuple[Kind[Any], tuple[str, ...]]] = {
    **dict.fromkeys(("Domain", "DNSName", "MXRecord", "NSRecord", "Website"), (HOSTNAME, ("fqdn",))),
    "IPv4Address": (ADDRESS, ("ipv4-address",)),
    "IPv6Address": (ADDRESS, ("ipv6-address",)),
    "EmailAddress": (EMAIL_ADDRESS, ("email",)),
    "URL": (LINK, ("url",)),
    "Hash": (DIGEST, ("properties.hash",)),
    "AS": (AS_NUMBER, ("as.number",)),
    "Netblock": (CIDR_RANGE, ("ipv4-range",)),
    **dict.fromkeys(("AffiliationTwitter", "affiliation.Twitter"), (SCREEN_NAME, ("twitter.screen-name",))),
    "CVE": (CVE_ID, ("properties.cve", "cve")),
}
NAMES = {"Domain", "DNSName", "MXRecord", "NSRecord", "Website"}
PREFIX = "maltego."
# What docs/intake.md says of it: the format, what is read, what is left out.
READS = (
    (
        "Maltego .mtgx, GraphML, CSV",
        "entities of the kinds of the graph; links whose ends say what they are",
        "other entities and links, each listed",
    ),
)
_TYPE = re.compile(r"maltego\.[A-Za-z0-9.]+")
_CELL = re.compile(rb"""(?:^|[\n,;\t"])maltego\.[A-Z][A-Za-z0-9.]*["]?[,;\t]""")


class Entity(Struct):
    id: str = ""
    type: str = ""
    value: str = ""

    @property
    def own_type(self) -> str:
        """Return its type without the prefix of Maltego's own."""
        return self.type.removeprefix(PREFIX)


class Edge(Struct):
    source: str = ""
    target: str = ""
    label: str = ""
    by_transform: bool = False


class Graph(Struct):
    entities: list[Entity] = []
    links: list[Edge] = []


class _Builder:
    """What an XML parser calls: collects a Graph."""

    def __init__(self) -> None:
        self.found = Graph()
        self._text: list[str] = []
        self._property = ""
        self._values: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._text = []
        if name == "node":
            self.found.entities.append(Entity(id=attributes.get("id", "")))
            self._values = {}
        elif name == "edge":
            self.found.links.append(Edge(attributes.get("source", ""), attributes.get("target", "")))
            self._values = {}
        elif name == "MaltegoEntity" and self.found.entities:
            self.found.entities[-1].type = attributes.get("type", "")
        elif name == "MaltegoLink" and self.found.links:
            self.found.links[-1].by_transform = "transform" in attributes.get("type", "")
        elif name == "Property":
            self._property = attributes.get("name", "")

    def text(self, text: str) -> None:
        self._text.append(text)

    def end(self, name: str) -> None:
        if name == "Value":
            self._values.setdefault(self._property, "".join(self._text).strip())
        elif name == "MaltegoEntity" and self.found.entities:
            entity = self.found.entities[-1]
            wanted = TYPES[entity.own_type][1] if entity.own_type in TYPES else ()
            told = (self._values[each] for each in wanted if each in self._values)
            entity.value = next(told, next(iter(self._values.values()), ""))
        elif name == "MaltegoLink" and self.found.links:
            shown = (each for property_, each in self._values.items() if property_.endswith("label"))
            self.found.links[-1].label = next(shown, "")
        self._text = []


def prepare(body: bytes) -> bytes:
    """Return a graph as JSON. Raises BadValue for what is neither XML nor a table with types of entities."""
    if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        builder = _Builder()
        build(body, builder)
        return msgspec.json.encode(builder.found)
    entities = list(_cells(intake.decoded(body)))
    if not entities:
        raise BadValue("no graph of Maltego's: neither GraphML nor a table with types of entities")
    return msgspec.json.encode(Graph(entities))


def _cells(text: str) -> Iterator[Entity]:
    """Yield the entities of a table: the value is in the cell after the type's."""
    delimiter = max(",;\t", key=text[:4096].count)
    try:
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            for type_, value in pairwise(row):
                if _TYPE.fullmatch(type_.strip()):
                    yield Entity("", type_.strip(), value.strip())
    except csv.Error as wrong:
        raise BadValue("a table with a cell that is too large") from wrong


def recognise(body: bytes) -> str | None:
    """Return an empty key for a graph of Maltego's, None for another body: a graph does not name itself."""
    begun = body[: 1 << 16]
    return "" if b"MaltegoEntity" in begun or (b"<" not in begun[:16] and _CELL.search(begun)) else None


def judge(reply: Graph) -> Outcome:
    """Tell an empty graph from one with entities."""
    return Outcome.FOUND if reply.entities else Outcome.NOT_FOUND


source = Source(
    "maltego",
    title="Maltego graphs",
    home="https://www.maltego.com",
    limits=(Rate(1),),
    judge=judge,
    terms="the analyst's own",
    status="brought in with `cache add`",
    also=("mtgx",),
)


@source.get(
    "/{key}",
    kept_only="graphs are brought in with `cache add`",
    also=("graphml", "mtgx", "csv"),
    prepare=prepare,
    recognise=recognise,
)
def graph(asked: Term, reply: Graph) -> Facts:
    """Names, addresses, URLs, hashes and others of a graph, and the links that say what they are."""
    left_out: list[tuple[str, str]] = []
    known: dict[str, tuple[str, Kind[Any], str]] = {}
    of: dict[Kind[Any], dict[str, None]] = {}
    for number, entity in enumerate(reply.entities):
        if entity.own_type not in TYPES:
            left_out.append((entity.value, "an entity of a type that is no node of the graph"))
            continue
        kind, value, _ = settled(TYPES[entity.own_type][0], _network(entity.value))
        of.setdefault(kind, {})[value] = None
        known[entity.id or f"#{number}"] = entity.own_type, kind, value
    for kind, values in of.items():
        yield kind.each([*values])
    yield on_hosts([Link(each) for each in of.get(LINK, ())])
    for link in reply.links:
        start, end = known.get(link.source), known.get(link.target)
        found = list(_tied(link, start, end)) if start and end else []
        yield from found
        if not found:
            left_out.append((link.label or link.source, "a link that does not say what it is"))
    yield LeftOut([value for value, _ in left_out], [reason for _, reason in left_out])


def _tied(link: Edge, start: tuple[str, Kind[Any], str], end: tuple[str, Kind[Any], str]) -> Facts:
    """Yield what a link says, by the types of its ends."""
    if start[0] == "Domain" and end[0] == "NSRecord":
        yield NAME_SERVER.each(Hostname(start[2]), Hostname(end[2]))
    elif start[0] == "Domain" and end[0] == "MXRecord":
        yield MAIL_SERVER.each(Hostname(start[2]), Hostname(end[2]))
    elif link.by_transform and start[0] in NAMES and end[1] is ADDRESS:
        yield RESOLVES.each(Hostname(start[2]), Address(end[2]))


def _network(value: str) -> str:
    """Return a range of addresses as the network that it is; any other text as it is."""
    first, dash, last = value.partition("-")
    with suppress(ValueError, TypeError):
        ends = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
        networks = list(ipaddress.summarize_address_range(*ends)) if dash else []
        if len(networks) == 1:
            return str(networks[0])
    return value
