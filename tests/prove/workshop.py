"""What each section of the proof works with: a tally, a folder, repeatable chance, and calls that fail."""

from __future__ import annotations

import ctypes
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import world
from powercut import Disk, Recording


@dataclass
class Tally:
    """How many faults were injected, and what was lost, a line each."""

    injected: int = 0
    lost: list[str] = field(default_factory=list)
    note: str = ""

    def add(self, fault: str, wrong: str) -> None:
        """Count a fault; `wrong` says what it cost, and is empty where it cost nothing."""
        self.injected += 1
        if wrong:
            self.lost.append(f"{fault}: {wrong}"[:1500])


class Workshop:
    """A folder to work in, a source of repeatable chance, and the library that makes calls fail."""

    def __init__(self, folder: Path, chance: random.Random, *, thorough: bool) -> None:
        self.home = folder / "home"
        self.snapshot = folder / "snapshot"
        self.chance = chance
        self.thorough = thorough
        self.outbox = folder.parent.with_name("outbox")  # outside of what is counted
        library = os.environ.get("PROVE_LIBRARY")
        self.library = ctypes.CDLL(library) if library else None

    def run(self, work: Callable[[], object]) -> world.Ended:
        """Run a function in a process of its own, without a fault."""
        return world.child(work, self.outbox)

    def result(self, work: Callable[[], object]) -> Any:  # noqa: ANN401 - whatever the function returned
        """Return what a function returns in a process of its own, where it must succeed."""
        ended = self.run(work)
        if ended.code:
            raise RuntimeError(f"{ended.how}: {ended.text}")
        return ended.value

    def faulty(self, work: Callable[[], object], step: int, mode: str, *, once: bool) -> world.Ended:
        """Run a function in a process of its own, with a fault at a step; step 0 only counts."""
        library = self.library
        if library is None:
            raise RuntimeError("no C compiler")

        def disarm() -> int:
            count = int(library.prove_count())
            library.prove_arm(ctypes.c_long(0), b"eio", 0)
            return count

        arm = partial(library.prove_arm, ctypes.c_long(step), mode.encode(), int(once))
        ended = world.child(work, self.outbox, arm, disarm)
        disarm()  # it may have been killed
        return ended

    def recorded(self, work: Callable[[], object]) -> Recording:
        """Run a function, which must succeed, and return what it did to the files of `home`."""
        library, log = self.library, Path(os.environ["PROVE_LOG"])
        if library is None:
            raise RuntimeError("no C compiler")
        before = Disk(self.home)
        os.truncate(log, 0)
        library.prove_record(1)
        try:
            self.result(work)
        finally:
            library.prove_record(0)
        recording = Recording(before, log)
        if lacking := recording.check():
            raise RuntimeError(lacking)
        return recording

    def restore(self) -> None:
        """Put the snapshot back in the place of what is there."""
        world.restore(self.snapshot, self.home)

    def steps(self, total: int, count: int) -> list[int]:
        """Return steps from 1 to `total`: one of each of `count` equal parts; all in a thorough run."""
        if self.thorough or total <= count:
            return list(range(1, total + 1))
        parts = [range(total * part // count, total * (part + 1) // count) for part in range(count)]
        return [self.chance.choice(part) + 1 for part in parts]

    def some(self, things: list[Any], count: int) -> list[Any]:
        """Return a choice of things; all of them in a thorough run."""
        return things if self.thorough or len(things) <= count else self.chance.sample(things, count)
