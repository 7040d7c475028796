"""Nothing unsaved goes without a word: reload, back, another tab, another start; and who else saved or said something."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect
from ui_site import Site, fill, grow, idle, nodes, opened, pick

READY = "html[data-ready=true]"


def test_a_picture_that_nobody_saved_is_there_after_a_reload_and_in_another_tab(
    browser: Browser, small: Site, small_page: Page
) -> None:
    page = small_page
    pick(page, "example.com")
    grow(page)
    page.locator("#filters input[name='label Email']").uncheck()
    kept = sorted(nodes(page))
    page.reload()
    page.wait_for_selector(READY)
    assert sorted(nodes(page)) == kept
    assert page.evaluate("[...app.model.hidden.label]") == ["Email"]
    page.goto("about:blank")
    page.go_back()
    page.wait_for_selector(READY)
    assert sorted(nodes(page)) == kept
    page.wait_for_function("() => !app.keeper.unsaved")
    with opened(browser, small.link) as other:  # as after another start: nothing but the server has it
        assert nodes(other) == []
        date = other.locator("#empty section", has_text="Last pictures").locator(".line .soft").first
        assert date.evaluate("each => each.scrollWidth <= each.clientWidth")  # it is told whole
        other.click("#open")
        other.locator("dialog tr", has_text=f"{len(kept)} nodes").first.get_by_role("button").first.click()
        other.wait_for_function("count => app.model.nodes().length === count", arg=len(kept))
        idle(other)
        pick(other, "old-lure.example")
        other.click("#open")
        other.get_by_role("button", name="New, empty picture").click()
        expect(other.locator(".toast")).to_contain_text("under Open, as not saved")
        other.wait_for_function("() => app.model.nodes().length === 0")
        assert {each["nodes"] for each in small.ask("investigations")["unsaved"]} >= {len(kept) + 1}


def test_saving_over_another_name_asks_and_another_tabs_edits_and_saves_are_seen(small: Site, small_page: Page) -> None:
    page = small_page
    small.ask("save", name="theirs", content={"nodes": []})
    pick(page, "example.com")
    page.keyboard.press("Control+s")
    fill(page, name="theirs")
    expect(page.locator("dialog").last).to_contain_text("is there already")
    page.locator("dialog").last.get_by_role("button", name="Cancel").click()
    expect(page.locator("dialog .answer.bad")).to_contain_text("Nothing was saved")
    assert small.ask("open", name="theirs")["content"]["nodes"] == []
    fill(page, name="theirs")
    page.locator("dialog").last.get_by_role("button", name="Replace").click()
    expect(page.locator(".toast")).to_contain_text("Saved")
    page.keyboard.press("Control+s")  # the version that this tab knows: nobody is asked
    fill(page)
    expect(page.locator("dialog")).to_have_count(0)
    small.ask("save", name="theirs", content={"nodes": []}, over=True)
    page.keyboard.press("Control+s")
    fill(page)
    expect(page.locator("dialog").last).to_contain_text("has been saved elsewhere")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.evaluate("app.model.select('Domain:example.com')")
    small.ask("edit", what="tag", author="ana", about={"label": "Domain", "key": "example.com"}, tag="from-elsewhere")
    expect(page.locator("#notes")).to_contain_text("from-elsewhere")
    [entry] = [each for each in small.ask("entries")["entries"] if each["body"].get("tag") == "from-elsewhere"]
    small.ask("edit", what="undo", author="ana", undoes=entry["id"])
    expect(page.locator("#notes")).not_to_contain_text("from-elsewhere")
    small.ask("remove", name="theirs")


def test_all_relationships_among_what_is_shown_are_shown_and_no_two_nodes_lie_on_one_spot(
    hostile_page: Page, small_page: Page
) -> None:
    page = hostile_page
    pick(page, "198.51.100.7")
    for _ in range(2):  # more than are looked up at once
        page.evaluate("app.actions.grow('IPAddress:198.51.100.7', {}, 500)")
        idle(page)
    shown = nodes(page)
    assert len(shown) == 1001
    assert page.evaluate("app.model.graph.degree('IPAddress:198.51.100.7')") == 1001  # one stands for the rest
    page.evaluate(
        "(ids) => { app.model.clear(); return app.actions.bring(ids.map((id) => ({ label: id.slice(0, id.indexOf(':')), key: id.slice(id.indexOf(':') + 1) }))); }",
        shown,
    )
    idle(page)
    assert page.evaluate("app.model.graph.degree('IPAddress:198.51.100.7')") == 1000
    assert page.evaluate("app.actions.unjoined.size") == 0
    page = small_page
    pick(page, "example.com")
    pick(page, "old-lure.example")
    places = page.evaluate("app.model.nodes().map((id) => [app.model.node(id).x, app.model.node(id).y])")
    assert len({(round(x, 2), round(y, 2)) for x, y in places}) == len(places) == 2
    box = page.evaluate(
        "(() => { const b = document.getElementById('picture').getBoundingClientRect(); return [b.x, b.y]; })()"
    )
    for key in ("example.com", "old-lure.example"):  # two clicks in quick succession, on two nodes
        x, y = page.evaluate(
            "id => { const at = app.picture.sigma.graphToViewport(app.model.node(id)); return [at.x, at.y]; }",
            f"Domain:{key}",
        )
        page.mouse.click(box[0] + x, box[1] + y)
    expect(page.locator("#selected")).to_have_text("old-lure.example")
    idle(page)
    assert len(nodes(page)) == 2
