"""Processes that answer a user's Cypher, each within a bound of memory and time.

The embedded engine has queries that it dies of, and others whose memory no setting of its own bounds; a Neo4j may send
any amount. So a user's Cypher never runs in this process: whatever it does is an error to the asker and nothing more. A
process is kept for the next query.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from intel_grapher.ask.values import Answer, ValueReader
from intel_grapher.errors import LoadError, UsageError
from intel_grapher.model import NodeRef
from intel_grapher.neo4j.connection import Server

LEAST_POOL = 64 << 20
LEAST_BESIDE = 256 << 20
_SCRIPT = Path(__file__).with_name("question_process.py")


class Sandbox:
    """The processes of one graph. Any thread may ask; as many queries run at a time as there are threads that ask.

    `graph` is an embedded graph's store, or a Neo4j. `memory` bounds each process, in bytes: of the embedded engine's,
    half is its buffer pool, half is for all else.
    """

    def __init__(self, graph: Path | Server, memory: int) -> None:
        self._graph = graph
        self._memory = memory
        self._idle: list[subprocess.Popen[bytes]] = []
        self._busy: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def ask(self, cypher: str, parameters: Mapping[str, object], *, limit: int, timeout: float) -> Answer:
        """Return the answer to Cypher that was checked to read only.

        Raises UsageError where the engine refuses it, dies of it, or wants more memory or time than it may have,
        LoadError where no Neo4j answers.
        """
        process = self._take()
        try:
            values = {name: _json(value) for name, value in parameters.items()}
            request = {"cypher": cypher, "parameters": values, "limit": limit, "timeout": timeout}
            reply = _exchange(process, request)
        except BaseException:  # an interrupt, too: the process would answer the next question with this one's answer
            self._end(process)
            raise
        if reply is None:
            raise UsageError(self._why_ended(self._end(process), timeout))
        if "ends" in reply:
            self._end(process)
        else:
            with self._lock:
                self._busy.discard(process)
                self._idle.append(process)
        if "lost" in reply:
            raise LoadError(reply["lost"])
        if "larger" in reply:
            raise UsageError(too_large(reply["larger"]))
        if "refused" in reply:
            raise UsageError(reply["refused"])
        if "error" in reply:
            raise UsageError(refusal(reply["error"], timeout, self._memory))
        if "nodes" in reply:
            nodes = [NodeRef(label, key) for label, key in reply["nodes"]]
            return Answer(reply["columns"], reply["rows"], reply["cut"], nodes)
        reader = ValueReader()
        rows = [[reader.plain(value) for value in row] for row in reply["rows"]]
        return Answer(reply["columns"], rows, reply["cut"], reader.nodes)

    @property
    def idle(self) -> list[int]:
        """Return the ids of the processes that wait for a question."""
        with self._lock:
            return [process.pid for process in self._idle]

    def close(self) -> None:
        """End all processes; a query that runs raises UsageError."""
        with self._lock:
            processes = [*self._idle, *self._busy]
        for process in processes:
            self._end(process)

    def _take(self) -> subprocess.Popen[bytes]:
        with self._lock:
            ended = [process for process in self._idle if process.poll() is not None]
        for process in ended:
            self._end(process)
        with self._lock:
            if self._idle:
                process = self._idle.pop()
                self._busy.add(process)
                return process
            arguments = [str(max(self._memory // 2, LEAST_BESIDE))]
            if isinstance(self._graph, Path):
                arguments += [str(self._graph), str(max(self._memory // 2, LEAST_POOL))]
            process = subprocess.Popen(  # noqa: S603 - our own script
                [sys.executable, "-P", str(_SCRIPT), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"MALLOC_ARENA_MAX": "2"},  # an arena a thread would use up the addresses
            )
            self._busy.add(process)
        if isinstance(self._graph, Server):
            _send(process, {"uri": self._graph.uri, "user": self._graph.user, "password": self._graph.password})
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> int:
        """End a process, and return its exit code; below 0, the signal that ended it."""
        with self._lock:
            self._busy.discard(process)
            if process in self._idle:
                self._idle.remove(process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.2)  # one that is ending says by which signal
        process.kill()
        code = process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        return code

    def _why_ended(self, code: int, timeout: float) -> str:
        if code == -signal.SIGALRM:
            return refusal("timeout", timeout, self._memory)
        if code == -signal.SIGKILL:
            return "the query was ended from outside, perhaps for want of memory: ask for less, such as with LIMIT"
        if isinstance(self._graph, Server) and code in {-signal.SIGABRT, -signal.SIGSEGV}:
            return refusal("alloc", timeout, self._memory)  # the driver's codec ends its process so
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return (
            f"the engine died of the query ({how}), which is a fault of the engine; nothing else was touched: ask in"
            " another way, such as without SKIP beyond the last row"
        )


def too_large(size: str) -> str:
    """Return the error text for an answer of more than a size."""
    return f"the answer has more than {size}: ask for less, such as with LIMIT, or for fewer columns"


def refusal(text: str, timeout: float, memory: int) -> str:
    """Return the error text for what an engine said of a query."""
    folded = text.lower()
    if "alloc" in folded or "memorypool" in folded or "memory pool" in folded:
        bound = f"{memory >> 20} MiB of memory" if memory else "memory"
        return f"the query needs more than its {bound}: ask for less, such as with LIMIT, or for fewer columns"
    if "interrupted" in folded or "timed out" in folded or "timeout" in folded:
        return f"the query took longer than {timeout:g} s: ask for less, such as with LIMIT, or give it more time"
    return f"the graph refused the query: {text}"


def _exchange(process: subprocess.Popen[bytes], request: dict[str, Any]) -> dict[str, Any] | None:
    """Return the reply to a request; None where the process ended."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    _send(process, request)
    size = _read(process.stdout, 8)
    body = None if size is None else _read(process.stdout, struct.unpack("<Q", size)[0])
    return None if body is None else json.loads(body)


def _send(process: subprocess.Popen[bytes], message: dict[str, Any]) -> None:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    data = json.dumps(message).encode()
    with suppress(BrokenPipeError):  # it ended while it opened the graph: it said why
        process.stdin.write(struct.pack("<Q", len(data)) + data)
        process.stdin.flush()


def _read(stream: IO[bytes], size: int) -> bytes | None:
    data = stream.read(size)
    return data if len(data) == size else None


def _json(value: object) -> object:
    return (
        {"timestamp": value.astimezone(UTC).replace(tzinfo=None).isoformat()} if isinstance(value, datetime) else value
    )
