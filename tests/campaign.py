"""The sample campaign, fetched, transformed and loaded: what the tests that ask a graph work on."""

from __future__ import annotations

from pathlib import Path

from etl.cache import Cache, Entry, adopt
from etl.files import Files
from etl.load import Embedded, Server, load
from etl.transform.run import Options, transform

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"


def campaign(folder: Path, *more: Entry, load: bool = True) -> Path:
    """Fill a cache in `folder`/data with the samples and some entries more; make files and graph; return the folder."""
    with Cache(folder / "data") as cache, cache.writer() as writer:
        adopt(writer, sorted((SAMPLES / "raw").iterdir()))
        for entry in more:
            writer.add(entry)
    if load:
        rebuild(folder)
    return folder


def rebuild(folder: Path, to: Server | None = None) -> None:
    """Make the files and the embedded graph (`folder`/data/graph) of the cache, or load a server."""
    with Cache(folder / "data") as cache:
        transform(cache, folder / "import", Options(processes=1))
    load(Files(folder / "import"), to or Embedded(folder / "data" / "graph", 256 << 20))
