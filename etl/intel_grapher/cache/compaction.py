"""Compaction: open segments are compressed, corrupt ones written anew; in a store, small ones are merged."""

from dataclasses import dataclass

from intel_grapher.cache.envelope import ALL_AREAS, AREAS
from intel_grapher.cache.segment import Corruption
from intel_grapher.cache.store import Cache
from intel_grapher.cache.upkeep import mend, merge
from intel_grapher.cache.writer import Writer


@dataclass(slots=True)
class Compacted:
    """Counts of segments closed, repaired and merged, and of records lost to corruption; bytes before and after."""

    closed: int = 0
    repaired: int = 0
    lost: int = 0
    before: int = 0
    after: int = 0
    merged: int = 0


def compact(cache: Cache, writer: Writer) -> Compacted:
    """Close every open segment of replies, and write each corrupt one anew from its whole records; return the counts.

    The corrupt file goes to the quarantine; no whole record is lost. In the mirror of a store, what is whole on one
    side is put back on the other first, and small segments are merged. Raises CacheError where the disk is full or
    fails, StoreError where the store does; then each segment is as it was, or done.
    """
    done = Compacted()
    if cache.mirror is not None:
        mended = mend(cache.mirror)
        cache.forget(mended)
        done.repaired += len(mended)
    for segment in cache.segments(ALL_AREAS):
        done.before += segment.size
        if not segment.closed:
            done.closed += segment.area in AREAS and writer.close(segment)
            continue
        corruptions: list[Corruption] = []
        for _ in segment.read(corruptions.append):
            pass
        if corruptions:
            writer.repair(segment)
            if cache.mirror is not None:
                cache.mirror.retire.append(cache.mirror.name(segment))
            done.repaired += 1
            done.lost += sum(corruption.lost for corruption in corruptions)
    if cache.mirror is not None:
        cache.mirror.push(writer)
        done.merged = merge(cache.mirror, cache.marks)
        cache.refresh()
    done.after = sum(segment.size for segment in cache.segments(ALL_AREAS))
    return done
