"""Makes the README's pictures of the page, on the sample campaign: docs/page-light.png, docs/page-dark.png."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))
from campaign import campaign  # noqa: E402 - what the tests use
from ui_site import grow, idle, opened, pick, serving  # noqa: E402 - likewise

ARGUMENTS = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]


def look(page: Page, theme: str) -> None:
    """Take one picture: two domains of the campaign, grown."""
    page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
    pick(page, "invoice-portal.example")
    grow(page)
    page.evaluate("app.filters.draw(); app.time.draw(); app.model.select('Domain:invoice-portal.example')")
    idle(page)
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=HERE / f"page-{theme}.png")


def main() -> None:
    """Serve the samples and take the pictures."""
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
        browser.close()


if __name__ == "__main__":
    main()
