"""What observables and indicators are in themselves, and to those that they refer to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from intel_grapher.model import Fact, Facts, Kind
from intel_grapher.schema import (
    ADDRESS,
    ALIAS_OF,
    ANNOUNCED_BY,
    AS_NUMBER,
    CERTIFICATE_ID,
    CIDR_RANGE,
    CONNECTS_TO,
    CONTAINS,
    DIGEST,
    DIGEST_BY,
    EXPOSES,
    HOSTNAME,
    LINK,
    RESOLVES,
    SERVICE_NAME,
    Address,
    ASNumber,
    CertificateId,
    Digest,
    Hostname,
    Link,
    ServiceName,
    certificate_names,
    on_hosts,
    same_file,
    service_name,
)
from intel_grapher.sources.stix.contents import Contents, Named, algorithm, certificate, digests
from intel_grapher.sources.stix.patterns import Observation
from intel_grapher.sources.stix.shapes import Item

FUZZY = ("ssdeep", "tlsh", "imphash")
_DNS = "DNS:"


def known(found: Iterable[tuple[Named, list[str]]]) -> Facts:
    """Yield that nodes are known, each with its tags."""
    of: dict[Kind[Any], dict[str, list[str]]] = {}
    for each, tags in found:
        of.setdefault(each.kind, {}).setdefault(each.value, []).extend(tags)
    for kind, values in of.items():
        if "tags" in kind.names:
            yield kind.each(list(values), tags=[sorted(set(tags)) for tags in values.values()])
        else:
            yield kind.each(list(values))
        if kind is LINK:
            yield on_hosts([Link(each) for each in values])


def within(contents: Contents) -> Facts:
    """Yield what observables are, and what they say of others."""
    for item in contents.of("file", "artifact"):
        yield from _file(contents, item)
    for item in contents.of("domain-name"):
        seen = [other for each in item.resolves_to_refs for other in contents.nodes(each)]
        name = Hostname(item.value)
        yield RESOLVES.each(name, [Address(each.value) for each in seen if each.kind is ADDRESS])
        yield ALIAS_OF.each(name, [Hostname(each.value) for each in seen if each.kind is HOSTNAME])
    for item in contents.of("ipv4-addr", "ipv6-addr"):
        networks = [other for each in item.belongs_to_refs for other in contents.nodes(each)]
        yield from routed(contents.nodes(item.id), networks)
    systems = [each for each in contents.of("autonomous-system") if each.number is not None]
    yield AS_NUMBER.each([ASNumber(str(each.number)) for each in systems], name=[each.name for each in systems])
    for item in contents.of("x509-certificate"):
        yield from _certificate(item)
    for item in contents.of("network-traffic"):
        yield from _connected(contents, item)


def routed(addresses: Iterable[Named], systems: Iterable[Named]) -> Facts:
    """Yield which AS announces the route to addresses and networks."""
    numbers = [each.value for each in systems if each.kind is AS_NUMBER]
    for each in addresses:
        if each.kind in {ADDRESS, CIDR_RANGE}:
            yield ANNOUNCED_BY.each(each.value, numbers)  # type: ignore[arg-type] # of a kind that it joins


def _file(contents: Contents, item: Item) -> Facts:
    found = [Digest(each.value) for each in digests(item.hashes)]
    yield same_file(*found)
    told: dict[str, Any] = {"size": item.size, "mime_type": item.mime_type}
    told |= {algorithm(name): value for name, value in item.hashes.items() if algorithm(name) in FUZZY}
    told = {name: value for name, value in told.items() if value is not None}
    if item.name:
        told["names"] = [[item.name]] * len(found)
    if found and told:
        yield DIGEST.each(found, **told)
    for each in item.contains_refs:
        inner = [Digest(other.value) for other in contents.nodes(each) if other.kind in DIGEST_BY.values()]
        yield CONTAINS.each(found[:1] * len(inner[:1]), inner[: len(found[:1])][:1])


def _certificate(item: Item) -> Facts:
    found = certificate(item.hashes)
    if found is None:
        return
    told = {
        "serial": item.serial_number,
        "issuer": item.issuer,
        "subject": item.subject,
        "not_before": item.validity_not_before,
        "not_after": item.validity_not_after,
    }
    told |= {algorithm(name): value for name, value in item.hashes.items() if algorithm(name) in {"sha1", "md5"}}
    yield CERTIFICATE_ID.each(CertificateId(found.value), **{name: value for name, value in told.items() if value})
    names = (item.x509_v3_extensions.subject_alternative_name if item.x509_v3_extensions else "").split(",")
    named = [Hostname(each.strip()[len(_DNS) :]) for each in names if each.strip().startswith(_DNS)]
    yield from certificate_names(CertificateId(found.value), named)


def _connected(contents: Contents, item: Item) -> Facts:
    """Yield who was seen to connect to whom, and the port that answers."""
    seen = {"first_seen": item.start, "last_seen": item.end or item.start}
    answering = contents.service(item)
    starts = contents.nodes(item.src_ref) if item.src_ref else []
    ends = contents.nodes(item.dst_ref) if item.dst_ref else []
    if answering:
        yield EXPOSES.each(Address(ends[0].value), ServiceName(answering.value), **seen)
        ends = [answering]
    opening = [Hostname(each.value) for each in starts if each.kind in {ADDRESS, HOSTNAME}]
    reached = [Hostname(each.value) for each in ends if each.kind in {ADDRESS, HOSTNAME, SERVICE_NAME}]
    if opening and reached:
        yield CONNECTS_TO.each(opening[0], reached[0], **seen)


def compared(observation: Observation) -> Facts:
    """Yield what the comparisons of one observation say of each other, where all of them hold."""
    if not observation.all_hold:
        return
    told: dict[str, list[str]] = {}
    for path, value in observation.comparisons:
        told.setdefault(path, []).append(value)
    hashes = {path.removeprefix("file:hashes."): each for path, each in told.items() if path.startswith("file:hashes.")}
    found = [each.value for each in digests({name: values[0] for name, values in hashes.items()})]
    if all(len(values) == 1 for values in hashes.values()):
        yield same_file(*(Digest(each) for each in found))
        yield from _named_file(found, told.get("file:name", []))
    names, addresses = told.get("domain-name:value", []), told.get("domain-name:resolves_to_refs.value", [])
    if len(names) == 1:
        yield RESOLVES.each(Hostname(names[0]), [Address(each) for each in addresses])
    yield from _ported(told)


def _named_file(found: list[str], names: list[str]) -> Facts:
    if found and names:
        yield DIGEST.each([Digest(each) for each in found], names=[names] * len(found))


def _ported(told: dict[str, list[str]]) -> Iterable[Fact]:
    """Yield the service that a pattern tells by an address and a port."""
    addresses, ports = told.get("network-traffic:dst_ref.value", []), told.get("network-traffic:dst_port", [])
    if len(addresses) == len(ports) == 1 and ports[0].isdecimal():
        transports = {each.lower() for each in told.get("network-traffic:protocols", [])} & {"tcp", "udp"}
        transport = transports.pop() if len(transports) == 1 else None
        name = service_name(Address(addresses[0]), int(ports[0]), transport)
        yield EXPOSES.each(Address(addresses[0]), name)
