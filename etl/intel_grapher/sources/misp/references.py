"""What objects and attributes of an event are to each other, by the references between them.

https://github.com/MISP/misp-objects/blob/main/relationships/definition.json. A reference goes from the object that has
it to another object or attribute. Both say what they are: a file, a host, a URL, a name of malware, an actor; and the
same word means one thing between a file and a URL, and another between two files. What no rule here takes is left out.
"""

from __future__ import annotations

from intel_grapher.model import Facts
from intel_grapher.schema import ADDRESS, DIGEST_BY, HOSTNAME, LINK
from intel_grapher.sources._ties import RULES, Thing
from intel_grapher.sources.misp.attributes import named
from intel_grapher.sources.misp.objects import digests, signatures
from intel_grapher.sources.misp.shapes import Attribute, Object

# Which relations of an object say where it is; of others, names, addresses that are a destination, and URLs.
PLACES: dict[str, tuple[str, ...]] = {
    "dns-record": ("queried-domain",),
    "passive-dns": ("rrname",),
    "whois": ("domain", "ip-address"),
    "network-connection": ("hostname-dst", "ip-dst"),
    "network-socket": ("hostname-dst", "ip-dst"),
    "network-traffic": ("dst_hostname", "dst_ip"),
    "netflow": ("ip-dst",),
    "ip-port": ("domain", "hostname", "ip", "ip-dst"),
    "domain-ip": ("domain", "hostname", "ip"),
    "email": (),
    "x509": (),
    "user-account": (),
    "twitter-account": (),
}


def thing(one: Object | Attribute) -> Thing:
    """Return what an object or an attribute is."""
    if isinstance(one, Attribute):
        found = list(named(one))
        malware: list[str] = []
    else:
        relations = PLACES.get(one.name)
        told = [each for each in one.attributes if relations is None or each.object_relation in relations]
        skip = "ip-src" if relations is None and one.name != "c2-list" else ""
        found = [each for own in told if own.type != skip for each in named(own, one)]
        malware = [*signatures(one)]
    of = {kind: [each.value for each in found if each.kind is kind] for kind in (HOSTNAME, ADDRESS, LINK)}
    files = (
        digests(one)[:1]
        if isinstance(one, Object)
        else [each.value for each in found if each.kind in DIGEST_BY.values()]
    )
    imphash = one.first("imphash") if isinstance(one, Object) and one.name == "pe" else None
    return Thing([*files], of[HOSTNAME], of[ADDRESS], of[LINK], malware, imphash)


def referring(one: Object, how: str, other: Object | Attribute) -> Facts:
    """Yield what a reference says."""
    rule = RULES.get(how.lower())
    if rule is not None:
        yield from rule(thing(one), thing(other))
