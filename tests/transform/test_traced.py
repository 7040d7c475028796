"""Mappings that are traced: which are, what is not, and that columns give what the replies give one by one."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from places import FIXTURES, SAMPLE_DATA

from intel_grapher import reject_paths
from intel_grapher.cache import Cache
from intel_grapher.cache.envelope import Entry, decode, encode
from intel_grapher.cache.segment import Corruption
from intel_grapher.model import Fact, Facts
from intel_grapher.registry import Registry
from intel_grapher.schema import (
    ALIAS_OF,
    ASSOCIATED,
    HOSTNAME,
    OWNS,
    RESOLVES,
    Address,
    Digest,
    EmailAddress,
    Hostname,
    registered,
)
from intel_grapher.source import Endpoint, Outcome, Rate, Source
from intel_grapher.testing.columns import all_ways
from intel_grapher.transform.facts import Batch, Reply
from intel_grapher.transform.traced import _module, trace
from intel_grapher.verdict import Verdict

REGISTRY = Registry.installed()
TRACED = [endpoint for endpoint in REGISTRY.endpoints() if trace(endpoint)]
DOMAIN = REGISTRY["threatcrowd"].endpoints["domain"]
NAME = "example.com"


class Seen(Struct, rename="camel"):
    ip_address: Address
    last_seen: str | None = None
    note: str = ""


class Report(Struct):
    seen: list[Seen] = []
    files: list[Digest] = []
    emails: list[EmailAddress] = []
    score: int = 7
    status: str = "none"


def judge(reply: Report) -> Outcome:
    if reply.score > 100:
        raise ValueError
    return Outcome.NOT_FOUND if reply.status == "missing" else Outcome.FOUND


source = Source("made", title="Made", home="https://made.example", limits=(Rate(1),), judge=judge)


@source.get("/plain")
def plain(asked: Hostname, reply: Report) -> Facts:
    """Everything that is known of a mapping that is traced."""
    when = [each.last_seen for each in reply.seen]
    owned = registered(asked)
    yield HOSTNAME.each(asked, votes=reply.score, jarm=reply.status, malicious=3, reputation=None)
    yield RESOLVES.each(asked, [one.ip_address for one in reply.seen], last_resolved=when, seen="2024-05-06")
    yield ASSOCIATED.each(asked, reply.files)
    if reply.emails:
        yield OWNS.each(reply.emails, owned)


class Status(Struct):
    status: str = ""
    score: int = 0


def status(asked: Hostname, reply: Status) -> Facts:
    """A text that a judge may look at."""
    yield HOSTNAME.each(asked, votes=reply.score)


@source.get("/first")
def first(asked: Hostname, reply: Report) -> Facts:
    """A slice."""
    yield HOSTNAME.each(asked)
    yield ASSOCIATED.each(asked, reply.files[:1])


@source.get("/chosen")
def chosen(asked: Hostname, reply: Report) -> Facts:
    """A condition."""
    yield HOSTNAME.each(asked)
    yield RESOLVES.each(asked, [each.ip_address for each in reply.seen if each.last_seen])


KINDS = ("first", "second")


@source.get("/looped")
def looped(asked: Hostname, reply: Report) -> Facts:
    """A loop with conditions."""
    yield HOSTNAME.each([Hostname(each.note.removesuffix(".")) for each in reply.seen])
    for one in reply.seen:
        if one.note in KINDS or not one.note:
            yield RESOLVES.each(asked, one.ip_address, seen=one.last_seen)
        elif one.last_seen is None and one.note != "-":
            yield ALIAS_OF.each(Hostname(one.note.rpartition(" ")[2].lower()), asked)
        elif not (one.last_seen and one.note.endswith(" .")):
            yield OWNS.each(EmailAddress(one.note), registered(asked))


@source.get("/otherwise")
def otherwise(asked: Hostname, reply: Report) -> Facts:
    """Facts that hang on another list."""
    yield HOSTNAME.each(asked)
    if reply.emails:
        yield ASSOCIATED.each(asked, reply.files)


@source.get("/pairs")
def pairs(asked: Hostname, reply: Report) -> Facts:
    """Two lists, which need not be of one length."""
    yield HOSTNAME.each(asked)
    yield ASSOCIATED.each([Hostname(each.ip_address) for each in reply.seen], reply.files)


@source.get("/called")
def called(asked: Hostname, reply: Report) -> Facts:
    """A function that nobody knows."""
    yield HOSTNAME.each(Hostname(asked.lower()))
    yield ASSOCIATED.each(asked, sorted(reply.files))


@source.get("/judging")
def unnamed(asked: Hostname, reply: Report) -> Facts:
    """Nothing says of every reply that what was asked for is a node."""
    yield ASSOCIATED.each(asked, reply.files)


def kept(endpoint: Endpoint, *bodies: object, key: str = NAME) -> list[Reply]:
    """Return replies as they come out of the cache; a body may be bytes, or what JSON can hold."""
    replies = []
    for body in bodies:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        entry = Entry(
            source=endpoint.source.name, endpoint=endpoint.name, key=key, fetched_at=1, status=200, body=content
        )
        replies.append(Reply.of(decode(encode(entry)[:-1], check=True)))
    return replies


def test_these_are_traced() -> None:
    assert {f"{endpoint.source.name}/{endpoint.name}" for endpoint in TRACED} == {
        "doh/resolve",
        "internetdb/ip",
        "threatcrowd/antivirus",
        "threatcrowd/domain",
        "threatcrowd/email",
        "threatcrowd/ip",
        "threatminer/domain_samples",
        "threatminer/email",
        "threatminer/host_samples",
    }
    traced = {name for name, endpoint in source.endpoints.items() if trace(endpoint)}
    assert traced == {"plain", "chosen", "looped", "unnamed"}


def test_a_mapping_whose_source_is_not_what_runs_is_not_traced() -> None:
    code = plain.__code__.replace(co_consts=(*plain.__code__.co_consts, "another"))
    other = FunctionType(code, plain.__globals__, "plain")
    other.__annotations__, other.__doc__ = plain.__annotations__, plain.__doc__
    made = Source("changed", title="Changed", home="https://made.example", limits=(Rate(1),))
    made.get("/plain")(other)
    assert trace(made.endpoints["plain"]) is None


WHOLE = {
    "seen": [
        {"ipAddress": "192.0.2.1", "lastSeen": "2024-01-02", "note": "first"},
        {"ipAddress": "192.0.2.2", "note": ""},
    ],
    "files": ["a" * 32, "B" * 64],
    "emails": ["someone@example.com"],
    "score": -3,
    "status": "ok",
    "unread": {"deep": [1, None, "x"]},
}


@pytest.mark.parametrize(
    "body",
    [
        WHOLE,
        {**WHOLE, "status": "missing"},
        {**WHOLE, "score": 101},
        {**WHOLE, "score": "12"},
        {**WHOLE, "score": 1.0},
        {**WHOLE, "score": 2**63},
        {**WHOLE, "score": None, "status": None},
        {**WHOLE, "files": None},
        {**WHOLE, "files": ["a" * 32, None]},
        {**WHOLE, "files": ["a" * 32, 5]},
        {**WHOLE, "files": "a" * 32},
        {**WHOLE, "seen": [None]},
        {**WHOLE, "seen": [{"ipAddress": f"192.0.2.{number}", "note": None} for number in range(1, 255)]},
        {**WHOLE, "seen": [{"lastSeen": "2024-01-02"}]},
        {**WHOLE, "seen": [{"ipAddress": None}]},
        {**WHOLE, "seen": [{"ipAddress": "-", "lastSeen": "-"}, {"ipAddress": "localhost", "lastSeen": "soon"}]},
        {**WHOLE, "seen": [{"ipAddress": "soon", "lastSeen": "soon"}], "unread": "soon"},
        {**WHOLE, "emails": ["abuse@domainsbyproxy.com", "x"]},
        {},
        {"score": 7, "status": "none"},
        [],
        None,
        "text",
        b'{"files":["' + b"a" * 32 + b'"],"files":["' + b"b" * 32 + b'"]}',
        b'{"files":["\\ud800","' + b"a" * 32 + b'"]}',
        b'{"status":"\\u0041","files":["\\u002d","-"]}',
        b'{"status":"a\x00b"}',
        b'{"unread":NaN}',
        b'{"unread":1e999,"status":"x"}',
        '{"status":"ü","files":["ü"]}'.encode(),
        b'{"status":"\xff"}',
        b"",
    ],
    ids=str,
)
def test_columns_give_what_a_reply_gives_by_itself(body: object) -> None:
    made = source.endpoints["plain"]
    columns, lines, singly = all_ways(made, kept(made, WHOLE, body, body, {"files": ["c" * 40]}))
    assert columns == lines == singly


NOTES = [
    "first",
    "second",
    "",
    "-",
    "x .",
    "www.example.com",
    "10 MX.example.com",
    NAME,
    f"{NAME}.",
    "a@example.com",
    "ü",
]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(
            st.fixed_dictionaries(
                {"ipAddress": st.sampled_from(["192.0.2.1", "2001:db8::1", "-", "x"])},
                optional={
                    "note": st.sampled_from(NOTES),
                    "lastSeen": st.sampled_from(["2024-01-02", "2024-01-02T03:04:05Z", "", "soon", None]),
                },
            ),
            max_size=4,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_loops_and_conditions_give_what_they_give_reply_by_reply(all_seen: list[list[dict[str, object]]]) -> None:
    for name in ("looped", "chosen", "unnamed"):
        made = source.endpoints[name]
        bodies = [{"seen": seen, "files": [str(len(seen)) * 32], "score": 3} for seen in all_seen]
        columns, lines, singly = all_ways(made, kept(made, *bodies))
        assert columns == lines == singly


def test_a_reply_is_taken_in_columns_if_what_was_asked_for_is_surely_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    made = source.endpoints["looped"]
    batch = Batch(made, 0)
    singly: list[Reply] = []
    monkeypatch.setattr(batch, "take", lambda reply, _verdict, **_: singly.append(reply))
    named, first, bad, nothing = kept(
        made,
        {"seen": [{"ipAddress": "-", "note": f"{NAME}."}]},
        {"seen": [{"ipAddress": "192.0.2.1", "note": "first"}]},
        {"seen": [{"ipAddress": "-", "note": "first"}]},
        {"score": 3},
    )
    batch.add(named, first, bad, nothing, in_columns=True)
    assert singly == [bad, nothing]


@pytest.mark.parametrize(
    "statement",
    [
        "if one.note.startswith(reply.status): yield RESOLVES.each(asked, one.ip_address)",
        "if one.note == reply.status: yield RESOLVES.each(asked, one.ip_address)",
        "if one.note in reply.files: yield RESOLVES.each(asked, one.ip_address)",
        "if one.note > 'a': yield RESOLVES.each(asked, one.ip_address)",
        "if 'a' < one.note < 'b': yield RESOLVES.each(asked, one.ip_address)",
        "if one.last_seen.endswith('Z'): yield RESOLVES.each(asked, one.ip_address)",
        "if one.note == 3: yield RESOLVES.each(asked, one.ip_address)",
        "if len(one.note): yield RESOLVES.each(asked, one.ip_address)",
        "yield RESOLVES.each(asked, reply.files)",
        "yield RESOLVES.each(asked, [each.ip_address for each in reply.seen])",
        "yield RESOLVES.each(asked, one.note.zfill(3))",
        "yield RESOLVES.each(asked, one.note.rpartition(' '))",
        "yield RESOLVES.each(asked, one.note[2])",
        "yield RESOLVES.each(asked, str(one.ip_address))",
        "yield RESOLVES.each(asked, one)",
        "asked = one.note; yield RESOLVES.each(asked, one.ip_address)",
        "yield RESOLVES.each(asked, one.ip_address); break",
        "yield RESOLVES.each(asked, one.ip_address); yield RESOLVES.each(asked, one.note)",
        "yield HOSTNAME.each(asked)",
    ],
)
def test_what_is_not_known_of_a_loop_is_not_traced(
    statement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "test_traced", sys.modules[__name__])
    known = "yield RESOLVES.each(asked, one.ip_address)"
    for name, said in (("known_loop", known), ("other_loop", statement)):
        text = "from test_traced import *\n\ndef m(asked: Hostname, reply: Report) -> Facts:\n    'x'\n"
        (tmp_path / f"{name}.py").write_text(f"{text}    for one in reply.seen:\n        {said}\n")
        _module.cache_clear()
        importlib.invalidate_caches()
        made = Source(name.replace("_", ""), title="Looping", home="https://made.example", limits=(Rate(1),))
        made.get("/m")(importlib.import_module(name).m)
        assert (trace(made.endpoints["m"]) is not None) == (said is known)
        del sys.modules[name]


def test_a_batch_is_read_in_columns_but_for_what_needs_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    made = source.endpoints["plain"]
    batch = Batch(made, 0)
    singly: list[Reply] = []
    take = batch.take

    def spied(reply: Reply, verdict: Verdict, asked: str | None = None) -> list[Fact]:
        singly.append(reply)
        return take(reply, verdict, asked)

    monkeypatch.setattr(batch, "take", spied)
    good, missing, faulty = kept(made, WHOLE, {**WHOLE, "status": "missing"}, {**WHOLE, "files": [None]})
    refused = msgspec.structs.replace(good, status=404)
    spelt = msgspec.structs.replace(good, key="Example.COM.")
    batch.add(good, missing, faulty, refused, spelt, in_columns=True)
    assert singly == [missing, faulty, refused, spelt]
    assert batch.outcomes == {"found": 3, "not found": 2}


def test_a_judge_that_looks_into_a_list_is_asked_about_each_reply() -> None:
    def looks(reply: Report) -> Outcome:
        return Outcome.FOUND if "a" * 32 in reply.files else Outcome.NOT_FOUND

    looking = Source("looking", title="Looking", home="https://made.example", limits=(Rate(1),), judge=looks)
    looking.get("/plain")(plain)
    made = looking.endpoints["plain"]
    assert trace(made)
    columns, lines, singly = all_ways(made, kept(made, WHOLE, {"files": ["b" * 32]}))
    assert columns == lines == singly
    assert columns.outcomes == {"found": 1, "not found": 1}


@pytest.mark.parametrize(
    "judge",
    [
        lambda reply: Outcome.FOUND if reply.status else Outcome.NOT_FOUND,
        lambda reply: Outcome.NOT_FOUND if "miss" in reply.status else Outcome.FOUND,
        lambda reply: Outcome.NOT_FOUND if re.match("missing", reply.status) else Outcome.FOUND,
        lambda reply: {"missing": Outcome.NOT_FOUND}.get(reply.status, Outcome.FOUND),
        lambda reply: Outcome.FOUND if isinstance(reply.status, str) and len(reply.status) < 5 else Outcome.FAILED,
        lambda reply: Outcome.NOT_FOUND if f"{reply.status}" == "missing" else Outcome.FOUND,
    ],
    ids=range(6),
)
def test_a_judge_sees_a_text_as_it_is_where_it_looks_at_it(judge: Callable[[Status], Outcome]) -> None:
    judging = Source("judging", title="Judging", home="https://made.example", limits=(Rate(1),), judge=judge)
    judging.get("/status")(status)
    made = judging.endpoints["status"]
    assert trace(made)
    columns, lines, singly = all_ways(
        made, kept(made, *({"status": each, "score": 3} for each in ("missing", "ok", "", "x")))
    )
    assert columns == lines == singly


def test_where_a_bad_value_is_the_columns_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reject_paths, "paths", lambda *_: pytest.fail("the reply was searched"))
    batch = Batch(DOMAIN, 0)
    resolutions = [{"ip_address": "192.0.2.7"}, {"ip_address": "-", "last_resolved": "soon"}]
    report = {"response_code": "1", "resolutions": resolutions, "subdomains": ["www.example.net"]}
    batch.add(*kept(DOMAIN, report), in_columns=True)
    batch.encode()
    assert {(reject.path, reject.value) for reject in batch.rejects} == {
        ("$.resolutions[1].ip_address", "-"),
        ("$.resolutions[1].last_resolved", "soon"),
        ("$.subdomains[0]", "www.example.net"),
    }


def replies_of(cache: Cache, endpoint: Endpoint) -> Iterator[Reply]:
    for segment in cache.segments():
        if (segment.source, segment.endpoint) == (endpoint.source.name, endpoint.name):
            yield from map(Reply.of, segment.envelopes(list[Corruption]().append))


@pytest.mark.parametrize("endpoint", TRACED, ids=lambda endpoint: f"{endpoint.source.name}/{endpoint.name}")
def test_samples_and_real_replies_give_the_same_in_columns(endpoint: Endpoint) -> None:
    replies = list(replies_of(Cache(SAMPLE_DATA), endpoint))
    assert replies
    if not FIXTURES.exists():
        pytest.skip("the shared fixtures are missing; the samples alone are not enough")
    for name in (endpoint.source.name, *endpoint.source.also):
        for path in sorted((FIXTURES / name / endpoint.name).glob("*")):
            replies += kept(endpoint, path.read_bytes(), key=path.name.removesuffix(".json").partition("__")[0])
    columns, lines, singly = all_ways(endpoint, replies)
    assert columns == lines == singly
    for reply in replies:
        columns, lines, singly = all_ways(endpoint, [reply])
        assert columns == lines == singly
