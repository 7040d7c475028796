"""RDAP, the successor of whois: who registered a domain, a network or an AS. No key.

RFC 9083; https://rdap.org sends each question on to the registry in charge. Whoever is concerned is an entity with
roles and a vCard (RFC 7095: arrays of name, parameters, type, values); a registrar's abuse contact is an entity within
it. Names may be in upper case; old servers fill addresses with zeros (074.125.000.000) or add a length (192.0.2.0/32).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import (
    AS_NUMBER,
    CIDR,
    CIDR_RANGE,
    DOMAIN_NAME,
    IN_NETWORK,
    NAME_SERVER,
    OPERATED_BY,
    OWNS,
    REGISTERED_TO,
    REGISTRAR,
    RESOLVES,
    Address,
    ASNumber,
    DomainName,
    EmailAddress,
    Hostname,
    OrganizationName,
    Term,
)
from intel_grapher.source import Outcome, Rate, Source

NOT_FOUND = 404
CONTACTS = {"registrant", "administrative", "technical", "billing", "abuse"}


class Entity(Struct, rename="camel"):
    roles: list[str] = []
    vcard_array: tuple[str, list[list[Any]]] | None = None
    entities: list[Entity] = []

    def texts(self, name: str) -> list[str]:
        """Return the texts that its vCard has under a name: fn, org, email."""
        found = []
        for each in self.vcard_array[1] if self.vcard_array else []:
            match each:
                case [str(known), _, _, str(text), *_] if known.lower() == name and text:
                    found.append(text)
        return found

    @property
    def name(self) -> str | None:
        """Return its organisation's name, or its own."""
        return next(iter(self.texts("org") + self.texts("fn")), None)


class Event(Struct, rename="camel"):
    event_action: str = ""
    event_date: str | None = None


class Addresses(Struct):
    v4: list[Address] = []
    v6: list[Address] = []


class Nameserver(Struct, rename="camel"):
    ldh_name: Hostname
    ip_addresses: Addresses | None = None


class Prefix(Struct):
    v4prefix: str | None = None
    v6prefix: str | None = None
    length: int = 0


class Reply(Struct, rename="camel"):
    object_class_name: str = ""
    error_code: int = 0
    name: str | None = None
    entities: list[Entity] = []


class Domain(Reply, rename="camel"):
    ldh_name: DomainName | None = None
    nameservers: list[Nameserver] = []
    events: list[Event] = []


class Network(Reply, rename={"start": "startAddress", "end": "endAddress", "cidrs": "cidr0_cidrs"}):
    start: str = ""
    end: str = ""
    cidrs: list[Prefix] = []
    country: str | None = None


class Autnum(Reply, rename="camel"):
    start_autnum: int = 0
    end_autnum: int = 0


def judge(reply: Reply) -> Outcome:
    """Tell an object, whose class an old server may not tell, from an error, which is an object of its own."""
    if reply.error_code == NOT_FOUND:
        return Outcome.NOT_FOUND
    known = (reply.object_class_name or reply.name) and not reply.error_code
    return Outcome.FOUND if known else Outcome.FAILED


source = Source(
    "rdap",
    title="RDAP",
    home="https://rdap.org",
    limits=(Rate(1),),
    judge=judge,
    terms="each registry's own; contacts are not for advertising",
    status="answers (2026-11); sends each question on to a registry",
    forwards=True,
)


def _with_role(entities: Iterable[Entity], *roles: str) -> Iterator[Entity]:
    for each in entities:
        if any(role.lower() in roles for role in each.roles):
            yield each


def _emails(entities: Iterable[Entity]) -> list[EmailAddress]:
    """Return the e-mail addresses of entities and of those within them."""
    found = []
    for each in entities:
        found += [EmailAddress(text) for text in each.texts("email")]
        found += _emails(each.entities)
    return found


def _names(entities: Iterable[Entity]) -> list[OrganizationName]:
    return [OrganizationName(each.name) for each in entities if each.name]


@source.get("/domain/{key}")
def domain(asked: DomainName, reply: Domain) -> Facts:
    """Registrar, contacts, owner, name servers and age of a domain."""
    name = reply.ldh_name or asked
    registrars = list(_with_role(reply.entities, "registrar"))
    created = [each.event_date for each in reply.events if each.event_action == "registration"]
    yield DOMAIN_NAME.each(name, registrar=next(iter(_names(registrars)), None), created=next(iter(created), None))
    yield REGISTRAR.each(name, _emails(registrars))
    yield OWNS.each(_emails(_with_role(reply.entities, *CONTACTS)), name)
    yield REGISTERED_TO.each(name, _names(_with_role(reply.entities, "registrant")))
    yield NAME_SERVER.each(name, [each.ldh_name for each in reply.nameservers])
    for each in reply.nameservers:
        if each.ip_addresses:
            yield RESOLVES.each(each.ldh_name, [*each.ip_addresses.v4, *each.ip_addresses.v6])


@source.get("/ip/{key}")
def ip(asked: Address | Term, reply: Network) -> Facts:
    """The network that an address lies in, and whose it is."""
    networks = [CIDR(f"{each.v4prefix or each.v6prefix}/{each.length}") for each in reply.cidrs]
    networks = networks or _blocks(reply.start, reply.end)
    yield CIDR_RANGE.each(networks, name=reply.name, country=reply.country)
    yield IN_NETWORK.each(Address(asked), networks)
    for name in _names(_with_role(reply.entities, "registrant")):
        yield OPERATED_BY.each(networks, name)


def _blocks(start: str, end: str) -> list[CIDR]:
    """Return the blocks that lie between two addresses; what can't be one is left for a reject to tell."""
    bare = [re.sub(r"(?<![0-9a-f:])0+(?=[0-9])|/.*", "", each) for each in (start, end)]
    try:
        blocks = ipaddress.summarize_address_range(*map(ipaddress.ip_address, bare))
        return [CIDR(str(each)) for each in blocks]
    except (ValueError, TypeError):
        return [CIDR(f"{start} - {end}")]


@source.get("/autnum/{key}")
def autnum(asked: ASNumber | Term, reply: Autnum) -> Facts:
    """An AS's name and whose it is."""
    numbers = [ASNumber(f"AS{reply.start_autnum}")] if reply.start_autnum == reply.end_autnum else []
    yield AS_NUMBER.each(numbers, name=reply.name)
    for name in _names(_with_role(reply.entities, "registrant")):
        yield OPERATED_BY.each(numbers, name)
