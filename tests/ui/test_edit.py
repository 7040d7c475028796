"""What an analyst says, and asks of sources, from the page."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from campaign import campaign
from loopback import Answer, Loopback, found
from playwright.sync_api import Browser, Page, expect
from ui_site import PATIENCE, Site, fill, grow, idle, nodes, opened, pick, serving

from intel_grapher.analyst import journal
from intel_grapher.cache import Cache
from intel_grapher.files import Files
from intel_grapher.load import Embedded, connected, load
from intel_grapher.neo4j.server import LocalNeo4j
from intel_grapher.registry import Registry
from intel_grapher.transform import Options, transform

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
    page.locator("#panel").get_by_role("button", name="Verdict", exact=True).click()
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
    fill(page, key="not an address", last_seen="2026-02-04")
    expect(page.locator("dialog .answer.bad")).to_contain_text("is no IPAddress")
    expect(page.locator("dialog [name=last_seen]")).to_have_value("2026-02-04")
    fill(page, key="203.0.113[.]250", first_seen="2026-02-03")
    expect(page.locator("dialog")).to_have_count(0)
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
    expect(page.locator("#selected")).to_have_text("old-lure.example")
    assert "Domain:brand-new.example" not in nodes(page)
    page.click("#undo")  # one step: in the graph and in the picture
    small.comes_to(both, [["brand-new.example"], ["old-lure.example"]])
    page.wait_for_function("() => app.model.node('Domain:brand-new.example')?.pending === false")
    before = page.evaluate("[app.model.nodes(), app.model.graph.edges()].map((each) => each.sort())")
    pick(page, "cdn-update.example")
    grow(page)
    whole = page.evaluate("[app.model.nodes(), app.model.graph.edges()].map((each) => each.sort())")
    page.get_by_role("button", name="Take out").first.click()
    fill(page, author="ben")
    page.wait_for_function("() => !app.model.graph.hasNode('Domain:cdn-update.example')")
    page.click("#undo")
    small.rest()
    page.wait_for_function("() => !app.jobs.busy")
    page.wait_for_function(  # a result of the job before may still be taken in
        "whole => JSON.stringify([app.model.nodes(), app.model.graph.edges()].map((each) => each.sort())) === JSON.stringify(whole)",
        arg=whole,
    )
    assert before != whole


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
    line = page.locator("dialog tr", has_text="took out Domain cdn-update.example").first  # the newest entry is on top
    expect(line).to_contain_text("ben")
    line.get_by_role("button", name="undo").click()
    expect(line.first).to_contain_text("(undone)")
    page.keyboard.press("Escape")
    small.comes_to(around, before)


def test_an_edit_is_taken_while_another_process_writes_to_the_cache(small: Site, small_page: Page) -> None:
    page = small_page
    pick(page, "example.com")
    with Cache(small.home / "data") as cache, cache.writer("a fetch"):
        page.get_by_role("button", name="Note", exact=True).click()
        fill(page, text="kept in the end")
        expect(page.locator("#notes")).to_contain_text("(waiting)")
        expect(page.locator("#notices .waiting")).to_contain_text("1 edit kept")
        assert len(list((small.home / "data" / "waiting").glob("*.json"))) == 1
    expect(page.locator("#notes")).not_to_contain_text("(waiting)")
    expect(page.locator("#notes")).to_contain_text("kept in the end")
    expect(page.locator("#notices .waiting")).to_be_hidden()
    page.click("#undo")
    expect(page.locator("#notes")).not_to_contain_text("kept in the end")


def test_a_page_on_files_of_an_earlier_time_says_so_and_keeps_edits_without_replacing_them(
    browser: Browser, tmp_path: Path
) -> None:
    home = campaign(tmp_path, sources="threatcrowd", load=False)
    with Cache(home / "data") as cache:
        transform(cache, home / "import", Registry.installed(), Options(processes=1, as_of=1_900_000_000))
    load(Files(home / "import"), Embedded(home / "data" / "graph", 256 << 20))
    manifest = (home / "import" / "manifest.json").read_bytes()
    with serving(home) as site, opened(browser, site.link) as page:
        expect(page.locator("#banner")).to_contain_text("as of 2030-03-17T17:46:40Z")
        pick(page, "example.com")
        page.get_by_role("button", name="Tag", exact=True).click()
        fill(page, tag="later")
        expect(page.locator(".toast")).to_contain_text("in the graph of today")
        expect(page.locator("#notes")).to_contain_text("later")
        assert site.ask("jobs")["jobs"] == []
        assert "as of" in site.ask("enrich", nodes=[{"label": "Domain", "key": "example.com"}])["error"]
    assert (home / "import" / "manifest.json").read_bytes() == manifest
    with Cache(home / "data") as cache:
        assert [each.body["tag"] for each in journal.stored(cache)] == ["later"]


def test_a_job_that_fails_says_so_and_is_tried_again_and_one_that_lasts_is_cancelled(
    service: Loopback, small_page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = small_page
    pick(page, "example.com")

    monkeypatch.setattr(service, "script", lambda _asked: Answer(status=403))
    page.get_by_role("button", name="Ask sources").click()
    expect(page.locator("dialog tr", has_text="Loopback")).to_contain_text("1 request")
    for box in page.locator("dialog input[data-source]:enabled").all():
        box.set_checked(box.get_attribute("data-source") == "loopback")
    page.locator("dialog button[type=submit]").click()
    wrong = page.locator(".toast.wrong", has_text="no source answered")
    expect(wrong).to_contain_text("loopback")
    monkeypatch.setattr(service, "script", lambda _asked: replace(found("192.0.2.222"), delay=20.0))
    wrong.get_by_role("button", name="Try again").click()
    expect(page.locator(".job")).to_contain_text("asking the sources")
    page.locator(".job").get_by_role("button", name="Cancel").click()
    expect(page.locator(".toast.wrong", has_text="it was cancelled")).to_be_visible()
    expect(page.locator(".job")).to_have_count(0)
    page.reload()  # a result is told until it was read
    page.wait_for_selector("html[data-ready=true]")
    wrong = page.locator(".toast.wrong", has_text="it was cancelled")
    page.click("#joblist")
    expect(page.locator("dialog tr", has_text="it was cancelled").first).to_contain_text("again")
    page.keyboard.press("Escape")
    wrong.get_by_role("button", name="Close").click()
    expect(wrong).to_have_count(0)


def test_a_source_that_hangs_up_is_told_while_it_is_asked_again(
    service: Loopback, small: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "script", lambda _asked: Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"))
    job = small.ask("enrich", nodes=[{"label": "Domain", "key": "example.com"}], sources=["loopback"])
    until = time.monotonic() + PATIENCE
    while not job["trouble"]:
        assert not job["ended"], str(job)  # it is told while the source is asked again, and not when all is over
        assert time.monotonic() < until
        time.sleep(0.02)
        job = small.ask("job", number=job["number"])
    assert job["trouble"][0].startswith("loopback: ")
    assert job["trouble"][0].endswith("; asked again")
    small.ask("cancel", number=job["number"])


@pytest.mark.only_neo4j
def test_an_edit_on_neo4j_leaves_what_others_wrote(small: Site, small_page: Page, one_neo4j: LocalNeo4j) -> None:
    def write(cypher: str) -> None:
        with connected(one_neo4j.up()) as database:
            database.run(cypher)

    page, node = small_page, "(d:Domain {name: 'cdn-update.example'})"
    ours = f"MATCH {node}-[r]-(o) WHERE NOT o:Asset RETURN count(r)"
    theirs = f"MATCH (a:Asset)-[r:SEEN]->{node} RETURN a.name, r.by, d.ticket, d:Watched"
    before, kept = small.rows(ours), [["laptop", "them", "INC-7", True]]
    assert before[0][0] > 1
    write(
        f"MATCH {node} SET d.ticket = 'INC-7', d:Watched CREATE (:Asset {{name: 'laptop'}})-[:SEEN {{by: 'them'}}]->(d)"
    )
    try:
        pick(page, "cdn-update.example")
        page.get_by_role("button", name="Take out").first.click()
        fill(page, author="ben")
        page.wait_for_function("() => app.model.nodes().length === 0")
        small.comes_to(ours, [[0]])
        small.comes_to(f"MATCH {node} RETURN d.sources, d.fetched_at", [[None, None]])
        assert small.rows(theirs) == kept
        page.click("#undo")
        small.comes_to(ours, before)
        assert small.rows(theirs) == kept
        pick(page, "cdn-update.example")
        page.get_by_role("button", name="Note", exact=True).click()
        fill(page, text="theirs, too")
        small.comes_to(f"MATCH (n:Note)-[:ABOUT]->{node} RETURN n.text", [["theirs, too"]])
        page.click("#undo")
        small.comes_to(f"MATCH (n:Note)-[:ABOUT]->{node} RETURN n.text", [])
        assert small.rows(theirs) == kept
    finally:
        small.rest()
        write(f"MATCH (a:Asset) DETACH DELETE a WITH count(*) AS many MATCH {node} REMOVE d.ticket, d:Watched")


def test_asking_a_source_shows_its_cost_and_brings_new_nodes(
    service: Loopback, small_page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = small_page
    pick(page, "example.net")  # nothing else is asked about it: what is answered is kept
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


def test_a_page_on_files_that_leave_out_what_was_not_repeated_says_so(browser: Browser, tmp_path: Path) -> None:
    home = campaign(tmp_path, sources="threatcrowd", load=False)
    with Cache(home / "data") as cache:
        options = Options(processes=1, seen_since={"otx": 1_700_000_000, "threatcrowd": 1_600_000_000})
        transform(cache, home / "import", Registry.installed(), options)
    load(Files(home / "import"), Embedded(home / "data" / "graph", 256 << 20))
    with serving(home) as site, opened(browser, site.link) as page:
        banner = expect(page.locator("#banner"))
        banner.to_contain_text("since then: otx 2023-11-14T22:13:20Z; threatcrowd 2020-09-13T12:26:40Z.")
        banner.not_to_contain_text("as of")
