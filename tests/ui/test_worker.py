"""The process that does one task after the other, and is kept for the next."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection
from typing import Any

import pytest

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
