"""Makes the README's pictures of the page, on the sample campaign: docs/page-light.png, docs/page-dark.png.

Beside them, to be looked at: benchmarks/out/page-NODES-THEME.png, pictures of 20, 200 and 2,000 nodes that are made up.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))
from campaign import campaign  # noqa: E402 - what the tests use
from ui_site import grow, idle, opened, pick, serving  # noqa: E402 - likewise

ARGUMENTS = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]


OUT = HERE.parent / "benchmarks" / "out"
SIZES = (20, 200, 2000)
MADE = """count => {
  const labels = Object.keys(app.schema.labels).slice(0, 8), types = Object.keys(app.schema.types);
  let seed = 7;
  const next = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const nodes = Array.from({ length: count }, (_, i) => ({ label: labels[Math.floor(next() * 8)], key: `node-${i}.example`, degree: 3, properties: { sources: ["made up"] } }));
  const edges = [];
  for (let i = 1; i < count; i += 1) {
    const hub = Math.floor(next() ** 2 * i);
    if (i % 17 && (i % 5 || hub % 3)) edges.push({ start: nodes[hub], end: nodes[i], type: types[0], properties: { sources: ["made up"] } });
  }
  app.model.clear();
  app.model.add({ nodes, edges });
  app.layout.start("force");
}"""


def set_theme(page: Page, theme: str) -> None:
    """Choose the theme as a person does."""
    if page.evaluate("document.documentElement.dataset.theme") != theme:
        page.click("#theme")
        page.mouse.move(700, 300)


def sizes(page: Page, theme: str) -> None:
    """Take pictures of graphs of three sizes."""
    set_theme(page, theme)
    for count in SIZES:
        page.evaluate(MADE, count)
        idle(page)
        page.evaluate("document.activeElement.blur()")
        page.wait_for_timeout(700)
        page.screenshot(path=OUT / f"page-{count}-{theme}.png")


def look(page: Page, theme: str) -> None:
    """Take one picture: two domains of the campaign, grown."""
    set_theme(page, theme)
    pick(page, "invoice-portal.example")
    grow(page)
    page.click("#layout")
    idle(page)
    page.wait_for_timeout(500)
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=HERE / f"page-{theme}.png")


def main() -> None:
    """Serve the samples and take the pictures."""
    OUT.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or sys.exit("chromium is needed: apt-get install chromium")
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(campaign(Path(folder))) as site,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for theme in ("light", "dark"):
            with opened(browser, site.link, width=1440, height=860, motion=True) as page:
                look(page, theme)
            with opened(browser, site.link, width=1440, height=860) as page:
                sizes(page, theme)
        browser.close()


if __name__ == "__main__":
    main()
