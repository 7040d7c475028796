"""VirusTotal v2: what real replies tell, worked out by hand from their JSON."""

from __future__ import annotations

import json

import pytest
from replies import edge, fixture, node, told


def test_a_domain_of_many_lists() -> None:
    path = "virustotal_v2/domain-report/github.com__02May2019.json"
    found = told("virustotal_v2", "domain-report", "github.com", fixture(path))
    domain = "Domain github.com"
    assert {each for each in found.nodes if each[0] == domain} == {
        node(
            domain,
            registrar="MarkMonitor Inc.",
            created="2007-10-09T18:20:50Z",
            updated="2017-06-26T16:02:39Z",
            expires="2020-10-09T18:20:50Z",
            tags=("computersandsoftware", "information technology", "social networks"),
        )
    }
    seen = "2019-03-08T04:28:48Z"
    assert edge(domain, "RESOLVES", "IPAddress 13.229.188.59", seen, last_resolved=seen) in found.edges
    contacting = "Hash c70efc121f2055ae6b489275520d854aecda00a726442217feb52ea3abe17188"
    assert edge(contacting, "CONTACTS", domain, "2019-05-01T04:32:16Z") in found.edges
    held = "Hash b93fda792503654e6d9adf1aad6ffd291df07e367d5580ff9b3422b326753b58"
    assert edge(domain, "ASSOCIATED", held, "2019-05-02T00:37:16Z") in found.edges
    assert node(held, malicious=0) in found.nodes
    url = "URL https://github.com/ytisf/theZoo/blob/master/malwares/Binaries/Artemis/Artemis.zip"
    assert node(url, malicious=1, first_seen="2019-05-01T14:32:35Z", last_seen="2019-05-01T14:32:35Z") in found.nodes
    assert edge(domain, "HOSTS", "SubDomain codeload.github.com") in found.edges
    assert edge(domain, "REGISTRAR", "Email abusecomplaints@markmonitor.com", "2019-04-29T04:50:30Z") in found.edges
    kinds = [each[1] for each in found.edges]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "RESOLVES": 19, "HOSTS": 100, "NAME_SERVER": 8, "REGISTRAR": 1, "CONTACTS": 200, "ASSOCIATED": 400, "ON": 196,
    }  # fmt: skip
    # Of 200 URLs three are git's, and two differ in their fragment alone.
    assert {(value, reason) for _, value, reason in found.rejects} == {
        (f"git://github.com/{name}.git", "a scheme other than http, https, ftp")
        for name in ("feross/is-buffer", "feross/safe-buffer", "saltstack/salt")
    }


def test_an_address_and_the_names_that_are_none() -> None:
    path = "virustotal_v2/ip-address-report/1.1.1.1__02May2019.json"
    found = told("virustotal_v2", "ip-address-report", "1.1.1.1", fixture(path))
    address = "IPAddress 1.1.1.1"
    assert node(address, country="AU") in found.nodes
    assert node("ASN AS13335", name="Cloudflare, Inc.") in found.nodes
    assert edge(address, "IN_NETWORK", "Network 1.1.1.0/24") in found.edges
    assert edge(address, "ANNOUNCED_BY", "ASN AS13335") in found.edges
    seen = "2018-09-09T19:55:16Z"
    assert edge("Domain 0-100edu.com", "RESOLVES", address, seen, last_resolved=seen) in found.edges
    undated = "Hash 5d4c6801a5d1c9e4d3f8317242723e17eefc7fbdfcf1b0a99fbc5b92b4b83631"
    assert edge(address, "ASSOCIATED", undated) in found.edges
    assert found.rejects == {
        ("$.resolutions[0].hostname", "%E2%80%A2hawahome.orkiservers.com", "percent-escapes"),
        ("$.resolutions[1].hostname", "/netflixcustomers-001-site1.dtempurl.com", "not a DNS name"),
        ("$.resolutions[32].hostname", "001.001.1.001", "an impossible address"),
        ("$.resolutions[769].hostname", "1.1.1.1", "an IP address, not a name"),
    }


def test_a_file_that_no_engine_detects() -> None:
    sha1 = "726a2eedb9df3d63ec1b4a7d774a799901f1a2b9"
    found = told("virustotal_v2", "file-report", sha1, fixture("virustotal_v2/file-report/__02May2019.json"))
    sha256, md5 = "b35ef2d8a3ee0d29eecb83acf45c1f192ceca75ab10dec861166af2b7bda373b", "998a38ee3e5d17dd1081fcd96ee81342"
    assert found.nodes == {node(f"Hash {sha256}", malicious=0), node(f"Hash {sha1}")}
    assert found.edges == {
        edge(f"Hash {md5}", "SAME_FILE", f"Hash {sha256}"),
        edge(f"Hash {sha1}", "SAME_FILE", f"Hash {sha256}"),
        edge(f"Hash {sha1}", "SAME_FILE", f"Hash {md5}"),
    }
    assert found.rejects == set()


def test_a_url() -> None:
    path = "virustotal_v2/url-report/__02May2019.json"
    found = told("virustotal_v2", "url-report", "http://github.com", fixture(path))
    url, seen = "URL http://github.com/", "2019-05-02T07:09:02Z"
    assert found.nodes == {node(url, malicious=0, first_seen=seen, last_seen=seen)}
    assert found.edges == {edge(url, "ON", "Domain github.com")}


def test_not_found_is_a_200() -> None:
    path = "virustotal_v2/domain-report_notfound/a_domain_which_does_not_exist.co.jp__03May2019.json"
    found = told("virustotal_v2", "domain-report_notfound", "a_domain_which_does_not_exist.co.jp", fixture(path))
    assert found == ("not found", set(), set(), set())


ONE, OTHER, MD5 = "a" * 64, "b" * 64, "c" * 32


def test_a_list_of_reports_counts_as_each_of_them() -> None:
    scans = {"X": {"detected": True, "result": "Trojan.Example"}, "Y": {"detected": False, "result": None}}
    reply = [
        {
            "response_code": 1,
            "sha256": ONE,
            "md5": MD5,
            "positives": 1,
            "scan_date": "2018-01-01 00:00:00",
            "scans": scans,
        },
        {"response_code": 0, "resource": OTHER, "verbose_msg": "not among the finished"},
        {"response_code": 1, "sha256": OTHER, "positives": 0},
    ]
    found = told("virustotal_v2", "file_report", "batch", json.dumps(reply).encode())
    assert found.outcome == "found"
    assert found.nodes == {node(f"Hash {ONE}", malicious=1), node(f"Hash {OTHER}", malicious=0)}
    assert found.edges == {
        edge(f"Hash {ONE}", "SAME_FILE", f"Hash {MD5}"),
        edge(f"Hash {ONE}", "DETECTED_AS", "Malware Trojan.Example", "2018-01-01T00:00:00Z"),
    }
    assert found.rejects == set()
    assert told("virustotal_v2", "file_report", "batch", json.dumps(reply[1:2]).encode()).outcome == "not found"


def test_a_url_gave_the_file_whose_scan_its_report_names() -> None:
    url, seen = "http://example.com/a", "2018-12-14T10:13:55Z"
    reply = {"response_code": 1, "url": url, "filescan_id": f"{ONE}-1538226737", "positives": 2}
    found = told("virustotal_v2", "url_report", url, json.dumps(reply | {"scan_date": "2018-12-14 10:13:55"}).encode())
    assert found.nodes == {node(f"URL {url}", malicious=2, first_seen=seen, last_seen=seen)}
    assert found.edges == {
        edge(f"URL {url}", "ON", "Domain example.com"),
        edge(f"URL {url}", "DELIVERS", f"Hash {ONE}"),
    }


def test_of_two_verdicts_the_newest_counts_and_urls_are_tied_to_the_address_asked_for() -> None:
    lists = {
        "detected_urls": [
            {"url": "http://example.com/", "positives": 1, "total": 53, "scan_date": "2014-07-02 10:55:30"}
        ],
        "undetected_urls": [["http://EXAMPLE.com:80", "f" * 64, 0, 70, "2018-08-15 13:25:01"]],
    }
    found = told("virustotal_v2", "ip_address_report", "192.0.2.1", json.dumps({"response_code": 1, **lists}).encode())
    url = "URL http://example.com/"
    assert found.nodes == {
        node(url, malicious=0, first_seen="2014-07-02T10:55:30Z", last_seen="2018-08-15T13:25:01Z"),
        node("IPAddress 192.0.2.1"),
    }
    assert found.edges == {edge(url, "ON", "Domain example.com"), edge(url, "ON", "IPAddress 192.0.2.1")}
    assert found.rejects == set()


PROSE = {
    "registry": "Domain Name: EXAMPLE.COM\nRegistrar: Example Registrar\nCreation Date: 2010-01-02T03:04:05Z\n"
    "Registry Expiry Date: 2030-01-02T03:04:05Z\nUpdated Date: 2020-01-02T03:04:05Z\nName Server: NS1.EXAMPLE.NET",
    "lower case": "domain: EXAMPLE.COM\nnserver: ns1.example.net. 192.0.2.53\nregistrar: Example Registrar\n"
    "created: 2010-01-02T03:04:05Z\npaid-till: 2030-01-02T03:04:05Z\nlast-update: 2020-01-02T03:04:05Z\nperson: Jo Doe",
    "brackets": "[Domain Name]                   EXAMPLE.COM\n[Registrant]                    Jo Doe\n"
    "[Name Server]                   ns1.example.net\n[Registrar]  Example Registrar\n"
    "[Created on]                    2010/01/02 03:04:05\n[Expires on]  2030/01/02 03:04:05\n"
    "[Last Updated]                  2020/01/02 03:04:05 (UTC)\n",
    "headings": "    Domain name:\n        example.com\n\n    Registrant:\n        Jo Doe\n\n    Registrar:\n"
    "        Example Registrar\n        URL: https://registrar.example\n\n    Relevant dates:\n"
    "        Registered on: 2010-01-02 03:04:05\n        Expiry date:  2030-01-02 03:04:05\n"
    "        Last updated:  2020-01-02 03:04:05\n\n    Name servers:\n        ns1.example.net      192.0.2.53\n",
}


@pytest.mark.parametrize("form", PROSE)
def test_whois_prose_tells_registrar_dates_and_name_servers(form: str) -> None:
    reply = {"response_code": 1, "whois": PROSE[form], "whois_timestamp": 1543724055}
    found = told("virustotal_v2", "domain_report", "www.example.com", json.dumps(reply).encode())
    assert {each for each in found.nodes if each[0] == "Domain example.com"} == {
        node(
            "Domain example.com",
            registrar="Example Registrar",
            created="2010-01-02T03:04:05Z",
            updated="2020-01-02T03:04:05Z",
            expires="2030-01-02T03:04:05Z",
        )
    }
    assert found.edges == {
        edge("Domain example.com", "NAME_SERVER", "SubDomain ns1.example.net", "2018-12-02T04:14:15Z")
    }
    assert found.rejects == set()
