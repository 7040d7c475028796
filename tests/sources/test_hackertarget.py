"""HackerTarget: the samples, worked out by hand."""

from __future__ import annotations

import pytest
from replies import edge, sample, told


def test_hosts_beneath_a_domain() -> None:
    found = told("hackertarget", "hostsearch", "example.com", sample("hackertarget", "hostsearch", "example.com"))
    domain = "Domain example.com"
    assert found.edges == {
        edge("SubDomain login.example.com", "RESOLVES", "IPAddress 192.0.2.10"),
        edge("SubDomain mail.example.com", "RESOLVES", "IPAddress 198.51.100.23"),
        edge(domain, "RESOLVES", "IPAddress 192.0.2.10"),
        *(edge(domain, "HOSTS", f"SubDomain {name}.example.com") for name in ("login", "mail", "no-address")),
    }
    assert {each[1:] for each in found.rejects} == {("", "placeholder")}


def test_names_at_an_address() -> None:
    found = told(
        "hackertarget", "reverseiplookup", "192.0.2.10", sample("hackertarget", "reverseiplookup", "192.0.2.10")
    )
    assert found.edges == {
        edge("Domain example.com", "RESOLVES", "IPAddress 192.0.2.10"),
        edge("SubDomain login.example.com", "RESOLVES", "IPAddress 192.0.2.10"),
    }
    assert {each[1:] for each in found.rejects} == {("*.invoice-portal.example", "a wildcard")}


@pytest.mark.parametrize(
    ("prose", "outcome"),
    [
        (b"No records found for harmless.example", "not found"),
        (b"No DNS A records found for 203.0.113.80", "not found"),
        (b"error check your search parameter", "unreadable"),
        (b"API count exceeded - Increase Quota with Membership", "unreadable"),
        (b"<html><body>Just a moment...</body></html>", "unreadable"),
    ],
)
def test_prose_is_no_list(prose: bytes, outcome: str) -> None:
    found = told("hackertarget", "hostsearch", "example.com", prose)
    assert (found.outcome, found.edges) == (outcome, set())
