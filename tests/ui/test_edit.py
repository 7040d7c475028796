"""What an analyst says, and asks of sources, from the page."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from loopback import Loopback, found
from playwright.sync_api import Browser, Page, expect
from ui_site import Site, fill, idle, nodes, opened, pick

NOTES = "MATCH (n:Note)-[:ABOUT]->(d:Domain {name: 'example.com'}) RETURN n.author, n.text, n.tag, n.verdict"


@pytest.mark.both_targets
def test_notes_tags_and_verdicts_show_their_author_survive_and_are_undone(
    browser: Browser, small: Site, small_page: Page
) -> None:
    page = small_page
    pick(page, "example.com")
    page.get_by_role("button", name="Note", exact=True).click()
    fill(page, text="<b>call</b> them", author="ana")
    page.get_by_role("button", name="Tag", exact=True).click()
    fill(page, tag="phish")
    page.get_by_role("button", name="Verdict", exact=True).click()
    fill(page, verdict="malicious")
    notes = page.locator("#notes")
    for each in ("<b>call</b> them", "ana,", "phish", "malicious"):
        expect(notes).to_contain_text(each)
    said = [["ana", "<b>call</b> them", None, None], ["ana", None, None, "malicious"], ["ana", None, "phish", None]]
    small.comes_to(NOTES, said)
    with opened(browser, small.link) as another:
        pick(another, "example.com")
        notes = another.locator("#notes")
        expect(notes.locator(".chip.malicious")).to_have_attribute("title", re.compile(r"^ana, 2"))
        another.get_by_label("undo verdict").click()
        expect(notes).not_to_contain_text("malicious")
        small.comes_to(NOTES, [each for each in said if each[3] is None])
        small.rest()


@pytest.mark.both_targets
def test_only_what_the_schema_allows_is_offered_and_an_added_relationship_is_a_fact(
    small: Site, small_page: Page
) -> None:
    page = small_page
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
    asked = "MATCH (:Domain)-[r:RESOLVES]->(a:IPAddress {address: '203.0.113.250'}) RETURN r.first_seen, r.sources"
    there = [["2026-02-03T00:00:00Z", ["analyst"]]]
    small.comes_to(asked, there)
    page.click("#undo")
    small.comes_to(asked, [])
    page.click("#redo")
    small.comes_to(asked, there)


def test_a_node_is_added_and_two_are_made_one(small: Site, small_page: Page) -> None:
    page = small_page
    page.keyboard.press("n")
    fill(page, label="Domain", key="brand-new[.]example", author="ben")
    page.wait_for_function("() => app.model.graph.hasNode('Domain:brand-new.example')")
    small.comes_to("MATCH (d:Domain {name: 'brand-new.example'}) RETURN d.sources", [[["analyst"]]])
    pick(page, "old-lure.example")
    page.evaluate("app.model.select('Domain:brand-new.example', {more: true})")
    page.get_by_role("button", name="They are one").click()
    fill(page, keep="0")
    both = "MATCH (d:Domain) WHERE d.name IN ['brand-new.example', 'old-lure.example'] RETURN d.name"
    small.comes_to(both, [["old-lure.example"]])
    page.click("#undo")
    small.comes_to(both, [["brand-new.example"], ["old-lure.example"]])


@pytest.mark.both_targets
def test_what_is_taken_out_leaves_and_comes_back_from_the_list_of_edits(small: Site, small_page: Page) -> None:
    page = small_page
    pick(page, "cdn-update.example")
    around = "MATCH (d:Domain {name: 'cdn-update.example'})-[r]-() RETURN count(r)"
    before = small.rows(around)
    assert before[0][0] > 1
    page.get_by_role("button", name="Take out").first.click()
    fill(page, author="ben")
    page.wait_for_function("() => app.model.nodes().length === 0")
    asked = "MATCH (d:Domain {name: 'cdn-update.example'}) RETURN d.name"
    small.comes_to(asked, [])
    page.click("#edits")
    line = page.locator("dialog tr", has_text="took out Domain cdn-update.example")
    expect(line).to_contain_text("ben")
    line.get_by_role("button", name="undo").click()
    expect(line.first).to_contain_text("(undone)")
    page.keyboard.press("Escape")
    small.comes_to(around, before)


def test_asking_a_source_shows_its_cost_and_brings_new_nodes(
    service: Loopback, small_page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = small_page
    pick(page, "example.com")
    before = len(nodes(page))
    page.get_by_role("button", name="Ask sources").click()
    line = page.locator("dialog tr", has_text="Loopback")
    expect(line).to_contain_text("1 request")
    for box in page.locator("dialog input[data-source]:enabled").all():
        box.set_checked(box.get_attribute("data-source") == "loopback")
    asked_before = len(service.asked)
    slow = replace(found("192.0.2.200", "192.0.2.201"), delay=1.0)  # longer than the page waits to ask how far it is
    monkeypatch.setattr(service, "script", lambda _asked: slow)
    seen = "() => { window.stages = new Set(); new MutationObserver(() => document.querySelectorAll('.job div').forEach(each => stages.add(each.textContent))).observe(document.getElementById('jobs'), {subtree: true, childList: true, characterData: true}); }"
    page.evaluate(seen)
    page.locator("dialog button[type=submit]").click()
    page.wait_for_function("before => app.model.nodes().length > before", arg=before)
    page.wait_for_function("() => app.model.graph.hasNode('IPAddress:192.0.2.200')")
    expect(page.locator(".toast").first).to_contain_text("1 found")
    assert len(service.asked) == asked_before + 1
    assert any(each.startswith("asking the sources") for each in page.evaluate("[...stages]"))
    idle(page)
    page.get_by_role("button", name="Ask sources").click()
    expect(page.locator("dialog tr", has_text="Loopback")).to_contain_text("kept")
    page.keyboard.press("Escape")
