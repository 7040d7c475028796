"""The number of neighbours of an indicator in the flat files. One with very many is a hub, which is not followed."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from intel_grapher.errors import NoFilesError, TransformError
from intel_grapher.fetch.hops import Degrees
from intel_grapher.files import Files
from intel_grapher.sql import spilling


def in_files(folder: Path) -> Degrees | None:
    """Return a function from keys to numbers of neighbours in a folder's flat files (`import/`); None without files.

    The files are those of the last transform. Raises TransformError if they can't be read, and so does the function.
    """
    files = Files(folder)
    try:
        groups = [group for group, _ in files.manifest().groups() if group.type and files.has(group)]
    except NoFilesError:
        return None
    if not groups:
        return None

    @cache
    def paths() -> list[str]:
        """Return the files; those of a set in a store come now."""
        return [glob.escape(str(path)) for group in groups for path in files.parts(group)]

    def degrees(keys: Sequence[str]) -> Mapping[str, int]:
        with spilling(
            TransformError, f"{files} can't be read for what is a hub", "run `intel-grapher transform` again"
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
                [list(keys), paths()],
            ).fetchall()
        return dict(rows)

    return degrees
