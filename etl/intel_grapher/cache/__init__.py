"""The raw cache: every reply as it came, in append-only files that any tool can read. It is the source of truth.

    data/raw/<source>/<endpoint>/       answers, "not found" among them: segments of JSON Lines (`segment`, `envelope`)
    data/failed/<source>/<endpoint>/    failures, in the same form, so that none ever shadows an answer
    data/set-aside/…                    what a crash tore or a disk damaged: kept, and read by nothing
    data/index.sqlite                   where each reply stands (`index`); derived, can be deleted at any time
    data/.lock                          held by the one process that writes (`etl/intel_grapher/lock.py`, `writer`)

`Cache` (`store`) reads, looks up and gives a `Writer`; `adopt` brings in replies from elsewhere; `verify` checks all;
`compact` compresses what is open, and mends.
"""

from intel_grapher.cache.adoption import Adopted, Standing, adopt
from intel_grapher.cache.audit import Problem, quarantined, verify
from intel_grapher.cache.compaction import Compacted, compact
from intel_grapher.cache.envelope import Area, Entry, Envelope, FailedBody
from intel_grapher.cache.index import Found, Holding
from intel_grapher.cache.segment import Corruption, Record, Segment
from intel_grapher.cache.store import Cache
from intel_grapher.cache.writer import Writer

__all__ = [
    "Adopted",
    "Area",
    "Cache",
    "Compacted",
    "Corruption",
    "Entry",
    "Envelope",
    "FailedBody",
    "Found",
    "Holding",
    "Problem",
    "Record",
    "Segment",
    "Standing",
    "Writer",
    "adopt",
    "compact",
    "quarantined",
    "verify",
]
