"""Retired segments of a mirror, which others took the place of: they stay for a day, for who has begun to read them.

data/raw/threatcrowd/domain/000001-1-9f86d081884c7d65.jsonl.zst              until it is retired
data/retired/raw/threatcrowd/domain/000001-1-9f86d081884c7d65.jsonl.zst      from then on
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from intel_grapher import disk

FOLDER: Final = "retired"
SECONDS: Final = 86_400.0


def place_of(path: Path) -> Path:
    """Return where a segment lies when it is retired."""
    root = path.parents[3]
    return root / FOLDER / path.relative_to(root)


def retire(path: Path) -> None:
    """Move a segment to where only those look who have listed it before. Raises OSError."""
    place = place_of(path)
    root = path.parents[3]
    disk.refuse_links(root, *place.parent.relative_to(root).parts).mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):  # another process has
        os.utime(path)
        path.rename(place)


def clean(root: Path) -> None:
    """Remove what has been retired for so long that nobody reads it any more. Raises OSError."""
    for path in root.glob(f"{FOLDER}/*/*/*/*"):
        with suppress(FileNotFoundError):
            if path.lstat().st_mtime < time.time() - SECONDS:
                path.unlink()
