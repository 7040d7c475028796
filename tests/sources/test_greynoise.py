"""GreyNoise: what replies tell, worked out by hand from their JSON."""

from __future__ import annotations

from replies import edge, fixture, node, sample, told


def test_a_real_scanner_is_known_but_not_by_what_it_tries_at_others() -> None:
    path = "greynoise/gnql/gnql_cve_CVE-2020-9054__23Oct2021_1210.json"
    found = told("greynoise", "gnql", "cve:CVE-2020-9054", fixture(path))
    address, seen = "IPAddress 37.0.8.38", {"first_seen": "2021-09-24", "last_seen": "2021-10-19"}
    tags = ("CHINANET SSH Bruteforcer", "SSH Worm", "Web Crawler", "ZMap Client", "Zyxel Firewall/NAS RCE")
    assert found.nodes == {node(address, classification="malicious", country="NL", tags=tags, **seen)}
    assert found.edges == {
        edge(address, "ANNOUNCED_BY", "ASN AS211252", **seen),
        edge(address, "OPERATED_BY", "Organization Delis LLC", **seen),
        edge("SubDomain jugg.water24s.xyz", "RESOLVES", address, **seen),
    }
    assert found.rejects == set()


def test_a_common_service() -> None:
    found = told("greynoise", "community", "1.2.3.4", fixture("greynoise/community/rapid7_community_ip.json"))
    address, owner = "IPAddress 1.2.3.4", "Organization Acme, Inc"
    assert found.nodes == {node(address, classification="benign", tags=("riot",), last_seen="2020-01-01")}
    assert found.edges == {edge(address, "OPERATED_BY", owner, last_seen="2020-01-01")}
    assert found.rejects == set()


def test_an_address_that_was_never_seen() -> None:
    body = b'{"ip": "192.0.2.1", "noise": false, "riot": false, "message": "IP not observed scanning the internet"}'
    assert told("greynoise", "community", "192.0.2.1", body) == ("not found", set(), set(), set())


def test_version_3_says_both_that_it_scans_and_whose_service_it_is() -> None:
    found = told("greynoise", "ip", "192.0.2.10", sample("greynoise", "ip", "192.0.2.10"))
    address, seen = "IPAddress 192.0.2.10", {"first_seen": "2026-02-28", "last_seen": "2026-11-12"}
    assert found.nodes == {
        node(
            address,
            classification="malicious",
            country="NL",
            tags=("SSH Bruteforcer", "hosting", "noise", "riot", "tor", "vpn"),
            **seen,
        )
    }
    owner = "Organization Example Hosting BV"
    assert found.edges == {
        edge(address, "ANNOUNCED_BY", "ASN AS64500", **seen),
        edge(address, "OPERATED_BY", owner, **seen),
        edge(address, "OPERATED_BY", owner, last_seen="2026-11-10T00:00:00Z"),
        edge("SubDomain login.example.com", "RESOLVES", address, **seen),
    }
    assert found.rejects == set()
    query = told("greynoise", "gnql", "tags", sample("greynoise", "gnql", 'tags:"SSH Bruteforcer"'))
    assert (query.nodes, query.edges) == (found.nodes, found.edges)


def test_version_3_of_an_address_that_was_never_seen() -> None:
    found = told("greynoise", "ip", "203.0.113.80", sample("greynoise", "ip", "203.0.113.80"))
    assert found == ("not found", set(), set(), set())
    quick = b'{"ip": "192.0.2.1", "internet_scanner_intelligence": {"found": true, "classification": "benign"}}'
    assert told("greynoise", "ip", "192.0.2.1", quick).nodes == {
        node("IPAddress 192.0.2.1", classification="benign", tags=("noise",))
    }


def test_kept_replies_of_version_2() -> None:
    context = told("greynoise", "context", "1.2.3.4", fixture("greynoise/context/rapid7_context_ip.json"))
    address, seen = "IPAddress 1.2.3.4", {"first_seen": "2019-07-29", "last_seen": "2024-11-04"}
    assert context.nodes == {node(address, classification="benign", country="DE", tags=("Acme Inc",), **seen)}
    assert context.edges == {
        edge(address, "ANNOUNCED_BY", "ASN AS12345", **seen),
        edge(address, "OPERATED_BY", "Organization Acme Inc", **seen),
    }
    riot = told("greynoise", "riot", "1.2.3.4", fixture("greynoise/riot/rapid7_riot_ip.json"))
    last = "2024-11-04T17:10:58Z"
    assert riot.nodes == {node(address, tags=("public_dns",), last_seen=last)}
    assert riot.edges == {edge(address, "OPERATED_BY", "Organization Acme Inc", last_seen=last)}
    assert (context.rejects, riot.rejects) == (set(), set())
