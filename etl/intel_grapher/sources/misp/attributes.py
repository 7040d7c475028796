"""What an attribute names, by its type and, in an object, by its relation to it.

A value is of the kind that its type says, whatever its form suggests; only where it is none of that kind, it is read as
in a list: defanged, with a port, a network. Types that no table here has leave a trace in the coverage report. imphash,
JA3 and their like are no digests of a file, and sha3-256 or sha512/256, which are as long as another algorithm's, are
none of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from intel_grapher.model import Facts, Kind
from intel_grapher.schema import (
    ADDRESS,
    AS_NUMBER,
    ATTRIBUTED_TO,
    CERTIFICATE_ID,
    CIDR_RANGE,
    CVE_ID,
    DIGEST,
    DIGEST_BY,
    EMAIL_ADDRESS,
    EXPOSES,
    HOSTNAME,
    LINK,
    REPORTED_IN,
    RESOLVES,
    SCREEN_NAME,
    Address,
    CertificateId,
    Digest,
    Hostname,
    Link,
    Reference,
    ServiceName,
    on_hosts,
    service_name,
)
from intel_grapher.sources._written import PLACES, settled
from intel_grapher.sources.misp.shapes import Attribute, Object

KINDS: dict[str, Kind[Any]] = {
    **dict.fromkeys(("domain", "hostname"), HOSTNAME),
    **dict.fromkeys(("ip", "ip-src", "ip-dst"), ADDRESS),
    **dict.fromkeys(("email", "email-src", "email-dst", "email-reply-to", "whois-registrant-email"), EMAIL_ADDRESS),
    "dns-soa-email": EMAIL_ADDRESS,
    **DIGEST_BY,
    **dict.fromkeys(("url", "uri"), LINK),
    "vulnerability": CVE_ID,
    "AS": AS_NUMBER,
    **dict.fromkeys((f"x509-fingerprint-{each}" for each in ("md5", "sha1", "sha256")), CERTIFICATE_ID),
    "twitter-id": SCREEN_NAME,
}
# Where an object's relation says more than the type: another kind, or None where the value names no indicator.
IN_OBJECTS: dict[tuple[str, str], Kind[Any] | None] = {
    **{(section, each): None for section in ("pe-section", "elf-section", "macho-section") for each in DIGEST_BY},
    ("pe", "richpe"): None,
    **{("cs-beacon-config", f"{what}-{each}"): None for what in ("config", "jar") for each in DIGEST_BY},
    **{("attacker-infra", f"config_{each}"): None for each in DIGEST_BY},
    ("asn", "subnet-announced"): CIDR_RANGE,
    ("dns-record", "spf-record"): None,
    ("passive-dns", "rrname"): HOSTNAME,
    ("passive-dns", "bailiwick"): None,
    ("twitter-account", "name"): SCREEN_NAME,
    **{("twitter-account", f"profile-{each}-url"): None for each in ("image", "banner")},
    ("x509", "ocsp_server"): None,
    ("x509", "issuing_certificate"): None,
}
_ALL = [kind for kind in dict.fromkeys((*KINDS.values(), *IN_OBJECTS.values())) if kind is not None]
REPORTED = {kind: REPORTED_IN.starting(kind) for kind in _ALL}
ATTRIBUTED = {kind: ATTRIBUTED_TO.starting(kind) for kind in _ALL}
SOURCES = {"External analysis", "Internal reference", "Antivirus detection", "Support Tool"}  # categories
FINGERPRINTS = ("sha256", "sha1", "md5")  # a certificate is known by the first of these
LONGEST_COMMENT = 500


class Named(NamedTuple):
    """One value of an attribute, the kind that it is of, and what the event says of it."""

    kind: Kind[Any]
    value: str
    attribute: Attribute
    owner: Object | None


def is_source(attribute: Attribute) -> bool:
    """Tell whether an attribute is a page that the event draws on, and no indicator."""
    read = attribute.type in {"url", "uri"} and attribute.category in SOURCES and not attribute.to_ids
    return read or attribute.type == "link"


def named(attribute: Attribute, owner: Object | None = None) -> Iterator[Named]:
    """Yield what an attribute names."""
    if is_source(attribute):
        return
    own = (owner.name if owner else "", attribute.object_relation or "")
    if own in IN_OBJECTS:
        kind = IN_OBJECTS[own]
        if kind is not None:
            yield Named(kind, attribute.text, attribute, owner)
        return
    if own == ("user-account", "username") and owner and (owner.first("account-type") or "").lower() == "twitter":
        yield Named(SCREEN_NAME, attribute.text, attribute, owner)
    for type_, value in attribute.parts():
        if type_ == "uri" and "://" not in value:
            continue  # a path alone
        if KINDS.get(type_) is CERTIFICATE_ID:
            key = f"{type_.removeprefix('x509-fingerprint-')}:{value}"
            if owner is None or certificate(owner) in {None, key}:
                yield Named(CERTIFICATE_ID, key, attribute, owner)
        elif type_ in KINDS:
            kind, plain, _ = settled(KINDS[type_], value)
            yield Named(kind, plain, attribute, owner)


def certificate(one: Object) -> CertificateId | None:
    """Return what the certificate that an object is goes by, or None."""
    if one.name != "x509":
        return None
    told = ((each, one.first(f"x509-fingerprint-{each}")) for each in FINGERPRINTS)
    return next((CertificateId(f"{each}:{value}") for each, value in told if value), None)


def reported(report: Reference | None, found: list[Named], date: str | None) -> Facts:
    """Yield that a report names indicators, with what it says of each; without a report, that they are known."""
    for kind in dict.fromkeys(each.kind for each in found):
        mine = [each for each in found if each.kind is kind]
        values = [each.value for each in mine]
        if report is None:
            yield kind.each(values)
        else:
            dates = [_dates(each, date) for each in mine]
            yield REPORTED[kind].each(
                values,
                report,
                first_seen=[first for first, _ in dates],
                last_seen=[last for _, last in dates],
                comments=[_comments(each) for each in mine],
            )
        if "tags" in kind.names:
            tagged = [(each.value, _tags(each.attribute)) for each in mine if _tags(each.attribute)]
            yield kind.each([value for value, _ in tagged], tags=[tags for _, tags in tagged])
    yield on_hosts([Link(each.value) for each in found if each.kind is LINK])


def _dates(found: Named, date: str | None) -> tuple[str | None, str | None]:
    owner = found.owner
    first = found.attribute.first_seen or (owner.first_seen if owner else None)
    last = found.attribute.last_seen or (owner.last_seen if owner else None)
    return first or date, last or first or date


def _comments(found: Named) -> list[str]:
    said = (found.attribute.comment, found.owner.comment if found.owner else None)
    return [each if len(each) <= LONGEST_COMMENT else each[: LONGEST_COMMENT - 1] + "…" for each in said if each]


def _tags(attribute: Attribute) -> list[str]:
    return [each.name for each in attribute.tags if not each.name.startswith("misp-galaxy:")]


def together(attribute: Attribute, owner: Object | None = None) -> Facts:
    """Yield what the parts of a composite attribute are to each other."""
    match attribute.parts():
        case [("domain", name), ("ip", address)]:
            first, last = attribute.first_seen, attribute.last_seen or attribute.first_seen
            yield RESOLVES.each(Hostname(name), Address(address), last_resolved=last, first_seen=first, last_seen=last)
        case [("filename", name), (algorithm, digest)] if algorithm in DIGEST_BY:
            yield DIGEST.each(Digest(digest), names=[name])
        case [(type_, value)] if KINDS.get(type_) in PLACES:
            kind, address, number = settled(KINDS[type_], value)
            if kind is ADDRESS and number:
                yield EXPOSES.each(Address(address), service(address, str(number)))
        case [("ip-dst", address), ("port", port)]:
            yield EXPOSES.each(Address(address), service(address, port))
        case [("ip-src", address), ("port", port)] if owner and owner.name == "c2-list":
            yield EXPOSES.each(Address(address), service(address, port))


def service(address: str, port: str, *protocols: str) -> ServiceName:
    """Return the raw name of the service at a port; what is no port makes it a reject."""
    transports = {each.lower() for each in protocols} & {"tcp", "udp"}
    if not port.isdecimal():
        return ServiceName(f"{address}:{port}")
    if len(transports) == 1:
        return service_name(Address(address), int(port), transports.pop())
    return service_name(Address(address), int(port))


def is_taken(attribute: Attribute, owner: Object | None) -> bool:
    """Tell whether the type of an attribute, or of a part of it, is one that is taken."""
    if is_source(attribute) or next(named(attribute, owner), None):
        return True
    types = [type_ for type_, _ in attribute.parts()]
    return attribute.type == "threat-actor" or ("filename" in types and any(each in DIGEST_BY for each in types))
