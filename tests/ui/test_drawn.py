"""What is drawn is really drawn; and all of it is there for those who use keys, or have the page read to them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from ui_site import colours, grow, idle, nodes, pick


def test_the_picture_is_drawn_and_not_blank(page: Page) -> None:
    assert colours(page) == 1
    pick(page, "example.com")
    grow(page)
    assert colours(page) > 50
    canvas = "document.querySelector('#picture canvas.sigma-nodes')"
    assert page.evaluate(f"({canvas}.getContext('webgl2') ?? {canvas}.getContext('webgl')) !== null")


def test_ten_thousand_nodes_are_drawn_and_can_be_moved_about(page: Page) -> None:
    page.evaluate(
        """() => {
          const nodes = Array.from({ length: 10000 }, (_, i) => ({ label: ["Domain", "IPAddress", "Hash"][i % 3], key: `n${i}`, degree: 6, properties: {}, x: (i * 7919) % 1000, y: (i * 104729) % 997 }));
          const edges = Array.from({ length: 30000 }, (_, i) => ({ start: nodes[i % 10000], end: nodes[(i * 31 + 17) % 10000], type: ["RESOLVES", "HOSTS", "OWNS"][Math.floor(i / 10000)], properties: {} }));
          app.model.add({ nodes, edges });
        }"""
    )
    idle(page)
    expect(page.locator("#status")).to_contain_text("10,000 nodes")
    assert colours(page) > 3  # three labels' on the canvas': dots this small have no shades
    before = page.evaluate("app.picture.sigma.getCamera().getState()")
    page.evaluate(
        """() => {
          const draw = app.picture.sigma.render;
          const nodes = app.picture.sigma.getCanvases().nodes;
          window.glided = [];  // how far a node on the moved canvas is from where it will be drawn
          app.picture.sigma.render = () => {
            draw();
            const { a, e, f } = new DOMMatrix(getComputedStyle(nodes).transform);
            const at = app.picture.sigma.graphToViewport(app.model.node("Domain:n3"));
            if (nodes.style.transform) glided.push([at.x, at.y, a, e, f]);
            else window.stood = [at.x, at.y];
          };
          app.picture.sigma.refresh();
        }"""
    )
    page.wait_for_function("() => window.stood")
    stood = page.evaluate("stood")
    page.mouse.move(600, 300)
    page.mouse.down()
    page.mouse.move(650, 330, steps=3)
    page.mouse.up()
    page.wait_for_function("() => glided.length")
    for x, y, scale, left, top in page.evaluate("glided"):
        assert [scale * stood[0] + left, scale * stood[1] + top] == pytest.approx([x, y], abs=1)
    page.mouse.wheel(0, -240)
    moved = "before => { const now = app.picture.sigma.getCamera().getState(); return now.x !== before.x && now.ratio < before.ratio; }"
    page.wait_for_function(moved, arg=before)
    page.wait_for_function("() => app.picture.sigma.getCanvases().nodes.style.transform === ''")  # drawn anew
    assert colours(page) > 3
    place = page.evaluate(
        """() => { const at = app.picture.sigma.graphToViewport(app.model.node("Domain:n3")), box = document.getElementById("picture").getBoundingClientRect();
          return app.picture.at({ x: at.x, y: at.y }) !== null && [at.x + box.x, at.y + box.y]; }"""
    )
    assert place  # what the mouse is on is found without the graphics card


def test_it_works_by_keyboard_alone_with_names_for_screen_readers(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("example.com")
    page.locator("#found [role=option]", has_text="example.com").first.wait_for()
    page.keyboard.press("Enter")
    expect(page.locator("#selected")).to_have_text("example.com")
    page.keyboard.press("e")
    page.wait_for_function("() => app.model.nodes().length > 5")
    idle(page)
    for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown"):
        page.evaluate("app.model.select('Domain:example.com')")
        page.locator("#picture").press(key)
        if page.evaluate("app.model.selected") != "Domain:example.com":
            break
    walked = page.evaluate("app.model.node(app.model.selected).key")
    assert walked != "example.com"
    assert f" {walked}, " in (page.get_attribute("#picture", "aria-label") or "")
    page.keyboard.press("x")
    expect(page.locator("#panel")).to_contain_text("Nothing is selected")
    page.keyboard.press("Control+z")
    page.evaluate("key => app.model.select(app.model.nodes().find(id => id.endsWith(`:${key}`)))", walked)
    page.keyboard.press("Alt+ArrowLeft")
    page.keyboard.press("Escape")
    assert page.evaluate("app.model.selected") is None
    rows = page.locator(".grid .body .line")
    rows.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".grid .line.selected:focus")).to_have_count(1)
    page.keyboard.press("m")
    expect(page.locator("dialog [name=text]")).to_be_focused()
    expect(page.locator("dialog [name=text]")).to_have_value("")  # the key is not typed, too
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_contain_text("undo, redo")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    assert len(nodes(page)) > 5


def test_whatever_can_be_used_has_a_name(page: Page) -> None:
    pick(page, "example.com")
    grow(page)
    page.get_by_role("tab", name="Cypher").click()
    page.click("#export")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, [role=application], [role=dialog], dialog, [tabindex='0']")]
             .filter(each => !(each.getAttribute("aria-label") || each.labels?.length || each.textContent.trim() || each.title))
             .map(each => each.outerHTML)"""
    )
    assert unnamed == []
    page.keyboard.press("Escape")
    for place, role in (("#status", "status"), ("#toasts", "alert"), ("#found", "listbox"), ("#find", "combobox")):
        assert page.get_attribute(place, "role") == role
