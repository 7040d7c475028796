"""MISP: events that PyMISP writes, alone, as a feed and as a search's answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Desk
from pymisp import MISPEvent, MISPObject, MISPOrganisation
from replies import RecordingGraph, edge, node, told

UUID = "8f4c3c1e-0000-4000-8000-000000000001"
REPORT = f"Report misp:{UUID}"
SHA256, MD5 = "a" * 64, "c" * 32


@pytest.fixture(scope="module")
def event() -> MISPEvent:
    event = MISPEvent()
    event.uuid, event.info = UUID, "A campaign"
    event.set_date("2026-03-02")
    event.Orgc = MISPOrganisation()
    event.Orgc.from_dict(name="Example CERT", uuid="8f4c3c1e-0000-4000-8000-0000000000ff")
    event.add_tag("tlp:amber")
    event.add_attribute("domain", "example.org", comment="C2")
    event.add_attribute("ip-dst", "192.0.2[.]7")
    file = MISPObject("file")
    file.add_attribute("sha256", SHA256)
    file.add_attribute("md5", MD5)
    file.add_attribute("filename", "a.exe")
    event.add_object(file)
    served = MISPObject("domain-ip")
    served.add_attribute("domain", "c2.example.net")
    served.add_attribute("ip", "192.0.2.8")
    event.add_object(served)
    return event


def check(found: RecordingGraph) -> None:
    assert node(REPORT, title="A campaign", created="2026-03-02", tags=("tlp:amber",)) in found.nodes
    assert edge("Domain example.org", "REPORTED_IN", REPORT, "2026-03-02", comments=("C2",)) in found.edges
    assert edge("IPAddress 192.0.2.7", "REPORTED_IN", REPORT, "2026-03-02") in found.edges
    assert edge("SubDomain c2.example.net", "RESOLVES", "IPAddress 192.0.2.8") in found.edges
    assert edge(f"Hash {SHA256}", "SAME_FILE", f"Hash {MD5}") in found.edges
    assert found.rejects == set()


def test_a_bare_event_one_in_a_member_a_search_and_a_feed_tell_the_same(event: MISPEvent) -> None:
    bare = event.to_json()
    for body in (
        bare,
        json.dumps({"Event": json.loads(bare)}),
        json.dumps({"response": [{"Event": json.loads(bare)}]}),
        json.dumps([{"Event": json.loads(bare)}]),
        json.dumps(event.to_feed()),
    ):
        check(told("misp", "event", "x", body.encode()))


def test_a_feed_folder_goes_in_without_a_word_of_whose_it_is(event: MISPEvent, tmp_path: Path) -> None:
    feed = tmp_path / "feed"
    feed.mkdir()
    whole = event.to_feed(with_meta=True)
    hashes, manifest = whole["Event"].pop("_hashes"), whole["Event"].pop("_manifest")
    (feed / f"{UUID}.json").write_text(json.dumps(whole))
    (feed / "manifest.json").write_text(json.dumps(manifest))
    (feed / "hashes.csv").write_text("".join(f"{each},{UUID}\n" for each in hashes))
    desk = Desk(tmp_path)
    ran = desk.run("cache", "add", "feed")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "3 added, 0 there already, 0 left out")
    done = desk.run("transform", "--json")
    assert (done.code, done.json["manifest"]["nodes"]["Report"]["rows"]) == (0, 1)
