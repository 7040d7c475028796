"""`load` and `run`: what is in the graph, and what to try next."""

from __future__ import annotations

import shutil

from command import THREE, Desk


def test_load_tells_what_is_there_and_nothing_else_where_it_is_piped(filled: Desk) -> None:
    ran = filled.run("load")
    assert ran.code == 0
    assert "files and database agree" in ran.out
    assert ran.err == ""


def test_run_takes_indicators_by_kind_and_leaves_out_what_is_none(filled: Desk) -> None:
    refused = filled.run("run", "-d", "example.com", "-i", "192.0.2.999", *THREE)
    assert (refused.code, "192.0.2.999" in refused.err) == (2, True)
    shutil.rmtree(filled.folder / "data" / "graph")
    ran = filled.run("run", "-d", "example.com", "-i", "192.0.2.999", "--skip-bad", *THREE)
    assert ran.code == 3, ran.err
    assert (filled.folder / "data" / "graph").exists()
