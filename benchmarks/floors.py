"""What no way can be faster than: reading and decompressing the cache, and decoding its replies besides.

python benchmarks/floors.py read|decode DATA
"""

import multiprocessing
import sys
from functools import partial
from pathlib import Path

from intel_grapher.cache import Cache, Segment
from intel_grapher.cache.frames import zstd
from intel_grapher.registry import Registry


def work(segment: Segment, *, decode: bool) -> int:
    """Go through one segment; return its records."""
    if not decode:
        with zstd.open(segment.path, "rb") as file:
            while file.read(1 << 20):
                pass
        return segment.records or 0
    endpoint = Registry.installed()[segment.source].endpoints[segment.endpoint]
    return sum(1 for record in segment.read(print) if endpoint.decoder.decode(record.envelope.body))


if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = Cache(Path(sys.argv[2])).segments()
        print(sum(pool.imap_unordered(partial(work, decode=sys.argv[1] == "decode"), found)))
