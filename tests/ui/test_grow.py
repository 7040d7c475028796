"""Growing the picture: kinds of neighbours, badges, hubs, paths, and steps back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect
from ui_site import Site, grow, idle, nodes, opened, pick

WRITTEN = """() => {
  window.written = new Set();
  const write = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) { window.written.add(text); return write.call(this, text, ...rest); };
}"""


@pytest.mark.both_targets
def test_growing_by_kind_says_n_of_m_and_the_badge_how_many_are_missing(small: Site, small_page: Page) -> None:
    page = small_page
    page.evaluate(WRITTEN)
    pick(page, "example.com")
    [[degree]] = small.rows("MATCH (:Domain {name: 'example.com'})-[r]-() RETURN count(r)")
    [[addresses]] = small.rows("MATCH (:Domain {name: 'example.com'})-[r:RESOLVES]->() RETURN count(r)")
    kind = page.locator("#panel .group", has_text="RESOLVES → IPAddress")
    expect(kind).to_contain_text(f"0 of {addresses} shown")
    page.wait_for_function("badge => written.has(badge)", arg=f"+{degree}")
    page.get_by_label("show more RESOLVES IPAddress").click()
    expect(kind).to_contain_text(f"{addresses} of {addresses} shown")
    assert {each.split(":")[0] for each in nodes(page)} == {"Domain", "IPAddress"}
    assert len(nodes(page)) == addresses + 1
    page.wait_for_function("badge => written.has(badge)", arg=f"+{degree - addresses}")
    grow(page)
    for each in page.locator("#panel .group .of").all_inner_texts():
        shown, of = each.removesuffix(" shown").split(" of ")
        assert shown == of
    assert page.evaluate("app.model.missing('Domain:example.com')") == 0


def test_undo_redo_collapse_and_back(page: Page) -> None:
    pick(page, "example.com")
    page.get_by_label("show more RESOLVES IPAddress").click()
    page.wait_for_function("() => app.model.nodes().length > 1")
    idle(page)
    some = nodes(page)
    grow(page)
    whole = nodes(page)
    page.click("#undo")
    assert nodes(page) == some
    page.click("#redo")
    assert sorted(nodes(page)) == sorted(whole)
    page.get_by_role("button", name="Collapse").click()
    left = set(nodes(page))
    assert left < set(whole)
    gone = [each for each in whole if each not in left]
    page.click("#undo")
    assert sorted(nodes(page)) == sorted(whole)
    alone = "ids => ids.every(id => app.model.graph.neighbors(id).every(each => each === 'Domain:example.com'))"
    assert page.evaluate(alone, gone)
    page.evaluate("app.model.select('IPAddress:192.0.2.10')")
    expect(page.locator("#selected")).to_have_text("192.0.2.10")
    page.click("#back")
    expect(page.locator("#selected")).to_have_text("example.com")


def test_paths_and_what_ties_nodes_together(small_page: Page) -> None:
    page = small_page
    pick(page, "example.com")
    page.evaluate("app.actions.bring([{label: 'Domain', key: 'invoice-portal.example'}], {select: false})")
    page.wait_for_function("() => app.model.nodes().length === 2")
    page.evaluate("app.model.select('Domain:invoice-portal.example', {more: true})")
    page.get_by_role("button", name="What ties them").click()
    expect(page.locator("#panel")).to_contain_text("paper.lantern@example.org")
    idle(page)
    before = page.evaluate("Object.fromEntries(app.model.nodes().map(id => [id, app.model.node(id).x]))")
    page.get_by_role("button", name="Path between").click()
    page.wait_for_function("() => app.model.nodes().length > 2")
    expect(page.locator(".toast").first).to_contain_text("of 2 steps")
    idle(page)
    assert "IPAddress:192.0.2.10" in nodes(page)
    columns = page.evaluate(
        "app.model.lit.paths.map(path => [path[0].from, ...path.map(step => step.to)].map(each => app.model.node(`${each.label}:${each.key}`).x))"
    )
    assert columns
    for column in columns:  # from left to right, a column a step
        assert column == sorted(set(column)), column
    marked = "app.model.graph.edges().filter(id => app.picture.sigma.getEdgeDisplayData(id).color === app.picture.sigma.getEdgeDisplayData([...app.model.lit.edges][0]).color).sort()"
    assert page.evaluate(marked) == page.evaluate("[...app.model.lit.edges].sort()")
    page.locator("#lit .way").first.click()  # one of them alone
    page.wait_for_function("() => app.model.lit.edges.size === 2")
    page.locator("#picture").press("Escape")
    expect(page.locator("#lit")).to_have_count(0)
    places = "Object.fromEntries(app.model.nodes().map(id => [id, app.model.node(id).x]))"
    page.click("#undo")  # the ends are where they were
    assert page.evaluate(places) == before
    page.click("#redo")
    joined = "app.model.graph.neighbors('IPAddress:192.0.2.10').sort()"
    assert {"Domain:example.com", "Domain:invoice-portal.example"} <= set(page.evaluate(joined))


def test_hubs_can_be_hidden_but_not_what_is_selected(page: Page) -> None:
    pick(page, "example.com")
    grow(page)
    seen = "app.model.nodes().filter(id => app.model.seesNode(id))"
    degrees = page.evaluate("Object.fromEntries(app.model.nodes().map(id => [id, app.model.node(id).degree]))")
    field = page.get_by_label("hide nodes with more neighbours than")
    field.fill("8")
    page.evaluate("app.filters.draw()")  # as it is drawn whenever something comes in: what is typed stays
    field.press("Enter")
    kept = {each for each, degree in degrees.items() if degree <= 8} | {"Domain:example.com"}
    assert set(page.evaluate(seen)) == kept < set(degrees)
    page.get_by_role("button", name="Show all").click()
    assert set(page.evaluate(seen)) == set(degrees)


def test_a_hub_is_one_node_for_all_that_is_not_shown(hostile_page: Page) -> None:
    page = hostile_page
    pick(page, "198.51.100.7")
    assert page.evaluate("app.model.node('IPAddress:198.51.100.7').degree") == 3000
    grow(page)
    assert len(nodes(page)) == 26
    rest = page.evaluate("app.model.graph.filterNodes((_, node) => node.more)")
    assert len(rest) == 1
    page.evaluate("id => app.model.select(id)", rest[0])
    expect(page.locator("#panel")).to_contain_text("2,975 more")
    page.get_by_role("button", name="Show 500 more").click()
    page.wait_for_function("() => app.model.nodes().length === 526")
    idle(page)
    page.evaluate("app.model.select('IPAddress:198.51.100.7')")
    expect(page.locator("#panel")).to_contain_text("525 of 3,000 shown")


def test_a_click_selects_a_double_click_expands_and_a_drag_moves(browser: Browser, site: Site) -> None:
    with opened(browser, site.link, motion=True) as page:
        pick(page, "example.com")
        grow(page)
        place = page.evaluate(PLACE, "IPAddress:192.0.2.10")
        page.mouse.click(*place)
        expect(page.locator("#selected")).to_have_text("192.0.2.10")
        before = len(nodes(page))
        page.mouse.dblclick(*place)
        page.wait_for_function("before => app.model.nodes().length > before", arg=before)
        idle(page)
        x, y = page.evaluate(PLACE, "Domain:example.com")
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 60, y + 40, steps=4)
        page.mouse.up()
        idle(page)
        assert page.evaluate("app.model.node('Domain:example.com').pinned")
        assert page.evaluate(PLACE, "Domain:example.com") == pytest.approx([x + 60, y + 40], abs=12)


PLACE = """id => {
  const at = app.picture.sigma.graphToViewport(app.model.node(id)), box = document.getElementById("picture").getBoundingClientRect();
  return [at.x + box.x, at.y + box.y];
}"""


def test_the_layout_runs_beside_the_page(browser: Browser, site: Site) -> None:
    with opened(browser, site.link, motion=True) as page:
        made = """() => {
          const nodes = Array.from({ length: 1500 }, (_, i) => ({ label: "Domain", key: `n${i}.example`, degree: 2, properties: {} }));
          app.model.add({ nodes, edges: nodes.slice(1).map((node, i) => ({ start: nodes[Math.floor(i / 2)], end: node, type: "HOSTS", properties: {} })) });
          app.layout.start();
          const before = nodes.map((_, i) => app.model.node(`Domain:n${i}.example`).x);
          window.moved = () => nodes.filter((_, i) => app.model.node(`Domain:n${i}.example`).x !== before[i]).length;
        }"""
        page.evaluate(made)
        page.wait_for_function("() => app.layout.running && moved() > 1000")  # answered while it runs
        page.evaluate("app.layout.stop()")
        assert page.evaluate(
            "performance.getEntriesByType('resource').some(each => each.name.endsWith('layout-worker.js'))"
        )
