"""The ranks of a label's keys: their positions among all distinct keys of the label, sorted.

From here on ranks (int32) are compared and grouped in place of strings. Keys are first split into ranges, each so small
that what is hashed and sorted stays in the processor's cache; that takes half as long as one large table. If the
previous run has sorted keys of the label, the new ones are merged into those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher.transform.overriding import Overriding
from intel_grapher.transform.staged import Staged, keys_of

KEY_BYTES = 64  # of one key while it is sorted, besides its characters
NEAR = 16 << 20  # bytes of a range: what a processor's cache holds
MOST_RANGES = 512  # with more, finding the ranges takes longer than it saves
SAMPLED = 8  # segments, each of which is decompressed as a whole for it
SAMPLED_KEYS = 10_000  # of those
FEW = 10_000  # keys that are sorted at once: to part them into files would take longer
AT_A_TIME = 1 << 20  # keys, where new ones are merged into the previous


class Keys(NamedTuple):
    """A label's distinct keys, sorted, in files that are mapped into memory when used.

    A key's stable_id is the same in all runs: initially its rank, and for a key added later the next free integer.
    There is a file of stable_ids only if they differ from ranks (`moved`).
    """

    path: Path
    total: int
    moved: bool = False

    def array(self) -> pa.LargeStringArray:
        """Return the keys by rank. They are one array: `take` from a chunked one copies all chunks at each call."""
        if not self.total:
            return pa.array([], pa.large_string())
        return pa.LargeStringArray.from_buffers(self.total, _mapped(_offsets(self.path)), _mapped(self.path))

    def stable_ids(self) -> pa.Array | None:
        """Return the stable_id of each rank (int32); None if they are the ranks."""
        if not self.moved:
            return None
        return pa.Array.from_buffers(pa.int32(), self.total, [None, _mapped(_stable_ids(self.path))])

    def files(self) -> list[Path]:
        """Return the files, the one at `path` first."""
        return [self.path, _offsets(self.path), *([_stable_ids(self.path)] if self.moved else [])]


class Ranked(NamedTuple):
    """A label's keys, and the ranks of each segment's keys, in a file that is mapped when used.

    `batches` maps a segment's index to the record batch with the ranks of its keys.
    """

    keys: Keys
    path: Path
    batches: dict[int, int]

    def ranks(self) -> Callable[[int], pa.Array]:
        """Return a function that maps a segment's index to the ranks (int32) of its keys, by local_id."""
        file = pa.ipc.open_file(pa.memory_map(str(self.path)))
        return lambda segment: file.get_batch(self.batches[segment])["rank"]


class Parted(NamedTuple):
    """One segment's keys reordered by key range.

    `which[i]` is the original position of `keys[i]`; range r is `keys[cuts[r]:cuts[r+1]]`.
    """

    keys: pa.Array
    which: pa.Array
    cuts: list[int]


def rank(
    label: str,
    staged: Mapping[int, Staged],
    overriding: Overriding,
    folder: Path,
    memory: int,
    *,
    previous: Keys | None = None,
) -> Ranked:
    """Return the ranks of a label's keys of some segments, merged into the keys of the previous run if there are any.

    `staged` are the segments by index.
    `memory` (bytes) bounds what is sorted at a time. The files are made in `folder`. The ranks of the keys that
    overrides name are given to `overriding`, and merged nodes get the ranks of their survivors.
    """
    path = folder / f"{label}.keys"
    table = keys_of(label)
    segments = {index: segment for index, segment in staged.items() if segment.rows(table)}
    named = pa.array(overriding.named(label), pa.string())
    if previous is not None and not segments and not len(named):
        overriding.rank_named(label, {})
        return Ranked(previous, path, {})
    # The keys that overrides name are one more segment, the first.
    of_segments = chain([named], (segment.read(table)["key"].combine_chunks() for segment in segments.values()))
    if len(named) + sum(segment.rows(table) for segment in segments.values()) <= FEW:
        all_keys, ranks = _sorted_at_once(list(of_segments), path)
    else:
        bounds = _bounds(list(segments.values()), table, memory)
        all_keys, ranks = _sorted_by_ranges(_parted(of_segments, bounds, path.with_suffix(".parted")), path)
    if previous is not None:
        all_keys, moved_to = _merged(previous, all_keys, folder / f"{label}.all.keys")
        ranks = map(moved_to.take, ranks)
    overriding.rank_named(label, dict(zip(named.to_pylist(), next(ranks).to_pylist(), strict=True)))
    with pa.ipc.new_file(str(path.with_suffix(".ranks")), pa.schema({"rank": pa.int32()})) as file:
        for of_segment in ranks:
            file.write_batch(pa.record_batch({"rank": overriding.survivors(label, of_segment)}))
    batches = {index: batch for batch, index in enumerate(segments)}
    return Ranked(all_keys, path.with_suffix(".ranks"), batches)


def _sorted_at_once(of_segments: list[pa.Array], path: Path) -> tuple[Keys, Iterator[pa.Array]]:
    """Return the distinct keys of all segments, in files at `path`, and the ranks of each segment's keys."""
    with _Writer(path) as writer:
        ranks = _numbered(pa.concat_arrays(of_segments), writer)
    ends = [0, *accumulate(map(len, of_segments))]
    return Keys(path, writer.total), (ranks.slice(begin, end - begin) for begin, end in pairwise(ends))


def _sorted_by_ranges(parted: list[Parted], path: Path) -> tuple[Keys, Iterator[pa.Array]]:
    """Return the same for keys that are parted by range: a range is sorted at a time."""
    pieces = path.with_suffix(".pieces")
    with _Writer(path) as writer, pa.ipc.new_file(str(pieces), pa.schema({"rank": pa.int32()})) as pieces_file:
        for keys in _ranges(parted):
            pieces_file.write_batch(pa.record_batch({"rank": _numbered(keys, writer)}))
    with pa.memory_map(str(pieces)) as source:
        ranks = pa.ipc.open_file(source).read_all()["rank"].chunks
    pieces.unlink()  # its mapped bytes stay
    return Keys(path, writer.total), _in_order(parted, ranks)


def _numbered(keys: pa.Array, writer: _Writer) -> pa.Array:
    """Write the distinct keys of a range, sorted, and return the rank of each key (int32)."""
    encoded = keys.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).cast(pa.int32())
    rank_of = pc.add(pc.inverse_permutation(order), pa.scalar(writer.total, pa.int32()))
    writer.write(encoded.dictionary.take(order))
    return rank_of.take(encoded.indices)


def _merged(previous: Keys, new: Keys, path: Path) -> tuple[Keys, pa.Array]:
    """Merge new keys into the previous ones; return all keys, and the rank of each new key among them (int32)."""
    old_keys, new_keys = previous.array(), new.array()
    at = pc.search_sorted(old_keys, new_keys).cast(pa.int32())
    added = pc.not_equal(old_keys.take(pc.min_element_wise(at, previous.total - 1)), new_keys)
    added_until = pc.cumulative_sum(added.cast(pa.int32()))
    ranks = pc.subtract(pc.add(at, added_until), added.cast(pa.int32()))
    new_keys = new_keys.filter(added)
    if not len(new_keys):
        return previous, ranks
    total = previous.total + len(new_keys)
    added_ranks, stable_ids, done = ranks.filter(added), previous.stable_ids(), 0
    with _Writer(path) as writer, pa.OSFile(str(_stable_ids(path)), "wb") as ids_file:
        for begin in range(0, total, AT_A_TIME):
            end = min(begin + AT_A_TIME, total)
            added_here = pc.search_sorted(added_ranks, pa.scalar(end, pa.int32())).as_py() - done
            is_added = pc.is_in(pa.arange(begin, end).cast(pa.int32()), added_ranks.slice(done, added_here))
            first, old_here = begin - done, end - begin - added_here
            among_added = pc.add(pc.cumulative_sum(is_added.cast(pa.int32())), old_here - 1)
            among_old = pc.subtract(pc.cumulative_sum(pc.invert(is_added).cast(pa.int32())), 1)
            order = pc.if_else(is_added, among_added, among_old)
            both = pa.concat_arrays([old_keys.slice(first, old_here), new_keys.slice(done, added_here)])
            writer.write(both.take(order))
            old_ids = pa.arange(first, first + old_here) if stable_ids is None else stable_ids.slice(first, old_here)
            new_ids = pa.arange(previous.total + done, previous.total + done + added_here)
            ids = pa.concat_arrays([old_ids.cast(pa.int32()), new_ids.cast(pa.int32())]).take(order)
            ids_file.write(ids.buffers()[1].slice(0, 4 * len(ids)))
            done += added_here
    return Keys(path, total, moved=True), ranks


class _Writer:
    """Writes sorted keys to the files of a `Keys`."""

    def __init__(self, path: Path) -> None:
        self.total = self._characters = 0
        self._keys = pa.OSFile(str(path), "wb")
        self._offsets = pa.OSFile(str(_offsets(path)), "wb")
        self._offsets.write(pa.array([0], pa.int64()).buffers()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._keys.close()
        self._offsets.close()

    def write(self, keys: pa.Array) -> None:
        """Append `keys`. They must not be a slice: raw buffers are written from offset 0."""
        if not len(keys):
            return
        lengths = pc.binary_length(keys).cast(pa.int64())
        ends = pc.add(pc.cumulative_sum(lengths), self._characters)
        length = pc.sum(lengths).as_py()
        self._keys.write(keys.buffers()[2].slice(0, length))
        self._offsets.write(ends.buffers()[1].slice(0, 8 * len(ends)))
        self._characters += length
        self.total += len(keys)


def _offsets(path: Path) -> Path:
    return path.with_suffix(".offsets")


def _stable_ids(path: Path) -> Path:
    return path.with_suffix(".ids")


def _mapped(path: Path) -> pa.Buffer:
    with pa.memory_map(str(path)) as file:
        return file.read_buffer()


def _bounds(segments: list[Staged], table: str, memory: int) -> pa.Array:
    """Return the split keys: each range's lower bound, except the first's, which is unbounded."""
    rows = sum(segment.rows(table) for segment in segments)
    sample = _sample(segments[:: 1 + len(segments) // SAMPLED], table)
    needed = rows * (KEY_BYTES + pc.sum(pc.binary_length(sample), min_count=0).as_py() // max(len(sample), 1))
    parts = 1 + max(min(needed // NEAR, MOST_RANGES), needed // memory)
    ordered = sorted(sample.to_pylist())
    return pa.array(sorted({ordered[part * len(ordered) // parts] for part in range(1, parts)}), pa.string())


def _parted(segments: Iterable[pa.Array], bounds: pa.Array, path: Path) -> list[Parted]:
    """Return the keys of each segment by range, as slices of a file. The file is removed with the last of them."""
    cuts = []
    with pa.ipc.new_file(str(path), pa.schema({"key": pa.string(), "which": pa.int32()})) as file:
        for keys in segments:
            range_of = pc.search_sorted(bounds, keys, side="right")
            which = pc.sort_indices(range_of).cast(pa.int32())
            file.write_batch(pa.record_batch({"key": keys.take(which), "which": which}))
            ranges = pa.array(range(len(bounds) + 2), pa.uint64())
            cuts.append(pc.search_sorted(range_of.take(which), ranges).to_pylist())
    with pa.memory_map(str(path)) as source:
        batches = pa.ipc.open_file(source).read_all().to_batches()
    path.unlink()
    return [Parted(batch["key"], batch["which"], cut) for batch, cut in zip(batches, cuts, strict=True)]


def _ranges(parted: list[Parted]) -> Iterator[pa.Array]:
    """Yield the keys of each range, concatenated over all segments."""
    for begin in range(len(parted[0].cuts) - 1):
        yield pa.concat_arrays(
            [part.keys.slice(part.cuts[begin], part.cuts[begin + 1] - part.cuts[begin]) for part in parted]
        )


def _in_order(parted: list[Parted], ranges: list[pa.Array]) -> Iterator[pa.Array]:
    """Yield the ranks of each segment's keys, by local_id, from the ranks of the keys of each range."""
    done = [0] * len(ranges)
    for part in parted:
        ranks = []
        for number, (begin, end) in enumerate(pairwise(part.cuts)):
            ranks.append(ranges[number].slice(done[number], end - begin))
            done[number] += end - begin
        yield pa.concat_arrays(ranks).take(pc.inverse_permutation(part.which))


def _sample(segments: list[Staged], table: str) -> pa.Array:
    """Return evenly chosen keys of some segments."""
    step = 1 + sum(segment.rows(table) for segment in segments) // SAMPLED_KEYS
    chosen = (
        segment.read(table)["key"].take(pa.array(range(0, segment.rows(table), step), pa.int64()))
        for segment in segments
    )
    return pa.chunked_array([chunk for keys in chosen for chunk in keys.chunks], pa.string()).combine_chunks()
