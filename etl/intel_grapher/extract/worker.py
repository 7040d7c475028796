"""The process that reads documents: it gets bytes and gives text, and may do nothing else. `confined` starts it.

Its memory and its time are bounded by the kernel, it may write no file and start no process, and a hook of the
interpreter refuses sockets and everything else that leads out of it: a reader of a document needs none of it.

A request is a line of JSON with `kind` and `size`, then the document. A reply is its length, 8 bytes, then JSON: an
`Extract`, or `{"fault": …}`.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import sys
from contextlib import suppress
from typing import Any, Final

import msgspec

from intel_grapher.errors import BadValue
from intel_grapher.extract.kinds import DocumentKind
from intel_grapher.extract.pages import extract

MEMORY: Final = 1 << 30
"""Bytes of addresses that the process may have."""
SECONDS: Final = 120.0
"""Of processor time for one document."""
TOO_LARGE: Final = f"it needs more than {MEMORY >> 20} MiB of memory to be read"
_REFUSED: Final = ("socket.", "subprocess.", "os.exec", "os.spawn", "os.posix_spawn", "os.fork", "os.system", "urllib.")
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class ReadRequest(msgspec.Struct):
    """The kind of a document and its bytes' number; they follow."""

    kind: DocumentKind
    size: int


def main() -> None:
    """Read documents until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent's to heed
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    _confine()
    while line := requests.readline():
        request = msgspec.json.decode(line, type=ReadRequest)
        content = requests.read(request.size)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # it ends the process: what a parser does can't be interrupted
        reply = _reply(content, request.kind)
        signal.setitimer(signal.ITIMER_PROF, 0)
        replies.write(struct.pack("<Q", len(reply)) + reply)
        replies.flush()
        del content, reply


def _reply(content: bytes, kind: DocumentKind) -> bytes:
    try:
        return msgspec.json.encode(extract(content, kind))
    except BadValue as bad:
        return msgspec.json.encode({"fault": bad.reason})
    except MemoryError:
        return msgspec.json.encode({"fault": TOO_LARGE})
    except Exception as wrong:  # noqa: BLE001 - whatever a parser stumbles over, it is this document's fault
        return msgspec.json.encode(
            {"fault": f"damaged in a way that its reader does not know ({type(wrong).__name__})"}
        )


def _confine() -> None:
    """Bound memory, files and processes, and refuse what a reader of documents has no use for."""
    for what, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        with suppress(OSError, ValueError):  # a limit that this system lacks, or a lower one that is set already
            resource.setrlimit(what, (most, most))
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event.startswith(_REFUSED):
        raise PermissionError(f"a document's reader must not use {event}")
    if event == "open":
        _, mode, flags = arguments
        if (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & _WRITING):
            raise PermissionError("a document's reader must not write")


if __name__ == "__main__":
    main()
