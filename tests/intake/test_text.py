"""The reader of text: what people bring, and what of it are indicators, leftovers with a reason, or prose."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intel_grapher.intake import NO_TYPOS, read

MD5 = "d195ce778dcb3eb032f7122fffaaca94"
SHA1 = "a" * 40
SHA256 = "b" * 64


def found(text: str) -> list[str]:
    """Return the mentions of a text, each as "kind key" or "kind key port"."""
    mentions = read(text).mentions
    return [f"{mention.kind} {mention.key}" + (f" {mention.port}" if mention.port else "") for mention in mentions]


def left(text: str) -> list[tuple[str, str]]:
    return [(leftover.raw, leftover.reason) for leftover in read(text).leftovers]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # URLs keep their port, path and query
        ("http://192.0.2.1:8080/bins/x", ["url http://192.0.2.1:8080/bins/x"]),
        ("https://example.org/?cb=192.0.2.4:9001", ["url https://example.org/?cb=192.0.2.4:9001"]),
        ("evil.example/path?x=1", ["url http://evil.example/path?x=1"]),
        ("192.0.2.5/path", ["url http://192.0.2.5/path"]),
        ("evil.example:8080/gate.php", ["url http://evil.example:8080/gate.php"]),
        ("http://a.example/x,http://b.example/y", ["url http://a.example/x", "url http://b.example/y"]),
        ("http://a.example/x?y=1,2;3", ["url http://a.example/x?y=1,2;3"]),
        # of other schemes, the host
        ("wss://c2.example:8443/ws", ["domain c2.example 8443"]),
        ("tcp://192.0.2.7:4444", ["ip 192.0.2.7 4444"]),
        ("ldap://evil.example/a", ["domain evil.example"]),
        # ports
        ("192.0.2.1:4444", ["ip 192.0.2.1 4444"]),
        ("[2001:db8::1]:443", ["ip 2001:db8::1 443"]),
        ("evil.example:8080", ["domain evil.example 8080"]),
        # several values, bullets, comments, punctuation
        ("a.example b.example c[.]example", ["domain a.example", "domain b.example", "domain c.example"]),
        (f"- {MD5}  name.doc", [f"hash {MD5}"]),
        (f"{MD5} *file.exe", [f"hash {MD5}"]),
        (f"{MD5};a comment", [f"hash {MD5}"]),
        (f"{SHA256},{SHA1},{MD5}", [f"hash {SHA256}", f"hash {SHA1}", f"hash {MD5}"]),
        ("1. evil.example", ["domain evil.example"]),
        ("\u2022 192.0.2.1", ["ip 192.0.2.1"]),
        ("192.0.2.1 # c2", ["ip 192.0.2.1"]),
        ("192.0.2.1\tc2", ["ip 192.0.2.1"]),
        ("192.0.2.1 // c2", ["ip 192.0.2.1"]),
        ("evil.example,a comment", ["domain evil.example"]),
        ('"evil.example";', ["domain evil.example"]),
        ("(evil.example).", ["domain evil.example"]),
        ("<http://evil.example/x>", ["url http://evil.example/x"]),
        ("see http://evil.example/a_(b).", ["url http://evil.example/a_(b)"]),
        (f"MD5: {MD5.upper()}", [f"hash {MD5}"]),
        (f"sha256={SHA256}", [f"hash {SHA256}"]),
        ("User <user@example.com>", ["email user@example.com"]),
        # other kinds
        ("192.0.2.0/24", ["network 192.0.2.0/24"]),
        ("2001:db8::/32", ["network 2001:db8::/32"]),
        ("192.0.2.0 - 192.0.2.255", ["network 192.0.2.0/24"]),
        ("192.0.2.0\t192.0.2.255\t24\tname", ["network 192.0.2.0/24"]),
        ("192.0.2.1-192.0.2.2", ["ip 192.0.2.1", "ip 192.0.2.2"]),
        ("AS64500", ["asn AS64500"]),
        ("@someone", ["user someone"]),
        ("CVE\u20112021\u201144228", ["cve CVE-2021-44228"]),
        ("CVE 2021-44228", ["cve CVE-2021-44228"]),
        ("bad.onion", ["domain bad.onion"]),
        # several addresses on a line are no range, unless they are the first and the last one of a network
        ("192.0.2.5 192.0.2.9", ["ip 192.0.2.5", "ip 192.0.2.9"]),
        ("192.0.2.5 203.0.113.9", ["ip 192.0.2.5", "ip 203.0.113.9"]),
        ("192.0.2.4 192.0.2.7 192.0.2.30", ["ip 192.0.2.4", "ip 192.0.2.7", "ip 192.0.2.30"]),
        ("192.0.2.0 255.255.255.0", ["network 192.0.2.0/24"]),
        ("ip route 192.0.2.9 255.255.255.255 Null0", ["ip 192.0.2.9"]),
        ("192.0.2.9/32", ["ip 192.0.2.9"]),
        # values in JSON, XML, HTML, Markdown; beside arrows
        ('{"domain":"a.example","ip":"192.0.2.1"}', ["domain a.example", "ip 192.0.2.1"]),
        ('{"url":"http://a.example/x?a=1,2","ip":"192.0.2.1"}', ["url http://a.example/x?a=1,2", "ip 192.0.2.1"]),
        ('<a href="http://a.example/">b.example</a>', ["url http://a.example/", "domain b.example"]),
        ("<ip>192.0.2.1</ip>", ["ip 192.0.2.1"]),
        ("[a.example](https://b.example/x)", ["domain a.example", "url https://b.example/x"]),
        ("a.example->b.example", ["domain a.example", "domain b.example"]),
        ('http://a.example/?q="x"<y>&z=1', ["url http://a.example/?q=%22x%22%3Cy%3E&z=1"]),
        ("\u201ea.example\u201c \u2039b.example\u203a", ["domain a.example", "domain b.example"]),
        ("*.a.example", ["domain a.example"]),
        (".a.example", ["domain a.example"]),
        (
            r'{"url":"http:\/\/a.example\/x","note":"b.example\nc.example","mail":"u\u0040d.example"}',
            ["url http://a.example/x", "domain b.example", "domain c.example", "email u@d.example"],
        ),
        (r'"C:\temp\b.example",192.0.2.1', ["ip 192.0.2.1"]),
        ("http://a.example/x->http://b.example/y", ["url http://a.example/x", "url http://b.example/y"]),
        ("http://a.example/x\u2192http://b.example/y", ["url http://a.example/x", "url http://b.example/y"]),
        # glued to brackets, quotes, signs
        ("a.example(192.0.2.1)", ["domain a.example", "ip 192.0.2.1"]),
        ("see 192.0.2.1[a.example] there", ["ip 192.0.2.1", "domain a.example"]),
        ("a.example's host", ["domain a.example"]),
        ("see http://a.example/it's there", ["url http://a.example/it's"]),
        ("a.example\u2014the host", ["domain a.example"]),
        (f"file.exe:{MD5}", [f"hash {MD5}"]),
        ("<a href='http://a.example/x?y=1'>b</a>", ["url http://a.example/x?y=1"]),
        ("![shot](http://a.example/x.png)", ["url http://a.example/x.png"]),
        ("seen at _a.example_ and ~~b.example~~", ["domain a.example", "domain b.example"]),
        # IPv6 that begins or ends in colons, masks, short ranges
        ("::ffff:192.0.2.1", ["ip 192.0.2.1"]),
        ("seen at ::1 today", ["ip ::1"]),
        ("192.0.2.0/255.255.255.0", ["network 192.0.2.0/24"]),
        ("192.0.2.7/255.255.255.255", ["ip 192.0.2.7"]),
        ("192.0.2.0-255", ["network 192.0.2.0/24"]),
        (f"{MD5}:1024:Trojan.A", [f"hash {MD5}"]),
        ("seen at 12:30:45 on 2024-01-02, version 1.2.3", []),
        ("e.g. this, i.e. that, U.S. only", []),
    ],
)
def test_a_line_gives_its_values(line: str, expected: list[str]) -> None:
    assert found(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0.0.0.0 a.example b.example c.example", ["domain a.example", "domain b.example", "domain c.example"]),
        ("127.0.0.1\tlocalhost", []),
        ("127.0.0.1 localhost.localdomain", []),
        (":: a.example", ["domain a.example"]),
        ("192.0.2.9 a.example", ["ip 192.0.2.9", "domain a.example"]),
        ("||ads.example^", ["domain ads.example"]),
        ("||ads.example^$third-party,important", ["domain ads.example"]),
        ("address=/bad.example/0.0.0.0", ["domain bad.example"]),
        ("server=/a.example/b.example/", ["domain a.example", "domain b.example"]),
        ("||ads.example/path^", ["url http://ads.example/path"]),
        ("@@||good.example/path^", []),
        ("bad.example CNAME .", ["domain bad.example"]),
        ("@ IN SOA localhost. root.localhost. 1 2 3 4 5", []),
        ("$ORIGIN rpz.example.", []),
        ("bad.example IN A 127.0.0.1", ["domain bad.example"]),
        ("bad.example A 192.0.2.9", ["domain bad.example", "ip 192.0.2.9"]),
        ("bad.example 300 IN CNAME .", ["domain bad.example"]),
        ("32.1.2.0.192.rpz-ip CNAME .", ["ip 192.0.2.1"]),
        ("24.0.2.0.192.rpz-ip CNAME .", ["network 192.0.2.0/24"]),
        ("128.1.zz.db8.2001.rpz-ip CNAME .", ["ip 2001:db8::1"]),
        ('local-zone: "bad.example" always_nxdomain', ["domain bad.example"]),
        ('local-data: "bad.example A 0.0.0.0"', ["domain bad.example"]),
        ("alert ip [192.0.2.1,192.0.2.2] any -> $HOME_NET any (sid:1;)", ["ip 192.0.2.1", "ip 192.0.2.2"]),
        ('alert dns any any -> any any (dns.query; content:"bad.example"; sid:2;)', ["domain bad.example"]),
        ("-A INPUT -s 192.0.2.1/32 -j DROP", ["ip 192.0.2.1"]),
        ("iptables -A INPUT -s 192.0.2.0/24 -j DROP", ["network 192.0.2.0/24"]),
        ("add blocked 192.0.2.9 timeout 0", ["ip 192.0.2.9"]),
        ("deny from 192.0.2.9;", ["ip 192.0.2.9"]),
        ("access-list 101 deny ip 192.0.2.0 0.0.0.255 any", ["network 192.0.2.0/24"]),
        ("set subnet 192.0.2.0 255.255.255.0", ["network 192.0.2.0/24"]),
        ("Some Org:192.0.2.0-192.0.2.255", ["network 192.0.2.0/24"]),
        ("192.000.002.000 - 192.000.002.255 , 000 , Some Org", ["network 192.0.2.0/24"]),
        ("||*.bad.example^", ["domain bad.example"]),
        ("host-record=bad.example,192.0.2.9", ["domain bad.example", "ip 192.0.2.9"]),
        ('alert udp any any -> any 53 (content:"|03|bad|07|example|00|"; sid:2;)', ["domain bad.example"]),
        (
            'alert tcp any any -> [192.0.2.1,!192.0.2.2] 80 (content:"a.example"; sid:1;)',
            ["ip 192.0.2.1", "domain a.example"],
        ),
        ('alert tcp any any -> ![192.0.2.1,192.0.2.2] 80 (content:!"a.example"; sid:1;)', []),
        ('$url = "http://bad.example/x" nocase', ["url http://bad.example/x"]),
    ],
)
def test_a_line_of_a_known_list_is_read_by_its_format(line: str, expected: list[str]) -> None:
    assert found(line) == expected


@pytest.mark.parametrize(
    ("line", "raw"),
    [
        ("255.255.255.255 broadcasthost", "255.255.255.255"),
        ("ff02::1 ip6-allnodes", "ff02::1"),
        ("@@||good.example^", "good.example"),
        ("good.example CNAME rpz-passthru.", "good.example"),
        ("1.0.0.1 - 200.254.253.2", "1.0.0.1 - 200.254.253.2"),
        ("192.0.2.000 - 192.0.2.255", "192.0.2.000 - 192.0.2.255"),
        ('alert tcp any any -> any 80 (content:!"good.example"; sid:1;)', "good.example"),
        ("alert tcp any any -> !192.0.2.1 80 (sid:1;)", "192.0.2.1"),
    ],
)
def test_what_a_list_does_not_report_is_left_out_with_a_reason(line: str, raw: str) -> None:
    assert found(line) == []
    assert [word for word, reason in left(line) if reason] == [raw]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hxxp[s]://evil.example/a", "url https://evil.example/a"),
        ("http(s)://evil.example", "url https://evil.example/"),
        ("hxxps[:]//evil[.]example/a", "url https://evil.example/a"),
        ("h__p__://evil.example/a", "url http://evil.example/a"),
        ("xxxx://evil.example/a", "url http://evil.example/a"),
        ("http//evil.example/a", "url http://evil.example/a"),
        ("meow://evil.example/x", "url http://evil.example/x"),
        ("http:// example.com/x", "url http://example.com/x"),
        ("user [at] example.com", "email user@example.com"),
        ("user at example dot com", "email user@example.com"),
        ("user(at)example(dot)com", "email user@example.com"),
        ("example [.] com", "domain example.com"),
        ("example dot com", "domain example.com"),
        ("https://bombay.com[.ar/x", "url https://bombay.com.ar/x"),
        ("coacalco.gob[.mx", "domain coacalco.gob.mx"),
        ("example.]com", "domain example.com"),
        ("2001[:]db8[:][:]1", "ip 2001:db8::1"),
        ("192[.]0[.]2[.]1", "ip 192.0.2.1"),
        ("evil\u3002example", "domain evil.example"),
        ("evil{dot}example", "domain evil.example"),
        ("user{at}evil{dot}example", "email user@evil.example"),
        ("evil[ . ]example", "domain evil.example"),
        (r"evil\[.\]example", "domain evil.example"),  # as Markdown escapes it
        (r"hxxp\[:\]//evil\[.\]example/a", "url http://evil.example/a"),
        ("2001[:]db8[::]1", "ip 2001:db8::1"),
        (
            "\uff48\uff54\uff54\uff50\uff1a\uff0f\uff0f\uff45\uff56\uff49\uff4c.example\uff0fa",
            "url http://evil.example/a",
        ),
        ("\uff11\uff19\uff12\uff0e\uff10\uff0e\uff12\uff0e\uff11", "ip 192.0.2.1"),
        ("user\uff20evil.example", "email user@evil.example"),
    ],
)
def test_what_was_defanged_is_read(line: str, expected: str) -> None:
    assert found(line) == [expected]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "\u57df\u540d\uff1aevil.example\uff0cIP\uff1a192.0.2.1\u3002\u968f\u540e http://a.example/x\uff0c\u6267\u884c",
            ["domain evil.example", "ip 192.0.2.1", "url http://a.example/x"],
        ),
        ("evil[.]example\u3001192[.]0[.]2[.]1", ["domain evil.example", "ip 192.0.2.1"]),
        ("\u300cevil.example\u300d\u3068\u300c192.0.2.1\u300d", ["domain evil.example", "ip 192.0.2.1"]),
        ("\u5730\u5740\u4e3a192.0.2.1:8080\uff0cMD5\uff1a" + MD5 + "\u3002", ["ip 192.0.2.1 8080", f"hash {MD5}"]),
        ("\u4e0b\u8f7dhttp://evil.example/x\u3002", ["url http://evil.example/x"]),
        ("\u6f0f\u6d1eCVE-2021-44228\u88ab\u5229\u7528", ["cve CVE-2021-44228"]),
        ("\uc11c\ubc84 evil.example\uc5d0\uc11c 192.0.2.1\ub85c", ["domain evil.example", "ip 192.0.2.1"]),
        ("evil.example\u060c \u0648 192.0.2.1", ["domain evil.example", "ip 192.0.2.1"]),
        # a full stop without a space behind it makes no name
        ("\u042d\u0442\u043e \u0441\u0435\u0440\u0432\u0435\u0440.\u0417\u0430\u0442\u0435\u043c", []),
        ("Ein Satz.\u00d6l und caf\u00e9.\u00c9t\u00e9", []),
        # names in their own script stay
        ("\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444", ["domain xn--e1afmkfd.xn--p1ai"]),
    ],
)
def test_a_text_in_another_script_gives_its_values_and_no_others(line: str, expected: list[str]) -> None:
    assert found(line) == expected
    assert [f"{each.kind} {each.key}" + (f" {each.port}" if each.port else "") for each in
            read(line, is_document=True).mentions] == expected  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"imphash: {MD5}", "a fingerprint, and no file's digest"),
        (f"ja3={MD5}", "a fingerprint, and no file's digest"),
        (f"serial number: {MD5}", "a fingerprint, and no file's digest"),
        ("Version: 10.0.0.1", "a version's number"),
        ("Message-ID: <20240101.1@mail.example>", "a message's id, not an address"),
        ("see http://evil.example/long... there", "a value that may be cut off"),
        ("see evil.example\u2026 there", "a value that may be cut off"),
        ("a call of f(window.name) there", "a name beside other signs; write it apart if it is meant"),
        ("\u5728 \u57df\u540devil.example \u4e0a", "a name with a word of another script before it; write it apart"),
        ("192.0.2.*", "an address with a part left out"),
    ],
)
def test_what_stands_around_a_value_may_say_that_it_is_none(line: str, reason: str) -> None:
    assert found(line) == []
    assert [why for _, why in left(line)] == [reason]
    assert reason in NO_TYPOS or reason.startswith("an address")


@pytest.mark.parametrize("line", ["look at the dot com bubble", "un DOT de mots", "http!://example", "fooDOTcom"])
def test_what_is_ambiguous_stays_text(line: str) -> None:
    assert found(line) == []


@pytest.mark.parametrize(
    ("line", "raw", "reason"),
    [
        ("it runs rundll32.exe here", "rundll32.exe", "a file name"),
        ("it drops setup.zip there", "setup.zip", "a file name or a domain; write it defanged or as a URL"),
        ("seen at 203.0.113.x today", "203.0.113.x", "an address with a part left out"),
        (f"{MD5}0", f"{MD5}0", "33 hex digits, which no digest has"),
        ("192.0.2.1:99999", "192.0.2.1:99999", "an impossible port"),
        ("exmaple..com", "exmaple..com", "an empty label"),
        ("192.0.2.999", "192.0.2.999", "an impossible address"),
        ("xmlhttp.onreadystatechange", "xmlhttp.onreadystatechange", "onreadystatechange is no top-level domain"),
    ],
)
def test_what_looks_like_a_value_and_is_none_is_left_out_with_a_reason(line: str, raw: str, reason: str) -> None:
    assert found(line) == []
    [(word, why)] = left(line)
    assert (word, why.startswith(reason)) == (raw, True), why


def test_an_extension_that_is_a_top_level_domain_goes_by_its_company() -> None:
    assert found("a.example\nb.example\nsetup.zip\n") == ["domain a.example", "domain b.example", "domain setup.zip"]
    assert found("report.pdf\nsetup.zip\n") == []
    assert [raw for raw, _ in left("report.pdf\nsetup.zip\n")] == ["report.pdf", "setup.zip"]
    assert found("setup[.]zip") == ["domain setup.zip"]


def test_a_word_without_the_shape_of_a_value_is_a_fault_in_a_list_and_prose_in_a_text() -> None:
    assert left("evil.example\nexample\n192.0.2.1\n") == [("example", "not an indicator")]
    assert left("Summary\n\nThe server evil.example was seen in May.\n\nIndicators\n\nevil.example\n") == []


def test_comments_are_counted_as_prose() -> None:
    reading = read("# C2 servers of 2024\n; more\n! of adblock\n\nevil.example\n")
    assert ([mention.key for mention in reading.mentions], reading.leftovers) == (["evil.example"], [])
    assert reading.prose == 10  # the marks are words as well


def test_each_value_has_its_line() -> None:
    reading = read("evil.example\r\n\r\n192.0.2.1 report.pdf\r\n")
    assert [(mention.key, mention.line) for mention in reading.mentions] == [("evil.example", 1), ("192.0.2.1", 3)]
    assert [leftover.line for leftover in reading.leftovers] == [3]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_any_encoding_gives_the_same(encoding: str) -> None:
    text = "evil.example # r\u00e9sum\u00e9\r\n192.0.2.1\r\n"
    assert [mention.key for mention in read(text.encode(encoding)).mentions] == ["evil.example", "192.0.2.1"]


@given(st.one_of(st.binary(max_size=400), st.text(max_size=400)))
def test_nothing_is_raised_for_any_content(content: bytes | str) -> None:
    read(content)


VALUES = st.sampled_from(["evil.example", "192.0.2.1", MD5, "user@example.com", "http://a.example/b"])


@given(st.lists(VALUES, max_size=20))
def test_the_order_of_the_text_is_kept(values: list[str]) -> None:
    assert [mention.key for mention in read("\n".join(values)).mentions] == values
    assert [mention.key for mention in read(" , ".join(values)).mentions] == values


@pytest.mark.parametrize(
    ("line", "listed"),
    [
        ("192.0.2.0\t192.0.2.255\t24\tNAME\tabuse@isp.example", ["abuse@isp.example"]),
        ("@@||good.example/path^", ["good.example/path"]),
        ("bad.example IN A 127.0.0.1", ["127.0.0.1"]),
        ("@ IN NS ns.rpz.example.", ["ns.rpz.example."]),
        ("all of 192.0.2.5-192.0.2.9 today", ["192.0.2.5-192.0.2.9"]),
        ("the mask is 255.255.255.255 or 0.0.0.255", ["255.255.255.255", "0.0.0.255"]),
    ],
)
def test_what_looks_like_a_value_and_is_no_indicator_is_listed(line: str, listed: list[str]) -> None:
    leftovers = read(line).leftovers
    assert [leftover.raw for leftover in leftovers] == listed
    assert {leftover.reason for leftover in leftovers} <= NO_TYPOS  # no list stops a fetch for it


def test_a_long_line_of_digits_and_colons_takes_no_longer_than_another() -> None:
    began = time.process_time()
    assert read(("a" * 32 + ":1:") * 1500).mentions
    assert time.process_time() - began < 2  # it was 6 s, and four times as much for twice the length


@pytest.mark.parametrize("piece", ["x", "a.", "(", "1.2:"])
def test_a_long_line_without_a_value_takes_no_longer_than_another(piece: str) -> None:
    began = time.process_time()
    assert read(piece * (200_000 // len(piece))).mentions == []
    assert time.process_time() - began < 5  # it was 10 s, and four times as much for twice the length
