"""A Spark to test with: in this process, or a cluster of its own processes on the loopback address."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from ports import free_port

QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Options of Java that halve what little work costs, and slow down much of it."""


def require() -> None:
    """Skip the test where there is no pyspark: its package is half a gigabyte."""
    pytest.importorskip("pyspark", reason="NO SPARK TO TEST WITH: pip install -r tests/requirements-spark.txt")


class SparkProcesses:
    """A standalone master and its workers, each a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.master = f"spark://127.0.0.1:{free_port()}"

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a class of Spark's."""
        import pyspark  # noqa: PLC0415 - not everywhere

        home = Path(pyspark.__file__).parent
        environment = os.environ | {
            "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": QUICK, "SPARK_WORKER_DIR": str(self.folder), "PYSPARK_PYTHON": sys.executable,
        }  # fmt: skip
        with (self.folder / f"{len(self._processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(home / "bin" / "spark-class"), *arguments],
                env=environment, stdout=log, stderr=log, cwd=self.folder,
            )  # fmt: skip
        self._processes.append(process)
        return process

    def executors(self) -> list[int]:
        """Return the processes that run tasks: those that the workers have started."""
        ours = {process.pid for process in self._processes}
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has ended
                if int(path.read_text().rpartition(")")[2].split()[1]) in ours:
                    found.append(int(path.parent.name))
        return sorted(found)

    def end(self) -> None:
        """End all of them; workers end their executors."""
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            process.wait()


@contextmanager
def standalone(folder: Path, workers: int = 2) -> Iterator[SparkProcesses]:
    """Give a cluster of a master and workers with one core each."""
    cluster = SparkProcesses(folder)
    port = cluster.master.rpartition(":")[2]
    try:
        cluster.start(
            "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", "0"
        )
        _answering(int(port))
        for _ in range(workers):
            cluster.start(
                "org.apache.spark.deploy.worker.Worker", cluster.master,
                "--host", "127.0.0.1", "--webui-port", "0", "-c", "1", "-m", "1G",
            )  # fmt: skip
        yield cluster
    finally:
        cluster.end()


def _answering(port: int) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
