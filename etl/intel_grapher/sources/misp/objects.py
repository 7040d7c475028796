"""What an object's attributes are to each other, by the object's type and their relations.

https://github.com/MISP/misp-objects: an object's template says which relation each attribute has. Only what the
templates say belongs together is joined: a connection's two ends are never mixed, and a section's digest is no file's.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

from intel_grapher.model import Fact, Facts, Kind, Relationship
from intel_grapher.schema import (
    ADDRESS,
    ALIAS_OF,
    ANNOUNCED_BY,
    AS_NUMBER,
    CERTIFICATE_ID,
    CONNECTS_TO,
    DIGEST,
    DIGEST_BY,
    DOMAIN_NAME,
    EXPOSES,
    MAIL_SERVER,
    NAME_SERVER,
    ON,
    OWNS,
    REDIRECTS_TO,
    REGISTERED_TO,
    RESOLVES,
    Address,
    Digest,
    EmailAddress,
    Hostname,
    MalwareName,
    OrganizationName,
    certificate_names,
    registered,
    same_file,
)
from intel_grapher.sources.misp.attributes import certificate, service
from intel_grapher.sources.misp.shapes import Object


class Tie(NamedTuple):
    """A relationship type, and the relations of the attributes at its two ends.

    `all_pairs`: the object says of all at the one end that they belong to all at the other. Elsewhere several at both
    ends leave open which belong together, and are not joined.
    """

    type: Relationship[Any, Any]
    start: tuple[str, ...]
    end: tuple[str, ...]
    all_pairs: bool = False


class Property(NamedTuple):
    """A property of the nodes that attributes of these relations are: another attribute's value."""

    kind: Kind[Any]
    of: tuple[str, ...]
    name: str
    value: tuple[str, ...]


NAMES = ("domain", "hostname")
FILE = ("sha512", "sha384", "sha256", "sha224", "sha1", "md5", "malware-sample")
TIES: dict[str, tuple[Tie, ...]] = {
    "domain-ip": (Tie(RESOLVES, NAMES, ("ip",), all_pairs=True),),
    "ip-port": (Tie(RESOLVES, NAMES, ("ip", "ip-dst")), Tie(ANNOUNCED_BY, ("ip", "ip-dst"), ("AS",))),
    "network-connection": (
        Tie(RESOLVES, ("hostname-src",), ("ip-src",)),
        Tie(RESOLVES, ("hostname-dst",), ("ip-dst",)),
    ),
    "network-socket": (
        Tie(RESOLVES, ("hostname-src",), ("ip-src",)),
        Tie(RESOLVES, ("hostname-dst",), ("ip-dst",)),
    ),
    "network-traffic": (
        Tie(RESOLVES, ("src_hostname",), ("src_ip",)),
        Tie(RESOLVES, ("dst_hostname",), ("dst_ip",)),
    ),
    "netflow": (Tie(ANNOUNCED_BY, ("ip-src",), ("src-as",)), Tie(ANNOUNCED_BY, ("ip-dst",), ("dst-as",))),
    "dns-record": (
        Tie(RESOLVES, ("queried-domain",), ("a-record", "aaaa-record"), all_pairs=True),
        Tie(ALIAS_OF, ("queried-domain",), ("cname-record",), all_pairs=True),
        Tie(MAIL_SERVER, ("queried-domain",), ("mx-record",), all_pairs=True),
        Tie(NAME_SERVER, ("queried-domain",), ("ns-record",), all_pairs=True),
    ),
    "whois": (Tie(NAME_SERVER, ("domain",), ("nameserver",), all_pairs=True),),
    "url": (Tie(ON, ("url",), ("ip",)),),
    "http-request": (Tie(ON, ("url",), ("ip-dst",)),),
    "phishing": (Tie(ON, ("url",), ("ip",)),),
    "shortened-link": (Tie(REDIRECTS_TO, ("shortened-url",), ("redirect-url",)),),
    "asn": (Tie(ANNOUNCED_BY, ("subnet-announced",), ("asn",)),),
    "ip-api-address": (Tie(ANNOUNCED_BY, ("ip-src",), ("asn",)),),
}
PROPERTIES: dict[str, tuple[Property, ...]] = {
    "asn": (
        Property(AS_NUMBER, ("asn",), "name", ("name", "organization", "description")),
        Property(AS_NUMBER, ("asn",), "country", ("country",)),
    ),
    "domain-ip": (Property(DOMAIN_NAME, ("domain",), "created", ("registration-date",)),),
    "ip-port": (Property(ADDRESS, ("ip", "ip-dst"), "country", ("country-code",)),),
    "ip-api-address": (
        Property(ADDRESS, ("ip-src",), "country", ("country-code",)),
        Property(ADDRESS, ("ip-src",), "isp", ("ISP",)),
        Property(AS_NUMBER, ("asn",), "name", ("organization",)),
    ),
    "whois": (
        Property(DOMAIN_NAME, ("domain",), "registrar", ("registrar",)),
        Property(DOMAIN_NAME, ("domain",), "created", ("creation-date",)),
        Property(DOMAIN_NAME, ("domain",), "updated", ("modification-date",)),
        Property(DOMAIN_NAME, ("domain",), "expires", ("expiration-date",)),
    ),
}
# Objects that are a file, and which of their relations say what of it.
FILES: dict[str, dict[str, tuple[str, ...]]] = {
    "file": {
        "size": ("size-in-bytes",), "mime_type": ("mimetype",), "file_type": ("magic",), "names": ("filename",),
        "imphash": ("imphash",), "ssdeep": ("ssdeep",), "tlsh": ("tlsh",),
    },
    "lnk": {
        "size": ("size-in-bytes", "lnk-file-size"), "names": ("filename",), "ssdeep": ("ssdeep",), "tlsh": ("tlsh",),
    },
    "hashlookup": {"size": ("FileSize",), "names": ("FileName",), "ssdeep": ("SSDEEP",), "tlsh": ("TLSH",)},
    "artifact": {"mime_type": ("mime_type",)},
    "apk": {"names": ("filename",)},
    "cs-beacon-config": {},
}  # fmt: skip
DIGESTS = {"hashlookup": ("SHA-256", "SHA-1", "MD5")}
CERTIFICATE = {
    "serial": ("serial-number",), "issuer": ("issuer",), "subject": ("subject",),
    "not_before": ("validity-not-before",), "not_after": ("validity-not-after",),
}  # fmt: skip
# Connections: who opens it, by address or else by name; to whom; at which port; by which protocol.
CONNECTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...], str, str]] = {
    "network-connection": (("ip-src", "hostname-src"), ("ip-dst", "hostname-dst"), "dst-port", "layer4-protocol"),
    "network-socket": (("ip-src", "hostname-src"), ("ip-dst", "hostname-dst"), "dst-port", "protocol"),
    "network-traffic": (("src_ip", "src_hostname"), ("dst_ip", "dst_hostname"), "dst_port", "protocol"),
    "netflow": (("ip-src",), ("ip-dst",), "dst-port", "protocol"),
}
# Ports that answer at an address: the relations of the address, of the port and of the protocol.
PORTS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "ip-port": (("ip", "ip-dst"), "dst-port", "protocol"),
    "domain-ip": (("ip",), "port", ""),
    "passive-ssh": (("host",), "port", ""),
}
RECORDS: dict[str, Relationship[Any, Any]] = {
    "A": RESOLVES,
    "AAAA": RESOLVES,
    "CNAME": ALIAS_OF,
    "MX": MAIL_SERVER,
    "NS": NAME_SERVER,
}
OTHERS = {
    "passive-dns": {"rrname", "rrtype", "rdata"},
    "whois": {"registrant-email", "registrant-org"},
    "x509": {"dns_names"},
    "user-account": {"account-type"},
    "av-signature": {"signature"},
    "malware": {"name"},
    "pe": {"imphash"},
}
DATES = {f"{which}{sign}{what}" for which in ("first", "last") for sign in "-_" for what in ("seen", "packet-seen")} | {
    "start_time",
    "end_time",
    "time_first",
    "time_last",
}


def digests(one: Object) -> list[Digest]:
    """Return the digests of the file that an object is, the longest first; none where two are by one algorithm."""
    if one.name not in FILES:
        return []
    found = [
        Digest(each.parts()[-1][1] if each.type == "malware-sample" else each.text)
        for each in one.attributes
        if each.object_relation in DIGESTS.get(one.name, FILE) and each.parts()[-1][0] in DIGEST_BY
    ]
    found = list(dict.fromkeys(Digest(each.lower()) for each in found))
    lengths = [len(each) for each in found]
    return sorted(found, key=len, reverse=True) if len(lengths) == len(set(lengths)) else []


def signatures(one: Object) -> list[MalwareName]:
    """Return what an object says that a file is: a scanner's signature, a malware's name."""
    relations = {"malware": ("name",)}.get(one.name, ("signature",))
    return [MalwareName(each) for each in one.of(*relations)]


def within(one: Object) -> Facts:
    """Yield what an object is in itself."""
    first, last = one.dates
    seen = {"first_seen": first, "last_seen": last}
    for tie in TIES.get(one.name, ()):
        starts, ends = one.of(*tie.start), one.of(*tie.end)
        if tie.all_pairs or not _both_several(starts, ends):
            yield _tied(tie.type, list(product(starts, ends)), seen)
    if one.name == "passive-dns" and (type_ := RECORDS.get((one.first("rrtype") or "").upper())):
        values = [each.rpartition(" ")[2] if type_ is MAIL_SERVER else each for each in one.of("rdata")]
        yield _tied(type_, list(product(one.of("rrname"), values)), seen)
    for known in PROPERTIES.get(one.name, ()):
        value, nodes = one.first(*known.value), one.of(*known.of)
        if value and known.kind is DOMAIN_NAME:
            yield DOMAIN_NAME.each([registered(Hostname(each), each) for each in nodes], **{known.name: value})
        elif value:
            yield known.kind.each(nodes, **{known.name: value})
    yield from _registered(one)
    yield from _file(one)
    yield from _certificate(one)
    yield from _connected(one)


def _both_several(starts: list[str], ends: list[str]) -> bool:
    return min(len(starts), len(ends)) > 1


def _tied(type_: Relationship[Any, Any], pairs: list[tuple[str, str]], seen: dict[str, str | None]) -> Fact:
    resolved = {"last_resolved": seen["last_seen"]} if type_ is RESOLVES else {}
    return type_.each([start for start, _ in pairs], [end for _, end in pairs], **seen, **resolved)


def _registered(one: Object) -> Facts:
    """Yield whose the domains of a whois record are."""
    if one.name == "whois":
        domains = [registered(Hostname(each), each) for each in one.of("domain")]
        for email in one.of("registrant-email"):
            yield OWNS.each(EmailAddress(email), domains)
        for owner in one.of("registrant-org"):
            yield REGISTERED_TO.each(domains, OrganizationName(owner))


def _file(one: Object) -> Facts:
    found = digests(one)
    yield same_file(*found)
    told: dict[str, Any] = {}
    for name, relations in FILES.get(one.name, {}).items():
        value = one.first(*relations)
        if value:
            told[name] = int(value) if name == "size" and value.isdecimal() else value
    samples = [each.parts()[0][1] for each in one.attributes if each.type == "malware-sample"]
    names = [*one.of(*FILES.get(one.name, {}).get("names", ())), *samples]
    if found and (told or names):
        yield DIGEST.each(found, **{**told, "names": [names] * len(found)})


def _certificate(one: Object) -> Facts:
    found = certificate(one)
    if found is None:
        return
    told = {name: one.first(*relations) for name, relations in CERTIFICATE.items()}
    told |= {each: one.first(f"x509-fingerprint-{each}") for each in ("sha1", "md5")}
    yield CERTIFICATE_ID.each(found, **{name: value for name, value in told.items() if value})
    yield from certificate_names(found, [Hostname(each) for each in one.of("dns_names")])


def _connected(one: Object) -> Facts:
    """Yield who was seen to connect to whom, and the ports that answer."""
    first, last = one.dates
    seen = {"first_seen": first, "last_seen": last}
    if one.name in PORTS:
        at, port, protocol = PORTS[one.name]
        addresses, ports = one.of(*at), one.of(port)
        for address, number in [] if _both_several(addresses, ports) else product(addresses, ports):
            yield EXPOSES.each(Address(address), service(address, number, *one.of(protocol)), **seen)
    if one.name in CONNECTIONS:
        openers, targets, port, protocol = CONNECTIONS[one.name]
        starts, ends, numbers = one.of(*openers)[:1], one.of(*targets)[:1], one.of(port)[:1]
        if numbers and (addresses := one.of(targets[0])):
            answering = service(addresses[0], numbers[0], *one.of(protocol))
            yield EXPOSES.each(Address(addresses[0]), answering, **seen)
            ends = [answering]
        yield CONNECTS_TO.each(
            [Hostname(each) for each in starts if ends], [Hostname(each) for each in ends if starts], **seen
        )


def is_read(one: Object, relation: str) -> bool:
    """Tell whether the mapping reads an object's attribute by its relation, whatever its type."""
    ties = {each for tie in TIES.get(one.name, ()) for each in (*tie.start, *tie.end)}
    properties = {each for known in PROPERTIES.get(one.name, ()) for each in (*known.of, *known.value)}
    files = {each for relations in FILES.get(one.name, {}).values() for each in relations}
    sources, targets, *ports = CONNECTIONS.get(one.name, ((), ()))
    connected = {*sources, *targets, *ports, *(each for each in PORTS.get(one.name, ()) if isinstance(each, str))}
    certified = {each for relations in CERTIFICATE.values() for each in relations} if one.name == "x509" else set()
    others = OTHERS.get(one.name, set())
    return relation in ties | properties | files | connected | certified | others | DATES
