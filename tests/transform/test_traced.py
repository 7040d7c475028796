"""Mappings that are traced: which are, what is not, and that columns give what the replies give one by one."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from types import FunctionType

import msgspec
import pyarrow as pa
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
from intel_grapher.transform.evaluated import Evaluated
from intel_grapher.transform.facts import Batch, Reply
from intel_grapher.transform.traced import trace
from intel_grapher.verdict import Verdict

REGISTRY = Registry.installed()
TRACED = [endpoint for endpoint in REGISTRY.endpoints() if trace(endpoint)]
DOMAIN = REGISTRY["threatcrowd"].endpoints["domain"]
NAME = "example.com"


class Seen(Struct, rename="camel"):
    ip_address: Address
    last_seen: str | None = None
    note: str = ""


class Owner(Struct, frozen=True):
    name: str = "nobody"
    is_known: bool = False

    @property
    def title(self) -> str:
        return "an owner"


class Report(Struct):
    seen: list[Seen] = []
    files: list[Digest] = []
    emails: list[EmailAddress] = []
    score: int = 7
    status: str = "none"
    more: list[Digest] | None = None
    owner: Owner | None = None


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


KNOWN = {
    "abuseipdb": "check check_block blacklist",
    "crtsh": "identity",
    "doh": "resolve",
    "greynoise": "community ip context gnql riot",
    "internetdb": "ip",
    "otx": "passive_dns url_list",
    "reports": "origin",
    "shodan": "dns_domain",
    "threatcrowd": "domain ip email file antivirus",
    "threatfox": "search_ioc search_hash api_v1_get_iocs",
    "threatminer": "domain_passive_dns domain_uris domain_samples domain_subdomains domain_reports host_whois "
    "host_passive_dns host_uris host_samples host_reports sample_metadata sample_hosts sample_av_detections "
    "sample_reports email",
    "virustotal": "domains_resolutions ip_addresses ip_addresses_resolutions files_contacted_ips "
    "files_behaviour_summary",
}


def test_these_are_traced() -> None:
    assert {f"{endpoint.source.name}/{endpoint.name}" for endpoint in TRACED} == {
        f"{name}/{endpoint}" for name, endpoints in KNOWN.items() for endpoint in endpoints.split()
    }
    traced = {name for name, endpoint in source.endpoints.items() if trace(endpoint)}
    assert traced == {"plain", "chosen", "looped", "otherwise", "unnamed"}


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


def test_what_was_asked_for_is_marked_where_no_fact_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = source.endpoints["looped"]
    replies = kept(
        made,
        {"seen": [{"ipAddress": "-", "note": f"{NAME}."}]},
        {"seen": [{"ipAddress": "192.0.2.1", "note": "first"}]},
        {"seen": [{"ipAddress": "-", "note": "first"}]},
        {"seen": [{"ipAddress": "-", "note": "www.example.net"}], "score": 3},
        {"score": 3},
    )
    for reply in replies:
        columns, lines, singly = all_ways(made, [reply])
        assert columns == lines == singly
    batch = Batch(made, 0)
    monkeypatch.setattr(batch, "take", lambda *_, **__: pytest.fail("a reply was mapped by itself"))
    batch.add(*replies, in_columns=True)


HEAD = """
from itertools import combinations
from test_traced import *

LEVELS = {"first": "high", "second": "low"}


def shout(text: str | None, how: str = "!") -> str | None:
    return None if text is None else text.upper() + how


def words(text: str) -> list[Hostname]:
    return [Hostname(each) for each in text.split()]


def told(asked: Hostname, one: Seen) -> Facts:
    "Several statements."
    if not one.note:
        return
    elif one.note == "-":
        return
    last = one.last_seen or "2020-01-01"
    if one.note == "first":
        yield RESOLVES.each(asked, one.ip_address, seen=last)
        return
    yield ALIAS_OF.each(Hostname(one.note), asked, seen=last)


GROWN
def level(one: Seen) -> str | None:
    if one.note == "":
        return None
    if one.note in LEVELS:
        return LEVELS.get(one.note)
    return one.note + "."


def mapping(asked: Hostname, reply: Report) -> Facts:
    "A mapping."
""".replace(
    "GROWN",
    "def grown(one: Seen) -> str:\n    found = 'a'\n"
    + "".join(f"    if one.note == '{number}': found = found + 'b'\n" for number in range(30))
    + "    return found\n\n",
)
KNOWN_STATEMENTS = [
    "for one in reply.seen: yield RESOLVES.each(asked, one.ip_address if one.note else Address('192.0.2.9'))",
    "for one in reply.seen: yield RESOLVES.each(asked, one.ip_address, seen=one.last_seen or one.note or None)",
    "for one in reply.seen: yield RESOLVES.each(Hostname(f'{one.note}.{asked}'), one.ip_address)",
    "for one in reply.seen: yield RESOLVES.each(Hostname(one.note + '.example.org'), one.ip_address)",
    "for one in reply.seen: yield RESOLVES.each(Hostname(one.note[1:]), one.ip_address)",
    "for one in reply.seen: yield RESOLVES.each(asked, Address(one.note.partition(' ')[2]))",
    "for one in reply.seen: yield HOSTNAME.each(Hostname(one.note), jarm=shout(one.last_seen), votes=len(one.note))",
    "for one in reply.seen: yield HOSTNAME.each(Hostname(one.note), jarm=level(one))",
    "for one in reply.seen: yield HOSTNAME.each(words(one.note), tags=words(one.note))",
    "for one in reply.seen: yield from told(asked, one)",
    "for one in reply.seen: yield from told(asked, one) if one.last_seen is None else told(registered(asked), one)",
    "for one in reply.seen: yield ASSOCIATED.each(asked, reply.files, seen=one.last_seen)",
    "yield ASSOCIATED.each(asked, [it for one in reply.seen if one.note for it in reply.files if it != one.note])",
    "yield HOSTNAME.each(asked, tags=[*reply.files, *(one.note for one in reply.seen if one.note), reply.status])",
    "yield HOSTNAME.each([Hostname(one.note) for one in reply.seen], tags=[[one.note] for one in reply.seen])",
    "yield HOSTNAME.each(asked, tags=[name for name, holds in (('a', reply.score), ('b', reply.status)) if holds])",
    "yield HOSTNAME.each(asked, votes=reply.score, seen=None); yield HOSTNAME.each(asked, jarm=reply.status)",
    (
        "pairs = [(one.note, one.ip_address) for one in reply.seen if one.note]\n"
        "    yield RESOLVES.each([Hostname(name) for name, _ in pairs], [address for _, address in pairs])"
    ),
    (
        "notes, addresses = [each.note for each in reply.seen], [each.ip_address for each in reply.seen]\n"
        "    both = [Hostname(note) for note, address in zip(notes, addresses, strict=True) if address != note]\n"
        "    if both: yield HOSTNAME.each(asked, votes=1)\n"
        "    yield HOSTNAME.each(both)"
    ),
    "known = {'votes': reply.score, 'jarm': reply.status}\n    yield HOSTNAME.each(asked, **known)",
    (
        "given = [each for each in (reply.status, *reply.emails) if each]\n"
        "    yield HOSTNAME.each([Hostname(each) for each in given])"
    ),
    (
        "two = list(combinations([each for each in (reply.status, asked, '') if each], 2))\n"
        "    yield ALIAS_OF.each([Hostname(one) for one, _ in two], [Hostname(other) for _, other in two])"
    ),
    (
        "found = [(one, note) for one in reply.seen if (note := shout(one.note, '')) is not None and note != 'FIRST']\n"
        "    yield RESOLVES.each([Hostname(note) for _, note in found], [one.ip_address for one, _ in found])"
    ),
    "if reply.score > 3 and not reply.files or reply.emails: yield OWNS.each(reply.emails, registered(asked))",
    "if reply.status == 'ok': return\n    yield ASSOCIATED.each(asked, reply.files or [Digest(reply.status)])",
]
UNKNOWN_STATEMENTS = [
    "for one in reply.seen:\n        if one.note in reply.files: yield RESOLVES.each(asked, one.ip_address)",
    "for one in reply.seen:\n        if 'a' < one.note < 'b': yield RESOLVES.each(asked, one.ip_address)",
    "for one in reply.seen: yield RESOLVES.each(asked, one)",
    "for one in reply.seen: yield RESOLVES.each(asked, one.ip_address); break",
    "for one in reply.seen: yield RESOLVES.each(asked, one.ip_address); asked = one.note",
    "for one in reply.seen: last = one.note\n    yield HOSTNAME.each(Hostname(last))",
    "if reply.score: name = asked\n    yield HOSTNAME.each(name)",
    "yield HOSTNAME.each(asked, votes=len(reply.files))",
    "yield HOSTNAME.each(Hostname(reply.files[0]))",
    "yield HOSTNAME.each(asked, votes=1 << 64)",
    "yield HOSTNAME.each(asked, tags=reply.status)",
    "yield HOSTNAME.each(sorted(reply.emails))",
    "yield HOSTNAME.each([*{each.note for each in reply.seen}])",
    "yield ASSOCIATED.each([Hostname(each.note) for each in reply.seen], reply.files)",
    "yield ASSOCIATED.each(asked, reply.files, seen=[each.last_seen for each in reply.seen])",
    "yield HOSTNAME.each(asked, jarm=reply.status and (told := 'x'))",
    "yield HOSTNAME.each(asked, jarm=LEVELS.setdefault(reply.status, 'x'))",
    "yield HOSTNAME.each(asked, jarm=max(each.note for each in reply.seen))",
    "yield HOSTNAME.each(asked, jarm=(lambda: reply.status)())",
    "yield HOSTNAME.each(asked, nothing=1)",
    "told(asked, reply.seen)",
    "unused = reply.score",
    (
        "noted = [one for one in reply.seen if one.note]\n"
        "    for one in noted: yield ALIAS_OF.each(Hostname(one.note), [Hostname(it.note) for it in noted])"
    ),
    (
        "twice = [one for one in reply.seen for _ in reply.files]\n"
        "    for one in reply.seen: yield ALIAS_OF.each(Hostname(one.note), [Hostname(it.note) for it in twice])"
    ),
    "notes = (one.note for one in reply.seen)\n    yield HOSTNAME.each(list(notes), tags=list(notes))",
    "notes = zip(reply.files, reply.files, strict=True)\n    yield ALIAS_OF.each([a for a, _ in notes], list(notes))",
    "yield ASSOCIATED.each(asked, (each for each in reply.files))",
    "yield HOSTNAME.each(asked, tags=(one.note for one in reply.seen))",
    "if zip(reply.files, reply.files, strict=True): yield HOSTNAME.each(asked)",
    "for one in reply.seen:\n        all_of = told(asked, one)\n        yield from all_of\n        yield from all_of",
    "yield HOSTNAME.each([*{reply.status, asked, 'example.com'}])",
    "for one in reply.seen:\n        for it in {one.note, asked}: yield HOSTNAME.each(Hostname(it))",
    "for one in reply.seen:\n        for it in one if one.note else None: yield HOSTNAME.each(Hostname(it.note))",
    "for one in reply.seen:\n        if isinstance(one.note.partition(' '), tuple): yield HOSTNAME.each(asked)",
    "yield HOSTNAME.each(asked, votes=1, **{'votes': reply.score})",
    "yield HOSTNAME.each(reply.files + reply.emails)",
    "yield HOSTNAME.each((reply.more or ()) + reply.files)",
    "yield RESOLVES.each(None, [])",
    "for one in reply.seen: yield HOSTNAME.each(asked, jarm='abc'[len(one.note) :])",
    "for one in reply.seen: yield HOSTNAME.each(Hostname(one.note), jarm=grown(one))",
    "try: yield HOSTNAME.each(asked)\n    finally: pass",
]

ODD_STATEMENTS = [
    "yield HOSTNAME.each(asked, jarm='\\ud800')",
    "yield HOSTNAME.each({asked: 1})",
    "yield HOSTNAME.each(asked, jarm=reply.score, votes=reply.status, tags=reply.status)",
    "yield HOSTNAME.each([asked], jarm=(['a'],), votes=({},), tags=([None, 'a'],), seen=[reply])",
    "yield RESOLVES.each(asked, ('192.0.2.1', '192.0.2.2'), seen=('2024-01-02', reply.status))",
    "for one in reply.seen: yield RESOLVES.each(one.last_seen, [Address(it) for it in (one.note,) if it])",
    "for one in reply.seen: yield RESOLVES.each(len(one.note), [Address(it) for it in (one.note,) if it])",
    "unused = [each for each in reply.more]\n    yield HOSTNAME.each(asked)",
    "unused = [1 for _ in reply.more]\n    yield HOSTNAME.each(asked)",
    "unused = list(reply.more)\n    yield HOSTNAME.each(asked)",
    "yield HOSTNAME.each(asked, jarm=reply.owner.title)",
    "yield HOSTNAME.each(asked, jarm=str(['a', 'b']), votes=isinstance(['a'], list))",
    "yield HOSTNAME.each(asked, votes=[] == list(()))",
]


@pytest.fixture(scope="module")
def mappings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Endpoint]]:
    """Return the function that returns an endpoint whose mapping has some statements."""
    folder = tmp_path_factory.mktemp("mappings")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setitem(sys.modules, "test_traced", sys.modules[__name__])

        def endpoint(statements: str) -> Endpoint:
            name = f"mapping{hashlib.md5(statements.encode(), usedforsecurity=False).hexdigest()}"
            (folder / f"{name}.py").write_text(f"{HEAD}    {statements}\n")
            importlib.invalidate_caches()
            made = Source(name, title="Made", home="https://made.example", limits=(Rate(1),), judge=judge)
            made.get("/mapping")(importlib.import_module(name).mapping)
            return made.endpoints["mapping"]

        yield endpoint


@pytest.mark.parametrize("statements", KNOWN_STATEMENTS)
def test_what_is_known_gives_what_it_gives_reply_by_reply(
    statements: str, mappings: Callable[[str], Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = mappings(statements)
    dates = ["2024-01-02", "soon", None, ""]
    all_seen = [{"ipAddress": f"192.0.2.{place}", "note": note} for place, note in enumerate(NOTES)]
    dated = [{**each, "lastSeen": dates[place % 4]} for place, each in enumerate(all_seen)]
    replies = kept(made, WHOLE, *({**WHOLE, "seen": [each], "score": place} for place, each in enumerate(dated)))
    replies += kept(
        made, {"seen": dated, "status": "-"}, {"seen": all_seen, "emails": ["a", ""]}, {"files": ["x", "y"]}
    )
    assert trace(made)
    for some in (replies, *([each] for each in replies)):
        columns, lines, singly = all_ways(made, some)
        assert columns == lines == singly
    batch = Batch(made, 0)
    monkeypatch.setattr(batch, "take", lambda *_, **__: pytest.fail("a reply was mapped by itself"))
    batch.add(*replies, in_columns=True)


@pytest.mark.parametrize("statements", ODD_STATEMENTS)
def test_what_is_odd_gives_what_it_gives_reply_by_reply(statements: str, mappings: Callable[[str], Endpoint]) -> None:
    made = mappings(statements)
    owned = {**WHOLE, "more": ["c" * 32], "owner": {}}
    for some in (kept(made, WHOLE), kept(made, WHOLE, owned), kept(made, owned, {"seen": [{"ipAddress": "x"}]})):
        columns, lines, singly = all_ways(made, some)
        assert columns == lines == singly


@pytest.mark.parametrize("name", ["__bool__", "__len__", "size"])
def test_an_object_that_says_itself_whether_it_is_true_is_not_traced(name: str) -> None:
    def judging(_asked: Hostname, _reply: Report) -> Facts:
        """Nothing."""
        yield HOSTNAME.each(_asked)

    judging.__annotations__["_reply"] = type("Odd", (Report,), {name: lambda self: self.score})
    made = Source("odd", title="Odd", home="https://made.example", limits=(Rate(1),))
    made.get("/plain")(judging)
    assert (trace(made.endpoints["judging"]) is None) == name.startswith("_")


@pytest.mark.parametrize("statements", UNKNOWN_STATEMENTS)
def test_what_is_not_known_is_not_traced(statements: str, mappings: Callable[[str], Endpoint]) -> None:
    assert trace(mappings(statements)) is None


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


def test_what_arrow_can_not_do_is_done_reply_by_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise pa.ArrowNotImplementedError

    made = source.endpoints["looped"]
    monkeypatch.setattr(Evaluated, "values", refuses)
    columns, lines, singly = all_ways(made, kept(made, WHOLE))
    assert columns == lines == singly
    assert singly.facts


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


def test_a_bad_value_of_two_properties_of_one_row_is_listed_as_often_either_way() -> None:
    made = REGISTRY["threatminer"].endpoints["domain_passive_dns"]
    row = {"ip": "192.0.2.1", "first_seen": "0000-00-00 00:00:00", "last_seen": "0000-00-00 00:00:00"}
    other = {**row, "last_seen": "2024-01-02 03:04:05"}
    for results in ([row], [row, other], [row, row, {**row, "ip": "192.0.2.2"}]):
        columns, lines, singly = all_ways(made, kept(made, {"status_code": "200", "results": results}))
        assert columns == lines == singly
        assert len(singly.rejects) == len(results)


class Host(Struct, tag_field="type", tag="host"):
    address: Address
    names: list[Hostname] = []
    owner: Owner = Owner()
    last: Owner | None = None
    note: str = ""


class Hosts(Struct):
    hosts: list[Host] = []
    first: Host | None = None
    is_whole: bool = True
    error: str | None = None


nesting = Source(
    "nesting",
    title="Nesting",
    home="https://made.example",
    limits=(Rate(1),),
    judge=lambda reply: Outcome.FAILED if reply.error or not reply.is_whole else Outcome.FOUND,
)


@nesting.get("/nested")
def nested(asked: Hostname, reply: Hosts) -> Facts:
    """Lists and objects in objects of lists."""
    for host in reply.hosts:
        yield RESOLVES.each(host.names, host.address)
        yield HOSTNAME.each(Hostname(host.note), jarm=host.owner.name, tags=[host.note, *host.names])
        if host.last and host.last.is_known:
            yield HOSTNAME.each(Hostname(host.last.name), votes=len(host.note))
    if reply.first:
        yield RESOLVES.each([asked, *reply.first.names], reply.first.address)


HOST = {"type": "host", "address": "192.0.2.1", "names": ["www.example.com", "-"], "note": "a.example.net"}


@pytest.mark.parametrize(
    "host",
    [
        {},
        {"type": None},
        {"type": "other"},
        {"type": 1},
        {"address": None},
        {"address": "999.0.0.1"},
        {"names": None},
        {"names": [None]},
        {"names": [["x"]]},
        {"names": [1]},
        {"names": {}},
        {"owner": None},
        {"owner": {}},
        {"owner": []},
        {"owner": {"name": None, "is_known": None}},
        {"owner": {"is_known": "true"}},
        {"owner": {"is_known": 1}},
        {"last": {}},
        {"last": {"name": "www.example.org", "is_known": True}},
        {"last": {"name": 10**30, "is_known": True}},
        {"last": {"name": "\ud800", "is_known": True}},
        {"note": None, "names": []},
        {"note": 2**63},
        {"unknown": [[[[{"deep": [None]}]]]]},
    ],
    ids=str,
)
def test_lists_and_objects_within_others_give_what_they_give_reply_by_reply(host: dict[str, object]) -> None:
    made = nesting.endpoints["nested"]
    assert trace(made)
    spoilt = {**HOST, **host}
    bodies: list[object] = [{"hosts": [HOST]}, {"hosts": [HOST, spoilt], "first": spoilt}, {"first": HOST}]
    bodies += [{"hosts": [spoilt] * 210}, {"hosts": None, "first": None, "is_whole": not host}]
    replies = kept(made, *bodies, json.dumps({"hosts": [spoilt]}).replace('"note"', '"note": "x", "note"').encode())
    for some in (replies[:3], *([each] for each in replies[1:])):
        columns, lines, singly = all_ways(made, some)
        assert columns == lines == singly


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
