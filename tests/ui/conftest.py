"""A real browser on a real server. Every test fails on a script error or a broken policy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from campaign import campaign, rebuild
from hostile import ENTRIES
from playwright.sync_api import Browser, Page, sync_playwright
from ui_site import Site, opened, serving

from etl.load import Server
from etl.neo4j.server import LocalNeo4j

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
# Software WebGL, so that what is drawn is the same on every machine; a container has no sandbox to give.
ARGUMENTS = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        if os.environ.get("CI") == "true":
            raise AssertionError("the page is tested with Debian's chromium: apt-get install chromium")
        pytest.skip("NO BROWSER TO TEST WITH: apt-get install chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


# The page on Neo4j is still being tested out: PAGE_ON_NEO4J=1 runs all of it there, too.
TARGETS = ["embedded", *([pytest.param("neo4j", marks=pytest.mark.neo4j)] if os.environ.get("PAGE_ON_NEO4J") else [])]


@pytest.fixture(scope="session", params=TARGETS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve the sample campaign, with hostile strings in it, on each target."""
    home = campaign(tmp_path_factory.mktemp("site"), *ENTRIES)
    if request.param == "embedded":
        with serving(home) as site:
            yield site
        return
    local: LocalNeo4j = request.getfixturevalue("one_neo4j")
    server = Server.started(local)
    rebuild(home, server)
    named = {"NEO4J_URI": server.uri, "NEO4J_USER": server.user, "NEO4J_PASSWORD": server.password}
    with serving(home, "--on", "neo4j", environment=named) as site:
        yield site


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    with opened(browser, site.link) as page:
        yield page
