"""All real replies beside the project, from the raw cache into every target: each ends in parity with the files."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import Desk
from places import FIXTURES

from intel_grapher.files import Files
from intel_grapher.load import Embedded, Server, load, verify


@pytest.mark.neo4j
def test_real_replies_end_in_parity_in_every_target(tmp_path: Path, server: Server) -> None:
    if not FIXTURES.is_dir():
        pytest.skip(f"no real replies at {FIXTURES}")
    desk = Desk(tmp_path)
    assert desk.run("cache", "add", str(FIXTURES), "--fetched-at", "2026-11-20").code in {0, 3}
    assert desk.run("transform").code in {0, 3}
    files = Files(tmp_path / "import")
    embedded = load(files, Embedded(tmp_path / "graph", 256 << 20))
    bolt = load(files, server, method="bolt")
    assert verify(files, server).equal
    admin = load(files, server, method="admin", replace=True)
    assert sum(embedded.rows.values()) > 10_000
    assert bolt.refused == ()
    for each in (embedded, bolt, admin):
        assert each.parity.equal, each.parity.differences()
        assert each.parity == embedded.parity
