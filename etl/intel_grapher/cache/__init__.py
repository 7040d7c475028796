"""The raw cache: every reply as it came, in append-only files that any tool can read. It is the source of truth.

Terminology:

- **Reply**: what a service sent to one question. **Entry**: a reply to be kept (`envelope.Entry`).
- **Envelope**: a reply with source, endpoint, key, parameters, time and HTTP status, as one line of JSON.
- **Record**: an envelope and its place in a segment.
- **Segment**: a file of records of one endpoint. An **open** one is appended to; a **closed** one is compressed, has
  the count of its records and a checksum in its name, and never changes again.
- **Area**: `raw` for answers, "not found" among them; `failed` for failures, so that none ever shadows an answer;
  `imports` for the log of `cache add`.
- **Import**: one run of `cache add`. Its replies have its id. **Mark**: what the log says of an import that was taken
  back; its replies stay, and are out of use.
- **Quarantine**: what a crash tore or a disk corrupted; kept, and read by nothing. Its folder is `set-aside`.
- **Index**: which replies there are, and where. Derived: it can be deleted at any time.
- **Stranger**: what lies in the folders and is no part of the cache: links, FIFOs, other names. Passed over, and listed
  by `verify`.

The folder (`data/`):

    .lock                                                      held by the one process that writes
    index.sqlite                                               the index, with its -wal and -shm while in use
    raw/threatcrowd/domain/000001-18211-9f86d081884c7d65.jsonl.zst     closed segment
    raw/threatcrowd/domain/000002.jsonl                                open segment
    raw/threatcrowd/domain/.000002.tmp                                 a closed segment being written
    failed/threatcrowd/domain/000001.jsonl                             failures, in the same form
    imports/cache/log/000001.jsonl                                     imports and marks, in the same form
    set-aside/raw/threatcrowd/domain/000002-5d41402a.torn              a torn line
    set-aside/raw/threatcrowd/domain/000001.jsonl                      a corrupt segment, as it was
    retired/raw/threatcrowd/domain/000001-1-9f86d081884c7d65.jsonl.zst in a mirror: others took its place (`retired`)

The bytes:

- A line of a segment is an envelope and a newline. It begins with the CRC-32 of the rest (`envelope`).
- An open segment is lines. A record counts as written when its newline is; what follows the last newline is torn,
  unless it is a whole record.
- A closed segment is zstd frames of whole lines, each frame with its size and a checksum (`frames`). Its name is
  NUMBER-RECORDS-SHA256.jsonl.zst: six digits or more, a count, the first 16 hex digits of the file's own SHA-256.
- The index is a SQLite database; each row has a checksum of itself (`statements`).

Writing: append, fsync at least each second, then index; at 32 MiB compress to a temporary file, fsync, rename, remove
the open segment (`writer`). Reading takes no lock.

`Cache` (`store`) reads, looks up and makes a `Writer`. `import_replies` adds replies that were kept elsewhere,
`take_back` takes an import out of use (`undo`), and `Cache.replies` passes over what is (`marks`). `verify` reads
everything and says what is wrong. `compact` compresses what is open, and repairs.
"""

from intel_grapher.cache.audit import Problem, quarantined, verify
from intel_grapher.cache.compaction import Compacted, compact
from intel_grapher.cache.envelope import Area, Entry, Envelope, FailedBody
from intel_grapher.cache.filenames import FileName, KeptFile
from intel_grapher.cache.imports import Imported, Standing, ToldReply, import_replies
from intel_grapher.cache.index import Found, Holding
from intel_grapher.cache.marks import Import, Marks
from intel_grapher.cache.segment import Corruption, Record, Segment, strangers
from intel_grapher.cache.store import Cache, is_there
from intel_grapher.cache.undo import Rehearsal, bring_back, drop, take_back
from intel_grapher.cache.writer import Writer

__all__ = [
    "Area",
    "Cache",
    "Compacted",
    "Corruption",
    "Entry",
    "Envelope",
    "FailedBody",
    "FileName",
    "Found",
    "Holding",
    "Import",
    "Imported",
    "KeptFile",
    "Marks",
    "Problem",
    "Record",
    "Rehearsal",
    "Segment",
    "Standing",
    "ToldReply",
    "Writer",
    "bring_back",
    "compact",
    "drop",
    "import_replies",
    "is_there",
    "quarantined",
    "strangers",
    "take_back",
    "verify",
]
