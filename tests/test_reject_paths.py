"""Where in a reply a value stands that can't be a fact."""

from __future__ import annotations

import msgspec
import pytest

from intel_grapher.registry import Registry
from intel_grapher.reject_paths import dealt, paths

ENDPOINT = Registry.installed()["threatcrowd"].endpoints["domain"]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("192.0.2.1", "$.list[1]"),
        ("bad_host.example", "$.wildcard"),
        ("lantern.example", "$.whois"),
        ("53", "$.port"),
        ("host.example", "$"),  # a part of longer names only
        ("an", "$"),
        ("tern.example", "$"),
        ("None", "$"),
        ("True", "$"),
        ("nowhere.example", "$"),
    ],
)
def test_a_value_is_found_by_itself_or_as_a_whole_word(value: str, path: str) -> None:
    reply = {
        "list": ["x", "192.0.2.1"],
        "none": None,
        "yes": True,
        "wildcard": "*.bad_host.example",
        "name": "www.host.example",
        "whois": "Registrant: someone@lantern.example. Abuse: www.host.example.net",
        "port": 53,
    }
    found = paths(ENDPOINT, msgspec.json.encode(reply), {value: 1})
    assert (found[value] or ["$"]) == [path]


def test_a_number_stands_for_the_text_of_its_digits() -> None:
    reply = msgspec.json.encode({"list": [True, 7, "7", 1, 8, 7], "name": "7"})
    assert paths(ENDPOINT, reply, {"7": 3, "1": 1}) == {
        "7": ["$.list[1]", "$.list[2]", "$.list[5]"],
        "1": ["$.list[3]"],
    }
    assert paths(ENDPOINT, reply, {"7": 9, 7: 9}) == {"7": ["$.list[2]", "$.name"], 7: ["$.list[1]", "$.list[5]"]}


ROWS = ["$.a[0].ip", "$.a[0].seen", "$.a[1].ip", "$.a[2].ip"]


@pytest.mark.parametrize(
    ("places", "reasons", "whose"),
    [
        (ROWS, {"placeholder": 4}, {"placeholder": ROWS}),
        (ROWS, {"not a date": 1, "placeholder": 3}, {"not a date": ROWS[1:2], "placeholder": [ROWS[0], *ROWS[2:]]}),
        (ROWS[:1], {"one": 1, "other": 1}, {"one": ROWS[:1], "other": ROWS[:1]}),
        ([], {"one": 1, "other": 1}, {"one": [], "other": []}),
    ],
)
def test_each_reason_has_its_own_places(
    places: list[str], reasons: dict[str, int], whose: dict[str, list[str]]
) -> None:
    assert dealt(places, reasons) == whose
