"""Making the cache smaller and whole: open segments compressed, damaged ones written anew."""

from dataclasses import dataclass

from intel_grapher.cache.envelope import AREAS
from intel_grapher.cache.segment import Damage
from intel_grapher.cache.store import Cache
from intel_grapher.cache.writer import Writer


@dataclass(slots=True)
class Compacted:
    """How many segments were closed, and mended; records that the damage cost; bytes on disk before and after."""

    closed: int = 0
    mended: int = 0
    lost: int = 0
    before: int = 0
    after: int = 0


def compact(cache: Cache, writer: Writer) -> Compacted:
    """Close every open segment, and write each damaged one anew from its whole records; `set-aside` keeps what it was.

    No whole record goes. Raises CacheError where the disk is full or fails; then each segment is as it was, or done.
    """
    done = Compacted()
    for segment in cache.segments(AREAS):
        done.before += segment.size
        if not segment.closed:
            done.closed += writer.close(segment)
            continue
        damages: list[Damage] = []
        for _ in segment.read(damages.append):
            pass
        if damages:
            writer.mend(segment)
            done.mended += 1
            done.lost += sum(each.lost for each in damages)
    done.after = sum(segment.size for segment in cache.segments(AREAS))
    return done
