"""crt.sh: a real reply, worked out by hand."""

from __future__ import annotations

import json

from replies import edge, fixture, node, told


def test_certificates_of_a_domain() -> None:
    found = told("crtsh", "identity", "example.com", fixture("crtsh/identity/example.com__01Jan2024_1456.json"))
    first, second, third, fourth = (
        f"Certificate crtsh:{each}" for each in (8913351873, 8396709327, 10570508844, 8506962125)
    )
    digicert = {
        "issuer": "C=US, O=DigiCert Inc, CN=DigiCert TLS RSA SHA256 2020 CA1",
        "subject": "www.example.org",
        "serial": "0c1fcb184518c7e3866741236d6b73f1",
        "not_before": "2023-01-13T00:00:00Z",
        "not_after": "2024-02-13T23:59:59Z",
    }
    assert found.nodes == {
        node(first, **digicert, first_seen="2023-03-17T16:26:38Z", last_seen="2023-03-17T16:26:38Z"),
        node(second, **digicert, first_seen="2023-01-13T13:18:21Z", last_seen="2023-01-13T13:18:21Z"),
        node(
            third,
            issuer="C=GB, ST=Cymru, O=AS207960 Cyfyngedig, OU=AS207960 Department of Random Numbers, "
            "CN=AS207960 Test CA",
            subject="AS207960 Test Intermediate - example.com",
            serial="1000",
            not_before="2021-08-31T15:55:23Z",
            not_after="2031-08-29T15:55:23Z",
        ),
        node(
            fourth,
            issuer="Issuer Not Found",
            subject="example.com",
            serial="1ac1e693c87d36563a92ca145c87bbc26fd49f4c",
            not_before="2023-01-27T01:21:18Z",
            not_after="2033-01-24T01:21:18Z",
        ),
    }
    domain, www = "Domain example.com", "SubDomain www.example.com"
    logged = {first: "2023-03-17T16:26:38Z", second: "2023-01-13T13:18:21Z"}
    assert found.edges == {
        *(edge(each, "NAMES", domain, when) for each, when in logged.items()),
        *(edge(each, "NAMES", www, when) for each, when in logged.items()),
        *(edge(each, "NAMES", "SubDomain www.example.org", when) for each, when in logged.items()),
        *(edge(domain, "HOSTS", www, when) for when in logged.values()),
        edge(fourth, "NAMES", domain),
    }
    assert {each[1:] for each in found.rejects} == {
        ("AS207960 Test Intermediate - example.com", "not a DNS name"),
        ("user@example.com", "an e-mail address, not a name"),
    }


def test_a_wildcard_ties_its_certificate_to_the_name_under_the_star() -> None:
    found = told("crtsh", "identity", "crt.sh", fixture("crtsh/identity/crt.sh__12Jan2020_3700.json"))
    wild = {each[0] for each in found.edges if ("wildcard", "*.crt.sh") in each[3]}
    assert wild
    assert {each[:3] for each in found.edges if ("wildcard", "*.crt.sh") in each[3]} == {
        (each, "NAMES", "Domain crt.sh") for each in wild
    }
    assert found.rejects == set()
    assert len(found.nodes) == 12


def test_names_of_other_domains_and_of_tenants_are_tied_to_their_own() -> None:
    reply = [
        {"id": 1, "common_name": "*.example.com", "name_value": "*.example.com\n*.a.example.com\nwww.example.org"},
        {
            "id": 2,
            "name_value": "someone.github.io\nwww.someone.github.io",
            "entry_timestamp": "2026-01-02T03:04:05.678",
        },
    ]
    first, second, when = "Certificate crtsh:1", "Certificate crtsh:2", "2026-01-02T03:04:05Z"
    found = told("crtsh", "identity", "example.com", json.dumps(reply[:1]).encode())
    assert found.nodes == {node(first, subject="*.example.com")}
    assert found.edges == {
        edge(first, "NAMES", "Domain example.com", wildcard="*.example.com"),
        edge(first, "NAMES", "SubDomain a.example.com", wildcard="*.a.example.com"),
        edge(first, "NAMES", "SubDomain www.example.org"),
        edge("Domain example.com", "HOSTS", "SubDomain a.example.com"),
    }
    found = told("crtsh", "identity", "github.io", json.dumps(reply[1:]).encode())
    assert found.nodes == {node("Domain github.io"), node(second, first_seen=when, last_seen=when)}
    assert found.edges == {
        edge(second, "NAMES", "Domain someone.github.io", when),
        edge(second, "NAMES", "SubDomain www.someone.github.io", when),
        edge("Domain someone.github.io", "HOSTS", "SubDomain www.someone.github.io", when),
    }
    assert found.rejects == set()


def test_expired_certificates_are_no_fewer_facts() -> None:
    found = told("crtsh", "identity", "example.com", fixture("crtsh/identity/opencti_example.com_expired.json"))
    numbers = {name for name, _ in found.nodes if name.startswith("Certificate")}
    assert numbers == {f"Certificate crtsh:{number}" for number in (8913351873, 8396709327, 10570508844, 8506962125)}
    assert {each[:3] for each in found.edges} == {
        *(
            (f"Certificate crtsh:{number}", "NAMES", name)
            for number in (8913351873, 8396709327)
            for name in ("Domain example.com", "SubDomain www.example.com", "SubDomain www.example.org")
        ),
        ("Certificate crtsh:8506962125", "NAMES", "Domain example.com"),
        ("Domain example.com", "HOSTS", "SubDomain www.example.com"),
    }
