"""STIX: what bundles tell, of the library stix2's making and by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
import stix2
from replies import Edge, RecordingGraph, edge, fixture, node, sample, told
from stix2validator import ValidationOptions, validate_instance

from intel_grapher.errors import BadValue
from intel_grapher.sources.stix import recognise
from intel_grapher.sources.stix.patterns import Comparison, Observation, read

BUNDLE = "bundle--0000000b-0000-4000-8000-000000000000"
REPORT = "Report stix:report--0000003c-0000-4000-8000-000000000000"
SHA256, SHA1, MD5 = "a" * 64, "b" * 40, "c" * 32


def uuid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def said(*objects: Any, key: str = "feed") -> RecordingGraph:  # noqa: ANN401 - objects of stix2, or JSON
    whole = [json.loads(each.serialize()) if hasattr(each, "serialize") else each for each in objects]
    return told("stix", "bundle", key, json.dumps({"type": "bundle", "id": BUNDLE, "objects": whole}).encode())


def reasons(found: RecordingGraph) -> set[tuple[str, str]]:
    return {(value, reason) for _, value, reason in found.rejects}


@pytest.fixture(scope="module")
def shipped() -> RecordingGraph:
    return told("stix", "bundle", BUNDLE, sample("stix", "bundle", BUNDLE))


def test_the_sample_is_stix_as_the_validator_has_it() -> None:
    body = json.loads(sample("stix", "bundle", BUNDLE))
    body["objects"] = [each for each in body["objects"] if "spec_version" in each]  # one is of STIX 2.0
    result = validate_instance(body, ValidationOptions(version="2.1"))
    assert [str(each) for each in result.errors] == []


def test_observables_of_the_library_are_nodes_and_ties() -> None:
    address = stix2.IPv4Address(value="192.0.2.10")
    name = stix2.DomainName(value="c2.example.org", resolves_to_refs=[address])
    file = stix2.File(name="a.exe", hashes={"SHA-256": SHA256, "MD5": MD5, "SHA-1": SHA1}, size=7)
    traffic = stix2.NetworkTraffic(src_ref=address, dst_ref=stix2.IPv4Address(value="192.0.2.11"), dst_port=53,
                                   protocols=["udp"])  # fmt: skip
    found = said(
        address, name, file, traffic, stix2.IPv4Address(value="192.0.2.11"), stix2.IPv6Address(value="2001:db8::1"),
        stix2.IPv4Address(value="198.51.100.0/24"), stix2.URL(value="http://example.com/a"),
        stix2.EmailAddress(value="a@example.com"), stix2.AutonomousSystem(number=64500, name="Example"),
        stix2.UserAccount(account_type="twitter", account_login="Example_User"),
        stix2.UserAccount(account_type="unix", account_login="root"), stix2.Mutex(name="m"),
    )  # fmt: skip
    served = "Service 192.0.2.11:53/udp"
    assert found.edges == {
        edge("SubDomain c2.example.org", "RESOLVES", "IPAddress 192.0.2.10"),
        edge("URL http://example.com/a", "ON", "Domain example.com"),
        edge("IPAddress 192.0.2.10", "CONNECTS_TO", served),
        edge("IPAddress 192.0.2.11", "EXPOSES", served),
        *(edge(f"Hash {one}", "SAME_FILE", f"Hash {other}") for one, other in
          ((SHA256, SHA1), (SHA256, MD5), (SHA1, MD5))),
    }  # fmt: skip
    assert {
        node("Network 198.51.100.0/24"),
        node("IPAddress 2001:db8::1"),
        node("ASN AS64500", name="Example"),
        node("TwitterUser example_user"),
        node("Email a@example.com"),
        node(f"Hash {MD5}", names=("a.exe",), size=7),
    } <= found.nodes
    assert {reason for _, reason in reasons(found)} == {"an object that is no node of the graph"}
    assert {value for value, _ in reasons(found)} >= {"m"}


@pytest.mark.parametrize("wrap", [dict, lambda each: each])
def test_an_indicator_is_reported_in_its_report_or_in_its_bundle(wrap: Any) -> None:  # noqa: ANN401 - a function
    plain: dict[str, Any] = {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--{uuid(1)}", "created": "2026-03-01T00:00:00Z",
        "modified": "2026-03-01T00:00:00Z", "pattern": "[domain-name:value = 'c2.example.org']", "pattern_type": "stix",
        "valid_from": "2026-02-10T00:00:00Z", "valid_until": "2026-08-10T00:00:00Z", "confidence": 80,
        "description": "Seen", "object_marking_refs": [stix2.TLP_AMBER.id],
    }  # fmt: skip
    report = {"type": "report", "id": f"report--{uuid(2)}", "name": "R", "published": "2026-03-02T00:00:00Z"}
    dates = {"first_seen": "2026-02-10T00:00:00Z", "last_seen": "2026-02-10T00:00:00Z"}
    told_of = {**dates, "confidence": 80, "comments": ("Seen",), "valid_until": 1_786_320_000}
    name = "SubDomain c2.example.org"
    alone = said(wrap(plain), report, key="some feed")
    assert alone.edges == {edge(name, "REPORTED_IN", "Report stix:some~20feed", **told_of)}
    assert node(name, tags=("tlp:amber",)) in alone.nodes
    within = said(wrap(plain), {**report, "object_refs": [plain["id"]]})
    assert within.edges == {edge(name, "REPORTED_IN", f"Report stix:report--{uuid(2)}", **told_of)}
    ours = {"source_name": "intel-grapher", "external_id": "misp:8f4c3c1e-0000-4000-8000-000000000001"}
    kept = said(wrap(plain), {**report, "object_refs": [plain["id"]], "external_references": [ours]})
    assert {each[2] for each in kept.edges} == {f"Report {ours['external_id']}"}


def test_the_latest_version_counts_and_what_was_revoked_does_not() -> None:
    def malware(name: str, modified: str, **more: object) -> dict[str, object]:
        return {"type": "malware", "id": f"malware--{uuid(1)}", "name": name, "modified": modified, **more}

    versions = [malware("New", "2026-03-02T00:00:00Z"), malware("Old", "2026-03-01T00:00:00Z")]
    for order in (versions, versions[::-1]):
        found = said(*order)
        assert found.nodes == {node("Malware New")}
        assert reasons(found) == {(f"malware--{uuid(1)}", "an older version of an object")}
    url = {"type": "url", "id": f"url--{uuid(3)}", "value": "http://example.com/"}
    tie = {"type": "relationship", "relationship_type": "delivers", "source_ref": url["id"],
           "target_ref": f"malware--{uuid(1)}", "id": f"relationship--{uuid(2)}"}  # fmt: skip
    found = said(url, tie, versions[1], malware("New", "2026-03-02T00:00:00Z", revoked=True))
    assert {name for name, _ in found.nodes} == {"URL http://example.com/"}
    assert (f"malware--{uuid(1)}", "revoked or deprecated") in reasons(found)


def test_observed_data_of_stix_2_0_has_its_observables_inside() -> None:
    found = said({
        "type": "observed-data", "id": f"observed-data--{uuid(1)}", "first_observed": "2026-02-22T00:00:00Z",
        "last_observed": "2026-02-23T00:00:00Z", "number_observed": 1,
        "objects": {
            "0": {"type": "domain-name", "value": "old.example.org", "resolves_to_refs": ["1"]},
            "1": {"type": "ipv4-addr", "value": "192.0.2.77"},
            "2": {"type": "network-traffic", "dst_ref": "1", "dst_port": 80, "protocols": ["tcp"], "src_ref": "9"},
        },
    })  # fmt: skip
    seen = {"first_seen": "2026-02-22T00:00:00Z", "last_seen": "2026-02-23T00:00:00Z"}
    assert node("SubDomain old.example.org", **seen) in found.nodes
    assert edge("SubDomain old.example.org", "RESOLVES", "IPAddress 192.0.2.77") in found.edges
    assert edge("IPAddress 192.0.2.77", "EXPOSES", "Service 192.0.2.77:80/tcp") in found.edges
    assert reasons(found) == {("9", "an object that the bundle does not have")}


def test_threats_relate_by_name_and_by_att_ck_id() -> None:
    malware = stix2.Malware(name="ExampleRAT", is_family=True, aliases=["Exrat"])
    actor = stix2.ThreatActor(name="Example Spider", aliases=["UNC-EX"])
    numbered = [{"source_name": "mitre-attack", "external_id": "T1566"}]
    technique = stix2.AttackPattern(name="Phishing", external_references=numbered)
    unnumbered = stix2.AttackPattern(name="Something")
    indicator = stix2.Indicator(
        pattern=f"[file:hashes.MD5 = '{MD5}' OR url:value = 'http://example.com/a']", pattern_type="stix"
    )
    pairs = [(actor, "uses", malware), (malware, "uses", technique), (indicator, "indicates", malware),
             (indicator, "indicates", actor), (actor, "uses", unnumbered)]  # fmt: skip
    related = [stix2.Relationship(one, how, other, confidence=60) for one, how, other in pairs]
    found = said(malware, actor, technique, unnumbered, indicator, *related)
    ties = {each for each in found.edges if each[1] != "REPORTED_IN"}
    spider = "Group Example Spider"
    assert ties == {
        edge(spider, "EMPLOYS", "Malware ExampleRAT"),
        edge("Malware ExampleRAT", "EMPLOYS", "Technique T1566"),
        edge(f"Hash {MD5}", "DETECTED_AS", "Malware ExampleRAT", confidence=60),
        edge("URL http://example.com/a", "INDICATES", "Malware ExampleRAT", confidence=60),
        edge("URL http://example.com/a", "ATTRIBUTED_TO", spider),
        edge(f"Hash {MD5}", "ATTRIBUTED_TO", spider),
        edge("URL http://example.com/a", "ON", "Domain example.com"),
    }
    assert reasons(found) == {
        ("uses", "a relationship that has no place in the graph"),
        ("Something", "an object that is no node of the graph"),
    }


@pytest.mark.parametrize(
    ("one", "how", "other", "gives"),
    [
        ({"type": "domain-name", "value": "a.example.org"}, "resolves-to", {"type": "ipv4-addr", "value": "192.0.2.1"},
         edge("SubDomain a.example.org", "RESOLVES", "IPAddress 192.0.2.1")),
        ({"type": "ipv4-addr", "value": "192.0.2.1"}, "belongs-to", {"type": "autonomous-system", "number": 64500},
         edge("IPAddress 192.0.2.1", "ANNOUNCED_BY", "ASN AS64500")),
        ({"type": "domain-name", "value": "example.org"}, "mail-server",
         {"type": "domain-name", "value": "mx.example.net"},
         edge("Domain example.org", "MAIL_SERVER", "SubDomain mx.example.net")),
        ({"type": "domain-name", "value": "example.org"}, "registered-to",
         {"type": "identity", "identity_class": "organization", "name": "Example Ltd"},
         edge("Domain example.org", "REGISTERED_TO", "Organization Example Ltd")),
        ({"type": "email-addr", "value": "a@example.com"}, "owns", {"type": "domain-name", "value": "example.org"},
         edge("Email a@example.com", "OWNS", "Domain example.org")),
        ({"type": "malware", "name": "ExampleRAT"}, "communicates-with",
         {"type": "domain-name", "value": "example.org"},
         edge("Domain example.org", "INDICATES", "Malware ExampleRAT")),
        ({"type": "file", "hashes": {"MD5": MD5}}, "drops", {"type": "file", "hashes": {"SHA-1": SHA1}},
         edge(f"Hash {MD5}", "DROPS", f"Hash {SHA1}")),
    ],
)  # fmt: skip
def test_relationships_of_the_standard_and_of_ours(
    one: dict[str, Any], how: str, other: dict[str, Any], gives: Edge
) -> None:
    tie = {"type": "relationship", "id": "relationship--1", "relationship_type": how, "source_ref": "x--1",
           "target_ref": "x--2", "start_time": "2026-02-01T00:00:00Z"}  # fmt: skip
    found = said({**one, "id": "x--1"}, {**other, "id": "x--2"}, tie)
    dated = {"first_seen": "2026-02-01T00:00:00Z", "last_seen": "2026-02-01T00:00:00Z"}
    assert (gives[0], gives[1], gives[2], tuple(sorted(dated.items()))) in found.edges
    assert found.rejects == set()


def test_a_label_says_which_of_our_types_a_relationship_is() -> None:
    file = {"type": "file", "id": "x--1", "hashes": {"MD5": MD5, "SHA-256": SHA256}}
    url = {"type": "url", "id": "x--2", "value": "http://example.com/a"}
    served = {"type": "network-traffic", "id": "x--3", "dst_ref": "x--4", "dst_port": 443, "protocols": ["tcp"]}
    address = {"type": "ipv6-addr", "id": "x--4", "value": "2001:db8::1"}
    network = {"type": "ipv6-addr", "id": "x--5", "value": "2001:db8::/32"}
    weak = {"type": "vulnerability", "id": "x--6", "name": "CVE-2026-1234"}
    ties = [("x--2", "delivers", "x--1"), ("x--3", "vulnerable-to", "x--6"), ("x--4", "in-network", "x--5")]
    related = [
        {"type": "relationship", "id": f"r--{number}", "relationship_type": "related-to", "labels": [label],
         "source_ref": start, "target_ref": end} for number, (start, label, end) in enumerate(ties)
    ]  # fmt: skip
    found = said(file, url, served, address, network, weak, *related)
    service = "Service [2001:db8::1]:443/tcp"
    assert {each for each in found.edges if each[1] not in {"SAME_FILE", "ON", "EXPOSES"}} == {
        edge("URL http://example.com/a", "DELIVERS", f"Hash {SHA256}"),
        edge(service, "VULNERABLE_TO", "Vulnerability CVE-2026-1234"),
        edge("IPAddress 2001:db8::1", "IN_NETWORK", "Network 2001:db8::/32"),
    }


def test_att_cks_objects_are_the_same_nodes_as_from_mitres_bundle() -> None:
    body = fixture("mitre_attack/stix21_bundle/ics-attack.json")
    theirs, ours = told("mitre_attack", "stix21_bundle", "x", body), told("stix", "bundle", "x", body)
    assert (ours.nodes, ours.edges) == (theirs.nodes, theirs.edges)
    assert len(ours.rejects) == 1000 + 2  # the first thousand, and how many more there are by reason


def test_what_is_in_the_sample(shipped: RecordingGraph) -> None:
    seen = {"first_seen": "2026-02-20T00:00:00Z", "last_seen": "2026-02-21T00:00:00Z"}
    assert edge("IPAddress 192.0.2.10", "REPORTED_IN", REPORT, **seen) in shipped.edges
    assert edge(REPORT, "CITES", "Report https://blog.example/earlier") in shipped.edges
    note = "Note stix:note--00000050-0000-4000-8000-000000000000"
    assert node(note, author="An analyst", text="On the host\nSeized in March") in shipped.nodes
    assert edge(note, "ABOUT", "SubDomain c2.example.org") in shipped.edges
    assert {reason for _, _, reason in shipped.rejects} == {
        *("a pattern that is more than equality", "an older version of an object", "revoked or deprecated"),
        *("an object that is no node of the graph", "a relationship that has no place in the graph"),
        *("an object that the bundle does not have", "a marking that is no TLP level"),
        "a relationship of a thing with itself",
    }


V = Comparison("ipv4-addr:value", "192.0.2.1")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("[ipv4-addr:value = '192.0.2.1']", [Observation([V], all_hold=True)]),
        ("([ipv4-addr:value='192.0.2.1'] OR [ipv4-addr:value = '192.0.2.1'])", [Observation([V], all_hold=True)] * 2),
        ("[ipv4-addr:value ISSUBSET '192.0.2.1']", [Observation([V], all_hold=True)]),
        (r"[a:b.'c d' = 'it\'s \\']", [Observation([Comparison("a:b.c d", "it's \\")], all_hold=True)]),
        (
            "[a:b[*].c = 1 AND (a:d = 2)]",
            [Observation([Comparison("a:b.c", "1"), Comparison("a:d", "2")], all_hold=True)],
        ),
        ("[a:b IN ('x', 'y')]", [Observation([Comparison("a:b", "x"), Comparison("a:b", "y")], all_hold=False)]),
    ],
)
def test_simple_patterns(pattern: str, found: list[Observation]) -> None:
    assert read(pattern) == found


@pytest.mark.parametrize(
    "pattern",
    [
        *("", "[", "[]", "[a:b = 'x'", "[a:b = 'x']]", "([a:b = 'x']", "[a:b = 'x' AND]", "[a:b = h'ff']", "a:b = 'x'"),
        *("[a:b != 'x']", "[a:b > 1]", "[a:b LIKE 'x%']", "[a:b MATCHES '^x']", "[NOT a:b = 'x']", "[a:b NOT = 'x']"),
        *("[a:b = 'x'] FOLLOWEDBY [a:b = 'y']", "[a:b = 'x'] REPEATS 2 TIMES", "[a:b = 'x'] WITHIN 5 SECONDS"),
        *("[EXISTS a:b]", "[a:b NOT IN ('x')]", "[a:b IN ()]", "(" * 100_000, "[a:b = '" + "\\" * 100_001),
    ],
    ids=lambda pattern: pattern[:20],
)  # fmt: skip
def test_other_patterns_are_not_read(pattern: str) -> None:
    with pytest.raises(BadValue):
        read(pattern)


def test_a_pattern_that_names_nothing_is_listed() -> None:
    def indicator(pattern: str) -> dict[str, object]:
        return {"type": "indicator", "id": f"indicator--{uuid(1)}", "pattern": pattern}

    only_a_name = "[file:name = 'a.exe']"
    why = "a pattern compares it, and it names no indicator"
    assert reasons(said(indicator(only_a_name))) == {(only_a_name, why)}
    partly = said(indicator("[domain-name:value = 'example.org' AND mutex:name = 'm']"))
    assert reasons(partly) == {("m", why)}
    assert {each[0] for each in partly.edges} == {"Domain example.org"}
    mixed = said(indicator(f"[file:hashes.MD5 = '{MD5}' AND file:hashes.'SHA-1' = '{SHA1}' AND file:name = 'a.exe']"))
    assert edge(f"Hash {SHA1}", "SAME_FILE", f"Hash {MD5}") in mixed.edges
    assert node(f"Hash {MD5}", names=("a.exe",)) in mixed.nodes
    either = said(indicator(f"[file:hashes.MD5 = '{MD5}' OR file:hashes.'SHA-1' = '{SHA1}']"))
    assert {each[1] for each in either.edges} == {"REPORTED_IN"}


def test_a_bundle_is_known_by_its_form() -> None:
    assert recognise(b'{"type": "bundle", "id": "bundle--1", "objects": []}') == "bundle--1"
    assert recognise(b'{"type": "bundle", "objects": []}') is None
    assert recognise(b'{"id": "bundle--1"}') is None
    assert recognise(b"bundle--1") is None
