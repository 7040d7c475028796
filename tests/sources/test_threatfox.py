"""ThreatFox: what a real reply tells of three indicators, worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from replies import RecordingGraph, edge, fixture, node, sample, told


@pytest.fixture(scope="module")
def newest() -> RecordingGraph:
    return told(
        "threatfox", "api-v1-get-iocs", "post", fixture("threatfox/api_v1_get_iocs/post__02Jan2022_169575.json")
    )


def test_a_file(newest: RecordingGraph) -> None:
    file = "Hash 6f8a836d10eada55bb1d3901ceb5b97711afc9f7018e3bd0f0a8e77521f18e5b"
    when = "2022-01-02T01:44:00Z"
    assert node(file) in newest.nodes  # its tags are null
    assert {each for each in newest.edges if each[0] == file} == {
        edge(file, "DETECTED_AS", "Malware CloudEyE", when, confidence=50),
        edge(file, "REPORTED_IN", "Report https://twitter.com/RedBeardIOCs/status/1477455575063617536", when),
    }
    assert node("Malware CloudEyE", aliases=("GuLoader", "vbdropper", "win.cloudeye")) in newest.nodes


def test_a_server_by_its_address_and_port(newest: RecordingGraph) -> None:
    address, when = "IPAddress 104.168.44.59", "2022-01-02T01:05:27Z"
    sample_page = "https://bazaar.abuse.ch/sample/40704deb77137fe21816b35130bf8d0db9d677b0e9970f3a41287f38e567170c/"
    assert node(address, tags=("Mirai",)) in newest.nodes
    assert {each for each in newest.edges if each[0] == address} == {
        edge(address, "INDICATES", "Malware Mirai", when, confidence=75),
        edge(address, "EXPOSES", "Service 104.168.44.59:3884", when),
        edge(address, "REPORTED_IN", f"Report {sample_page}", when),
    }


def test_a_page_of_a_botnet(newest: RecordingGraph) -> None:
    page, when = "URL http://149.28.155.186:82/cx", "2022-01-01T22:32:22Z"
    assert {each for each in newest.edges if each[0] == page} == {
        edge(page, "INDICATES", "Malware Cobalt Strike", when, confidence=100),
        edge(page, "ON", "IPAddress 149.28.155.186"),
    }
    assert node(page, tags=("AS-CHOOPA", "CobaltStrike")) in newest.nodes
    assert (
        node("Malware Cobalt Strike", aliases=("Agentemis", "BEACON", "CobaltStrike", "win.cobalt_strike"))
        in newest.nodes
    )


def test_unknown_malware_is_none(newest: RecordingGraph) -> None:
    address, when = "IPAddress 2.58.149.206", "2022-01-02T00:00:00Z"
    assert {each[:3] for each in newest.edges if each[0] == address} == {
        (address, "EXPOSES", "Service 2.58.149.206:1389"),
    }, when
    assert not {each[0] for each in newest.nodes if "nknown" in each[0]}


def test_a_file_that_was_asked_for_is_tied_to_what_is_found() -> None:
    file, ioc = "a" * 64, {"ioc": "192.0.2.1:443", "ioc_type": "ip:port", "malware_printable": "ExampleRAT"}
    found = told("threatfox", "search_hash", file, reply(ioc))
    when = "2026-01-02T03:04:05Z"
    assert found.edges == {
        edge("IPAddress 192.0.2.1", "ASSOCIATED", f"Hash {file}", when),
        edge("IPAddress 192.0.2.1", "INDICATES", "Malware ExampleRAT", when),
        edge("IPAddress 192.0.2.1", "EXPOSES", "Service 192.0.2.1:443", when),
    }
    itself = told("threatfox", "search_hash", "c" * 32, reply({"ioc": file, "ioc_type": "sha256_hash", "malware": "x"}))
    assert itself.edges == {edge(f"Hash {file}", "DETECTED_AS", "Malware x", when)}
    assert node(f"Hash {'c' * 32}") in itself.nodes


def test_samples_of_an_indicator() -> None:
    page = "https://bazaar.abuse.ch/sample/" + "a" * 64
    sample_ = {
        "sha256_hash": "a" * 64,
        "md5_hash": "c" * 32,
        "time_stamp": "2026-01-03 00:00:00 UTC",
        "malware_bazaar": page,
    }
    found = told("threatfox", "search_ioc", "example.com", reply(
        {"ioc": "http://example.com/x", "ioc_type": "url", "malware": "unknown", "malware_samples": [sample_]}
    ))  # fmt: skip
    file, seen = f"Hash {'a' * 64}", "2026-01-03T00:00:00Z"
    assert found.edges == {
        edge("URL http://example.com/x", "ON", "Domain example.com"),
        edge("URL http://example.com/x", "ASSOCIATED", file, seen),
        edge(file, "SAME_FILE", f"Hash {'c' * 32}"),
        edge(file, "REPORTED_IN", f"Report {page}", seen),
    }


def test_unknown_malware_ties_no_strangers() -> None:
    iocs = [
        {"ioc": each, "ioc_type": "domain", "malware": "unknown", "malware_printable": "Unknown malware", "tags": ["x"]}
        for each in ("example.com", "example.net")
    ]
    found = told("threatfox", "search_ioc", "example.com", reply(*iocs))
    assert found.edges == set()
    assert found.nodes == {node("Domain example.com", tags=("x",)), node("Domain example.net", tags=("x",))}


def reply(*iocs: Mapping[str, object]) -> bytes:
    seen = {"first_seen": "2026-01-02 03:04:05 UTC"}
    return json.dumps({"query_status": "ok", "data": [{**seen, **each} for each in iocs]}).encode()


def test_all_of_it(newest: RecordingGraph) -> None:
    kinds = [each[1] for each in newest.edges]
    assert newest.rejects == set()
    assert (kinds.count("DETECTED_AS"), kinds.count("INDICATES"), kinds.count("ON")) == (
        83,
        103,
        45,
    )


def test_nothing_found_is_said_in_a_text() -> None:
    found = told("threatfox", "search_ioc", "harmless.example", sample("threatfox", "search_ioc", "harmless.example"))
    assert (found.outcome, found.nodes, found.edges) == ("not found", set(), set())
    refused = told("threatfox", "search_ioc", "harmless.example", b'{"query_status":"unknown_auth_key"}')
    assert refused.outcome == "unreadable"
