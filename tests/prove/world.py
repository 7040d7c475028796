"""A small world to break: a cache, its files and its graph in one folder, and what must be true of them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intel_grapher.cache import Cache, Entry, compact, verify
from intel_grapher.errors import GrapherError
from intel_grapher.files import Files
from intel_grapher.load import Embedded, load, open_embedded
from intel_grapher.load import verify as load_verify
from intel_grapher.load.embedded import overlay
from intel_grapher.registry import Registry
from intel_grapher.transform import Options, transform

SEGMENT = 1200
MEMORY = 128 << 20
SECONDS = 180
REAPED = 30  # seconds until what a process has started must have ended, too
DONE, TOLD, UNCAUGHT, LEFT = 0, 10, 11, 12

Arm = Callable[[], None]


def body(number: int) -> bytes:
    addresses = [
        {"ip_address": f"198.51.100.{(number * 7 + each) % 250 + 1}", "last_resolved": f"2020-01-{each + 1:02}"}
        for each in range(3)
    ]
    return json.dumps(
        {
            "response_code": "1",
            "resolutions": addresses,
            "emails": [f"u{number}@example.net"],
            "subdomains": [f"a{number}.name{number}.example.org"],
        }
    ).encode()


def entry(number: int) -> Entry:
    return Entry(
        source="threatcrowd",
        endpoint="domain",
        key=f"name{number}.example.org",
        fetched_at=1_700_000_000 + number,
        status=200,
        body=body(number),
    )


def add(data: Path, numbers: range) -> None:
    """Add replies that are not there yet, in small segments."""
    with Cache(data, SEGMENT) as cache, cache.writer("prove") as writer:
        for number in numbers:
            writer.place(entry(number))


def shrink(data: Path) -> None:
    with Cache(data, SEGMENT) as cache, cache.writer("prove") as writer:
        compact(cache, writer)


def records(data: Path) -> Counter[tuple[str, bytes]]:
    """Return the replies that can be read, with their keys."""
    with Cache(data) as cache:
        return Counter(
            (envelope.key, bytes(envelope.content))
            for segment in cache.segments()
            for envelope in segment.envelopes(lambda _: None)
        )


def problems(data: Path) -> list[str]:
    with Cache(data) as cache:
        return [f"{problem.where}: {problem.what}" for problem in verify(cache)]


def make_files(home: Path) -> None:
    with Cache(home / "data") as cache:
        transform(cache, home / "import", Registry.installed(), Options(processes=1))


def make_graph(home: Path) -> None:
    load(Files(home / "import"), Embedded(home / "graph", MEMORY))


def make_overlay(home: Path) -> None:
    """Load as `make_graph` does, but for that the graph is not too small for an overlay."""
    overlay.LEAST = 0
    make_graph(home)


def differences(home: Path) -> list[str]:
    """Return how the embedded graph differs from the files, read back as a whole."""
    return load_verify(Files(home / "import"), Embedded(home / "graph", MEMORY)).differences()


def counts(home: Path) -> list[int]:
    """Return the nodes and the relationships of the embedded graph."""
    with open_embedded(home / "graph", memory=MEMORY) as graph:
        found: list[int] = []
        for query in ("MATCH (n) RETURN count(n)", "MATCH ()-[r]->() RETURN count(r)"):
            answer: Any = graph.connection.execute(query)
            found.append(answer.get_next()[0])
        return found


def contents(folder: Path) -> dict[str, str]:
    """Return the digest of each file below a folder, and the target of each link."""
    return {
        str(path.relative_to(folder)): (
            f"-> {path.readlink()}" if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
        )
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def restore(snapshot: Path, home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(snapshot, home, symlinks=True)


@dataclass(frozen=True)
class Ended:
    """How a child process ended: an exit code (a signal's is negative), and what it returned or raised, as text."""

    code: int
    text: str

    @property
    def value(self) -> Any:  # noqa: ANN401 - whatever the function returned
        return json.loads(self.text)

    @property
    def how(self) -> str:
        known = {DONE: "done", TOLD: "told", UNCAUGHT: "uncaught", LEFT: "left", -signal.SIGKILL: "killed"}
        known[-signal.SIGALRM] = "hung"
        return known.get(self.code, f"signal {-self.code}")


def child(work: Callable[[], object], outbox: Path, before: Arm | None = None, after: Callable[[], int] = int) -> Ended:
    """Run a function in a process of its own; its result is JSON. `before` runs in it first, `after` last."""
    outbox.unlink(missing_ok=True)
    process = os.fork()
    if process == 0:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        signal.alarm(SECONDS)
        code, text = DONE, ""
        try:
            if before is not None:
                before()
            result = work()
            text = json.dumps(after() if before is not None else result)
        except GrapherError as error:
            code, text = TOLD, f"{type(error).__name__}: {error}"
        except BaseException:  # noqa: BLE001 - whatever it is, it is the finding
            code, text = UNCAUGHT, traceback.format_exc()[-1500:]
        if before is not None:
            after()
        outbox.write_text(text, errors="replace")
        os._exit(code)
    _, status = os.waitpid(process, 0)
    if not _all_ended():
        return Ended(LEFT, "a process that it had started went on without it")
    return Ended(os.waitstatus_to_exitcode(status), outbox.read_text() if outbox.exists() else "")


def _all_ended() -> bool:
    """Wait for the processes that a child has started, which are this one's when it has ended; False if one goes on."""
    until = time.monotonic() + REAPED
    with suppress(ChildProcessError):
        while time.monotonic() < until:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
        return False
    return True
