"""A page that is served and opened as a person has it, and what a person does there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from places import ROOT
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, expect

TOKEN = "X-Intel-Grapher-Token"  # noqa: S105 - a header's name
AXE = ROOT / ".venv" / "js" / "node_modules" / "axe-core" / "axe.min.js"
FRAMES = 4  # in which nothing happens where a page has come to rest: one answer may lead to the next question
PATIENCE = 180.0  # seconds: a machine at other work

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

    def ask(self, name: str, /, **question: object) -> Any:  # noqa: ANN401 - any answer
        """Ask the server as the page does."""
        answer = requests.post(f"{self.address}/api/{name}", json=question, headers={TOKEN: self.token}, timeout=60)
        return answer.json()

    def rows(self, cypher: str) -> list[list[Any]]:
        """Return what the graph itself holds."""
        rows: list[list[Any]] = self.ask("query", cypher=cypher)["rows"]
        return rows

    def comes_to(self, cypher: str, expected: list[list[Any]]) -> None:
        """Wait until the graph holds what is expected, in any order: what was said is taken in by a job."""
        until = time.monotonic() + PATIENCE
        expected.sort(key=str)
        while (found := sorted(self.rows(cypher), key=str)) != expected:
            assert time.monotonic() < until, found
            time.sleep(0.1)

    def rest(self) -> None:
        """Wait until no job is under way, and no edit waits; all results are read."""
        until = time.monotonic() + PATIENCE
        while self.ask("news")["waiting"] or self.ask("jobs")["jobs"]:
            assert time.monotonic() < until
            time.sleep(0.1)
        for job in self.ask("news")["jobs"]:
            self.ask("told", number=job["number"])


PLUGIN = """
from loopback import source as made
source = made({service!r})
"""


def plugged(home: Path, service: str) -> dict[str, str]:
    """Install one more source beside a folder, as a package would be; return the environment that finds it."""
    plugin = home / "plugin"
    info = plugin / "loopback_source-1.dist-info"
    info.mkdir(parents=True)
    (plugin / "loopback_source.py").write_text(PLUGIN.format(service=service))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: loopback-source\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[intel_grapher.sources]\nloopback = loopback_source:source\n")
    paths = [str(plugin), str(Path(__file__).resolve().parent), *sys.path]
    return {"PYTHONPATH": ":".join(filter(None, paths))}


@contextmanager
def serving(home: Path, *words: str, environment: dict[str, str] | None = None) -> Iterator[Site]:
    """Serve the page of a folder until the block ends."""
    command = [sys.executable, "-m", "intel_grapher", "ui", "--no-browser", "--data", str(home / "data"), "--port", "0"]
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
def opened(
    browser: Browser, link: str, *, width: int = 1200, height: int = 760, motion: bool = False, pace: float = 1.0
) -> Iterator[Page]:
    """Open the page; fail on any script error, failed request or breach of the policy.

    Without `motion` the page is as those have it who asked their system for less of it. `pace` is the part of the usual
    time that a large picture is laid out for.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        accept_downloads=True,
        reduced_motion="no-preference" if motion else "reduce",
    )
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
    page.evaluate("pace => { app.layout.pace = pace; }", pace)
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
    option.click()
    expect(page.locator("#selected")).to_have_text(key)
    idle(page)


def paste(page: Page, text: str) -> None:
    """Paste a text into the field that finds."""
    page.evaluate(
        """text => {
          const data = new DataTransfer();
          data.setData("text", text);
          document.getElementById("find").dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
        }""",
        text,
    )


def grow(page: Page) -> None:
    """Expand what is selected, and wait for what comes."""
    before = len(nodes(page))
    page.get_by_role("button", name="Expand", exact=True).click()
    page.wait_for_function("before => app.model.nodes().length > before", arg=before)
    idle(page)


def idle(page: Page) -> None:
    """Wait until for some frames nothing is asked, laid out or taken in, and the camera stands still."""
    page.evaluate("window.restful = 0")
    page.wait_for_function(
        """frames => {
          const busy = document.documentElement.hasAttribute("data-asking") || app.layout.running || (app.jobs.busy && !app.jobs.working);
          window.restful = busy || app.picture.sigma.getCamera().isAnimated() ? 0 : (window.restful || 0) + 1;
          return window.restful > frames;
        }""",
        arg=FRAMES,
    )


def fill(page: Page, **fields: str) -> None:
    """Fill the open dialog's fields, by their names, and send it off."""
    for name, value in fields.items():
        field = page.locator(f"dialog [name={name}]")
        if field.evaluate("each => each.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    page.locator("dialog button[type=submit]").click()


def axe_faults(page: Page) -> list[str]:
    """Return what axe-core finds wrong with the page; skip loudly, or fail in CI, where it is not installed."""
    if not AXE.exists():
        if os.environ.get("CI") == "true":
            raise AssertionError(f"{AXE} is not there: make types brings it")
        pytest.skip(f"{AXE.relative_to(ROOT)} IS NOT THERE: make types brings it")
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [f"{each['id']}: {[one['html'][:120] for one in each['nodes']][:3]}" for each in found["violations"]]


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
