"""MITRE ATT&CK: tactics, techniques, software, groups and mitigations, from STIX 2.1 bundles brought in by `cache add`.

https://github.com/mitre-attack/attack-stix-data: one file for each of enterprise, mobile and ICS. An object's own id is
a UUID; the ATT&CK id is the first external reference of MITRE's. A technique names its tactics by kill chain and short
name. What MITRE revoked or deprecated is left out, and so are campaigns, assets, data sources, detection strategies and
analytics, with their relationships (attributed-to, targets, detects, revoked-by). Looked at on 2026-11-26: USAGE.md of
that repository, of 2025-11-13, and mitre-attack/attack-data-model (ATT&CK specification 3.3.0), of 2026-02-17: its
pages on ids, relationships, tactics, techniques, groups and software.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from intel_grapher.model import Facts, Kind
from intel_grapher.schema import (
    ACHIEVES,
    EMPLOYS,
    GROUP_ID,
    MITIGATES,
    MITIGATION_ID,
    SOFTWARE_ID,
    SUBTECHNIQUE_OF,
    TACTIC_ID,
    TECHNIQUE_ID,
    GroupId,
    MitigationId,
    TacticId,
    TechniqueId,
    Term,
)
from intel_grapher.source import Outcome, Rate, Source

KINDS: dict[str, Kind[Any]] = {
    "x-mitre-tactic": TACTIC_ID,
    "attack-pattern": TECHNIQUE_ID,
    "malware": SOFTWARE_ID,
    "tool": SOFTWARE_ID,
    "intrusion-set": GROUP_ID,
    "course-of-action": MITIGATION_ID,
}


class ExternalReference(Struct):
    source_name: str = ""
    external_id: str = ""


class KillChainPhase(Struct):
    kill_chain_name: str = ""
    phase_name: str = ""


class Item(Struct):
    type: str = ""
    id: str = ""
    name: str | None = None
    description: str = ""
    external_references: list[ExternalReference] = []
    aliases: list[str] = []
    x_mitre_aliases: list[str] = []
    x_mitre_shortname: str = ""
    x_mitre_domains: list[str] = []
    kill_chain_phases: list[KillChainPhase] = []
    relationship_type: str = ""
    source_ref: str = ""
    target_ref: str = ""
    revoked: bool = False
    x_mitre_deprecated: bool = False

    @property
    def attack_id(self) -> str:
        """Return its ATT&CK id, such as T1059.001."""
        mitres = (each.external_id for each in self.external_references if each.source_name.startswith("mitre"))
        return next(mitres, "")

    @property
    def other_names(self) -> list[str]:
        """Return what it is called besides its name."""
        return [each for each in self.aliases + self.x_mitre_aliases if each != self.name]


class Bundle(Struct):
    type: str = ""
    objects: list[Item] | None = None


def judge(reply: Bundle) -> Outcome:
    """Tell an empty bundle from what is none."""
    if reply.type != "bundle" or reply.objects is None:
        return Outcome.FAILED
    return Outcome.FOUND if reply.objects else Outcome.NOT_FOUND


source = Source(
    "mitre_attack",
    title="MITRE ATT&CK",
    home="https://raw.githubusercontent.com/mitre-attack/attack-stix-data/master",
    limits=(Rate(1),),
    judge=judge,
    terms="\u00a9 2025 The MITRE Corporation. This work is reproduced and distributed with the permission of The MITRE "
    "Corporation.",
    status="answers (2026-11); brought in with `cache add`",
    also=("attack", "mitre"),
)


@source.get("/{key}/{key}.json", kept_only="bundles are brought in with `cache add`", also=("bundle", "stix"))
def stix21_bundle(asked: Term, reply: Bundle) -> Facts:
    """Tactics, techniques, software, groups and mitigations, and how they relate."""
    standing = [each for each in reply.objects or [] if not each.revoked and not each.x_mitre_deprecated]
    for type_, kind in KINDS.items():
        items = [each for each in standing if each.type == type_]
        yield kind.each(
            [each.attack_id for each in items],
            name=[each.name for each in items],
            description=[each.description.partition("\n")[0] for each in items],
            aliases=[each.other_names for each in items],
        )
    yield from _achieved(standing)
    yield from _related(standing)


def _achieved(standing: Iterable[Item]) -> Facts:
    """Yield what techniques are for. Each domain has a kill chain, and some short names are in several."""
    tactics = {
        (f"mitre-{domain.removeprefix('enterprise-')}", each.x_mitre_shortname): TacticId(each.attack_id)
        for each in standing
        for domain in each.x_mitre_domains
        if each.type == "x-mitre-tactic"
    }
    pairs = [
        (TechniqueId(each.attack_id), tactics[phase.kill_chain_name, phase.phase_name])
        for each in standing
        for phase in each.kill_chain_phases
        if each.type == "attack-pattern" and (phase.kill_chain_name, phase.phase_name) in tactics
    ]
    yield ACHIEVES.each([technique for technique, _ in pairs], [tactic for _, tactic in pairs])


def _related(standing: Iterable[Item]) -> Facts:
    """Yield the relationships between what is kept."""
    standing = list(standing)
    known = {each.id: each.attack_id for each in standing if each.type in KINDS}

    def ends(how: str) -> tuple[list[str], list[str]]:
        found = [each for each in standing if each.relationship_type == how]
        found = [each for each in found if each.source_ref in known and each.target_ref in known]
        return [known[each.source_ref] for each in found], [known[each.target_ref] for each in found]

    users, used = ends("uses")
    yield EMPLOYS.each([GroupId(each) for each in users], [TechniqueId(each) for each in used])
    mitigations, mitigated = ends("mitigates")
    yield MITIGATES.each([MitigationId(each) for each in mitigations], [TechniqueId(each) for each in mitigated])
    special, general = ends("subtechnique-of")
    yield SUBTECHNIQUE_OF.each([TechniqueId(each) for each in special], [TechniqueId(each) for each in general])
