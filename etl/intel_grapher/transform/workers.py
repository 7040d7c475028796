"""The threads or processes that map segments, and how much memory they use.

Threads start at once, and work side by side where replies are mapped as columns, since that is Arrow's work. Much that
is mapped reply by reply, or very much of all, goes to processes, none of which outlives the one that started them. That
one maps too, unless memory is short: then only workers do, whose memory is freed when they end.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import signal
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import ModuleType
from typing import cast

import pyarrow as pa

from intel_grapher.cache.segment import Segment
from intel_grapher.registry import Registry
from intel_grapher.transform.fingerprint import staged_name
from intel_grapher.transform.interning import Interning, interned
from intel_grapher.transform.options import Options
from intel_grapher.transform.overriding import Overriding
from intel_grapher.transform.staged import Staged, stage
from intel_grapher.transform.traced import trace
from intel_grapher.unused import begin, beginning

INLINE = 16 << 20  # bytes of segments that are not worth other threads or processes
THREADED = 128 << 20  # bytes of traced segments that are not worth other processes, each of which takes 0.5 s to start
WORKER_BYTES = 384 << 20  # memory of a process that maps
PARENT_BYTES = 128 << 20  # memory of this process while it only hands out segments
SEGMENT_BYTES = 256 << 20  # what a segment takes of a worker's memory; the rest is for interned values
TOGETHER = 2 << 30  # with less memory than this, only workers map


class Mapper:
    """Maps segments, one at a time; what it has interned serves for all of them."""

    def __init__(self, registry: Registry, overriding: Overriding, folder: Path, most: int) -> None:
        self._registry = registry
        self._overriding = overriding
        self._folder = folder
        self.interning = Interning()
        self.interning.most = most

    def stage(self, segment: Segment) -> Staged:
        """Map a segment into a file in the folder. The file's name covers the bytes that were read."""
        gc.disable()  # mapping creates no reference cycles; the cyclic collector would cost 10 %
        try:
            endpoint, content = self._registry.endpoint(segment.source, segment.endpoint), segment.content()
            path = self._folder / staged_name(segment, endpoint, self._overriding, content)
            return stage(
                segment,
                content,
                endpoint,
                path,
                self.interning,
                replies_of=self._overriding.replies,
                all_count=self._overriding.all_count(segment),
            )
        finally:
            gc.enable()


_mapper: Mapper | None = None
"""The mapper of a worker."""


def stage_all(
    segments: list[Segment], registry: Registry, overriding: Overriding, folder: Path, options: Options
) -> Iterator[tuple[Segment, Staged]]:
    """Yield each segment with its staged file in `folder`, as they are done.

    Each thread or process takes the next segment when it is free, in order. Raises BrokenProcessPool if a process is
    killed.
    """
    total = sum(segment.size for segment in segments)
    together = options.memory >= TOGETHER
    at_once = max(min(options.processes, len(segments), options.memory // WORKER_BYTES), 1)
    most = interned((options.memory - PARENT_BYTES) // at_once - SEGMENT_BYTES)
    mappers = [Mapper(registry, overriding, folder, most) for _ in range(at_once if total >= INLINE else 1)]
    workers = at_once - together if total >= INLINE and registry.is_portable else 0
    if workers and not (together and total < THREADED and _untraced(segments, registry) < INLINE):
        arguments = beginning(_begin_worker, registry, overriding, folder, most)
        found = _by_processes(segments, workers, arguments, mappers[0] if together else None)
    else:
        found = _by_threads(segments, mappers)
    done = 0
    for segment, staged in found:
        done += segment.size
        options.progress("read", done, total)
        yield segment, staged


def _untraced(segments: list[Segment], registry: Registry) -> int:
    """Return how many bytes are mapped reply by reply: Python does that in one thread at a time."""
    endpoints = ((segment, registry.endpoint(segment.source, segment.endpoint)) for segment in segments)
    return sum(segment.size for segment, endpoint in endpoints if endpoint is None or trace(endpoint) is None)


def _by_threads(segments: list[Segment], mappers: list[Mapper]) -> Iterator[tuple[Segment, Staged]]:
    """Map segments in a thread for each mapper."""
    free = SimpleQueue[Mapper]()
    for mapper in mappers:
        free.put(mapper)

    def stage_next(segment: Segment) -> Staged:
        mapper = free.get()
        try:
            return mapper.stage(segment)
        finally:
            free.put(mapper)

    with ThreadPoolExecutor(len(mappers)) as pool:
        yield from zip(segments, pool.map(stage_next, segments), strict=True)


def _by_processes(
    segments: list[Segment], workers: int, arguments: tuple[bool, bytes], own: Mapper | None
) -> Iterator[tuple[Segment, Staged]]:
    """Map segments in new processes, which `begin` with `arguments`; in this process too where it has a mapper."""
    waiting = deque(segments)
    ended = SimpleQueue[tuple[Segment, Future[Staged]]]()
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=begin, initargs=arguments) as pool:

        def hand_out() -> None:
            segment = _next(waiting)
            if segment is None:
                return
            try:
                pool.submit(_stage, segment).add_done_callback(partial(take_in, segment))
            except RuntimeError as broken:  # a worker has died
                lost = Future[Staged]()
                lost.set_exception(broken)
                ended.put((segment, lost))

        def take_in(segment: Segment, future: Future[Staged]) -> None:
            ended.put((segment, future))
            hand_out()

        try:
            for _ in range(workers):
                hand_out()
            for _ in segments:
                mine = _next(waiting) if own else None
                if own is not None and mine is not None:
                    yield mine, own.stage(mine)
                else:
                    segment, future = ended.get()
                    yield segment, future.result()
        finally:
            waiting.clear()
            pool.shutdown(wait=False, cancel_futures=True)


def prepare_arrow() -> None:
    """Let Arrow take memory from the C library, which gives freed memory back to the system.

    Arrow looks for dateutil at every call that infers a value's type. Where dateutil is not installed, the search goes
    through all folders of modules each time, for some thousands of times; it is told once instead.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if "dateutil" not in sys.modules and importlib.util.find_spec("dateutil") is None:
        sys.modules["dateutil"] = cast("ModuleType", None)  # which says that it can't be imported


def _next(waiting: deque[Segment]) -> Segment | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _begin_worker(registry: Registry, overriding: Overriding, folder: Path, most: int) -> None:
    """Prepare a worker. It ignores Ctrl-C: the process that started it cancels what is not begun, and waits."""
    global _mapper  # noqa: PLW0603 - a worker's only state; the pool has no other place for it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    prepare_arrow()
    _mapper = Mapper(registry, overriding, folder, most)


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, however it ended.

    The pool's own pipes do not tell: siblings hold their other ends. Only the parent holds that of the sentinel's.
    """
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _stage(segment: Segment) -> Staged:
    if _mapper is None:
        raise RuntimeError("the worker has not been prepared")
    return _mapper.stage(segment)
