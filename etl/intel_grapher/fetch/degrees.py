"""How many neighbours an indicator has in the graph: what has very many is a hub, and leads nowhere."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path

from intel_grapher.errors import TransformError
from intel_grapher.fetch.hops import Degrees
from intel_grapher.sql import spilling


def in_files(folder: Path) -> Degrees | None:
    """Return the degrees as the flat files in a folder (`import/`) have them; None where there are none.

    The files are a projection of the cache as of the last transform. What is returned raises TransformError where they
    can't be read.
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
