"""Keeping: investigations, links, exports; and the Cypher box."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from playwright.sync_api import Page, expect
from ui_site import Site, fill, grow, idle, nodes, pick

SVG = "{http://www.w3.org/2000/svg}"


def test_an_investigation_is_saved_and_its_link_opens_it_again(small: Site, small_page: Page) -> None:
    page = small_page
    pick(page, "example.com")
    grow(page)
    page.locator("#filters input[name='label Email']").uncheck()
    page.keyboard.press("Control+s")
    fill(page, name="Paper lantern (1)")
    expect(page.locator(".toast")).to_contain_text("Saved")
    kept = sorted(nodes(page))
    link = page.url
    assert "open=" in link
    assert small.token not in link
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector("html[data-ready=true]")
    idle(page)
    assert sorted(nodes(page)) == kept
    assert not page.evaluate("app.model.nodes().some(id => id.startsWith('Email:') && app.model.seesNode(id))")
    page.click("#open")
    page.get_by_role("button", name="New, empty picture").click()
    page.wait_for_function("() => app.model.nodes().length === 0")
    page.click("#open")
    page.locator("dialog").get_by_role("button", name="Paper lantern (1)", exact=True).click()
    page.wait_for_function("count => app.model.nodes().length === count", arg=len(kept))
    page.click("#open")
    page.get_by_label("remove Paper lantern (1)").click()
    page.locator("dialog").last.get_by_role("button", name="Remove").click()
    expect(page.get_by_label("remove Paper lantern (1)")).to_have_count(0)
    page.keyboard.press("Escape")


def test_what_is_shown_is_exported_as_picture_table_and_graph(hostile_page: Page, tmp_path: Path) -> None:
    page = hostile_page
    pick(page, "198.51.100.99")
    page.evaluate(
        "corpus => app.actions.bring(corpus.map(key => ({label: 'Malware', key})))",
        ['=HYPERLINK("http://x.example","click")', "<script>window.hacked=1</script>"],
    )
    idle(page)
    shown = len(nodes(page))
    assert shown == 3

    def export(name: str) -> bytes:
        page.click("#export")
        with page.expect_download() as download:
            page.locator("dialog").get_by_role("button", name=name).click()
        place = tmp_path / download.value.suggested_filename
        download.value.save_as(place)
        page.keyboard.press("Escape")
        return place.read_bytes()

    assert export("Picture, PNG").startswith(b"\x89PNG")
    svg = ET.fromstring(export("Picture, SVG"))  # noqa: S314 - our own
    assert svg.tag == f"{SVG}svg"
    assert len(svg.findall(f"{SVG}text")) == shown + len({each.partition(":")[0] for each in nodes(page)}) + 1
    assert not svg.findall(f".//{SVG}script")
    table = list(csv.DictReader(io.StringIO(export("Nodes, CSV").decode("utf-8-sig"))))
    assert len(table) == shown
    assert {row["Key"][:2] for row in table} == {"19", "'=", "<s"}
    properties = {
        name for id_ in nodes(page) for name in page.evaluate("id => Object.keys(app.model.node(id).properties)", id_)
    }
    assert {"Label", "Key", "Relationships"} | properties == set(table[0])
    assert "Type" in export("Relationships, CSV").decode("utf-8-sig").splitlines()[0]
    graph = ET.fromstring(export("Graph, GraphML"))  # noqa: S314 - our own
    keys = {each.text for each in graph.iterfind(".//{*}node/{*}data[@key='node.key']")}
    assert keys == {each.partition(":")[2] for each in nodes(page)}
    assert len(json.loads(export("Investigation"))["nodes"]) == shown


def test_names_in_a_picture_for_others_keep_off_other_nodes(page: Page) -> None:
    page.evaluate(
        """() => app.model.add({ nodes: [["one", 0, 0], ["two", 60, 0], ["far", 1200, 700]].map(([key, x, y]) => (
          { label: "Domain", key: `${key}.example`, degree: 0, properties: {}, x, y })) })"""
    )
    idle(page)
    svg = ET.fromstring(page.evaluate("app.exports().svg()"))  # noqa: S314 - our own
    rows = {each.text: float(each.get("y", "")) for each in svg.findall(f"{SVG}text")}
    nodes_row = float(svg.findall(f"{SVG}circle")[0].get("cy", "")) + 4
    assert rows["two.example"] == pytest.approx(nodes_row, abs=0.2)
    assert rows["one.example"] > nodes_row + 10  # below it: at its right is the other one


@pytest.mark.both_targets
def test_cypher_and_saved_queries_run_and_go_into_the_picture(small_page: Page) -> None:
    page = small_page
    page.get_by_role("tab", name="Cypher").click()
    page.get_by_label("Saved queries").select_option("co-hosted")
    page.locator(".ask input[name=name]").fill("example[.]com")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".ask table")).to_contain_text("invoice-portal.example")
    page.wait_for_function("() => app.model.nodes().length > 2")  # what it finds is drawn, with what it was asked about
    idle(page)
    assert {"Domain:example.com", "Domain:invoice-portal.example"} <= set(nodes(page))
    assert page.evaluate("app.model.chosen.size") == len(nodes(page))
    page.locator(".ask tr.leads", has_text="invoice-portal.example").first.locator("td").first.click()
    page.wait_for_function("() => app.model.chosen.size < app.model.nodes().length")
    row = page.evaluate("[...app.model.chosen]")
    assert "Domain:invoice-portal.example" in row
    assert "IPAddress:192.0.2.10" in row  # in a list of the row
    page.click("#undo")
    assert nodes(page) == []
    page.get_by_label("draw", exact=True).uncheck()
    box = page.get_by_label("Cypher that only reads")
    box.fill("MATCH (d:Domain {name: 'example.com'}) RETURN d")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".ask .row", has_text="1 row")).to_be_visible()
    for cypher, told in (
        ("MATCH (n) DETACH DELETE n", "is refused"),
        ("MATCH (n RETURN n", "the graph refused the query"),
    ):
        box.fill(cypher)
        page.keyboard.press("Control+Enter")
        expect(page.locator(".ask .bad")).to_contain_text(told)


def test_a_case_is_opened_and_handed_over_in_the_formats_of_export(
    small: Site, small_page: Page, tmp_path: Path
) -> None:
    page = small_page
    key = {"label": "Domain", "key": "invoice-portal.example"}
    small.ask("edits", entries=[{"what": "tag", "about": key, "tag": "case: <i>lures", "author": "ana"}])
    small.rest()
    page.click("#open")
    page.locator("dialog").get_by_role("button", name="<i>lures", exact=True).click()
    page.wait_for_function("() => app.model.chosen.has('Domain:invoice-portal.example')")
    page.click("#open")
    page.get_by_label("export the case <i>lures").click()

    def write(name: str) -> Path:
        page.locator("dialog").get_by_label("Format").select_option(name)
        with page.expect_download() as download:
            page.locator("dialog").get_by_role("button", name="Write").click()
        place = tmp_path / download.value.suggested_filename
        download.value.save_as(place)
        return place

    bundle = json.loads(write("stix").read_text())
    assert "invoice-portal.example" in {each.get("value") for each in bundle["objects"]}
    expect(page.locator("dialog [role=status]").first).to_contain_text("node")
    assert "invoice-portal.example" in write("html").read_text(encoding="utf-8")
    page.locator("dialog").get_by_label("Marked at most").select_option("TLP:CLEAR")
    assert json.loads(write("stix").read_text())["type"] == "bundle"
    page.keyboard.press("Escape")
    refused = small.ask("export", format="../x", nodes=[key])
    assert "no format" in refused["error"]
    assert (
        "flat files" in small.ask("export", format="stix", nodes=[{"label": "Domain", "key": "none.example"}])["error"]
    )
    entry = next(each for each in small.ask("entries")["entries"] if each["body"].get("tag") == "case: <i>lures")
    small.ask("edits", entries=[{"what": "undo", "undoes": entry["id"], "author": "ana"}])
    small.rest()
