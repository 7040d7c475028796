"""urlscan.io: what real replies tell, worked out by hand from their JSON."""

from __future__ import annotations

import json

import msgspec
from replies import edge, fixture, node, sample, told

from intel_grapher.sources.urlscan import Search, next_page, source

SEARCH = "urlscan/search/page.domain_example.com_AND_date_5B2023-01-01_TO_2023-02-01_5D__09Sep2023_260363.json"


def test_a_visit_that_was_sent_elsewhere() -> None:
    found = told("urlscan", "search", "page.domain:example.com", fixture(SEARCH))
    start, end, report = "URL https://proquwy.cloud/?oprx", "URL https://example.com/", "Report urlscan:"
    address, seen = "IPAddress 2606:2800:220:1:248:1893:25c8:1946", "2023-02-01T23:49:29Z"
    report += "dcfa5d74-e058-4bfa-8308-1ed94aeb8ff6"
    assert node(address, country="US") in found.nodes
    assert node("ASN AS15133", name="EDGECAST, US") in found.nodes
    assert node(report, created=seen) in found.nodes
    assert {
        edge(start, "ON", "Domain proquwy.cloud"),
        edge(start, "REDIRECTS_TO", end, seen),
        edge(start, "REPORTED_IN", report, seen),
        edge(end, "REPORTED_IN", report, seen),
        edge(end, "ON", address, seen),
        edge("Domain example.com", "RESOLVES", address, seen, last_resolved=seen),
        edge(address, "ANNOUNCED_BY", "ASN AS15133", seen),
    } == {each for each in found.edges if start in (each[0], each[2]) or ("first_seen", seen) in each[3]}
    assert edge(end, "ON", "Domain example.com") in found.edges
    assert found.rejects == set()


def test_all_that_a_page_asked_for() -> None:
    found = told("urlscan", "result", "83755629", fixture("urlscan/result/rapid7_get_scan_results.json"))
    seen, page = "2022-02-01T11:43:49Z", "URL https://stackoverflow.com/"
    script = "URL https://ajax.googleapis.com/ajax/libs/jquery/1.12.4/jquery.min.js"
    report = "Report urlscan:83755629-3473-4512-bd05-c37baefa31a8"
    assert {each for each in found.edges if script in (each[0], each[2])} == {
        edge(script, "ON", "Domain ajax.googleapis.com"),  # googleapis.com is a public suffix
        edge(script, "ON", "IPAddress 2a00:1450:4001:829::200a", seen),
        edge(script, "DELIVERS", "Hash 668b046d12db350ccba6728890476b3efee53b2f42dbb84743e5e9f1ae0cc404", seen),
        edge(script, "REPORTED_IN", report, seen),
    }
    assert node(page, first_seen=seen, last_seen=seen) in found.nodes
    assert edge(page, "ON", "IPAddress 151.101.129.69", seen) in found.edges
    assert found.rejects == set()


def test_the_routes_to_the_addresses_of_a_page() -> None:
    found = told("urlscan", "result", "83755629", fixture("urlscan/result/rapid7_get_scan_results.json"))
    seen = "2022-02-01T11:43:49Z"
    routes = {
        "151.101.129.69": ("151.101.128.0/22", "AS54113", "US"),
        "2a00:1450:4001:829::200a": ("2a00:1450:4001::/48", "AS15169", "DE"),
        "2a00:1450:4001:810::200e": ("2a00:1450:4001::/48", "AS15169", "DE"),
        "2a00:1450:400c:c08::9b": ("2a00:1450:400c::/48", "AS15169", "BE"),
    }
    assert {each for each in found.edges if each[1] in {"IN_NETWORK", "ANNOUNCED_BY"}} == {
        *(edge(f"IPAddress {ip}", "IN_NETWORK", f"Network {route}", seen) for ip, (route, _, _) in routes.items()),
        *(edge(f"IPAddress {ip}", "ANNOUNCED_BY", f"ASN {number}", seen) for ip, (_, number, _) in routes.items()),
        *(edge(f"Network {route}", "ANNOUNCED_BY", f"ASN {number}", seen) for route, number, _ in routes.values()),
    }
    assert {each for each in found.nodes if each[0].startswith(("IPAddress", "Network", "ASN"))} == {
        *(node(f"IPAddress {ip}", country=country) for ip, (_, _, country) in routes.items()),
        *(node(f"Network {route}", country="US") for route, _, _ in routes.values()),
        node("ASN AS15169", name="GOOGLE, US"),
        node("ASN AS54113", name="FASTLY, US"),
    }


def test_a_page_with_its_title_brands_hops_and_the_names_behind_its_addresses() -> None:
    key = "00000000-0000-4000-8000-000000000006"
    found = told("urlscan", "result", key, sample("urlscan", "result", key))
    seen, report = "2026-08-08T12:00:00Z", f"Report urlscan:{key}"
    start, hop, end = (
        "URL http://example.com/invoice?id=1",
        "URL http://example.com/go",
        "URL http://login.example.com/signin",
    )
    early, late = "IPAddress 198.51.100.23", "IPAddress 192.0.2.10"
    dates = {"first_seen": seen, "last_seen": seen}
    assert found.edges == {
        edge(start, "REDIRECTS_TO", hop, seen),
        edge(hop, "REDIRECTS_TO", end, seen),
        edge(start, "REDIRECTS_TO", end, seen),
        *(edge(each, "REPORTED_IN", report, seen) for each in (start, hop, end)),
        *(edge(each, "ON", "Domain example.com") for each in (start, hop)),
        *(edge(each, "ON", early, seen) for each in (start, hop)),
        edge(end, "ON", "SubDomain login.example.com"),
        edge(end, "ON", late, seen),
        edge(end, "DELIVERS", "Hash 1990e2a0e47d7f41e7d89ff54ca6d8693e37968c8570535ac09bd835544d3b44", seen),
        *(
            edge(f"SubDomain {name}", "RESOLVES", address, seen, last_resolved=seen)
            for name, address in (
                ("login.example.com", late), ("host10.example.net", late), ("host23.example.net", early),
            )
        ),
        *(edge(each, "ANNOUNCED_BY", "ASN AS64500", seen) for each in (early, late)),
        *(edge(f"Network {each}", "ANNOUNCED_BY", "ASN AS64500", seen) for each in ("192.0.2.0/24", "198.51.100.0/24")),
        edge(early, "IN_NETWORK", "Network 198.51.100.0/24", seen),
        edge(late, "IN_NETWORK", "Network 192.0.2.0/24", seen),
    }  # fmt: skip
    assert node(end, title="Sign in", brands=("Example Bank",), tags=("malicious",), **dates) in found.nodes
    assert found.rejects == set()


def test_a_file_that_was_asked_for_is_tied_to_the_pages_that_gave_it() -> None:
    visit = {"task": {"url": "https://www.example.com/", "uuid": "u1", "time": "2026-01-02T03:04:05.678Z"}, "page": {}}
    found = told("urlscan", "search_hash", "a" * 64, json.dumps({"results": [visit]}).encode())
    page, seen = "URL https://www.example.com/", "2026-01-02T03:04:05Z"
    assert found.edges == {
        edge(page, "ON", "SubDomain www.example.com"),
        edge(page, "REPORTED_IN", "Report urlscan:u1", seen),
        edge(page, "ASSOCIATED", f"Hash {'a' * 64}", seen),
    }


def test_a_url_that_is_only_spelt_otherwise_is_no_redirect() -> None:
    visit = {"task": {"url": "https://example.com", "uuid": "u1"}, "page": {"url": "https://EXAMPLE.com/"}}
    found = told("urlscan", "search", "example.com", json.dumps({"results": [visit]}).encode())
    assert {each[1] for each in found.edges} == {"ON", "REPORTED_IN"}
    assert found.rejects == set()


def test_of_several_visits_the_last_tells_the_title_and_the_country() -> None:
    visits = [
        {
            "task": {"url": "http://example.com/", "uuid": f"u{day}", "time": f"2026-01-0{day}T00:00:00Z"},
            "page": {"url": "http://example.com/", "ip": "192.0.2.1", "title": title, "country": country},
        }
        for day, title, country in ((3, "Closed", "DE"), (2, "Welcome", "NL"))
    ]
    found = told("urlscan", "search", "example.com", json.dumps({"results": visits}).encode())
    seen = {"first_seen": "2026-01-02T00:00:00Z", "last_seen": "2026-01-03T00:00:00Z"}
    assert node("URL http://example.com/", title="Closed", **seen) in found.nodes
    assert node("IPAddress 192.0.2.1", country="DE") in found.nodes


def test_an_error_is_no_empty_search() -> None:
    assert (
        told("urlscan", "search", "example.com", b'{"message":"API limit error.","status":429}').outcome == "unreadable"
    )
    assert told("urlscan", "search", "example.com", b'{"results":[],"total":0}').outcome == "not found"


def test_the_next_page_begins_after_the_last_visit() -> None:
    reply = msgspec.json.decode(fixture(SEARCH), type=Search, strict=False)
    assert next_page(reply) is None
    reply.has_more = True
    assert next_page(reply) == {"search_after": "1675117496569,726a4563-1d15-4b19-8ca9-78aed27b60c5"}


def test_addresses_are_asked_for_in_quotes() -> None:
    request = next(source.endpoints["search_ip"].requests("2001:db8::5"))
    assert request.query["q"] == 'ip:"2001:db8::5"'
