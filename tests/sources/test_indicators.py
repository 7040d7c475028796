"""Lists of indicators: the samples, worked out by hand; and lines of any sort."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st
from replies import edge, fixture, sample, told

SEED = b"intel-grapher sample 4"
SHA256 = hashlib.sha256(SEED).hexdigest()


def test_one_a_line() -> None:
    key = "paper-lantern-blocklist"
    found = told("indicators", "plain", key, sample("indicators", "plain", key))
    url, named = (
        "URL http://cdn-update.example/lantern.exe",
        (
            *("Domain example.com", "Domain invoice-portal.example", "IPAddress 192.0.2.10", "IPAddress 203.0.113.5"),
            *("Email billing@invoice-portal.example", f"Hash {SHA256}", "Vulnerability CVE-2018-15473"),
        ),
    )
    assert found.edges == {
        *(edge(each, "REPORTED_IN", f"Report indicators:{key}") for each in (*named, url)),
        edge(url, "ON", "Domain cdn-update.example"),
        edge("IPAddress 203.0.113.5", "EXPOSES", "Service 203.0.113.5:8443"),
        edge("Service 203.0.113.5:8443", "REPORTED_IN", f"Report indicators:{key}"),
    }
    assert found.rejects == set()


def test_a_list_known_by_its_address_is_a_report_of_that_address() -> None:
    found = told("indicators", "plain", "https://example.org/lists/lantern.txt", b"2001:DB8::5\n")
    assert found.edges == {edge("IPAddress 2001:db8::5", "REPORTED_IN", "Report https://example.org/lists/lantern.txt")}


def test_columns_are_known_by_their_header() -> None:
    found = told("indicators", "table", "lantern-iocs", sample("indicators", "table", "lantern-iocs"))
    report, url = "Report indicators:lantern-iocs", "URL https://cdn-update.example/gate"
    assert found.edges == {
        edge(
            "IPAddress 203.0.113.5", "REPORTED_IN", report,
            first_seen="2026-07-28", last_seen="2026-11-01",  # as exact as the less exact of the two
        ),
        edge("Domain invoice-portal.example", "REPORTED_IN", report, "2026-04-11"),
        edge(url, "REPORTED_IN", report, "2026-07-28T09:00:00Z"),
        edge(url, "ON", "Domain cdn-update.example"),
        edge("IPAddress 203.0.113.5", "EXPOSES", "Service 203.0.113.5:8443"),
        edge("Service 203.0.113.5:8443", "REPORTED_IN", report, first_seen="2026-07-28", last_seen="2026-11-01"),
    }  # fmt: skip
    assert found.rejects == {("$[5]", '"2026-07-28", "-", "domain", ""', "a row without an indicator")}


def test_without_a_header_the_first_column_counts() -> None:
    found = told("indicators", "table", "headless", sample("indicators", "table", "headless"))
    assert found.edges == {edge("Domain example.net", "REPORTED_IN", "Report indicators:headless")}


def test_a_list_may_begin_with_a_bracket_and_be_in_any_encoding() -> None:
    text = "[2001:db8::1]\r\n<http://a.example/x>\r\n"
    expected = {
        edge("IPAddress 2001:db8::1", "REPORTED_IN", "Report indicators:k"),
        edge("URL http://a.example/x", "REPORTED_IN", "Report indicators:k"),
        edge("URL http://a.example/x", "ON", "Domain a.example"),
    }
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert told("indicators", "plain", "k", text.encode(encoding)).edges == expected


def test_a_page_or_json_in_place_of_a_list_is_none() -> None:
    for body in (
        b"<!DOCTYPE html><html>a.example</html>",
        b'{"error": "a.example"}',
        b'["a.example"]',
        b"Too many connections",
        b"HTTP 429 Too Many Requests.\n",
    ):
        assert told("indicators", "plain", "k", body).edges == set()


def test_every_kind_is_reported() -> None:
    found = told("indicators", "plain", "k", b"192.0.2.0/24\nAS64500\n@someone\n192.0.2.1 - 192.0.2.2\n")
    assert {start for start, *_ in found.edges} == {
        *("Network 192.0.2.0/24", "ASN AS64500", "TwitterUser someone", "IPAddress 192.0.2.1", "IPAddress 192.0.2.2"),
    }


def test_what_is_left_out_is_a_reject_with_its_place() -> None:
    found = told(
        "indicators", "plain", "k", b"evil.example:8080\nit runs rundll32.exe\n255.255.255.255 broadcasthost\n"
    )
    assert found.edges == {
        edge("Domain evil.example", "REPORTED_IN", "Report indicators:k"),
        edge("Domain evil.example", "EXPOSES", "Service evil.example:8080"),
        edge("Service evil.example:8080", "REPORTED_IN", "Report indicators:k"),
    }
    assert found.rejects == {
        ("$[1]", "rundll32.exe", "a file name"),
        ("$[2]", "255.255.255.255", "an address of the list's own machinery"),
    }


def test_no_two_names_of_lists_are_one_report() -> None:
    names = ("APT 28", "APT-28", "\u043e\u0442\u0447\u0451\u0442", "\u5831\u544a\u66f8", "a~20b", "a b")
    reports = {told("indicators", "plain", name, b"a.example\n").edges.pop()[2] for name in names}
    assert len(reports) == len(names)


def test_urlhauss_own_list_names_urls_hosts_and_addresses() -> None:
    found = told("indicators", "table", "JP", fixture("urlhaus/feeds_country/JP__02Jan2022.csv"))
    when = "2018-03-24T16:03:48Z"
    named = (
        "URL http://heavylance.co.jp/Invoice-for-0285603-03/22/2018/",
        "Domain heavylance.co.jp",
        "IPAddress 153.127.242.166",
    )
    assert {edge(each, "REPORTED_IN", "Report indicators:JP", when) for each in named} <= found.edges
    assert {each[1] for each in found.rejects} == {"1https://yasukouchi.jp/jxi8lyjxk.tar"}


@given(st.text(), st.sampled_from(["plain", "table"]))
def test_any_text_is_read_or_listed(text: str, endpoint: str) -> None:
    found = told("indicators", endpoint, "any", text.encode("utf-8", "replace"))
    assert not any(reason.startswith("the mapping failed") for _, _, reason in found.rejects)


def test_a_sentence_in_place_of_a_list_is_a_failure_and_words_with_an_indicator_are_a_list() -> None:
    failure = {("", "Too many connections", "the service reports a failure")}
    assert told("indicators", "plain", "k", b"Too many connections").rejects == failure
    assert told("indicators", "table", "k", b"Too many connections").rejects == failure
    for body in (b"patched CVE-2018-15473", f"file {SHA256}".encode(), b"see a.example", b"seen at\n192.0.2.10"):
        found = told("indicators", "plain", "k", body)
        assert (found.outcome, len(found.edges)) == ("found", 1)


def test_a_row_s_malware_tags_and_confidence_are_told() -> None:
    text = f"ioc,family,tags,confidence\n{SHA256},Emotet,a;b,90\n192.0.2.1,Emotet,,\n"
    found = told("indicators", "table", "k", text.encode())
    assert edge(f"Hash {SHA256}", "DETECTED_AS", "Malware Emotet", confidence=90) in found.edges
    assert edge("IPAddress 192.0.2.1", "INDICATES", "Malware Emotet") in found.edges
    stated = {name: dict(properties) for name, properties in found.nodes}
    assert list(stated[f"Hash {SHA256}"]["tags"]) == ["a", "b"]
