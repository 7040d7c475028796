"""The sample campaign and a hostile graph, for the tests of what goes out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from campaign import campaign
from hostile import hostile
from judged import judged
from once import Once

from intel_grapher.export.part import Part, opened
from intel_grapher.files import Files


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, once: Once) -> Path:
    """Give a folder with the campaign's cache, files and graph. Nothing writes to it."""
    return once.copy("campaign", campaign, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def hostile_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with files in which every text is an attacker's."""
    folder = tmp_path_factory.mktemp("hostile")
    hostile(folder)
    return folder


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory, once: Once) -> Files:
    """Give the campaign's files with verdicts and markings. Nothing writes to them."""
    return Files(once.copy("judged", judged, tmp_path_factory.mktemp("judged")) / "import")


@pytest.fixture
def part(site: Path) -> Iterator[Part]:
    """Give the campaign's graph."""
    with opened(Files(site / "import")) as part:
        yield part
