"""The staged files of all segments of a cache: those that are valid, and those that are made now.

If not all replies count (`as_of`, `seen_since`), segments with both kinds are mapped again, without the others.
"""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from intel_grapher.cache import Cache
from intel_grapher.cache.envelope import Envelope
from intel_grapher.cache.segment import Segment
from intel_grapher.registry import Registry
from intel_grapher.transform.fingerprint import staged_name
from intel_grapher.transform.interning import Interning
from intel_grapher.transform.options import Options
from intel_grapher.transform.overriding import Overriding
from intel_grapher.transform.retirement import Counting, counting
from intel_grapher.transform.staged import Staged, find, stage
from intel_grapher.transform.workers import stage_all


def staged_name_of(segment: Segment, registry: Registry, overriding: Overriding) -> str:
    """Return the name of a segment's staged file. Raises CacheError if an open segment can't be read."""
    return staged_name(segment, registry.endpoint(segment.source, segment.endpoint), overriding, None)


def found_in(folder: Path, segment: Segment, registry: Registry, overriding: Overriding) -> Staged | None:
    """Return the valid staged file of a segment in a folder, if there is one.

    Its name tells what it should be made of, and its footer the bytes that it was made of: the file may have been
    damaged since, or another one's put in its place. Raises CacheError if the segment can't be read.
    """
    content = None if segment.closed else segment.content()  # its name has its bytes, and they are read once
    endpoint = registry.endpoint(segment.source, segment.endpoint)
    found = find(folder / staged_name(segment, endpoint, overriding, content))
    if found is None:
        return None
    return found if zlib.crc32(segment.content() if content is None else content) == found.content_crc else None


def part_name(staged: Staged) -> str:
    """Return the name of the staged file of those replies of a segment that count."""
    return f"{staged.name}-part"


def stage_part(segment: Segment, path: Path, overriding: Overriding, interning: Interning, which: Counting) -> Staged:
    """Map those replies of a segment that count into a staged file. Raises CacheError if it can't be read."""
    superseded = 0

    def leaves_out(reply: Envelope) -> bool:
        nonlocal superseded
        if which.is_late(reply):
            return True
        is_superseded = which.is_superseded(reply)
        superseded += is_superseded
        return is_superseded

    endpoint, content = which.registry.endpoint(segment.source, segment.endpoint), segment.content()
    part = stage(segment, content, endpoint, path, interning, replies_of=overriding.replies, leaves_out=leaves_out)
    part.outcomes |= {"superseded": superseded} if superseded else {}
    return part


class Segments:
    """Stages the segments of a cache. `kept` is the folder of valid staged files, `work` that of this run's others."""

    def __init__(
        self, cache: Cache, registry: Registry, overriding: Overriding, options: Options, *, kept: Path, work: Path
    ) -> None:
        self._cache = cache
        self._registry = registry
        self._overriding = overriding
        self._kept = kept
        self._work = work
        self._options = options

    def name(self, segment: Segment) -> str:
        """Return the name of a segment's staged file. Raises CacheError if an open segment can't be read."""
        return staged_name_of(segment, self._registry, self._overriding)

    def staged(self, segments: list[Segment]) -> list[Staged]:
        """Return the staged file of each segment. All are in `kept`, but for those of damaged or partial segments."""
        staged = self._made(segments)
        for file in staged.values():
            if file.damaged:  # it is read again by the next run
                file.path = str(Path(file.path).rename(self._work / file.name))
        if damaged := [segment for segment, file in staged.items() if file.damaged and segment.closed]:
            self._cache.forget(damaged)  # so that a fetch asks again
        return self._selected([(segment, staged[segment]) for segment in segments])

    def _made(self, segments: list[Segment]) -> dict[Segment, Staged]:
        """Return the staged file of each segment, found or made."""
        with ThreadPoolExecutor(self._options.processes) as pool:
            found = pool.map(lambda each: found_in(self._kept, each, self._registry, self._overriding), segments)
            staged = {segment: file for segment, file in zip(segments, found, strict=True) if file}
        missing = sorted((segment for segment in segments if segment not in staged), key=lambda one: -one.size)
        staged.update(stage_all(missing, self._registry, self._overriding, self._kept, self._options))
        return staged

    def _selected(self, staged: list[tuple[Segment, Staged]]) -> list[Staged]:
        """Return staged files of the replies that count."""
        since, until = self._options.seen_since, self._options.as_of
        recent = [segment for segment, file in staged if file.newest >= since.get(file.source, 0)]
        which = counting(recent, self._registry, since, until, overriding=self._overriding)
        late = [segment for segment, file in staged if until is not None and file.oldest > until]
        gone = {segment: Staged(segment.source, 0, {}, 0, 0, 0) for segment in late}
        split = [
            (segment, file)
            for segment, file in staged
            if segment not in gone
            and (file.oldest < since.get(file.source, 0) or (until is not None and file.newest > until))
        ]
        instead = gone | self._parts(split, which)
        return [instead.get(segment, file) for segment, file in staged]

    def _parts(self, split: list[tuple[Segment, Staged]], which: Counting) -> dict[Segment, Staged]:
        """Return the staged files of what counts of some segments, made in `work`."""
        interning = Interning()
        return {
            segment: stage_part(segment, self._work / part_name(file), self._overriding, interning, which)
            for segment, file in split
        }
