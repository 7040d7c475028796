from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from campaign import campaign
from transforming import transform

from intel_grapher.analyst import journal
from intel_grapher.analyst.entries import (
    AnalystEntry,
    NodeEntry,
    NoteEntry,
    RelationshipEntry,
    SameAsEntry,
    TagEntry,
    TakeOutEntry,
    UndoEntry,
    VerdictEntry,
)
from intel_grapher.analyst.journal import StoredEntry
from intel_grapher.cache import Cache
from intel_grapher.errors import UsageError
from intel_grapher.files import Files, Group
from intel_grapher.model import NodeRef
from intel_grapher.transform import Options

RESOLVES = Group("Domain", "RESOLVES", "IPAddress")
EXAMPLE, ADDRESS = NodeRef("Domain", "example.com"), NodeRef("IPAddress", "192.0.2.10")


class Case:
    """A cache with the samples of one source, and what an analyst says of them."""

    def __init__(self, folder: Path, memory: int) -> None:
        self.folder = campaign(folder, sources="threatcrowd", load=False)
        self.options = Options(formats=("parquet",), processes=1, memory=memory)
        self.changed = True

    def say(self, entry: AnalystEntry) -> StoredEntry:
        self.changed = True
        with Cache(self.folder / "data") as cache:
            return journal.keep(cache, entry)

    def rows(self, group: Group) -> list[dict[str, object]]:
        if self.changed:
            with Cache(self.folder / "data") as cache:
                transform(cache, self.folder / "import", self.options)
        self.changed = False
        path = Files(self.folder / "import").path(group, "parquet")
        return list(pq.read_table(path).to_pylist()) if path.exists() else []

    def pairs(self, group: Group) -> set[tuple[object, object]]:
        return {(row["start"], row["end"]) for row in self.rows(group)}

    def keys(self, label: str, key: str) -> set[object]:
        return {row[key] for row in self.rows(Group(label))}


@pytest.fixture(params=[1 << 30, 1 << 11], ids=["", "in many ranges"])
def case(tmp_path: Path, request: pytest.FixtureRequest) -> Case:
    return Case(tmp_path, request.param)


def test_what_is_added_is_a_fact_that_survives_a_rebuild(case: Case) -> None:
    case.say(
        RelationshipEntry(
            author="ana",
            start=NodeRef("Domain", "New[.]Example"),
            type="RESOLVES",
            end=NodeRef("IPAddress", "192.0.2.77"),
        )
    )
    assert ("new.example", "192.0.2.77") in case.pairs(RESOLVES)
    row = next(each for each in case.rows(Group("Domain")) if each["name"] == "new.example")
    assert row["sources"] == ["analyst"]


def test_a_note_has_its_author_and_its_node(case: Case) -> None:
    kept = case.say(NoteEntry(author="ana", about=EXAMPLE, text="<b>see</b> the report"))
    note = next(each for each in case.rows(Group("Note")) if each["id"] == kept.id)
    assert (note["author"], note["text"]) == ("ana", "<b>see</b> the report")
    assert (kept.id, "example.com") in case.pairs(Group("Note", "ABOUT", "Domain"))


def test_what_is_taken_out_is_gone_until_that_is_undone_and_again_when_the_undo_is(case: Case) -> None:
    pair = ("example.com", "192.0.2.10")
    assert pair in case.pairs(RESOLVES)
    out = case.say(TakeOutEntry(author="ana", start=EXAMPLE, type="RESOLVES", end=ADDRESS))
    assert pair not in case.pairs(RESOLVES)
    assert "example.com" in case.keys("Domain", "name")
    undo = case.say(UndoEntry(author="ana", undoes=out.id))
    assert pair in case.pairs(RESOLVES)
    case.say(UndoEntry(author="ana", undoes=undo.id))
    assert pair not in case.pairs(RESOLVES)


def test_a_node_taken_out_takes_its_relationships_along(case: Case) -> None:
    case.say(TakeOutEntry(author="ana", node=ADDRESS))
    assert "192.0.2.10" not in case.keys("IPAddress", "address")
    groups = [Group.parse(path.stem) for path in (case.folder / "import" / "relationships").glob("*.parquet")]
    sides = {("start", each.start) for each in groups} | {("end", each.end) for each in groups}
    assert ("end", "IPAddress") in sides
    for group in groups:
        for pair in case.pairs(group):
            assert "192.0.2.10" not in pair


def test_an_entry_that_is_undone_gives_no_facts(case: Case) -> None:
    kept = case.say(NodeEntry(author="ana", label="Domain", key="mistake.example"))
    assert "mistake.example" in case.keys("Domain", "name")
    case.say(UndoEntry(author="ana", undoes=kept.id))
    assert "mistake.example" not in case.keys("Domain", "name")


def test_two_nodes_that_are_one_have_their_relationships_together(case: Case) -> None:
    before = case.pairs(RESOLVES)
    other = {end for start, end in before if start == "invoice-portal.example"}
    case.say(SameAsEntry(author="ana", one=EXAMPLE, other=NodeRef("Domain", "invoice-portal.example")))
    after = case.pairs(RESOLVES)
    assert {end for start, end in after if start == "example.com"} >= other
    assert not any(start == "invoice-portal.example" for start, _ in after)
    assert "invoice-portal.example" not in case.keys("Domain", "name")


def test_chains_and_rings_of_nodes_that_are_one_end_in_one(case: Case) -> None:
    names = ["a.example", "b.example", "c.example"]
    for name in names:
        case.say(NodeEntry(author="ana", label="Domain", key=name))
    case.say(SameAsEntry(author="ana", one=NodeRef("Domain", "b.example"), other=NodeRef("Domain", "c.example")))
    case.say(SameAsEntry(author="ana", one=NodeRef("Domain", "a.example"), other=NodeRef("Domain", "b.example")))
    assert case.keys("Domain", "name") & set(names) == {"a.example"}
    case.say(SameAsEntry(author="ana", one=NodeRef("Domain", "c.example"), other=NodeRef("Domain", "a.example")))
    assert case.keys("Domain", "name") & set(names) == {"a.example"}


def test_digests_that_become_one_are_no_longer_of_one_file_with_themselves(case: Case) -> None:
    group = Group("Hash", "SAME_FILE", "Hash")
    one, other = min(case.pairs(group), key=str)
    case.say(SameAsEntry(author="ana", one=NodeRef("Hash", str(one)), other=NodeRef("Hash", str(other))))
    pairs = case.pairs(group)
    assert all(str(start) < str(end) for start, end in pairs)
    assert not any(other in pair for pair in pairs)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (NodeEntry(author="ana", label="Domain", key="not a name"), "is no Domain"),
        (NodeEntry(author="ana", label="Domain", key="www.example.com"), "is no Domain"),
        (NodeEntry(author="ana", label="Nothing", key="x"), "name its label"),
        (
            RelationshipEntry(author="ana", start=ADDRESS, type="RESOLVES", end=EXAMPLE),
            "no RESOLVES from IPAddress to Domain",
        ),
        (
            RelationshipEntry(author="ana", start=EXAMPLE, type="HOSTS", end=NodeRef("SubDomain", "www.example.net")),
            "does not hold",
        ),
        (RelationshipEntry(author="ana", start=EXAMPLE, type="RESOLVES", end=ADDRESS, first_seen="soon"), "not a date"),
        (SameAsEntry(author="ana", one=EXAMPLE, other=ADDRESS), "of one label"),
        (VerdictEntry(author="ana", about=EXAMPLE, verdict="evil"), "a verdict is one of"),
        (TagEntry(author="ana", about=EXAMPLE, tag=" "), "empty"),
        (UndoEntry(author="ana", undoes="0" * 32), "no entry"),
    ],
)
def test_what_the_schema_does_not_allow_is_refused_and_not_kept(case: Case, entry: AnalystEntry, why: str) -> None:
    with Cache(case.folder / "data") as cache:
        before = len(journal.stored(cache))
        with pytest.raises(UsageError, match=why):
            journal.keep(cache, entry)
        with pytest.raises(UsageError, match="say who you are"):
            journal.keep(cache, NodeEntry(author=" ", label="Domain", key="example.com"))
        assert len(journal.stored(cache)) == before


def test_entries_are_listed_with_author_time_and_whether_they_hold(case: Case) -> None:
    kept = case.say(TagEntry(author="ana", about=EXAMPLE, tag="phish"))
    case.say(UndoEntry(author="ana", undoes=kept.id))
    with Cache(case.folder / "data") as cache:
        listed = {each.id: each for each in journal.stored(cache)}
    assert (listed[kept.id].author, listed[kept.id].body["tag"], listed[kept.id].undone) == ("ana", "phish", True)
    assert listed[kept.id].touched == (EXAMPLE,)
