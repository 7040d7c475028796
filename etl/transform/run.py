"""Raw cache → flat files: replies are mapped to facts by several processes, and DuckDB groups them out of core.

    segments ─▶ workers: decode, map, canonicalise ─▶ staged facts ─▶ group, merge by the schema's rules, sort ─▶ files

The result depends on what is in the cache alone, not on the order it came in. It is written beside the old one and put
in its place when whole.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa

from etl import schema
from etl.cache import Cache, Segment
from etl.errors import TransformError
from etl.files import Files, Group, Manifest, SegmentRead, locked, recover, swap_in, sync_all
from etl.rulings import given, rulings
from etl.source import Endpoint, Source, discover
from etl.transform import stage
from etl.transform.memory import Memory
from etl.transform.merge import Merger
from etl.transform.stage import Staged

INLINE = 16 << 20  # a cache smaller than this is not worth other processes
VERSION = 1


@dataclass
class Options:
    """How to transform: which formats to write, and how much to use. `memory` is in bytes.

    With `as_of`, in epoch seconds, only what had been fetched by then goes in.
    """

    formats: tuple[str, ...] = ("parquet", "csv")
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    memory: int = field(default_factory=lambda: os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4)
    progress: Callable[[int, int], None] = lambda _done, _of: None
    as_of: int | None = None


def transform(cache: Cache, place: Path, options: Options | None = None) -> Manifest:
    """Make the flat files of a cache at `place`; return their manifest.

    Raises BusyError where another transform is at work there, TransformError where they can't be written; the old set
    is then as it was.
    """
    options = options or Options()
    place = place.absolute()
    new, kept = place.parent / f".{place.name}.new", place.parent / f".{place.name}.stage"
    try:
        with locked(place.parent / f".{place.name}.lock", str(place)):
            recover(place)
            shutil.rmtree(new, ignore_errors=True)
            try:
                work = new / "work"
                work.mkdir(parents=True)
                kept.mkdir(exist_ok=True)
                manifest = _make(cache, Files(new), kept, work, options)
                shutil.rmtree(work)
                sync_all(new)
                swap_in(new, place)
            finally:
                shutil.rmtree(new, ignore_errors=True)
    except (OSError, pa.ArrowException, duckdb.Error) as wrong:
        raise TransformError(
            f"the flat files can't be written at {place}: {wrong}; what was there is as it was"
        ) from wrong
    return manifest


def _make(cache: Cache, files: Files, kept: Path, work: Path, options: Options) -> Manifest:
    ruled = rulings(cache)
    segments = sorted(filter(given, cache.segments()), key=lambda each: each.path)
    staged = _stage_all(cache, segments, kept, work, options, undone=ruled.undone)
    outcomes = sum((Counter(each.outcomes) for each in staged), Counter[str]())
    manifest = Manifest(
        version=VERSION,
        schema=schema.VERSION,
        relationships={},
        nodes={},
        rejects={},
        replies=sum(outcomes.values()),
        outcomes=dict(sorted(outcomes.items())),
        damaged=sum(each.damaged for each in staged),
        segments=[
            SegmentRead(f"{segment.source}/{segment.endpoint}/{segment.number:06}", each.records)
            for segment, each in zip(segments, staged, strict=True)
        ],
    )
    merger = Merger(staged, ruled, work, options.memory, options.processes)
    nodes = [Group(label) for label in merger.labels]
    with ThreadPoolExecutor(options.processes) as pool:
        list(pool.map(merger.rank, merger.labels))
        list(pool.map(merger.group, merger.relationships))
        list(pool.map(merger.group, nodes))
        groups = [*merger.relationships, *nodes]
        contents = list(pool.map(lambda group: merger.write(files, group, options.formats), groups))
        manifest.rejects = merger.write_rejects(files)
        for group, found in zip(groups, contents, strict=True):
            (manifest.relationships if group.type else manifest.nodes)[str(group)] = found
        merger.close()
        path = files.root / "manifest.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    return manifest


# --- replies → staged facts -------------------------------------------------------------------------------------------


def _stage_all(
    cache: Cache, segments: list[Segment], kept: Path, work: Path, options: Options, *, undone: frozenset[str]
) -> list[Staged]:
    """Map all segments that are new, or whose mapping is; the largest first, in as many processes as it is worth.

    What a damaged segment gives is not kept for the next time.
    """
    known = discover()
    paths = [kept / stage.name_of(each, _endpoint(known, each), undone) for each in segments]
    found = {path: stage.find(path) for path in paths}
    tasks = sorted(
        ((segment, path) for segment, path in zip(segments, paths, strict=True) if found[path] is None),
        key=lambda task: -task[0].size,
    )
    total = sum(segment.size for segment, _ in tasks)
    done = 0
    damaged: list[Segment] = []
    processes = 1 if total < INLINE else min(options.processes, len(tasks))
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) if processes > 1 else None
    try:
        for (segment, path), staged in zip(
            tasks, (pool.map if pool else map)(partial(_stage, undone=undone), tasks), strict=True
        ):
            found[path] = staged
            done += segment.size
            options.progress(done, total)
            if staged.damaged:
                damaged.append(segment)
                staged.path = str(path.rename(work / path.name))
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)
    for path in kept.iterdir():
        if path not in found:
            path.unlink()
    if spoiled := [each for each in damaged if each.closed]:
        cache.forget(spoiled)  # so that a fetch asks again
    whole = [each for path in paths if (each := found[path])]
    if options.as_of is None:
        return whole
    return [
        each if each.newest <= options.as_of else _until(options.as_of, segment, each, work, undone)
        for segment, each in zip(segments, whole, strict=True)
    ]


def _until(moment: int, segment: Segment, staged: Staged, work: Path, undone: frozenset[str]) -> Staged:
    """Return what the replies of a segment that came until a moment give."""
    if staged.oldest > moment:
        return Staged(segment.source, 0, {}, 0, 0, 0)
    path = work / f"{Path(staged.path).name}-until"
    return stage.stage(segment, _endpoint(discover(), segment), path, _memory(), undone=undone, as_of=moment)


def _endpoint(known: dict[str, Source], segment: Segment) -> Endpoint | None:
    source = known.get(segment.source)
    return source.endpoint(segment.endpoint) if source else None


@cache
def _memory() -> Memory:
    """Return what this process has canonicalised already."""
    return Memory()


def _stage(task: tuple[Segment, Path], undone: frozenset[str]) -> Staged:
    """Map one segment; runs in a process of its own."""
    segment, path = task
    return stage.stage(segment, _endpoint(discover(), segment), path, _memory(), undone=undone)
