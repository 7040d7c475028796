"""A transform that is really killed while it maps, merges and writes: the next run gives the same bytes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from once import Once
from places import SAMPLES
from transforming import adopted, bytes_of, transform

from intel_grapher.cache import Cache

PROGRAM = """
import os, signal, sys
from pathlib import Path
from intel_grapher import disk
from intel_grapher.cache import Cache
from intel_grapher.registry import Registry
from intel_grapher.transform import Options, merge, segments, store, transform, workers

root, where, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
count = 0

def step(name):
    global count
    if name == where:
        count += 1
        if count == number:
            print("killed", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

def before(module, name, label):
    really = getattr(module, name)
    def wrapped(*arguments, **named):
        step(label)
        return really(*arguments, **named)
    setattr(module, name, wrapped)

before(merge.Merger, "rank", "rank")
before(merge.Merger, "merge", "merge")
before(store.Store, "commit", "commit")
before(disk, "write_atomically", "index")
before(disk, "swap_in", "swap")
before(store.Store, "clean", "clean")
workers.INLINE = int(sys.argv[4])
options = Options(processes=2, memory=1 << 30, progress=lambda name, _done, _total: step(name))
transform(Cache(root), root / "import", Registry.installed(), options)
"""


def begun(folder: Path) -> None:
    """Transform two sources, and add two: the next run maps, adds to what was merged, and writes."""
    first, second, *rest = (SAMPLES / name for name in ("internetdb", "otx", "threatcrowd", "virustotal"))
    transform(adopted(folder, first, second), folder / "import")
    adopted(folder, *rest)


@pytest.mark.parametrize(
    ("where", "number"),
    [
        *(("read", number) for number in (1, 20)),
        *(("rank", number) for number in (1, 5)),
        *(("merge", number) for number in (1, 20)),
        *(("write", number) for number in (1, 20)),
        *((where, 1) for where in ("commit", "index", "clean", "swap")),
    ],
)
def test_killed_while_it_works_the_next_run_gives_the_same_bytes(
    tmp_path: Path, once: Once, where: str, number: int
) -> None:
    once.copy("begun", begun, tmp_path)
    before, cache = bytes_of(tmp_path / "import"), Cache(tmp_path)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), where, str(number), str(1 << 40)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if where not in {"read", "rank", "merge", "write"} or number == 1:
        assert (ran.returncode, ran.stdout) == (-signal.SIGKILL, "killed\n"), ran.stderr
        assert bytes_of(tmp_path / "import") == before
    transform(cache, tmp_path / "import")
    transform(cache, tmp_path / "anew")
    assert bytes_of(tmp_path / "import") == bytes_of(tmp_path / "anew")
    assert not list(tmp_path.glob(".import.new*"))


def descendants(parent: int) -> set[int]:
    """Return the ids of all processes that a process has started, and of those that these have."""
    found: set[int] = set()
    waiting = [parent]
    while waiting:
        process = waiting.pop()
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            children = set(map(int, task.read_text().split())) - found
            found |= children
            waiting += children
    return found


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds processes by /proc")
@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_a_transform_that_is_killed(tmp_path: Path, signal_: signal.Signals) -> None:
    adopted(tmp_path, SAMPLES)
    for turn in range(3):
        shutil.rmtree(tmp_path / ".import.stage", ignore_errors=True)
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), "none", "1", "0"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as parent:
            deadline = time.monotonic() + 60
            while len(workers := descendants(parent.pid)) < 2 + turn % 2 and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(0.3 * turn)
            workers |= descendants(parent.pid)
            os.kill(parent.pid, signal_)
        assert workers
        deadline = time.monotonic() + 60
        while (left := set(filter(is_alive, workers))) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not left
