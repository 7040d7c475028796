"""The process in which a user's Cypher is answered, within a bound of memory and time; `sandbox` starts and asks it.

It is run as a script, and imports nothing but the engine, so that it starts quickly. What the engine does to it, it
does to nobody else: a crash ends this process, an allocation over the limit fails, and a query that can't be
interrupted is ended by a timer of the kernel's, also where the parent is gone.

Arguments: how many bytes may be allocated; for the embedded engine also the store, and the bytes of its buffer pool,
which come on top. Messages are JSON with their length, 8 bytes, before them. Without a store, the first message names a
Neo4j: `uri`, `user` and `password`. A request has `cypher`, `parameters`, `limit` and `timeout`; a reply `columns`,
`rows` and `cut`, of a Neo4j also `nodes`, or `error`, or `lost` where no Neo4j answers, with `ends` where the process
ends after it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import ladybug

GRACE = 2.0  # seconds after the time-out; the engine interrupts most queries itself
LARGEST = 64 << 20  # bytes of an answer
MOST = 4_000_000  # values of an answer: each takes some memory, however short it is
THREADS = 4

Message = dict[str, Any]


def main(beside: int, store: str = "", pool: int = 0) -> None:
    """Answer requests until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent's to heed
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    opened = _embedded(store, pool) if store else _neo4j(requests)
    if isinstance(opened, dict):
        _reply(replies, opened)
        return
    _limit(beside)
    while request := _request(requests):
        signal.setitimer(signal.ITIMER_REAL, request["timeout"] + GRACE)
        reply = opened(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _reply(replies, reply)
        if "ends" in reply:
            os._exit(0)  # what the engine holds may be in any state: nothing of it is closed


def _request(requests: BinaryIO) -> Message | None:
    size = requests.read(8)
    found: Message | None = json.loads(requests.read(struct.unpack("<Q", size)[0])) if size else None
    return found


def _embedded(store: str, pool: int) -> Callable[[Message], Message] | Message:
    """Return what answers requests out of a store; a reply where it can't be opened."""
    import ladybug  # noqa: PLC0415 - the other engine does without

    threads = min(os.cpu_count() or 1, THREADS)
    folder = os.path.dirname(store)  # noqa: PTH120 - pathlib costs time to import
    while True:  # until store and overlay are those of one graph: a load may replace both meanwhile
        before = os.stat(folder).st_ino  # noqa: PTH116 - likewise
        try:
            database = ladybug.Database(store, read_only=True, buffer_pool_size=pool, max_num_threads=threads)
            connection = ladybug.Connection(database)
        except RuntimeError as error:
            return {"error": str(error), "ends": True}
        if os.stat(folder).st_ino == before:  # noqa: PTH116
            return lambda request: _answer(connection, request)
        connection.close()
        database.close()


def _neo4j(requests: BinaryIO) -> Callable[[Message], Message] | Message:
    """Return what answers requests out of a Neo4j; a reply where it does not let us in."""
    from intel_grapher.ask.bolt import answer  # noqa: PLC0415 - the other engine does without
    from intel_grapher.errors import LoadError  # noqa: PLC0415
    from intel_grapher.neo4j.connection import Server, connect  # noqa: PLC0415

    server = Server(**(_request(requests) or {}))
    try:
        driver = connect(server)
    except LoadError as error:
        return {"lost": str(error), "ends": True}
    return lambda request: answer(server, driver, request)


def _limit(beside: int) -> None:
    """Let the process allocate so many bytes more. The engine has reserved the addresses of its pool by now."""
    with suppress(OSError, ValueError):  # no such file, or no such limit, on this system
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - pathlib costs time to import
            size = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + beside, size + beside))


def _answer(connection: ladybug.Connection, request: Message) -> Message:
    parameters = {
        name: datetime.fromisoformat(value["timestamp"]) if isinstance(value, dict) else value
        for name, value in request["parameters"].items()
    }
    connection.set_query_timeout(max(1, int(request["timeout"] * 1000)))
    try:
        result: Any = connection.execute(request["cypher"], parameters)
        rows = [_plain(row) for row in result.get_n(request["limit"])]
        return {"columns": result.get_column_names(), "rows": rows, "cut": result.has_next()}
    except MemoryError:
        return {"error": "bad_alloc", "ends": True}
    except RuntimeError as error:  # LadybugDB raises RuntimeError for everything
        text = str(error)
        return {"error": text} | ({"ends": True} if "alloc" in text else {})


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of the engine
    """Return a value as JSON has it: timestamps in ISO 8601, what JSON does not know as text."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value)


def _reply(replies: BinaryIO, reply: Message) -> None:
    try:
        data = json.dumps(reply, default=str).encode()
    except MemoryError:
        data = b'{"error": "bad_alloc", "ends": true}'
    if len(data) > LARGEST:
        data = json.dumps({"larger": f"{LARGEST >> 20} MiB"}).encode()
    elif data.count(b",") > MOST:
        data = json.dumps({"larger": f"{MOST:,} values"}).encode()
    replies.write(struct.pack("<Q", len(data)) + data)
    replies.flush()


if __name__ == "__main__":
    given = [*sys.argv[1:], "", "0"]
    main(int(given[0]), given[1], int(given[2]))
