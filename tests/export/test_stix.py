"""STIX 2.1, as others read it: valid, with the standard's identifiers, every reference to something that is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stix2
from exporting import exported
from judged import DIGESTS
from stix2.v21 import observables
from stix2validator import ValidationOptions, validate_string

from intel_grapher.export import choose
from intel_grapher.export.formats.stix import MARKINGS
from intel_grapher.export.part import Part, opened
from intel_grapher.files import Files, Group
from intel_grapher.model import NodeRef


@pytest.fixture(scope="module")
def bundle(files: Files) -> list[dict[str, Any]]:
    with opened(files) as part:
        objects: list[dict[str, Any]] = json.loads(exported("stix", part))["objects"]
    return objects


def references(item: dict[str, Any]) -> Iterator[str]:
    for name, value in item.items():
        if name.endswith("_ref"):
            yield value
        elif name.endswith("_refs"):
            yield from value


def of(bundle: list[dict[str, Any]], type_: str) -> list[dict[str, Any]]:
    return [each for each in bundle if each["type"] == type_]


def test_the_standards_validator_finds_no_error(files: Files) -> None:
    with opened(files) as part:
        found = validate_string(exported("stix", part).decode(), ValidationOptions(version="2.1"))
    assert [str(error) for error in found.errors] == []
    assert found.is_valid


def test_every_reference_is_to_an_object_that_is_there_once(bundle: list[dict[str, Any]]) -> None:
    ids = [each["id"] for each in bundle]
    assert len(ids) == len(set(ids))
    assert {each for item in bundle for each in references(item)} <= set(ids)


@pytest.mark.parametrize("hops", [0, 1, 2])
def test_so_it_is_in_a_part(files: Files, hops: int) -> None:
    with opened(files) as part:
        choose.neighbourhood(part, NodeRef("IPAddress", "192.0.2.10"), hops)
        objects = json.loads(exported("stix", part))["objects"]
    ids = [each["id"] for each in objects]
    assert len(ids) == len(set(ids))
    assert {each for item in objects for each in references(item)} <= set(ids)


def test_identifiers_of_observables_are_those_that_another_producer_gives(bundle: list[dict[str, Any]]) -> None:
    classes = {each._type: each for each in vars(observables).values() if hasattr(each, "_type")}  # noqa: SLF001
    checked = set()
    for item in bundle:
        if item["type"] in classes and "x_intel_grapher_key" not in item:
            members = {name: value for name, value in item.items() if name not in {"id", "object_marking_refs"}}
            made = classes[item["type"]](**members, allow_custom=True)
            if item["type"] != "x509-certificate" or "hashes" in item:
                assert made.id == item["id"], item
                checked.add(item["type"])
    assert checked >= {"domain-name", "ipv4-addr", "ipv6-addr", "url", "email-addr", "file", "network-traffic"}
    assert checked >= {"autonomous-system", "user-account", "x509-certificate"}


def test_another_library_reads_every_object(bundle: list[dict[str, Any]]) -> None:
    for item in bundle:
        assert stix2.parse(item, allow_custom=True)["id"] == item["id"]


def test_a_verdict_makes_an_indicator_and_nothing_else_does(bundle: list[dict[str, Any]]) -> None:
    patterns = {each["pattern"] for each in of(bundle, "indicator")}
    assert patterns == {
        "[domain-name:value = 'cdn-update.example']",  # the campaign's own
        "[ipv4-addr:value = '192.0.2.10']",
        "[url:value = 'http://example.com/it\\'s?a=1']",
        "[file:hashes.MD5 = '{md5}' OR file:hashes.'SHA-1' = '{sha1}' OR file:hashes.'SHA-256' = '{sha256}']".format(
            **DIGESTS
        ),
        "[network-traffic:dst_ref.value = '192.0.2.10' AND network-traffic:dst_port = 443]",
    }
    address = next(each for each in of(bundle, "indicator") if "192.0.2.10']" in each["pattern"])
    assert address["indicator_types"] == ["anomalous-activity"]  # the newest verdict
    assert "verdict: benign" in {each["content"] for each in of(bundle, "note")}


def test_a_sighting_names_sources_and_dates(bundle: list[dict[str, Any]]) -> None:
    names = {each["id"]: each["name"] for each in of(bundle, "identity")}
    by_id = {each["id"]: each for each in bundle}
    for sighting in of(bundle, "sighting"):
        assert by_id[sighting["sighting_of_ref"]]["type"] == "indicator"
        assert {names[each] for each in sighting["where_sighted_refs"]} <= set(names.values()) - {"analyst"}
    assert any("first_seen" in each for each in of(bundle, "sighting"))


def test_digests_of_one_file_are_one_file(bundle: list[dict[str, Any]], files: Files) -> None:
    hashes = [
        digest for each in of(bundle, "file") for name, digest in each["hashes"].items() if "-" in name or name == "MD5"
    ]
    assert len(hashes) == len(set(hashes))
    with opened(files) as part:
        assert set(hashes) == {key for rows in part.rows(Group("Hash")) for key in rows.keys[0]}
    one = next(each for each in of(bundle, "file") if each["hashes"].get("MD5") == DIGESTS["md5"])
    assert one["hashes"] == {"MD5": DIGESTS["md5"], "SHA-1": DIGESTS["sha1"], "SHA-256": DIGESTS["sha256"]}


def test_relationships_have_their_dates_sources_and_types(bundle: list[dict[str, Any]]) -> None:
    ids = {each.get("value"): each["id"] for each in bundle}
    found = [
        each
        for each in of(bundle, "relationship")
        if (each["source_ref"], each["target_ref"]) == (ids["invoice-portal.example"], ids["192.0.2.10"])
    ]
    resolves = next(each for each in found if each["labels"] == ["resolves"])
    assert resolves["relationship_type"] == "resolves-to"
    assert (resolves["start_time"], resolves["stop_time"]) == ("2026-04-11T00:00:00Z", "2026-05-09T16:47:00Z")
    assert {each["source_name"] for each in resolves["external_references"]} == {
        *("threatcrowd", "virustotal", "virustotal_v2")
    }


def test_a_marking_goes_with_the_thing_and_all_that_is_told_of_it(bundle: list[dict[str, Any]]) -> None:
    name = next(each for each in of(bundle, "domain-name") if each["value"] == "invoice-portal.example")
    amber = [f"marking-definition--{MARKINGS['amber']}"]
    assert name["object_marking_refs"] == amber
    for each in bundle:
        if name["id"] in references(each) and each["type"] in {"relationship", "observed-data", "note"}:
            assert each["object_marking_refs"] == amber, each


def test_a_hostile_graph_is_valid_json_with_nothing_in_the_wrong_place(hostile_site: Path) -> None:
    with opened(Files(hostile_site / "import")) as part:
        objects = json.loads(exported("stix", part))["objects"]
    assert {each["type"] for each in objects} <= {*(each.replace("_", "-") for each in TYPES)}


TYPES = {
    *("identity", "marking_definition", "domain_name", "ipv4_addr", "ipv6_addr", "email_addr", "url", "file"),
    *("user_account", "x509_certificate", "autonomous_system", "network_traffic", "observed_data", "indicator"),
    *("sighting", "relationship", "report", "note", "malware", "tool", "vulnerability", "attack_pattern"),
    *("intrusion_set", "course_of_action"),
}


def test_a_part_without_files_or_notes(part: Part) -> None:
    choose.nodes(
        part, [NodeRef("Organization", key) for rows in part.rows(Group("Organization")) for key in rows.keys[0]]
    )
    objects = json.loads(exported("stix", part))["objects"]
    assert {each["type"] for each in objects} == {"identity", "marking-definition"}
