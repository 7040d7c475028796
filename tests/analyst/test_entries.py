"""One check at every way in: what an entry may say, from the page, from `cache add`, and out of an older cache."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from command import Desk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replies import told
from transforming import transform

from intel_grapher import schema
from intel_grapher.analyst import entries, journal
from intel_grapher.analyst.entries import SOURCE, VARIANTS, InvalidEntry, read
from intel_grapher.analyst.overrides import overrides_of
from intel_grapher.cache import Cache, Entry
from intel_grapher.files import Files
from intel_grapher.model import NodeRef
from intel_grapher.transform import Options

AT = 1_700_000_000
OPTIONS = Options(formats=("parquet",), processes=1)
EXAMPLE = {"label": "Domain", "key": "example.com"}
ADDRESS = {"label": "IPAddress", "key": "192.0.2.10"}
REPORT = f"sha256:{'5' * 64}"
KEYS = (
    *("example.com", "EXAMPLE[.]com", "www.example.com", "192.0.2.10", "a@example.org", "d" * 64, "CVE-2020-1"),
    *("http://example.com/", "AS64500", "", " ", "a\0b\nc", "1.1.1.1", "\u202e", "A-B", "x" * 3000, "ana", "a:b", ":"),
)
LABELS = (*schema.LABELS, "A-B", "", "Domain-HOSTS-SubDomain", "keys of Domain", "Domain:x")
nodes = st.builds(lambda label, key: {"label": label, "key": key}, st.sampled_from(LABELS), st.sampled_from(KEYS))
texts = st.one_of(st.sampled_from((*entries.VERDICTS, "2020-01-01", "soon", "", "x" * 10_001)), st.text(max_size=20))
ids = st.sampled_from([uuid.UUID(int=number).hex for number in range(6)])
anything = st.one_of(nodes, texts, st.sampled_from([None, 7, [], {}, True, "\ud7ff", 10**30, {"label": 1}]))
MEMBERS = {
    **dict.fromkeys(("about", "start", "end", "one", "other", "node"), nodes),
    **dict.fromkeys(("text", "tag", "first_seen", "last_seen"), texts),
    "verdict": st.sampled_from((*entries.VERDICTS, "evil")),
    "type": st.sampled_from((*schema.RELATIONSHIPS, "", "RESOLVES-X")),
    "undoes": ids,
    "report": st.sampled_from((REPORT, REPORT, "https://example.org/a", "", "no report")),
    "decisions": st.lists(
        st.builds(
            lambda indicator, state, comment: {"indicator": indicator, "state": state, "comment": comment},
            st.sampled_from(KEYS),
            st.sampled_from(("accepted", "rejected", "left", "soon")),
            texts,
        ),
        max_size=4,
        unique_by=str,
    ),
    "label": st.sampled_from(LABELS),
    "key": st.sampled_from(KEYS),
    "author": st.sampled_from(("ana", "ana", "ana", "ana", " ", "a\nb")),
}


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Draw the body of an entry: its members are of the right kind, or now and then anything at all, or not there."""
    what = draw(st.sampled_from([*VARIANTS, *VARIANTS, "no_such"]))
    names = VARIANTS[what].__struct_fields__ if what in VARIANTS else ("about",)
    body = {
        name: draw(anything if draw(st.integers(0, 19)) == 0 else MEMBERS[name])
        for name in names
        if draw(st.integers(0, 19)) or name == "author"
    }
    if what == "take_out":
        for name in draw(st.sampled_from([("node",), ("start", "end", "type"), ()])):
            body.pop(name, None)
    return what, body


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.tuples(ids, bodies()), min_size=3, max_size=40))
def test_whatever_a_cache_holds_the_transform_ends_and_every_key_is_canonical(
    tmp_path: Path, said: list[tuple[str, tuple[str, dict[str, Any]]]]
) -> None:
    root = tmp_path / uuid.uuid4().hex
    replies = [entry(what, body, id_, AT + at) for at, (id_, (what, body)) in enumerate(said)]
    with Cache(root / "data") as cache:
        with cache.writer() as writer:
            for reply in replies:
                writer.add(reply)
        transform(cache, root / "import", OPTIONS)
        undone = overrides_of(cache).undone
        listed = {(row["endpoint"], row["key"]) for row in rejects(root)}
    for reply in replies:
        assert is_valid(reply) or reply.key in undone or (reply.endpoint, reply.key) in listed
    for group, _ in Files(root / "import").manifest().groups():
        table = pq.read_table(Files(root / "import").path(group, "parquet"))
        for column, label in zip(group.keys, group.labels, strict=True):
            for key in table[column].to_pylist():
                resolved, canonical = schema.ANY_NODE.resolve(str(NodeRef(label, key)))
                assert (resolved.name, canonical) == (label, key)


@settings(max_examples=200, deadline=None)
@given(said=bodies())
def test_an_entry_in_canonical_form_is_as_it_stands(said: tuple[str, dict[str, Any]]) -> None:
    reason = ""
    try:
        once = read(said[0], json.dumps(said[1]).encode())
    except InvalidEntry as invalid:
        reason = invalid.reason
    if reason:
        assert not any(key in reason for key in KEYS if len(key) > 3)
        return
    assert read(said[0], entries.encode(once)) == once == once.checked()


OLD: dict[str, dict[str, Any]] = {  # as the first version of the page wrote them: without the member `what`
    "node": {"author": "ana", **EXAMPLE},
    "relationship": {"author": "ana", "start": EXAMPLE, "type": "RESOLVES", "end": ADDRESS},
    "note": {"author": "ana", "about": EXAMPLE, "text": "see the report"},
    "tag": {"author": "ana", "about": EXAMPLE, "tag": "phish"},
    "verdict": {"author": "ana", "about": EXAMPLE, "verdict": "benign"},
    "same_as": {"author": "ana", "one": EXAMPLE, "other": {"label": "Domain", "key": "example.org"}},
    "take_out": {"author": "ana", "node": EXAMPLE},
    "review": {"author": "ana", "report": REPORT, "decisions": ({"indicator": "example.com", "state": "accepted"},)},
    "undo": {"author": "ana", "undoes": "1" * 32},
}


@pytest.mark.parametrize("what", OLD)
def test_entries_of_older_versions_are_read(what: str) -> None:
    body = json.dumps(OLD[what]).encode()
    assert msgspec.to_builtins(read(what, body)) == {"what": what, **OLD[what]}


def test_a_key_that_is_canonical_is_not_taken_for_a_defanged_one() -> None:
    body = {"author": "ana", "about": {"label": "Malware", "key": "Gate[.]dot,"}, "tag": "x"}
    assert read("tag", json.dumps(body).encode()).nodes == (NodeRef("Malware", "Gate[.]dot,"),)


def test_a_day_stays_a_day() -> None:
    body = {**OLD["relationship"], "first_seen": "31 Jan 2026", "last_seen": "2026-02-01T10:00:00Z"}
    said = msgspec.to_builtins(read("relationship", json.dumps(body).encode()))
    assert (said["first_seen"], said["last_seen"]) == ("2026-01-31", "2026-02-01T10:00:00Z")


def test_a_thousand_undos_of_undos_are_followed(tmp_path: Path) -> None:
    replies = [entry("note", OLD["note"], "0" * 32, AT)]
    for number in range(3000):
        replies.append(entry("undo", {"author": "ana", "undoes": replies[-1].key}, f"{number + 1:032x}", AT + number))
    for count in (3000, 2999):
        with Cache(tmp_path / str(count)) as cache:
            with cache.writer() as writer:
                for reply in replies[: count + 1]:
                    writer.add(reply)
            assert (replies[0].key in overrides_of(cache).undone) == bool(count % 2)


FAULTY: dict[str, dict[str, Any]] = {
    "take_out": {"author": "x", "start": {"label": "A-B", "key": "x"}, "type": "RESOLVES", "end": ADDRESS},
    "same_as": {"author": "x", "one": {"label": "Domain", "key": "a\0b\nc"}, "other": EXAMPLE},
    "node": {"author": "x", "label": "Domain", "key": "1.1.1.1"},
    "review": {"author": "x", "report": REPORT, "decisions": []},
    "undo": {"author": "x", "undoes": ""},
}


def test_cache_add_checks_entries_as_the_page_does(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for what, body in FAULTY.items():
        for name, said in (("bad", body), ("good", OLD[what])):
            path = tmp_path / "in" / SOURCE / what / f"{name}-{what}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(said))
    ended = desk.run("cache", "add", str(tmp_path / "in"))
    assert ended.code == 3, ended
    assert ended.err.count("left out: ") == len(FAULTY)
    assert "no mapping" not in ended.err
    with Cache(tmp_path / "data") as cache:
        assert {each.id for each in journal.stored(cache)} == {f"good-{what}" for what in FAULTY}
    assert desk.run("transform").code == 0


def test_entries_that_no_longer_hold_are_listed_and_passed_over(tmp_path: Path) -> None:
    with Cache(tmp_path / "data") as cache:
        with cache.writer() as writer:
            for what, body in FAULTY.items():
                writer.add(entry(what, body, f"bad-{what}", AT))
            writer.add(entry("node", OLD["node"], "good", AT))
        manifest = transform(cache, tmp_path / "import", OPTIONS)
        faults = {each.id: each.fault for each in journal.stored(cache)}
    found = {row["key"]: row["reason"] for row in rejects(tmp_path)}
    assert found.keys() == {f"bad-{what}" for what in FAULTY}
    assert sum(manifest.rejects.values()) == len(FAULTY)
    assert {"good": "", **found} == faults


def entry(what: str, body: dict[str, Any], id_: str, at: int) -> Entry:
    return Entry(
        source=SOURCE, endpoint=what, key=id_, fetched_at=at, status=200,
        body=json.dumps(body).encode("utf-8", "replace"),
    )  # fmt: skip


def is_valid(reply: Entry) -> bool:
    try:
        journal.check(reply)
    except InvalidEntry:
        return False
    return True


def rejects(root: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (root / "import" / "rejects.jsonl").read_text().splitlines()]


def test_a_relationship_starts_at_the_label_that_was_said_though_the_key_may_be_of_another() -> None:
    said = {"type": "EMPLOYS", "start": {"label": "Malware", "key": "ExampleRAT"}}
    body = {**OLD["relationship"], **said, "end": {"label": "Technique", "key": "T1566"}}
    found = told(SOURCE, "relationship", "1", json.dumps(body).encode())
    assert {each[:3] for each in found.edges} == {("Malware ExampleRAT", "EMPLOYS", "Technique T1566")}
