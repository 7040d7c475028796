"""One canonical form for every key and text of the graph, and the kind of a bare indicator.

Every function takes any string, returns the canonical one, and raises nothing but BadValue, whose reason is one of a
few fixed phrases. All are idempotent: a canonical form is its own canonical form. A value that is canonical already,
as most are, takes the short way at a function's beginning.
"""

from intel_grapher.keys import looks, plain
from intel_grapher.keys.addresses import (
    asn,
    asn_after_as,
    ip_address,
    network,
)
from intel_grapher.keys.identifiers import (
    attack_id,
    certificate,
    cve,
    digest,
    digest_algorithm,
    email,
    number,
    screen_name,
)
from intel_grapher.keys.indicators import IndicatorKind, detect, refang
from intel_grapher.keys.names import domain, hostname, is_registrable, registered, registrable, subdomain
from intel_grapher.keys.plain import without_transport
from intel_grapher.keys.services import service, service_port, service_transport
from intel_grapher.keys.texts import hashtag, list_item, mention, name_text, reference, text
from intel_grapher.keys.urls import host_of, url
from intel_grapher.keys.withheld import malware, organization, own_contacts

__all__ = [
    "IndicatorKind",
    "asn",
    "asn_after_as",
    "attack_id",
    "certificate",
    "cve",
    "detect",
    "digest",
    "digest_algorithm",
    "domain",
    "email",
    "hashtag",
    "host_of",
    "hostname",
    "ip_address",
    "is_registrable",
    "list_item",
    "looks",
    "malware",
    "mention",
    "name_text",
    "network",
    "number",
    "organization",
    "own_contacts",
    "plain",
    "refang",
    "reference",
    "registered",
    "registrable",
    "screen_name",
    "service",
    "service_port",
    "service_transport",
    "subdomain",
    "text",
    "url",
    "without_transport",
]
