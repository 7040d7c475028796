"""The upkeep of a store and its mirror: what is damaged or missing is put back, small segments are merged.

A fetch that pushes every few minutes leaves many small segments. `merge` writes those of one endpoint as one, and lets
the listing name that and retire them, in one conditional write: of two machines that merge the same, one is refused and
leaves an orphan. The retired ones stay in the store for those who still read them.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import Final

from intel_grapher import disk
from intel_grapher.cache.audit import Problem
from intel_grapher.cache.envelope import ALL_AREAS, AREAS
from intel_grapher.cache.listing import Listed
from intel_grapher.cache.marks import Marks
from intel_grapher.cache.mirror import Mirror
from intel_grapher.cache.segment import Corruption, Segment, next_number
from intel_grapher.cache.writer import pack
from intel_grapher.errors import CacheError

SMALL: Final = 4 << 20
"""Bytes, compressed. What is not larger is merged, up to about twice that."""
FEWEST: Final = 8
"""So many small segments of one endpoint are worth a merging."""


def missing(mirror: Mirror) -> Iterator[Problem]:
    """Yield what the listing names and the store has not, or not as it was written: by names and sizes."""
    for each, size in _listed(mirror):
        if size != each.size:
            is_there = (mirror.root / each.name).exists()
            yield Problem(
                f"{mirror.url}/{each.name}",
                "it is missing in the store" if size is None else "it is damaged in the store",
                "`intel-grapher cache compact` puts it back from this machine, if it is whole here."
                if is_there
                else "Put it back from a copy, or run `intel-grapher cache compact` on a machine that has it.",
                lost=0 if is_there else each.segment().records or 0,
            )


def mend(mirror: Mirror) -> list[Segment]:
    """Put back what is damaged or missing on one side and whole on the other, and return these segments."""
    mended = []
    for each, size in _listed(mirror):
        segment = each.segment(mirror.root)
        try:
            content = segment.content()
        except CacheError:
            content = b""
        if not each.is_content(content):
            stored = mirror.objects.find(each.name)
            if stored is not None and each.is_content(stored.content):
                with disk.failing(segment.path, CacheError, "What is there stays in use."):
                    segment.path.parent.mkdir(parents=True, exist_ok=True)
                    disk.write_atomically(segment.path, stored.content)
                mended.append(segment)
        elif size != each.size:
            mirror.objects.delete([each.name])
            mirror.objects.put_new(each.name, content)
            mended.append(segment)
    return mended


def merge(mirror: Mirror, marks: Marks) -> int:
    """Merge the small segments of each endpoint, and return how many are retired by that.

    Those that imports gave stay: the log knows them by their numbers.
    """
    imports = [each.ended for each in marks.imports.values() if each.ended is not None]
    small: defaultdict[tuple[str, str, str], list[Segment]] = defaultdict(list)
    for listed in mirror.shared.read().segments.values():
        segment = listed.segment(mirror.root)
        is_imported = any(place.has(segment) for ended in imports for place in ended.places)
        if segment.area in AREAS and segment.size <= SMALL and not is_imported:
            small[segment.area, segment.source, segment.endpoint].append(segment)
    retired = 0
    for segments in small.values():
        segments.sort(key=lambda segment: (segment.number, segment.path.name))
        while len(segments) >= FEWEST:
            size = 0
            batch = []
            while segments and size <= SMALL:
                batch.append(segments.pop(0))
                size += batch[-1].size
            retired += _merged(mirror, batch)
    return retired


def _listed(mirror: Mirror) -> Iterator[tuple[Listed, int | None]]:
    """Yield each segment that the listing names, and how many bytes the store has of it; None where it has none."""
    listing = mirror.shared.read()
    sizes = {each.name: each.size for each in mirror.objects.names(*ALL_AREAS)}
    for each in listing.segments.values():
        yield each, sizes.get(each.name)


def _merged(mirror: Mirror, batch: list[Segment]) -> int:
    """Merge some segments, and return how many are retired: none where another machine was first, or one is damaged."""
    faults: list[Corruption] = []
    lines = chain.from_iterable((record.raw + b"\n" for record in each.read(faults.append)) for each in batch)
    folder = batch[0].path.parent
    work = mirror.root / ".merging"
    with disk.failing(work, CacheError, "What is there stays in use."):
        disk.remove(work)
        work.mkdir()
        try:
            path = pack(work, next_number(folder), lines)
            if path is None or faults:
                return 0
            content = path.read_bytes()
            name = f"{folder.relative_to(mirror.root)}/{path.name}"
            listed = Listed.named(name, content)
            is_new = mirror.objects.put_new(name, content)
            listing = mirror.shared.replace([mirror.name(each) for each in batch], listed)
            if listing is None:
                return 0
            if not is_new:  # it may have been removed as an orphan before it was named
                mirror.objects.put_new(name, content)
            path.rename(folder / path.name)
            mirror.take(listing)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return len(batch)
