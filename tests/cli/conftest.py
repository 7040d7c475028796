"""Folders that the commands work in: an empty one, and ones that hold the sample campaign."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from campaign import toured
from command import Desk
from once import Once


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory, once: Once) -> Desk:
    """Return a desk with the sample campaign in the cache, the files and the embedded graph. Only read it."""
    return Desk(once.copy("toured", toured, tmp_path_factory.mktemp("campaign")))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return an empty desk."""
    return Desk(tmp_path)


@pytest.fixture
def filled(loaded: Desk, tmp_path: Path) -> Desk:
    """Return a copy of `loaded`, to change."""
    shutil.copytree(loaded.folder, tmp_path / "desk")
    return Desk(tmp_path / "desk")
