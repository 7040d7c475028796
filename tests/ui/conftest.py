"""A real browser on a real server. Every test fails on a script error or a broken policy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from loopback import Loopback, found, loopback
from once import Once
from playwright.sync_api import Browser, Page, sync_playwright
from ui_site import Site, opened
from ui_sites import Sites

from intel_grapher.neo4j.server import LocalNeo4j

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
HASTE = 0.15  # of the time for which a large picture is laid out: where its nodes lie is not what is tested
# Software WebGL, so that what is drawn is the same on every machine; a container has no sandbox to give.
ARGUMENTS = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses a site on the embedded graph, and what is marked on Neo4j too; all of it with PAGE_ON_NEO4J=1."""
    if "target" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("only_neo4j")
        both = only or metafunc.definition.get_closest_marker("both_targets") or os.environ.get("PAGE_ON_NEO4J")
        neo4j = [pytest.param("neo4j", marks=pytest.mark.neo4j)] if both else []
        embedded = [] if only else ["embedded"]
        metafunc.parametrize("target", [*embedded, *neo4j], scope="session")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what is on Neo4j in the order of the sites, so that its one database is filled once with each."""

    def site(item: pytest.Item) -> str:
        names = getattr(item, "fixturenames", ())
        return "small" if "small" in names else "hostile" if "hostile_page" in names else "whole"

    places = [
        place
        for place, item in enumerate(items)
        if "target" in getattr(item, "fixturenames", ()) and item.get_closest_marker("neo4j")
    ]
    for place, item in zip(places, sorted((items[place] for place in places), key=site), strict=True):
        items[place] = item


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


@pytest.fixture(scope="session")
def service() -> Iterator[Loopback]:
    with loopback() as service:
        service.script = lambda _asked: found("192.0.2.200", "192.0.2.201")
        yield service


@pytest.fixture(scope="session")
def sites(
    tmp_path_factory: pytest.TempPathFactory, once: Once, service: Loopback, request: pytest.FixtureRequest
) -> Iterator[Sites]:
    def neo4j() -> LocalNeo4j:
        server: LocalNeo4j = request.getfixturevalue("one_neo4j")
        return server

    with Sites(tmp_path_factory.mktemp("sites"), once, service.home, neo4j) as sites:
        yield sites


@pytest.fixture
def site(target: str, sites: Sites) -> Site:
    return sites.get("whole", target)


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    with opened(browser, site.link, pace=HASTE) as page:
        yield page


@pytest.fixture
def small(target: str, sites: Sites) -> Iterator[Site]:
    """Give a site whose graph is made anew in a moment, for what changes it; nothing is under way there."""
    site = sites.get("small", target)
    site.rest()
    yield site
    site.rest()


@pytest.fixture
def small_page(browser: Browser, small: Site) -> Iterator[Page]:
    with opened(browser, small.link, pace=HASTE) as page:
        yield page


@pytest.fixture
def hostile_page(browser: Browser, target: str, sites: Sites) -> Iterator[Page]:
    with opened(browser, sites.get("hostile", target).link, pace=HASTE) as page:
        yield page
