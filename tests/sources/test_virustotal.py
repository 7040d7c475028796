"""VirusTotal v3: what real replies tell, worked out by hand from their JSON."""

from __future__ import annotations

import json

from replies import Edge, edge, fixture, node, told

EXAMPLE_ID = "aHR0cDovL2V4YW1wbGUuY29tLw"  # base64 of http://example.com/


def resolves(name: str, address: str, moment: str) -> Edge:
    return edge(name, "RESOLVES", f"IPAddress {address}", moment, last_resolved=moment)


def test_a_domain_with_its_records_registration_and_certificate() -> None:
    found = told("virustotal", "domains", "github.com", fixture("virustotal_v3/domains/github.com__26Sep2019.json"))
    domain = "Domain github.com"
    certificate = "Certificate 3111500c4a66012cdae333ec3fca1c9dde45c954440e7ee413716bff3663c074"
    assert found.nodes == {
        node(
            domain,
            registrar="MarkMonitor Inc.",
            created="2007-10-09T11:20:50Z",
            updated="2019-05-13T06:58:33Z",
            expires="2020-10-09T18:20:50Z",
            reputation=2,
            tags=("computersandsoftware", "information technology", "social networks"),
        ),
        node(
            certificate,
            serial="a0630427f5bbced6957396593b6451f",
            sha1="ca06f56b258b7a0d4f2b05470939478651151984",
            issuer="DigiCert SHA2 Extended Validation Server CA",
            subject="github.com",
            not_before="2018-05-08T00:00:00Z",
            not_after="2020-06-03T12:00:00Z",
        ),
    }
    dns, whois = "2019-09-25T02:31:45Z", "2019-08-30T15:26:27Z"
    servers = (
        *("ns-1283.awsdns-32.org", "ns-1707.awsdns-21.co.uk", "ns-421.awsdns-52.com", "ns-520.awsdns-01.net"),
        *("ns1.p16.dynect.net", "ns2.p16.dynect.net", "ns3.p16.dynect.net", "ns4.p16.dynect.net"),
    )
    assert found.edges == {
        resolves(domain, "140.82.114.3", dns),
        *(edge(domain, "NAME_SERVER", f"SubDomain {server}", dns) for server in servers),
        *(edge(domain, "NAME_SERVER", f"SubDomain {server}", whois) for server in servers),
        *(
            edge(domain, "MAIL_SERVER", f"SubDomain {alternative}aspmx.l.google.com", dns)
            for alternative in ("", "alt1.", "alt2.", "alt3.", "alt4.")
        ),
        edge(domain, "REGISTRAR", "Email abusecomplaints@markmonitor.com", whois),
        edge(domain, "USES", certificate, dns),
        edge(certificate, "NAMES", domain),
        edge(certificate, "NAMES", "SubDomain www.github.com"),
    }  # the registrant's organisation is a pseudonym, e9cfc3ab0c85f792
    assert found.rejects == set()


def test_a_domain_that_takes_no_mail_says_so_by_an_empty_record() -> None:
    path = f"virustotal_v3/urls-network_location/{EXAMPLE_ID}__19Oct2019.json"
    found = told("virustotal", "urls_network_location", EXAMPLE_ID, fixture(path))
    assert edge("URL http://example.com/", "ON", "Domain example.com") in found.edges
    assert {each[1] for each in found.edges} == {"ON", "RESOLVES", "NAME_SERVER", "USES", "NAMES"}
    assert found.rejects == set()


def test_the_reply_says_what_it_is_about_whatever_it_was_kept_as() -> None:
    path = "virustotal_v3/domains/domains_virustotal.com__02Sep2020.json"
    found = told("virustotal", "domains", "domains_virustotal.com", fixture(path))
    domain, date = "Domain virustotal.com", "2020-09-02T13:43:31Z"
    assert {each[0] for each in found.edges} == {
        domain,
        "Certificate 34496f6678be2e3b2ee08741a8a001bf73cac7fa31c98df7cfef746bc9542299",
    }
    assert {each for each in found.edges if each[1] == "RESOLVES"} == {
        *(resolves(domain, f"216.239.{host}.21", date) for host in (32, 34, 36, 38)),
        *(resolves(domain, f"2001:4860:4802:{host}::15", date) for host in (32, 34, 36, 38)),
    }
    certificate = "Certificate 34496f6678be2e3b2ee08741a8a001bf73cac7fa31c98df7cfef746bc9542299"
    assert {each for each in found.edges if each[1] == "NAMES"} == {
        edge(certificate, "NAMES", domain),
        edge(certificate, "NAMES", domain, wildcard="*.virustotal.com"),
    }
    assert found.rejects == set()


def test_a_domain_s_addresses() -> None:
    path = "virustotal_v3/domains-resolutions/jppost-ge.top__26Sep2019_2845.json"
    found = told("virustotal", "domains_resolutions", "jppost-ge.top", fixture(path))
    assert found.nodes == set()
    assert found.edges == {
        resolves("Domain jppost-ge.top", "193.148.69.9", "2019-08-08T00:12:28Z"),
        resolves("Domain jppost-ge.top", "45.83.140.140", "2019-08-06T11:20:28Z"),
        resolves("Domain jppost-ge.top", "45.83.140.132", "2019-07-22T21:37:38Z"),
        resolves("Domain jppost-ge.top", "45.12.206.233", "2019-07-22T11:23:21Z"),
        resolves("Domain jppost-ge.top", "185.25.50.132", "2019-07-04T09:25:34Z"),
        resolves("Domain jppost-ge.top", "51.68.251.30", "2019-07-03T13:44:44Z"),
    }
    assert found.rejects == set()


def test_an_address_whose_certificate_s_names_are_bytes() -> None:
    path = "virustotal_v3/ip_addresses/1.1.1.1__26Sep2019.json"
    found = told("virustotal", "ip_addresses", "1.1.1.1", fixture(path))
    address = "IPAddress 1.1.1.1"
    certificate = "Certificate b1910e0d8aa0d5de8e1f20c026d53ed9cf3df0d72a866ecbdbfc8dfa650ed0bf"
    assert found.nodes == {
        node(address, reputation=0, country="AU"),
        node("ASN AS13335", name="Cloudflare, Inc."),
        node(
            certificate,
            serial="1cce318de9f567fab2b24901fada71d",
            sha1="6656840172b4fbbcd6d0a4a103491e93004d195f",
            issuer="DigiCert ECC Secure Server CA",
            subject="cloudflare-dns.com",
            not_before="2019-01-28T00:00:00Z",
            not_after="2021-02-01T12:00:00Z",
        ),
    }
    assert found.edges == {
        edge(address, "IN_NETWORK", "Network 1.1.1.0/24"),
        edge(address, "ANNOUNCED_BY", "ASN AS13335"),
        edge(address, "USES", certificate, "2019-09-26T05:48:23Z"),
        edge(certificate, "NAMES", "Domain cloudflare-dns.com"),
        edge(certificate, "NAMES", "Domain cloudflare-dns.com", wildcard="*.cloudflare-dns.com"),
        edge(certificate, "NAMES", "SubDomain one.one.one.one"),
    }
    names = "$.data.attributes.last_https_certificate.extensions.subject_alternative_name"
    assert found.rejects == {
        (f"{names}[3]", "\x01\x01\x01\x01", "not a DNS name"),
        (f"{names}[4]", "\x01\x01", "not a DNS name"),
        (f"{names}[5]", "\\xa2\\x9f\\x845", "not a DNS name"),
        (f"{names}[6]", "&\x06GG\x11\x11", "not a DNS name"),
        (f"{names}[7]", "&\x06GG\x10\x01", "not a DNS name"),
        (f"{names}[8]", "GGd", "a single label"),
        (f"{names}[9]", "GGd", "a single label"),
        (f"{names}[10]", "\\xa2\\x9f$\\x01", "not a DNS name"),
        (f"{names}[11]", "\\xa2\\x9f.\\x01", "not a DNS name"),
    }


def test_a_file_and_what_fifty_seven_engines_call_it() -> None:
    name = "files_01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b"
    found = told("virustotal", "files", name, fixture(f"virustotal_v3/files/{name}__29Sep202.json"))
    file = "Hash 01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b"
    assert found.nodes == {
        node(
            file,
            size=358_984,
            file_type="Win32 EXE",
            malicious=57,
            imphash="f34d5f2d4577ed6d9ceec516c1f5a744",
            ssdeep="6144:94VnmIRuxqDVQ4UFM7H9fdLXC2s2ibVjhSTagxnpzI+cqrwkTlUH157veB:Kn6GQ48MDJ99TaMpzz7rwkTlUHXO",
            names=(
                *("%WINDIR%\\syswow64\\authcl.exe", "C:\\Nb0r\\BUYQCKY.vcf", "C:\\fuAqk\\qfbN7B85\\bMrhSZ.tgz"),
                *("WindowsApplication1.exe", "c:/aa/aa", "e2a1373f5a0024b81742be35880f9422", "file-3634492_exe"),
                "myfile.exe",
            ),
            tags=("assembly", "overlay", "peexe"),
            first_seen="2011-07-01T10:37:16Z",  # in the wild, before it was sent to VirusTotal
            last_seen="2019-10-19T10:50:28Z",
        )
    }
    called = {
        *("Gen:Variant.Razy.448897", "Malicious", "MSIL:GenMalicious-BHV [Trj]", "Adware.MSIL.Generic.lxai"),
        *("Win-Trojan/MSILKrypt09.Exp", "Backdoor:Win32/Fynloski.ddc60b83", "Trojan/Win32.Inject"),
        *("Trojan.Razy.D6D981", "TR/Dropper.Gen", "Trojan.GenericFC.S6053517", "Trojan.MSIL.Agent!O"),
        *("Win.Trojan.Agent-1389032", "TrojWare.MSIL.TrojanDropper.Agent.VX@4na2u0", "malicious.f5a002", "Unsafe"),
        *("win/malicious_confidence_100% (D)", "W32/A-7f374f2a!Eldorado", "Win32.HLLW.Autoruner.25074"),
        *("a variant of MSIL/Injector.VX", "Gen:Variant.Razy.448897 (B)", "malicious (high confidence)"),
        *("Trojan.TR/Dropper.Gen", "Generic.mg.e2a1373f5a0024b8", "MSIL/Injector.VCX!tr", "Trojan-Dropper"),
        *("heuristic", "Trojan.Generic.adixj", "Trojan ( 00363f4b1 )", "HEUR:Trojan.Win32.Generic"),
        *("malware (ai score=98)", "Worm.Ainslot", "GenericRXAL-AY!E2A1373F5A00", "Backdoor:Win32/Fynloski.A"),
        *("Trojan.Win32.Win32.dccrbj", "Generic Malware", "HEUR/Malware.QVM03.Gen", "Trojan.Agent/Gen-Injector"),
        *("Backdoor.Fynloski!8.1FD (TFE:C:qcZJhR0LIuT)", "DFI - Malicious PE", "Mal/Generic-S"),
        *("ML.Attribute.HighConfidence", "TROJ_GEN.R002C0CJJ19", "Trojan.Stealer", "Trojan.Win32.Generic!BT"),
        *("W32.Dropper.Gen", "Trojan.Agent!V+Ry11PvhKQ", "Dropper.Injector.Win32.17840"),
    }
    assert found.edges == {
        edge(file, "SAME_FILE", "Hash e2a1373f5a0024b81742be35880f9422"),
        edge(file, "SAME_FILE", "Hash d5fe4a085524645eb895dfff34e96cf2d1e9657f"),
        edge("Hash d5fe4a085524645eb895dfff34e96cf2d1e9657f", "SAME_FILE", "Hash e2a1373f5a0024b81742be35880f9422"),
        *(edge(file, "DETECTED_AS", f"Malware {each}", "2019-10-24T01:59:26Z") for each in called),
    }
    assert found.rejects == set()


def test_files_that_contact_an_address() -> None:
    path = "virustotal_v3/ip_addresses-communicating_files/1.1.1.1__19Oct2019.json"
    found = told("virustotal", "ip_addresses_communicating_files", "1.1.1.1", fixture(path))
    files = (
        *("9f9556ba6212a13fbd7bb94912b9edd6cf6aebe0a47854494449535421433ecb",),
        *("eff3d094b2402adf8272cf3de16292d04d3adef381cf4a6599935289100f9861",),
        *("05959f1749282d08ad61bd4e3fe790a86366f4734197238e7350d00e22187ba5",),
        *("7f6043c8751a614bd875f8658dafa42a06fc04d84a90725cbea54947fd909db9",),
        *("dfb705c3daeb765e4c6b10148047bf43895bece56df13bef7127fab84c0a2dc8",),
        *("64066f8521cb5e5d361b257b14401d350989b6c9f49ab6f8d48d1316de716cbf",),
        *("aa08c10a29961882c68cbaa204488c1a6df3d89bb88ae79881e4c53dc7443acf",),
        *("5e54cbc94a10cb9b580e1ee79f2aa64b5df6f3197d03076834f3c96ff6730622",),
        *("84ca856430a11159f3bf0c86afcdfd99b7a10450bc24a6bd427c18d6a523e3d6",),
        *("306b7674740ad75f763b14356705c6c3b660ddfd2f58b94e55cd87d74a7ec072",),
    )
    assert {each for each in found.edges if each[1] == "CONTACTS"} == {
        edge(f"Hash {file}", "CONTACTS", "IPAddress 1.1.1.1") for file in files
    }
    assert {name for name, _ in found.nodes} == {f"Hash {file}" for file in files}
    assert edge(f"Hash {files[0]}", "SAME_FILE", "Hash e5926631fc096b0b4d73a9b80f329d097b195f96") in found.edges
    assert found.rejects == set()


def test_a_url_that_leads_elsewhere() -> None:
    path = "virustotal_v3/urls/urls_aHR0cHM6Ly93d3cuZHJvcGJveC5jb20vcy9xbWkxMTJyYzRuczc1ZWIvQ29uZmlkZW50aWFsXzE.json"
    found = told("virustotal", "urls", "urls_aHR0cHM6", fixture(path))
    start = "URL https://www.dropbox.com/s/qmi112rc4ns75eb/Confidential_123.xls?dl=1"
    end = "URL https://www.dropbox.com/s/dl/qmi112rc4ns75eb/Confidential_123.xls"
    gave = "Hash 700fac264b2daab0d87cbd9a3d86d24d01b3b8303931214bc9c2d1753201d144"
    analysed = "2021-09-20T10:25:15Z"
    assert found.nodes == {
        node(
            start,
            title="Dropbox - 404",
            malicious=5,
            tags=("computersandsoftware", "malicious web sites", "personal network storage, storage and backup"),
            first_seen="2021-01-13T20:38:37Z",
            last_seen=analysed,
        )
    }
    assert found.edges == {
        edge(start, "ON", "SubDomain www.dropbox.com"),
        edge(start, "INDICATES", "Malware malware_download"),
        edge(start, "DELIVERS", gave, analysed),
        edge(start, "REDIRECTS_TO", end, analysed),
    }
    assert found.rejects == set()


def test_a_url_as_the_official_client_saves_it() -> None:
    found = told("virustotal", "urls", "msticpy_vt3_url_1", fixture("virustotal_v3/urls/msticpy_vt3_url_1.json"))
    url = "URL http://218.54.47.76/"
    assert found.nodes == {
        node(url, malicious=1, tags=("ip",), first_seen="2014-10-04T01:14:16Z", last_seen="2020-05-21T16:30:13Z")
    }
    assert found.edges == {edge(url, "ON", "IPAddress 218.54.47.76")}


def test_whois_prose_of_an_address_names_no_name_server() -> None:
    path = "virustotal_v3/ip_addresses-historical_whois/1.1.1.1__26Sep2019.json"
    found = told("virustotal", "ip_addresses_historical_whois", "1.1.1.1", fixture(path))
    address, since = "IPAddress 1.1.1.1", {"first_seen": "2019-09-13T07:51:40Z"}
    assert found.nodes == set()
    assert found.edges == {
        edge(address, "IN_NETWORK", "Network 1.0.0.0/8", **since),
        edge(address, "IN_NETWORK", "Network 1.1.1.0/24", **since),
        edge(address, "ANNOUNCED_BY", "ASN AS13335", **since),
    }
    assert found.rejects == set()


def test_what_whois_says_twice_counts_once() -> None:
    path = "virustotal_v3/domains-historical_whois/github.com__26Sep2019.json"
    found = told("virustotal", "domains_historical_whois", "github.com", fixture(path))
    domain, since = "Domain github.com", {"first_seen": "2019-08-30T15:26:27Z"}
    servers = (
        *("ns-1283.awsdns-32.org", "ns-1707.awsdns-21.co.uk", "ns-421.awsdns-52.com", "ns-520.awsdns-01.net"),
        *("ns1.p16.dynect.net", "ns2.p16.dynect.net", "ns3.p16.dynect.net", "ns4.p16.dynect.net"),
    )
    assert found.nodes == {
        node(
            domain,
            registrar="MarkMonitor Inc.",
            created="2007-10-09T18:20:50Z",
            updated="2019-05-13T13:58:33Z",
            expires="2020-10-09T18:20:50Z",
        )
    }
    assert found.edges == {
        *(edge(domain, "NAME_SERVER", f"SubDomain {server}", **since) for server in servers),
        edge(domain, "REGISTRAR", "Email abusecomplaints@markmonitor.com", **since),
    }


def test_registrants_pseudonyms_are_nobody() -> None:
    record = (
        b"Registrant Email: 0123456789abcdefs@example.org\\nAdmin Email: paper.lantern@example.org\\n"
        b"Registrant Organization: 0123456789abcdef\\nName Server: 6 Cordelia St"
    )
    body = b'{"data": {"type": "domain", "id": "example.com", "attributes": {"whois": "%s"}}}' % record
    found = told("virustotal", "domains", "example.com", body)
    assert found.edges == {edge("Email paper.lantern@example.org", "OWNS", "Domain example.com")}
    assert {(value, reason) for _, value, reason in found.rejects} == {("6 Cordelia St", "not a DNS name")}


def test_an_error_is_no_answer_even_where_its_status_was_not_kept() -> None:
    digest = "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b"
    refused = fixture(f"virustotal_v3/errors/401__files_{digest}__03Sep202.json")
    missing = fixture(f"virustotal_v3/errors/404__files_{digest}__28Sep202.json")
    assert told("virustotal", "files", digest, refused).outcome == "unreadable"
    assert told("virustotal", "files", digest, missing).outcome == "not found"
    assert told("virustotal", "files_dropped_files", digest, missing).outcome == "not found"


def test_a_tenant_s_registration_is_that_of_the_name_which_its_record_says() -> None:
    record = (
        "Domain Name: GITHUB.IO\nName Server: NS1.EXAMPLE.NET\nRegistrar Abuse Contact Email: abuse@registrar.example\n"
        "Registrant Organization: Example Org\nRegistrant Email: owner@example.org"
    )
    attributes = {"registrar": "Example Registrar", "creation_date": 1262304000, "whois": record, "reputation": -1}
    body = {"data": {"type": "domain", "id": "tenant.github.io", "attributes": attributes | {"whois_date": 1700000000}}}
    found = told("virustotal", "domains", "tenant.github.io", json.dumps(body).encode())
    domain, seen = "Domain github.io", "2023-11-14T22:13:20Z"
    assert found.nodes == {
        node("Domain tenant.github.io", reputation=-1),
        node(domain, registrar="Example Registrar", created="2010-01-01T00:00:00Z"),
    }
    assert found.edges == {
        edge(domain, "NAME_SERVER", "SubDomain ns1.example.net", seen),
        edge(domain, "REGISTRAR", "Email abuse@registrar.example", seen),
        edge(domain, "REGISTERED_TO", "Organization Example Org", seen),
        edge("Email owner@example.org", "OWNS", domain, seen),
    }
    del body["data"]["attributes"]["whois"]  # type: ignore[attr-defined]
    found = told("virustotal", "domains", "www.tenant.github.io", json.dumps(body).encode())
    assert node(domain, registrar="Example Registrar", created="2010-01-01T00:00:00Z") in found.nodes


def test_a_file_is_called_what_the_sandboxes_that_find_it_malicious_call_it() -> None:
    digest = "a" * 64
    verdicts = {
        "One": {"category": "malicious", "malware_names": ["ExampleRAT", "Unknown malware"]},
        "Two": {"category": "harmless", "malware_names": ["CLEAN"]},
        "Three": {"category": "suspicious", "malware_names": ["OtherRAT"]},
    }
    attributes = {"sandbox_verdicts": verdicts, "last_analysis_date": 1700000000, "tlsh": "T1AB"}
    body = {"data": {"type": "file", "id": digest, "attributes": attributes}}
    found = told("virustotal", "files", digest, json.dumps(body).encode())
    seen = "2023-11-14T22:13:20Z"
    assert found.nodes == {node(f"Hash {digest}", tlsh="T1AB")}
    assert found.edges == {
        edge(f"Hash {digest}", "DETECTED_AS", "Malware ExampleRAT", seen),
        edge(f"Hash {digest}", "DETECTED_AS", "Malware OtherRAT", seen),
    }
    assert {each[1:] for each in found.rejects} == {("Unknown malware", "placeholder")}


def test_subdomains_of_a_suffix_are_tied_to_the_tenant_that_they_lie_beneath() -> None:
    body = {"data": [{"type": "domain", "id": name} for name in ("one.github.io", "www.two.github.io")]}
    found = told("virustotal", "domains_subdomains", "github.io", json.dumps(body).encode())
    assert {name for name, _ in found.nodes} >= {"Domain one.github.io", "SubDomain www.two.github.io"}
    assert found.edges == {edge("Domain two.github.io", "HOSTS", "SubDomain www.two.github.io")}
    assert found.rejects == set()


def test_the_address_that_served_a_url() -> None:
    path = "virustotal_v3/urls-last_serving_ip_address/aHR0cDovL2V4YW1wbGUuY29tLw__19Oct2019.json"
    found = told("virustotal", "urls_network_location", EXAMPLE_ID, fixture(path))
    address, seen = "IPAddress 93.184.216.34", "2019-10-19T12:58:20Z"
    certificate = "Certificate 9250711c54de546f4370e0c3d3a3ec45bc96092a25a4a71a1afa396af7047eb8"
    assert found.edges == {
        edge("URL http://example.com/", "ON", address),
        edge(address, "ANNOUNCED_BY", "ASN AS15133"),
        edge(address, "IN_NETWORK", "Network 93.184.216.0/22"),
        edge(address, "USES", certificate, seen),
        *(edge(certificate, "NAMES", f"Domain example.{tld}") for tld in ("com", "edu", "net", "org")),
        *(edge(certificate, "NAMES", f"SubDomain www.example.{tld}") for tld in ("com", "edu", "net", "org")),
    }
    assert found.rejects == set()


def test_a_url_object_as_another_client_saves_it() -> None:
    found = told("virustotal", "urls", "x", fixture("virustotal_v3/urls/opencti_vt_test_url.json"))
    url, seen = "URL http://soclosebutyetqq.com/69.exe", "2022-03-04T15:19:31Z"
    empty = "Hash e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert found.edges == {
        edge(url, "ON", "Domain soclosebutyetqq.com"),
        edge(url, "INDICATES", "Malware C2/Generic-A"),
        edge(url, "DELIVERS", empty, seen),
    }


def test_an_address_object_as_another_client_saves_it() -> None:
    found = told("virustotal", "ip_addresses", "x", fixture("virustotal_v3/ip_addresses/opencti_vt_test_ipv4.json"))
    address = "IPAddress 138.128.150.133"
    assert found.nodes == {
        node("ASN AS13886", name="CLOUD-SOUTH"),
        node(address, country="GB", malicious=4, reputation=1),
    }
    assert found.edges == {
        edge(address, "ANNOUNCED_BY", "ASN AS13886"),
        edge(address, "IN_NETWORK", "Network 138.128.150.0/24"),
    }
