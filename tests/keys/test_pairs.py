"""What arithmetic says of two keys: checked of every relationship of a type, whatever the source."""

from __future__ import annotations

import ipaddress

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intel_grapher import schema
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
    ("type_", "start", "end", "fault"),
    [
        ("IN_NETWORK", "192.0.2.1", "192.0.2.0/24", ""),
        ("IN_NETWORK", "198.51.100.1", "192.0.2.0/24", "an address outside the network"),
        ("REDIRECTS_TO", "http://example.com/", "https://example.com/", ""),
        ("REDIRECTS_TO", "https://example.com/", "https://example.com/", "a relationship of a thing with itself"),
        ("HOSTS", "example.com", "www.example.com", ""),
        ("HOSTS", "example.com", "www.notexample.com", "a name that does not lie beneath the domain"),
        ("SAME_FILE", SHORT, ONE, ""),
        ("SAME_FILE", OTHER, ONE, "two digests by one algorithm, which are of two files"),
        ("CONTAINS", ONE, ONE, "a relationship of a thing with itself"),
        ("DROPS", ONE, ONE, ""),  # a file may write a copy of itself
    ],
)
def test_what_can_not_be_true_is_refused(type_: str, start: str, end: str, fault: str) -> None:
    assert schema.RELATIONSHIPS[type_].fault(start, end) == fault
