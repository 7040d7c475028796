"""A Spark session for one transform: the cluster is checked before, its messages are kept off the terminal.

Spark's own settings come from where its users have them (`spark-defaults.conf` by SPARK_CONF_DIR, PYSPARK_SUBMIT_ARGS).
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from intel_grapher.errors import TransformError, UsageError
from intel_grapher.unused import bring_back

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

PATIENCE: Final = 120.0  # seconds without a task that runs
POLL: Final = 0.2  # seconds
CONNECT: Final = 5.0  # seconds
CONNECT_PORT: Final = 15002
MASTERS: Final = "local[2], spark://HOST:7077, yarn, k8s://…, or sc://HOST:15002 for Spark Connect"
_MASTER: Final = re.compile(r"local(\[(\d+|\*)(,\d+)?\])?|(spark|k8s|sc)://\S+|yarn")
_SETTINGS: Final = {
    "spark.app.name": "intel-grapher transform",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "WARN",
}
_SQL_SETTINGS: Final = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": "32768",
    "spark.sql.execution.arrow.maxBytesPerBatch": "2147483647",  # else a batch is measured anew at each row: quadratic
    "spark.sql.execution.useObjectHashAggregateExec": "false",  # rows come sorted, and are wanted sorted
}
_MISSING: Final = re.compile(r"No module named '([\w.]+)'")
_CAUSE: Final = re.compile(r"^(?:[\w.]+\.)?(\w*(?:Error|Exception|Killed\w*)): (.+)$", re.MULTILINE)


class Cluster:
    """A Spark session at work. `total` counts tasks that are planned; `progress` is told how many are done."""

    def __init__(self, spark: SparkSession, progress: Callable[[str, int, int], None]) -> None:
        self.spark = spark
        self._progress = progress
        self._seen: set[int] = set()  # stages of earlier steps

    @property
    def is_remote(self) -> bool:
        """Whether the session is one of Spark Connect, which tells nothing of its tasks."""
        return "connect" in type(self.spark).__module__

    def over(self, tasks: int, function: Callable[[Iterator[Any]], Iterator[Any]], schema: str) -> DataFrame:
        """Return the rows that a function yields for the numbers of tasks, each run by itself."""
        return self.mapped(self.spark.range(0, tasks, 1, tasks), function, schema)

    def mapped(self, rows: DataFrame, function: Callable[[Iterator[Any]], Iterator[Any]], schema: str) -> DataFrame:
        """Return the rows that a function makes of the Arrow batches of each partition."""
        return rows.mapInArrow(lambda batches: function(batches), schema)  # noqa: PLW0108 - a partial has no name

    def merged(self, rows: DataFrame, keys: Sequence[str], aggregates: Iterable[str], partitions: int) -> DataFrame:
        """Return rows merged by SQL aggregates, sorted by `keys` in partitions by the numbers in the column `part`."""
        from pyspark.sql import functions  # noqa: PLC0415 - an extra

        columns, part = [functions.expr(text) for text in aggregates], functions.col("part")
        if self.is_remote:  # Sail has no partitions by number, and groups by a hash of all keys
            merged = rows.groupBy(*keys).agg(*columns).repartition(partitions, part)
        else:
            merged = rows.repartitionById(partitions, part).groupBy(*keys).agg(*columns)
        return merged.sortWithinPartitions(*keys)

    def collected(self, step: str, frames: Sequence[DataFrame], tasks: int) -> list[list[Row]]:
        """Return the rows of frames that are made at the same time, by `tasks` tasks in all."""
        if not frames:
            return []
        with ThreadPoolExecutor(len(frames)) as pool:
            futures = [pool.submit(frame.collect) for frame in frames]
            try:
                self._watch(step, futures, tasks)
            except BaseException:
                self._cancel()
                raise
            return [future.result() for future in futures]

    def _watch(self, step: str, futures: Sequence[Future[list[Row]]], tasks: int) -> None:
        """Wait for jobs, and tell how far they are. Raises TransformError where no worker takes a task."""
        idle, stages = 0.0, set[int]()
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, POLL, FIRST_EXCEPTION)
            if any(future.exception() for future in done):
                return
            if self.is_remote:
                continue
            tracker = self.spark.sparkContext.statusTracker()
            stages |= set(tracker.getActiveStageIds()) - self._seen
            known = [info for stage in stages if (info := tracker.getStageInfo(stage))]
            completed = sum(info.numCompletedTasks for info in known)
            self._progress(step, min(completed, tasks), tasks)
            idle = (
                0.0
                if not known or any(info.numActiveTasks or info.numCompletedTasks for info in known)
                else idle + POLL
            )
            if idle > PATIENCE:
                raise TransformError(
                    f"no worker of {self.spark.sparkContext.master} has taken a task for {PATIENCE:.0f} seconds: see "
                    "that workers are up, and have the memory that spark.executor.memory asks for"
                )
        self._seen |= stages

    def _cancel(self) -> None:
        with suppress(Exception):
            self.spark.interruptAll() if self.is_remote else self.spark.sparkContext.cancelAllJobs()


@contextmanager
def connected(master: str, progress: Callable[[str, int, int], None]) -> Iterator[Cluster]:
    """Yield a session on the cluster with that master URL. A session of this process's own is used where there is one.

    Raises UsageError for a URL that is none, and where pyspark is not installed; TransformError where Java or the
    cluster is missing.
    """
    check(master)
    bring_back()  # pyspark asks whether numpy is there
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of pandas 3, which mapInArrow does not use
        from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra

        active = SparkSession.getActiveSession()
        if active is not None:
            own = active.newSession()  # with settings of its own
            for name, value in _SQL_SETTINGS.items():
                own.conf.set(name, value)
            with _in_plain_words():
                yield Cluster(own, progress)
            return
        descriptor, log = tempfile.mkstemp(prefix="intel-grapher-spark-", suffix=".log")
        spark = None
        try:
            with _heard_by(descriptor), _own_interrupts():
                spark = _started(master, SparkSession)
            with _in_plain_words(), _without_py4j_logs():
                yield Cluster(spark, progress)
        except TransformError as failure:
            raise TransformError(f"{failure}. Spark's messages are in {log}") from failure
        except BaseException:
            _remove(log)
            raise
        else:
            _remove(log)
        finally:
            os.close(descriptor)
            if spark is not None:
                with suppress(Exception):
                    spark.stop()


def check(master: str) -> None:
    """Raise UsageError or TransformError where a transform on the cluster of that URL can't be begun."""
    if not _MASTER.fullmatch(master):
        raise UsageError(f"{master!r} is no master of Spark: it is {MASTERS}")
    try:
        import pyspark  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise UsageError("--engine spark takes the package pyspark: pip install 'intel-grapher[spark]'") from error
    scheme = master.partition("://")[0]
    if scheme != "sc" and not _java():
        raise TransformError("Spark takes Java 17 or newer, and there is none: install one, or set JAVA_HOME")
    if scheme in {"spark", "sc"}:
        first = urlsplit(master.partition(",")[0].partition(";")[0])
        try:
            host, port = first.hostname, first.port or (CONNECT_PORT if scheme == "sc" else 7077)
        except ValueError as error:
            raise UsageError(f"{master!r} is no master of Spark: {error}") from error
        if "," not in master:
            try:
                socket.create_connection((host, port), CONNECT).close()
            except OSError as error:
                raise TransformError(f"no Spark answers at {master} ({error.strerror or error})") from error


def _java() -> bool:
    home = os.environ.get("JAVA_HOME")
    return shutil.which(str(Path(home, "bin", "java")) if home else "java") is not None


def _started(master: str, session: Any) -> SparkSession:  # noqa: ANN401 - pyspark is an extra
    """Return a new session. The executors run this Python, unless PYSPARK_PYTHON names theirs."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = session.builder.remote(master) if master.startswith("sc://") else session.builder.master(master)
    settings = _SQL_SETTINGS if master.startswith("sc://") else _SETTINGS | _SQL_SETTINGS
    if master.startswith("local"):
        settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    for name, value in settings.items():
        builder = builder.config(name, value)
    try:
        made: SparkSession = builder.getOrCreate()
    except Exception as failure:
        raise TransformError(f"Spark can't be started on {master}: {_plain(str(failure))}") from failure
    return made


@contextmanager
def _heard_by(descriptor: int) -> Iterator[None]:
    """Let a process that the block starts write its errors to a file: Java and Spark say much that is no error."""
    own = os.dup(2)
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        os.dup2(own, 2)
        os.close(own)


@contextmanager
def _own_interrupts() -> Iterator[None]:
    """Keep the handler of Ctrl-C, which a session replaces by one that may call Java within a call of Java."""
    if current_thread() is not main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def _without_py4j_logs() -> Iterator[None]:
    """Leave out what py4j logs of calls that an interrupt has ended."""

    def is_wanted(record: logging.LogRecord) -> bool:
        return "py4j" not in record.pathname

    loggers = logging.getLogger(), logging.getLogger("py4j"), logging.getLogger("py4j.clientserver")
    for logger in loggers:
        logger.addFilter(is_wanted)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_wanted)


def _remove(log: str) -> None:
    with suppress(OSError):
        Path(log).unlink()


@contextmanager
def _in_plain_words() -> Iterator[None]:
    """Turn an error of Spark's into TransformError."""
    try:
        yield
    except Exception as failure:
        if not type(failure).__module__.startswith(("pyspark", "py4j", "grpc")):
            raise
        raise TransformError(_plain(str(failure))) from failure


def _plain(failure: str) -> str:
    """Return what of Spark's text says why a job failed."""
    missing = _MISSING.search(failure)
    if missing:
        return (
            f"the executors' Python has no package {missing[1]}: install intel-grapher there, name another Python with "
            "PYSPARK_PYTHON, or send an environment with spark.archives (docs/scale.md)"
        )
    causes = [
        f"{name}: {text}" for name, text in _CAUSE.findall(failure) if name not in {"PythonException", "SparkException"}
    ]
    said = causes[-1] if causes else failure.strip().partition("\n")[0]
    if "FileNotFoundError" in said or "CacheError" in said:
        said += " (data and import must be folders that all machines of the cluster share, under one path)"
    return f"a Spark job failed: {said[:400].rstrip('.')}"
