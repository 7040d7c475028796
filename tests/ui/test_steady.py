"""What comes in while a person is at something else: clicks, focus and what is open stay; a late answer spoils nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator, Page, Route, expect
from ui_site import Site, grow, idle, nodes, pick

FOCUSED = "document.activeElement.textContent"


@contextmanager
def pressed(page: Page, on: Locator) -> Iterator[None]:
    """Press something with the mouse; let go at the end of the block, when what could be drawn anew has been."""
    on.scroll_into_view_if_needed()
    idle(page)
    box = on.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    yield
    idle(page)
    page.wait_for_timeout(300)  # longer than what is drawn later waits
    page.mouse.up()


@contextmanager
def held(page: Page, question: str) -> Iterator[list[Route]]:
    """Hold the next one of a question back until the block ends, and let it go then; later ones are answered."""
    routes: list[Route] = []

    def hold(route: Route) -> None:
        if routes:
            route.continue_()
        else:
            routes.append(route)

    page.route(f"**/api/{question}", hold)
    yield routes
    assert len(routes) == 1
    with page.expect_response(f"**/api/{question}"):
        routes[0].continue_()
    idle(page)
    page.unroute(f"**/api/{question}")


def test_enter_is_about_what_is_typed_however_quickly(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("example")
    expect(page.locator("#found [role=option]").first).to_contain_text("example.com")
    page.keyboard.type(".net")
    page.keyboard.press("Enter")  # before the options of "example" have gone
    expect(page.locator("#selected")).to_have_text("example.net")
    page.keyboard.press("/")
    page.keyboard.type("cdn-update.example")
    page.keyboard.press("Enter")  # before there are options
    expect(page.locator("#selected")).to_have_text("cdn-update.example")
    expect(page.locator("#tab-pasted")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("example.com")
    expect(page.locator("#found [role=option]").first).to_contain_text("example.com")
    page.keyboard.press("Escape")  # none of the options
    page.keyboard.press("Enter")
    expect(page.locator(".triage [role=status]")).to_contain_text("1 indicator: 1 in the graph")


def test_a_click_a_focus_and_what_is_open_outlive_what_comes_in(page: Page) -> None:
    pick(page, "example.com")
    grow(page)
    with pressed(page, page.locator("#filters input[name='label Email']")):
        page.evaluate("app.model.tell('change', {})")
    assert page.evaluate("[...app.model.hidden.label]") == ["Email"]
    with pressed(page, page.get_by_role("button", name="Pin", exact=True)):
        page.evaluate("app.model.tell('select')")
    expect(page.get_by_role("button", name="Unpin", exact=True)).to_be_visible()
    with pressed(page, page.locator(".grid .line.selected + .line")):
        page.evaluate("app.model.tell('change', {})")
    assert page.evaluate("app.model.selected") != "Domain:example.com"
    page.evaluate("app.model.select('Domain:example.com')")
    idle(page)
    for name in ("Unpin", "Pin"):
        page.locator("#panel").get_by_role("button", name=name, exact=True).press("Enter")
        idle(page)
        assert page.evaluate(FOCUSED) == {"Unpin": "Pin", "Pin": "Unpin"}[name]
    page.locator("#panel > details.raw > summary").click()
    page.locator("#panel > details.facts > summary").click()
    reply = page.locator("#panel > details.raw pre").first.inner_text()
    page.locator("#panel > details.facts > summary").focus()
    place = page.evaluate("document.getElementById('panel').scrollTop = 200")
    page.evaluate("app.model.tell('select')")
    idle(page)
    assert page.locator("#panel > details.raw pre").first.inner_text() == reply
    expect(page.locator("#panel > details.facts .piece").first).to_be_visible()
    assert page.evaluate("document.getElementById('panel').scrollTop") == place
    assert page.evaluate(FOCUSED).startswith("Relationships in the picture")
    page.evaluate("app.model.remove(['IPAddress:192.0.2.10'])")  # then other replies are to be looked for
    page.evaluate("app.model.tell('select')")
    idle(page)
    assert page.evaluate("document.querySelector('#panel > details.raw').dataset.of.includes('192.0.2.10\"')") is False
    page.evaluate("app.model.undo()")
    page.evaluate("app.model.select('IPAddress:192.0.2.10')")
    expect(page.locator("#selected")).to_have_text("192.0.2.10")
    assert page.locator("#panel > details[open]").count() == 0
    page.locator("#panel").get_by_role("button", name="Hide", exact=True).press("Enter")
    expect(page.locator("#panel")).to_be_focused()  # and not the page as a whole


def test_a_late_answer_is_not_taken_for_one_to_what_was_asked_since(small: Site, small_page: Page) -> None:
    page = small_page
    box = page.get_by_label("Cypher that only reads")
    page.get_by_role("tab", name="Cypher").click()
    with held(page, "query"):
        box.fill("RETURN 'the first'")
        page.keyboard.press("Control+Enter")
        box.fill("RETURN 'the second'")
        page.keyboard.press("Control+Enter")
        expect(page.locator(".ask table")).to_contain_text("the second")
    expect(page.locator(".ask table")).to_contain_text("the second")
    pick(page, "old-lure.example")
    [entry] = small.ask("edit", what="tag", author="ana", about={"label": "Domain", "key": "example.com"}, tag="late")[
        "entries"
    ]
    small.rest()
    pick(page, "example.com")
    expect(page.locator("#notes")).to_contain_text("late")
    with held(page, "entries"):
        page.evaluate("app.editing.renew().catch(() => {}); app.model.tell('select')")
        page.evaluate("app.model.select('Domain:old-lure.example')")
        expect(page.locator("#selected")).to_have_text("old-lure.example")
    expect(page.locator("#notes")).to_have_text("")
    with held(page, "grow"):  # it is hidden before its neighbours come
        page.locator("#picture").press("e")
        page.locator("#picture").press("x")
        page.wait_for_function("() => !app.model.graph.hasNode('Domain:old-lure.example')")
    assert nodes(page) == ["Domain:example.com"]
    small.ask("edit", what="undo", author="ana", undoes=entry["id"])


def test_the_time_that_is_chosen_stays_where_dates_come_in(page: Page) -> None:
    pick(page, "example.com")
    grow(page)
    day = page.evaluate("new Date((app.time.least + app.time.most) / 2).toISOString().slice(0, 10)")
    page.get_by_label("since", exact=True).fill(day)
    [begin, end] = page.evaluate("app.model.window")
    assert begin == f"{day}T00:00:00Z"
    node = "{ label: 'IPAddress', key: '192.0.2.77', properties: { first_seen: '%s', last_seen: '%s' } }"
    for seen in ("2019-03-01T00:00:00Z", "2031-03-01T00:00:00Z"):
        page.evaluate(f"app.model.add({{ nodes: [{node % (seen, seen)}] }})")
        page.wait_for_function(
            "seen => [app.time.least, app.time.most].some(each => Math.abs(each - Date.parse(seen)) <= 2 * 86400000)",
            arg=seen,
        )
        expect(page.locator("#time > span").first).to_have_text(day)
        assert page.evaluate("app.model.window[0]") == begin
    assert page.evaluate("app.model.window[1]") > end  # it was open there: what is new since is in it
    page.wait_for_function("() => app.picture.sigma.getNodeDisplayData('IPAddress:192.0.2.77').hidden === false")
    expect(page.locator("#time > span").last).to_have_text(re.compile("^2031-03-0"))
