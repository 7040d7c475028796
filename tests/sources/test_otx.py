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
    assert found.nodes == {node("ASN AS20473", name="the constant company  llc"), node("ASN AS16276", name="ovh sas")}
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
    assert found.nodes == {
        node(address, country="NP"),
        node("ASN AS17501", name="WorldLink Communications Pvt Ltd"),
        node("Report otx:1", title="QakBot IOCs", created="2022-03-02T13:59:28Z", tags=tags),
    }
    assert found.edges == {
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
    }


def test_files_of_a_host_and_records_of_other_types() -> None:
    body = {"data": [{"hash": "0" * 63 + "1", "datetime_int": 1772668800, "detections": {}}, {"hash": "-"}], "count": 2}
    found = told("otx", "malware", "example.com", json.dumps(body).encode())
    assert found.edges == {edge("Domain example.com", "ASSOCIATED", f"Hash {'0' * 63}1", "2026-03-05T00:00:00Z")}
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
