"""A process that does one task after the other, and is kept for the next: most of a short task would be its start."""

from __future__ import annotations

import atexit
import multiprocessing
import resource
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from intel_grapher.unused import begin, beginning

LARGEST = 1 << 30  # bytes of memory; a process that holds more ends with its task, so that the system has them back
READY = "ready"

Work = Callable[[Connection, Any], None]
"""Does a task, and tells of it by messages, the last of which the caller knows."""


class Worker:
    """A process that was started for tasks. `prepare` makes in it what does them; it must be a module's function."""

    def __init__(self, prepare: Callable[[], Work], name: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, *beginning(prepare)), name=name)
        self._process.start()
        other.close()
        atexit.register(self.terminate)  # else the interpreter would wait for it

    def begin(self, task: object) -> bool:
        """Give it a task as soon as it is ready for one; return False where it has ended instead."""
        try:
            self._connection.recv()  # READY
            self._connection.send(task)
        except (EOFError, OSError):
            return False
        return True

    def receive(self) -> Any:  # noqa: ANN401 - whatever the task tells
        """Return the next message of the task. Raises EOFError where the process has ended before it sent one."""
        try:
            return self._connection.recv()
        except OSError as gone:
            raise EOFError from gone

    def terminate(self) -> None:
        """Make it end, whatever it is at; any thread may."""
        self._process.terminate()

    def close(self) -> None:
        """Wait until it has ended, and let go of it. No other thread may wait for its messages."""
        self.terminate()
        self._process.join(5)
        self._connection.close()
        atexit.unregister(self.terminate)


def _serve(connection: Connection, is_without: bool, prepared: bytes) -> None:  # noqa: FBT001 - as `beginning` gave it
    """Do tasks until the other end is closed, or one has used much memory."""
    work: Work = begin(is_without, prepared)
    while _resident() < LARGEST:
        try:
            connection.send(READY)
            task = connection.recv()
        except (EOFError, OSError):
            return
        work(connection, task)


def _resident() -> int:
    """Return the bytes of memory that this process holds; where the system does not tell, the most it ever held.

    On Linux the most is no help: a process begins with what the one that started it had.
    """
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
