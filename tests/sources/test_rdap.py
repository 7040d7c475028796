"""RDAP: a sample and real replies, worked out by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from replies import edge, fixture, node, sample, told


def test_a_domains_contacts_by_their_roles() -> None:
    found = told("rdap", "domain", "example.com", sample("rdap", "domain", "example.com"))
    domain, ns1, ns2 = "Domain example.com", "SubDomain ns1.lantern-dns.example", "SubDomain ns2.lantern-dns.example"
    assert found.nodes == {
        node(
            domain,
            registrar="Lantern Names Ltd",
            created="2025-11-20T08:11:12Z",
            updated="2026-04-11T08:00:00Z",
            expires="2027-11-20T08:11:12Z",
            status="active",
        )
    }
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
    assert found.nodes == {
        node("Domain example.cz", created="2004-08-30T22:55:00Z", expires="2019-08-30T12:00:00Z", status="active")
    }
    assert found.edges == {
        edge("Domain example.cz", "NAME_SERVER", f"SubDomain {name}.pipni.cz") for name in ("ns", "ns2", "ns3")
    }


def test_a_network_with_zeros_before_its_numbers() -> None:
    found = told("rdap", "ip", "74.125.225.229", fixture("rdap/ip/ipwhois_74.125.225.229.json"))
    network = "Network 74.125.0.0/16"
    assert found.nodes - {node("IPAddress 74.125.225.229")} == {
        node(network, name="GOOGLE", created="2007-03-13T16:09:54Z", updated="2012-02-24T14:44:34Z")
    }
    assert found.edges == {
        edge("IPAddress 74.125.225.229", "IN_NETWORK", network),
        edge(network, "OPERATED_BY", "Organization Google Inc."),
    }
    assert found.rejects == set()


def test_a_network_of_an_old_server_that_adds_lengths() -> None:
    found = told("rdap", "ip", "62.239.237.1", fixture("rdap/ip/ipwhois_62.239.237.1.json"))
    assert found.nodes == {
        node("IPAddress 62.239.237.1"),
        node("Network 62.239.237.0/24", name="BT-CORPORATE", country="GB", updated="2008-08-14T16:54:30Z"),
    }
    assert found.edges == {edge("IPAddress 62.239.237.1", "IN_NETWORK", "Network 62.239.237.0/24")}


def test_a_range_that_is_no_one_block_and_one_that_is_none() -> None:
    odd = b'{"objectClassName":"ip network","startAddress":"192.0.2.0","endAddress":"192.0.2.191"}'
    assert told("rdap", "ip", "192.0.2.1", odd).edges == {
        edge("IPAddress 192.0.2.1", "IN_NETWORK", "Network 192.0.2.0/25"),  # the other block is the same network's
    }
    upside_down = b'{"objectClassName":"ip network","startAddress":"192.0.2.9","endAddress":"192.0.2.1"}'
    found = told("rdap", "ip", "192.0.2.1", upside_down)
    assert (found.nodes, found.edges) == (set(), set())
    assert {reason for _, _, reason in found.rejects} == {"a range of addresses: ADDRESS/LENGTH is wanted"}


def card(kind: str, name: str, *, org: str = "", email: str = "") -> list[Any]:
    lines = [["version", {}, "text", "4.0"], ["fn", {}, "text", name], ["kind", {}, "text", kind]]
    lines += [["org", {}, "text", org]] if org else []
    lines += [["email", {}, "text", email]] if email else []
    return ["vcard", lines]


def entity(handle: str, roles: str, kind: str, name: str, **more: str) -> dict[str, Any]:
    return {"handle": handle, "roles": roles.split(), "vcardArray": card(kind, name, **more)}


# What each registry lists beside the organisation that has the AS or the network: people, teams, maintainers.
REGISTRIES = {
    "RIPE": [
        entity("ORG-EX1-RIPE", "registrant", "org", "Example Carrier", email="noc@example.net"),
        entity("EX-MNT", "registrant", "individual", "EX-MNT"),
        entity("RIPE-NCC-END-MNT", "registrant", "individual", "RIPE-NCC-END-MNT", org="ORG-NCC1-RIPE"),
        entity("JD1-RIPE", "administrative technical", "individual", "Jo Doe", email="jo@example.net"),
        entity("AR1-RIPE", "abuse", "group", "Abuse-C Role", email="abuse@example.net"),
    ],
    "ARIN": [
        {
            **entity("EXAM", "registrant", "org", "Example Carrier"),
            "entities": [
                entity("NOC1-ARIN", "noc technical", "group", "NOC", org="Other Company", email="n@example.net")
            ],
        },
        entity("ABUSE1-ARIN", "abuse", "group", "Abuse", org="Abuse", email="abuse@example.net"),
    ],
    "APNIC": [
        entity("ORG-EX1-AP", "registrant", "org", "Example Carrier"),
        entity("IRT-EXAMPLE-AP", "abuse", "group", "IRT-EXAMPLE-AP", email="abuse@example.net"),
        entity("EN1-AP", "technical administrative", "group", "Example Network Team", email="noc@example.net"),
    ],
    "AFRINIC": [
        entity("ORG-EX1-AFRINIC", "registrant", "org", "Example Carrier"),
        entity("EX1-MNT", "registrant", "individual", "EX1-MNT"),
        entity("AFRINIC-HM-MNT", "registrant", "individual", "AFRINIC-HM-MNT"),
        entity("JD1-AFRINIC", "technical administrative", "individual", "Jo Doe"),
    ],
    "LACNIC": [
        {
            **entity("MX-EXAM-LACNIC", "registrant", "org", "Example Carrier"),
            "entities": [entity("JOD", "administrative registrant", "individual", "Jo Doe", org="Other Company")],
        },
        entity("JOD", "technical abuse", "individual", "Jo Doe", org="Other Company", email="jo@example.net"),
    ],
}


@pytest.mark.parametrize("registry", REGISTRIES)
def test_an_as_is_run_by_the_organisation_that_registered_it(registry: str) -> None:
    reply = {"objectClassName": "autnum", "startAutnum": 64500, "endAutnum": 64500, "entities": REGISTRIES[registry]}
    found = told("rdap", "autnum", "64500", json.dumps(reply).encode())
    assert found.nodes == {node("ASN AS64500")}
    assert found.edges == {edge("ASN AS64500", "OPERATED_BY", "Organization Example Carrier")}
    assert {value for _, value, _ in found.rejects} == ({"ORG-NCC1-RIPE"} if registry == "RIPE" else set())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("arin_originas0_originautnums", [64500]),
        ("arin_originas0_originautnums", ["AS64500"]),
        ("lacnic_originAutnum", ["64500"]),
        ("nicbr_autnum", 64500),
    ],
)
def test_a_network_is_announced_by_the_as_that_the_registry_tells(field: str, value: object) -> None:
    reply: dict[str, object] = {
        "objectClassName": "ip network",
        "startAddress": "192.0.2.64",
        "endAddress": "192.0.2.223",
    }
    found = told("rdap", "ip", "192.0.2.100", json.dumps(reply | {field: value, "name": "EXAMPLE-NET"}).encode())
    networks = {f"Network 192.0.2.{block}" for block in ("64/26", "128/26", "192/27")}
    assert found.nodes == {node("IPAddress 192.0.2.100"), *(node(each, name="EXAMPLE-NET") for each in networks)}
    expected = {edge(each, "ANNOUNCED_BY", "ASN AS64500") for each in networks}
    assert found.edges == {*expected, edge("IPAddress 192.0.2.100", "IN_NETWORK", "Network 192.0.2.64/26")}
    assert found.rejects == set()


def test_registration_facts_are_of_the_name_that_the_reply_is_of() -> None:
    reply = {
        "objectClassName": "domain",
        "ldhName": "GITHUB.IO",
        "status": ["client transfer prohibited", "active"],
        "events": [
            {"eventAction": "registration", "eventDate": "2010-01-01T00:00:00Z"},
            {"eventAction": "expiration", "eventDate": "2030-01-01T00:00:00Z"},
        ],
        "entities": [entity("9", "registrar", "org", "Example Registrar")],
        "nameservers": [{"ldhName": "ns1.example.net"}],
    }
    for asked in ("github.io", "tenant.github.io"):
        found = told("rdap", "domain", asked, json.dumps(reply).encode())
        assert found.nodes - {node("Domain tenant.github.io")} == {
            node(
                "Domain github.io",
                registrar="Example Registrar",
                created="2010-01-01T00:00:00Z",
                expires="2030-01-01T00:00:00Z",
                status="active, client transfer prohibited",
            )
        }
        assert found.edges == {edge("Domain github.io", "NAME_SERVER", "SubDomain ns1.example.net")}
    del reply["ldhName"]
    assert "Domain github.io" in dict(told("rdap", "domain", "tenant.github.io", json.dumps(reply).encode()).nodes)


def test_a_person_is_an_address_and_a_privacy_service_or_a_registrar_is_nobody() -> None:
    registrar = entity("9", "registrar", "org", "Example Registrar", email="desk@registrar.example")
    reply = {
        "objectClassName": "domain",
        "ldhName": "example.com",
        "entities": [
            {**registrar, "entities": [entity("9a", "abuse", "individual", "", email="abuse@registrar.example")]},
            entity("1", "registrant", "individual", "Jo Doe", email="jo@example.org"),
            entity("2", "technical", "individual", "Desk", email="abuse@registrar.example"),
            entity("3", "administrative", "org", "Domains By Proxy, LLC", email="example.com@domainsbyproxy.com"),
            entity("4", "registrant", "org", "Domains By Proxy, LLC"),
            entity("5", "abuse", "group", "Abuse", email="abuse@registry.example"),
            entity("6", "technical", "org", "Example Hosting", email="noc@hosting.example"),
            entity("7", "administrative technical", "group", "Host Master", email="desk@hosting.example"),
        ],
    }
    found = told("rdap", "domain", "example.com", json.dumps(reply).encode())
    assert found.edges == {
        edge("Domain example.com", "REGISTRAR", "Email desk@registrar.example"),
        edge("Domain example.com", "REGISTRAR", "Email abuse@registrar.example"),
        edge("Email jo@example.org", "OWNS", "Domain example.com"),
    }
    assert {each[1:] for each in found.rejects} == {
        ("Domains By Proxy, LLC", "a privacy service, not the owner"),
        ("example.com@domainsbyproxy.com", "a contact of a privacy service or a registrar, not of the owner"),
    }


def test_real_networks_of_three_registries() -> None:
    lacnic = told("rdap", "ip", "200.57.141.161", fixture("rdap/ip/ipwhois_200.57.141.161.json"))
    network = "Network 200.57.141.161/32"
    assert lacnic.nodes - {node("IPAddress 200.57.141.161")} == {
        node(network, name="Triara.com, S.A. de C.V.", country="MX", updated="2014-07-16T15:43:45Z")
    }
    assert lacnic.edges == {
        edge("IPAddress 200.57.141.161", "IN_NETWORK", network),
        edge(network, "OPERATED_BY", "Organization Triara.com, S.A. de C.V."),
    }
    apnic = told("rdap", "ip", "210.107.73.73", fixture("rdap/ip/ipwhois_210.107.73.73.json"))
    assert apnic.edges == {edge("IPAddress 210.107.73.73", "IN_NETWORK", "Network 210.107.0.0/17")}  # teams alone
    ripe = told("rdap", "ip", "2a00:2381:ffff::1", fixture("rdap/ip/ipwhois_2a00_2381_ffff_1.json"))
    assert ripe.edges == {edge("IPAddress 2a00:2381:ffff::1", "IN_NETWORK", "Network 2a00:2381:ffff::/64")}
    assert (lacnic.rejects, apnic.rejects, ripe.rejects) == (set(), set(), set())


def test_a_real_as_whose_entities_have_no_cards() -> None:
    found = told("rdap", "autnum", "AS12345", fixture("rdap/autnum/rapid7_asn_lookup.json"))
    assert found.nodes == {node("ASN AS12345", name="AS12345", updated="2020-05-13T13:44:31Z")}
    assert (found.edges, found.rejects) == (set(), set())


@pytest.mark.parametrize(
    ("redacted", "owners"),
    [
        ([], {"anonymized123@example.net", "tech@example.org"}),
        ([{"name": {"description": "Registrant Email"}, "method": "replacementValue"}], {"tech@example.org"}),
        ([{"name": {"type": "Tech Email"}, "method": "replacementValue"}], {"anonymized123@example.net"}),
        ([{"name": {"description": "Registrant Email"}}], {"anonymized123@example.net", "tech@example.org"}),
        (
            [{"name": {"type": "Registrant Phone"}, "method": "replacementValue"}],
            {"anonymized123@example.net", "tech@example.org"},
        ),
    ],
)
def test_an_address_that_replaces_a_redacted_one_is_not_the_owners(redacted: object, owners: set[str]) -> None:
    reply = {
        "objectClassName": "domain",
        "ldhName": "example.com",
        "redacted": redacted,
        "entities": [
            entity("1", "registrant", "individual", "", email="anonymized123@example.net"),
            entity("2", "technical", "individual", "", email="tech@example.org"),
        ],
    }
    found = told("rdap", "domain", "example.com", json.dumps(reply).encode())
    assert found.edges == {edge(f"Email {each}", "OWNS", "Domain example.com") for each in owners}
    assert found.rejects == set()


def test_a_proxy_owns_nothing_and_a_name_servers_name_may_be_in_unicode() -> None:
    proxy = entity("1", "registrant", "org", "Lantern Hosting", email="desk@lantern.example")
    reply = {
        "objectClassName": "domain",
        "ldhName": "xn--bcher-kva.example.",
        "entities": [{**proxy, "roles": ["registrant", "proxy"]}],
        "nameservers": [
            {"unicodeName": "ns1.bücher.example", "ipAddresses": {"v4": ["192.0.2.1"]}},
            {"ldhName": "ns2.example.net"},
            {"objectClassName": "nameserver", "handle": "NS3"},
        ],
    }
    found = told("rdap", "domain", "xn--bcher-kva.example", json.dumps(reply).encode())
    assert found.edges == {
        edge("Domain xn--bcher-kva.example", "NAME_SERVER", "SubDomain ns1.xn--bcher-kva.example"),
        edge("Domain xn--bcher-kva.example", "NAME_SERVER", "SubDomain ns2.example.net"),
        edge("SubDomain ns1.xn--bcher-kva.example", "RESOLVES", "IPAddress 192.0.2.1"),
    }
    assert found.rejects == set()
