"""The shape of a STIX bundle: every object has the members of all, for their types are told by a member.

OASIS STIX 2.1, parts 3 to 8, and STIX 2.0, parts 2 to 4.
"""

from __future__ import annotations

from msgspec import Struct

from intel_grapher.sources import _attack


class Marking(Struct):
    statement: str = ""


class CertificateExtensions(Struct):
    subject_alternative_name: str = ""


class ExternalLink(_attack.ExternalReference):
    url: str = ""


class Item(_attack.Item):
    """A STIX object, or a cyber-observable of STIX 2.0, which has no id of its own."""

    external_references: list[ExternalLink] = []  # type: ignore[assignment] # nothing is ever added to it
    created: str | None = None
    modified: str | None = None
    confidence: int | None = None
    labels: list[str] = []
    object_marking_refs: list[str] = []
    definition: Marking | None = None
    # indicators
    pattern: str = ""
    pattern_type: str = "stix"
    indicator_types: list[str] = []
    valid_from: str | None = None
    valid_until: str | None = None
    # reports, groupings, notes, opinions
    object_refs: list[str] = []
    published: str | None = None
    content: str = ""
    abstract: str = ""
    authors: list[str] = []
    opinion: str = ""
    explanation: str = ""
    # observed data, sightings, relationships
    objects: dict[str, Item] = {}
    first_observed: str | None = None
    last_observed: str | None = None
    sighting_of_ref: str = ""
    observed_data_refs: list[str] = []
    first_seen: str | None = None
    last_seen: str | None = None
    start_time: str | None = None
    stop_time: str | None = None
    # malware, identities
    sample_refs: list[str] = []
    identity_class: str = ""
    # cyber-observables
    value: str = ""
    hashes: dict[str, str] = {}
    size: int | None = None
    mime_type: str | None = None
    contains_refs: list[str] = []
    image_ref: str = ""
    resolves_to_refs: list[str] = []
    belongs_to_refs: list[str] = []
    number: int | None = None
    src_ref: str = ""
    dst_ref: str = ""
    dst_port: int | None = None
    protocols: list[str] = []
    start: str | None = None
    end: str | None = None
    account_type: str = ""
    account_login: str = ""
    subject: str | None = None
    issuer: str | None = None
    serial_number: str | None = None
    validity_not_before: str | None = None
    validity_not_after: str | None = None
    x509_v3_extensions: CertificateExtensions | None = None


class Bundle(Struct):
    type: str = ""
    objects: list[Item] | None = None


REFERENCES = (
    *("object_refs", "observed_data_refs", "sample_refs", "contains_refs", "resolves_to_refs", "belongs_to_refs"),
    *("image_ref", "src_ref", "dst_ref", "sighting_of_ref", "source_ref", "target_ref"),
)
