"""The transform: the raw cache → facts → one row for each node and relationship → the flat files.

    data/raw/S/E/000001…zst ─┐ one thread or process a segment (workers)
                             ▼
       envelope ─ decode ─ judge ─ map ─▶ facts in columns ─▶ string_id ─ intern ─▶ local_id ─▶ staged segment
       (cache)    (reading, verdict)      (facts, columns)    (columns)   (interning)           (staged, store)

    for each label:   keys and local_ids of all segments ─ sort ─▶ ranks                        (key_ranks)
    for each group:   facts with ranks ─ overrides ─▶ pairs ─ GROUP BY pair, merge rules ─▶ rows (overriding, merge)
                                                             few of them in Python                  (few)
    rows ─▶ Parquet, CSV, checksum ─▶ .import.new ─ exchanged ─▶ import/                        (publish, run)

Where a mapping says no more than columns (`traced`), a segment takes a shorter way to its facts:

    mapping ─ symbolic interpreter ─▶ expressions over columns, once a process    (interpreter, symbolic, expressions)
    lines of a segment ─ Arrow's JSON reader ─▶ replies as one array of structs   (json_rows)
    replies ─ judge, evaluate the expressions ─▶ facts in columns                 (decoded, evaluated)

Replies that this way can't tell are read one by one. Both ways give the same facts and rejects.

What a run keeps for the next one lies in `.import.stage` (`store`), and is valid as long as the digest of all that it
was made of is the same (`fingerprint`): staged segments, sorted keys, merged rows, published files. A long fetch stages
segments while it waits (`early_process`).

A key has five integers on its way:

    string_id   a distinct raw string of one kind, within one segment                       int32
    local_id    a canonical key of one label, within one segment                            int32
    rank        the position of a key among all keys of its label, sorted, in this run      int32
    stable_id   a key of a label in all runs: first its rank, then the next free integer    int32
    pair        the rank of a start << 32 | the rank of an end; of a node, its rank         int64

Two segments with three names that resolve to 192.0.2.7, the only address (rank 0), and two runs:

    segment   raw string    string_id   key           local_id   rank (run 1)   rank (run 2)   pair (run 2)
    1         example.org   0           example.org   0          1              2              2 << 32 | 0
    1         Example.com   1           example.com   1          0              0              0 << 32 | 0
    2         example.net   0           example.net   0                         1              1 << 32 | 0
    2         example.org   1           example.org   1                         2              2 << 32 | 0

The second segment comes with run 2. By rank, the stable_ids are then 0, 2, 1: example.net has moved example.org from
rank 1 to rank 2, and rows that were kept by run 1 still find it by its stable_id 1.
"""

from intel_grapher.transform.options import Options
from intel_grapher.transform.run import transform

__all__ = ["Options", "transform"]
