"""RDAP: a sample and real replies, worked out by hand."""

from __future__ import annotations

from replies import edge, fixture, node, sample, told


def test_a_domains_contacts_by_their_roles() -> None:
    found = told("rdap", "domain", "example.com", sample("rdap", "domain", "example.com"))
    domain, ns1, ns2 = "Domain example.com", "SubDomain ns1.lantern-dns.example", "SubDomain ns2.lantern-dns.example"
    assert found.nodes == {node(domain, registrar="Lantern Names Ltd", created="2025-11-20T08:11:12Z")}
    assert found.edges == {
        edge(domain, "REGISTRAR", "Email abuse@lantern-names.example"),  # within the registrar's entity
        edge("Email paper.lantern@example.org", "OWNS", domain),
        edge("Email billing@invoice-portal.example", "OWNS", domain),
        edge(domain, "REGISTERED_TO", "Organization Paper Lantern Trading"),
        edge(domain, "NAME_SERVER", ns1),
        edge(domain, "NAME_SERVER", ns2),
        edge(ns1, "RESOLVES", "IPAddress 192.0.2.53"),
        edge(ns1, "RESOLVES", "IPAddress 2001:db8::53"),
    }
    assert found.rejects == {("$.entities[2].vcardArray[1][1][3]", "REDACTED FOR PRIVACY", "placeholder")}


def test_a_real_domain_whose_contacts_have_no_cards() -> None:
    found = told("rdap", "domain", "example.cz", fixture("rdap/domain/openrdap_domain-example.cz.json"))
    assert found.nodes == {node("Domain example.cz", created="2004-08-30T22:55:00Z")}
    assert found.edges == {
        edge("Domain example.cz", "NAME_SERVER", f"SubDomain {name}.pipni.cz") for name in ("ns", "ns2", "ns3")
    }


def test_a_network_with_zeros_before_its_numbers() -> None:
    found = told("rdap", "ip", "74.125.225.229", fixture("rdap/ip/ipwhois_74.125.225.229.json"))
    network = "Network 74.125.0.0/16"
    assert found.nodes == {node(network, name="GOOGLE")}
    assert found.edges == {
        edge("IPAddress 74.125.225.229", "IN_NETWORK", network),
        edge(network, "OPERATED_BY", "Organization Google Inc."),
    }
    assert found.rejects == set()


def test_a_network_of_an_old_server_that_adds_lengths() -> None:
    found = told("rdap", "ip", "62.239.237.1", fixture("rdap/ip/ipwhois_62.239.237.1.json"))
    assert found.nodes == {node("Network 62.239.237.0/24", name="BT-CORPORATE", country="GB")}
    assert found.edges == {edge("IPAddress 62.239.237.1", "IN_NETWORK", "Network 62.239.237.0/24")}


def test_a_range_that_is_no_one_block_and_one_that_is_none() -> None:
    odd = b'{"objectClassName":"ip network","startAddress":"192.0.2.0","endAddress":"192.0.2.191"}'
    assert told("rdap", "ip", "192.0.2.1", odd).edges == {
        edge("IPAddress 192.0.2.1", "IN_NETWORK", "Network 192.0.2.0/25"),
        edge("IPAddress 192.0.2.1", "IN_NETWORK", "Network 192.0.2.128/26"),
    }
    upside_down = b'{"objectClassName":"ip network","startAddress":"192.0.2.9","endAddress":"192.0.2.1"}'
    found = told("rdap", "ip", "192.0.2.1", upside_down)
    assert (found.nodes, found.edges) == (set(), set())
    assert {reason for _, _, reason in found.rejects} == {"not a network"}
