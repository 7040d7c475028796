"""ThreatCrowd: what real replies tell, worked out by hand from their JSON."""

from __future__ import annotations

import json

import pytest
from replies import Edge, edge, fixture, node, told


def resolves(name: str, address: str, day: str) -> Edge:
    return edge(name, "RESOLVES", f"IPAddress {address}", day, last_resolved=day)


def test_a_domain_with_placeholders_and_strange_names() -> None:
    found = told(
        "threatcrowd", "domain", "aoldaily.com", fixture("threatcrowd_v2/domain/aoldaily.com__demisto-2021.json")
    )
    domain = "Domain aoldaily.com"
    assert found.nodes == {node(domain, votes=-1)}
    beneath = (
        *("media", "e", "finance", "game", "zone", "share", "update", "flash", "mail", "webmail", "email", "info"),
        *("auto", "asdf--auto", "asdf25u0027auto", "asdfu0027auto", "asdfauto", "pop", "ftp", "smtp", "ks", "stratos"),
        *("documents", "sports", "news", "tw", "www", "mx"),
        # asdf--Àu0066auto and its kin, in lower case and as A-labels
        *("xn--asdf--u0066auto-cjb", "xn--asdf--auto-m4a", "xn--asdf--aaaaaauto-cjb", "xn--asdf--fauto-d7a"),
    )
    assert found.edges == {
        resolves(domain, "167.88.206.88", "2020-07-22"),
        resolves(domain, "18.189.205.91", "2021-03-05"),
        resolves(domain, "18.190.95.243", "2020-10-18"),
        edge("Email domains@virustracker.info", "OWNS", domain),
        edge("Email william19770319@yahoo.com", "OWNS", domain),
        *(edge(domain, "HOSTS", f"SubDomain {name}.aoldaily.com") for name in beneath),
    }
    assert found.rejects == {
        ("$.resolutions[0].ip_address", "-", "placeholder"),
        ("$.resolutions[1].ip_address", "0.0.0.0", "placeholder"),  # noqa: S104 - as it came
        ("$.references[0]", "httpblog.shadowserver.org201302", "not a URL"),
        ("$.references[1]", "httpsto-strategy.comsAppendix-D-Digital-FQDNs.pdf", "not a URL"),
    }


def test_an_old_reply_whose_resolutions_name_one_address_twice() -> None:
    found = told("threatcrowd", "domain", "google.com", fixture("threatcrowd_v2/domain/google.com__embedded-2015.json"))
    domain = "Domain google.com"
    assert found.nodes == {node(domain)}  # no votes in a reply of that time
    assert found.rejects == set()
    assert {each for each in found.edges if each[2] == "IPAddress 74.125.230.68"} == {
        resolves(domain, "74.125.230.68", "2014-11-24"),
        resolves(domain, "74.125.230.68", "2015-11-24"),
    }
    assert edge("Email contact-admin@google.com", "OWNS", domain) in found.edges
    assert edge(domain, "ASSOCIATED", "Hash 0067868109c1280e63b3c95ed14194f5") in found.edges
    kinds = [each[1] for each in found.edges]
    assert (kinds.count("RESOLVES"), kinds.count("ASSOCIATED"), kinds.count("OWNS")) == (51, 30, 1)
    assert len(kinds) == 82


def test_a_subdomain_whose_contact_owns_the_domain_it_lies_in() -> None:
    found = told("threatcrowd", "domain", "1119.leke.cn", fixture("threatcrowd_v2/domain/rapid7_domain.json"))
    name = "SubDomain 1119.leke.cn"
    days = ("2017-03-03", "2018-04-30", "2020-07-24", "2019-12-28", "2017-07-13")
    assert found.nodes == {node(name, votes=-1)}
    assert found.edges == {
        *(resolves(name, "198.51.100.1", day) for day in days),
        edge("Email user@example.com", "OWNS", "Domain leke.cn"),
    }
    assert found.rejects == {("$.resolutions[0].ip_address", "-", "placeholder")}


def test_an_address_with_damaged_references() -> None:
    found = told("threatcrowd", "ip", "1.1.1.1", fixture("threatcrowd_v2/ip/content-hub_1.1.1.1.json"))
    address = "1.1.1.1"
    assert found.nodes == {node(f"IPAddress {address}", votes=-1)}
    assert found.edges == {
        resolves("Domain afplink.net", address, "2016-06-24"),
        resolves("SubDomain jabber.zwiebeltoralf.de", address, "2016-12-28"),
    }
    assert found.rejects == {
        ("$.references[0]", "http: //www.talosintelligence.com/feeds/ip-filter.blf", "not a URL"),
        ("$.references[1]", "https: //check.torproject.org/exit-addresses", "not a URL"),
        ("$.references[2]", "https: //otx.alienvault.com/pulse/56714a2867db8c3f8a46fe95/", "not a URL"),
    }


def test_an_address_and_its_files() -> None:
    found = told("threatcrowd", "ip", "192.0.2.9", fixture("threatcrowd_v2/ip/demisto_response_mocks.json"))
    address = "IPAddress 192.0.2.9"
    assert found.nodes == {node(address, votes=-1)}
    assert found.edges == {
        resolves("Domain test.com", "192.0.2.9", "2014-12-14"),
        resolves("Domain 000.in", "192.0.2.9", "2013-12-20"),
        edge(address, "ASSOCIATED", "Hash 009418664c249d76b1bb88fab98fccdd"),
        edge(address, "ASSOCIATED", "Hash 00bbeeab92b10c2ab038671da99e9b47"),
        edge(address, "ASSOCIATED", "Hash 00bffa26618ee214fac1adc89d39bb6a"),
    }
    assert found.rejects == set()


def test_an_email_address() -> None:
    path = "threatcrowd_v2/email/william19770319@yahoo.com__hrbrmstr-2016-01-19.json"
    found = told("threatcrowd", "email", "william19770319@yahoo.com", fixture(path))
    email = "Email william19770319@yahoo.com"
    names = ("aoldaily.com", "aunewsonline.com", "cnndaily.com", "usnewssite.com")
    assert found.nodes == {node("Email william19770319@yahoo.com")}
    assert found.edges == {edge(email, "OWNS", f"Domain {name}") for name in names}
    assert found.rejects == set()


def test_a_file_whose_scanners_repeat_themselves() -> None:
    path = "threatcrowd_v2/file/ec8c89aa5e521572c74e2dd02a4daf78__demisto-2021.json"
    found = told("threatcrowd", "file", "ec8c89aa5e521572c74e2dd02a4daf78", fixture(path))
    md5, sha1 = "Hash ec8c89aa5e521572c74e2dd02a4daf78", "Hash 01f5c3905f2098650f16f50a1b26156586238bfe"
    names = (
        *("Trojan/W32.Small.34304.EG", "Trojan.Win32.Cossta!O", "Trojan ( 001922ff1 )", "Trojan.Win32.Cossta.cqvyn"),
        *("APT1.A", "TSPY_COSSTA.DH", "WIN.Trojan.Cossta-4", "Trojan.Win32.Cossta.grt", "Trojan.Cossta!dfgiLGS/u08"),
        *("Trojan.Win32.A.Cossta.34304.A", "UnclassifiedMalware", "TR/Offend.4596108", "Mal/Dloadr-BK"),
        *("Trojan/Cossta.rg", "Trojan/Win32.Cossta", "Win32.Troj.Cossta.(kcloud)", "Backdoor:Win32/Neunut.A"),
        *("Trojan.Cossta", "Trojan.Win32.Cossta.abv", "W32/Cossta.WQS!tr", "Win32/Trojan.734"),
    )
    assert found.nodes == set()
    assert found.edges == {
        edge(sha1, "SAME_FILE", md5),  # stored once, the lesser key first
        *(edge(md5, "DETECTED_AS", f"Malware {name}") for name in names),
        edge(md5, "CONTACTS", "SubDomain ks.aoldaily.com"),
    }
    assert found.rejects == {
        ("$.scans[0]", "", "placeholder"),
        ("$.ips[0]", "0.0.0.0", "placeholder"),  # noqa: S104 - as it came
    }


@pytest.mark.parametrize(
    ("name", "given", "distinct"), [("plugx__av-otx-apiv2_output", 50, 50), ("plugx__hrbrmstr-2016-01-19", 402, 316)]
)
def test_the_files_that_scanners_give_a_name_each_once(name: str, given: int, distinct: int) -> None:
    reply = fixture(f"threatcrowd_v2/antivirus/{name}.json")
    hashes = json.loads(reply)["hashes"]
    found = told("threatcrowd", "antivirus", "plugx", reply)
    assert (len(hashes), len(found.edges)) == (given, distinct)
    assert found.edges == {edge(f"Hash {each}", "DETECTED_AS", "Malware plugx") for each in hashes}
    assert found.rejects == set()


def test_what_is_no_answer_is_told_by_what_it_is() -> None:
    busy = told("threatcrowd", "domain", "example.com", fixture("threatcrowd_v2/errors/too_many_connections.txt"))
    assert (busy.outcome, busy.rejects) == ("unreadable", {("", "Too many connections", "not JSON")})
    empty = told("threatcrowd", "domain", "example.com", fixture("threatcrowd_v2/errors/rapid7_empty_response.json"))
    assert (empty.outcome, empty.edges, empty.nodes) == ("unreadable", set(), set())
    none = told("threatcrowd", "domain", "example.com", b'{"response_code":"0"}')
    assert (none.outcome, none.edges, none.nodes) == ("not found", set(), set())
    kept = told("threatcrowd", "domain", "example.com", b'{"subdomains":["www.example.com"]}')  # its code is lost
    assert ("Domain example.com", "HOSTS", "SubDomain www.example.com", ()) in kept.edges


def test_lists_as_php_writes_them_and_numbers_in_place_of_texts_are_read() -> None:
    plain = {
        "response_code": "1",
        "resolutions": [{"ip_address": "192.0.2.1", "last_resolved": "2020-01-02"}],
        "hashes": [],
        "emails": ["a@example.com", "b@example.com"],
        "subdomains": ["www.example.com"],
    }
    expected = told("threatcrowd", "domain", "example.com", json.dumps(plain).encode())
    written = plain | {
        "resolutions": {"3": {"ip_address": "192.0.2.1", "last_resolved": "2020-01-02"}},
        "hashes": {},
        "emails": {"0": "a@example.com", "2": "b@example.com"},
        "subdomains": {"1": "www.example.com"},
    }
    assert told("threatcrowd", "domain", "example.com", json.dumps(written).encode()) == expected
    faulty = written | {"emails": {"0": "a@example.com", "2": [7]}, "subdomains": {"name": "www.example.com"}}
    found = told("threatcrowd", "domain", "example.com", json.dumps(faulty).encode())
    assert found.rejects == {
        ("$.emails[1]", "[7]", "wrong type"),
        ("$.subdomains", '{"name":"www.example.com"}', "wrong type"),
    }
    asn = b'{"status_code":"200","results":[{"asn":64500,"asn_name":"Example"}]}'
    announced = told("threatminer", "host_whois", "192.0.2.1", asn)
    assert {edge("IPAddress 192.0.2.1", "ANNOUNCED_BY", "ASN AS64500")} == announced.edges
