"""The sample campaign, fetched, transformed and loaded: what the tests that ask a graph work on."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from command import THREE, Desk
from places import INDICATORS, SAMPLES

from intel_grapher.cache import Cache, Entry, import_replies
from intel_grapher.cli.cache_add import standing
from intel_grapher.files import Files
from intel_grapher.load import Embedded, Server, load
from intel_grapher.registry import Registry
from intel_grapher.transform import Options, transform


def campaign(folder: Path, *more: Entry, sources: str = "*", load: bool = True) -> Path:
    """Fill a cache in `folder`/data with the samples and some entries more; make files and graph; return the folder.

    `sources` is a pattern of those whose samples go in; a small graph is made anew in a moment.
    """
    with Cache(folder / "data") as cache, cache.writer() as writer:
        import_replies(writer, sorted(SAMPLES.glob(sources)), judge=partial(standing, Registry.installed()))
        for entry in more:
            writer.add(entry)
    if load:
        rebuild(folder)
    return folder


def rebuild(folder: Path, to: Server | None = None) -> None:
    """Make the files and the embedded graph (`folder`/data/graph) of the cache, or load a server."""
    flatten(folder)
    load(Files(folder / "import"), to or Embedded(folder / "data" / "graph", 256 << 20))


def flatten(folder: Path) -> None:
    """Make the files of the cache."""
    with Cache(folder / "data") as cache:
        transform(cache, folder / "import", Registry.installed(), Options(processes=1))


def toured(folder: Path) -> None:
    """Do what `make fetch transform load` does."""
    desk = Desk(folder)
    assert desk.run("cache", "add", SAMPLES).code == 0
    ran = desk.run("run", "--file", INDICATORS, *THREE)
    assert ran.code == 0, ran.err
