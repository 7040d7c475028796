"""What a whois record says of a domain's registration, as VirusTotal keeps it: prose, or fields and their values.

Registries word the same fields in many ways: `Name Server:` and `nserver:`, `Creation Date:`, `created:` and
`Registered on:`. Old prose has a heading above indented values, Japan's has the field in brackets. A record has the
registry's part first and the registrar's after it: of what there can be only one (registrar, dates) the first counts.
Organisations are taken from fields that name one, never from fields that may hold a person (`registrant:`, `owner:`,
`holder:`).
"""

import re
from collections.abc import Iterable, Iterator

from intel_grapher.model import Facts
from intel_grapher.schema import (
    DOMAIN_NAME,
    NAME_SERVER,
    OWNS,
    REGISTERED_TO,
    REGISTRAR,
    EmailAddress,
    Hostname,
    OrganizationName,
    registered,
)

Pair = tuple[str, str]

# VirusTotal writes 16 hex digits in place of what a registrant says, in an e-mail address before its s@.
PSEUDONYM = re.compile(r"[0-9a-f]{16}(?:s@.*)?")
SERVER_AND_ADDRESSES = re.compile(r"([a-z0-9_.-]+)[\s\[(]+[0-9a-f.:,\s\[\]()]+", re.IGNORECASE)
BRACKETED = re.compile(r"(?:[a-z]\. ?)?\[([^\]]+)\]\s+(\S.*)")  # Japan's: [Name Server]  ns1.example.jp
DOMAIN = {"domain name", "domain", "domainname"}
FIELDS = {
    "registrar": {"registrar", "registrar name", "sponsoring registrar", "current registrar", "registered through"},
    "created": {
        *("creation date", "created", "created on", "created date", "create date", "registered", "registered on"),
        *("registered date", "registration date", "domain registration date", "registration time", "record created"),
        *("domain create date", "domain created", "record created on", "activated", "first registration date"),
    },
    "updated": {
        *("updated date", "updated", "updated on", "last updated", "last updated on", "last updated date"),
        *("last modified", "modified", "modified date", "last update", "last-update", "record last updated on"),
    },
    "expires": {
        *("registry expiry date", "registrar registration expiration date", "expiration date", "expiry date"),
        *("expires", "expires on", "expire date", "paid-till", "expiration time", "renewal date", "expire"),
        *("registry expiration date", "domain expiration date", "record expires on", "validity"),
    },
}
SERVERS = {"name server", "name servers", "nameserver", "nameservers", "nserver", "domain nameservers", "dns servers"}
OWNERS = {
    *("registrant email", "admin email", "tech email", "billing email", "registrant contact email"),
    *("administrative contact email", "technical contact email", "billing contact email", "registrant e-mail"),
}
REGISTRARS = {"registrar abuse contact email", "registrar email", "registrar contact email"}
ORGANIZATIONS = {"registrant organization", "registrant organisation", "registrant company", "org"}


def pairs(prose: str) -> Iterator[Pair]:
    """Yield the fields of prose and their values; a value under a heading has the heading for a field."""
    heading = ""
    for line in prose.splitlines():
        if bracketed := BRACKETED.fullmatch(line):
            yield bracketed[1], bracketed[2]
            continue
        field, colon, value = line.partition(":")
        if not line.strip():
            heading = ""
        elif colon and (value[:1] in {"", " ", "\t"}) and not (heading and line[:1].isspace() and not value.strip()):
            heading = "" if value.strip() else field
            yield field, value
        elif heading and line[:1].isspace():
            yield heading, line


def domain_name(record: Iterable[Pair]) -> str:
    """Return the domain that a record says it is of; empty where it does not say."""
    return next((value.strip() for field, value in record if field.strip(" \t[].").lower() in DOMAIN), "")


def registration(
    name: Hostname,
    record: Iterable[Pair],
    *,
    newest: bool = True,
    seen: int | None = None,
    since: int | None = None,
    **known: object,
) -> Facts:
    """Yield what a record says of the domain that it is of, or else that a name lies in.

    `newest`: registrar and dates are taken from it, for they are one domain's at a time; `known` are such as are told
    beside the record, and count before it. `seen` is when it was current, `since` when it was first seen.
    """
    fields = [
        (field.strip(" \t[].").lower(), text)
        for field, value in record
        if (text := value.strip()) and not PSEUDONYM.fullmatch(text)
    ]
    when = {"seen": seen} if since is None else {"first_seen": since}

    def values(names: set[str]) -> list[str]:
        return [value for field, value in fields if field in names]

    domain = registered(name, *values(DOMAIN))
    if newest:
        read = {property_: next(iter(values(names)), None) for property_, names in FIELDS.items()}
        yield DOMAIN_NAME.each(
            domain, **{property_: known.get(property_) or value for property_, value in read.items()}
        )
    yield NAME_SERVER.each(domain, [_server(value) for value in values(SERVERS)], **when)
    desks = dict.fromkeys(values(REGISTRARS))
    yield REGISTRAR.each(domain, [EmailAddress(value) for value in desks], **when)
    owners = [EmailAddress(value) for value in values(OWNERS) if value not in desks]
    yield OWNS.each(owners, domain, **when)
    yield REGISTERED_TO.each(domain, [OrganizationName(value) for value in values(ORGANIZATIONS)], **when)


def _server(value: str) -> Hostname:
    """Return a name server without the addresses that may stand after it."""
    with_addresses = SERVER_AND_ADDRESSES.fullmatch(value)
    return Hostname(with_addresses[1] if with_addresses else value)
