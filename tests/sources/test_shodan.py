"""Shodan: what real replies tell, worked out by hand from their JSON."""

from __future__ import annotations

from replies import edge, fixture, node, told


def test_a_host_with_three_banners_and_a_certificate() -> None:
    found = told("shodan", "host", "8.8.8.8", fixture("shodan/host/sekoia_shodan_get_host_response.json"))
    address, name = "IPAddress 8.8.8.8", "Domain dns.google"
    tcp, udp, https = (f"Service 8.8.8.8:{port}" for port in ("53/tcp", "53/udp", "443/tcp"))
    certificate = "Certificate f9d982d62579dfeff20440dfa671d2567d0246604e72dec83e82da5725db51ea"
    updated, tcp_at, udp_at, https_at = (
        *("2022-06-22T09:06:45Z", "2022-06-17T19:51:17Z"),
        *("2022-06-22T09:06:45Z", "2022-06-22T07:49:28Z"),
    )
    assert found.nodes == {
        node(address, country="US", isp="Google LLC", last_seen=updated),
        node(tcp, banner_hash="-553166942"),
        node(udp, banner_hash="-553166942"),
        node(
            https,
            banner_hash="-169352123",
            html_hash="1689917922",
            favicon_hash="56641965",
            jarm="29d3fd00029d29d00042d43d00041d598ac0c1012db967bb1ad0ff2491b3ae",
            ja3s="ccc514751b175866924439bdbb5bba34",
        ),
        node(
            certificate,
            serial="8685233d80b70f1e0a79db4fdaccaf18",  # 178807841674453286294070220189617401624
            sha1="2b59937073fe2c0c812a0dec18ce86352db873c8",
            issuer="GTS CA 1C3",
            subject="dns.google",
            not_before="2022-06-06T09:42:12Z",
            not_after="2022-08-29T09:42:11Z",
        ),
    }
    assert found.edges == {
        edge(address, "ANNOUNCED_BY", "ASN AS15169"),
        edge(address, "OPERATED_BY", "Organization Google LLC"),
        edge(address, "EXPOSES", tcp, tcp_at),
        edge(address, "EXPOSES", udp, udp_at),
        edge(address, "EXPOSES", https, https_at),
        edge(name, "RESOLVES", address, last_seen=updated),
        *(edge(name, "RESOLVES", address, seen) for seen in (tcp_at, udp_at, https_at)),
        edge(https, "USES", certificate, https_at),
        edge(certificate, "NAMES", name),
        edge(certificate, "NAMES", "SubDomain dns.google.com"),
        edge(certificate, "NAMES", "SubDomain dns.google.com", wildcard="*.dns.google.com"),
        edge(certificate, "NAMES", "Domain 8888.google"),
        edge(certificate, "NAMES", "SubDomain dns64.dns.google"),
    }
    assert found.rejects == set()


def test_a_search_whose_versions_are_numbers() -> None:
    body = fixture("shodan/host/go-shodan_host_version.json")  # a search's answer, whatever its folder says
    found = told("shodan", "host_search", "argentina", body)
    game, router, radio = ("190.0.164.152", "186.65.80.76", "5.154.77.200")
    at = {game: "2017-09-09T14:03:08Z", router: "2017-09-10T08:54:51Z", radio: "2017-09-10T07:33:49Z"}
    services = {game: f"{game}:27015/udp", router: f"{router}:1723/tcp", radio: f"{radio}:10001/udp"}
    assert found.nodes == {
        node(f"IPAddress {game}", country="AR", isp="Level 3 Communications", first_seen=at[game], last_seen=at[game]),
        node(
            f"IPAddress {router}",
            country="AR",
            isp="Servicios De Tecnologia Aplicada Srl",
            first_seen=at[router],
            last_seen=at[router],
        ),
        node(f"IPAddress {radio}", country="ES", isp="Airenetworks", first_seen=at[radio], last_seen=at[radio]),
        node(f"Service {services[game]}", product="www.solugames.com", version="47", banner_hash="-1224263288"),
        node(f"Service {services[router]}", tags=("vpn",), banner_hash="1909161167"),
        node(
            f"Service {services[radio]}",
            product="P5B-300",
            version="XW.ar934x.v6.0.3.30600.170329.1817",
            banner_hash="862203420",
        ),
    }
    assert found.edges == {
        *(edge(f"IPAddress {ip}", "EXPOSES", f"Service {services[ip]}", at[ip]) for ip in at),
        edge(f"IPAddress {game}", "ANNOUNCED_BY", "ASN AS3356"),
        edge(f"IPAddress {router}", "ANNOUNCED_BY", "ASN AS52259"),
        edge(f"IPAddress {radio}", "ANNOUNCED_BY", "ASN AS29119"),
        edge(f"IPAddress {game}", "OPERATED_BY", "Organization Level 3 Communications"),
        edge(f"IPAddress {router}", "OPERATED_BY", "Organization Servicios De Tecnologia Aplicada Srl"),
        edge(f"IPAddress {radio}", "OPERATED_BY", "Organization Airenetworks S.L.U."),
        edge("SubDomain 190-0-164-152.srv.solunet.com.ar", "RESOLVES", f"IPAddress {game}", at[game]),
    }
    assert found.rejects == set()


def test_a_search_with_a_date_that_is_none() -> None:
    found = told("shodan", "host_search", "pjl", fixture("shodan/host_search/content-hub_search_JsonResult_ex.json"))
    address, service = "IPAddress 1.1.1.1", "Service 1.1.1.1:9100"  # it does not tell the transport
    assert found.nodes == {node(address, country="BG", isp="Vivacom"), node(service)}
    assert found.edges == {
        edge(address, "EXPOSES", service),
        edge(address, "ANNOUNCED_BY", "ASN AS8866"),
        edge(address, "OPERATED_BY", "Organization Vivacom"),
    }
    assert found.rejects == {("$.matches[0].timestamp", "2014-01-15T05: 49: 56.283713", "not a date")}


def test_a_search_of_a_hundred_hosts() -> None:
    found = told("shodan", "host_search", "burp", fixture("shodan/host_search/sekoia_shodan_response.json"))
    kinds = [each[1] for each in found.edges]
    assert (kinds.count("EXPOSES"), kinds.count("USES")) == (100, 54)  # 54 serial numbers beyond 64 bits among them
    wild = {(each[2], dict(each[3])["wildcard"]) for each in found.edges if "wildcard" in dict(each[3])}
    assert wild
    assert {(f"*.{end.partition(' ')[2]}", name) for end, name in wild} == {(name, name) for _, name in wild}
    assert found.rejects == set()


def test_a_domain_s_records() -> None:
    found = told("shodan", "dns_domain", "example.com", fixture("shodan/dns_domain/go-shodan_dns_domain.json"))
    domain, www, seen = "Domain example.com", "SubDomain www.example.com", "2019-10-06T17:01:04Z"
    served = "2019-09-30T08:49:55Z"
    assert found.nodes == {node(domain, tags=("ipv6", "spf"))}
    assert found.edges == {
        edge(domain, "HOSTS", www),
        edge(domain, "NAME_SERVER", "SubDomain a.iana-servers.net", served),
        edge(domain, "NAME_SERVER", "SubDomain b.iana-servers.net", served),
        edge(www, "RESOLVES", "IPAddress 2606:2800:220:1:248:1893:25c8:1946", seen, last_resolved=seen),
    }
    assert found.rejects == set()


def test_names_and_addresses_both_ways() -> None:
    found = told(
        "shodan", "dns_resolve", "google.com", fixture("shodan/dns_resolve/content-hub_dns_resolve_JsonResu.json")
    )
    assert found.edges == {
        edge("Domain google.com", "RESOLVES", "IPAddress 1.1.1.1"),
        edge("Domain bing.com", "RESOLVES", "IPAddress 1.1.1.1"),
    }
    found = told(
        "shodan", "dns_reverse", "8.8.8.8", fixture("shodan/dns_reverse/content-hub_dns_reverse_JsonResu.json")
    )
    assert found.edges == {edge("SubDomain google-public-dns-a.google.com", "RESOLVES", "IPAddress 8.8.8.8")}
    assert found.rejects == set()  # 146.125.10.5 has none: null


def test_one_wrong_member_of_an_object_costs_only_itself() -> None:
    found = told("shodan", "dns_resolve", "example.com", b'{"example.com": "192.0.2.1", "example.net": ["x"]}')
    assert found.edges == {edge("Domain example.com", "RESOLVES", "IPAddress 192.0.2.1")}
    assert found.rejects == {("$.example.net", '["x"]', "wrong type")}


def test_errors_in_the_body() -> None:
    missing = fixture("shodan/errors/404_host_no_information.json")
    assert told("shodan", "host", "192.0.2.1", missing).outcome == "not found"
    assert told("shodan", "dns_resolve", "example.com", missing).outcome == "not found"
    assert told("shodan", "host", "192.0.2.1", b'{"error": "Invalid API key"}').outcome == "unreadable"
    found = told("shodan", "dns_resolve", "example.com", b'{"message": "Rate limit exceeded"}')
    assert (found.nodes, found.edges) == (set(), set())
    assert found.rejects == {("", '{"message": "Rate limit exceeded"}', "the service reports a failure")}


def test_what_was_found_not_to_be_there_is_no_vulnerability() -> None:
    body = (
        b'{"ip_str": "192.0.2.1", "vulns": ["!CVE-2014-0160", "CVE-2018-15473"], "ports": [22, 80], "data": ['
        b'{"port": 22, "ip_str": "192.0.2.1", "vulns": {"CVE-2018-15473": {"verified": false}}}]}'
    )
    found = told("shodan", "host", "192.0.2.1", body)
    vulnerability = "Vulnerability CVE-2018-15473"
    assert found.edges == {
        edge("IPAddress 192.0.2.1", "VULNERABLE_TO", vulnerability),
        edge("Service 192.0.2.1:22", "VULNERABLE_TO", vulnerability),
        edge("IPAddress 192.0.2.1", "EXPOSES", "Service 192.0.2.1:22"),
        edge("IPAddress 192.0.2.1", "EXPOSES", "Service 192.0.2.1:80"),
    }
    assert found.rejects == {("$.vulns[0]", "!CVE-2014-0160", "not a CVE number")}
