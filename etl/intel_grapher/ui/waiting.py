"""Edits that wait while another process writes to the cache, as a fetch does: kept on disk, then added in their order.

data/waiting/TIME-NUMBER-ID.json    one stated entry
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from intel_grapher import disk
from intel_grapher.analyst import journal
from intel_grapher.analyst.entries import AnalystEntry
from intel_grapher.analyst.journal import StoredEntry
from intel_grapher.analyst.overrides import replies
from intel_grapher.cache import Cache
from intel_grapher.errors import BusyError, CacheError, GrapherError

FOLDER = "waiting"
RETRY = 0.4  # seconds between two attempts at the cache
RETRY_AFTER_FAULT = 5.0


class WaitingEdits:
    """Takes edits at any time. `added` is called, from a thread of this class's, after some that waited were added.

    `fault` says why those that wait can't be added; empty while they only wait for another process.
    """

    def __init__(self, data: Path, added: Callable[[], None]) -> None:
        self.fault = ""
        self._unreadable = ""
        self._data = data
        self._added = added
        self._numbers = itertools.count()
        self._taking = threading.Lock()
        self._awake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="waiting edits", daemon=True)
        self._thread.start()

    def take(self, entries: Sequence[AnalystEntry]) -> tuple[list[StoredEntry], bool]:
        """Return the entries as they are kept, and whether they wait. They are durable in either case.

        Raises UsageError where one can't be said: none is kept then.
        """
        with self._taking, Cache(self._data) as cache:
            queued = self.listed()
            stated = journal.stated(cache, entries, [each.id for each in queued])
            if not queued:
                with suppress(BusyError):
                    journal.write(cache, stated)
                    return stated, False
            folder = disk.refuse_links(self._data, FOLDER)
            with disk.failing(folder, CacheError, "The edit was not kept."):
                folder.mkdir(parents=True, exist_ok=True)
                for each in stated:
                    name = f"{time.time_ns():020}-{next(self._numbers):06}-{each.id}.json"
                    disk.write_atomically(folder / name, msgspec.json.encode(each))
        self._awake.set()
        return stated, True

    def listed(self) -> list[StoredEntry]:
        """Return the entries that wait, the oldest first."""
        return [entry for _, entry in self._files()]

    def close(self) -> None:
        """End the thread. What waits is added when a page is served the next time."""
        self._closed = True
        self._awake.set()
        self._thread.join(5)

    def _files(self) -> list[tuple[Path, StoredEntry]]:
        """Return the entries that wait with their files. A file that is none is passed over, and told as a fault."""
        found, unreadable = [], []
        for path in sorted((self._data / FOLDER).glob("*.json")):
            try:
                found.append((path, msgspec.json.decode(path.read_bytes(), type=StoredEntry)))
            except FileNotFoundError:  # another page of this cache has added it meanwhile
                continue
            except (OSError, msgspec.MsgspecError) as wrong:
                unreadable.append(f"{path} is no edit that waits ({wrong}): move it away")
        self._unreadable = "; ".join(unreadable)
        return found

    def _run(self) -> None:
        pause: float | None = 0.0
        while not self._closed:
            self._awake.wait(pause)
            self._awake.clear()
            pause = self._attempt()

    def _attempt(self) -> float | None:
        """Add what waits; return the seconds until the next attempt, None if nothing waits."""
        try:
            if self._add_all():
                self._added()
        except BusyError:
            return RETRY
        except (GrapherError, OSError, msgspec.MsgspecError) as wrong:
            self.fault = str(wrong)
            return RETRY_AFTER_FAULT
        self.fault = self._unreadable
        return None

    def _add_all(self) -> int:
        if not (self._data / FOLDER).is_dir() or not self._files():
            return 0
        with Cache(self._data) as cache:
            files = self._files()
            there = {reply.key for reply, _ in replies(cache)}  # those of an attempt that was killed in between
            journal.write(cache, [entry for _, entry in files if entry.id not in there])
            for path, _ in files:
                path.unlink(missing_ok=True)
        return len(files)
