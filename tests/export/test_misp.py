"""A MISP event, as PyMISP reads it: types, categories and templates that it knows, references to what is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pymisp
import pytest
from exporting import exported
from judged import DIGESTS

from intel_grapher.export import choose
from intel_grapher.export.formats._misp_objects import CATEGORIES, OBJECTS, ROWS, TEMPLATES
from intel_grapher.export.part import Part, opened
from intel_grapher.files import Files
from intel_grapher.model import NodeRef

PLACE = Path(pymisp.__file__).parent / "data"


def template(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((PLACE / "misp-objects" / "objects" / name / "definition.json").read_bytes())
    return found


@pytest.fixture(scope="module")
def event(files: Files) -> dict[str, Any]:
    with opened(files) as part:
        found: dict[str, Any] = json.loads(exported("misp", part))["Event"]
    return found


def all_attributes(event: dict[str, Any]) -> list[dict[str, Any]]:
    return [*event["Attribute"], *(each for one in event["Object"] for each in one["Attribute"])]


def test_pymisp_reads_it_all(event: dict[str, Any]) -> None:
    read = pymisp.MISPEvent()
    read.load(json.dumps({"Event": event}))
    assert len(read.attributes) == len(event["Attribute"])
    assert len(read.objects) == len(event["Object"])
    assert all(each["type"] in read.attributes[0].known_types for each in all_attributes(event))
    again = json.loads(read.to_json())
    assert {each["uuid"] for each in again["Attribute"]} == {each["uuid"] for each in event["Attribute"]}


def test_types_and_categories_go_together(event: dict[str, Any]) -> None:
    known = json.loads((PLACE / "describeTypes.json").read_bytes())["result"]["category_type_mappings"]
    for each in all_attributes(event):
        assert each["type"] in known[each["category"]], each
    for type_, category in CATEGORIES.items():
        assert type_ in known[category]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_the_one_that_misp_has(name: str) -> None:
    known = template(name)
    assert tuple(TEMPLATES[name]) == (known["uuid"], known["version"], known["meta-category"])


def test_an_object_has_what_its_template_asks_for(event: dict[str, Any]) -> None:
    assert {one["name"] for one in event["Object"]} == {*OBJECTS.values(), "asn", "ip-port"} | {
        name for name, _ in ROWS.values() if name
    }
    for one in event["Object"]:
        known = template(one["name"])
        relations = {each["object_relation"] for each in one["Attribute"]}
        assert relations <= known["attributes"].keys(), one
        assert set(known.get("required", ())) <= relations
        assert not known.get("requiredOneOf") or set(known["requiredOneOf"]) & relations
        for each in one["Attribute"]:
            assert known["attributes"][each["object_relation"]]["misp-attribute"] == each["type"]


def test_a_reference_is_to_something_that_is_there(event: dict[str, Any]) -> None:
    there = {each["uuid"] for each in (*event["Attribute"], *event["Object"])}
    assert len(there) == len(event["Attribute"]) + len(event["Object"])
    references = [each for one in event["Object"] for each in one.get("ObjectReference", ())]
    assert {each["referenced_uuid"] for each in references} <= there
    assert {each["relationship_type"] for each in references} >= {"connects-to", "detected-as", "downloaded-from"}


def test_so_it_is_in_a_part(part: Part) -> None:
    choose.neighbourhood(part, NodeRef("Malware", "Trojan.PaperLantern.A"), 1)
    event = json.loads(exported("misp", part))["Event"]
    there = {each["uuid"] for each in (*event["Attribute"], *event["Object"])}
    assert {each["referenced_uuid"] for one in event["Object"] for each in one.get("ObjectReference", ())} <= there
    assert there


def test_a_verdict_sets_to_ids_and_nothing_else_does(event: dict[str, Any]) -> None:
    assert {each["value"] for each in all_attributes(event) if each["to_ids"]} == {
        "cdn-update.example",  # the campaign's own
        "192.0.2.10",
        "http://example.com/it's?a=1",
        *DIGESTS.values(),
    }


def test_the_event_has_the_strictest_marking_and_notes_are_comments(event: dict[str, Any]) -> None:
    assert event["Tag"] == [{"name": "tlp:amber+strict"}]  # of a sample
    by_value = {each["value"]: each for each in event["Attribute"]}
    assert {"name": "TLP:AMBER"} in by_value["invoice-portal.example"]["Tag"]
    assert by_value["invoice-portal.example"]["comment"].startswith("ana: Its pages copy a billing portal.")


def test_an_empty_graph_is_an_event_without_anything(part: Part) -> None:
    choose.nodes(part, [])
    event = json.loads(exported("misp", part))["Event"]
    assert (event["Attribute"], event["Object"]) == ([], [])
