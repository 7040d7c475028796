"""Folders that the commands work in: an empty one, and ones that hold the sample campaign."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command import THREE, Desk
from places import INDICATORS, SAMPLES


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Return a desk with the sample campaign in the cache, the files and the embedded graph. Only read it."""
    desk = Desk(tmp_path_factory.mktemp("campaign"))
    assert desk.run("cache", "add", SAMPLES).code == 0
    ran = desk.run("run", "--file", INDICATORS, *THREE)
    assert ran.code == 0, ran.err
    return desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return an empty desk."""
    return Desk(tmp_path)


@pytest.fixture
def filled(loaded: Desk, tmp_path: Path) -> Desk:
    """Return a copy of `loaded`, to change."""
    shutil.copytree(loaded.folder, tmp_path / "desk")
    return Desk(tmp_path / "desk")
