"""A desk with the campaign's files, verdicts and markings. Each test pushes to a server of its own."""

from __future__ import annotations

from functools import partial

import pytest
from command import Desk
from judged import judged
from misp_server import KEY
from once import Once


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory, once: Once) -> Desk:
    """Give a folder with files to push, and the keys of both servers."""
    folder = once.copy("judged-few", partial(judged, sources="[rt]*"), tmp_path_factory.mktemp("push"))
    return Desk(folder, more={"MISP_API_KEY": KEY, "TAXII_KEY": "user:password"})
