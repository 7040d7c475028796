"""STIX: bundles of STIX 2.1 and 2.0, from any platform, brought in with `cache add`.

https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html. Observables (domain-name, ipv4-addr, ipv6-addr, url,
email-addr, file, artifact, autonomous-system, network-traffic, x509-certificate, a user-account of Twitter) are the
nodes of these kinds; all digests of one file are tied. An indicator stands for what its pattern compares with `=` or
IN, joined by AND and OR, and for what it is based on; any other pattern is left out, and listed. Malware and tools are
Malware by their name, or Software by an ATT&CK id; threat actors and intrusion sets are a Group by name or id; attack
patterns and courses of action count where they have an ATT&CK id. ATT&CK's objects become the same nodes as from
MITRE's own bundles.

A report or grouping is a Report with the id `stix:` and its own, or, if it has an external reference with the source
name `intel-grapher`, with that one's external id. An indicator that no report of its bundle refers to is reported in
the Report of the bundle's key, `stix:KEY`. Kept are title, time, TLP (as the tags tlp:…), labels, descriptions,
confidence, valid_from and valid_until; of relationships the type, the times and the confidence; of observed data and
sightings the times. Notes and opinions are Notes. Of one id, the latest version counts; what was revoked does not.
Objects, relationships and ends that have no place in the graph are left out, and listed: identities alone, locations,
infrastructure, campaigns, mutexes, registry keys, processes and others.

Looked at on 2026-11-26: that standard, STIX 2.0's parts 1 to 5, and bundles that the library stix2 and MISP write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from intel_grapher import tlp
from intel_grapher.model import Facts, LeftOut
from intel_grapher.schema import (
    BLAMES,
    CITES,
    CONCERNS,
    GROUP_ID,
    MALWARE_NAME,
    REFERENCE,
    REPORTED_IN,
    SOFTWARE_ID,
    TECHNIQUE_ID,
    GroupId,
    MalwareName,
    Reference,
    Term,
)
from intel_grapher.source import Outcome, Rate, Source
from intel_grapher.sources import _attack
from intel_grapher.sources._ties import from_kind
from intel_grapher.sources.stix import observed, relations
from intel_grapher.sources.stix.contents import REPORTS, SELECTORS, VALUES, Contents, Named, compared
from intel_grapher.sources.stix.shapes import Bundle, Item

LONGEST_COMMENT = 500
# What docs/intake.md says of it: the format, what is read, what is left out.
READS = (
    (
        "STIX 2.1, 2.0 bundle",
        (
            "observables, indicators (equality comparisons), malware, tools, groups, attack patterns, reports, "
            "sightings, relationships, markings"
        ),
        "other patterns, identities alone, infrastructure, campaigns, registry keys, processes: each listed",
    ),
)
_NO_ID = re.compile(r"[^A-Za-z0-9._-]")
OBSERVABLES = {*VALUES, "file", "artifact", "autonomous-system", "network-traffic", "x509-certificate", "user-account"}
SAID = {"relationship", "sighting", "note", "opinion", "marking-definition", "observed-data", "indicator", *REPORTS}
NO_NODE_OF_ITS_OWN = "an object that is no node of the graph"
# Objects of the standard that are none, or can't be told.
NO_NODE = {
    *("identity", "location", "infrastructure", "campaign", "malware-analysis", "incident", "language-content"),
    *("directory", "email-message", "mac-addr", "mutex", "process", "software", "windows-registry-key", "user-account"),
    *("attack-pattern", "course-of-action", "x509-certificate", "file", "artifact", "network-traffic", "vulnerability"),
}


def judge(reply: Bundle) -> Outcome:
    """Tell an empty bundle from what is none."""
    if reply.type != "bundle" or reply.objects is None:
        return Outcome.FAILED
    return Outcome.FOUND if reply.objects else Outcome.NOT_FOUND


class _Head(msgspec.Struct):
    type: str
    id: str
    objects: list[msgspec.Raw]


def recognise(body: bytes) -> str | None:
    """Return the id of the bundle that a body is, or None."""
    try:
        head = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"), type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return head.id if head.type == "bundle" and head.id.startswith("bundle--") else None


source = Source(
    "stix",
    title="STIX bundles",
    home="https://docs.oasis-open.org/cti/stix",
    limits=(Rate(1),),
    judge=judge,
    terms="each object's markings say to whom it may be passed on",
    status="brought in with `cache add`",
    also=("stix2", "stix21"),
)


@source.get(
    "/{key}.json",
    kept_only="bundles are brought in with `cache add`",
    also=("bundles", "stix21_bundle"),
    recognise=recognise,
)
def bundle(asked: Term, reply: Bundle) -> Facts:
    """Observables, indicators, threats and reports, and how they relate."""
    yield from told(asked, reply.objects or [])


def told(asked: str, objects: Iterable[Item]) -> Facts:
    """Yield what objects say; `asked` is what the collection that they come from goes by."""
    contents = Contents(objects)
    tags = _Tags(contents)
    yield from observed.known(
        (node, tags.of(item)) for item in contents.of(*OBSERVABLES, "indicator") for node in contents.nodes(item.id)
    )
    yield from observed.within(contents)
    for item in contents.of("indicator"):
        for observation in contents.observations(item.id):
            yield from observed.compared(observation)
    yield from _threats(contents)
    yield from _reported(contents, tags, asked)
    yield from relations.related(contents)
    yield from relations.sampled(contents)
    yield from relations.dated(contents)
    yield from relations.noted(contents)
    yield from _left_out(contents, tags)


class _Tags:
    """The tags of objects: their labels, their indicators' types, and the TLP levels that they are marked with."""

    def __init__(self, contents: Contents) -> None:
        self._levels = {f"marking-definition--{uuid}": level for level, ids in tlp.STIX.items() for uuid in ids}
        self.statements: list[str] = []
        for each in contents.of("marking-definition"):
            level = tlp.of_tag(each.name or "")
            if level is not None:
                self._levels[each.id] = level
            elif each.id not in self._levels:
                self.statements.append((each.definition.statement if each.definition else "") or each.name or each.id)

    def of(self, item: Item) -> list[str]:
        """Return the tags of an object."""
        levels = [tlp.PREFIX + self._levels[each] for each in item.object_marking_refs if each in self._levels]
        return [*item.labels, *item.indicator_types, *levels]


def _threats(contents: Contents) -> Facts:
    numbered = [each for each in contents if each.type in _attack.KINDS and each.attack_id]
    yield from _attack.described(numbered)
    yield from _attack.achieved(numbered)
    named = [(node, each) for each in contents for node in contents.nodes(each.id) if each not in numbered]
    malware = [(MalwareName(node.value), each) for node, each in named if node.kind is MALWARE_NAME]
    yield MALWARE_NAME.each([name for name, _ in malware], aliases=[each.other_names for _, each in malware])
    groups = [(GroupId(node.value), each) for node, each in named if node.kind is GROUP_ID]
    yield GROUP_ID.each(
        [name for name, _ in groups],
        name=[each.name for _, each in groups],
        aliases=[each.other_names for _, each in groups],
        description=[each.description.partition("\n")[0] or None for _, each in groups],
    )
    yield from observed.known((node, []) for item in contents.of("vulnerability") for node in contents.nodes(item.id))


def _reported(contents: Contents, tags: _Tags, asked: str) -> Facts:
    """Yield the reports, and what they name; and the collection, which names the indicators that no report does."""
    in_one: set[str] = set()
    for item in contents.of(*REPORTS):
        report = Reference(contents.nodes(item.id)[0].value)
        pages = [each.url for each in item.external_references if each.url]
        created = item.published or item.created
        yield REFERENCE.each(report, title=item.name, created=created, tags=[tags.of(item)], links=[pages])
        yield CITES.each(report, [Reference(each) for each in pages])
        mentions = [each for each in map(contents.get, item.object_refs) if each is not None]
        in_one.update(each.id for each in mentions)
        yield from _naming(contents, report, mentions, created)
    alone = [each for each in contents.of("indicator") if each.id not in in_one]
    if alone:
        collection = Reference(asked if "://" in asked else f"stix:{_NO_ID.sub(_escaped, asked)[:255]}")
        yield from _naming(contents, collection, alone, None)


def _naming(contents: Contents, report: Reference, mentions: list[Item], date: str | None) -> Facts:
    """Yield what a report names, kind by kind."""
    of: dict[Any, list[tuple[Named, Item]]] = {}
    for item in mentions:
        for node in contents.nodes(item.id):
            of.setdefault(node.kind, []).append((node, item))
    for kind, found in of.items():
        values = [node.value for node, _ in found]
        if kind is GROUP_ID:
            yield BLAMES.each(report, values)  # type: ignore[arg-type] # they are of that kind
        elif kind in {MALWARE_NAME, SOFTWARE_ID, TECHNIQUE_ID}:
            yield CONCERNS.each(report, values)  # type: ignore[arg-type] # they are of that kind
        elif kind is REFERENCE:
            yield CITES.each(report, [Reference(each) for each in values])
        elif {*kind.labels} <= {*REPORTED_IN.start.labels}:
            items = [item for _, item in found]
            yield from_kind(REPORTED_IN, kind).each(
                values,
                report,
                first_seen=[_first(each) or date for each in items],
                last_seen=[each.last_observed or _first(each) or date for each in items],
                valid_until=[each.valid_until for each in items],
                confidence=[each.confidence for each in items],
                comments=[_comments(each) for each in items],
            )


def _first(item: Item) -> str | None:
    return item.first_observed or item.valid_from


def _comments(item: Item) -> list[str]:
    said = item.description
    return [said if len(said) <= LONGEST_COMMENT else said[: LONGEST_COMMENT - 1] + "…"] if said else []


def _escaped(match: re.Match[str]) -> str:
    """Return a character that no id has as its UTF-8 bytes, each as ~ and two hex digits: no two names are one."""
    return "".join(f"~{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def _left_out(contents: Contents, tags: _Tags) -> Facts:
    """Yield what has no place in the graph."""
    ends = {end for each in contents.of("relationship") for end in (each.source_ref, each.target_ref)}
    found = [
        *((each, "a pattern that is more than equality") for each in contents.complex),
        *((each, "a pattern compares it, and it names no indicator") for each in _uncompared(contents)),
        *((each, "revoked or deprecated") for each in contents.withdrawn),
        *((each, "an older version of an object") for each in contents.superseded),
        *((each, "an object that the bundle does not have") for each in contents.missing),
        *((each, "a marking that is no TLP level") for each in tags.statements),
        *(_unplaced(each) for each in contents if each.type not in SAID and not contents.nodes(each.id)),
        *((each.name or each.id, NO_NODE_OF_ITS_OWN) for each in contents.of("identity") if _is_alone(each, ends)),
    ]
    yield LeftOut([value for value, _ in found], [reason for _, reason in found])


def _is_alone(item: Item, ends: set[str]) -> bool:
    """Tell whether an organisation is in no relationship."""
    return item.identity_class == "organization" and bool(item.name) and item.id not in ends


def _unplaced(item: Item) -> tuple[str, str]:
    """Return what is listed of an object that is no node, and the reason."""
    if item.type in NO_NODE:
        return item.name or item.value or item.id, NO_NODE_OF_ITS_OWN
    return item.type, "an object of a type that is not read"


def _uncompared(contents: Contents) -> Iterator[str]:
    """Yield the constants of patterns that name nothing; the whole pattern where it has none that could."""
    for item in contents.of("indicator"):
        for observation in contents.observations(item.id):
            others = [each for each in observation.comparisons if compared(each, observation) is None]
            unread = [each.value for each in others if not SELECTORS.fullmatch(each.path)]
            yield from unread
            if len(others) == len(observation.comparisons) and not unread:
                yield item.pattern
