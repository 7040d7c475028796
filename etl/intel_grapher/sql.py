"""DuckDB: connections within a limit of memory, and names, texts and paths as they stand in SQL."""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from intel_grapher.errors import GrapherError

MEMORY = 1 << 30
"""Bytes that a connection of `spilling` uses unless it is told otherwise."""


def connect(memory: int, folder: Path, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """Return a connection that uses `memory` bytes at most; what they do not hold goes to files in `folder`."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory >> 20}MiB",
        "temp_directory": str(folder),
    }
    return duckdb.connect(config=settings if threads is None else settings | {"threads": threads})


@contextmanager
def spilling(
    failure: type[GrapherError], what: str, then: str, *, memory: int = MEMORY
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection that sorts and joins any number of rows; what `memory` bytes do not hold goes to a folder.

    That is the temporary folder. Raises `failure` for any error of DuckDB. Its text says that `what` can't be done,
    and what to do `then`.
    """
    try:
        with (
            tempfile.TemporaryDirectory(prefix="intel-grapher-") as folder,
            connect(memory, Path(folder)) as connection,
        ):
            yield connection
    except duckdb.Error as error:
        full = f"where {tempfile.gettempdir()} is full, TMPDIR names another folder"
        said = str(error).partition("\n")[0]  # the statement follows, which tells a user nothing
        raise failure(f"{what} ({said}): {then}; {full}") from error


def quoted(name: str) -> str:
    """Return a name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def exact(path: Path) -> str:
    """Return a file's path as a SQL literal that names no other file: wildcards in it are escaped."""
    return literal(glob.escape(str(path)))
