"""The objects of a bundle: the latest version of each, which one an id means, which nodes each stands for.

The observables that STIX 2.0 keeps inside observed data get ids of their own, and are then objects as all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from intel_grapher.errors import BadValue
from intel_grapher.model import Kind
from intel_grapher.schema import (
    ADDRESS,
    AS_NUMBER,
    CERTIFICATE_ID,
    CIDR_RANGE,
    CVE_ID,
    DIGEST_BY,
    EMAIL_ADDRESS,
    GROUP_ID,
    HOSTNAME,
    LINK,
    MALWARE_NAME,
    ORGANIZATION_NAME,
    REFERENCE,
    SCREEN_NAME,
    SERVICE_NAME,
    Address,
    service_name,
)
from intel_grapher.sources._attack import KINDS as ATTACK
from intel_grapher.sources._ties import Thing
from intel_grapher.sources.stix import patterns
from intel_grapher.sources.stix.patterns import Comparison, Observation
from intel_grapher.sources.stix.shapes import REFERENCES, Item

OURS = "intel-grapher"
"""The source_name of an external reference that has the key of a report in our graph."""
VALUES: dict[str, Kind[Any]] = {
    "domain-name": HOSTNAME,
    "ipv4-addr": ADDRESS,
    "ipv6-addr": ADDRESS,
    "url": LINK,
    "email-addr": EMAIL_ADDRESS,
}
# What an object path of a pattern names, besides digests.
PATHS: dict[str, Kind[Any]] = {
    **{f"{type_}:value": kind for type_, kind in VALUES.items()},
    **{f"network-traffic:{end}_ref.value": ADDRESS for end in ("src", "dst")},
    "network-traffic:extensions.http-request-ext.request_header.Host": HOSTNAME,
    **{f"email-message:{field}.value": EMAIL_ADDRESS for field in ("from_ref", "sender_ref", "to_refs", "cc_refs")},
    "domain-name:resolves_to_refs.value": ADDRESS,
    "autonomous-system:number": AS_NUMBER,
    "vulnerability:name": CVE_ID,
}
SELECTORS = re.compile(r".*(?:\.type|protocols|account_type|dst_port|is_family)|file:(?:name|size|mime_type)")
"""Paths that name nothing by themselves, and say more of what the others name."""
_HASHES = re.compile(r"(?:file|artifact|process:(?:image|binary)_ref|.*:content_ref).*hashes\.(?P<name>.+)")
_CERTIFICATE = re.compile(r"x509-certificate:hashes\.(?P<name>.+)")
_OF_TWITTER = Comparison("user-account:account_type", "twitter")
FINGERPRINTS = ("sha256", "sha1", "md5")  # a certificate is known by the first of these
THREATS: dict[str, Kind[Any]] = {
    "malware": MALWARE_NAME,
    "tool": MALWARE_NAME,
    "threat-actor": GROUP_ID,
    "intrusion-set": GROUP_ID,
}
REPORTS = {"report", "grouping"}


class Named(NamedTuple):
    """One node: the kind that its raw key is of, and that key."""

    kind: Kind[Any]
    value: str


def algorithm(name: str) -> str:
    """Return the name of a hash algorithm as the schema has it: sha256 for SHA-256."""
    return name.lower().replace("-", "").replace("_", "")


def digests(hashes: dict[str, str]) -> list[Named]:
    """Return the digests of a file, the longest first."""
    found = [Named(DIGEST_BY[algorithm(name)], value) for name, value in hashes.items() if algorithm(name) in DIGEST_BY]
    return sorted(found, key=lambda each: len(each.value), reverse=True)


def certificate(hashes: dict[str, str]) -> Named | None:
    """Return what a certificate goes by, or None."""
    told = {algorithm(name): value for name, value in hashes.items()}
    return next((Named(CERTIFICATE_ID, f"{each}:{told[each]}") for each in FINGERPRINTS if each in told), None)


def placed(kind: Kind[Any], value: str) -> Named:
    """Return the node of an address, a name or a network: an object's type may be taken for another's."""
    if kind is ADDRESS:
        address, _, length = value.partition("/")
        if length and length != ("128" if ":" in address else "32"):
            return Named(CIDR_RANGE, value)
        for other in (ADDRESS, HOSTNAME):
            try:
                other.canonical(address)
            except BadValue:
                continue
            return Named(other, address)
    return Named(kind, value)


class Contents:
    """A bundle's objects. `superseded` and `withdrawn` are the ids of what does not count.

    `missing` collects the ids that were asked for and are in no object.
    """

    def __init__(self, objects: Iterable[Item]) -> None:
        latest: dict[str, Item] = {}
        self.superseded: list[str] = []
        for item in _unfolded(objects):
            known = latest.get(item.id)
            if known is not None:
                self.superseded.append(item.id)
            if known is None or _version(item) >= _version(known):
                latest[item.id] = item
        self.withdrawn = [each.id for each in latest.values() if each.revoked or each.x_mitre_deprecated]
        self._gone = {"", *self.withdrawn}
        self.by_id = {name: each for name, each in latest.items() if name not in self._gone}
        self.missing: dict[str, None] = {}
        self.complex: dict[str, None] = {}
        self._nodes: dict[str, list[Named]] = {}

    def __iter__(self) -> Iterator[Item]:
        return iter(self.by_id.values())

    def of(self, *types: str) -> list[Item]:
        """Return the objects of these types."""
        return [each for each in self if each.type in types]

    def get(self, reference: str) -> Item | None:
        """Return the object that an id stands for, or None, which is noted."""
        found = self.by_id.get(reference)
        if found is None and reference not in self._gone:
            self.missing[reference] = None
        return found

    def nodes(self, reference: str) -> list[Named]:
        """Return the nodes that an object stands for."""
        if reference not in self._nodes:
            self._nodes[reference] = []  # one that stands for itself stands for nothing
            item = self.get(reference)
            self._nodes[reference] = list(self._meant(item)) if item else []
        return self._nodes[reference]

    def end(self, reference: str) -> list[Named]:
        """Return the nodes that an object is as an end of a relationship: a file by its longest digest.

        An indicator is all that its pattern names, and traffic the service that it is to.
        """
        item, found = self.get(reference), self.nodes(reference)
        if item is None or item.type == "indicator":
            return found
        if item.type == "network-traffic":
            return found[:1]
        return found[:1] if found and found[0].kind in DIGEST_BY.values() else found

    def _meant(self, item: Item) -> Iterator[Named]:
        if item.type == "process":
            yield from self.nodes(item.image_ref)
        elif item.type == "network-traffic":
            yield from self._traffic(item)
        elif item.type == "indicator":
            yield from self._indicated(item)
        elif item.type == "observed-data":
            for each in item.object_refs:
                yield from self.nodes(each)
        else:
            yield from _observable(item)
            yield from _threat(item)

    def _traffic(self, item: Item) -> Iterator[Named]:
        answering = self.service(item)
        if answering:
            yield answering
        for each in filter(None, (item.src_ref, item.dst_ref)):
            yield from self.nodes(each)

    def service(self, item: Item) -> Named | None:
        """Return the service that a network traffic's destination is: an address at a port; None for a name."""
        found = self.nodes(item.dst_ref) if item.dst_ref else []
        if item.dst_port is None or [each.kind for each in found] != [ADDRESS]:
            return None
        transports = sorted({each.lower() for each in item.protocols} & {"tcp", "udp"})
        transport = transports[0] if len(transports) == 1 else None
        return Named(SERVICE_NAME, service_name(Address(found[0].value), item.dst_port, transport))

    def _indicated(self, item: Item) -> Iterator[Named]:
        for observation in self.observations(item.id):
            yield from filter(None, (compared(each, observation) for each in observation.comparisons))
        for each in self._based_on.get(item.id, ()):
            yield from self.nodes(each)

    def observations(self, indicator: str) -> list[Observation]:
        """Return what the pattern of an indicator compares; nothing for a pattern that is not read, which is noted."""
        item = self.by_id[indicator]
        try:
            found = patterns.read(item.pattern) if item.pattern_type == "stix" else []
        except BadValue:
            found = []
        if not found:
            self.complex[item.pattern] = None
        return found

    @cached_property
    def _based_on(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for each in self.of("relationship"):
            if each.relationship_type == "based-on":
                found.setdefault(each.source_ref, []).append(each.target_ref)
        return found

    def thing(self, reference: str) -> Thing:
        """Return what an object is, for those that are tied to it."""
        of: dict[Any, list[str]] = {}
        for each in self.nodes(reference):
            of.setdefault(each.kind, []).append(each.value)
        item = self.by_id.get(reference)
        malware = [item.name] if item is not None and item.name and item.type in {"malware", "tool"} else []
        files = [each.value for each in self.nodes(reference) if each.kind in DIGEST_BY.values()]
        hosts = {kind: of.get(kind, []) for kind in (HOSTNAME, ADDRESS, LINK)}
        return Thing(files[:1], hosts[HOSTNAME], hosts[ADDRESS], hosts[LINK], malware)


def compared(comparison: Comparison, observation: Observation) -> Named | None:
    """Return the node that a comparison of a pattern names, or None."""
    path, value = comparison
    if path in PATHS:
        return placed(PATHS[path], value)
    if (match := _CERTIFICATE.fullmatch(path)) and algorithm(match["name"]) in FINGERPRINTS:
        return Named(CERTIFICATE_ID, f"{algorithm(match['name'])}:{value}")
    if (match := _HASHES.fullmatch(path)) and algorithm(match["name"]) in DIGEST_BY:
        return Named(DIGEST_BY[algorithm(match["name"])], value)
    if path == "user-account:account_login" and _OF_TWITTER in observation.comparisons:
        return Named(SCREEN_NAME, value)
    return None


def _observable(item: Item) -> Iterator[Named]:
    if item.type in VALUES:
        yield placed(VALUES[item.type], item.value)
    elif item.type in {"file", "artifact"}:
        yield from digests(item.hashes)
    elif item.type == "autonomous-system" and item.number is not None:
        yield Named(AS_NUMBER, str(item.number))
    elif item.type == "x509-certificate" and (found := certificate(item.hashes)):
        yield found
    elif item.type == "user-account" and item.account_type.lower() == "twitter":
        yield Named(SCREEN_NAME, item.account_login)


def _threat(item: Item) -> Iterator[Named]:
    """Yield the node of an object that is no observable: by its ATT&CK id where it has one."""
    if item.type in ATTACK and item.attack_id:
        yield Named(ATTACK[item.type], item.attack_id)
    elif item.type in THREATS and item.name:
        yield Named(THREATS[item.type], item.name)
    elif item.type == "vulnerability":
        told = [each.external_id for each in item.external_references if each.source_name == "cve"]
        yield Named(CVE_ID, next(iter(told), item.name or ""))
    elif item.type == "identity" and item.identity_class == "organization" and item.name:
        yield Named(ORGANIZATION_NAME, item.name)
    elif item.type in REPORTS:
        ours = (each.external_id for each in item.external_references if each.source_name == OURS)
        yield Named(REFERENCE, next(ours, f"stix:{item.id}"))


def _version(item: Item) -> str:
    return item.modified or item.created or ""


def _unfolded(objects: Iterable[Item]) -> Iterator[Item]:
    """Yield all objects; of STIX 2.0's observed data, the observables as objects of their own."""
    for number, found in enumerate(objects):
        item = found if found.id else msgspec.structs.replace(found, id=f"#{number}")
        inner = {name: f"{item.id}/{name}" for name in item.objects}
        for name, each in item.objects.items():
            moved = {field: _moved(getattr(each, field), inner) for field in REFERENCES if getattr(each, field)}
            yield msgspec.structs.replace(each, id=inner[name], **moved)
        if inner:
            yield msgspec.structs.replace(item, object_refs=[*item.object_refs, *inner.values()], objects={})
        else:
            yield item


def _moved(reference: str | list[str], to: dict[str, str]) -> str | list[str]:
    if isinstance(reference, str):
        return to.get(reference, reference)
    return [to.get(each, each) for each in reference]
