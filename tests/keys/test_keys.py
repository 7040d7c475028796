"""Keys have one canonical form; whatever can't have one is refused with a reason, and with nothing else."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from places import FIXTURES
from publicsuffixlist import PublicSuffixList

from intel_grapher import keys
from intel_grapher.errors import BadValue
from intel_grapher.keys.names import _sections, rules

CANONICAL: tuple[Callable[[str], str], ...] = (
    keys.hostname,
    keys.registrable,
    keys.domain,
    keys.subdomain,
    keys.ip_address,
    keys.network,
    keys.asn,
    keys.service,
    keys.email,
    keys.screen_name,
    keys.digest,
    keys.number,
    keys.certificate,
    keys.cve,
    keys.attack_id,
    keys.url,
    keys.hashtag,
    keys.name_text,
    keys.list_item,
    keys.text,
    keys.reference,
    keys.refang,
)
every_function = pytest.mark.parametrize("function", CANONICAL, ids=lambda function: function.__name__)
LABEL_63 = "a" * 63


def refused(function: Callable[[str], object], raw: str) -> str:
    with pytest.raises(BadValue) as bad:
        function(raw)
    return bad.value.reason


# --- tables -----------------------------------------------------------------------------------------------------------

GOOD: list[tuple[Callable[[str], str], str, str]] = [
    (keys.hostname, "example.com", "example.com"),
    (keys.hostname, "Python.org", "python.org"),
    (keys.hostname, "python.org.", "python.org"),
    (keys.hostname, "advtravel.example\r", "advtravel.example"),
    (keys.hostname, "\t example.com \n", "example.com"),
    (keys.hostname, "MX1.EXAMPLE.COM", "mx1.example.com"),
    (keys.hostname, "_dmarc.example.com", "_dmarc.example.com"),
    (keys.hostname, "_dmarc.B\u00dcCHER.example", "_dmarc.xn--bcher-kva.example"),
    (keys.hostname, "bu\u0308cher.example", "xn--bcher-kva.example"),
    (keys.hostname, "XN--bcher-KVA.example", "xn--bcher-kva.example"),
    (keys.hostname, "fa\u00df.example", "xn--fa-hia.example"),
    (keys.hostname, "example\u3002com", "example.com"),
    (keys.hostname, "example\uff0ecom\uff61", "example.com"),
    (keys.hostname, "\uff45xample.com", "example.com"),
    (keys.hostname, "ex\u00adample.com", "example.com"),
    (keys.hostname, "asdf--\u00c0auto.example", "xn--asdf--auto-m4a.example"),
    (keys.hostname, "r3---sn-a.example.com", "r3---sn-a.example.com"),
    (keys.hostname, f"{LABEL_63}.example", f"{LABEL_63}.example"),
    (keys.hostname, "1.example.com", "1.example.com"),
    (keys.registrable, "www.example.co.uk", "example.co.uk"),
    (keys.registrable, "a.b.example.com", "example.com"),
    (keys.registrable, "someone.github.io", "someone.github.io"),
    (keys.registrable, "github.io", "github.io"),
    (keys.domain, "github.io", "github.io"),
    (keys.registered, "www.someone.github.io", "github.io"),
    (keys.registered, "a.b.example.co.uk", "example.co.uk"),
    (keys.registered, "bucket.s3.amazonaws.com", "amazonaws.com"),
    (keys.registrable, "a.b.c.unheardof", "c.unheardof"),
    (keys.registrable, "x.www.ck", "www.ck"),
    (keys.registrable, "a.b.c.ck", "b.c.ck"),
    (keys.registrable, "a.b.xn--55qx5d.cn", "b.xn--55qx5d.cn"),
    (keys.domain, "Example.CO.UK.", "example.co.uk"),
    (keys.subdomain, "WWW.example.com", "www.example.com"),
    (keys.ip_address, "192.0.2.1", "192.0.2.1"),
    (keys.ip_address, " 192.0.2.1\r", "192.0.2.1"),
    (keys.ip_address, "2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
    (keys.ip_address, "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
    (keys.ip_address, "[2001:db8::1]", "2001:db8::1"),
    (keys.ip_address, "::ffff:192.0.2.1", "192.0.2.1"),
    (keys.ip_address, "::FFFF:c000:201", "192.0.2.1"),
    (keys.network, "192.0.2.77/24", "192.0.2.0/24"),
    (keys.network, "2001:DB8:0::1/32", "2001:db8::/32"),
    (keys.network, "::ffff:192.0.2.0/120", "192.0.2.0/24"),
    (keys.asn, "AS20473 name", "AS20473"),
    (keys.asn, "20473", "AS20473"),
    (keys.asn, "as20473", "AS20473"),
    (keys.asn, "AS64496 EXAMPLE, ZZ", "AS64496"),
    (keys.service, "192.0.2.1:443/TCP", "192.0.2.1:443/tcp"),
    (keys.service, "192.0.2.1:0443", "192.0.2.1:443"),
    (keys.service, "[2001:DB8::1]:443", "[2001:db8::1]:443"),
    (keys.service, "Example.COM:443", "example.com:443"),
    (keys.service, "b\u00fccher.example:53/UDP", "xn--bcher-kva.example:53/udp"),
    (keys.hostname, "i\u2764.example", "xn--i-7iq.example"),
    (keys.service, "2001:DB8::1:53/udp", "[2001:db8::1]:53/udp"),
    (keys.service, "[::ffff:192.0.2.1]:0080/tcp", "192.0.2.1:80/tcp"),
    (keys.email, "John.Doe+x@Example.COM.", "john.doe+x@example.com"),
    (keys.email, "MAILTO:a@b\u00fccher.example?subject=x", "a@xn--bcher-kva.example"),
    (keys.digest, "D41D8CD98F00B204E9800998ECF8427E", "d41d8cd98f00b204e9800998ecf8427e"),
    (keys.digest, "0" * 40, "0" * 40),
    (keys.digest, "A" * 64 + "\n", "a" * 64),
    (keys.screen_name, "@Nobody", "nobody"),
    (keys.screen_name, "\uff20nobody_1", "nobody_1"),
    (keys.screen_name, "null", "null"),
    (keys.screen_name, "a" * 20, "a" * 20),
    (keys.url, "HTTP://Example.COM", "http://example.com/"),
    (keys.url, "http://user:secret@example.com/", "http://example.com/"),
    (keys.url, "https://example.com:443/?", "https://example.com/?"),
    (keys.url, "http://example.com:/", "http://example.com/"),
    (keys.url, "http://example.com:08080/", "http://example.com:8080/"),
    (keys.url, "http://example.com/%7euser/%2f/./a/../b#part", "http://example.com/~user/%2F/b"),
    (keys.url, "http://example.com/%2e%2E/x", "http://example.com/x"),
    (keys.url, "http://example.com/../a/b/..", "http://example.com/a/"),
    (keys.url, "http://example.com//a//../b", "http://example.com//a/b"),
    (keys.url, "http://example.com/a b?c=d e", "http://example.com/a%20b?c=d%20e"),
    (keys.url, "http://example.com/\u00fc?\u20ac", "http://example.com/%C3%BC?%E2%82%AC"),
    (keys.url, "http://example.com/%zz%%41%2%41", "http://example.com/%25zz%25A%252A"),
    (keys.url, "http://example.com?a[]=1", "http://example.com/?a%5B%5D=1"),
    (keys.url, "https://[2001:DB8::1]:8443/", "https://[2001:db8::1]:8443/"),
    (keys.url, "https://[::ffff:192.0.2.1]/", "https://192.0.2.1/"),
    (keys.url, "ftp://192.0.2.1:21/x", "ftp://192.0.2.1/x"),
    (keys.url, "http://b\u00fccher.example/", "http://xn--bcher-kva.example/"),
    (keys.cve, "cve-2021-44228", "CVE-2021-44228"),
    (keys.attack_id, "t1059.001", "T1059.001"),
    (keys.attack_id, " TA0001", "TA0001"),
    (keys.hashtag, "#Stra\u00dfe", "strasse"),
    (keys.hashtag, "\uff03E\u0301", "\u00e9"),
    (keys.hashtag, "#\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
    (keys.name_text, " Win32/Foo \n\t Bar ", "Win32/Foo Bar"),
    (keys.name_text, "e\u0301\x00\u202e\u200b!", "\u00e9!"),
    (keys.list_item, "phishing; kit\u037e", "phishing, kit,"),
    (keys.text, "a\r\nb\rc\x00\x1b[31m\x9b\ud800\te\u0301", "a\nb\nc[31m\t\u00e9"),
    (keys.text, "", ""),
    (keys.text, "x" * 70_000, "x" * 65_536),
    (keys.reference, "HTTPS://example.com/a#b", "https://example.com/a"),
    (keys.reference, " misp:5e1a-22", "misp:5e1a-22"),
    (keys.number, " 1194578788295811072", "1194578788295811072"),
    (keys.certificate, ":".join(["AB"] * 32), "ab" * 32),
    (keys.certificate, "crtsh:123", "crtsh:123"),
]

HEX = "hex of no digest's length (32, 40, 56, 64, 96, 128)"
BAD: list[tuple[Callable[[str], object], str, str]] = [
    *((keys.hostname, raw, "placeholder") for raw in ("", " ", "-", ".", "N/A", "none", "NULL", "0.0.0.0", "::")),  # noqa: S104 - refused, not bound
    (keys.hostname, "%E2%80%A2hawahome.example.com", "percent-escapes"),
    (keys.hostname, "/customers.example.com", "not a DNS name"),
    (keys.hostname, "6 Cordelia St", "not a DNS name"),
    (keys.hostname, "*.example.com", "a wildcard"),
    (keys.hostname, "*.b\u00fccher.example", "a wildcard"),
    (keys.hostname, "admin@example.com", "an e-mail address, not a name"),
    (keys.hostname, "66.0.543.66", "an impossible address"),
    (keys.hostname, "example.0x1f", "an impossible address"),
    (keys.hostname, "192.0.2.1", "an IP address, not a name"),
    (keys.hostname, "192.0.2.1.", "an IP address, not a name"),
    (keys.hostname, "\uff11\uff19\uff12.0.2.1", "an IP address, not a name"),
    (keys.hostname, "2001:db8::1", "an IP address, not a name"),
    (keys.hostname, "localhost", "a single label"),
    (keys.hostname, "d41d8cd98f00b204e9800998ecf8427e", "a single label"),
    (keys.hostname, "example..com", "an empty label"),
    (keys.hostname, ".example.com", "an empty label"),
    (keys.hostname, "example.com..", "an empty label"),
    (keys.hostname, "example.com:443", "a port after the host"),
    (keys.hostname, "http://example.com/", "a URL, not a name"),
    (keys.hostname, "example.com/x", "a URL without its scheme"),
    (keys.hostname, f"{LABEL_63}a.example", "too long"),
    (keys.hostname, ".".join(["a" * 50] * 6), "too long"),
    (keys.hostname, "-a.example", "not a DNS name"),
    (keys.hostname, "a-.example", "not a DNS name"),
    (keys.hostname, "a\x00b.example", "not a DNS name"),
    (keys.hostname, "\ud800.example", "not a DNS name"),
    *((keys.registrable, raw, "a public suffix") for raw in ("com", "co.uk", "ck", "xn--55qx5d.cn")),
    *((keys.registered, raw, "a public suffix") for raw in ("com", "co.uk")),
    (keys.domain, "co.uk", "a public suffix"),
    (keys.domain, "www.example.com", "a sub-domain"),
    (keys.subdomain, "example.com", "a registrable name"),
    *((keys.ip_address, raw, "placeholder") for raw in ("-", "", "0.0.0.0", "::", "::ffff:0.0.0.0", "[::]")),  # noqa: S104 - refused, not bound
    *((keys.ip_address, raw, "an impossible address") for raw in ("66.0.543.66", "1.2.3", "192.0.02.1", "2001:::1")),
    *((keys.ip_address, raw, "not an IP address") for raw in ("x", "fe80::1%eth0", "\u0661.0.0.1", ":")),
    *((keys.network, raw, "placeholder") for raw in ("-", "0.0.0.0/0", "::/0")),
    (keys.network, "192.0.2.0/33", "an impossible network"),
    (keys.network, "192.0.2.1", "an address: a network, ADDRESS/LENGTH, is wanted"),
    *((keys.asn, raw, "placeholder") for raw in ("ASNone ", "AS0", "0", "NA", "", "-")),
    *((keys.asn, raw, "not an AS number") for raw in ("AS4294967296", "AS1x", "x", "AS\u0661")),
    (keys.service, "192.0.2.1:0/tcp", "an impossible port"),
    (keys.service, "192.0.2.1:65536/tcp", "an impossible port"),
    (keys.service, "2001:db8::1:80", "not a service"),
    (keys.service, "example:80/tcp", "a single label"),
    *((keys.email, raw, "placeholder") for raw in ("", "-", "REDACTED FOR PRIVACY")),
    *(
        (keys.email, raw, "not an e-mail address")
        for raw in (
            "a@",
            "@example.com",
            '"a b"@example.com',
            "a b@example.com",
            ".a@example.com",
            "\u00fc@example.com",
        )
    ),
    (keys.email, "a" * 65 + "@example.com", "not an e-mail address"),
    (keys.email, "a@example..com", "an empty label"),
    (keys.email, "a@192.0.2.1", "an IP address, not a name"),
    *((keys.digest, raw, "placeholder") for raw in ("", "-")),
    *((keys.digest, raw, HEX) for raw in ("a" * 31, "a" * 4096)),
    *((keys.digest, raw, "not a hash") for raw in ("g" * 32, "\u0661" * 32)),
    (keys.digest, "96:abcdef:abc", "an ssdeep hash: a file's digest is wanted"),
    (keys.digest, "T1" + "0A" * 35, "a TLSH hash: a file's digest is wanted"),
    (keys.digest, "a.exe|" + "0" * 32, "a name before the digest: the digest is wanted"),
    (keys.ip_address, "192.0.2.0/24", "a network: one address is wanted"),
    (keys.ip_address, "192[.]0[.]2[.]1", "defanged: the plain form is wanted"),
    (keys.ip_address, "192.0.2.1:80", "a port after the address: the address is wanted"),
    (keys.ip_address, "[2001:db8::1]:80", "a port after the address: the address is wanted"),
    (keys.ip_address, "192.0.2.1 - 192.0.2.9", "a range of addresses: one address is wanted"),
    (keys.ip_address, "192.0.2.1, 192.0.2.2", "several addresses: one is wanted"),
    (keys.network, "192.0.2.0 - 192.0.2.255", "a range of addresses: ADDRESS/LENGTH is wanted"),
    (keys.hostname, "evil[.]example[.]com", "defanged: the plain form is wanted"),
    (keys.hostname, "192.0.2.0/24", "a network, not a name"),
    (keys.url, "hxxp://example.com/", "defanged: the plain form is wanted"),
    (keys.email, "a[at]example.com", "defanged: the plain form is wanted"),
    (keys.email, "Jo Doe <jo@example.com>", "a name before the address: the address is wanted"),
    (keys.digest_algorithm, "a" * 33, HEX),
    *((keys.screen_name, raw, "placeholder") for raw in ("", "-")),
    *((keys.screen_name, raw, "not a Twitter name") for raw in ("@", "@@a", "a.b", "a" * 21, "\u0661")),
    *((keys.url, raw, "placeholder") for raw in ("", "-", "http://0.0.0.0/")),
    *(
        (keys.url, raw, "not a URL")
        for raw in (
            "http: //example.com",
            "http:// example.com",
            "http://\u00a0example.com/",
            "http:///x",
            "http://example.com\\@example.net/",
            "http://2001:db8::1/",
            "http://example.com/\x00",
            "http://example.com/a\nb",
            "http://example.com/\ud800",
            "http\u017f://example.com/",
        )
    ),
    *(
        (keys.url, raw, "a URL without its scheme")
        for raw in (
            "example.com/x",
            "example.com:80",
            "example.com:80/x",
            "example.com?x=1",
            "//example.com/x",
            "192.0.2.1:80",
            "[2001:db8::1]:80/x",
        )
    ),
    *((keys.url, raw, "not a URL") for raw in ("example.com", "example.com:", "example:80", "a b.example/x")),
    (keys.url, "javascript:alert(1)", "a scheme other than http, https, ftp"),
    (keys.url, "tcp://192.0.2.1:80", "a scheme other than http, https, ftp"),
    (keys.url, "http://example.com:65536/", "an impossible port"),
    (keys.url, "http://66.0.543.66/", "an impossible address"),
    (keys.url, "http://%E2%80%A2hawahome.example.com/", "percent-escapes"),
    (keys.url, "http://example.com/" + "a" * 4000, "too long"),
    (keys.url, "http://example.com/" + "\u00fc" * 1000, "too long"),
    (keys.cve, "-", "placeholder"),
    *((keys.cve, raw, "not a CVE number") for raw in ("!CVE-2021-44228", "CVE-2021-1", "CVE-\u0661021-44228")),
    *((keys.attack_id, raw, "not an ATT&CK id") for raw in ("AN1936", "T1059/001", "T1", "x")),
    (keys.hashtag, "#", "placeholder"),
    *(
        (keys.hashtag, raw, "not a hashtag")
        for raw in ("# a", "##a", "a b", "a\x00", "a\U0010ffff", "a\ue000", "a\xad", "a" * 281)
    ),
    *((keys.name_text, raw, "placeholder") for raw in ("", "-", "Error Scanning File", "\x00", " None ")),
    (keys.name_text, "a" * 501, "too long"),
    (keys.reference, "", "placeholder"),
    (keys.reference, ":\u200b//", "not a URL"),
    (keys.reference, "http:x", "not a URL"),
    *((keys.number, raw, "not a number") for raw in ("01", "-1", "1e9", "\u0661")),
    (keys.number, "-", "placeholder"),
    (keys.certificate, "ab" * 20, "not a certificate's fingerprint or number"),
]


@pytest.mark.parametrize(("function", "raw", "canonical"), GOOD)
def test_value_has_its_canonical_form(function: Callable[[str], str], raw: str, canonical: str) -> None:
    assert function(raw) == canonical
    assert function(canonical) == canonical


@pytest.mark.parametrize(("function", "raw", "reason"), BAD)
def test_value_is_refused_with_its_reason(function: Callable[[str], object], raw: str, reason: str) -> None:
    assert refused(function, raw) == reason


@pytest.mark.parametrize(
    ("name", "is_domain"),
    [("example.com", True), ("www.example.com", False), ("github.io", True), ("a.github.io", True), ("uk", False)],
)
def test_a_name_has_one_label_always(name: str, is_domain: bool) -> None:  # noqa: FBT001 - a row of the table
    assert keys.is_registrable(name) is is_domain
    if "." in name:
        assert (keys.domain(name) if is_domain else keys.subdomain(name)) == name


@pytest.mark.parametrize(
    ("length", "algorithm"),
    [(32, "md5"), (40, "sha1"), (56, "sha224"), (64, "sha256"), (96, "sha384"), (128, "sha512")],
)
def test_the_length_of_a_digest_tells_its_algorithm(length: int, algorithm: str) -> None:
    assert keys.digest_algorithm("0" * length) == algorithm


def test_parts_of_a_service() -> None:
    for raw in ("192.0.2.1:443/tcp", "[2001:db8::1]:443/tcp"):
        assert (keys.service_port(raw), keys.service_transport(raw)) == (443, "tcp")


# --- what an analyst types --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("hxxp://example[.]com/a", "http://example.com/a"),
        ("hXXps[:]//example(.)com", "https://example.com"),
        ("hxxps[://]example{.}com/x[.]php", "https://example.com/x.php"),
        ("http[:/]/example.com", "http://example.com"),
        ("hxxp:\\\\example.com", "http://example.com"),
        ("h**p://example.com", "http://example.com"),
        ("fxp://example[dot]com", "ftp://example.com"),
        ("meow://example.com", "http://example.com"),
        ("user[at]example(DOT)com", "user@example.com"),
        ("user(@)example[[.]]com", "user@example.com"),
        ("example dot com", "example.com"),
        (r"example\.com", "example.com"),
        ("192.0.2[.]1", "192.0.2.1"),
        ("2001[:]db8::1", "2001:db8::1"),
        (" \u201cexample.com\u201d, ", "example.com"),
        ("'\"example.com\";'", "example.com"),
        ("<http://example.com/a>", "http://example.com/a"),
        ("exam\u200bple\ufeff.c\u200dom", "example.com"),
    ],
)
def test_defanged_input_is_refanged(raw: str, plain: str) -> None:
    assert keys.refang(raw) == plain


@pytest.mark.parametrize(
    "plain",
    [
        "example.com",
        "dot.example.com",
        "at.dot.example",
        "[2001:db8::1]",
        "http://[2001:db8::1]:80/x[.]y",
        "http://example.com/a(dot)b?c=[at]",
        "http://example.com/(.)",
        "o'neil@example.com",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.example",
        "@nobody",
        "CVE-2021-44228",
        "192.0.2.0/24",
    ],
)
def test_plain_input_is_left_alone(plain: str) -> None:
    assert keys.refang(plain) == plain


@pytest.mark.parametrize(
    ("raw", "kind", "key"),
    [
        ("EXAMPLE[.]com", "domain", "example.com"),
        ("www.example.com\n", "domain", "www.example.com"),
        ("as64496.example.com", "domain", "as64496.example.com"),
        ("192.0.2[.]1", "ip", "192.0.2.1"),
        ("[2001:DB8::1]", "ip", "2001:db8::1"),
        ("2001:db8::/32", "network", "2001:db8::/32"),
        ("192.0.2.9/24", "network", "192.0.2.0/24"),
        ("User[at]example.com", "email", "user@example.com"),
        ("mailto:user@example.com", "email", "user@example.com"),
        ("D41D8CD98F00B204E9800998ECF8427E", "hash", "d41d8cd98f00b204e9800998ecf8427e"),
        ("@Nobody", "user", "nobody"),
        ("hxxp://EXAMPLE[.]com", "url", "http://example.com/"),
        ("cve-2021-44228", "cve", "CVE-2021-44228"),
        ("AS64496 EXAMPLE", "asn", "AS64496"),
    ],
)
def test_the_kind_of_an_indicator_is_told(raw: str, kind: str, key: str) -> None:
    assert keys.detect(raw) == (kind, key)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("exmaple..com", "an empty label"),
        ("user@exmaple..com", "an empty label"),
        ("66.0.543.66", "an impossible address"),
        ("192.0.2.1:80", "a port after the host"),
        ("192.0.2.0/33", "an impossible network"),
        ("example.com/x", "a URL without its scheme"),
        ("*.example.com", "a wildcard"),
        ("localhost", "a single label"),
        ("0" * 33, HEX),
        ("@a.b", "not a Twitter name"),
        ("tcp://example.com", "a scheme other than http, https, ftp"),
        ("", "placeholder"),
        (" - ", "placeholder"),
        ("../x", "not an indicator"),
        ("/etc/passwd", "not an indicator"),
        ("--help", "not an indicator"),
        ("`; DROP TABLE nodes //", "not an indicator"),
        ("\x00", "a control character"),
        ("example.com\x00.example", "a control character"),
        ("example.com\nexample.net", "a control character"),
        ("\ud800.example", "a control character"),
        ("x" * 4096, "too long"),
        ("http://example.com/" + "x" * 4096, "too long"),
    ],
)
def test_what_is_no_indicator_is_refused(raw: str, reason: str) -> None:
    assert refused(keys.detect, raw) == reason


def test_what_is_too_long_to_be_an_indicator_is_not_refanged() -> None:
    assert keys.refang("[.]" * 2000) == "[.]" * 2000


# --- what must always hold --------------------------------------------------------------------------------------------

FRAGMENTS = [
    *"abcXYZ0129.-_@:/[](){}%#?&=+;,'\"\\<>!*~ \t\r\n\x00\x0b\x1c\x1b\x7f\x85\x9b",
    *"\u00a0\u00ad\u00df\u0130\u017f\u0301\u0345\u037e\u0661\u200b\u200c\u200d\u2028\u202e\u212a\u2488\u2764\u3002\ufeff",
    *"\uff0e\uff10\uff20\uff41\u2100\u05d0\u0645\U0001f600\ud800\udfff",
    *("http://", "https://", "ftp://", "hxxp", "[.]", "[:]", "(dot)", "[at]", " dot ", "\\.", "meow://", "xn--", "*."),
    *("example", ".com", "co.uk", "127.0.0.1", "::", "::ffff:", "2001:db8", "/24", ":80", "/tcp", "AS1", "CVE-2021-"),
    *("%2e", "%2F", "%c3%bc", "%", "/../", "/./", "mailto:", "T1059", "0x", "-", "none", "a" * 32, "0" * 64),
]
nasty = st.one_of(st.text(), st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join))
any_text = st.one_of(nasty, st.text(st.characters(codec=None, exclude_categories=()), max_size=20))
names = st.from_regex(r"([a-z0-9_]([a-z0-9_-]{0,10}[a-z0-9_])?\.){1,4}[a-z]{2,6}", fullmatch=True)
thorough = settings(max_examples=150, deadline=None)


def assert_idempotent_or_refused(function: Callable[[str], str], raw: str) -> None:
    try:
        canonical = function(raw)
    except BadValue:
        return
    assert function(canonical) == canonical


@every_function
@thorough
@given(raw=any_text)
def test_any_text_is_refused_or_has_one_form(function: Callable[[str], str], raw: str) -> None:
    assert_idempotent_or_refused(function, raw)


@thorough
@given(any_text)
def test_detect_refuses_or_gives_a_key_of_its_kind(raw: str) -> None:
    canonical = {
        "ip": keys.ip_address,
        "domain": keys.hostname,
        "email": keys.email,
        "hash": keys.digest,
        "user": keys.screen_name,
        "url": keys.url,
        "cve": keys.cve,
        "asn": keys.asn,
        "network": keys.network,
    }
    try:
        kind, key = keys.detect(raw)
    except BadValue:
        return
    assert canonical[kind](key) == key


@thorough
@given(names)
def test_spellings_of_a_name_meet(name: str) -> None:
    canonical = keys.hostname(name)
    assert canonical == name
    for spelling in (name.upper(), f" {name}.\r\n", name.replace(".", "\u3002"), name.replace(".", "[.]")):
        assert keys.hostname(keys.refang(spelling)) == canonical
    assert keys.detect(name) == ("domain", name)
    assert keys.email(f"A@{name.upper()}") == f"a@{name}"
    assert keys.url(f"HTTP://x:y@{name.upper()}.:80") == f"http://{name}/"


@thorough
@given(st.ip_addresses())
def test_spellings_of_an_address_meet(address: Any) -> None:  # noqa: ANN401 - of either version
    known = getattr(address, "ipv4_mapped", None) or address
    if known.is_unspecified:
        return
    canonical = str(known)
    for spelling in (str(address), address.exploded.upper(), f" {address}\r"):
        assert keys.ip_address(spelling) == canonical
    assert keys.detect(str(address).replace(".", "[.]")) == ("ip", canonical)


@thorough
@given(names, st.text(max_size=30), st.text(max_size=30))
@example("example.com", "a/../b", "a=b")
def test_a_url_keeps_to_what_may_stand_in_one(name: str, path: str, query: str) -> None:
    try:
        canonical = keys.url(f"http://{name}/{path}?{query}")
    except BadValue:
        return
    assert canonical.isascii()
    assert not set(canonical) & set(' \\"<>^`{|}#[]\x00\n\t')
    assert "/../" not in canonical.partition("?")[0] + "/"
    assert canonical.startswith(f"http://{name}/")


@thorough
@given(any_text)
def test_texts_can_be_written_anywhere(raw: str) -> None:
    text = keys.text(raw)
    assert len(text.encode()) <= 4 * 65_536  # no lone surrogate: it encodes
    assert not any(character < " " and character not in "\n\t" for character in text)
    try:
        item = keys.list_item(raw)
    except BadValue:
        return
    assert ";" not in item
    assert "\n" not in item
    item.encode()


# --- real replies -----------------------------------------------------------------------------------------------------


def strings_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings_in(item)
    elif isinstance(value, dict):
        yield from value
        yield from strings_in(list(value.values()))


@cache
def real_strings() -> frozenset[str]:
    """Return every string of the captured replies; the lines of those that are no JSON."""
    found: set[str] = set()
    for path in FIXTURES.rglob("*.*"):
        reply = path.read_text(errors="surrogateescape")
        try:
            found.update(strings_in(json.loads(reply)))
        except ValueError:
            found.update(reply.splitlines())
    return frozenset(found)


@every_function
def test_real_strings_are_refused_or_have_one_form(function: Callable[[str], str]) -> None:
    if not FIXTURES.is_dir():
        pytest.skip(f"no captured replies at {FIXTURES}: nothing real was tried")
    strings = real_strings()
    assert len(strings) > 50_000
    for raw in strings:
        assert_idempotent_or_refused(function, raw)


def test_kinds_of_real_strings_are_told() -> None:
    if not FIXTURES.is_dir():
        pytest.skip(f"no captured replies at {FIXTURES}: nothing real was tried")
    kinds: set[str] = set()
    for raw in real_strings():
        try:
            kinds.add(keys.detect(raw)[0])
        except BadValue as bad:
            assert len(bad.reason) < 60  # noqa: PT017 - a fixed phrase, whatever came
    assert kinds == {"ip", "domain", "email", "hash", "user", "url", "cve", "asn", "network"}


def test_a_rule_is_found_in_the_lists_text_as_among_its_rules() -> None:
    for section in _sections():
        for at, rule in enumerate(sorted(section.rules)):
            for text in (rule, f"x{rule}", f"{rule}x", rule[1:], rule[2:-1])[: 5 if at % 40 == 0 else 1]:
                section._asked = 0  # noqa: SLF001 - so that the text is looked at
                assert not text or (text in section) == (text in section.rules)


def test_public_suffixes_are_those_that_the_list_gives() -> None:
    known, icann = PublicSuffixList(), PublicSuffixList(only_icann=True)
    for rule in rules():
        base = rule.removeprefix("!").removeprefix("*.")
        for name in (base, f"a.{base}", f"b.a.{base}", f"c.b.a.{base}"):
            registered = icann.privatesuffix(name)
            expected = known.privatesuffix(name) or registered
            assert keys.is_registrable(name) == (expected == name)
            if expected is not None:
                assert keys.registrable(name) == expected
                assert keys.registered(name) == registered
