"""InternetDB: real replies and one of each kind, worked out by hand."""

from __future__ import annotations

from replies import edge, fixture, node, told


def test_ports_of_a_real_reply_tell_no_transport() -> None:
    found = told("internetdb", "ip", "1.1.1.1", fixture("shodan_internetdb/ip/1.1.1.1__14Jan2024_138.json"))
    address = "IPAddress 1.1.1.1"
    assert {each for each in found.edges if each[1] == "EXPOSES"} == {
        edge(address, "EXPOSES", f"Service 1.1.1.1:{port}") for port in (53, 80, 443, 2082, 2087, 8080, 8443, 8880)
    }
    assert {each for each in found.edges if each[1] != "EXPOSES"} == {
        edge("SubDomain one.one.one.one", "RESOLVES", address),
        edge("Domain enegate.com", "RESOLVES", address),
    }
    assert found.rejects == set()


def test_ports_names_products_and_vulnerabilities() -> None:
    body = (
        b'{"ip": "192.0.2.1", "ports": [161, 443], "hostnames": ["a.example.com"], "tags": ["vpn"], '
        b'"cpes": ["cpe:/a:nginx:nginx:1.14.0"], "vulns": ["CVE-2019-9511"]}'
    )
    found = told("internetdb", "ip", "192.0.2.1", body)
    address = "IPAddress 192.0.2.1"
    assert found.nodes == {node(address, cpes=("cpe:/a:nginx:nginx:1.14.0",), tags=("vpn",))}
    assert found.edges == {
        edge(address, "EXPOSES", "Service 192.0.2.1:161"),
        edge(address, "EXPOSES", "Service 192.0.2.1:443"),
        edge("SubDomain a.example.com", "RESOLVES", address),
        edge(address, "VULNERABLE_TO", "Vulnerability CVE-2019-9511"),
    }
    assert found.rejects == set()


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    found = told("internetdb", "ip", "2001:db8::1", b'{"ip": "2001:db8::1", "ports": [53]}')
    assert found.edges == {edge("IPAddress 2001:db8::1", "EXPOSES", "Service [2001:db8::1]:53")}


def test_nothing_known() -> None:
    missing = fixture("shodan_internetdb/errors/404_no_information.json")
    assert told("internetdb", "ip", "192.0.2.1", missing, 404).outcome == "not found"


def test_an_older_real_reply() -> None:
    found = told("internetdb", "ip", "1.1.1.1", fixture("shodan_internetdb/ip/1.1.1.1__11Apr2022_99.json"))
    address = "IPAddress 1.1.1.1"
    assert found.edges == {
        *(edge(address, "EXPOSES", f"Service 1.1.1.1:{port}") for port in (53, 80, 443)),
        edge("SubDomain one.one.one.one", "RESOLVES", address),
    }
