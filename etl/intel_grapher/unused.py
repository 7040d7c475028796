"""Packages that no command needs, and that Arrow imports where they are installed.

Arrow imports them for conversions that no command does. That takes a load 0.1 s of CPU, and each process that maps
replies up to 1.3 s. In Python, where a user may want data frames, nothing is left out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

UNUSED = frozenset({"numpy", "pandas"})


class Unused:
    """Finds none of UNUSED, as if they were not installed."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """Raise ModuleNotFoundError for them, and leave all else to others."""
        _ = path, target
        if fullname in UNUSED:
            raise ModuleNotFoundError(f"no command uses {fullname}", name=fullname)


def leave_out() -> None:
    """Leave them out of this process."""
    sys.meta_path.insert(0, Unused())


def bring_back() -> None:
    """Let this process import them after all: for a library that asks whether they are there."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Unused)]


def beginning(prepare: Callable[..., Any], *arguments: object) -> tuple[bool, bytes]:
    """Return arguments of `begin`, which then calls `prepare` with these in a process that this one starts."""
    import pickle  # noqa: PLC0415 - most commands start none

    return any(isinstance(finder, Unused) for finder in sys.meta_path), pickle.dumps((prepare, arguments))


def begin(is_without: bool, prepared: bytes) -> Any:  # noqa: ANN401, FBT001 - it comes as `beginning` gave it
    """Prepare a new process, and return what `prepare` does.

    It leaves out what its parent leaves out, before it imports anything else of ours.
    """
    if is_without:
        leave_out()
    import pickle  # noqa: PLC0415 - likewise

    prepare, arguments = pickle.loads(prepared)  # noqa: S301 - our own, by way of a pipe
    return prepare(*arguments)
