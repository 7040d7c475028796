"""OpenIOC: what indicators of both versions tell, and XML that is refused."""

from __future__ import annotations

import pytest
from replies import RecordingGraph, edge, node, sample, told

from intel_grapher.reading import read
from intel_grapher.sources.openioc import recognise, source
from intel_grapher.verdict import judged

OLD = "0000000d-0000-4000-8000-000000000010"
MD5, SHA1 = "c" * 32, "b" * 40


@pytest.fixture(scope="module")
def old() -> RecordingGraph:
    return told("openioc", "indicator", OLD, sample("openioc", "indicator", OLD))


def test_terms_are_indicators_and_what_an_and_joins_is_one_file(old: RecordingGraph) -> None:
    report, page = f"Report openioc:{OLD}", "https://blog.example/examplerat"
    said = {"comments": ("Made up by this project.",)}
    url = "URL http://example.com/drop.exe?a=1&b=2"
    named = (
        "SubDomain c2.example.org",
        "Domain example.net",
        "IPAddress 192.0.2.10",
        url,
        f"Hash {MD5}",
        f"Hash {SHA1}",
    )
    assert old.edges == {
        *(edge(each, "REPORTED_IN", report, **said) for each in named),
        edge(url, "ON", "Domain example.com"),
        edge("IPAddress 192.0.2.10", "EXPOSES", "Service 192.0.2.10:8080"),
        edge(f"Hash {SHA1}", "SAME_FILE", f"Hash {MD5}"),
        edge(report, "BLAMES", "Group Example Spider"),
        edge(report, "CONCERNS", "Malware ExampleRAT"),
        edge(report, "CITES", f"Report {page}"),
    }
    created = "2026-03-01T09:00:00Z"
    assert node(report, title="EXAMPLERAT (BACKDOOR)", created=created, links=(page,)) in old.nodes
    assert node(f"Hash {MD5}", names=("drop.exe",)) in old.nodes


def test_what_names_no_indicator_is_listed(old: RecordingGraph) -> None:
    new = told("openioc", "indicator", "senders", sample("openioc", "indicator", "senders"))
    assert {(value, reason) for _, value, reason in old.rejects | new.rejects} == {
        ("/gate.php", "a term that names no indicator"),
        ("CurrentVersion\\Run\\Example", "a term that names no indicator"),
        ("drop.exe", "a term that names no indicator"),
        ("1" * 32, "a term that says what is not there"),
        ("good.example.org", "a term that says what is not there"),
        (".*\\.example\\.org", "a term that is more than equality"),
        ("Untested", "a link of a kind that is not read"),
    }
    report = "Report openioc:0000000e-0000-4000-8000-000000000011"
    assert {each[:3] for each in new.edges} == {
        ("Email sender@example.com", "REPORTED_IN", report),
        (f"Hash {'a' * 64}", "REPORTED_IN", report),
        (report, "CITES", "Report https://blog.example/senders"),
    }


ROOT = '<ioc id="x" xmlns="http://schemas.mandiant.com/2010/ioc">'
ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (f'<!DOCTYPE ioc [<!ENTITY e0 "x">{ENTITIES}]>{ROOT}&e8;</ioc>', "XML with a document type, which is not read"),
        (f'<!DOCTYPE ioc SYSTEM "file:///etc/passwd">{ROOT}</ioc>', "XML with a document type, which is not read"),
        (f"{ROOT}&other;</ioc>", "not XML"),
        (f"{ROOT}<Indicator>", "not XML"),
        ('<?xml version="1.0" encoding="no-such"?><ioc/>', "not XML"),
        ("<html><body/></html>", "XML of another kind: an ioc or OpenIOC element is wanted"),
        ("", "not XML"),
    ],
)
def test_what_is_refused_and_why(body: str, reason: str) -> None:
    assert judged(source.endpoint("indicator"), 200, body.encode()).reason == reason


def test_deep_xml_and_other_encodings_are_read() -> None:
    endpoint = source.endpoint("indicator")
    assert endpoint is not None
    term = '<IndicatorItem condition="is"><Context search="DnsEntryItem/Host"/><Content>d.example.org</Content>'
    opened, closed = '<Indicator operator="OR">' * 50_000, "</Indicator>" * 50_000
    deep = f"{ROOT}{opened}{term}</IndicatorItem>{closed}</ioc>"
    for encoded in (deep.encode(), f'<?xml version="1.0" encoding="UTF-16"?>{deep}'.encode("utf-16")):
        reply, faults = read(endpoint, encoded)
        assert ([each.content for each in reply.terms], faults) == (["d.example.org"], [])


def test_an_indicator_is_known_by_its_form() -> None:
    assert recognise(sample("openioc", "indicator", OLD)) == OLD
    assert recognise(sample("openioc", "indicator", "senders")) == "0000000e-0000-4000-8000-000000000011"
    assert recognise(b'<ioc id="x"/>') is None
    assert recognise(b"{}") is None
