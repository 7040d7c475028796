"""Folders that are made once in a run of the tests, though several processes run them."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path


class Once:
    """Folders by name, each made by the first who wants a copy of it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def copy(self, name: str, make: Callable[[Path], object], to: Path) -> Path:
        """Make `to` a copy of the folder of that name, which `make` fills if nobody has yet; return `to`."""
        model, made = self._root / f"once-{name}", self._root / f"once-{name}.made"
        with (self._root / f"once-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                shutil.rmtree(model, ignore_errors=True)
                model.mkdir()
                make(model)
                made.touch()
        return Path(shutil.copytree(model, to, symlinks=True, dirs_exist_ok=True))
