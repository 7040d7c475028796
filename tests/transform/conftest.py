from pathlib import Path

import pytest
from campaign import campaign
from once import Once

from intel_grapher.cache import Cache


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transform")


@pytest.fixture
def sampled(tmp_path: Path, once: Once) -> Cache:
    """Give a cache with all samples, in a folder `data` beside the files that were made of it."""
    return Cache(once.copy("campaign", campaign, tmp_path) / "data")
