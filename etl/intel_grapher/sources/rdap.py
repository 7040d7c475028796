"""RDAP, the successor of whois: who registered a domain, a network or an AS. No key.

RFC 9083; https://rdap.org sends each question on to the registry in charge. Whoever is concerned is an entity with
roles and a vCard (RFC 7095: arrays of name, parameters, type, values); a registrar's abuse contact is an entity within
it. Names may be in upper case; old servers fill addresses with zeros (074.125.000.000) or add a length (192.0.2.0/32).

An organisation is a registrant whose card is of kind "org", or whose card names an organisation. A person's card gives
e-mail addresses and nothing else; a group's (a team, an IRT) and a maintainer's give nothing. RIPE, APNIC and AFRINIC
list maintainers as registrants of kind "individual", with their handle for a name. Of a network or an AS only the
registrant is taken: its other contacts are those of a provider, which has many customers. ARIN tells the origin AS in
`arin_originas0_originautnums`, LACNIC in `lacnic_originAutnum`, NIC.br in `nicbr_autnum`.

A proxy (a role of RFC 9083) owns nothing, and an e-mail address that `redacted` (RFC 9537) says to be a replacement is
not the owner's. Left out are DNSSEC, remarks, links, variants, public ids, resellers, sponsors and what RFC 9537 says
to be missing.

Compared on 2026-11-26 with the stored text of RFC 9083 (sections 4.5 to 4.9, 5.1 to 5.5, 10.2.3, 10.2.4), of RFC 9537
(sections 3 and 4), of the NRO RDAP Profile of 2021-01-14 (sections 3 to 6.1) and of ICANN's RDAP Response Profile of
2024-02-21 (2.7, Appendix E), as kept in rdap-org/validator.rdap.org. IANA's registry of RDAP extensions lists `cidr0`
and `arin_originas0`; no text was found for `lacnic_originAutnum` and `nicbr_autnum`, which are known from replies.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import (
    ANNOUNCED_BY,
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
    registered,
)
from intel_grapher.source import Outcome, Rate, Source, Subject

NOT_FOUND = 404
PROXY = "proxy"  # who stands in for another entity
OWNERS = ("registrant", "administrative", "technical", "billing")
ORGANIZATION, INDIVIDUAL = "org", "individual"
SHORT_ROLES = {"tech": "technical", "admin": "administrative"}  # as the names of redacted fields have them


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
                case [str(known), _, _, [str(text), *_], *_] if known.lower() == name and text:
                    found.append(text)  # org: the organisation, then its units
        return found

    def has(self, roles: Iterable[str]) -> bool:
        """Return whether it plays one of some roles."""
        return not {role.lower() for role in self.roles}.isdisjoint(roles)

    @property
    def kind(self) -> str:
        """Return the kind of its card, in lower case; an organisation's where it does not say and names one."""
        return next(iter(self.texts("kind")), ORGANIZATION if self.texts("org") else INDIVIDUAL).lower()

    @property
    def organization(self) -> str | None:
        """Return the organisation that it is, or that its card names; None for a person, a team and a maintainer."""
        names = self.texts("org") + (self.texts("fn") if self.kind == ORGANIZATION else [])
        return next(iter(names), None)

    @property
    def is_desk(self) -> bool:
        """True for a team, and for a company that is no more than the technical or billing contact: a provider's."""
        return not self.has({"registrant"}) and (
            self.kind == "group" or (self.kind == ORGANIZATION and not self.has({"administrative"}))
        )

    @property
    def title(self) -> str | None:
        """Return what it is called, whatever it is."""
        return next(iter(self.texts("org") + self.texts("fn")), None)


class Event(Struct, rename="camel"):
    event_action: str = ""
    event_date: str | None = None


class Addresses(Struct):
    v4: list[Address] = []
    v6: list[Address] = []


class Nameserver(Struct, rename="camel"):
    ldh_name: Hostname | None = None
    unicode_name: Hostname | None = None
    ip_addresses: Addresses | None = None

    @property
    def name(self) -> Hostname | None:
        """Return its name. RFC 9083 requires neither form of it."""
        return self.ldh_name or self.unicode_name


class Redaction(Struct):
    name: dict[str, str] = {}
    method: str = ""

    @property
    def replaced_email_of(self) -> str | None:
        """Return the role whose e-mail addresses are stand-ins ("Registrant Email"); None where none are."""
        name = (self.name.get("type") or self.name.get("description", "")).lower()
        role, _, field = name.rpartition(" ")
        return SHORT_ROLES.get(role, role) if field == "email" and self.method == "replacementValue" else None


class Prefix(Struct):
    v4prefix: str | None = None
    v6prefix: str | None = None
    length: int = 0


class Reply(Struct, rename="camel"):
    object_class_name: str = ""
    error_code: int = 0
    name: str | None = None
    status: list[str] = []
    entities: list[Entity] = []
    events: list[Event] = []

    def when(self, *actions: str) -> str | None:
        """Return the date of the first of some actions that there is an event of."""
        dates = {each.event_action.lower(): each.event_date for each in reversed(self.events)}
        return next((dates[action] for action in actions if action in dates), None)

    @property
    def standing(self) -> dict[str, str | None]:
        """Return its status and dates, as properties of what was registered."""
        return {
            "status": ", ".join(sorted(self.status)) or None,
            "created": self.when("registration"),
            "updated": self.when("last changed"),
        }

    @property
    def owner(self) -> list[OrganizationName]:
        """Return the organisations that registered it; what is a handle, or was withheld, is for a reject to tell."""
        names = (each.organization for each in self.entities if each.has({"registrant"}) and not each.has({PROXY}))
        return [OrganizationName(name) for name in names if name]


class Domain(Reply, rename="camel"):
    ldh_name: Hostname | None = None
    nameservers: list[Nameserver] = []
    redacted: list[Redaction] = []


class Network(
    Reply,
    rename={
        "object_class_name": "objectClassName",
        "error_code": "errorCode",
        "start": "startAddress",
        "end": "endAddress",
        "cidrs": "cidr0_cidrs",
        "arin": "arin_originas0_originautnums",
        "lacnic": "lacnic_originAutnum",
        "nicbr": "nicbr_autnum",
    },
):
    start: str = ""
    end: str = ""
    cidrs: list[Prefix] = []
    country: str | None = None
    arin: list[str | int] = []
    lacnic: list[str | int] = []
    nicbr: str | int | None = None

    @property
    def origins(self) -> list[ASNumber]:
        """Return the AS that announce it, by the registry."""
        told = [*self.arin, *self.lacnic, *([] if self.nicbr is None else [self.nicbr])]
        return [ASNumber(str(number)) for number in told]


class Autnum(Reply, rename="camel"):
    start_autnum: int = 0
    end_autnum: int = 0
    country: str | None = None


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
    subjects=(Subject("ldhName"),),
)


def _emails(entities: Iterable[Entity], *roles: str) -> list[EmailAddress]:
    """Return the e-mail addresses of entities that play one of some roles, and of those within them that do."""
    found = []
    for each in entities:
        if each.has(roles):
            found += [EmailAddress(text) for text in each.texts("email")]
            found += _emails(each.entities, *roles)
    return found


@source.get("/domain/{key}")
def domain(asked: DomainName, reply: Domain) -> Facts:
    """Registrar, contacts, owner, name servers, status and dates of a domain."""
    name = registered(asked, reply.ldh_name)
    registrars = [each for each in reply.entities if each.has({"registrar"})]
    others = [each for each in reply.entities if not each.has({"registrar", PROXY}) and not each.is_desk]
    yield DOMAIN_NAME.each(
        name,
        registrar=next((each.title for each in registrars if each.title), None),
        expires=reply.when("expiration", "registrar expiration"),
        **reply.standing,
    )
    contacts = dict.fromkeys(_emails(registrars, "registrar", "abuse", *OWNERS))
    yield REGISTRAR.each(name, list(contacts))
    replaced = {each.replaced_email_of for each in reply.redacted}
    owners = _emails(others, *(role for role in OWNERS if role not in replaced))
    yield OWNS.each([each for each in owners if each not in contacts], name)
    yield REGISTERED_TO.each(name, reply.owner)
    yield NAME_SERVER.each(name, [each.name for each in reply.nameservers if each.name])
    for each in reply.nameservers:
        if each.name and each.ip_addresses:
            yield RESOLVES.each(each.name, [*each.ip_addresses.v4, *each.ip_addresses.v6])


@source.get("/ip/{key}")
def ip(asked: Address | Term, reply: Network) -> Facts:
    """The network that an address lies in, whose it is, and which AS announces it."""
    networks = [CIDR(f"{each.v4prefix or each.v6prefix}/{each.length}") for each in reply.cidrs]
    networks = networks or _blocks(reply.start, reply.end)
    yield CIDR_RANGE.each(networks, name=reply.name, country=reply.country, **reply.standing)
    yield IN_NETWORK.each(Address(asked), _around(asked, networks))
    for network in networks:
        yield OPERATED_BY.each(network, reply.owner)
        yield ANNOUNCED_BY.each(network, reply.origins)


def _around(asked: str, networks: list[CIDR]) -> list[CIDR]:
    """Return the networks that contain an address: a range that is no one block is several, one of which does.

    All, where none does or something is no address: a reject tells.
    """
    try:
        address = ipaddress.ip_address(asked)
        return [each for each in networks if address in ipaddress.ip_network(each, strict=False)] or networks
    except ValueError:
        return networks


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
    """An AS's name, whose it is, its status and dates; of a registry's whole block of numbers nothing is taken."""
    if reply.start_autnum != reply.end_autnum:
        return
    number = ASNumber(f"AS{reply.start_autnum}" if reply.start_autnum else asked)
    yield AS_NUMBER.each(number, name=reply.name, country=reply.country, **reply.standing)
    yield OPERATED_BY.each(number, reply.owner)
