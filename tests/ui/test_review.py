"""The review of reports: what they mention is decided on the page, by one request for many, and the graph follows."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from html import escape
from typing import Any

import msgspec
import pytest
import requests
from campaign import campaign
from hostile import SCRIPT
from made_documents import docx, pdf
from playwright.sync_api import Browser, expect
from ui_site import TOKEN, Site, axe_faults, opened, serving

from intel_grapher.cache import Cache, Entry

HASH = "d195ce778dcb3eb032f7122fffaaca94"
URL = "https://gate.evil.example/a"
SERVICE = "192.0.2.9:8443"
SITE = "www.google.com"
PLAIN = pdf(
    "It asks hxxps://gate[.]evil[.]example/a and 192.0.2.9:8443,\nas www.google.com can tell; drops setup.exe.",
    f"Hash: {HASH}",
)
TEXTS = (
    f"{SCRIPT} c2[.]evil[.]example <img src=x onerror=window.hacked=2>",
    "'\"><svg onload=window.hacked=3> 198.51.100.23 {{constructor.constructor('window.hacked=6')()}}",
    f"</td></table><script>window.hacked=8</script> {HASH}",
)
HOSTILE = docx(*map(escape, TEXTS), title=escape(SCRIPT))
REPORTED = "MATCH (n)-[r:REPORTED_IN]->(t:Report {id: '%s'}) RETURN label(n)"


def key(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def kept(content: bytes, path: str) -> list[Entry]:
    origin = msgspec.json.encode({"path": path})
    return [
        Entry(source="reports", endpoint=endpoint, key=key(content), fetched_at=1_795_300_000, status=200, body=body)
        for endpoint, body in (("document", content), ("origin", origin))
    ]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve a small graph whose cache has two reports."""
    home = tmp_path_factory.mktemp("review")
    entries = [*kept(PLAIN, "in/plain.pdf"), *kept(HOSTILE, f"in/{SCRIPT}.docx")]
    campaign(home, *entries, sources="threatcrowd")
    with serving(home) as site:
        yield site


def states(site: Site, content: bytes) -> dict[str, str]:
    return {each["indicator"]: each["state"] for each in site.ask("mentions", report=key(content))["mentions"]}


def post(site: Site, name: str, question: dict[str, Any], **headers: str) -> requests.Response:
    named = {TOKEN: site.token} | {each.replace("_", "-"): value for each, value in headers.items()}
    return requests.post(f"{site.address}/api/{name}", json=question, headers=named, timeout=60)


@pytest.mark.parametrize("name", ["reports", "mentions", "decide"])
def test_only_the_page_itself_may_ask(desk: Site, name: str) -> None:
    question = {"report": key(PLAIN), "author": "ana", "accepted": [HASH]}
    before = states(desk, PLAIN)
    assert requests.post(f"{desk.address}/api/{name}", json=question, timeout=30).status_code == 401
    assert post(desk, name, question, Origin="https://evil.example").status_code == 403
    assert post(desk, name, question, Host="evil.example").status_code == 403
    assert requests.get(f"{desk.address}/api/{name}", headers={TOKEN: desk.token}, timeout=30).status_code == 405
    assert states(desk, PLAIN) == before


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"report": 1}, "not understood"),
        ({"accepted": HASH}, "not understood"),
        ({"accept": [HASH]}, "unknown field"),
        ({"author": " ", "accepted": [HASH]}, "say who you are"),
        ({"report": "sha256:00", "accepted": [HASH]}, "the cache has no report"),
        ({"report": "../../etc/passwd", "accepted": [HASH]}, "the cache has no report"),
        ({"accepted": [HASH, "other.example"]}, "the report does not mention 'other.example'"),
        ({"accepted": [HASH], "rejected": [HASH]}, "once"),
        ({}, "say of each indicator once"),
    ],
)
def test_what_can_not_be_decided_is_said_and_nothing_is(desk: Site, more: dict[str, Any], said: str) -> None:
    before = states(desk, PLAIN), desk.ask("entries")
    answer = post(desk, "decide", {"report": key(PLAIN), "author": "ana"} | more)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert (states(desk, PLAIN), desk.ask("entries")) == before


def test_a_decision_waits_while_another_process_writes_and_is_shown_at_once(desk: Site) -> None:
    with Cache(desk.home / "data") as cache, cache.writer("a fetch"):
        answer = desk.ask("decide", report=key(HOSTILE), author="ana", rejected=["198.51.100.23"])
        assert (answer["waiting"], answer["job"]) == (True, None)
        mention = desk.ask("mentions", report=key(HOSTILE))["mentions"][1]
        assert (mention["indicator"], mention["state"], mention["waiting"]) == ("198.51.100.23", "rejected", True)
        report = next(each for each in desk.ask("reports")["reports"] if each["key"] == key(HOSTILE))
        assert report["counts"] == {"left": 2, "accepted": 0, "rejected": 1}
    desk.rest()
    mention = desk.ask("mentions", report=key(HOSTILE))["mentions"][1]
    assert (mention["state"], mention["waiting"]) == ("rejected", False)


def test_two_are_accepted_and_one_rejected_by_keyboard_and_the_graph_has_them(browser: Browser, desk: Site) -> None:
    reported = REPORTED % key(PLAIN)
    with opened(browser, desk.link) as page:
        page.locator("#reports").press("Enter")
        sheet = page.locator(".review")
        expect(sheet.get_by_role("button").first).to_be_focused()
        line = sheet.locator("tbody tr", has_text="in/plain.pdf")
        expect(line).to_contain_text("A made-up report")
        line.get_by_role("button").press("Enter")
        rows = sheet.get_by_role("table", name="What the report mentions").locator("tbody tr")
        expect(rows).to_have_count(4)
        expect(rows.nth(0)).to_contain_text(URL)
        expect(rows.nth(0)).to_contain_text("page 1, offset")
        expect(rows.nth(0)).to_contain_text("It asks hxxps://gate[.]evil[.]example/a")
        expect(rows.nth(2).locator(".chip")).not_to_be_empty()  # what speaks against a well-known site
        sheet.get_by_role("button", name="Select all unmarked").press("Enter")
        expect(sheet.locator(".ticks")).to_have_text("3 ticks:")
        expect(sheet.get_by_label(SITE)).not_to_be_checked()
        sheet.get_by_label(URL).press("ArrowDown")
        expect(sheet.get_by_label(SERVICE)).to_be_focused()
        page.keyboard.press("Space")
        sheet.get_by_role("button", name="Accept", exact=True).press("Enter")
        told = sheet.get_by_role("status")
        expect(told).to_have_text("4 mentions: 2 left, 2 accepted, 0 rejected")
        expect(sheet.get_by_role("button", name="Accept", exact=True)).to_be_focused()
        sheet.get_by_label(SITE).check()
        sheet.get_by_role("button", name="Reject", exact=True).click()
        expect(told).to_have_text("4 mentions: 1 left, 2 accepted, 1 rejected")
        sheet.get_by_role("button", name="Leave", exact=True).click()
        expect(page.locator(".toast.wrong")).to_contain_text("Tick what is meant.")
        desk.comes_to(reported, [["Hash"], ["URL"]])
        page.click("#edits")
        expect(page.locator("dialog")).to_contain_text("0 accepted, 1 rejected, 0 left")
        page.keyboard.press("Escape")
        page.reload()
        page.wait_for_selector("html[data-ready=true]")
        page.get_by_role("tab", name="Reports").click()
        sheet.get_by_role("button", name="A made-up report").click()
        expect(told).to_have_text("4 mentions: 1 left, 2 accepted, 1 rejected")
        sheet.get_by_role("button", name=HASH).click()
        page.wait_for_function("id => app.model.graph.hasNode(id)", arg=f"Hash:{HASH}")
        assert axe_faults(page) == []
    assert states(desk, PLAIN) == {URL: "accepted", SERVICE: "left", SITE: "rejected", HASH: "accepted"}


def test_what_a_report_says_is_text_and_nothing_more_happens(browser: Browser, desk: Site) -> None:
    with opened(browser, desk.link) as page:
        page.click("#reports")
        sheet = page.locator(".review")
        sheet.get_by_role("button", name=SCRIPT).click()
        expect(sheet).to_contain_text("<img src=x onerror=window.hacked=2>")
        expect(sheet.locator("h2")).to_have_text(SCRIPT)
        assert page.locator("img, iframe, object, embed, style, body script, svg script").count() == 0
