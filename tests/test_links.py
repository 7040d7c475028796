"""Symbolic links: a place given as one works as the folder it names; one found inside is never followed for writing."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from campaign import flatten, rebuild

from intel_grapher.cache import Cache, Entry
from intel_grapher.errors import GrapherError
from intel_grapher.files import Files
from intel_grapher.load import Embedded, load, open_embedded
from intel_grapher.ui.investigations import Saving, save

FAR_FROM_GRAPH = (".import.stage/", "data/raw", "data/index", "data/investigations")
"""What a load neither reads nor writes."""


def add(home: Path, name: str) -> None:
    body = json.dumps(
        {"response_code": "1", "resolutions": [{"ip_address": "192.0.2.1", "last_resolved": "2020-01-01"}]}
    )
    with Cache(home / "data") as cache, cache.writer() as writer:
        writer.place(
            Entry(source="threatcrowd", endpoint="domain", key=name, fetched_at=1, status=200, body=body.encode())
        )


def work(home: Path, name: str, *, graph: bool = True) -> None:
    """Run what writes: the cache, the files, the graph, an investigation."""
    with suppress(GrapherError):
        add(home, name)
    with suppress(GrapherError):
        flatten(home)
    with suppress(GrapherError):
        if graph:
            load(Files(home / "import"), Embedded(home / "data" / "graph", 256 << 20))
    with suppress(GrapherError):
        save(home / "data" / "investigations", Saving("one", msgspec.Raw(b"{}")))


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def test_places_given_as_links_work_from_the_first_run_to_the_last(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    (disk / "data").mkdir(parents=True)
    (tmp_path / "data").symlink_to(disk / "data")
    (tmp_path / "import").symlink_to(disk / "files")  # the folder is not there yet
    (disk / "data" / "graph").symlink_to(disk / "graph")
    for number, name in enumerate(("a.example", "b.example", "c.example"), 1):
        add(tmp_path, name)
        rebuild(tmp_path)
        manifest = Files(tmp_path / "import").manifest()
        assert manifest.nodes["Domain"].rows == number
        with open_embedded(disk / "graph", manifest):
            pass
        for link in (tmp_path / "data", tmp_path / "import", disk / "data" / "graph"):
            assert link.is_symlink()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "disk", "import"]
        assert {path.name for path in disk.iterdir()} - {".files.sets"} == {
            *("data", "files", "graph", ".files.lock", ".files.stage", ".graph.lock"),
        }
        assert {path.name for path in (disk / "files").iterdir()} == {
            *("manifest.json", "nodes", "relationships", "rejects.jsonl"),
        }


@pytest.mark.parametrize("foreign", ["file", "folder"])
def test_no_link_inside_is_followed(tmp_path: Path, foreign: str) -> None:
    model, home, outside = (tmp_path / name for name in ("model", "home", "outside"))
    work(model, "a.example")
    work(model, "b.example")
    left_by_killed = (".import.new", ".import.old", "data/.graph.new", "data/.graph.old")
    names = {str(path.relative_to(model)) for path in model.rglob("*")} - {"data", "import", "data/graph"}
    stage = sorted(name for name in names if name.startswith(".import.stage/"))
    names = {
        name for name in names if not name.startswith((".import.stage/", "import/nodes/", "import/relationships/"))
    }
    for name in sorted({*names, *stage[::9], *left_by_killed}):
        for folder in (home, outside):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(model, home)
        (outside / "folder" / "threatcrowd").mkdir(parents=True)
        (outside / "folder" / "graph.lbug").write_bytes(b"precious")
        (outside / "folder" / "manifest.json").write_bytes(b"precious")
        (outside / "file").write_bytes(b"precious, too")
        path = home / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        path.symlink_to(outside / foreign)
        before = everything(outside)
        work(home, "c.example", graph=not name.startswith(FAR_FROM_GRAPH))
        assert everything(outside) == before, name
