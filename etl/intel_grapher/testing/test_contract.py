"""The contract of a source: each test runs once for each endpoint. The package's docstring says how to run them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import inspect

from intel_grapher import reading
from intel_grapher.cache.envelope import Entry, decode, encode
from intel_grapher.errors import BadValue
from intel_grapher.source import Endpoint, Outcome
from intel_grapher.testing.columns import all_ways
from intel_grapher.testing.samples import Samples
from intel_grapher.testing.spoiling import spoiled
from intel_grapher.testing.validity import Mapped, faults, mapped
from intel_grapher.transform.facts import Reply
from intel_grapher.transform.traced import trace

FETCHED_AT = 1_795_000_000

# What services say in place of an answer. None of it is one, for any endpoint.
NO_ANSWERS = (
    *(b"", b" ", b"\n", b"\x00", b"<html>\n<body>\nJust a moment...\n</body>\n</html>\n"),
    *b"""
{}
[]
null
0
""
true
[null]
[[]]
[{}]
{"":null}
{
<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>
Too many connections
error check your search parameter
API count exceeded - Increase Quota with Membership
{"response_code":"0"}
{"response_code":0,"verbose_msg":"The requested resource is not among the finished, queued or pending scans"}
{"error":"No information available for that IP."}
{"error":{"code":"NotFoundError","message":"not found"}}
{"errors":[{"title":"Not Found Error","detail":"no user","type":"about:blank"}]}
{"errors":[{"code":50,"message":"User not found."}]}
{"detail":"No information available"}
{"message":"not found","status":404}
{"ok":false,"error":{}}
{"query_status":"no_results"}
{"query_status":"hash_not_found"}
{"query_status":"illegal_search_term","data":"Your search term is not valid"}
{"status_code":"404","status_message":"No results found.","results":[]}
{"count":0,"passive_dns":[]}
{"results":[],"total":0,"has_more":false}
{"data":[],"links":{}}
{"data":null}
{"meta":{"result_count":0}}
{"Status":2}
{"Status":3,"Answer":[]}
{"errorCode":404,"title":"Not Found","description":["no object"]}
{"response":[]}
{"Event":null}
{"type":"bundle","objects":[]}
{"type":"bundle"}
""".strip().splitlines(),
)
REFUSALS = (400, 401, 403, 404, 429, 500, 502, 503)

# Of each label a key that no reply names.
OTHERS = {
    "ASN": "AS64999",
    "Domain": "unnamed.example",
    "Email": "nobody@unnamed.example",
    "Hash": "0123456789abcdef" * 4,
    "IPAddress": "192.0.2.254",
    "Malware": "Unnamed",
    "Network": "192.0.2.252/30",
    "Note": "0123456789abcdef",
    "Report": "https://unnamed.example/",
    "SubDomain": "www.unnamed.example",
    "Tweet": "1234567890",
    "TwitterUser": "unnamed",
    "URL": "https://unnamed.example/",
}


def test_a_sample_ships_that_gives_a_valid_fact(endpoint: Endpoint, samples: Samples) -> None:
    assert samples.of(endpoint), f"ship a reply of your own making: `cache add … --data {samples.folder}`"
    found = mapped(endpoint, *samples.of(endpoint))
    assert found.facts
    assert list(faults(found)) == []
    assert not found.outcomes["unreadable"], found.rejects


def test_replayed_it_gives_the_same(endpoint: Endpoint, samples: Samples) -> None:
    replies = samples.of(endpoint)
    once = mapped(endpoint, *replies)
    assert mapped(endpoint, *replies, *reversed(replies)).facts == once.facts
    assert set().union(*(mapped(endpoint, each).facts for each in replies)) == once.facts


def test_what_is_no_answer_gives_no_fact(endpoint: Endpoint, samples: Samples) -> None:
    asked = samples.good(endpoint)[0]
    for body in NO_ANSWERS:
        found = mapped(endpoint, msgspec.structs.replace(asked, content=body))
        assert not found.facts, body
        assert list(faults(found)) == [], body


def test_a_refusal_gives_no_fact_whatever_it_says(endpoint: Endpoint, samples: Samples) -> None:
    for reply in samples.good(endpoint):
        for status in REFUSALS:
            assert not mapped(endpoint, msgspec.structs.replace(reply, status=status)).facts


def test_what_was_not_found_says_so(endpoint: Endpoint, samples: Samples) -> None:
    for reply in samples.of(endpoint):
        if reply not in samples.good(endpoint) and reply.status == 200:
            assert mapped(endpoint, reply).outcomes[Outcome.NOT_FOUND.value] == 1, reply


@pytest.mark.endpoints.with_args(
    lambda endpoint: all(kind.labels for kind in endpoint.kinds)
)  # else any text may be asked for
def test_a_key_that_can_not_be_asked_for_gives_no_fact(endpoint: Endpoint, samples: Samples) -> None:
    for reply in samples.good(endpoint):
        found = mapped(endpoint, msgspec.structs.replace(reply, key=" \x00"))
        assert not found.facts
        assert [each.reason.startswith("asked for ") for each in found.rejects] == [True]


def test_a_key_that_is_spelt_otherwise_gives_the_same_facts(endpoint: Endpoint, samples: Samples) -> None:
    for reply in samples.good(endpoint):
        key = endpoint.canonical(reply.key)
        as_it_stands = msgspec.structs.replace(reply, key=key)
        spelt = [
            msgspec.structs.replace(reply, key=each)
            for each in (f" {key}", f"{key}.", key.upper())
            if each != key and canonical(endpoint, each) == key
        ]
        same = mapped(endpoint, as_it_stands).facts
        assert mapped(endpoint, *spelt, as_it_stands, *spelt).facts == same
        assert all(mapped(endpoint, each).facts == same for each in spelt)


def test_a_found_reply_names_what_was_asked_for(endpoint: Endpoint, samples: Samples) -> None:
    # It is asked for under another key, too, which the reply does not name by chance.
    for reply in samples.good(endpoint) if not endpoint.untied else []:
        asked = asked_node(endpoint, reply.key)
        if asked is None:
            continue
        assert asked in named_nodes(mapped(endpoint, reply)), f"nothing of {asked}"
        other = msgspec.structs.replace(reply, key=OTHERS[asked[0]])
        asked = asked_node(endpoint, other.key)
        assert asked is None or asked in named_nodes(mapped(endpoint, other)), f"nothing of {asked}"


def asked_node(endpoint: Endpoint, key: str) -> tuple[str, str] | None:
    """Return the label and the key of what was asked for; None for what is no node: a search, a feed."""
    for kind in endpoint.kinds:
        try:
            label, canonical = kind.resolve(key)
        except (BadValue, IndexError):
            continue
        return label.name, canonical
    return None


def named_nodes(found: Mapped) -> set[tuple[str, str]]:
    """Return the label and the key of every node in the facts."""
    named: set[tuple[str, str]] = set()
    for group, table in found.tables:
        sides = (("start", group.start), ("end", group.end)) if group.type else (("key", group.start),)
        named |= {(label, key) for column, label in sides for key in table[column].to_pylist()}
    return named


def canonical(endpoint: Endpoint, key: str) -> str | None:
    try:
        return endpoint.canonical(key)
    except BadValue:
        return None


# --- the declared fields ----------------------------------------------------------------------------------------------


Field = tuple[type, str]


def fields(shape: inspect.Type, seen: dict[type, None]) -> dict[type, None]:
    """Collect the struct types that a reply type is made of."""
    if isinstance(shape, inspect.StructType) and shape.cls not in seen:
        seen[shape.cls] = None
        for each in shape.fields:
            fields(each.type, seen)
    for name in ("types", "item_types"):
        for each in getattr(shape, name, ()):
            fields(each, seen)
    for name in ("item_type", "key_type", "value_type"):
        if inner := getattr(shape, name, None):
            fields(inner, seen)
    return seen


def declared(endpoint: Endpoint) -> set[Field]:
    return {field for struct in fields(inspect.type_info(endpoint.reply), {}) for field in fields_of(struct)}


def fields_of(struct: type) -> Iterator[Field]:
    """Yield a struct's fields, each with the class that declares it."""
    for name in struct.__struct_fields__:  # type: ignore[attr-defined]
        own = [each for each in struct.mro() if each is not msgspec.Struct and issubclass(each, msgspec.Struct)]
        yield next(each for each in reversed(own) if name in each.__struct_fields__), name


def structs_in(value: Any) -> Iterator[msgspec.Struct]:  # noqa: ANN401 - a reply may be anything
    if isinstance(value, msgspec.Struct):
        yield value
        for name in value.__struct_fields__:
            yield from structs_in(getattr(value, name))
    elif isinstance(value, dict):
        for each in value.values():
            yield from structs_in(each)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from structs_in(each)


def typed_samples(endpoint: Endpoint, samples: Samples) -> Iterator[tuple[Reply, Any]]:
    for reply in samples.of(endpoint):
        try:
            yield reply, reading.read(endpoint, reply.content)[0]
        except BadValue:  # an error page among the samples
            continue


@cache
def default(field: Field) -> Any:  # noqa: ANN401 - of any type
    for each in msgspec.structs.fields(field[0]):
        if each.name == field[1]:
            return each.default_factory() if each.default is msgspec.NODEFAULT and not each.required else each.default
    raise AssertionError(field)


def name_of(field: Field) -> str:
    return f"{field[0].__name__}.{field[1]}"


def test_every_declared_field_is_in_a_sample(endpoint: Endpoint, samples: Samples) -> None:
    # What several endpoints share is shown by one of them.
    exercised = {field for other in endpoint.source.endpoints.values() for field in exercised_fields(other, samples)}
    assert sorted(map(name_of, declared(endpoint) - exercised)) == []


@cache
def exercised_fields(endpoint: Endpoint, samples: Samples) -> set[Field]:
    return {
        field
        for _, typed in typed_samples(endpoint, samples)
        for struct in structs_in(typed)
        for field in fields_of(type(struct))
        if getattr(struct, field[1]) != default(field)
    }


@pytest.mark.endpoints.with_args(lambda endpoint: endpoint.format != "text")
def test_every_declared_field_is_read(endpoint: Endpoint, samples: Samples) -> None:
    read = {field for other in endpoint.source.endpoints.values() for field in read_fields(other, samples)}
    assert sorted(map(name_of, declared(endpoint) - read)) == []


@cache
def read_fields(endpoint: Endpoint, samples: Samples) -> set[Field]:
    """Return the fields without which a sample says something else, or its next page is not known."""
    read: set[Field] = set()
    for reply, typed in typed_samples(endpoint, samples):
        whole = what_is_said(endpoint, reply, typed)
        for field in {field for struct in structs_in(typed) for field in fields_of(type(struct))} - read:
            blank = default(field)
            if blank is msgspec.NODEFAULT or what_is_said(endpoint, reply, without(typed, field, blank)) != whole:
                read.add(field)
    return read


def without(typed: Any, field: Field, blank: Any) -> Any:  # noqa: ANN401 - a reply may be anything
    copy = _copied(typed)
    for struct in structs_in(copy):
        if isinstance(struct, field[0]):
            msgspec.structs.force_setattr(struct, field[1], blank)
    return copy


def _copied(value: Any) -> Any:  # noqa: ANN401 - a reply may be anything
    if isinstance(value, msgspec.Struct):
        return type(value)(**{name: _copied(getattr(value, name)) for name in value.__struct_fields__})
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    return type(value)(map(_copied, value)) if isinstance(value, list | tuple) else value


def what_is_said(endpoint: Endpoint, reply: Reply, typed: Any) -> tuple[object, ...]:  # noqa: ANN401
    facts, left_out = endpoint.mapped(endpoint.canonical(reply.key), typed)
    said = [(fact.what, fact.starts, fact.ends, fact.properties) for fact in facts]
    gives = [each.told(typed) for each in endpoint.source.endpoints.values() if each.lookup is endpoint]
    return endpoint.source.judge(typed), endpoint.more(typed) if endpoint.more else None, gives, repr((said, left_out))


# --- spoiled replies --------------------------------------------------------------------------------------------------


def test_a_spoiled_reply_costs_no_more_than_itself(endpoint: Endpoint, samples: Samples) -> None:
    whole = samples.good(endpoint)
    bystander = Reply(whole[0].key, FETCHED_AT, 200, whole[0].content)
    before = mapped(endpoint, bystander).facts

    @settings(
        max_examples=20, phases=(Phase.generate,), deadline=None, derandomize=True, database=None,
        report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def spoil(data: st.DataObject) -> None:
        reply = data.draw(st.sampled_from(whole))
        content = data.draw(spoiled(bytes(reply.content), endpoint.format == "lines"))
        found = mapped(endpoint, msgspec.structs.replace(reply, content=content), bystander)
        assert list(faults(found)) == []
        assert before <= found.facts

    spoil()


@pytest.mark.endpoints.with_args(lambda endpoint: trace(endpoint) is not None)
def test_read_in_columns_spoiled_replies_give_the_same_facts_and_rejects(endpoint: Endpoint, samples: Samples) -> None:
    whole = samples.good(endpoint)

    def kept(reply: Reply, content: bytes) -> Reply:
        """Return a reply as it comes out of the cache."""
        entry = Entry(
            source=endpoint.source.name, endpoint=endpoint.name, key=reply.key, fetched_at=reply.fetched_at, status=200,
            body=content,
        )  # fmt: skip
        return Reply.of(decode(encode(entry)[:-1], check=True))

    @settings(
        max_examples=30, phases=(Phase.generate,), deadline=None, derandomize=True, database=None,
        report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def compare(data: st.DataObject) -> None:
        drawn = data.draw(st.lists(st.sampled_from(whole), min_size=1, max_size=3))
        replies = [kept(each, data.draw(spoiled(bytes(each.content), lines=False))) for each in drawn]
        columns, lines, singly = all_ways(endpoint, [*replies, *(kept(each, bytes(each.content)) for each in drawn)])
        assert columns == lines == singly

    compare()
