"""The process that does one task after the other, and is kept for the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from intel_grapher.ui import worker
from intel_grapher.ui.worker import Work, Worker


def prepared() -> Work:
    return done


def done(connection: Connection, task: Any) -> None:  # noqa: ANN401 - whatever it is given
    if task == "large":
        worker.LARGEST = 0
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    connection.send(os.getpid())


def test_one_process_does_many_tasks_and_is_replaced_where_it_has_ended() -> None:
    first = Worker(prepared, "first")
    assert first.begin("one")
    pid = first.receive()
    assert first.begin("two")
    assert first.receive() == pid != os.getpid()
    assert first.begin("large")
    assert first.receive() == pid
    assert not first.begin("three"), "it has used much memory, and has ended"
    first.close()
    second = Worker(prepared, "second")
    assert second.begin("die")
    with pytest.raises(EOFError):
        second.receive()
    assert not second.begin("four")
    second.close()


def test_one_that_waits_is_ended_by_any_thread() -> None:
    waiting = Worker(prepared, "waiting")
    assert waiting.begin("one")
    waiting.receive()
    waiting.terminate()
    assert not (waiting.begin("two") and waiting.begin("three"))
    waiting.close()


def test_a_process_begins_however_much_the_one_that_started_it_has_held(tmp_path: Path) -> None:
    program = """
import resource
from intel_grapher.ui.worker import Worker
from test_worker import prepared
if __name__ == "__main__":
    large = bytearray(1 << 30)
    del large
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 1 << 20
    worker = Worker(prepared, "one")
    assert worker.begin("one")
    worker.close()
"""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(ROOT / each) for each in ("etl", "tests/ui", "tests/support"))
    }
    path = tmp_path / "program.py"
    path.write_text(program)
    subprocess.run([sys.executable, str(path)], check=True, timeout=60, env=environment)
