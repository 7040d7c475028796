"""A label's staged keys → their ranks: every distinct key once, in order, and the place that each has there.

Numbers are compared and grouped in place of strings from here on. Where there are more keys than a share of the memory
holds, they are parted into ranges that are dealt with one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from etl.rulings import Rulings
from etl.transform.stage import Staged, keys_of

RULED = -1  # in the place of a segment's: the keys that an analyst's rulings name
KEY_BYTES = 64  # of one key, while it is sorted, beside its characters
MOST_CHARACTERS = 1 << 30  # in one range: Arrow counts those of an array in 31 bits
SAMPLED = 64  # segments
SAMPLED_KEYS = 10_000  # of those
Part = tuple[pa.Array, pa.Array | None]  # of a segment's keys or ranks, and which ones; None: all of them, in its order


class Ranked(NamedTuple):
    """A label's keys in order, and the ranks of those that each segment has; both in files, which are mapped in use.

    `batches` tells which segment's ranks are where in their file, `ruled` the ranks of the keys that an analyst's
    rulings name.
    """

    path: Path
    total: int
    batches: dict[int, int]
    ruled: dict[str, int]

    def keys(self) -> pa.LargeStringArray:
        """Return the keys, in order. They are one array: to take from several, Arrow copies them into one each time."""
        if not self.total:
            return pa.array([], pa.large_string())
        with pa.memory_map(str(_offsets(self.path))) as offsets, pa.memory_map(str(self.path)) as characters:
            return pa.LargeStringArray.from_buffers(self.total, offsets.read_buffer(), characters.read_buffer())

    def ranks(self) -> Callable[[int], pa.Array]:
        """Return what gives a segment's ranks: those of its keys, as it numbers them."""
        file = pa.ipc.open_file(pa.memory_map(str(_ranks(self.path))))
        return lambda place: file.get_batch(self.batches[place])["rank"]


def rank(label: str, staged: list[Staged], ruled: Rulings, folder: Path, memory: int) -> Ranked:
    """Sort a label's keys; `memory`, in bytes, is what that may take, and the files lie in `folder`."""
    path = folder / f"{label}.keys"
    pieces = path.with_suffix(".pieces")
    places: dict[int, list[int]] = {}  # of each segment's pieces in their file
    named = pa.array(sorted(ruled.keys(label)), pa.string())
    done = characters = number = 0
    with (
        pa.OSFile(str(path), "wb") as keys_file,
        pa.OSFile(str(_offsets(path)), "wb") as offsets_file,
        pa.ipc.new_file(str(pieces), pa.schema({"rank": pa.int32(), "which": pa.int32()})) as pieces_file,
    ):
        offsets_file.write(pa.array([0], pa.int64()).buffers()[1])
        for parts in _ranges(label, staged, named, folder, memory):
            encoded = pa.chunked_array([keys for keys, _ in parts.values()], pa.string()).dictionary_encode()
            distinct = encoded.chunk(encoded.num_chunks - 1).dictionary
            order = pc.sort_indices(distinct).cast(pa.int32())
            rank_of = pc.add(pc.inverse_permutation(order), pa.scalar(done, pa.int32()))
            for (place, (_, which)), codes in zip(parts.items(), encoded.chunks, strict=True):
                which_ = pa.nulls(len(codes), pa.int32()) if which is None else which
                pieces_file.write_batch(pa.record_batch({"rank": rank_of.take(codes.indices), "which": which_}))
                places.setdefault(place, []).append(number)
                number += 1
            ordered = distinct.take(order)
            ends = pc.add(pc.cumulative_sum(pc.binary_length(ordered).cast(pa.int64())), characters)
            length = ends[-1].as_py() - characters
            keys_file.write(ordered.buffers()[2].slice(0, length))
            offsets_file.write(ends.buffers()[1].slice(0, 8 * len(ends)))
            characters += length
            done += len(order)
    with pa.memory_map(str(pieces)) as source:
        found = pa.ipc.open_file(source)
        of_named = _in_order([found.get_batch(piece) for piece in places.pop(RULED, [])])
        rank_of_named = dict(zip(named.to_pylist(), of_named.to_pylist(), strict=True))
        one_of = _one_of(label, ruled, rank_of_named)
        with pa.ipc.new_file(str(_ranks(path)), pa.schema({"rank": pa.int32()})) as file:
            for each in places.values():
                file.write_batch(
                    pa.record_batch({"rank": one_of(_in_order([found.get_batch(piece) for piece in each]))})
                )
    pieces.unlink()
    return Ranked(path, done, {place: batch for batch, place in enumerate(places)}, rank_of_named)


def _offsets(path: Path) -> Path:
    return path.with_suffix(".offsets")


def _ranks(path: Path) -> Path:
    return path.with_suffix(".ranks")


def _ranges(label: str, staged: list[Staged], named: pa.Array, folder: Path, memory: int) -> Iterator[dict[int, Part]]:
    """Yield a label's keys range by range: for each segment its keys there, and which of its own these are.

    Where one range will do, that is all of them, as they are. Else each segment's are laid in a file first, by ranges,
    so that a range is a slice of it, and many ranges take little longer than a few.
    """
    name = keys_of(label)
    mine = {place: each for place, each in enumerate(staged) if each.rows(name)}
    rows = sum(each.rows(name) for each in mine.values())
    sample = _sample(list(mine.values())[:: 1 + len(mine) // SAMPLED], name)
    length = pc.sum(pc.binary_length(sample), min_count=0).as_py() // max(len(sample), 1)
    parts = 1 + max(rows * (KEY_BYTES + length) // memory, rows * length // MOST_CHARACTERS)
    ordered = sorted(sample.to_pylist())
    bounds = sorted({ordered[part * len(ordered) // parts] for part in range(1, parts)})
    own = ((place, each.read(name)["key"].combine_chunks()) for place, each in mine.items())
    every = chain(own, [(RULED, named)] if len(named) else [])
    if not bounds:
        if whole := {place: (keys, None) for place, keys in every}:
            yield whole
        return
    path = folder / f"{label}.parted"
    cuts: dict[int, list[int]] = {}
    with pa.ipc.new_file(str(path), pa.schema({"key": pa.string(), "which": pa.int32()})) as file:
        for place, keys in every:
            beyond = [pc.greater_equal(keys, bound) for bound in bounds]
            number = reduce(pc.add, (each.cast(pa.int16()) for each in beyond))
            which = pc.sort_indices(number).cast(pa.int32())
            file.write_batch(pa.record_batch({"key": keys.take(which), "which": which}))
            cuts[place] = [0, *(len(keys) - each.true_count for each in beyond), len(keys)]
    with pa.memory_map(str(path)) as source:
        batches = pa.ipc.open_file(source).read_all().to_batches()
    for part in range(len(bounds) + 1):
        found: dict[int, Part] = {}
        for (place, cut), batch in zip(cuts.items(), batches, strict=True):
            rows_ = batch.slice(cut[part], cut[part + 1] - cut[part])
            if len(rows_):
                found[place] = (rows_["key"], rows_["which"])
        if found:
            yield found
    path.unlink()


def _sample(some: list[Staged], name: str) -> pa.Array:
    """Return evenly chosen keys of some segments."""
    step = 1 + sum(each.rows(name) for each in some) // SAMPLED_KEYS
    chosen = (each.read(name)["key"].take(pa.array(range(0, each.rows(name), step), pa.int64())) for each in some)
    return pa.chunked_array([chunk for keys in chosen for chunk in keys.chunks], pa.string()).combine_chunks()


def _in_order(pieces: list[pa.RecordBatch]) -> pa.Array:
    """Return the ranks of a segment's keys in the order in which it has them."""
    if not pieces:
        return pa.array([], pa.int32())
    ranks = pa.concat_arrays([each["rank"] for each in pieces])
    if pieces[0]["which"].null_count:
        return ranks
    return ranks.take(pc.inverse_permutation(pa.concat_arrays([each["which"] for each in pieces])))


def _one_of(label: str, ruled: Rulings, rank_of: dict[str, int]) -> Callable[[pa.Array], pa.Array]:
    """Return what gives nodes that are one by an analyst's ruling the rank of that one."""
    same = [(rank_of[key], rank_of[one]) for (of, key), one in ruled.same.items() if of == label]
    if not same:
        return lambda ranks: ranks
    those, ones = (pa.array(each, pa.int32()) for each in zip(*same, strict=True))
    return lambda ranks: pc.coalesce(ones.take(pc.index_in(ranks, those)), ranks)
