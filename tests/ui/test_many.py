"""Many nodes at once: choosing them, what is said of all, how they are laid out, and what lines and marks tell."""

from __future__ import annotations

import itertools
import math
import re

import pytest
from playwright.sync_api import Browser, Page, expect
from ui_site import Site, axe_faults, fill, grow, idle, nodes, opened, paste, pick

CHOSEN = "[...app.model.chosen].sort()"
PLACE = """id => {
  const at = app.picture.place(id), box = document.getElementById("picture").getBoundingClientRect();
  return [at.x + box.x, at.y + box.y];
}"""

# The nodes as they are drawn, in pixels.
DRAWN = """() => app.model.graph.nodes().map(id => {
  const { sigma } = app.picture, { x, y } = app.picture.place(id);
  return { id, x, y, radius: sigma.scaleSize(sigma.getNodeDisplayData(id).size) };
})"""


def test_many_are_chosen_and_judged_in_a_few_steps(small: Site, small_page: Page) -> None:
    page = small_page
    pick(page, "example.com")
    grow(page)
    page.evaluate("app.actions.grow('Domain:invoice-portal.example').catch(() => {})")
    idle(page)  # nodes stay where they are from now on
    everything = sorted(nodes(page))
    page.keyboard.press("Control+a")
    assert page.evaluate(CHOSEN) == everything
    label, count = page.evaluate(
        "Object.entries(Object.groupBy(app.model.nodes(), id => id.split(':')[0])).map(([a, b]) => [a, b.length]).sort((a, b) => b[1] - a[1])[0]"
    )
    page.get_by_label(f"select all {label}", exact=True).click()
    assert len(page.evaluate(CHOSEN)) == count
    page.keyboard.press("i")
    assert len(page.evaluate(CHOSEN)) == len(everything) - count
    places = [page.evaluate(PLACE, each) for each in everything]
    left, top = (min(each[i] for each in places) - 20 for i in (0, 1))
    right, bottom = (max(each[i] for each in places) + 20 for i in (0, 1))
    for key in ("Shift", "Alt"):  # a box, and a lasso
        page.keyboard.press("Escape")
        page.keyboard.down(key)
        page.mouse.move(left, top)
        page.mouse.down()
        for x, y in ((right, top), (right, bottom), *([(left, bottom)] if key == "Alt" else [])):
            page.mouse.move(x, y)
        page.mouse.up()
        page.keyboard.up(key)
        assert page.evaluate(CHOSEN) == everything, key
    rows = page.locator(".grid .body .line")
    rows.nth(0).click()
    rows.nth(3).click(modifiers=["Shift"])
    assert len(page.evaluate(CHOSEN)) == 4
    judged = [each for each in everything if not each.startswith(("Note:", "Mention:"))]  # of other tests
    # A verdict on all: choose (1), the key (2), the verdict (3), send it off (4).
    page.keyboard.press("Control+a")
    page.keyboard.press("v")
    fill(page, verdict="suspicious", author="ana")
    expect(page.locator("dialog")).to_have_count(0)
    page.wait_for_function("ids => ids.every(id => app.remarks.of(id).verdict === 'suspicious')", arg=judged)
    said = "MATCH (n:Note) WHERE n.verdict = 'suspicious' RETURN count(n)"
    small.comes_to(said, [[len(judged)]])
    expect(page.locator("#filters input[name='verdict suspicious']")).to_be_visible()
    expect(page.locator(".grid .body .line").first).to_contain_text("suspicious")
    page.locator("#filters input[name='verdict suspicious']").uncheck()
    assert not set(page.evaluate("app.selection.seen()")) & set(judged)
    page.get_by_role("button", name="Show all").click()
    page.click("#undo")  # all of it, in one step
    small.comes_to(said, [[0]])
    page.wait_for_function("ids => ids.every(id => app.remarks.of(id).verdict === '')", arg=judged)


def test_the_sheet_of_a_paste_adds_to_a_case_and_the_opening_view_has_it(
    browser: Browser, small: Site, small_page: Page
) -> None:
    page = small_page
    paste(page, "example.com, invoice-portal[.]example and never-seen.example")
    sheet = page.locator(".triage")
    sheet.get_by_role("button", name="What ties them").click()
    expect(page.locator("#ties")).to_contain_text("paper.lantern@example.org")
    sheet.get_by_role("button", name="Add to case").click()
    fill(page, tag="night heron", author="ana")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator("#notes, .choice", has_text="case: night heron").first).to_be_visible()
    small.rest()
    with opened(browser, small.link) as other:
        case = other.locator("#empty section", has_text="Cases")
        expect(case).to_contain_text("3 nodes")
        case.get_by_role("button", name="night heron").click()
        other.wait_for_function("() => app.model.graph.hasNode('Domain:never-seen.example')")
        idle(other)
        other.fill("#find", "night heron")
        expect(other.locator("#found [role=option]", has_text="tag: case: night heron").first).to_be_visible()
    page.click("#undo")
    small.comes_to("MATCH (n:Note {tag: 'case: night heron'}) RETURN n.tag", [])


@pytest.mark.parametrize("kind", ["tree", "radial", "label", "time"])
def test_a_layout_makes_room_for_a_pinned_node(small_page: Page, kind: str) -> None:
    page = small_page
    pick(page, "example.com")
    grow(page)
    page.locator("#layout-kind").select_option(kind)
    page.click("#layout")
    idle(page)
    place = "id => [app.model.node(id).x, app.model.node(id).y]"
    taken = next(each for each in nodes(page) if each != "Domain:example.com")
    where = page.evaluate(place, taken)
    page.evaluate("at => app.model.graph.mergeNodeAttributes('Domain:example.com', { x: at[0], y: at[1] })", where)
    page.evaluate("app.model.pin(['Domain:example.com'], true)")
    page.click("#layout")
    idle(page)
    assert page.evaluate(place, "Domain:example.com") == pytest.approx(where)
    found = page.evaluate(DRAWN)
    [pinned] = (each for each in found if each["id"] == "Domain:example.com")
    assert not [each for each in found if each is not pinned and cover(pinned, each)]


def cover(one: dict[str, float], other: dict[str, float]) -> bool:
    """Return whether two drawn nodes cover each other by more than a fifth of their radii."""
    apart = math.dist((one["x"], one["y"]), (other["x"], other["y"]))
    return apart < 0.8 * (one["radius"] + other["radius"])


def test_layouts_keep_nodes_apart_and_in_their_places(browser: Browser, site: Site) -> None:
    with opened(browser, site.link) as page:
        pick(page, "example.com")
        grow(page)
        before = page.evaluate(
            "Object.fromEntries(app.model.nodes().map(id => [id, [app.model.node(id).x, app.model.node(id).y]]))"
        )
        page.evaluate("app.actions.bring([{ label: 'Domain', key: 'old-lure.example' }])")
        page.wait_for_function("() => app.model.graph.hasNode('Domain:old-lure.example')")
        idle(page)
        for id_, place in before.items():  # what was there stays where it was
            assert page.evaluate("id => [app.model.node(id).x, app.model.node(id).y]", id_) == pytest.approx(
                place, abs=0.1
            )
        pinned = before["Domain:example.com"]
        page.evaluate("app.model.pin(['Domain:example.com'], true)")
        for kind in ("force", "tree", "radial", "label", "time"):
            page.locator("#layout-kind").select_option(kind)
            page.click("#layout")
            idle(page)
            assert page.evaluate(
                "[app.model.node('Domain:example.com').x, app.model.node('Domain:example.com').y]"
            ) == pytest.approx(pinned)
            if kind == "force":
                page.evaluate("app.model.pin(['Domain:example.com'], false)")
                page.click("#layout")
                idle(page)
            found = page.evaluate(DRAWN)
            over = [pair for pair in itertools.combinations(found, 2) if cover(*pair)]
            assert len(over) <= len(found) // 20, (kind, over[:5])
            page.evaluate("app.model.graph.setNodeAttribute('Domain:example.com', 'pinned', false)")
            pinned = page.evaluate("[app.model.node('Domain:example.com').x, app.model.node('Domain:example.com').y]")
            page.evaluate("app.model.graph.setNodeAttribute('Domain:example.com', 'pinned', true)")


def test_many_of_one_date_are_no_line_in_the_layout_by_time(page: Page) -> None:
    page.evaluate(
        """() => app.model.add({ nodes: Array.from({ length: 900 }, (_, i) => ({ label: ["Domain", "Hash"][i % 2], key: `n${i}`,
          degree: 0, properties: { first_seen: i % 3 ? "2026-01-01T00:00:00Z" : "2026-06-01T00:00:00Z" } })) })"""
    )
    page.locator("#layout-kind").select_option("time")
    idle(page)
    places = page.evaluate("app.model.nodes().map(id => [app.model.node(id).x, app.model.node(id).y])")
    wide, tall = (max(axis) - min(axis) for axis in zip(*places, strict=True))
    assert 0.5 < tall / wide < 2
    assert len({tuple(place) for place in places}) == 900


def test_a_line_tells_who_says_so_and_the_menu_opens_by_mouse_and_key(page: Page) -> None:
    pick(page, "example.com")
    page.get_by_label("show more RESOLVES IPAddress").click()
    page.wait_for_function("() => app.model.nodes().length > 1")
    idle(page)
    edge = page.evaluate(
        "app.model.graph.edges().find(id => app.model.graph.getEdgeAttribute(id, 'type') === 'RESOLVES')"
    )
    ends = page.evaluate("id => app.model.graph.extremities(id)", edge)
    (ax, ay), (bx, by) = (page.evaluate(PLACE, each) for each in ends)
    x, y = ax + (bx - ax) * 0.5, ay + (by - ay) * 0.5
    page.mouse.move(x + 1, y + 1)
    page.mouse.move(x, y)
    expect(page.locator("#card")).to_contain_text("RESOLVES")
    page.mouse.click(x, y)
    expect(page.locator("#fact")).to_have_text("RESOLVES")
    page.locator("#panel details.raw > summary").click()
    expect(page.locator("#panel .raw pre").first).to_be_visible()
    page.mouse.click(ax, ay, button="right")
    expect(page.get_by_role("menuitem", name=re.compile("^Verdict"))).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("#picture").focus()
    page.keyboard.press("Shift+F10")
    expect(page.get_by_role("menuitem").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(page.locator("#menu")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, site: Site, theme: str) -> None:
    with opened(browser, site.link, width=1024, height=700) as page:
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        page.wait_for_selector("#empty[data-whole]")
        assert axe_faults(page) == []
        pick(page, "example.com")
        grow(page)
        assert axe_faults(page) == []
        page.get_by_role("button", name="Ask sources").click()
        expect(page.locator("dialog")).to_be_visible()
        assert axe_faults(page) == []
        lines = "[...document.querySelectorAll('dialog .plan label')].map(each => each.getClientRects().length)"
        assert set(page.evaluate(lines)) == {1}  # the names of sources are not broken
        page.keyboard.press("Escape")
        paste(page, "example.com 300.1.1.1")
        expect(page.locator(".triage")).to_contain_text("1 indicator")
        page.keyboard.press("Control+a")
        assert axe_faults(page) == []
        wide = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert wide  # nothing beyond the window's edge at 1024 by 700
