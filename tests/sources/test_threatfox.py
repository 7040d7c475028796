"""ThreatFox: what a real reply tells of three indicators, worked out by hand."""

from __future__ import annotations

import pytest
from replies import Told, edge, fixture, node, sample, told


@pytest.fixture(scope="module")
def newest() -> Told:
    return told(
        "threatfox", "api-v1-get-iocs", "post", fixture("threatfox/api_v1_get_iocs/post__02Jan2022_169575.json")
    )


def test_a_file(newest: Told) -> None:
    file = "Hash 6f8a836d10eada55bb1d3901ceb5b97711afc9f7018e3bd0f0a8e77521f18e5b"
    when = "2022-01-02T01:44:00Z"
    assert node(file) in newest.nodes  # its tags are null
    assert {each for each in newest.edges if each[0] == file} == {
        edge(file, "DETECTED_AS", "Malware CloudEyE", when, confidence=50),
        edge(file, "REPORTED_IN", "Report https://twitter.com/RedBeardIOCs/status/1477455575063617536", when),
    }
    assert node("Malware CloudEyE", aliases=("GuLoader", "vbdropper", "win.cloudeye")) in newest.nodes


def test_a_server_by_its_address_and_port(newest: Told) -> None:
    address, when = "IPAddress 104.168.44.59", "2022-01-02T01:05:27Z"
    sample_page = "https://bazaar.abuse.ch/sample/40704deb77137fe21816b35130bf8d0db9d677b0e9970f3a41287f38e567170c/"
    assert node(address, tags=("Mirai",)) in newest.nodes
    assert {each for each in newest.edges if each[0] == address} == {
        edge(address, "INDICATES", "Malware Mirai", when, confidence=75),
        edge(address, "EXPOSES", "Service 104.168.44.59:3884/tcp", when),
        edge(address, "REPORTED_IN", f"Report {sample_page}", when),
    }


def test_all_of_it(newest: Told) -> None:
    kinds = [each[1] for each in newest.edges]
    assert newest.rejects == set()
    assert (kinds.count("DETECTED_AS"), kinds.count("INDICATES"), kinds.count("ON")) == (83, 104, 45)  # 187 in all


def test_nothing_found_is_said_in_a_text() -> None:
    found = told("threatfox", "search_ioc", "harmless.example", sample("threatfox", "search_ioc", "harmless.example"))
    assert (found.outcome, found.nodes, found.edges) == ("not found", set(), set())
    refused = told("threatfox", "search_ioc", "harmless.example", b'{"query_status":"unknown_auth_key"}')
    assert refused.outcome == "unreadable"
