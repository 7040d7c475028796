"""Compaction: open segments are compressed, corrupt ones written anew."""

from dataclasses import dataclass

from intel_grapher.cache.envelope import ALL_AREAS, AREAS
from intel_grapher.cache.segment import Corruption
from intel_grapher.cache.store import Cache
from intel_grapher.cache.writer import Writer


@dataclass(slots=True)
class Compacted:
    """Counts of segments closed and repaired, and of records lost to corruption; bytes on disk before and after."""

    closed: int = 0
    repaired: int = 0
    lost: int = 0
    before: int = 0
    after: int = 0


def compact(cache: Cache, writer: Writer) -> Compacted:
    """Close every open segment of replies, and write each corrupt one anew from its whole records; return the counts.

    The corrupt file goes to the quarantine; no whole record is lost. Raises CacheError where the disk is full or fails;
    then each segment is as it was, or done.
    """
    done = Compacted()
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
            done.repaired += 1
            done.lost += sum(corruption.lost for corruption in corruptions)
    done.after = sum(segment.size for segment in cache.segments(ALL_AREAS))
    return done
