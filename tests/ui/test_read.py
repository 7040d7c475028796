"""Reading: the panel, the raw replies, the table, the time slider, the filters, the legend, and what was asked."""

from __future__ import annotations

import itertools
import math
import re

import pytest
from playwright.sync_api import Browser, Page, expect
from ui_site import Site, grow, idle, nodes, opened, pick

from intel_grapher import schema
from intel_grapher.registry import Registry

SEEN = "app.model.nodes().filter(id => app.model.seesNode(id))"
EDGES = "app.model.graph.edges().filter(id => app.model.seesEdge(id)).length"


@pytest.mark.both_targets
def test_the_panel_has_every_property_who_says_so_and_since_when(small: Site, small_page: Page) -> None:
    page = small_page
    pick(page, "invoice-portal.example")
    told = small.ask("read", label="Domain", key="invoice-portal.example")["properties"]
    assert "votes" in told
    names = page.locator("#panel dl dt").all_inner_texts()
    assert set(names) == {*told, "said by"} - {"sources", "precision"}
    values = dict(zip(names, page.locator("#panel dl dd").all_inner_texts(), strict=True))
    assert values["votes"] == str(told["votes"])
    assert values["fetched_at"].startswith(told["fetched_at"][:10])
    assert values["said by"] == ", ".join(Registry.installed()[each].title for each in told["sources"])
    grow(page)
    page.locator("#panel summary", has_text="Relationships in the picture").click()
    line = page.locator("#panel details > .piece", has_text="192.0.2.10").first
    [[seen]] = small.rows(
        "MATCH (:Domain {name: 'invoice-portal.example'})-[r:RESOLVES]->(:IPAddress {address: '192.0.2.10'}) RETURN r.last_seen"
    )
    expect(line).to_contain_text(seen[:10])
    expect(line).to_contain_text("· threatcrowd")


def test_the_raw_reply_is_one_click_away(small_page: Page) -> None:
    page = small_page
    pick(page, "invoice-portal.example")
    page.locator("#panel > details.raw > summary").click()
    piece = page.locator("#panel > details.raw details.piece").first
    expect(piece.locator("summary")).to_contain_text("threatcrowd domain, asked for invoice-portal.example")
    expect(piece.locator("pre")).to_contain_text('"resolutions"')


def test_the_table_is_sorted_filtered_and_in_step_with_the_picture(page: Page) -> None:
    pick(page, "example.com")
    grow(page)
    rows = page.locator(".grid .body .line")
    expect(page.locator("#shown-rows")).to_have_text(f"{len(nodes(page))} shown")
    by_degree = "app.table.rows().map(row => row.degree)"
    page.get_by_role("button", name="Neighbours").click()
    up = page.evaluate(by_degree)
    assert up == sorted(up)
    assert len(set(up)) > 2
    page.get_by_role("button", name="Neighbours").click()
    assert page.evaluate(by_degree) == up[::-1]
    expect(rows.first).to_contain_text(str(up[-1]))
    filter_ = page.get_by_label("Filter the table")
    filter_.fill("lantern")
    expect(rows.filter(has_not_text="antern")).to_have_count(0)
    rows.first.click()
    expect(page.locator("#selected")).to_have_text(page.evaluate("app.model.node(app.model.selected).key"))
    filter_.fill("")
    page.evaluate("app.model.select('IPAddress:192.0.2.10')")  # in the picture
    expect(page.locator(".grid .line.selected")).to_contain_text("192.0.2.10")
    page.locator("#filters input[name='label SubDomain']").uncheck()
    expect(page.locator("#shown-rows")).to_have_text(f"{len(page.evaluate(SEEN))} shown")
    expect(rows.filter(has_text="SubDomain")).to_have_count(0)
    page.get_by_role("tab", name="Relationships").click()
    expect(page.locator("#shown-rows")).to_have_text(f"{page.evaluate(EDGES)} shown")


def test_filters_by_label_type_and_source_hide_and_show(page: Page) -> None:
    pick(page, "example.com")
    grow(page)
    all_nodes, all_edges = page.evaluate(SEEN), page.evaluate(EDGES)
    page.locator("#filters input[name='label Email']").uncheck()
    assert set(page.evaluate(SEEN)) == {each for each in all_nodes if not each.startswith("Email:")}
    page.get_by_role("button", name="Show all").click()
    resolves = page.evaluate("app.model.graph.filterEdges((_, edge) => edge.type === 'RESOLVES').length")
    page.locator("#filters input[name='type RESOLVES']").uncheck()
    assert page.evaluate(EDGES) == all_edges - resolves
    page.get_by_role("button", name="Show all").click()
    only = "app.model.graph.filterNodes((_, node) => node.properties.sources?.join() === 'rdap')"
    said = page.evaluate(only)
    assert said
    page.locator("#filters input[name='source rdap']").uncheck()
    assert set(page.evaluate(SEEN)) == set(all_nodes) - set(said)
    page.get_by_role("button", name="Show all").click()
    assert (page.evaluate(SEEN), page.evaluate(EDGES)) == (all_nodes, all_edges)


def test_the_time_slider_goes_over_first_and_last_seen(page: Page) -> None:
    pick(page, "example.com")
    grow(page)
    before = page.evaluate(EDGES)
    move = "(each, value) => { each.value = value; each.dispatchEvent(new Event('input', {bubbles: true})); }"
    page.get_by_label("seen until").evaluate(move, "300")
    page.wait_for_function("() => app.model.window !== null")
    idle(page)
    until = page.evaluate("app.model.window[1]")
    late = """until => app.model.graph.filterEdges((_, edge) => (edge.properties?.first_seen ?? edge.properties?.last_seen ?? "") > until)"""
    hidden = page.evaluate(late, until)
    assert hidden
    assert not page.evaluate("ids => ids.some(id => app.model.seesEdge(id))", hidden)
    assert 0 < page.evaluate(EDGES) < before
    expect(page.locator("#time > span").last).to_have_text(until[:10])
    page.get_by_label("seen until").evaluate(move, "1000")
    page.wait_for_function("() => app.model.window === null")
    assert page.evaluate(EDGES) == before
    # A drag over the bars chooses a part; another within it moves it; a double click lets it go.
    box = page.locator("#time .track").bounding_box()
    assert box

    left, y, wide = box["x"], box["y"] + 8, box["width"]

    def drag(begin: float, end: float) -> list[str]:
        page.mouse.move(left + begin * wide, y)
        page.mouse.down()
        page.mouse.move(left + end * wide, y, steps=3)
        page.mouse.up()
        return [each[:10] for each in page.evaluate("app.model.window")]

    first = drag(0.4, 0.7)
    expect(page.locator("#in-window")).to_have_text(re.compile(r"^\d+ of \d+ dates$"))
    later = drag(0.55, 0.75)
    assert first[0] < later[0]
    assert first[1] < later[1]
    page.mouse.dblclick(left + 0.1 * wide, y)
    assert page.evaluate("app.model.window") is None
    # First seen since a day: what was seen before is out, however long it stayed.
    page.get_by_label("what falls into the time").select_option("first")
    day = max(page.evaluate("app.model.graph.mapEdges((_, edge) => edge.properties?.first_seen ?? '')"))[:10]
    page.get_by_label("since", exact=True).fill(day)
    page.get_by_label("hide undated").check()
    assert page.evaluate("app.model.window[0]") == f"{day}T00:00:00Z"
    seen = "app.model.graph.edges().filter(id => app.model.seesEdge(id)).map(id => { const { first_seen, last_seen } = app.model.graph.getEdgeAttribute(id, 'properties'); return first_seen ?? last_seen; })"
    assert page.evaluate(seen)
    assert min(page.evaluate(seen)) >= day


def test_the_legend_has_the_schemas_colours_and_shapes(site: Site, page: Page) -> None:
    keys = [
        {"label": name, "key": site.rows(f"MATCH (n:`{name}`) RETURN n.`{each.key}` LIMIT 1")[0][0]}
        for name, each in schema.LABELS.items()
    ]
    page.evaluate("nodes => app.actions.bring(nodes)", keys)
    idle(page)
    drawn = """([label, key]) => { const data = app.picture.sigma.getNodeDisplayData(`${label}:${key}`);
      const sign = document.querySelector(`#filters input[name="label ${label}"]`).parentElement.querySelector(".sign > *");
      return [data.color, data.shape, sign.getAttribute("fill"), sign.tagName === "circle" ? 0 : sign.getAttribute("points").split(" ").length]; }"""
    corners = {"circle": 0, "square": 4, "diamond": 4, "triangle": 3, "hexagon": 6, "star": 10, "cross": 12}
    page.evaluate("document.documentElement.dataset.theme = 'dark'; app.filters.draw(); app.picture.redraw()")
    expect(page.locator("#filters input[name='label Note']")).to_be_visible()
    idle(page)
    for each in keys:
        label = schema.LABELS[each["label"]]
        colour = "#d5d9dd" if label.colour == "#000000" else label.colour
        assert page.evaluate(drawn, [each["label"], each["key"]]) == [colour, label.shape, colour, corners[label.shape]]


def test_no_two_labels_of_one_shape_look_alike_to_the_colour_blind() -> None:
    for one, other in itertools.combinations(schema.LABELS.values(), 2):
        if one.shape == other.shape:
            for blindness, matrix in BLIND.items():
                assert apart(one.colour, other.colour, matrix) > 12, (one.name, other.name, blindness)


# What linear red, green and blue become for those who lack one kind of cone (Machado, Oliveira, Fernandes 2009).
BLIND = {
    "protanopia": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "deuteranopia": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "tritanopia": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}


def apart(one: str, other: str, matrix: tuple[tuple[float, ...], ...]) -> float:
    """Return how far apart two colours look, in CIE L*a*b*."""
    return math.dist(_lab(one, matrix), _lab(other, matrix))


def _lab(colour: str, matrix: tuple[tuple[float, ...], ...]) -> tuple[float, float, float]:
    linear = [(int(colour[at : at + 2], 16) / 255) ** 2.2 for at in (1, 3, 5)]
    red, green, blue = (max(0.0, sum(a * b for a, b in zip(row, linear, strict=True))) for row in matrix)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    a, b, c = (each ** (1 / 3) if each > 0.008856 else 7.787 * each + 16 / 116 for each in (x, y, z))
    return 116 * b - 16, 500 * (a - b), 200 * (b - c)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_labels_and_text_stand_out_in_the_light_and_in_the_dark(browser: Browser, site: Site, theme: str) -> None:
    with opened(browser, site.link) as page:
        page.evaluate(
            "theme => { document.documentElement.dataset.theme = theme; }", {"light": "dark"}.get(theme, "light")
        )
        page.click("#theme")
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        contrast = """() => {
          const style = getComputedStyle(document.documentElement);
          const luminance = (colour) => { const full = colour.length === 4 ? `#${[...colour.slice(1)].map(each => each + each).join("")}` : colour;
            const [r, g, b] = [1, 3, 5].map(i => (parseInt(full.slice(i, i + 2), 16) / 255) ** 2.2); return .2126*r + .7152*g + .0722*b; };
          const ratio = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
          const of = (name) => style.getPropertyValue(name).trim();
          return { labels: Object.keys(app.schema.labels).map(label => [label, ratio(app.colourOf(label), of("--canvas"))]),
            texts: ["--text", "--soft", "--accent", "--bad", "--good", "--warn"].map(name => [name, ratio(of(name), of("--raised"))]) };
        }"""
        found = page.evaluate(contrast)
        assert [each for each in found["labels"] if each[1] < 1.8] == []
        assert [each for each in found["texts"] if each[1] < 4.5] == []


def test_every_click_can_show_its_cypher(small_page: Page) -> None:
    page = small_page
    pick(page, "example.com")
    grow(page)
    page.locator("#panel details.asked summary").click()
    asked = page.locator("#panel details.asked")
    for each in ("read", "grow", "complete"):
        expect(asked.locator("h2").get_by_text(each, exact=True).first).to_be_visible()
    expect(asked).to_contain_text("MATCH (n:`Domain` {`name`: $key})")
    expect(asked).to_contain_text('$key = "example.com"')
