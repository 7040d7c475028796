"""Reading a document in a process of its own, within a bound of memory and time, without network, files or programs.

The process is kept for the next document. One that dies of a document, or of its bounds, is that document's fault.
"""

from __future__ import annotations

import atexit
import os
import signal
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from intel_grapher.errors import BadValue
from intel_grapher.extract import worker
from intel_grapher.extract.kinds import DocumentKind
from intel_grapher.extract.pages import Extract


class _Fault(msgspec.Struct):
    fault: str


_lock = threading.Lock()
_process: subprocess.Popen[bytes] | None = None


def extracted(content: bytes, kind: DocumentKind) -> Extract:
    """Return the text of a document. Raises BadValue where it can't be read within the bounds, or not at all."""
    with _lock:
        process = _running()
        try:
            reply = _exchange(process, content, kind)
        except BaseException:  # an interrupt, too: the process would answer the next document with this one's text
            _end()
            raise
        if reply is None:
            raise BadValue(_why_ended(_end()))
    try:
        return msgspec.json.decode(reply, type=Extract)
    except msgspec.ValidationError:
        raise BadValue(msgspec.json.decode(reply, type=_Fault).fault) from None


def _running() -> subprocess.Popen[bytes]:
    global _process  # noqa: PLW0603 - one for all documents of this process
    if _process is not None and _process.poll() is not None:
        _end()
    if _process is None:
        _process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-P", str(Path(worker.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"MALLOC_ARENA_MAX": "2"},
        )
        atexit.register(_end)
    return _process


def _exchange(process: subprocess.Popen[bytes], content: bytes, kind: DocumentKind) -> bytes | None:
    """Return the reply for a document; None where the process ended."""
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    with suppress(BrokenPipeError):  # it ended: no reply will come
        process.stdin.write(msgspec.json.encode(worker.ReadRequest(kind, len(content))) + b"\n")
        process.stdin.write(content)
        process.stdin.flush()
    size = _taken(process.stdout, 8)
    return None if size is None else _taken(process.stdout, struct.unpack("<Q", size)[0])


def _taken(stream: IO[bytes], size: int) -> bytes | None:
    data = stream.read(size)
    return data if len(data) == size else None


def _end() -> int:
    """End the process, and return its exit code; below 0, the signal that ended it."""
    global _process
    process, _process = _process, None
    if process is None:
        return 0
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.5)  # one that is ending says by which signal; an idle one ends with its input
    process.kill()
    return process.wait()


def _why_ended(code: int) -> str:
    if code == -signal.SIGPROF:
        return f"it takes more than {worker.SECONDS:.0f} s of processor time to be read"
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"its reader died of it ({how}), perhaps for want of memory"
