"""DNS over HTTPS: real replies and one of each kind, worked out by hand."""

from __future__ import annotations

import json

from replies import edge, fixture, node, told


def test_an_answer_to_any_question_has_signatures_beside_its_records() -> None:
    found = told("doh", "resolve", "example.com", fixture("doh_google/resolve/resolve_example.com__01Jan2024_387.json"))
    assert found.nodes == {node("Domain example.com")}
    assert found.edges == {edge("Domain example.com", "RESOLVES", "IPAddress 93.184.216.34")}
    assert found.rejects == set()


def test_an_exchanger_that_takes_no_mail_is_none() -> None:
    found = told("doh", "resolve", "example.com", fixture("doh_google/resolve/resolve_example.com__03Dec2023_381.json"))
    assert (found.nodes, found.edges, found.rejects) == ({node("Domain example.com")}, set(), set())


def test_each_step_of_a_chain_of_aliases() -> None:
    answer = [
        {"name": "www.example.com.", "type": 5, "data": "cdn.example.net."},
        {"name": "cdn.example.net.", "type": 1, "data": "192.0.2.1"},
        {"name": "cdn.example.net.", "type": 28, "data": "2001:db8::1"},
        {"name": "example.com.", "type": 15, "data": "10 mail.example.com."},
        {"name": "example.com.", "type": 2, "data": "ns1.example.net."},
        {"name": "www.example.com.", "type": 5, "data": "WWW.example.com."},
    ]
    body = {"Status": 0, "Question": [{"name": "www.example.com.", "type": 255}], "Answer": answer}
    found = told("doh", "resolve", "www.example.com", json.dumps(body).encode())
    www, cdn = "SubDomain www.example.com", "SubDomain cdn.example.net"
    assert found.nodes == {node(www)}
    assert found.edges == {
        edge(www, "ALIAS_OF", cdn),
        edge(cdn, "RESOLVES", "IPAddress 192.0.2.1"),
        edge(cdn, "RESOLVES", "IPAddress 2001:db8::1"),
        edge("Domain example.com", "MAIL_SERVER", "SubDomain mail.example.com"),
        edge("Domain example.com", "NAME_SERVER", "SubDomain ns1.example.net"),
    }
    assert {each[2] for each in found.rejects} == {"a relationship of a thing with itself"}


def test_a_name_that_does_not_exist() -> None:
    assert told("doh", "resolve", "gone.example", b'{"Status": 3, "Question": []}').outcome == "not found"
