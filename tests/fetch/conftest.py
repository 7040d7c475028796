"""Short waits after failures, for all tests of fetching."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _waits(short_waits: None) -> None:
    _ = short_waits
