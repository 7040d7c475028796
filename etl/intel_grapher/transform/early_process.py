"""The process that maps segments while others are still written; `intel_grapher.early` starts it, and says which.

Arguments: the cache, and the folder of the flat files. Each line of standard input is the JSON list [area, source,
endpoint, file] of a segment; each is answered by a line when it is done. The process ends when standard input does,
that is, with the process that started it, however that ends.

A staged file is made in a folder of this process's own, and moved into the kept folder when it is whole, under a name
that covers all that it was made of. So whatever else happens meanwhile (a transform, a kill, a full disk), a file of
that name is right. No lock is taken: a transform that looks for the file finds it or not.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

from intel_grapher import disk
from intel_grapher.analyst.overrides import gives_facts, overrides_of
from intel_grapher.cache import Cache, Segment
from intel_grapher.cache.segment import list_folder
from intel_grapher.errors import CacheError
from intel_grapher.registry import Registry
from intel_grapher.transform.interning import interned
from intel_grapher.transform.overriding import Overriding
from intel_grapher.transform.run import reachable
from intel_grapher.transform.segments import staged_name_of
from intel_grapher.transform.staged import find
from intel_grapher.transform.store import kept_folder
from intel_grapher.transform.workers import SEGMENT_BYTES, WORKER_BYTES, Mapper, prepare_arrow

FREE_BYTES: Final = 2 << 30
"""With less free space on the disk, nothing is kept: the room is for the replies."""
LOWEST: Final = 19


def main(root: Path, folder: Path) -> None:
    """Map the segments that standard input names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent's to heed
    os.nice(LOWEST)
    with suppress(AttributeError, OSError):  # Linux has a policy below all priorities
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    folder = disk.real(folder)
    if not folder.name:  # the root of the file system, which is no place for flat files
        return
    kept = kept_folder(folder)
    disk.refuse_links(kept.parent, kept.name).mkdir(exist_ok=True)
    own = kept / f".early.{os.getpid()}"

    def end(*_: object) -> None:
        shutil.rmtree(own, ignore_errors=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    requests: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_read, args=(requests,), daemon=True).start()
    try:
        with reachable(kept) as path:
            cache = Cache(root)
            cache.mirror = None  # the process that writes has brought it up to date
            serve(cache, path, path / own.name, requests)
    finally:
        end()


def _read(requests: SimpleQueue[bytes]) -> None:
    """Take in requests. At the end of standard input, end the process, by a signal: that comes to the main thread."""
    try:
        for line in sys.stdin.buffer:
            requests.put(line)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


def serve(cache: Cache, kept: Path, own: Path, requests: SimpleQueue[bytes]) -> None:
    """Stage segments until there is no more room."""
    prepare_arrow()
    registry = Registry.installed()
    overriding = Overriding(overrides_of(cache), cache.marks)
    mapper = Mapper(registry, overriding, own, interned(WORKER_BYTES - SEGMENT_BYTES))
    while shutil.disk_usage(kept).free >= FREE_BYTES:
        segment = segment_named(cache.root, *json.loads(requests.get()))
        # A transform may remove the folder of this process; a segment may be closed while it is read.
        with suppress(FileNotFoundError, CacheError):
            if segment is not None and gives_facts(segment):
                stage_early(segment, mapper, kept / staged_name_of(segment, registry, overriding), own)
        os.write(1, b"\n")


def stage_early(segment: Segment, mapper: Mapper, place: Path, own: Path) -> None:
    """Map a segment, unless that is done. One that is damaged is left to the transform, which says so."""
    if find(place) is None:
        own.mkdir(exist_ok=True)
        staged = mapper.stage(segment)
        if not staged.damaged:
            Path(staged.path).rename(place.with_name(staged.name))


def segment_named(root: Path, area: str, source: str, endpoint: str, name: str) -> Segment | None:
    """Return a segment as it is now; None where it is gone: when it is closed, its new name is told."""
    folder = root / area / source / endpoint
    like = Segment(folder, area, source, endpoint, 0, 0)  # type: ignore[arg-type]
    return next((each for each in list_folder(folder, like) if each.path.name == name), None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
