"""The schema is sound, and a mapping that joins the wrong kinds, or in the wrong order, is refused twice over."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from intel_grapher import schema
from intel_grapher.errors import BadValue, SourceError
from intel_grapher.model import Facts, Kind, Label, Merge, Property, Relationship, Type
from intel_grapher.schema import (
    ASSOCIATED,
    HOSTNAME,
    HOSTS,
    OWNS,
    RESOLVES,
    SAME_FILE,
    Address,
    Digest,
    DomainName,
    EmailAddress,
    Hostname,
    SubdomainName,
    Term,
)
from intel_grapher.source import Endpoint, Rate, Source
from intel_grapher.transform.facts import Batch, Reply

MOMENT_RULES = {"first_seen": Merge.MIN, "last_seen": Merge.MAX, "fetched_at": Merge.MAX}

every_label = pytest.mark.parametrize("label", schema.LABELS.values(), ids=list(schema.LABELS))
every_relationship = pytest.mark.parametrize("type_", schema.RELATIONSHIPS.values(), ids=list(schema.RELATIONSHIPS))

# --- the schema as data -----------------------------------------------------------------------------------------------


@every_label
def test_a_label_is_whole(label: Label) -> None:
    names = [label.key, *(each.name for each in label.properties)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", each) for each in names)
    assert re.fullmatch(r"[A-Z][A-Za-z]*", label.name)
    assert re.fullmatch(r"#[0-9A-F]{6}", label.colour)
    assert label.doc.endswith(".")
    assert any(label in kind.labels for kind in schema.KINDS.values()), "no raw string can become such a node"


@every_relationship
def test_a_relationship_type_is_whole(type_: Relationship[Any, Any]) -> None:
    names = [each.name for each in type_.properties]
    assert len(names) == len(set(names))
    assert not {"start", "end"} & set(names)
    assert re.fullmatch(r"[A-Z][A-Z_]*", type_.type)
    assert type_.doc.endswith(".")
    assert type_.joins
    assert all(start.name in schema.LABELS and end.name in schema.LABELS for start, end in type_.joins)
    assert not type_.both_ways or type_.start is type_.end


@pytest.mark.parametrize("owner", [*schema.LABELS.values(), *schema.RELATIONSHIPS.values()], ids=lambda each: each.doc)
def test_everything_tells_who_says_so_and_since_when(owner: Label | Relationship[Any, Any]) -> None:
    merges = {each.name: each.merge for each in owner.properties}
    assert merges["sources"] is Merge.UNION
    assert {name: merges[name] for name in MOMENT_RULES} == MOMENT_RULES


def test_a_list_is_united_and_nothing_else_is() -> None:
    for owner in (*schema.LABELS.values(), *schema.RELATIONSHIPS.values()):
        properties: tuple[Property, ...] = owner.properties  # type: ignore[attr-defined]
        for each in properties:
            assert (each.type is Type.TEXTS) == (each.merge is Merge.UNION), each


# --- refused by the type checker --------------------------------------------------------------------------------------


KINDS = [*schema.KINDS.values(), *({schema.ANY_NODE} - set(schema.KINDS.values()))]


def fits(kind: Kind[Any], wanted: Kind[Any]) -> bool:
    """Tell whether a string of one kind may stand where another kind is wanted."""
    if schema.ANY_NODE in (kind, wanted):  # its strings name the label before the key: no other kind's do
        return kind is wanted
    return bool(kind.labels) and set(kind.labels) <= set(wanted.labels)


def static(kind: Kind[Any]) -> str:
    """Return the name of a kind's static type."""
    return "AnyNode" if kind is schema.ANY_NODE else str(getattr(kind.type, "__name__", ""))


def joined(start: str, end: str) -> Iterator[tuple[str, bool]]:
    """Yield a line of code for every relationship type and every kind at either end, and whether it must pass."""
    for name, what in vars(schema).items():
        if not isinstance(what, Relationship):
            continue
        right_start, right_end = (
            next(each for each in KINDS if fits(each, wanted)) for wanted in (what.start, what.end)
        )
        for kind in KINDS:
            yield f"{name}.each({start}{static(kind)}, {end}{static(right_end)})", fits(kind, what.start)
            yield f"{name}.each({start}{static(right_start)}, {end}{static(kind)})", fits(kind, what.end)


def wrong_lines(code: str, folder: Path) -> set[int]:
    """Return the lines of a module in which mypy strict finds an error."""
    path = folder / "joined.py"
    path.write_text(code)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--config-file",
        "pyproject.toml",
        str(path),
    ]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = re.findall(r"joined\.py:(\d+): error", told.stdout)
    assert len(found) == told.stdout.count(": error"), told.stdout[:2000]  # none in our own modules
    assert not told.stderr
    return {int(number) for number in found}


def test_mypy_refuses_every_wrong_join_and_no_right_one(tmp_path: Path) -> None:
    ways = (("a", "a"), ("a", "some"), ("some", "a"), ("some", "some"))
    lines = [line for start, end in ways for line in joined(start, end)]
    head = ["from intel_grapher.schema import *"]
    head += [f"a{each}: {each}; some{each}: list[{each}]" for each in map(static, KINDS)]
    wrong = wrong_lines("\n".join([*head, *(code for code, _ in lines)]) + "\n", tmp_path)
    must = {number for number, (_, passes) in enumerate(lines, start=len(head) + 1) if not passes}
    by_number = dict(enumerate((code for code, _ in lines), start=len(head) + 1))
    assert [by_number[each] for each in sorted(must - wrong)] == [], "these pass and should not"
    assert [by_number.get(each, head) for each in sorted(wrong - must)] == [], "these should pass"
    assert len(must) > len(lines) / 2


def test_mypy_refuses_plain_text_and_facts_of_the_wrong_kind(tmp_path: Path) -> None:
    code = """
from intel_grapher.schema import *
def right(name: Hostname, domain: DomainName, address: Address, file: Digest, mail: EmailAddress) -> None:
    RESOLVES.each(name, address)
    RESOLVES.each(domain, [address], last_resolved=["2026-01-01"])
    ASSOCIATED.each(address, [file])
    HOSTNAME.each([name, domain], votes=1)
    RESOLVES.each(address, name)
    RESOLVES.each(name, "192.0.2.1")
    RESOLVES.each("example.com", address)
    RESOLVES.each(name, ["192.0.2.1"])
    ASSOCIATED.each(file, name)
    OWNS.each(mail, name)
    HOSTNAME.each(address)
    ADDRESS.each([name])
"""
    assert wrong_lines(code, tmp_path) == set(range(8, 16))


# --- refused at run time ----------------------------------------------------------------------------------------------


def endpoint_of(facts: Facts) -> Endpoint:
    source = Source("made_up", title="Made up", home="https://made-up.example", limits=(Rate(1),))

    @source.get("/{key}")
    def anything(_asked: Term, _reply: dict[str, Any]) -> Facts:
        """Anything."""
        yield from facts

    return source.endpoints["anything"]


def outcome(*facts: Any) -> tuple[dict[str, list[Any]], list[tuple[str, str]]]:  # noqa: ANN401 - facts of any kind
    batch = Batch(endpoint_of(iter(facts)), 0)
    batch.add(Reply("term", 0, 200, b"{}"))
    tables = {str(group): table.to_pylist() for group, table in batch.tables()}
    return tables, [(each.value, each.reason) for each in batch.rejects]


WRONG = (
    (RESOLVES.each(Hostname("192.0.2.1"), Address("192.0.2.1")), "192.0.2.1", "an IP address"),
    (RESOLVES.each(Hostname("example.com"), Address("example.org")), "example.org", "not an IP address"),
    (ASSOCIATED.each(Hostname("example.com"), Digest("example.com")), "example.com", "not a hash"),
    (OWNS.each(EmailAddress("a@example.com"), DomainName(Hostname("www.example.com"))), "www.example.com", ""),
    (HOSTS.each(DomainName(Hostname("example.com")), SubdomainName(Hostname("example.com"))), "example.com", ""),
    (
        HOSTS.each(DomainName(Hostname("example.com")), SubdomainName(Hostname("www.example.org"))),
        "www.example.org",
        "a name that does not lie beneath the domain",
    ),
)


@pytest.mark.parametrize(("fact", "value", "reason"), WRONG, ids=[each[2] or str(i) for i, each in enumerate(WRONG)])
def test_a_wrong_join_is_a_reject_and_never_a_fact(fact: object, value: str, reason: str) -> None:
    tables, rejects = outcome(fact)
    assert tables == {}
    assert [each[0] for each in rejects] == [value]
    assert reason in rejects[0][1]
    assert rejects[0][1]


def test_what_is_right_beside_it_stays() -> None:
    addresses = [Address("192.0.2.1"), Address("-"), Address("192.0.2.2")]
    tables, rejects = outcome(RESOLVES.each(Hostname("example.com"), addresses))
    assert [row["end"] for row in tables["Domain-RESOLVES-IPAddress"]] == ["192.0.2.1", "192.0.2.2"]
    assert rejects == [("-", "placeholder")]


def test_what_goes_both_ways_is_stored_once_in_canonical_order() -> None:
    md5, sha1 = Digest("d" * 32), Digest("a" * 40)
    tables, rejects = outcome(SAME_FILE.each(md5, [sha1, md5]), SAME_FILE.each(sha1, md5))
    assert [(row["start"], row["end"]) for row in tables["Hash-SAME_FILE-Hash"]] == [(sha1, md5)] * 2
    assert rejects == []


def test_a_property_that_the_schema_does_not_have_is_the_sources_fault() -> None:
    with pytest.raises(SourceError, match="RESOLVES no property 'colour'"):
        RESOLVES.each(Hostname("example.com"), Address("192.0.2.1"), colour="red")
    with pytest.raises(SourceError, match="no property 'registrar'"):
        HOSTNAME.each(Hostname("www.example.com"), registrar="x")


def test_lists_of_different_length_are_the_sources_fault() -> None:
    names, addresses = [Hostname("example.com")] * 2, [Address("192.0.2.1")] * 3
    with pytest.raises(SourceError, match="different length"):
        outcome(RESOLVES.each(names, addresses))
    with pytest.raises(SourceError, match="another length"):
        outcome(RESOLVES.each(names[0], addresses, last_resolved=["2026-01-01"]))


def test_a_relationship_type_may_start_at_one_kind_alone() -> None:
    named = schema.REPORTED_IN.starting(schema.CERTIFICATE_ID)
    assert named.base is schema.RELATIONSHIPS["REPORTED_IN"]
    assert named.starting(schema.DIGEST).base is named.base
    assert {start.name for start, _ in named.joins} == {"Certificate"}
    with pytest.raises(SourceError, match="REPORTED_IN does not start at a note"):
        schema.REPORTED_IN.starting(schema.NOTE_ID)


def test_a_digest_belongs_to_its_algorithm() -> None:
    assert schema.DIGEST_BY["sha1"].resolve("A" * 40) == (schema.LABELS["Hash"], "a" * 40)
    with pytest.raises(BadValue, match="another algorithm"):
        schema.DIGEST_BY["sha1"].resolve("a" * 32)


def test_a_twitter_user_among_indicators_is_told_by_its_at() -> None:
    assert schema.REPORTED.resolve("@Example") == (schema.LABELS["TwitterUser"], "example")
    with pytest.raises(BadValue):
        schema.REPORTED.resolve("example")
