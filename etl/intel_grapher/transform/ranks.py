"""A label's staged keys → their ranks: every distinct key once, in order, and the place that each has there.

Numbers are compared and grouped in place of strings from here on. The keys are parted into ranges first, so small that
what is hashed and sorted stays near the processor: that takes half as long as one large table. Where some were sorted
by the run before, those that came since are put among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher.analyst.overrides import Overrides
from intel_grapher.transform.stage import Staged, keys_of

KEY_BYTES = 64  # of one key, while it is sorted, beside its characters
NEAR = 16 << 20  # bytes of a range: what a processor's cache holds
MOST_RANGES = 512  # that small; with yet more, finding them takes longer than it saves
SAMPLED = 64  # segments
SAMPLED_KEYS = 10_000  # of those
AT_A_TIME = 1 << 20  # keys, where some are put among others


class Keys(NamedTuple):
    """A label's distinct keys, in order, in files that are mapped in use.

    A key keeps its `id` for good, wherever its place comes to be: its first place, or, where it came later, the next
    number. Only where there are such do ids differ from places, and have a file.
    """

    path: Path
    total: int
    moved: bool = False

    def array(self) -> pa.LargeStringArray:
        """Return the keys. They are one array: to take from several, Arrow copies them into one each time."""
        if not self.total:
            return pa.array([], pa.large_string())
        return pa.LargeStringArray.from_buffers(self.total, _mapped(_offsets(self.path)), _mapped(self.path))

    def ids(self) -> pa.Array | None:
        """Return the ids of the keys; None where each is the key's place."""
        return pa.Array.from_buffers(pa.int32(), self.total, [None, _mapped(_ids(self.path))]) if self.moved else None

    def files(self) -> list[Path]:
        """Return where they lie."""
        return [self.path, _offsets(self.path), *([_ids(self.path)] if self.moved else [])]


class Ranked(NamedTuple):
    """A label's keys in order, and the ranks of those that each segment has; these in a file, which is mapped in use.

    `batches` tells which segment's ranks are where in their file, `ruled` the ranks of the keys that an analyst's
    rulings name.
    """

    keys: Keys
    path: Path
    batches: dict[int, int]
    ruled: dict[str, int]

    def ranks(self) -> Callable[[int], pa.Array]:
        """Return what gives a segment's ranks: those of its keys, as it numbers them."""
        file = pa.ipc.open_file(pa.memory_map(str(self.path)))
        return lambda place: file.get_batch(self.batches[place])["rank"]


class Parted(NamedTuple):
    """A segment's keys by ranges: `which` of its own they are, and in `cuts` where ranges begin and the last ends."""

    keys: pa.Array
    which: pa.Array
    cuts: list[int]


def rank(
    label: str, staged: list[Staged], ruled: Overrides, folder: Path, memory: int, *, before: Keys | None = None
) -> Ranked:
    """Sort a label's keys of some segments, and put them among those that were there before, where there were any.

    `memory`, in bytes, is what that may take, and the files lie in `folder`.
    """
    path = folder / f"{label}.keys"
    name = keys_of(label)
    own = {place: each for place, each in enumerate(staged) if each.rows(name)}
    named = pa.array(sorted(ruled.keys(label)), pa.string())
    if before is not None and not own and not len(named):
        return Ranked(before, path, {}, {})
    pieces = path.with_suffix(".pieces")
    # What an analyst's rulings name is parted as one more segment, the first.
    parted = _parted(
        chain([named], (each.read(name)["key"].combine_chunks() for each in own.values())),
        _bounds(list(own.values()), name, memory),
        path.with_suffix(".parted"),
    )
    with _Writer(path) as writer, pa.ipc.new_file(str(pieces), pa.schema({"rank": pa.int32()})) as pieces_file:
        for keys in _ranges(parted):
            encoded = keys.dictionary_encode()
            order = pc.sort_indices(encoded.dictionary).cast(pa.int32())
            rank_of = pc.add(pc.inverse_permutation(order), pa.scalar(writer.total, pa.int32()))
            pieces_file.write_batch(pa.record_batch({"rank": rank_of.take(encoded.indices)}))
            writer.put(encoded.dictionary.take(order))
    whole, place = Keys(path, writer.total), None
    if before is not None:
        whole, place = _added(before, whole, folder / f"{label}.all.keys")
    with pa.memory_map(str(pieces)) as source:
        ranks = _in_order(parted, pa.ipc.open_file(source).read_all()["rank"].chunks)
        if place is not None:
            ranks = map(place.take, ranks)
        rank_of_named = dict(zip(named.to_pylist(), next(ranks).to_pylist(), strict=True))
        one_of = _one_of(label, ruled, rank_of_named)
        with pa.ipc.new_file(str(path.with_suffix(".ranks")), pa.schema({"rank": pa.int32()})) as file:
            for each in ranks:
                file.write_batch(pa.record_batch({"rank": one_of(each)}))
    pieces.unlink()
    batches = {place: batch for batch, place in enumerate(own)}
    return Ranked(whole, path.with_suffix(".ranks"), batches, rank_of_named)


def _added(before: Keys, new: Keys, path: Path) -> tuple[Keys, pa.Array]:
    """Put keys among those that were there before; return all, and of each of the new its place among all."""
    old, since = before.array(), new.array()
    place = pc.search_sorted(old, since).cast(pa.int32())
    fresh = pc.not_equal(old.take(pc.min_element_wise(place, before.total - 1)), since)
    come = pc.cumulative_sum(fresh.cast(pa.int32()))
    place = pc.subtract(pc.add(place, come), fresh.cast(pa.int32()))
    since = since.filter(fresh)
    if not len(since):
        return before, place
    total = before.total + len(since)
    at, ids, done = place.filter(fresh), before.ids(), 0
    with _Writer(path) as writer, pa.OSFile(str(_ids(path)), "wb") as ids_file:
        for begin in range(0, total, AT_A_TIME):
            end = min(begin + AT_A_TIME, total)
            fresh_here = pc.search_sorted(at, pa.scalar(end, pa.int32())).as_py() - done
            here = pc.is_in(pa.arange(begin, end).cast(pa.int32()), at.slice(done, fresh_here))
            first, old_here = begin - done, end - begin - fresh_here
            later = pc.add(pc.cumulative_sum(here.cast(pa.int32())), old_here - 1)
            order = pc.if_else(here, later, pc.subtract(pc.cumulative_sum(pc.invert(here).cast(pa.int32())), 1))
            writer.put(pa.concat_arrays([old.slice(first, old_here), since.slice(done, fresh_here)]).take(order))
            had = pa.arange(first, first + old_here) if ids is None else ids.slice(first, old_here)
            next_ = pa.arange(before.total + done, before.total + done + fresh_here)
            both = pa.concat_arrays([had.cast(pa.int32()), next_.cast(pa.int32())]).take(order)
            ids_file.write(both.buffers()[1].slice(0, 4 * len(both)))
            done += fresh_here
    return Keys(path, total, moved=True), place


class _Writer:
    """Writes keys, in order, as they come."""

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

    def put(self, keys: pa.Array) -> None:
        """Write some, which are no slice of others."""
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


def _ids(path: Path) -> Path:
    return path.with_suffix(".ids")


def _mapped(path: Path) -> pa.Buffer:
    with pa.memory_map(str(path)) as file:
        return file.read_buffer()


def _bounds(some: list[Staged], name: str, memory: int) -> pa.Array:
    """Return the keys with which ranges begin, but the first."""
    rows = sum(each.rows(name) for each in some)
    sample = _sample(some[:: 1 + len(some) // SAMPLED], name)
    needed = rows * (KEY_BYTES + pc.sum(pc.binary_length(sample), min_count=0).as_py() // max(len(sample), 1))
    parts = 1 + max(min(needed // NEAR, MOST_RANGES), needed // memory)
    ordered = sorted(sample.to_pylist())
    return pa.array(sorted({ordered[part * len(ordered) // parts] for part in range(1, parts)}), pa.string())


def _parted(segments: Iterable[pa.Array], bounds: pa.Array, path: Path) -> list[Parted]:
    """Lay the keys of each segment in a file by ranges, which are slices of it then. The file is gone with the last."""
    cuts = []
    with pa.ipc.new_file(str(path), pa.schema({"key": pa.string(), "which": pa.int32()})) as file:
        for keys in segments:
            number = pc.search_sorted(bounds, keys, side="right")
            which = pc.sort_indices(number).cast(pa.int32())
            file.write_batch(pa.record_batch({"key": keys.take(which), "which": which}))
            cuts.append(pc.search_sorted(number.take(which), pa.array(range(len(bounds) + 2), pa.uint64())).to_pylist())
    with pa.memory_map(str(path)) as source:
        batches = pa.ipc.open_file(source).read_all().to_batches()
    path.unlink()
    return [Parted(batch["key"], batch["which"], cut) for batch, cut in zip(batches, cuts, strict=True)]


def _ranges(parted: list[Parted]) -> Iterator[pa.Array]:
    """Yield the keys of each range, of all segments one after the other."""
    for begin in range(len(parted[0].cuts) - 1):
        yield pa.concat_arrays(
            [each.keys.slice(each.cuts[begin], each.cuts[begin + 1] - each.cuts[begin]) for each in parted]
        )


def _in_order(parted: list[Parted], ranges: list[pa.Array]) -> Iterator[pa.Array]:
    """Yield the ranks of each segment's keys in the order in which it has them, from those of each range."""
    done = [0] * len(ranges)
    for each in parted:
        mine = []
        for number, (begin, end) in enumerate(pairwise(each.cuts)):
            mine.append(ranges[number].slice(done[number], end - begin))
            done[number] += end - begin
        yield pa.concat_arrays(mine).take(pc.inverse_permutation(each.which))


def _sample(some: list[Staged], name: str) -> pa.Array:
    """Return evenly chosen keys of some segments."""
    step = 1 + sum(each.rows(name) for each in some) // SAMPLED_KEYS
    chosen = (each.read(name)["key"].take(pa.array(range(0, each.rows(name), step), pa.int64())) for each in some)
    return pa.chunked_array([chunk for keys in chosen for chunk in keys.chunks], pa.string()).combine_chunks()


def _one_of(label: str, ruled: Overrides, rank_of: dict[str, int]) -> Callable[[pa.Array], pa.Array]:
    """Return what gives nodes that are one by an analyst's ruling the rank of that one."""
    same = [(rank_of[key], rank_of[one]) for (of, key), one in ruled.same.items() if of == label]
    if not same:
        return lambda ranks: ranks
    those, ones = (pa.array(each, pa.int32()) for each in zip(*same, strict=True))
    return lambda ranks: pc.coalesce(ones.take(pc.index_in(ranks, those)), ranks)
