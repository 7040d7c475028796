"""CIRCL Passive DNS: a real reply and a sample, worked out by hand."""

from __future__ import annotations

from replies import edge, fixture, node, sample, told


def test_a_real_reply() -> None:
    path = "circl_pdns/pdns_query/www.circl.lu__01Oct2019_534.ndjson"
    found = told("circl_pdns", "pdns_query", "www.circl.lu", fixture(path))
    name = "SubDomain www.circl.lu"
    assert found.nodes - {node(name)} == set()
    assert found.rejects == set()
    assert found.edges == {
        edge(
            name, "ALIAS_OF", "SubDomain cpab.circl.lu",
            first_seen="2016-10-07T07:26:02Z", last_seen="2018-10-30T00:56:36Z",
        ),
        edge(
            name, "ALIAS_OF", "SubDomain cpa.circl.lu",
            first_seen="2011-02-22T18:06:42Z", last_seen="2012-02-14T09:31:34Z",
        ),
        edge(
            name, "RESOLVES", "IPAddress 194.154.205.24",
            first_seen="2011-02-22T18:13:37Z", last_seen="2011-03-04T18:41:17Z", last_resolved="2011-03-04T18:41:17Z",
        ),
    }  # fmt: skip


def test_several_values_and_an_exchanger() -> None:
    found = told("circl_pdns", "pdns_query", "example.com", sample("circl_pdns", "pdns_query", "example.com"))
    assert {each[:3] for each in found.edges} == {
        ("Domain example.com", "RESOLVES", "IPAddress 192.0.2.10"),
        ("Domain example.com", "RESOLVES", "IPAddress 2001:db8::5"),
        ("Domain example.com", "RESOLVES", "IPAddress 2001:db8::6"),
        ("SubDomain login.example.com", "ALIAS_OF", "Domain example.com"),
        ("Domain example.com", "MAIL_SERVER", "SubDomain mail.example.com"),
        ("Domain example.com", "NAME_SERVER", "SubDomain ns1.lantern-dns.example"),
    }
    assert found.rejects == {("$[5].rdata", "0.0.0.0", "placeholder")}  # noqa: S104 - as it came


def test_names_and_values_the_other_way_round_as_the_service_s_own_page_has_them() -> None:
    lines = (
        b'{"rrtype":"A","rrname":"192.0.2.10","rdata":"example.com","time_first":"1696798385","time_last":"1697890824"}',
        b'{"rrtype":"AAAA","rrname":"2001:db8::5","rdata":"example.com"}',
        b'{"rrtype":"MX","rrname":"10 mail.example.com","rdata":"example.com"}',
        b'{"rrtype":"NS","rrname":"ns1.lantern-dns.example","rdata":"example.com"}',
    )
    found = told("circl_pdns", "pdns_query", "example.com", b"\n".join(lines))
    first, last = "2023-10-08T20:53:05Z", "2023-10-21T12:20:24Z"
    assert found.edges == {
        edge(
            "Domain example.com", "RESOLVES", "IPAddress 192.0.2.10",
            first_seen=first, last_seen=last, last_resolved=last,
        ),
        edge("Domain example.com", "RESOLVES", "IPAddress 2001:db8::5"),
        edge("Domain example.com", "MAIL_SERVER", "SubDomain mail.example.com"),
        edge("Domain example.com", "NAME_SERVER", "SubDomain ns1.lantern-dns.example"),
    }  # fmt: skip
    assert found.rejects == set()
    found = told("circl_pdns", "pdns_query", "example.com", lines[3])  # without an address it can't be known
    assert found.edges == {edge("SubDomain ns1.lantern-dns.example", "NAME_SERVER", "Domain example.com")}


def test_no_line_is_nothing_found() -> None:
    assert told("circl_pdns", "pdns_query", "harmless.example", b"").outcome == "not found"
    torn = told("circl_pdns", "pdns_query", "example.com", b'{"rrname":"example.com","rrtype":"A","rda')
    assert (torn.outcome, torn.edges) == ("unreadable", set())
