"""Style rules, warning lists and age: on nodes, in the legend, in the table, and kept with the workspace."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from ui_site import Site, fill, grow, idle, pick

from intel_grapher.errors import UsageError
from intel_grapher.ui import styles

SEEN = "app.model.nodes().filter(id => app.model.seesNode(id))"
DRAWN = (
    "id => { const { color, size, badge } = app.picture.sigma.getNodeDisplayData(id); return [color, size, badge]; }"
)


@pytest.fixture
def listed(small: Site) -> Iterator[Site]:
    """Give a site with a warning list of MISP's form and one of lines, and a file that is none."""
    folder = small.home / "data" / "warning-lists"
    (folder / "lists").mkdir(parents=True)
    hosts = {"name": "shared hosts", "type": "hostname", "description": "many use them", "list": ["example.com"]}
    (folder / "lists" / "list.json").write_text(json.dumps(hosts))
    (folder / "known nets.txt").write_text("192.0.2.0/24 # made up\n<script>window.hacked=1</script>\n")
    (folder / "other.json").write_text("[]")
    yield small
    shutil.rmtree(folder)
    small.ask("style", rules=[])


@pytest.mark.usefixtures("listed")
def test_warning_lists_and_age_are_badges_columns_and_filters(small_page: Page) -> None:
    page = small_page  # it may have been opened before the lists were there
    page.wait_for_function("() => app.remarks.warns")
    pick(page, "example.com")
    expect(page.locator(".toast")).to_contain_text("other.json")
    grow(page)
    page.wait_for_function("() => app.remarks.of('IPAddress:192.0.2.10').warned.length")
    on = page.evaluate("app.model.nodes().filter(id => app.remarks.of(id).warned.includes('shared hosts'))")
    assert {"Domain:example.com"} < set(on)
    assert all("example.com" in each for each in on)  # names beneath it, its URLs and addresses
    net = page.evaluate("app.model.nodes().filter(id => app.remarks.of(id).warned.includes('known nets'))")
    assert "IPAddress:192.0.2.10" in net
    assert "IPAddress:198.51.100.23" not in net
    everything = page.evaluate(SEEN)
    page.locator("#filters input[name='warning known nets']").uncheck()
    assert set(page.evaluate(SEEN)) == set(everything) - set(net)
    page.get_by_role("button", name="Show all").click()
    old = "{ last_seen: '2020-01-01T00:00:00Z', sources: ['threatcrowd'] }"
    page.evaluate(f"app.model.add({{ nodes: [{{ label: 'IPAddress', key: '192.0.2.10', properties: {old} }}] }})")
    page.locator("#filters input[name='age undated']").uncheck()
    assert page.evaluate(SEEN) == ["IPAddress:192.0.2.10"]
    assert int(page.evaluate("app.table.rows()[0].properties.last_seen.slice(0, 4)")) == 2020
    expect(page.locator("#filters .choice", has_text="over a year").locator(".count")).to_have_text("1")
    page.get_by_role("button", name="Show all").click()
    page.get_by_label("Filter the table").fill("known nets")
    expect(page.locator("#shown-rows")).to_have_text(f"{len(net)} shown")


def test_style_rules_colour_size_and_mark_nodes_and_stay_with_the_workspace(listed: Site, small_page: Page) -> None:
    page = small_page
    pick(page, "example.com")
    grow(page)
    page.evaluate("app.model.select(null)")
    idle(page)
    before = page.evaluate(DRAWN, "IPAddress:192.0.2.10")
    page.get_by_role("button", name="Add a rule").click()
    fill(page, field="label", comparison="is", value="IPAddress", colour="#123456", size="2", badge="<b")
    rule = page.locator("#filters .rule")
    expect(rule).to_contain_text("label is IPAddress")
    count = page.evaluate("app.model.nodes().filter(id => app.model.node(id).label === 'IPAddress').length")
    expect(rule.locator(".count")).to_have_text(str(count))
    idle(page)
    colour, size, badge = page.evaluate(DRAWN, "IPAddress:192.0.2.10")
    assert (colour, badge) == ("#123456", "<b")
    assert size == pytest.approx(2 * before[1])
    page.get_by_role("button", name="Add a rule").click()
    fill(page, field="nothing", value="x")
    expect(page.locator("dialog .answer")).to_contain_text("No node has")
    fill(page, field="votes", comparison="under", value="0", coloured="none", size="0.7", badge="")
    expect(rule).to_have_count(2)
    page.get_by_role("button", name="Select what it is about: votes").or_(rule.nth(1).locator(".name")).first.click()
    assert page.evaluate("[...app.model.chosen].every(id => app.model.node(id).properties.votes === -1)")
    assert page.evaluate("app.model.chosen.size")
    page.reload()
    page.wait_for_selector("html[data-ready=true]")
    expect(rule).to_have_count(2)
    kept = listed.ask("styles")
    theirs = {"field": "tag", "comparison": "is", "value": "of another tab", "badge": "o"}
    listed.ask("style", rules=[*kept["rules"], theirs], version=kept["version"])
    expect(rule).to_have_count(3)
    page.get_by_label("remove the rule tag is of another tab").click()
    expect(rule).to_have_count(2)
    assert json.loads((listed.home / "data" / "style-rules.json").read_text())["rules"][0]["colour"] == "#123456"
    page.get_by_label("remove the rule votes is under 0").click()
    expect(rule).to_have_count(1)
    page.get_by_label("remove the rule label is IPAddress").click()
    expect(rule).to_have_count(0)


@pytest.mark.parametrize(
    "rule",
    [
        {"field": "label", "comparison": "is", "value": "x", "colour": "url(x)"},
        {"field": "label", "comparison": "is", "value": "x", "size": 900},
        {"field": "", "comparison": "is", "value": "x"},
        {"field": "label", "comparison": "=~", "value": "x"},
    ],
)
def test_a_rule_that_is_none_is_refused(listed: Site, rule: dict[str, object]) -> None:
    assert "not understood" in listed.ask("style", rules=[rule])["error"]
    assert listed.ask("styles")["rules"] == []


def test_rules_that_another_tab_has_changed_are_not_overwritten(tmp_path: Path) -> None:
    one, other = ([styles.StyleRule(field="label", comparison="is", value=value)] for value in ("Domain", "Hash"))
    seen = styles.told(tmp_path)
    assert seen == {"rules": [], "version": ""}
    first = styles.change(tmp_path, styles.StyleChange(one, version=seen["version"]))
    with pytest.raises(UsageError, match="in another tab"):
        styles.change(tmp_path, styles.StyleChange(other, version=seen["version"]))
    assert styles.told(tmp_path) == first
    both = styles.change(tmp_path, styles.StyleChange([*one, *other], version=first["version"]))
    assert [each["value"] for each in both["rules"]] == ["Domain", "Hash"]
    assert styles.version(tmp_path) == both["version"] != first["version"]
