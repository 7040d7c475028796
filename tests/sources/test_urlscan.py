"""urlscan.io: what real replies tell, worked out by hand from their JSON."""

from __future__ import annotations

import msgspec
from replies import edge, fixture, node, told

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


def test_the_next_page_begins_after_the_last_visit() -> None:
    reply = msgspec.json.decode(fixture(SEARCH), type=Search, strict=False)
    assert next_page(reply) is None
    reply.has_more = True
    assert next_page(reply) == {"search_after": "1675117496569,726a4563-1d15-4b19-8ca9-78aed27b60c5"}


def test_addresses_are_asked_for_in_quotes() -> None:
    request = next(source.endpoints["search_ip"].requests("2001:db8::5"))
    assert request.query["q"] == 'ip:"2001:db8::5"'
