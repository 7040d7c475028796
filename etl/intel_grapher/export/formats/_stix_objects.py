"""What each node is in STIX 2.1, its identifier, and the pattern that looks for it.

https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html. A cyber-observable has the identifier that the standard
derives from its value (section 2.9), so that all producers give one thing one identifier. Other objects have one that
is derived from the node's label and key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import msgspec

from intel_grapher import labels
from intel_grapher.export.cliques import ALGORITHMS, File
from intel_grapher.keys import service_port, service_transport

OBSERVABLE: Final = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7").bytes
"""The standard's namespace of identifiers that are derived from a value."""
OWN: Final = UUID("6c1f0f0e-3d44-5b6a-9d3e-2f6d3a2c7b10").bytes
"""The namespace of our other objects."""
FINGERPRINTS: Final = {"sha1": "SHA-1", "md5": "MD5"}
FUZZY: Final = {
    "SSDEEP": ("ssdeep", re.compile(r"\d+:[A-Za-z0-9+/]*:[A-Za-z0-9+/]*")),
    "TLSH": ("tlsh", re.compile(r"(T1)?[0-9A-Fa-f]{70}")),
}
ATTACK_ID: Final = re.compile(r"(TA|T|S|G|M)\d{4}(\.\d{3})?")
_encode: Final = msgspec.json.encode
Json = dict[str, Any]


def uuid5(namespace: bytes, name: bytes) -> str:
    """Return the name-based UUID of version 5, as text."""
    digits = hashlib.sha1(namespace + name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def own(type_: str, *names: str) -> str:
    """Return the identifier of an object of ours."""
    name = "\x1f".join((type_, *names))
    return f"{type_}--{uuid5(OWN, name.encode())}"


def observable(type_: str, **value: object) -> str:
    """Return the identifier of an observable, by what the standard derives it from, in the order of the names."""
    return f"{type_}--{uuid5(OBSERVABLE, _encode(value))}"


def file_id(digest: str) -> str:
    """Return the identifier of a file by the digest that names it."""
    return observable("file", hashes={ALGORITHMS[len(digest)]: digest})


def file(file: File) -> Json:
    """Return the members of a file. Names are not among them: the standard derives an identifier from them as well."""
    known = file.properties
    fuzzy = {name: known[of] for name, (of, form) in FUZZY.items() if form.fullmatch(known.get(of, ""))}
    size = {"size": known["size"]} if known.get("size", -1) >= 0 else {}
    mime = {"mime_type": known["mime_type"]} if known.get("mime_type") else {}
    return {"type": "file", "hashes": file.digests | fuzzy, **size, **mime}


def host_of(service: str) -> str:
    """Return the address of a service."""
    return service.rpartition(":")[0].strip("[]")


def _address(key: str) -> str:
    return "ipv6-addr" if ":" in key else "ipv4-addr"


def _address_id(key: str) -> str:
    return observable(_address(key), value=key)


def _valued(type_: str) -> tuple[Callable[[str], str], Callable[[str, Json], Json]]:
    """Return how an observable that is its value gets its identifier and its members."""
    return (lambda key: observable(type_, value=key)), (lambda key, _known: {"type": type_, "value": key})


def _fingerprints(key: str) -> dict[str, str]:
    algorithm, colon, digits = key.partition(":")
    if not colon:
        return {"SHA-256": key}
    return {FINGERPRINTS[algorithm]: digits} if algorithm in FINGERPRINTS else {}


def _certificate_id(key: str) -> str:
    hashes = _fingerprints(key)
    return observable("x509-certificate", hashes=hashes) if hashes else own("x509-certificate", key)


def _certificate(key: str, known: Json) -> Json:
    made: Json = {"type": "x509-certificate"}
    if hashes := _fingerprints(key):
        made["hashes"] = hashes
    else:
        made |= {"serial_number": known["serial"]} if "serial" in known else {"x_intel_grapher_key": key}
    told = {"issuer": "issuer", "subject": "subject"}
    moments = {"validity_not_before": "not_before", "validity_not_after": "not_after"}
    return made | {name: known[of] for name, of in (told | moments).items() if of in known}


def _service_id(key: str) -> str:
    made = _service(key, {})
    return observable(
        "network-traffic", dst_port=made["dst_port"], dst_ref=made["dst_ref"], protocols=made["protocols"]
    )


def _service(key: str, known: Json) -> Json:
    _ = known
    host = host_of(key)
    protocols = [_address(host).removesuffix("-addr"), *filter(None, [service_transport(key)])]
    ends = {"dst_ref": _address_id(host), "dst_port": service_port(key)}
    return {"type": "network-traffic", **ends, "protocols": protocols}


def _user(key: str) -> Json:
    return {"account_login": key, "account_type": "twitter"}


def _system_id(key: str) -> str:
    return observable("autonomous-system", number=int(key.removeprefix("AS")))


def _system(key: str, known: Json) -> Json:
    named = {"name": known["name"]} if "name" in known else {}
    return {"type": "autonomous-system", "number": int(key.removeprefix("AS")), **named}


OBSERVABLES: Final[dict[str, tuple[Callable[[str], str], Callable[[str, Json], Json]]]] = {
    labels.DOMAIN.name: _valued("domain-name"),
    labels.SUBDOMAIN.name: _valued("domain-name"),
    labels.IP_ADDRESS.name: (_address_id, lambda key, _: {"type": _address(key), "value": key}),
    labels.NETWORK.name: (_address_id, lambda key, _: {"type": _address(key), "value": key}),
    labels.EMAIL.name: _valued("email-addr"),
    labels.URL.name: _valued("url"),
    labels.ASN.name: (_system_id, _system),
    labels.TWITTER_USER.name: (
        lambda key: observable("user-account", **_user(key)),
        lambda key, _: {"type": "user-account", **_user(key)},
    ),
    labels.CERTIFICATE.name: (_certificate_id, _certificate),
    labels.SERVICE.name: (_service_id, _service),
}
"""How a node of a label that is an observable gets its identifier, by its key, and its members, by key and properties.

A digest is not among them: files are made of several.
"""


def _external(key: str) -> list[Json]:
    """Return the reference to ATT&CK of one of its ids."""
    if not ATTACK_ID.fullmatch(key):
        return []
    return [{"source_name": "mitre-attack", "external_id": key}]


def _named(type_: str, **more: object) -> Callable[[str, Json], Json]:
    """Return how an object with a name gets its members."""

    def make(key: str, known: Json) -> Json:
        made: Json = {"type": type_, "name": known.get("name", key), **more}
        made |= {name: known[name] for name in ("description",) if name in known}
        if "aliases" in known and type_ in {"malware", "tool", "intrusion-set", "attack-pattern"}:
            made["aliases"] = known["aliases"]
        if references := _external(key):
            made["external_references"] = references
        return made

    return make


def _vulnerability(key: str, known: Json) -> Json:
    _ = known
    return {"type": "vulnerability", "name": key, "external_references": [{"source_name": "cve", "external_id": key}]}


_NAMES: Final = frozenset({labels.DOMAIN.name, labels.SUBDOMAIN.name})
OBJECTS: Final[dict[str, tuple[str, Callable[[str, Json], Json]]]] = {
    labels.ORGANIZATION.name: ("identity", _named("identity", identity_class="organization")),
    labels.MALWARE.name: ("malware", _named("malware", is_family=True)),
    labels.VULNERABILITY.name: ("vulnerability", _vulnerability),
    labels.TECHNIQUE.name: ("attack-pattern", _named("attack-pattern")),
    labels.SOFTWARE.name: ("tool", _named("tool")),
    labels.GROUP.name: ("intrusion-set", _named("intrusion-set")),
    labels.MITIGATION.name: ("course-of-action", _named("course-of-action")),
}
"""What a node of a label that is an object of its own is, and how it gets its members."""


def has_place(label: str) -> bool:
    """Tell whether STIX has objects for a label's nodes."""
    return label in OBSERVABLES or label in OBJECTS or label in {labels.HASH.name, labels.REPORT.name}


def identifier(label: str, key: str) -> str | None:
    """Return the identifier of a node; of a digest that of the file that it names. None without a place.

    A name such as _dmarc.example.com has none: STIX wants names as hosts have them (RFC 5890).
    """
    if "_" in key and label in _NAMES:
        return None
    if label in OBSERVABLES:
        try:
            return OBSERVABLES[label][0](key)
        except (ValueError, KeyError):  # a key that is none of its label's
            return None
    if label in OBJECTS:
        return own(OBJECTS[label][0], label, key)
    if label == labels.HASH.name:
        return file_id(key)
    return own("report", key) if label == labels.REPORT.name else None


def comes_back(label: str, key: str) -> bool:
    """Tell whether a node is known again when its object is read: a certificate is by a fingerprint alone."""
    if label == labels.CERTIFICATE.name and not _fingerprints(key):
        return False
    return identifier(label, key) is not None


def pattern(label: str, key: str) -> str | None:
    """Return the pattern that looks for an observable, or None."""
    if label not in OBSERVABLES:
        return None
    made = OBSERVABLES[label][1](key, {})
    type_ = made["type"]
    if label == labels.NETWORK.name:
        term = f"{type_}:value ISSUBSET {_literal(key)}"
    elif "value" in made:
        term = f"{type_}:value = {_literal(key)}"
    elif "hashes" in made:
        term = _hashes(type_, made["hashes"])
    elif type_ == "user-account":
        term = f"user-account:account_type = 'twitter' AND user-account:account_login = {_literal(key)}"
    elif type_ == "autonomous-system":
        term = f"autonomous-system:number = {made['number']}"
    elif type_ == "network-traffic":
        at = f"network-traffic:dst_ref.value = {_literal(host_of(key))}"
        term = f"{at} AND network-traffic:dst_port = {made['dst_port']}"
    else:
        return None
    return f"[{term}]"


def file_pattern(file: File) -> str:
    """Return the pattern that looks for a file by any of its digests."""
    return f"[{_hashes('file', file.digests)}]"


def _hashes(type_: str, hashes: dict[str, str]) -> str:
    terms = (
        f"{type_}:hashes.{_literal(name) if '-' in name else name} = {_literal(value)}"
        for name, value in hashes.items()
    )
    return " OR ".join(terms)


def _literal(text: str) -> str:
    """Return a text as a string of a pattern."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
