"""MITRE ATT&CK: tactics, techniques, software, groups and mitigations, from STIX 2.1 bundles brought in by `cache add`.

https://github.com/mitre-attack/attack-stix-data: one file for each of enterprise, mobile and ICS. An object's own id is
a UUID; the ATT&CK id is the first external reference of MITRE's. A technique names its tactics by kill chain and short
name. What MITRE revoked or deprecated is left out, and so are campaigns, assets, data sources, detection strategies and
analytics, with their relationships (attributed-to, targets, detects, revoked-by). Looked at on 2026-11-26: USAGE.md of
that repository, of 2025-11-13, and mitre-attack/attack-data-model (ATT&CK specification 3.3.0), of 2026-02-17: its
pages on ids, relationships, tactics, techniques, groups and software.
"""

from collections.abc import Iterable

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import (
    EMPLOYS,
    MITIGATES,
    SUBTECHNIQUE_OF,
    GroupId,
    MitigationId,
    TechniqueId,
    Term,
)
from intel_grapher.source import Outcome, Rate, Source
from intel_grapher.sources._attack import KINDS, Item, achieved, described


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
    yield from described(standing)
    yield from achieved(standing)
    yield from _related(standing)


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
