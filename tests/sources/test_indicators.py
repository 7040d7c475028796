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
    }
    assert found.rejects == {("$[10]", "not", "a single label")}


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
    }  # fmt: skip
    assert {each[1:] for each in found.rejects} == {("-", "placeholder")}


def test_without_a_header_the_first_column_counts() -> None:
    found = told("indicators", "table", "headless", sample("indicators", "table", "headless"))
    assert found.edges == {edge("Domain example.net", "REPORTED_IN", "Report indicators:headless")}


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
