"""The number of neighbours of an indicator in the flat files. One with very many is a hub, which is not followed."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path

from intel_grapher.errors import TransformError
from intel_grapher.fetch.hops import Degrees
from intel_grapher.sql import spilling


def in_files(folder: Path) -> Degrees | None:
    """Return a function from keys to numbers of neighbours in a folder's flat files (`import/`); None without files.

    The files are those of the last transform. The function raises TransformError if they can't be read.
    """
    files = [glob.escape(str(path)) for path in sorted((folder / "relationships").rglob("*.parquet"))]
    if not files:
        return None

    def degrees(keys: Sequence[str]) -> Mapping[str, int]:
        with spilling(
            TransformError, f"{folder} can't be read for what is a hub", "run `intel-grapher transform` again"
        ) as database:
            rows = database.execute(
                """
                WITH asked AS (SELECT unnest(?::VARCHAR[]) AS key),
                     pairs AS (SELECT "start", "end" FROM read_parquet(?, union_by_name = true))
                SELECT key, count(DISTINCT other) FROM (
                    SELECT "start" AS key, "end" AS other FROM pairs WHERE "start" IN (FROM asked)
                    UNION ALL
                    SELECT "end", "start" FROM pairs WHERE "end" IN (FROM asked)
                ) GROUP BY key
                """,
                [list(keys), files],
            ).fetchall()
        return dict(rows)

    return degrees
