"""What arithmetic says of two keys: checked of every relationship of a type, whatever the source."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intel_grapher import keys, schema
from intel_grapher.errors import BadValue
from intel_grapher.keys import pairs

NETWORKS = ("192.0.2.0/25", "192.0.2.128/26", "192.0.2.255/32", "2001:db8::/32", "128.0.0.0/1", "2001:db8::1/128")
ADDRESSES = ("192.0.2.0", "192.0.2.127", "192.0.2.128", "192.0.2.192", "192.0.2.255", "2001:db8::1", "2001:db9::")
ONE, OTHER, SHORT = "a" * 64, "b" * 64, "c" * 32


@given(st.lists(st.tuples(st.sampled_from(ADDRESSES), st.sampled_from(NETWORKS)), min_size=1))
def test_an_address_lies_in_the_networks_that_contain_it(rows: list[tuple[str, str]]) -> None:
    addresses, networks = (pa.array(each) for each in zip(*rows, strict=True))
    expected = [ipaddress.ip_address(address) in ipaddress.ip_network(network) for address, network in rows]
    assert pairs.contained(addresses, networks).to_pylist() == expected


@pytest.mark.parametrize(
    ("function", "raw", "reason"),
    [
        (keys.organization, "Example Org", ""),
        (keys.organization, "Privacy International", ""),
        (keys.organization, "Mint Proxy Ltd", ""),
        (keys.organization, "T-Mobile", ""),
        (keys.organization, "N/A", "placeholder"),
        (keys.organization, "REDACTED FOR PRIVACY", "placeholder"),
        (keys.organization, "REDACTED FOR PRIVACY (DT)", "a name that was withheld"),
        (keys.organization, "Statutory Masking Enabled", "a name that was withheld"),
        (keys.organization, "Private Customer - Example Carrier", "a name that was withheld"),
        (keys.organization, "Domains By Proxy, LLC", "a privacy service, not the owner"),
        (keys.organization, "WhoisGuard, Inc.", "a privacy service, not the owner"),
        (keys.organization, "Privacy service provided by Withheld for Privacy ehf", "a name that was withheld"),
        (keys.organization, "Contact Privacy Inc. Customer 0123456789", "a privacy service, not the owner"),
        (keys.organization, "See PrivacyGuardian.org", "a privacy service, not the owner"),
        (keys.organization, "EX-END-MNT", "a registry's handle, not a name"),
        (keys.organization, "ORG-REGISTRY", "a registry's handle, not a name"),
        (keys.malware, "ExampleRAT", ""),
        (keys.malware, "Win32.Unknown.Trojan", ""),
        (keys.malware, "Unknown malware", "placeholder"),
        (keys.malware, "N/A", "placeholder"),
        (keys.malware, "phishing site", "placeholder"),
    ],
)
def test_what_stands_in_place_of_a_name_is_no_name(function: Callable[[str], str], raw: str, reason: str) -> None:
    if not reason:
        assert function(raw) == raw
        return
    with pytest.raises(BadValue) as bad:
        function(raw)
    assert bad.value.reason == reason


@pytest.mark.parametrize(
    ("type_", "start", "end", "fault"),
    [
        ("IN_NETWORK", "192.0.2.1", "192.0.2.0/24", ""),
        ("IN_NETWORK", "198.51.100.1", "192.0.2.0/24", "a network that does not contain the address"),
        ("REDIRECTS_TO", "http://example.com/", "https://example.com/", ""),
        ("REDIRECTS_TO", "https://example.com/", "https://example.com/", "a relationship of a thing with itself"),
        ("HOSTS", "example.com", "www.example.com", ""),
        ("HOSTS", "example.com", "www.notexample.com", "a name that does not lie beneath the domain"),
        ("SAME_FILE", SHORT, ONE, ""),
        ("SAME_FILE", OTHER, ONE, "two digests by one algorithm, which are of two files"),
        ("CONTAINS", ONE, ONE, "a relationship of a thing with itself"),
        ("OWNS", "someone@example.org", "example.com", ""),
        (
            "OWNS",
            "abc@whoisguard.com",
            "example.com",
            "a contact of a privacy service or a registrar, not of the owner",
        ),
        ("OWNS", "x@eu.tucows.com", "example.com", "a contact of a privacy service or a registrar, not of the owner"),
        ("OWNS", "domains@tucows.com", "tucows.com", ""),  # a registrar's own domain
        ("OWNS", "someone@nottucows.com", "example.com", ""),
        ("DROPS", ONE, ONE, ""),  # a file may write a copy of itself
    ],
)
def test_what_can_not_be_true_is_refused(type_: str, start: str, end: str, fault: str) -> None:
    assert schema.RELATIONSHIPS[type_].fault(start, end) == fault


NAMES = st.text("ab.é", max_size=6)


@given(st.lists(st.tuples(NAMES, NAMES)), st.integers(0, 3))
def test_a_name_lies_beneath_a_domain_where_it_ends_in_a_dot_and_it(rows: list[tuple[str, str]], left_out: int) -> None:
    domains, names = (pa.array([row[side] for row in rows], pa.string())[left_out:] for side in (0, 1))
    said = [name.endswith(f".{domain}") for domain, name in rows[left_out:]]
    assert pairs.beneath(domains, names).to_pylist() == said
