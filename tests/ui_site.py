"""A page that is served and opened as a person has it, and what a person does there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, expect

expect.set_options(timeout=30_000)  # a machine at other work, a Neo4j that plans its first questions
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective + " " + event.blockedURI));
"""


class Site:
    """A running page: where it works, and its link."""

    def __init__(self, home: Path, link: str) -> None:
        self.home = home
        self.link = link
        self.address, _, token = link.partition("/#token=")
        self.token = token


@contextmanager
def serving(home: Path, *words: str, environment: dict[str, str] | None = None) -> Iterator[Site]:
    """Serve the page of a folder until the block ends."""
    command = [sys.executable, "-m", "etl", "ui", "--no-browser", "--data", str(home / "data"), "--port", "0"]
    command = [*command[:-2], "--import", str(home / "import"), "--db", str(home / "data" / "graph"), *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    ) as process:
        try:
            assert process.stdout is not None
            link = process.stdout.readline().strip()
            assert link.startswith("http://127.0.0.1:"), link
            yield Site(home, link)
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def opened(browser: Browser, link: str, *, width: int = 1440, height: int = 900) -> Iterator[Page]:
    """Open the page; fail on any script error, failed request or breach of the policy."""
    context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
    context.add_init_script(WATCH)
    page = context.new_page()
    page.set_default_timeout(30_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    refusal = "Failed to load resource: the server responded with a status of 400"  # an answer: the page tells it

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(refusal):
            wrong.append(message.text)

    def asked(dialog: Dialog) -> None:
        wrong.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    page.on("console", heard)
    page.on("dialog", asked)
    page.goto(link)
    page.wait_for_selector("html[data-ready=true]")
    yield page
    assert wrong == [], wrong
    assert page.evaluate("window.violations") == []
    assert page.evaluate("window.hacked") is None
    context.close()


# --- what a person does -----------------------------------------------------------------------------------------------


def pick(page: Page, key: str) -> None:
    """Find a node by its key and select it."""
    page.fill("#find", key)
    option = page.locator("#found [role=option]", has_text=key).first
    option.wait_for()
    option.dispatch_event("pointerdown")
    expect(page.locator("#selected")).to_have_text(key)


def grow(page: Page) -> None:
    """Expand what is selected, and wait for what comes."""
    before = len(nodes(page))
    page.get_by_role("button", name="Expand", exact=True).click()
    page.wait_for_function("before => app.model.nodes().length > before", arg=before)
    page.wait_for_function("() => !app.layout.running")


def nodes(page: Page) -> list[str]:
    """Return the nodes in the picture, LABEL:KEY."""
    found: list[str] = page.evaluate("app.model.nodes()")
    return found


def colours(page: Page) -> int:
    """Return how many colours the nodes' canvas has: a blank one has one."""
    count: int = page.evaluate(
        """() => {
          const canvas = app.picture.canvas();
          const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          const found = new Set();
          for (let i = 0; i < pixels.length; i += 4) found.add(pixels[i] << 16 | pixels[i + 1] << 8 | pixels[i + 2]);
          return found.size;
        }"""
    )
    return count
