"""The judgement: an analyst's verdict first, then the worst that is said; who says nothing says nothing."""

from __future__ import annotations

import pytest

from intel_grapher import schema
from intel_grapher.judgement import Related, Told, judge
from intel_grapher.labels import DOMAIN, HASH, IP_ADDRESS


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("malicious", 9, "malicious"),
        ("malicious", 1, "suspicious"),
        ("malicious", 0, "unknown"),
        ("votes", -1, "suspicious"),
        ("votes", 0, "unknown"),
        ("votes", 1, "benign"),
        ("reputation", -3, "suspicious"),
        ("classification", "benign", "benign"),
        ("classification", "unknown", "unknown"),
        ("abuse_score", 75, "malicious"),
        ("abuse_score", 24, "unknown"),
        ("country", "XX", "unknown"),
        ("no_such_property", 1, "unknown"),
    ],
)
def test_what_a_value_says(name: str, value: object, word: str) -> None:
    judged = judge(IP_ADDRESS, [Told(name, value, ("someone",), "2026-01-02T00:00:00Z")], [])
    assert judged.word == word
    assert [(it.sources, it.at[:10]) for it in judged.why] == (
        [] if word == "unknown" else [(("someone",), "2026-01-02")]
    )


def test_the_worst_counts_and_an_analyst_before_all() -> None:
    told = [Told("votes", 1, ("threatcrowd",)), Told("malicious", 4, ("virustotal",))]
    assert judge(DOMAIN, told, []).word == "malicious"
    notes = [Told("verdict", "benign", ("ana",)), Told("verdict", "malicious", ("ben",))]
    judged = judge(DOMAIN, told, [], notes)
    assert (judged.word, judged.why[0].sources) == ("benign", ("ana",))
    assert judge(DOMAIN, told, [], [Told("verdict", "unknown", ("ana",))]).word == "unknown"


def test_relationships_are_one_statement_each() -> None:
    type_ = schema.DETECTED_AS.type
    related = [Related(type_, "->", f"Malware.{n}", (f"s{n % 2}",), f"2026-01-0{n + 1}") for n in range(5)]
    related += [Related(type_, "<-", "other", ("s9",), "2027"), Related("NO_SUCH_TYPE", "->", "x", ())]
    judged = judge(HASH, [], related)
    assert judged.word == "malicious"
    assert [(it.text, it.sources, it.at) for it in judged.why] == [
        ("detected as Malware.0, Malware.1, Malware.2 and 2 more", ("s0", "s1"), "2026-01-05")
    ]
    braces = judge(HASH, [], [Related(type_, "->", "{evil} {0}", ("s",))])
    assert braces.why[0].text == "detected as {evil} {0}"
