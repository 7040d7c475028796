from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from campaign import campaign
from loopback import Loopback, found, loopback
from playwright.sync_api import Browser, Page, expect
from ui_site import Site, nodes, opened, pick, serving

PLUGIN = """
from loopback import source as made
source = made({home!r})
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Loopback]:
    with loopback() as service:
        service.script = lambda _asked: found("192.0.2.200", "192.0.2.201")
        yield service


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory, service: Loopback) -> Iterator[Site]:
    """Serve a campaign that may be changed, with one more source, installed as a package would be."""
    home = campaign(tmp_path_factory.mktemp("edited"))
    plugin = home / "plugin"
    info = plugin / "loopback_source-1.dist-info"
    info.mkdir(parents=True)
    (plugin / "loopback_source.py").write_text(PLUGIN.format(home=service.home))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: loopback-source\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[intel_grapher.sources]\nloopback = loopback_source:source\n")
    paths = [str(plugin), str(Path(__file__).resolve().parents[1]), *sys.path]
    with serving(home, environment={"PYTHONPATH": ":".join(filter(None, paths))}) as site:
        yield site


@pytest.fixture
def page(browser: Browser, edited: Site) -> Iterator[Page]:
    with opened(browser, edited.link) as page:
        yield page


def settled(page: Page) -> None:
    """Wait until the graph has taken in what was said."""
    page.wait_for_function("() => !document.querySelector('.job')", timeout=120_000)


def rows(site: Site, cypher: str) -> list[str]:
    """Return what the graph itself holds, as the command line tells it."""
    command = [sys.executable, "-m", "etl", "query", cypher, "--db", str(site.home / "data" / "graph"), "--csv"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return ended.stdout.splitlines()[1:]


def fill(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        field = page.locator(f"dialog [name={name}]")
        if field.evaluate("each => each.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    page.locator("dialog button[type=submit]").click()


def test_notes_tags_and_verdicts_show_their_author_survive_and_are_undone(edited: Site, page: Page) -> None:
    pick(page, "example.com")
    page.get_by_role("button", name="Note", exact=True).click()
    fill(page, text="<b>call</b> them", author="ana")
    page.get_by_role("button", name="Tag", exact=True).click()
    fill(page, tag="phish")
    page.get_by_role("button", name="Verdict", exact=True).click()
    fill(page, verdict="malicious")
    notes = page.locator("#notes")
    expect(notes).to_contain_text("<b>call</b> them")
    expect(notes).to_contain_text("ana,")
    expect(notes).to_contain_text("phish")
    expect(notes).to_contain_text("malicious")
    page.wait_for_selector(".job")
    settled(page)
    asked = "MATCH (n:Note)-[:ABOUT]->(d:Domain {name: 'example.com'}) RETURN n.author, n.text, n.tag, n.verdict"
    assert {"ana,<b>call</b> them,,", "ana,,phish,", "ana,,,malicious"} <= set(rows(edited, asked))
    page.reload()
    page.wait_for_selector("html[data-ready=true]")
    pick(page, "example.com")
    page.get_by_label("undo verdict").click()
    expect(notes).not_to_contain_text("malicious")
    settled(page)
    assert "ana,,,malicious" not in rows(edited, asked)


def test_only_what_the_schema_allows_is_offered_and_an_added_relationship_is_a_fact(edited: Site, page: Page) -> None:
    pick(page, "example.com")
    page.get_by_role("button", name="Relate", exact=True).click()
    page.locator("dialog").wait_for()
    offered = page.locator("dialog select[name=which] option").all_inner_texts()
    assert "this RESOLVES IPAddress" in offered
    assert not any("TWEETED" in each for each in offered)
    page.locator("dialog select[name=which]").select_option(label="this RESOLVES IPAddress")
    fill(page, key="not an address")
    expect(page.locator(".toast.wrong")).to_contain_text("is no IPAddress")
    page.locator(".toast.wrong button").click()
    page.get_by_role("button", name="Relate", exact=True).click()
    page.locator("dialog select[name=which]").select_option(label="this RESOLVES IPAddress")
    fill(page, key="203.0.113[.]250", first_seen="2026-02-03")
    page.wait_for_function("() => app.model.graph.hasNode('IPAddress:203.0.113.250')")
    settled(page)
    asked = "MATCH (:Domain)-[r:RESOLVES]->(a:IPAddress {address: '203.0.113.250'}) RETURN r.first_seen, r.sources"
    assert rows(edited, asked) == ["2026-02-03T00:00:00Z,analyst"]
    page.click("#undo")
    page.wait_for_selector(".job")
    settled(page)
    assert rows(edited, asked) == []
    page.click("#redo")
    page.wait_for_selector(".job")
    settled(page)
    assert len(rows(edited, asked)) == 1


def test_a_node_is_added_and_two_are_made_one(edited: Site, page: Page) -> None:
    page.keyboard.press("n")
    fill(page, label="Domain", key="brand-new[.]example", author="ben")
    page.wait_for_function("() => app.model.graph.hasNode('Domain:brand-new.example')")
    settled(page)
    assert rows(edited, "MATCH (d:Domain {name: 'brand-new.example'}) RETURN d.sources") == ["analyst"]
    pick(page, "old-lure.example")
    page.evaluate("app.model.select('Domain:brand-new.example', {more: true})")
    page.get_by_role("button", name="They are one").click()
    fill(page, keep="0")
    page.wait_for_selector(".job")
    settled(page)
    assert rows(edited, "MATCH (d:Domain) WHERE d.name IN ['brand-new.example', 'old-lure.example'] RETURN d.name") in (
        ["old-lure.example"],
        ["brand-new.example"],
    )


def test_what_is_taken_out_leaves_and_comes_back_from_the_list_of_edits(edited: Site, page: Page) -> None:
    pick(page, "harmless.example")
    asked = "MATCH (d:Domain {name: 'harmless.example'}) RETURN d.name"
    assert rows(edited, asked) == ["harmless.example"]
    page.get_by_role("button", name="Take out").first.click()
    fill(page, author="ben")
    page.wait_for_function("() => app.model.nodes().length === 0")
    settled(page)
    assert rows(edited, asked) == []
    page.click("#edits")
    line = page.locator("dialog tr", has_text="took out Domain harmless.example")
    expect(line).to_contain_text("ben")
    line.get_by_role("button", name="undo").click()
    page.keyboard.press("Escape")
    page.wait_for_selector(".job")
    settled(page)
    assert rows(edited, asked) == ["harmless.example"]


def test_asking_a_source_shows_its_cost_and_brings_new_nodes(service: Loopback, page: Page) -> None:
    pick(page, "example.com")
    before = len(nodes(page))
    page.get_by_role("button", name="Ask sources").click()
    line = page.locator("dialog tr", has_text="Loopback")
    expect(line).to_contain_text("1 request")
    for box in page.locator("dialog input[type=checkbox]:checked").all():
        if box.get_attribute("data-source") != "loopback":
            box.uncheck()
    asked_before = len(service.asked)
    page.locator("dialog button[type=submit]").click()
    page.wait_for_selector(".job")
    settled(page)
    page.wait_for_function("before => app.model.nodes().length > before", arg=before)
    page.wait_for_function("() => app.model.graph.hasNode('IPAddress:192.0.2.200')")
    assert len(service.asked) == asked_before + 1
    expect(page.locator(".toast").first).to_contain_text("1 found")
    page.get_by_role("button", name="Ask sources").click()
    expect(page.locator("dialog tr", has_text="Loopback")).to_contain_text("kept")
    page.keyboard.press("Escape")
