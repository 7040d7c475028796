"""What nodes and relationships are in a MISP event: types of attributes, templates of objects, references.

https://www.misp-standard.org/rfc/misp-standard-core.html, and the templates of MISP/misp-objects, of 2026-06-27.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple
from uuid import UUID

from intel_grapher import labels, schema
from intel_grapher.export.formats._stix_objects import host_of, uuid5
from intel_grapher.keys import service_port, service_transport

OWN: Final = UUID("2f0f7f5c-6a1b-5c02-8d53-7f6b0a1d94e7").bytes
"""The namespace of our UUIDs in events."""
Json = dict[str, Any]


class Template(NamedTuple):
    """A template of an object: its UUID, version and meta-category."""

    uuid: str
    version: int
    category: str


TEMPLATES: Final = {
    "asn": Template("4ec55cc6-9e49-4c64-b794-03c25c1a6587", 6, "network"),
    "dns-record": Template("f023c8f0-81ab-41f3-9f5d-fa597a34a9b9", 2, "network"),
    "domain-ip": Template("43b3b146-77eb-4931-b4cc-b66c60f28734", 11, "network"),
    "file": Template("688c46fb-5edb-40a3-8273-1af7923e2215", 25, "file"),
    "ip-port": Template("9f8cea74-16fe-4968-a2b4-026676949ac6", 10, "network"),
    "malware": Template("e5ad1d64-4b4e-44f5-9e00-88a705a67f9d", 1, "misc"),
    "network-connection": Template("af16764b-f8e5-4603-9de1-de34d272f80b", 7, "network"),
    "shortened-link": Template("361c0ae8-68bd-11e8-adc0-fa7ae01bbebc", 2018060501, "network"),
    "url": Template("60efb77b-40b5-4c46-871b-ed1ed999fce5", 10, "network"),
    "whois": Template("429faea1-34ff-47af-8a00-7c62d3be5a6a", 10, "network"),
    "x509": Template("d1ab756a-26b5-4349-9f43-765630f0911c", 14, "network"),
}
ATTRIBUTES: Final = {
    labels.DOMAIN.name: "domain",
    labels.SUBDOMAIN.name: "hostname",
    labels.IP_ADDRESS.name: "ip-dst",
    labels.NETWORK.name: "ip-dst",
    labels.EMAIL.name: "email",
    labels.URL.name: "url",
    labels.ASN.name: "AS",
    labels.TWITTER_USER.name: "twitter-id",
    labels.VULNERABILITY.name: "vulnerability",
}
"""The type of the attribute that a node of a label is."""
OBJECTS: Final = {labels.HASH.name: "file", labels.MALWARE.name: "malware", labels.CERTIFICATE.name: "x509"}
"""The template of the object that a node of a label is."""
CATEGORIES: Final = {
    **dict.fromkeys(("domain", "hostname", "ip-dst", "ip-src", "url", "AS", "port"), "Network activity"),
    **dict.fromkeys(("email", "twitter-id"), "Social network"),
    **dict.fromkeys(("vulnerability", "link"), "External analysis"),
    **dict.fromkeys(("whois-registrant-email", "whois-registrant-org"), "Attribution"),
    **{f"x509-fingerprint-{each}": "Network activity" for each in ("md5", "sha1", "sha256")},
    **dict.fromkeys(("md5", "sha1", "sha224", "sha256", "sha384", "sha512"), "Payload delivery"),
    **dict.fromkeys(("filename", "ssdeep", "tlsh", "imphash"), "Payload delivery"),
    "mime-type": "Artifacts dropped",
}
"""The category of an attribute by its type; of all others it is Other."""
FILE: Final = {
    "size": ("size-in-bytes", "size-in-bytes"),
    "mime_type": ("mimetype", "mime-type"),
    "imphash": ("imphash", "imphash"),
    "ssdeep": ("ssdeep", "ssdeep"),
    "tlsh": ("tlsh", "tlsh"),
}
"""The relation and the type of what is known of a file, by property."""
CERTIFICATE: Final = {
    "serial": ("serial-number", "text"),
    "issuer": ("issuer", "text"),
    "subject": ("subject", "text"),
    "not_before": ("validity-not-before", "datetime"),
    "not_after": ("validity-not-after", "datetime"),
}
REFERENCES: Final = {
    schema.ASSOCIATED.type: ("end", "related-to"),
    schema.CONTACTS.type: ("start", "connects-to"),
    schema.DROPS.type: ("start", "drops"),
    schema.CONTAINS.type: ("start", "contains"),
    schema.EXECUTES.type: ("start", "executes"),
    schema.DELIVERS.type: ("end", "downloaded-from"),
    schema.DETECTED_AS.type: ("start", "detected-as"),
    schema.INDICATES.type: ("end", "indicated-by"),
}
"""Relationships that are references: which end is the object that refers to the other, and how."""
IMPLIED: Final = frozenset({schema.SAME_FILE.type, schema.EXPOSES.type, schema.ON.type})
"""Relationships that another part of the event says: digests of a file, a port and its address, a URL and the name in
it. The address that answered for a URL is an object."""
Parts = list[tuple[str, str, str]]
"""Attributes of an object: relation, type, value."""


def uuid(*names: str) -> str:
    """Return a UUID that is derived from names."""
    return uuid5(OWN, "\x1f".join(names).encode())


def certificate(key: str, known: Json) -> Parts:
    """Return the attributes of a certificate; none of one that is known by nothing that MISP has."""
    algorithm, colon, digits = key.partition(":")
    if not colon:
        algorithm, digits = "sha256", key
    found: Parts = []
    if algorithm in {"sha256", "sha1", "md5"}:
        found.append((f"x509-fingerprint-{algorithm}", f"x509-fingerprint-{algorithm}", digits))
    return found + [(*CERTIFICATE[name], str(known[name])) for name in CERTIFICATE if name in known]


def service(key: str) -> Parts:
    """Return the attributes of a port at an address."""
    transport = service_transport(key)
    at = [("ip", "ip-dst", host_of(key)), ("dst-port", "port", str(service_port(key)))]
    return at + ([("protocol", "text", transport)] if transport else [])


def _name(label: str) -> str:
    return ATTRIBUTES[label]


def _resolves(start: str, end: str, group: tuple[str, str, str]) -> Parts:
    return [(_name(group[0]), _name(group[0]), start), ("ip", "ip-dst", end)]


def _record(relation: str) -> Callable[[str, str, tuple[str, str, str]], Parts]:
    return lambda start, end, _: [("queried-domain", "domain", start), (relation, "domain", end)]


def _connects(start: str, end: str, group: tuple[str, str, str]) -> Parts:
    opener = ("ip-src", "ip-src", start) if group[0] == labels.IP_ADDRESS.name else ("hostname-src", "hostname", start)
    if group[2] == labels.SERVICE.name:
        port = service(end)[1:]
        named = {"dst-port": "dst-port", "protocol": "layer4-protocol"}
        return [opener, ("ip-dst", "ip-dst", host_of(end)), *((named[it], type_, value) for it, type_, value in port)]
    is_address = group[2] == labels.IP_ADDRESS.name
    return [opener, ("ip-dst", "ip-dst", end) if is_address else ("hostname-dst", "hostname", end)]


def _announced(start: str, end: str, group: tuple[str, str, str]) -> Parts:
    if group[0] == labels.NETWORK.name:
        return [("asn", "AS", end), ("subnet-announced", "ip-src", start)]
    return [("ip", "ip-dst", start), ("AS", "AS", end)]


ROWS: Final[dict[str, tuple[str, Callable[[str, str, tuple[str, str, str]], Parts]]]] = {
    schema.RESOLVES.type: ("domain-ip", _resolves),
    schema.ALIAS_OF.type: ("dns-record", _record("cname-record")),
    schema.MAIL_SERVER.type: ("dns-record", _record("mx-record")),
    schema.NAME_SERVER.type: ("dns-record", _record("ns-record")),
    schema.OWNS.type: (
        "whois",
        lambda start, end, _: [
            ("domain", "domain", end),
            ("registrant-email", "whois-registrant-email", start),
        ],
    ),
    schema.REGISTERED_TO.type: (
        "whois",
        lambda start, end, _: [("domain", "domain", start), ("registrant-org", "whois-registrant-org", end)],
    ),
    schema.REDIRECTS_TO.type: (
        "shortened-link",
        lambda start, end, _: [("shortened-url", "url", start), ("redirect-url", "url", end)],
    ),
    schema.CONNECTS_TO.type: ("network-connection", _connects),
    schema.ON.type: ("url", lambda start, end, _: [("url", "url", start), ("ip", "ip-dst", end)]),
    schema.ANNOUNCED_BY.type: ("", _announced),  # asn for a network, ip-port for an address
}
"""Relationships that are an object each: its template, and its attributes for the keys of the two ends."""


def row_template(group: tuple[str, str, str]) -> str:
    """Return the template of the objects that a group's rows are."""
    template = ROWS[group[1]][0]
    return template or ("asn" if group[0] == labels.NETWORK.name else "ip-port")
