"""What a source declares is read off it rightly, wrong declarations are refused, and every shipped one is whole."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct

from intel_grapher.errors import BadValue, SourceError
from intel_grapher.model import Facts
from intel_grapher.registry import Registry
from intel_grapher.schema import RESOLVES, Address, Hostname, MalwareName, Term
from intel_grapher.source import NAME, Endpoint, Given, Rate, Source

SOURCES = Registry.installed()
ENDPOINTS = {f"{endpoint.source.name}/{endpoint.name}": endpoint for endpoint in SOURCES.endpoints()}
HOSTILE = (
    *(
        "..",
        ".",
        "../x",
        "/../x",
        "a/../b",
        "%2e%2e",
        "..%2f",
        "a?b=c",
        "a#b",
        "a&b=c",
        "@evil.example",
        "//evil.example",
    ),
    *("a\\b", "a b", "a\nb", "\x00", "{key}", "{0}", "ü", "a;b", "[::1]", "x" * 4096, "http://evil.example/", ":80"),
)

every_source = pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))
every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=list(ENDPOINTS))


class Reply(Struct):
    ips: list[Address] = []


def made_up(**more: Any) -> Source:  # noqa: ANN401 - whatever a source takes
    return Source("made_up", title="Made up", home="https://api.made-up.example/v1", limits=(Rate(1),), **more)


def names(asked: Hostname, reply: Reply) -> Facts:
    """Addresses of a name.

    More about it.
    """
    yield RESOLVES.each(asked, reply.ips)


# --- declaring --------------------------------------------------------------------------------------------------------


def test_an_endpoint_is_read_off_its_mapping() -> None:
    source = made_up()
    assert source.get("/names/{key}", {"full": "1", "of": "{key}"}, also=("name",))(names) is names
    endpoint = source.endpoints["names"]
    assert [kind.name for kind in endpoint.kinds] == ["DNS name"]
    assert (endpoint.reply, endpoint.doc, endpoint.format) == (Reply, "Addresses of a name.", "json")
    request = endpoint.request("example.com", {})
    assert request.url == "https://api.made-up.example/v1/names/example.com"
    assert request.query == {"full": "1", "of": "example.com"}
    assert source.endpoint("NAMES") is source.endpoint("name") is endpoint
    assert source.endpoint("other") is None


def test_what_is_posted_has_the_key_in_its_form_or_its_json() -> None:
    source = made_up()
    source.post("/form", form={"host": "{key}"})(names)

    def search(_asked: Term, _reply: Reply) -> Facts:
        """Anything."""
        yield from ()

    source.post("/search", json={"query": "find", "term": "{key}"})(search)
    first, second = (each.request("example.com", {}) for each in source.endpoints.values())
    assert (first.method, first.form, first.json, first.query) == ("POST", {"host": "example.com"}, None, {})
    assert (second.form, second.json) == (None, {"query": "find", "term": "example.com"})


def test_what_varies_is_asked_in_turn() -> None:
    source = made_up()
    source.get("/{key}", vary={"type": ("A", "AAAA"), "page": ("1", "2")})(names)
    asked = [each.params for each in source.endpoints["names"].requests("example.com")]
    assert [(each["type"], each["page"]) for each in asked] == [("A", "1"), ("A", "2"), ("AAAA", "1"), ("AAAA", "2")]


def test_the_first_kind_that_takes_a_key_names_it() -> None:
    source = made_up()

    def either(_asked: Hostname | Address, _reply: Reply) -> Facts:
        """Anything."""
        yield from ()

    source.get("/{key}")(either)
    endpoint = source.endpoints["either"]
    assert endpoint.canonical("EXAMPLE.com.") == "example.com"
    assert endpoint.canonical("2001:DB8::0005") == "2001:db8::5"
    with pytest.raises(BadValue):
        endpoint.canonical("nothing of the kind")


def no_docstring(asked: Hostname, reply: Reply) -> Facts:
    yield RESOLVES.each(asked, reply.ips)


def no_kind(_asked: str, _reply: Reply) -> Facts:
    """Nothing."""
    yield from ()


def one_argument(_asked: Hostname) -> Facts:
    """Nothing."""
    yield from ()


def CamelCase(_asked: Hostname, _reply: Reply) -> Facts:  # noqa: N802 - that is what is wrong with it
    """Nothing."""
    yield from ()


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        (no_docstring, "needs a docstring"),
        (no_kind, "must annotate asked with kinds"),
        (one_argument, "must annotate asked with kinds"),
        (CamelCase, "bad name"),
    ],
)
def test_a_wrong_declaration_is_refused(mapping: Any, told: str) -> None:  # noqa: ANN401 - wrong on purpose
    with pytest.raises(SourceError, match=told):
        made_up().get("/{key}")(mapping)


def test_an_endpoint_is_declared_once() -> None:
    source = made_up()
    source.get("/{key}")(names)
    with pytest.raises(SourceError, match="is there already"):
        source.get("/again/{key}")(names)


@pytest.mark.parametrize("name", ["", "Made", "a-b", "../x", "_a", "a" * 65, "ü"])
def test_a_source_has_a_plain_name(name: str) -> None:
    with pytest.raises(SourceError, match="lower case"):
        Source(name, title="", home="", limits=())


def lookup(_asked: Hostname, _reply: Reply) -> Facts:
    """What it is known by."""
    yield from ()


def other_kind(_asked: Address, _reply: Reply) -> Facts:
    """Anything."""
    yield from ()


FIRST = Given("id", lookup, lambda reply: reply.ips[0] if reply.ips else None)


def test_what_an_endpoint_is_given_stays_one_segment_of_its_path() -> None:
    source = made_up()
    source.get("/ids/{key}")(lookup)
    source.get("/names/{id}/of/{key}", given=FIRST)(names)
    endpoint = source.endpoints["names"]
    assert endpoint.lookup is source.endpoints["lookup"]
    home = "https://api.made-up.example/v1"
    assert endpoint.request("example.com", {}, "7").url == f"{home}/names/7/of/example.com"
    assert endpoint.request("example.com", {}, "../{key}?x").url == f"{home}/names/..%2F%7Bkey%7D%3Fx/of/example.com"
    with pytest.raises(BadValue):
        endpoint.request("example.com", {}, "..")


@pytest.mark.parametrize(("ips", "told"), [(["7"], "7"), ([], ""), ([".."], ""), ([""], "")])
def test_what_could_be_no_segment_is_not_told(ips: list[str], told: str) -> None:
    source = made_up()
    source.get("/ids/{key}")(lookup)
    source.get("/names/{id}", given=FIRST)(names)
    assert source.endpoints["names"].told(Reply([Address(each) for each in ips])) == told
    assert source.endpoints["names"].told(None) == ""


@pytest.mark.parametrize(
    ("before", "path", "mapping", "told"),
    [
        (None, "/{id}", names, "declared before it"),
        ({}, "/{id}", other_kind, "the same kinds"),
        ({"vary": {"type": ("A", "B")}}, "/{id}", names, "one answer to a key"),
        ({"more": lambda _: None}, "/{id}", names, "one answer to a key"),
        ({"kept_only": "it is gone"}, "/{id}", names, "must then be asked"),
        ({}, "/{key}", names, r"no \{id\} in its path"),
    ],
)
def test_an_endpoint_can_not_be_given_just_anything(
    before: dict[str, Any] | None,
    path: str,
    mapping: Any,  # noqa: ANN401 - wrong on purpose
    told: str,
) -> None:
    source = made_up()
    if before is not None:
        source.get("/ids/{key}", **before)(lookup)
    with pytest.raises(SourceError, match=told):
        source.get(path, given=FIRST)(mapping)


# --- what is asked for never becomes a host or a path -----------------------------------------------------------------


@given(st.text(min_size=1))
@example("..")
@example("a/b?c#d")
def test_a_key_stays_one_segment_or_one_parameter(key: str) -> None:
    source = made_up()
    source.get("/names/{key}/report", {"q": "{key}"})(names)
    try:
        request = source.endpoints["names"].request(key, {})
    except BadValue:
        assert key in {".", ".."}
        return
    sent = requests.Request("GET", request.url, params=dict(request.query)).prepare().url
    assert sent
    parts = urlsplit(sent)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "api.made-up.example", "")
    before, middle, after = parts.path.split("/")[2:]
    assert (before, unquote(middle), after) == ("names", key, "report")


@every_endpoint
def test_no_key_leads_elsewhere(endpoint: Endpoint) -> None:
    home = urlsplit(endpoint.source.home)
    plain = urlsplit(endpoint.request("x", {}).url) if isinstance(endpoint.path, str) else None
    for raw in HOSTILE:
        try:
            request = endpoint.request(endpoint.canonical(raw), {}, raw)
        except BadValue:
            continue
        sent = requests.Request(request.method, request.url).prepare().url
        assert sent
        parts = urlsplit(sent)
        assert (parts.scheme, parts.netloc) == (home.scheme, home.netloc)
        assert parts.path.startswith(home.path.rstrip("/") or "/")
        assert plain is None or parts.path.count("/") == plain.path.count("/"), sent


# --- the shipped ones -------------------------------------------------------------------------------------------------


def is_asked(source: Source) -> bool:
    """Tell whether a source is ever asked: not one that is retired, or takes only what is brought to it."""
    open_ = [each for each in source.endpoints.values() if not each.kept_only]
    return not source.retired and any(kind.labels for each in open_ for kind in each.kinds)


@every_source
def test_a_source_tells_all_that_its_row_needs(source: Source) -> None:
    assert source.title
    assert source.endpoints
    assert source.retired or source.status, "say whether it still answers"
    if not is_asked(source):
        return
    assert source.home.startswith("https://")
    assert not source.home.endswith("/")
    assert source.limits
    assert all(rate.requests > 0 and rate.per > 0 for rate in source.limits)
    if source.key is not None:
        assert re.fullmatch(r"[A-Z][A-Z0-9_]+", source.key.variable)
        assert bool(source.key.header) != bool(source.key.query), "a key goes into one place"


@every_endpoint
def test_an_endpoint_tells_all_that_its_row_needs(endpoint: Endpoint) -> None:
    assert re.fullmatch(r"[A-Z].*\.", endpoint.doc)
    assert all(NAME.fullmatch(each) for each in endpoint.also), "folders are folded: lower case, _ for -"


def test_no_two_sources_or_endpoints_share_a_name() -> None:
    taken = [name for source in SOURCES.values() for name in (source.name, *source.also)]
    assert len(taken) == len(set(taken))
    for source in SOURCES.values():
        own = [name for endpoint in source.endpoints.values() for name in (endpoint.name, *endpoint.also)]
        assert len(own) == len(set(own)), source.name


def test_a_key_is_never_part_of_an_address() -> None:
    for endpoint in ENDPOINTS.values():
        key = endpoint.source.key
        if key is not None and key.query:
            assert key.query not in endpoint.query


def test_malware_names_may_hold_anything_that_prints() -> None:
    source = made_up()

    def family(_asked: MalwareName, _reply: Reply) -> Facts:
        """Anything."""
        yield from ()

    source.get("/family/{key}")(family)
    request = source.endpoints["family"].request("Win32/Trojan.Gen ../x", {})
    assert request.url.endswith("/family/Win32%2FTrojan.Gen%20..%2Fx")
