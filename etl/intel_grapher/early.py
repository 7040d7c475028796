"""Mapping while replies are still written, so that the transform after a long fetch has only to merge.

A fetch waits for services most of the time. So each segment that it closes is mapped meanwhile, by a process of the
lowest priority (`transform.early_process`), into the transform's kept folder, under the name by which the transform
looks for it. An open segment is mapped when nothing has come for a while, and at the end.

Nothing waits for that process, and nothing fails with it: what it has not done is done by the transform. It begins when
START_BYTES have been written, so that a small fetch starts none, and it ends with the process that started it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread
from typing import Final

from intel_grapher.cache import Cache, Segment
from intel_grapher.machine import memory
from intel_grapher.registry import Registry

START_BYTES: Final = 32 << 20
"""So much must have been written (uncompressed) before a process is worth its start."""
LEAST_MEMORY: Final = 2 << 30
"""A machine with less memory (bytes) maps nothing meanwhile: mapping takes some hundred MiB."""
QUIET_SECONDS: Final = 10.0
"""An open segment that has not grown for so long is mapped. It may grow again: then it is when it has doubled."""
GRACE_SECONDS: Final = 5.0
GRACE_SHARE: Final = 0.02
"""At the end, what is left is waited for so long at most: seconds, and a share of the time that the writing took."""
ENDING_SECONDS: Final = 0.2
"""So long its end is waited for. Of the lowest priority, on a busy machine, it may take longer."""
_MODULE: Final = "intel_grapher.transform.early_process"
Place = tuple[str, str, str]


@dataclass
class _Growing:
    """An open segment, when it grew last (monotonic seconds), and its size when it was mapped."""

    segment: Segment
    grown_at: float
    mapped: int = 0


class EarlyMapping:
    """Maps the segments of a cache, of which `note` is told, into the kept folder of the flat files in `folder`.

    It begins when `start` bytes have been written. An open segment is mapped after `quiet` seconds.
    """

    def __init__(self, root: Path, folder: Path, *, start: int, quiet: float) -> None:
        self._arguments = [str(root), str(folder)]
        self._start = start
        self._quiet = quiet
        self._written = 0
        self._closed: deque[Segment] = deque()
        self._open: dict[Place, _Growing] = {}
        self._changed = Condition()
        self._ending = False
        self._thread: Thread | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.mapped = 0
        """How many segments have been mapped."""

    @property
    def has_begun(self) -> bool:
        """True if enough has been written for a process to be worth its start."""
        return self._thread is not None

    def note(self, segment: Segment, grown: int) -> None:
        """Take in a segment that was closed, or one that is open and has grown by so many bytes. Any thread may."""
        if segment.area != "raw":  # failures and the log of imports are not mapped
            return
        place = (segment.area, segment.source, segment.endpoint)
        with self._changed:
            self._written += grown
            if segment.closed:
                self._open.pop(place, None)
                self._closed.append(segment)
            else:
                known = self._open.get(place)
                mapped = known.mapped if known and known.segment.number == segment.number else 0
                self._open[place] = _Growing(segment, time.monotonic(), mapped)
            if self._thread is None and self._written >= self._start:
                self._thread = Thread(target=self._work, name="early", daemon=True)
                with suppress(RuntimeError):  # no more threads, or the interpreter is ending
                    self._thread.start()
            self._changed.notify()

    def end(self, grace: float = 0.0) -> None:
        """End the process when all that was written is mapped, but after `grace` seconds at the latest."""
        with self._changed:
            self._ending = True
            if not grace:
                self._closed.clear()
                self._open.clear()
            self._changed.notify()
        if self._thread is None or self._thread.ident is None:
            return
        try:
            self._thread.join(grace)
        finally:
            if self.process is not None:
                self.process.terminate()  # it removes what it has not finished
            self._thread.join(ENDING_SECONDS)

    def _work(self) -> None:
        """Hand one segment after the other to the process, until it ends or there is nothing more to come."""
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", _MODULE, *self._arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,  # so that nothing is left to be written once it has ended
            )
        except OSError:  # no more processes, or no memory for one
            return
        with self.process as process:
            requests, answers = process.stdin, process.stdout
            if requests is None or answers is None:
                return
            with suppress(OSError):  # it has ended
                while (segment := self._next()) is not None:
                    request = [segment.area, segment.source, segment.endpoint, segment.path.name]
                    requests.write(json.dumps(request).encode() + b"\n")
                    if not answers.readline():
                        break
                    self.mapped += 1

    def _next(self) -> Segment | None:
        """Return the next segment that can be mapped, as soon as there is one; None at the end."""
        with self._changed:
            while True:
                if self._closed:
                    return self._closed.popleft()
                now = time.monotonic()
                waiting = [it for it in self._open.values() if it.segment.size >= max(2 * it.mapped, 1)]
                if self._ending:
                    waiting = [it for it in self._open.values() if it.segment.size > it.mapped]
                ready = [it for it in waiting if self._ending or now - it.grown_at >= self._quiet]
                if ready:
                    largest = max(ready, key=lambda it: it.segment.size)
                    largest.mapped = largest.segment.size
                    return largest.segment
                if self._ending:
                    return None
                soonest = min((it.grown_at for it in waiting), default=None)
                self._changed.wait(None if soonest is None else max(soonest + self._quiet - now, 0.01))


@contextmanager
def mapped_early(cache: Cache, folder: Path, registry: Registry, *, waits: bool = True) -> Iterator[EarlyMapping]:
    """Map what is written to a cache in the `with` statement, for the flat files in `folder`.

    Where it `waits`, the end is put off a little to finish; not after an error, nor if `end` was called before. Nothing
    is mapped for a registry that can't be sent to another process, nor where memory is short.
    """
    early = EarlyMapping(cache.root, folder, start=START_BYTES, quiet=QUIET_SECONDS)
    if registry.is_portable and memory() >= LEAST_MEMORY:
        cache.written = early.note
    begun, grace = time.monotonic(), 0.0
    try:
        yield early
        if waits:
            grace = min(GRACE_SECONDS, GRACE_SHARE * (time.monotonic() - begun))
    finally:
        early.end(grace)
