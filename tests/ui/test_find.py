"""Opening the page, finding nodes in it, and what it says where there is nothing, or something is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from ui_site import Site, idle, nodes, opened, paste, pick, serving
from ui_sites import Sites

from intel_grapher import schema


def test_an_empty_picture_says_what_to_do_and_the_link_shows_no_token(page: Page) -> None:
    expect(page.locator("#empty")).to_contain_text("nodes are in the graph")
    assert "token" not in page.url
    hubs = page.locator("#empty section", has_text="Hubs")
    expect(hubs).to_contain_text("relationships")
    expect(page.locator("#empty section", has_text="Latest findings")).to_contain_text("ana")
    hubs.get_by_role("button").first.click()
    expect(page.locator("#selected")).to_be_visible()


@pytest.mark.both_targets
def test_typing_finds_and_the_panel_tells_all(small_page: Page) -> None:
    page = small_page
    page.keyboard.press("/")
    page.keyboard.type("example[.]co")
    page.locator("#found [role=option]", has_text="example.com").first.wait_for()
    page.keyboard.press("Enter")
    expect(page.locator("#selected")).to_have_text("example.com")
    panel = page.locator("#panel")
    expect(panel).to_contain_text("RESOLVES → IPAddress")
    expect(panel).to_contain_text("said by")
    expect(panel).to_contain_text("ThreatCrowd")
    assert nodes(page) == ["Domain:example.com"]


def test_typing_a_part_of_a_key_finds_nodes_of_every_label(site: Site, page: Page) -> None:
    for label in schema.LABELS.values():
        [[key]] = site.rows(f"MATCH (n:`{label.name}`) RETURN n.`{label.key}` AS key ORDER BY key DESC LIMIT 1")
        page.fill("#find", key[:-1])
        kind = page.locator(".kind").get_by_text(label.name, exact=True)
        option = page.locator("#found [role=option]").filter(has=kind).filter(has_text=key[:60])
        expect(option.first).to_be_visible()
    page.fill("#find", "nter")  # within a key, not at its beginning
    expect(page.locator("#found")).to_contain_text("paper.lantern@example.org")


def test_fifty_pasted_indicators_defanged_or_not_are_sorted_out(site: Site, page: Page) -> None:
    known = [row[0] for row in site.rows("MATCH (n:Domain) RETURN n.name")]
    known += [row[0] for row in site.rows("MATCH (n:IPAddress) RETURN n.address")]
    written = [each.replace(".", "[.]") if i % 2 else each for i, each in enumerate(known)]
    foreign = [f"hxxps://unknown-{i}[.]example/x" for i in range(50 - len(known) - 1)]
    paste(page, "\n".join([*written, *foreign, "paper.lantern[at]example.org"]))
    expect(page.locator(".triage [role=status]")).to_contain_text(
        f"50 indicators: {len(known) + 1} in the graph, {len(foreign)} not"
    )
    page.wait_for_function("count => app.model.nodes().length === count", arg=len(known) + 1)
    idle(page)
    assert len(nodes(page)) == len(known) + 1
    assert "Email:paper.lantern@example.org" in nodes(page)
    assert page.evaluate("app.model.graph.size") > 5  # how they hang together comes along


def test_what_is_pasted_and_not_there_can_be_asked_for(page: Page) -> None:
    paste(
        page,
        "see (hxxp://nowhere[.]example/x), MD5:900150983cd24fb0d6963f7d28e17f72 e.g. in report.pdf\n300.1.1.1 example.com!",
    )
    sheet = page.locator(".triage")
    expect(sheet.get_by_role("status")).to_contain_text("3 indicators: 1 in the graph, 2 not; 2 left out")
    expect(sheet.locator("tr", has_text="http://nowhere.example/x")).to_contain_text("not in the graph")
    expect(sheet.get_by_label("What was left out")).to_contain_text("report.pdf")
    expect(sheet.get_by_label("What was left out").locator("tr", has_text="300.1.1.1")).to_contain_text("address")
    sheet.get_by_label("http://nowhere.example/x").uncheck()
    sheet.get_by_role("button", name="Ask sources").click()
    expect(page.locator("dialog h2")).to_have_text("Ask about 2 nodes")
    expect(page.locator("dialog")).to_contain_text("Every reply is kept")
    page.keyboard.press("Escape")


def test_without_a_graph_the_page_says_how_to_get_one(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path) as site, opened(browser, site.link) as page:
        empty = page.locator("#empty")
        expect(empty).to_contain_text("There is no graph yet")
        expect(empty).to_contain_text("intel-grapher run")
        paste(page, "example.com and example.net")
        expect(page.locator(".triage")).to_contain_text("2 indicators: 0 in the graph, 2 not")
        page.locator(".triage").get_by_role("button", name="Ask sources").click()
        expect(page.locator("dialog table")).to_contain_text("2 requests")
        page.keyboard.press("Escape")


def test_a_server_that_has_ended_is_told_with_what_to_do(browser: Browser, sites: Sites) -> None:
    home = sites.get("small", "embedded").home
    with serving(home) as site:
        context = browser.new_context()
        page = context.new_page()
        page.goto(site.link)
        page.wait_for_selector("html[data-ready=true]")
    page.fill("#find", "example")
    expect(page.locator(".toast.wrong")).to_contain_text("start `intel-grapher ui` again")
    context.close()


def test_without_the_token_the_page_says_what_to_do(browser: Browser, sites: Sites) -> None:
    site = sites.get("small", "embedded")
    context = browser.new_context()
    page = context.new_page()
    page.goto(site.address)
    page.wait_for_selector("html[data-ready=failed]")
    expect(page.locator("#empty")).to_contain_text("open the page by the link")
    page.locator("#empty input").fill(site.link)
    page.get_by_role("button", name="Enter").click()
    page.wait_for_selector("html[data-ready=true]")
    page.goto(f"{site.address}/#token=of-an-earlier-start")  # an old link beside a page that has the key
    page.reload()
    page.wait_for_selector("html[data-ready=true]")
    ask = "path => fetch(path, {method: 'POST', body: '{}'}).then(each => each.status)"
    assert [page.evaluate(ask, each) for each in ("/api/start", "/api/edit")] == [401, 401]
    context.close()


def test_a_link_names_nodes_and_opens_with_them(page: Page, site: Site) -> None:
    pick(page, "example.com")
    page.click("#export")
    link = page.locator("dialog input[readonly]").input_value()
    page.keyboard.press("Escape")
    assert site.token not in link
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector("html[data-ready=true]")
    assert nodes(page) == ["Domain:example.com"]
    expect(page.locator("#selected")).to_have_text("example.com")


@pytest.mark.both_targets
def test_every_property_is_searched_and_names_and_values_are_completed(small: Site, small_page: Page) -> None:
    page = small_page
    options = page.locator("#found [role=option]")
    page.fill("#find", "vot")
    options.filter(has_text="votes: …").click()
    assert page.input_value("#find") == "votes: "
    many = small.rows("MATCH (n:Domain|SubDomain|IPAddress) WHERE n.votes = -1 RETURN count(n)")[0][0]
    option = options.filter(has_text="votes: -1")
    expect(option).to_contain_text(f"{many} node")
    option.click()
    page.wait_for_function("many => app.model.chosen.size === many", arg=many)
    page.fill("#find", "co-hosted example[.]com")
    options.filter(has_text="saved query").first.click()
    expect(page.locator(".ask input[name=name]")).to_have_value("example[.]com")
    expect(page.locator(".ask table")).to_contain_text("invoice-portal.example")
