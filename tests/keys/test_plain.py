"""What is told of whole columns is what each kind says of a string by itself."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intel_grapher import keys, schema
from intel_grapher.errors import BadValue
from intel_grapher.model import Kind
from intel_grapher.transform.interning import Interning

ALL = [each for each in vars(schema).values() if isinstance(each, Kind) and each.labels]
PLAIN = [each for each in ALL if each.plain is not None or any(one.plain for one in each.among)]
IDS = [each.name for each in PLAIN]

# Near what is canonical: the right alphabets, the right lengths, and one step beside them.
NAMES = st.from_regex(
    r"(?:[a-z0-9_-]{1,9}\.){1,4}(?:example|co\.uk|uk|ck|www\.ck|amazonaws\.com|xn--p1ai|7|k0|[a-z0-9-]{1,3})",
    fullmatch=True,
)
ADDRESSES = st.from_regex(r"[0-9]{1,3}(?:\.[0-9]{1,3}){2,4}", fullmatch=True)
NEAR = st.one_of(
    NAMES,
    ADDRESSES,
    st.sampled_from(["0.0.0.0", "255.255.255.255", "1.2.3.4\n", "a.example\n", "", "-", "AS0", "AS4294967296", "0"]),  # noqa: S104 - refused, not bound
    st.builds("{}@{}".format, st.from_regex(r"[a-z0-9_.+-]{1,66}", fullmatch=True), NAMES),
    st.builds("{}:{}/{}".format, ADDRESSES, st.integers(0, 70_000), st.sampled_from(["tcp", "udp", "TCP"])),
    st.builds(
        str.__mul__, st.sampled_from(["a", "0", "f", "g", "A"]), st.sampled_from([31, 32, 40, 41, 56, 64, 96, 128])
    ),
    st.from_regex(r"CVE-[0-9]{3,5}-[0-9]{3,20}|AS?[0-9]{1,11}|[0-9]{1,40}|[a-zA-Z0-9_]{1,22}", fullmatch=True),
    st.builds("{}.{}".format, st.text("a-", min_size=60, max_size=66), NAMES),
    st.text(max_size=12),
)


def _by_itself(kind: Kind[Any], raw: str) -> tuple[object, str]:
    try:
        label, key = kind.resolve(raw)
    except BadValue as bad:
        return -1, bad.reason
    return label.name, key


@pytest.mark.parametrize("kind", PLAIN, ids=IDS)
@settings(max_examples=40, deadline=None)
@given(raws=st.lists(NEAR, min_size=1, max_size=40, unique=True))
def test_a_column_is_told_what_each_string_is_told(kind: Kind[Any], raws: list[str]) -> None:
    raws = [raw for raw in raws if not re.search("[\ud800-\udfff]", raw)] or ["a.example"]
    found = Interning().resolve(kind, pa.array(raws, pa.string()))
    for number, raw in enumerate(raws):
        place = found.labels[number].as_py()
        told = (place, found.reasons[number]) if place < 0 else (kind.labels[place].name, found.keys[number].as_py())
        assert told == _by_itself(kind, raw), raw


@pytest.mark.parametrize("kind", [each for each in ALL if each.plain], ids=lambda each: each.name)
def test_most_strings_need_no_second_look(kind: Kind[Any]) -> None:
    usual = {
        "DNS name": "www.a-b.example", "registrable name": "a.example", "sub-domain": "www.a.example",
        "IP address": "192.0.2.7", "e-mail address": "a.b@mail.example", "hash": "d41d8cd98f00b204e9800998ecf8427e",
        "Twitter user": "paper_lantern", "tweet": "1234567890123456789", "AS number": "AS64500",
        "service": "192.0.2.7:443/tcp", "CVE number": "CVE-2021-44228",
    }  # fmt: skip
    assert kind.plain is not None
    assert kind.plain(pa.array([usual[kind.name]])).null_count == 0


@settings(max_examples=60, deadline=None)
@given(raws=st.lists(NAMES, min_size=1, max_size=40))
def test_the_domain_of_a_column_of_names_is_that_of_each(raws: list[str]) -> None:
    told = keys.plain.registrable(pa.array(raws, pa.string())).to_pylist()
    for raw, domain in zip(raws, told, strict=True):
        assert domain in {None, schema.registrable(schema.Hostname(raw))}, raw
        assert domain in {None, schema.registered(schema.Hostname(raw))}, raw
    assert keys.plain.registrable(pa.array(["a.b.example", "www.example.com"])).to_pylist() == [
        "b.example",
        "example.com",
    ]
