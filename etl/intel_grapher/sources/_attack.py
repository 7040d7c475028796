"""ATT&CK objects in STIX bundles: tactics, techniques, software, groups and mitigations.

An object's own id is a UUID; the ATT&CK id is the first external reference of MITRE's. A technique names its tactics by
kill chain and short name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from intel_grapher.model import Facts, Kind
from intel_grapher.schema import (
    ACHIEVES,
    GROUP_ID,
    MITIGATION_ID,
    SOFTWARE_ID,
    TACTIC_ID,
    TECHNIQUE_ID,
    TacticId,
    TechniqueId,
)

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


def described(standing: Sequence[Item]) -> Facts:
    """Yield what each object is."""
    for type_, kind in KINDS.items():
        items = [each for each in standing if each.type == type_]
        yield kind.each(
            [each.attack_id for each in items],
            name=[each.name for each in items],
            description=[each.description.partition("\n")[0] for each in items],
            aliases=[each.other_names for each in items],
        )


def achieved(standing: Iterable[Item]) -> Facts:
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
