"""What attackers write, in every field: it is shown as it is, and nothing more happens.

That no script ran, no dialog came and no policy was broken is seen to wherever a page is opened (`ui_site.opened`).
"""

from __future__ import annotations

from hostile import ADDRESS, CORPUS
from playwright.sync_api import Page, expect
from ui_site import fill, idle, pick
from ui_sites import Sites

from intel_grapher import schema
from intel_grapher.model import Type

SCRIPT = CORPUS[0]


def test_every_key_property_and_source_of_every_label_is_text(hostile_page: Page) -> None:
    page = hostile_page
    every = [{"label": label, "key": text} for label in schema.LABELS for text in CORPUS]
    page.evaluate("nodes => app.actions.bring(nodes, {select: false})", every)
    idle(page)
    assert page.evaluate("app.model.nodes().length") == len(every)
    types = set(page.evaluate("app.model.graph.mapEdges((_, edge) => edge.type)"))
    assert len(types) > len(schema.RELATIONSHIPS) / 2
    for name, label in schema.LABELS.items():
        for text in CORPUS if name == "Domain" else [SCRIPT]:
            page.evaluate("id => app.model.select(id)", f"{name}:{text}")
            expect(page.locator("#selected")).to_have_text(text)
            expect(page.locator("#panel .head .kind")).to_have_text(name)
        told = dict(
            zip(
                page.locator("#panel dl dt").all_inner_texts(),
                page.locator("#panel dl dd").all_inner_texts(),
                strict=True,
            )
        )
        for each in label.properties:
            if each.type in {Type.TEXT, Type.TEXTS} and each.name not in {"precision", "sources"}:
                assert any(text in told[each.name] for text in CORPUS), (name, each.name)
        assert SCRIPT in told["said by"]
        page.locator("#panel summary", has_text="Relationships in the picture").click()
    expect(page.locator("#filters")).to_contain_text(SCRIPT)  # a source's name
    page.get_by_role("tab", name="Relationships").click()
    expect(page.locator(".grid .body .line").first).to_be_visible()
    page.get_by_role("tab", name="Nodes").click()
    page.get_by_label("Filter the table").fill("<script>")
    expect(page.locator(".grid .body .line").first).to_contain_text("<script>")
    nothing_but_text(page)


def test_raw_replies_notes_and_their_authors_are_text(hostile_page: Page) -> None:
    page = hostile_page
    pick(page, ADDRESS)
    notes = page.locator("#notes")
    for text in CORPUS:
        expect(notes).to_contain_text(text.strip())
    expect(notes.locator(".chip").first).to_contain_text(SCRIPT)
    page.locator("#panel > details.raw > summary").click()
    expect(page.locator("#panel .raw pre").first).to_contain_text("<script>window.hacked=1</script>")
    page.click("#edits")
    for text in CORPUS:
        expect(page.locator("dialog")).to_contain_text(text[:60])
    page.keyboard.press("Escape")
    nothing_but_text(page)


def test_what_is_typed_pasted_asked_and_saved_is_text(hostile_page: Page) -> None:
    page = hostile_page
    for text in CORPUS[:4]:
        page.fill("#find", text)
        expect(page.locator("#found .key").first).to_contain_text(text[:20])
    page.fill("#find", "<b>nothing of the kind</b> <img src=x onerror=window.hacked=20>")
    page.locator("#found .hint").wait_for()
    page.keyboard.press("Enter")
    expect(page.locator(".triage")).to_contain_text("No indicator is in the text")
    page.get_by_role("tab", name="Cypher").click()
    page.get_by_label("Cypher that only reads").fill(
        "MATCH (n:Tweet)-[r]->(m) RETURN n.text AS `<img src=x onerror=alert(1)>`, n, r, m"
    )
    page.keyboard.press("Control+Enter")
    expect(page.locator(".ask table")).to_contain_text(SCRIPT)
    page.get_by_label("Cypher that only reads").fill(f"MATCH {SCRIPT}")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".ask .bad")).to_contain_text("<script>")
    pick(page, ADDRESS)
    page.keyboard.press("Control+s")
    fill(page, name=SCRIPT)
    expect(page.locator("dialog .answer.bad")).to_contain_text("name")
    page.keyboard.press("Escape")
    nothing_but_text(page)


def test_a_kept_investigation_that_someone_else_wrote_is_text(sites: Sites, target: str, hostile_page: Page) -> None:
    page = hostile_page
    site = sites.get("hostile", target)
    node = {
        "id": "Domain:<script>",
        "label": SCRIPT,
        "key": SCRIPT,
        "x": 0,
        "y": 0,
        "degree": SCRIPT,
        "properties": {"first_seen": SCRIPT, "sources": [SCRIPT], "tags": [SCRIPT]},
    }
    content = {
        "version": 1,
        "nodes": [node],
        "edges": [],
        "hidden": {"label": [SCRIPT]},
        "window": [SCRIPT, SCRIPT],
        "chosen": ["Domain:<script>"],
    }
    site.ask("save", name="from elsewhere", content=content)
    page.click("#open")
    page.get_by_role("button", name="from elsewhere", exact=True).click()
    page.wait_for_function("() => app.investigation.name === 'from elsewhere'")
    idle(page)
    nothing_but_text(page)


def nothing_but_text(page: Page) -> None:
    """See that there is no element but those that the page itself makes."""
    assert page.locator("img, iframe, object, embed, style, body script, svg script").count() == 0
    assert page.locator("script").count() == 3
    assert (
        page.evaluate(
            "[...document.querySelectorAll('*')].flatMap(each => each.getAttributeNames()).filter(name => name.startsWith('on'))"
        )
        == []
    )
