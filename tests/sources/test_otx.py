"""AlienVault OTX: what replies tell, worked out by hand from their JSON."""

from __future__ import annotations

import json

import pytest
from replies import Edge, edge, fixture, node, told

from intel_grapher.sources.otx import at


def resolves(name: str, address: str, first: str, last: str) -> Edge:
    return edge(name, "RESOLVES", f"IPAddress {address}", first_seen=first, last_seen=last, last_resolved=last)


def test_addresses_of_a_real_domain() -> None:
    found = told("otx", "passive_dns", "jppost-tu.top", fixture("otx/passive_dns/jppost-tu.top__18Jun2022_1276.json"))
    domain = "Domain jppost-tu.top"
    assert found.nodes == {
        node("ASN AS20473", name="the constant company  llc"),
        node("ASN AS16276", name="ovh sas"),
    }
    assert found.edges == {
        resolves(domain, "193.148.69.37", "2019-09-04T05:32:29Z", "2019-09-04T18:16:07Z"),
        resolves(domain, "89.35.39.84", "2019-09-02T01:30:07Z", "2019-09-02T01:30:07Z"),
        resolves(domain, "193.148.69.230", "2019-08-31T07:14:45Z", "2019-08-31T07:14:45Z"),
        resolves(domain, "51.68.251.30", "2019-07-02T14:17:10Z", "2019-07-02T14:17:10Z"),
        edge("IPAddress 89.35.39.84", "ANNOUNCED_BY", "ASN AS20473"),
        edge("IPAddress 51.68.251.30", "ANNOUNCED_BY", "ASN AS16276"),
    }
    assert found.rejects == {
        ("$.passive_dns[0].asn", "ASNone ", "placeholder"),
        ("$.passive_dns[2].asn", "ASNone ", "placeholder"),
    }


def test_a_pulse_names_an_address() -> None:
    path = "otx/ipv4_general/rapid7_get_indicator_details_ipv4_general.json"
    found = told("otx", "ipv4_general", "198.51.100.100", fixture(path))
    address = "IPAddress 198.51.100.100"
    tags = (
        *("domains", "download urls", "file hash", "file hashes", "jjccbb", "observed", "qakbot c2s"),
        *("qakbot payload", "xlsb file", "zip file"),
    )
    pages = (
        "https://twitter.com/ankit_anubhav/status/3",
        "https://twitter.com/executemalware/status/1",
        "https://twitter.com/executemalware/status/2",
    )
    assert found.nodes == {
        node(address, country="NP"),
        node("ASN AS17501", name="WorldLink Communications Pvt Ltd"),
        node("Report otx:1", title="QakBot IOCs", created="2022-03-02T13:59:28Z", tags=tags, links=pages),
    }
    assert found.edges == {
        *(edge("Report otx:1", "CITES", f"Report {each}") for each in pages),
        edge(address, "ANNOUNCED_BY", "ASN AS17501"),
        edge(address, "REPORTED_IN", "Report otx:1"),
    }


def test_what_a_url_gave() -> None:
    path = "otx/url_list/rapid7_get_indicator_details_url_list.json"
    found = told("otx", "url_list", "https://example.com", fixture(path))
    url, seen = "URL http://example.com/", "2017-12-07T06:46:58Z"
    file = "Hash 275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f"
    assert found.edges == {
        edge(url, "ON", "Domain example.com"),
        edge(url, "ON", "IPAddress 198.51.100.100", seen),
        edge(url, "DELIVERS", file, seen),
        edge(file, "SAME_FILE", "Hash 44d88612fea8a8f36de82e1278abb02f"),
    }
    assert found.nodes == {node(url, first_seen=seen, last_seen=seen), node("URL https://example.com/")}


def test_urls_of_an_address() -> None:
    path = "otx/ipv4_url_list/rapid7_get_indicator_details_ipv4_url_list.json"
    found = told("otx", "ipv4_url_list", "198.51.100.100", fixture(path))
    one, other, address = "URL http://198.50.100.100/", "URL http://198.50.100.100:443/", "IPAddress 198.50.100.100"
    assert found.edges == {edge(one, "ON", address), edge(other, "ON", address)}
    assert found.nodes == {
        node(one, first_seen="2022-03-02T14:12:54Z", last_seen="2022-03-02T14:12:54Z"),
        node(other, first_seen="2022-03-02T14:11:03Z", last_seen="2022-03-02T14:11:03Z"),
        node("IPAddress 198.51.100.100"),  # which was asked for, and which the masked reply does not name
    }


def test_two_addresses_of_a_name() -> None:
    path = "otx/hostname_passive_dns/rapid7_get_indicator_details_hostname_passive_dns.json"
    found = told("otx", "hostname_passive_dns", "example.com", fixture(path))
    assert found.edges == {
        resolves("Domain example.com", "198.50.100.100", "2021-09-16T07:00:12Z", "2022-03-02T14:29:50Z"),
        resolves("Domain example.com", "198.50.100.101", "2021-04-16T03:37:52Z", "2021-04-16T03:37:52Z"),
        edge("IPAddress 198.50.100.100", "ANNOUNCED_BY", "ASN AS21499"),
        edge("IPAddress 198.50.100.101", "ANNOUNCED_BY", "ASN AS398101"),
    }


def test_what_a_pulse_is_about_and_what_it_draws_on() -> None:
    pulse = {
        "id": "5bbf59f5d47a1b46ca035b00",
        "name": "Pulse",
        "references": ["https://blog.example.com/a", "not a page"],
        "malware_families": [
            {"id": "x", "display_name": "ExampleRAT"},
            "ExampleBot",
            {"display_name": "Unknown malware"},
        ],
        "adversary": "Example Bear",
        "attack_ids": [{"id": "T1566", "display_name": "T1566 - Phishing"}],
    }
    body = {"indicator": "http://example.com/a", "type": "url", "pulse_info": {"pulses": [pulse]}}
    found = told("otx", "general", "http://example.com/a", json.dumps(body).encode())
    report = "Report otx:5bbf59f5d47a1b46ca035b00"
    assert found.edges == {
        edge("URL http://example.com/a", "REPORTED_IN", report),
        edge("URL http://example.com/a", "ON", "Domain example.com"),
        edge(report, "CITES", "Report https://blog.example.com/a"),
        edge(report, "CONCERNS", "Malware ExampleRAT"),
        edge(report, "CONCERNS", "Malware ExampleBot"),
        edge(report, "CONCERNS", "Technique T1566"),
        edge(report, "BLAMES", "Group Example Bear"),
    }
    assert found.nodes == {node(report, title="Pulse", links=("https://blog.example.com/a", "not a page"))}
    assert {value for _, value, _ in found.rejects} == {"not a page", "Unknown malware"}


def test_files_of_a_host_and_records_of_other_types() -> None:
    names = {"avast": "Win32:Example", "avg": None}
    known = {"hash": "0" * 63 + "1", "datetime_int": 1772668800, "detections": names}
    body = {"data": [known, {"hash": "-"}], "count": 2}
    found = told("otx", "malware", "example.com", json.dumps(body).encode())
    file = f"Hash {'0' * 63}1"
    assert found.edges == {
        edge("Domain example.com", "ASSOCIATED", file, "2026-03-05T00:00:00Z"),
        edge(file, "DETECTED_AS", "Malware Win32:Example"),
    }
    assert found.rejects == {("$.data[1].hash", "-", "placeholder")}
    rows = [
        {"hostname": "example.com", "address": address, "record_type": type_}
        for type_, address in (("NS", "ns1.example.net"), ("MX", "mail.example.com"), ("A", "NXDOMAIN"), ("TXT", "x"))
    ]
    found = told("otx", "passive_dns", "example.com", json.dumps({"passive_dns": rows}).encode())
    assert found.edges == {
        edge("Domain example.com", "NAME_SERVER", "SubDomain ns1.example.net"),
        edge("Domain example.com", "MAIL_SERVER", "SubDomain mail.example.com"),
    }
    assert found.rejects == {("$.passive_dns[2].address", "NXDOMAIN", "not an IP address")}


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("192.0.2.10", "/indicators/IPv4/{key}/general"),
        ("2001:db8::5", "/indicators/IPv6/{key}/general"),
        ("example.com", "/indicators/domain/{key}/general"),
        ("www.example.com", "/indicators/hostname/{key}/general"),
        ("d195ce778dcb3eb032f7122fffaaca94", "/indicators/file/{key}/general"),
        ("http://example.com/", "/indicators/url/{key}/general"),
    ],
)
def test_the_path_tells_the_kind(key: str, path: str) -> None:
    assert at("general")(key) == path
