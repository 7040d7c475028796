"""Raw cache → flat files: replies are mapped to facts by several processes, and DuckDB groups them out of core.

    segments ─▶ workers: decode, map, canonicalise ─▶ staged facts ─▶ group, merge by the schema's rules, sort ─▶ files

The result depends on what is in the cache alone, not on the order it came in. It is written beside the old one and put
in its place when whole.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from queue import SimpleQueue

import duckdb
import msgspec
import pyarrow as pa

from intel_grapher import disk, schema
from intel_grapher.analyst.entries import SOURCE as ANALYST
from intel_grapher.analyst.overrides import RefusedEntry, gives_facts, overrides_of
from intel_grapher.cache import Cache, Segment
from intel_grapher.cache.envelope import Envelope
from intel_grapher.errors import TransformError
from intel_grapher.files import Content, Files, Group, Manifest, SegmentRead
from intel_grapher.lock import locked
from intel_grapher.reading import shown
from intel_grapher.source import Endpoint, Source, discover
from intel_grapher.transform import base, stage
from intel_grapher.transform.base import Base
from intel_grapher.transform.facts import BEGUN, Reject
from intel_grapher.transform.memory import Memory, remembered
from intel_grapher.transform.merge import Merger
from intel_grapher.transform.retirement import superseded
from intel_grapher.transform.stage import Staged, groups_of, keys_of
from intel_grapher.transform.unchanged import WRITTEN, Unchanged, code_of, marks_of
from intel_grapher.transform.vague import with_vague_keys

INLINE = 16 << 20  # a cache smaller than this is not worth other processes
EACH = 384 << 20  # bytes that one process takes to map
RESTING = 128 << 20  # what the process takes that only hands out
OF_SEGMENT = 256 << 20  # what a segment takes of one that maps; the rest is for values it has met
ALONG = 2 << 30  # with less memory than this, only others map: what they used goes with them
VERSION = 1
OURS = {"manifest.json", "rejects.jsonl", "nodes", "relationships"}  # what there is in a set of flat files


@dataclass
class Options:
    """How to transform: which formats to write, and how much to use. `memory` is in bytes.

    `progress` is called with a step's name, how much of it is done, and of how much: bytes read, rows written.
    With `as_of`, in epoch seconds, only what had been fetched by then goes in. With `seen_since`, a moment a source,
    what the source takes back goes out: what it said before then, and not when it answered the same question since.
    """

    formats: tuple[str, ...] = ("parquet", "csv")
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    memory: int = field(default_factory=lambda: os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4)
    progress: Callable[[str, int, int], None] = lambda _step, _done, _of: None
    as_of: int | None = None
    seen_since: dict[str, int] = field(default_factory=dict)


def transform(cache: Cache, place: Path, options: Options | None = None) -> Manifest:
    """Make the flat files of a cache at `place`; return their manifest.

    Raises BusyError where another transform is at work there, TransformError where they can't be written; the old set
    is then as it was.
    """
    _begin()
    options = options or Options()
    place = disk.real(place)
    new, kept = place.parent / f".{place.name}.new", place.parent / f".{place.name}.stage"
    try:
        with locked(place.parent / f".{place.name}.lock", str(place), failure=TransformError):
            disk.recover(place)
            _refuse_foreign(place)
            disk.remove(new)
            try:
                disk.refuse_links(place.parent, kept.name).mkdir(exist_ok=True)
                manifest = _make(cache, (Files(place), Files(new)), kept, options)
                disk.sync_tree(new)
                disk.swap_in(new, place)
            finally:
                shutil.rmtree(new, ignore_errors=True)
    except BrokenProcessPool as dead:
        raise TransformError(
            f"a process that read replies was ended from outside, perhaps for want of memory: run it again, with a "
            f"smaller --memory or --processes 1; what was at {place} is as it was"
        ) from dead
    except (OSError, pa.ArrowException, duckdb.Error) as wrong:
        raise TransformError(
            f"the flat files can't be written at {place}: {wrong}; what was there is as it was"
        ) from wrong
    return manifest


def _refuse_foreign(place: Path) -> None:
    """Raise TransformError where there is something else than flat files: what is there is replaced as a whole."""
    if not place.exists():
        return
    if not place.is_dir():
        raise TransformError(f"{place} is there and is no folder: move it away, or name another place with --import")
    if foreign := sorted({each.name for each in place.iterdir()} - OURS):
        raise TransformError(
            f"{place} holds more than flat files ({', '.join(foreign[:3])}), and is replaced as a whole: move that "
            "away, or name another folder with --import"
        )


def _make(cache: Cache, sets: tuple[Files, Files], kept: Path, options: Options) -> Manifest:
    old, files = sets
    work = files.root / "work"
    work.mkdir(parents=True)
    ruled = overrides_of(cache, options.as_of)
    segments = sorted(filter(gives_facts, cache.segments()), key=lambda each: each.path)
    staged = _stage_all(cache, segments, kept, work, options, undone=ruled.undone)
    ruled = with_vague_keys(ruled, staged)
    outcomes = sum((Counter(each.outcomes) for each in staged), Counter[str]())
    manifest = Manifest(
        version=VERSION,
        schema=schema.VERSION,
        relationships={},
        nodes={},
        rejects={},
        replies=sum(outcomes.values()),
        outcomes=dict(sorted(outcomes.items())),
        damaged=sum(each.damaged for each in staged),
        segments=[
            SegmentRead(f"{segment.source}/{segment.endpoint}/{segment.number:06}", each.records)
            for segment, each in zip(segments, staged, strict=True)
        ],
        as_of=options.as_of,
    )
    code = code_of(ruled)
    marks = marks_of(staged, kept, code)
    unchanged = Unchanged(kept, old, marks, options.formats)
    groups = groups_of(staged)
    contents = {group: content for group in groups if (content := unchanged.take(group, files))}
    missing = [each for each in groups if each not in contents]
    merged = Base(kept, work, list(zip(segments, staged, strict=True)), code, marks)
    merged.begin(missing, lambda segment: stage.name_of(segment, _endpoint(discover(), segment), ruled.undone))
    merger = Merger(merged, ruled, work, options.memory, options.processes)
    for group, content in _written(merger, files, missing, list(contents), options):
        contents[group] = content
        unchanged.note(group, content, files)
    for group in groups:
        (manifest.relationships if group.type else manifest.nodes)[str(group)] = contents[group]
    manifest.rejects = merger.write_rejects(files, staged, [_refused(entry) for entry in ruled.refused])
    merger.close()
    merged.keep({label: ranked.keys for label, ranked in merger.ranked.items()})
    shutil.rmtree(work)
    path = files.root / "manifest.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    unchanged.keep()
    return manifest


def _written(
    merger: Merger, files: Files, groups: list[Group], others: list[Group], options: Options
) -> Iterator[tuple[Group, Content]]:
    """Merge and write some groups; the largest first, so that no thread is left with one at the end.

    Of the others, those relationships are merged as well that say something of the nodes.
    """
    nodes = [group for group in groups if not group.type]
    of_nodes = {group.start for group in nodes}
    relationships = [each for each in groups if each.type] + [
        each for each in others if each.type and merger.staged_rows(str(each)) and not of_nodes.isdisjoint(each.labels)
    ]
    labels = of_nodes | {label for each in relationships for label in each.labels}
    with ThreadPoolExecutor(options.processes) as pool:
        list(pool.map(merger.rank, sorted(labels, key=lambda label: -merger.staged_rows(keys_of(label)))))
        for some in (relationships, nodes):
            list(pool.map(merger.group, chain.from_iterable(pool.map(merger.ranges, some))))
        groups = sorted(groups, key=lambda group: -merger.rows(group))
        written = pool.map(lambda group: merger.write(files, group, options.formats), groups)
        done = 0
        for group, content in zip(groups, written, strict=True):
            yield group, content
            done += merger.rows(group)
            options.progress("write", done, sum(map(merger.rows, groups)))


# --- replies → staged facts -------------------------------------------------------------------------------------------


def _stage_all(
    cache: Cache, segments: list[Segment], kept: Path, work: Path, options: Options, *, undone: frozenset[str]
) -> list[Staged]:
    """Map all segments that are new, or whose mapping is; the largest first, in as many processes as it is worth.

    What a damaged segment gives is not kept for the next time.
    """
    known = discover()
    with ThreadPoolExecutor(options.processes) as pool:
        names = list(pool.map(lambda each: stage.name_of(each, _endpoint(known, each), undone), segments))
    found = {
        segment: staged for segment, name in zip(segments, names, strict=True) if (staged := stage.find(kept / name))
    }
    tasks = sorted((each for each in segments if each not in found), key=lambda each: -each.size)
    for segment, staged in _worked(tasks, kept, undone, options):
        found[segment] = staged
        if staged.damaged:
            path = Path(staged.path)
            staged.path = str(path.rename(work / path.name))
    _memory.cache_clear()
    used = {WRITTEN, *base.names_in(kept), *(Path(each.path).name for each in found.values())}
    for path in kept.iterdir():
        if path.name not in used:
            path.unlink()
    if spoiled := [segment for segment, each in found.items() if each.damaged and segment.closed]:
        cache.forget(spoiled)  # so that a fetch asks again
    return _selected([(each, found[each]) for each in segments], known, work, undone, options)


def _worked(
    tasks: list[Segment], kept: Path, undone: frozenset[str], options: Options
) -> Iterator[tuple[Segment, Staged]]:
    """Yield what each segment gives, in a file in `kept`. This process works along with the others.

    Each takes one when it is free, in order: were they dealt out ahead, one process would end long before another.
    """
    total = sum(each.size for each in tasks)
    along = options.memory >= ALONG
    processes = min(options.processes, len(tasks), max(options.memory // EACH, 1))
    _memory().most = most = remembered((options.memory - RESTING) // max(processes, 1) - OF_SEGMENT)
    others = processes - along if total >= INLINE else 0
    waiting = deque(tasks)
    done: list[int] = []
    if others < 1:
        for task in tasks:
            yield task, _stage(task, kept, undone)
            done.append(task.size)
            options.progress("read", sum(done), total)
        return
    ended = SimpleQueue[tuple[Segment, Future[Staged]]]()
    with ProcessPoolExecutor(others, get_context("spawn"), initializer=_begin_beside, initargs=(most,)) as pool:

        def hand_out() -> None:
            task = _next(waiting)
            if task is None:
                return
            try:
                pool.submit(_stage, task, kept, undone).add_done_callback(partial(take_in, task))
            except RuntimeError as broken:  # a process has died
                lost = Future[Staged]()
                lost.set_exception(broken)
                ended.put((task, lost))

        def take_in(task: Segment, future: Future[Staged]) -> None:
            ended.put((task, future))
            done.append(task.size)
            hand_out()

        try:
            for _ in range(others):
                hand_out()
            for _ in tasks:
                mine = _next(waiting) if along else None
                if mine is not None:
                    yield mine, _stage(mine, kept, undone)
                    done.append(mine.size)
                else:
                    by_other, future = ended.get()
                    yield by_other, future.result()
                options.progress("read", sum(done), total)
        finally:
            waiting.clear()
            pool.shutdown(wait=False, cancel_futures=True)


def _next(waiting: deque[Segment]) -> Segment | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _begin() -> None:
    """Let Arrow take its memory from the C library: what is freed goes back to the system."""
    pa.set_memory_pool(pa.system_memory_pool())


def _begin_beside(most: int) -> None:
    """Begin another process. Ctrl-C is left to the one that has begun it: that ends what is not begun, and waits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _begin()
    _memory().most = most


def _selected(
    staged: list[tuple[Segment, Staged]], known: dict[str, Source], work: Path, undone: frozenset[str], options: Options
) -> list[Staged]:
    """Return what the replies give that are to count; segments of which only some do are mapped again."""
    since, until = options.seen_since, options.as_of
    recent = [segment for segment, each in staged if each.newest >= since.get(each.source, 0)]
    is_superseded = superseded(recent, known, since, until)
    found = []
    for segment, each in staged:
        if until is not None and each.oldest > until:
            found.append(Staged(segment.source, 0, {}, 0, 0, 0))
            continue
        late = until is not None and each.newest > until
        if not late and each.oldest >= since.get(each.source, 0):
            found.append(each)
            continue
        outcomes: Counter[str] = Counter()

        def left_out(reply: Envelope, outcomes: Counter[str] = outcomes) -> bool:
            if _is_undone(undone, reply) or (until is not None and reply.epoch > until):
                return True
            out_of_date = is_superseded(reply)
            outcomes["superseded"] += out_of_date
            return out_of_date

        path = work / f"{Path(each.path).name}-some"
        found.append(
            stage.stage(segment, segment.content(), _endpoint(known, segment), path, _memory(), leave_out=left_out)
        )
        found[-1].outcomes |= +outcomes
    return found


def _endpoint(known: dict[str, Source], segment: Segment) -> Endpoint | None:
    source = known.get(segment.source)
    return source.endpoint(segment.endpoint) if source else None


@cache
def _memory() -> Memory:
    """Return what this process has canonicalised already."""
    return Memory()


def _stage(segment: Segment, kept: Path, undone: frozenset[str]) -> Staged:
    """Map one segment, into a file in `kept` whose name covers the bytes that were read; runs in several processes."""
    gc.disable()  # what a segment gives rise to ends by itself; to look for rings in it costs a tenth of all the time
    try:
        endpoint, content = _endpoint(discover(), segment), segment.content()
        path = kept / stage.name_of(segment, endpoint, undone, content)
        return stage.stage(segment, content, endpoint, path, _memory(), leave_out=partial(_is_undone, undone))
    finally:
        gc.enable()


def _refused(entry: RefusedEntry) -> Reject:
    value = shown(entry.body[:BEGUN].decode("utf-8", "replace"))
    return Reject(ANALYST, entry.what, entry.id, "", value, entry.reason)


def _is_undone(undone: frozenset[str], reply: Envelope) -> bool:
    """Tell whether a reply is an analyst's entry that does not hold any more."""
    return reply.key in undone and reply.source == ANALYST
