"""MITRE ATT&CK: what the real ICS bundle tells, worked out by hand from its JSON."""

from __future__ import annotations

from collections import Counter

import pytest
from replies import RecordingGraph, edge, fixture, node, told

from intel_grapher.sources.mitre_attack import source


@pytest.fixture(scope="module")
def ics() -> RecordingGraph:
    return told("mitre_attack", "stix21_bundle", "ics-attack", fixture("mitre_attack/stix21_bundle/ics-attack.json"))


def test_how_much_the_bundle_tells_without_what_mitre_withdrew(ics: RecordingGraph) -> None:
    assert ics.rejects == set()
    assert Counter(name.split()[0] for name, _ in ics.nodes) == {
        "Tactic": 12, "Technique": 83, "Software": 23, "Group": 14, "Mitigation": 52,
    }  # fmt: skip
    assert Counter(each[1] for each in ics.edges) == {"EMPLOYS": 20 + 16 + 163, "MITIGATES": 331, "ACHIEVES": 94}
    withdrawn = {"Group G0074", "Group G0057", "Software S1008", "Software S0017", "Technique T0850"}
    assert not withdrawn & {name for edge_ in ics.edges for name in edge_[::2]}
    assert not withdrawn & {name for name, _ in ics.nodes}


def test_groups(ics: RecordingGraph) -> None:
    apt33 = "Group G0064"
    assert (
        node(
            apt33,
            name="APT33",
            aliases=("Elfin", "HOLMIUM", "Peach Sandstorm"),
            description="[APT33](https://attack.mitre.org/groups/G0064) is a suspected Iranian threat group that has "
            "carried out operations since at least 2013. The group has targeted organizations across multiple "
            "industries in the United States, Saudi Arabia, and South Korea, with a particular interest in the "
            "aviation and energy sectors.(Citation: FireEye APT33 Sept 2017)(Citation: FireEye APT33 Webinar Sept "
            "2017)",
        )
        in ics.nodes
    )
    assert {each for each in ics.edges if each[0] == apt33} == {
        edge(apt33, "EMPLOYS", f"Technique {each}") for each in ("T0852", "T0865", "T0853")
    }
    dragonfly = "Group G0035"
    assert {each for each in ics.edges if each[0] == dragonfly} == {
        edge(dragonfly, "EMPLOYS", each) for each in ("Technique T0817", "Technique T0862", "Software S0093")
    }


def test_software_and_a_mitigation(ics: RecordingGraph) -> None:
    flame, conficker, inputs = "Software S0143", "Software S0608", "Mitigation M0818"
    assert {each for each in ics.edges if each[0] == flame} == {
        edge(flame, "EMPLOYS", f"Technique {each}") for each in ("T0893", "T0882")
    }
    assert {each for each in ics.edges if each[0] == conficker} == {
        edge(conficker, "EMPLOYS", f"Technique {each}") for each in ("T0828", "T0847", "T0826")
    }
    assert {each for each in ics.edges if each[0] == inputs} == {
        edge(inputs, "MITIGATES", f"Technique {each}") for each in ("T0855", "T0836")
    }
    assert {
        (name, dict(stated)["name"], dict(stated).get("aliases")) for name, stated in ics.nodes if name == flame
    } == {(flame, "Flame", ("Flamer", "sKyWIper"))}


def test_a_technique(ics: RecordingGraph) -> None:
    block = "Technique T0803"
    assert {each for each in ics.edges if block in (each[0], each[2])} == {
        edge(block, "ACHIEVES", "Tactic TA0107"),
        edge("Software S0604", "EMPLOYS", block),
        *(edge(f"Mitigation {each}", "MITIGATES", block) for each in ("M0810", "M0807", "M0814")),
    }
    assert [dict(stated)["name"] for name, stated in ics.nodes if name == "Tactic TA0107"] == [
        "Inhibit Response Function"
    ]


def test_mitres_notice_is_kept() -> None:
    assert source.terms == (
        "\u00a9 2025 The MITRE Corporation. This work is reproduced and distributed with the permission of The MITRE "
        "Corporation."
    )
