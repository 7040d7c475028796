"""Galaxies: the actors, software, malware and techniques that an event, or one indicator in it, is about.

https://github.com/MISP/misp-galaxy. An instance sends the clusters whole, a feed their tags alone. MITRE's clusters end
in an ATT&CK id ("Mimikatz - S0002"). Countries, sectors, mitigations and other galaxies are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from intel_grapher.model import Facts
from intel_grapher.schema import (
    ADDRESS,
    BLAMES,
    CONCERNS,
    DETECTED_AS,
    DIGEST_BY,
    GROUP_ID,
    HOSTNAME,
    INDICATES,
    LINK,
    MALWARE_NAME,
    SOFTWARE_ID,
    Digest,
    GroupId,
    Hostname,
    MalwareName,
    Reference,
    SoftwareId,
    TechniqueId,
)
from intel_grapher.sources.misp.attributes import ATTRIBUTED, Named
from intel_grapher.sources.misp.shapes import Galaxy, Meta, Tag

GROUP = re.compile(r"(?:.*-)?(?:threat-actor|intrusion-set|activity-group)|mitre-ics-groups|atrm-group")
TECHNIQUE = re.compile(r"(?:.*-)?attack-pattern|mitre-ics-techniques")
SOFTWARE = re.compile(r"mitre(?:-.*)?-(?:malware|tool|software)")
MALWARE = re.compile(
    r"malpedia|tool|ransomware|rat|banker|stealer|backdoor|botnet|exploit-kit|android|cryptominers|eset-malware"
)
_TAG = re.compile(r'misp-galaxy:([^=]+)="(.+)"', re.DOTALL)
_ATTACK_ID = re.compile(r"[TSGM]A?[0-9]{4}(?:\.[0-9]{3})?")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class About(NamedTuple):
    """One cluster: its galaxy's type, its key (an ATT&CK id where it has one), its name and its other names."""

    galaxy: str
    key: str
    name: str
    aliases: list[str]

    @property
    def has_id(self) -> bool:
        """Tell whether it has an ATT&CK id."""
        return self.key != self.name


def clusters(galaxies: Iterable[Galaxy], tags: Iterable[Tag]) -> Iterator[About]:
    """Yield each cluster once, those that stand whole first, then those of which there is a tag alone."""
    seen = set()
    for galaxy in galaxies:
        for each in galaxy.clusters:
            seen.add(f'misp-galaxy:{galaxy.type}="{each.value}"')
            metas = [each.meta] if isinstance(each.meta, Meta) else each.meta or []
            synonyms = [name for meta in metas for name in _listed(meta.synonyms)]
            ids = [number for meta in metas for number in _listed(meta.external_id)]
            yield _about(galaxy.type, each.value, synonyms, ids)
    for tag in tags:
        match = _TAG.fullmatch(tag.name)
        if match and tag.name not in seen and not _UUID.fullmatch(match[2]):
            yield _about(match[1], match[2], [], [])


def _listed(value: list[str] | str | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []


def _about(galaxy: str, value: str, synonyms: list[str], ids: list[str]) -> About:
    name, _, number = value.rpartition(" - ")
    if not (name and _ATTACK_ID.fullmatch(number)):
        name, number = value, next(filter(_ATTACK_ID.fullmatch, ids), value)
    return About(galaxy, number, name, [each for each in synonyms if each != name])


def is_taken(about: About) -> bool:
    """Tell whether a cluster's galaxy is one that is taken."""
    known = (GROUP, SOFTWARE, MALWARE)
    return any(each.fullmatch(about.galaxy) for each in known) or bool(
        TECHNIQUE.fullmatch(about.galaxy) and about.has_id
    )


def concerned(report: Reference | None, found: Iterable[About]) -> Facts:
    """Yield what each cluster is, and that a report is about it."""
    for each in found:
        if GROUP.fullmatch(each.galaxy):
            yield GROUP_ID.each(GroupId(each.key), name=each.name, aliases=each.aliases)
            if report:
                yield BLAMES.each(report, GroupId(each.key))
        elif SOFTWARE.fullmatch(each.galaxy) and each.has_id:
            yield SOFTWARE_ID.each(SoftwareId(each.key), name=each.name, aliases=each.aliases)
            if report:
                yield CONCERNS.each(report, SoftwareId(each.key))
        elif SOFTWARE.fullmatch(each.galaxy) or MALWARE.fullmatch(each.galaxy):
            yield MALWARE_NAME.each(MalwareName(each.name), aliases=each.aliases)
            if report:
                yield CONCERNS.each(report, MalwareName(each.name))
        elif TECHNIQUE.fullmatch(each.galaxy) and each.has_id and report:
            yield CONCERNS.each(report, TechniqueId(each.key))


def belonging(named: Named, found: Iterable[About]) -> Facts:
    """Yield which malware and whom one indicator belongs to, by the clusters of its attribute."""
    for each in found:
        if GROUP.fullmatch(each.galaxy):
            yield GROUP_ID.each(GroupId(each.key), name=each.name, aliases=each.aliases)
            yield ATTRIBUTED[named.kind].each(named.value, GroupId(each.key))
        elif SOFTWARE.fullmatch(each.galaxy) or MALWARE.fullmatch(each.galaxy):
            yield MALWARE_NAME.each(MalwareName(each.name), aliases=each.aliases)
            if named.kind in DIGEST_BY.values():
                yield DETECTED_AS.each(Digest(named.value), MalwareName(each.name))
            elif named.kind in (ADDRESS, HOSTNAME, LINK):
                yield INDICATES.each(Hostname(named.value), MalwareName(each.name))
