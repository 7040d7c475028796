"""Running of statements that write, by the engine in a process of its own: on a full disk, it may end its process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from intel_grapher.load.embedded.store import LEAST_POOL

_SCRIPT = Path(__file__).with_name("engine_process.py")
_LITTLE = 256 << 20  # bytes of a disk: less may be what a statement failed for


class WriteStatement(NamedTuple):
    """A statement in the engine's Cypher, and how many rows it writes."""

    text: str
    rows: int = 0


def run(
    store: Path, statements: Sequence[WriteStatement], memory: int, *, to_log: bool = False, threads: int = 0
) -> Iterator[int]:
    """Run statements on a store, made where there is none; yield the rows of each when it is done.

    With `to_log` all that is written stays in the log beside the store, which is not touched; COPY can't be among the
    statements then. `threads` is how many the engine has, 0: one for each processor. Raises RuntimeError, with the
    engine's text, or with how the process ended.
    """
    arguments = [str(store), str(max(memory, LEAST_POOL)), str(os.getpid()), str(int(to_log)), str(threads)]
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-P", str(_SCRIPT), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            with suppress(BrokenPipeError):  # it has ended, and says why
                process.stdin.write("".join(json.dumps(each.text) + "\n" for each in statements))
                process.stdin.close()
            for rows in (*(each.rows for each in statements), 0):  # the last line says that the store is closed
                line = process.stdout.readline().strip()
                if line != "done":
                    raise RuntimeError(_why(json.loads(line) if line else "", process, store))
                yield rows
        finally:
            process.kill()


def _why(text: str, process: subprocess.Popen[str], store: Path) -> str:
    """Return why it failed: what the engine said, or how it ended; and the room left, where that is little."""
    if not text:
        code = process.wait()
        text = f"the engine ended with {signal.Signals(-code).name if code < 0 else code}"
        if code == -signal.SIGABRT:
            text += ", which it does where the disk has no room"
        if code == -signal.SIGKILL:
            text += ", perhaps for want of memory"
    free = shutil.disk_usage(store.parent).free
    return text if free >= _LITTLE else f"{text}; {free >> 20} MiB of room are left on that disk: free some"
