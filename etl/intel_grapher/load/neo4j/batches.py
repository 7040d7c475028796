"""Rows of a Parquet file as the parameters of one transaction.

Values repeat: days, lists of sources, words. So a batch has each distinct value once, in `values` or `moments`, and a
row has positions in these lists (a timestamp is built from its seconds once, and not once a row). That saves the server
a third of a batch's cost. A property without any value in the batch is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from intel_grapher.files import Files, Group
from intel_grapher.load.prefetch import prefetched
from intel_grapher.model import Property, Type

BATCH = 10_000  # rows a transaction: about where more stops helping
BATCH_BYTES = 8 << 20
ENDS = ("start_id", "end_id")  # columns beside a relationship's own: the server's ids of the nodes that it joins


class PackedBatch(NamedTuple):
    """A batch: its rows, the properties that any of them has, and the parameters of the statements of `cypher`.

    `by_id` tells that the rows of the parameters begin with the ids of their ends, and not with their keys.
    """

    batch: pa.RecordBatch
    given: tuple[Property, ...]
    parameters: dict[str, list[Any]]
    by_id: bool


def pack(batch: pa.RecordBatch, group: Group) -> PackedBatch:
    """Return a batch that has the columns of `group.arrow`, packed; with ENDS beside them, by ids where all are known.

    Keys alone are a batch, too.
    """
    keys = len(group.keys)
    by_id = batch.schema.names[-keys:] == list(ENDS) and not any(batch[each].null_count for each in ENDS)
    columns = [each.to_pylist() for each in (batch.columns[-keys:] if by_id else batch.columns[:keys])]
    pairs = [(each, batch[place]) for place, each in enumerate(group.properties, keys) if place < batch.num_columns]
    given = [(each, column) for each, column in pairs if column.null_count < len(column)]
    values: dict[Any, int] = {}
    seconds = [column.cast(pa.int64()) for each, column in given if each.type is Type.TIMESTAMP]
    moments = pc.unique(pa.chunked_array(seconds, pa.int64())).drop_null()
    for each, column in given:
        if each.type is Type.TIMESTAMP:
            columns.append(pc.index_in(column.cast(pa.int64()), moments).to_pylist())
        elif each.type is Type.TEXT:
            columns.append([_place(values, text) for text in column.to_pylist()])
        elif each.type is Type.TEXTS:
            columns.append([_place(values, None if texts is None else tuple(texts)) for texts in column.to_pylist()])
        else:
            columns.append(column.to_pylist())
    rows = [list(row) for row in zip(*columns, strict=True)]
    listed = [list(each) if isinstance(each, tuple) else each for each in values]
    parameters = {"rows": rows, "values": listed, "moments": moments.to_pylist()}
    return PackedBatch(batch, tuple(each for each, _ in given), parameters, by_id)


def _place(values: dict[Any, int], value: Any) -> int | None:  # noqa: ANN401 - a text, or several
    return None if value is None else values.setdefault(value, len(values))


def packed(batches: Iterator[pa.RecordBatch], group: Group) -> Iterator[PackedBatch]:
    """Yield batches packed, each while the one before is under way."""
    return prefetched(lambda batch: pack(batch, group), (piece for batch in batches for piece in sliced(batch)))


def read(files: Files, group: Group, skip: int) -> Iterator[pa.RecordBatch]:
    """Yield a group's rows but for the first ones."""
    for part in files.parts(group):
        with pq.ParquetFile(part) as file:
            for batch in file.iter_batches(BATCH, columns=group.arrow.names):
                rest = batch.slice(min(skip, len(batch))).cast(group.arrow)  # Parquet has no seconds, but milliseconds
                skip -= len(batch) - len(rest)
                yield rest


def sliced(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield a batch in pieces that one transaction takes, bounded in number and in bytes."""
    size = max(1, min(BATCH, len(batch) * BATCH_BYTES // max(batch.nbytes, 1)))
    yield from (batch.slice(first, size) for first in range(0, len(batch), size))
