"""Indicators that are never sent out: reserved addresses in every spelling, and names of one network only."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intel_grapher.errors import BadValue
from intel_grapher.fetch.private import is_private, is_reserved
from intel_grapher.keys import detect
from intel_grapher.schema import BY_INDICATOR

PRIVATE = (
    *("10.0.0.1", "192.0.2.1", "127.0.0.1", "169.254.169.254", "fe80::1", "2001:db8::1", "224.0.0.1", "100.64.0.1"),
    *("64:ff9b::a00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:a00:1::1", "::10.0.0.1", "::ffff:192.168.1.1"),
    *("fec0::1", "fd00::1", "2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:192.168.0.1", "::1", "ff02::1"),
    *("printer.local", "db.corp", "host.home.arpa", "someone@mail.internal", "www.test"),
    *(
        "1.1.168.192.in-addr.arpa",
        "168.192.in-addr.arpa",
        "10.in-addr.arpa",
        "lb._dns-sd._udp.0.1.168.192.in-addr.arpa",
    ),
    *(f"{'0.' * 28}0.8.e.f.ip6.arpa", "d.f.ip6.arpa", "postmaster@1.0.0.10.in-addr.arpa"),
    *("http://10.0.0.1/", "http://[64:ff9b::a00:1]/x", "https://[2002:a00:1::1]:8443/", "http://[fec0::1]/"),
    *("http://printer.local/x", "http://1.1.168.192.in-addr.arpa/", "http://[::ffff:10.0.0.1]/"),
)
PUBLIC = (
    *("8.8.8.8", "2001:4860:4860::8888", "64:ff9b::8.8.8.8", "2002:808:808::1", "2606:4700::5efe:8.8.8.8"),
    *("example.com", "local.example.org", "someone@example.net", "8.8.8.8.in-addr.arpa", "192.in-addr.arpa"),
    *("8.b.d.0.1.0.0.2.ip6.arpa.example.com", "0.6.8.4.1.0.0.2.ip6.arpa", "arpa.example.com"),
    *("http://foo.co1/x", "http://example.com/", "http://8.8.8.8/", "http://[2001:4860:4860::8888]/"),
)


@pytest.mark.parametrize("text", PRIVATE)
def test_what_is_private_in_every_spelling(text: str) -> None:
    assert is_private(*detect(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_public(text: str) -> None:
    assert not is_private(*detect(text))


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "localhost", "intranet", "[::1]", ""])
def test_old_spellings_of_addresses_and_names_without_a_dot_stay(host: str) -> None:
    assert is_private("url", f"http://{host}/")


@pytest.mark.parametrize("key", ["10.0.0.0/8", "64:ff9b::a00:0/104", "2002:a00::/24", "192.168.1.0/24", "fec0::/10"])
def test_private_networks(key: str) -> None:
    assert is_private("network", key)


@given(st.ip_addresses(v=4))
def test_an_ipv6_form_is_as_private_as_the_ipv4_address_in_it(inner: ipaddress.IPv4Address) -> None:
    number = int(inner)
    reserved = is_reserved(inner)
    for base in (0x64FF9B << 96, 0x26064700 << 96 | 0x5EFE << 32):
        assert is_reserved(ipaddress.IPv6Address(base | number)) == reserved
    assert is_reserved(ipaddress.IPv6Address(0x2002 << 112 | number << 80)) == reserved
    assert is_private("domain", inner.reverse_pointer) == reserved
    assert is_private("ip", str(inner)) == reserved
    assert is_private("url", f"http://{inner}/x") == reserved


@given(st.sampled_from(sorted(BY_INDICATOR)), st.text(max_size=40))
def test_any_canonical_key_has_an_answer(kind: str, text: str) -> None:
    try:
        key = BY_INDICATOR[kind].canonical(text)
    except BadValue:
        return
    assert is_private(kind, key) in {True, False}
