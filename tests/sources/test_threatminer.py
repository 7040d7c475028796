"""ThreatMiner: the samples, worked out by hand."""

from __future__ import annotations

import hashlib
import json
from itertools import combinations

import pytest
from replies import RecordingGraph, edge, node, sample, told

SEED = b"intel-grapher sample 4"
MD5, SHA1, SHA256, SHA512 = (
    hashlib.new(each, SEED, usedforsecurity=False).hexdigest() for each in ("md5", "sha1", "sha256", "sha512")
)


def of(endpoint: str, key: str) -> RecordingGraph:
    return told("threatminer", endpoint, key, sample("threatminer", endpoint, key))


def test_a_domain() -> None:
    domain = "Domain example.com"
    registered = of("domain_whois", "example.com")
    assert registered.nodes == {
        node(
            domain,
            registrar="Lantern Names Ltd",
            created="2025-11-20T08:11:12Z",
            updated="2026-04-11T08:00:00Z",
            expires="2027-11-20T08:11:12Z",
        )
    }
    assert registered.edges == {
        edge("Email paper.lantern@example.org", "OWNS", domain),
        edge(domain, "REGISTERED_TO", "Organization Paper Lantern Trading"),
        edge(domain, "NAME_SERVER", "SubDomain ns1.lantern-dns.example"),
    }
    last = "2026-06-01T12:00:00Z"
    assert of("domain_passive_dns", "example.com").edges == {
        edge(
            domain, "RESOLVES", "IPAddress 192.0.2.10",
            first_seen="2026-03-02T00:00:00Z", last_seen=last, last_resolved=last,
        ),
        edge(
            domain, "RESOLVES", "IPAddress 198.51.100.23",
            last_seen="2026-06-17T00:00:00Z", last_resolved="2026-06-17T00:00:00Z",
        ),
    }  # fmt: skip
    assert of("domain_subdomains", "example.com").edges == {edge(domain, "HOSTS", "SubDomain login.example.com")}
    report = "Report https://example.org/reports/paper-lantern"
    reported = of("domain_reports", "example.com")
    assert (reported.nodes, reported.edges) == (
        {node(report, title="paper-lantern.pdf")},
        {edge(domain, "REPORTED_IN", report)},
    )


def test_an_address() -> None:
    address = "IPAddress 192.0.2.10"
    found = of("host_whois", "192.0.2.10")
    assert found.nodes == {node(address, country="ZZ"), node("ASN AS64500", name="LANTERN-AS")}
    assert found.edges == {
        edge(address, "IN_NETWORK", "Network 192.0.2.0/24"),
        edge(address, "ANNOUNCED_BY", "ASN AS64500"),
        edge(address, "OPERATED_BY", "Organization Paper Lantern Trading"),
    }


def test_a_file() -> None:
    file = f"Hash {MD5}"
    found = of("sample_metadata", MD5)
    assert found.nodes == {
        node(
            file,
            size=123456,
            file_type="PE32 executable",
            imphash="68217517f5cda2c1741ec9d0ad6f94f4",
            ssdeep="3:abc:def",
            names=("lantern.exe",),
        )
    }
    assert found.edges == {
        edge(f"Hash {min(pair)}", "SAME_FILE", f"Hash {max(pair)}")
        for pair in combinations((MD5, SHA1, SHA256, SHA512), 2)
    }
    assert of("sample_hosts", MD5).edges == {
        edge(file, "CONTACTS", "Domain cdn-update.example"),
        edge(file, "CONTACTS", "IPAddress 203.0.113.5"),
    }
    assert of("sample_av_detections", MD5).edges == {edge(file, "DETECTED_AS", "Malware Trojan.PaperLantern.A")}


def test_an_email_address_owns_domains_and_no_subdomain() -> None:
    found = of("email", "paper.lantern@example.org")
    email = "Email paper.lantern@example.org"
    assert found.edges == {edge(email, "OWNS", "Domain example.com"), edge(email, "OWNS", "Domain example.net")}
    assert found.rejects == {("$.results[2]", "login.example.com", "a sub-domain")}


def test_no_results_are_not_found_and_another_code_is_a_failure() -> None:
    assert told("threatminer", "email", "a@example.org", b'{"status_code":"404","results":[]}').outcome == "not found"
    assert told("threatminer", "email", "a@example.org", b'{"status_code":"429"}').outcome == "unreadable"


def test_urls_are_tied_to_the_address_asked_for_and_to_those_that_served_them() -> None:
    reply = b'{"status_code": "200", "results": [{"uri": "http://www.example.com/a", "ip": "192.0.2.1"}]}'
    url = "URL http://www.example.com/a"
    expected = {edge(url, "ON", "SubDomain www.example.com"), edge(url, "ON", "IPAddress 192.0.2.1")}
    assert told("threatminer", "host_uris", "192.0.2.1", reply).edges == expected
    assert told("threatminer", "domain_uris", "www.example.com", reply).edges == expected


@pytest.mark.parametrize(
    ("size", "count"), [("546304 bytes", 546_304), ("546,304", 546_304), ("546304", 546_304), (546304, 546_304)]
)
def test_a_size_may_have_its_unit(size: object, count: int) -> None:
    body = json.dumps({"status_code": "200", "results": [{"md5": MD5, "file_size": size}]}).encode()
    assert told("threatminer", "sample_metadata", MD5, body).nodes == {node(f"Hash {MD5}", size=count)}


def test_a_size_that_is_not_exact_is_a_reject() -> None:
    body = json.dumps({"status_code": "200", "results": [{"md5": MD5, "file_size": "12.5 KB"}]}).encode()
    assert {each[1:] for each in told("threatminer", "sample_metadata", MD5, body).rejects} == {
        ("12.5 KB", "not an integer")
    }
