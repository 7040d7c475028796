"""An engine for what may be larger than memory: within a limit, and the rest goes to the temporary folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from intel_grapher.errors import GrapherError

MEMORY = "1GiB"


@contextmanager
def spilling(failure: type[GrapherError], what: str, then: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an engine in which any number of rows can be sorted and joined.

    Raises `failure` for what goes wrong in it: `what` can't be done, and what to do `then`.
    """
    try:
        with (
            tempfile.TemporaryDirectory(prefix="intel-grapher-") as folder,
            duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": folder}) as connection,
        ):
            yield connection
    except duckdb.Error as wrong:
        full = f"where {tempfile.gettempdir()} is full, TMPDIR names another folder"
        said = str(wrong).partition("\n")[0]  # the statement follows, which tells a user nothing
        raise failure(f"{what} ({said}): {then}; {full}") from wrong
