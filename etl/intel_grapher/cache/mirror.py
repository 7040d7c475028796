"""The mirror of a store: an ordinary cache on this machine, brought up to date before it is read, and pushed from.

    ~/.local/share/intel-grapher/stores/bucket-prefix-1a2b3c4d/
      store.url                                   the URL
      data/                                       the mirror: a cache's folder like any other
      data/listing/                               copies of the listing's pages

`pull` brings the closed segments that the mirror lacks, and retires those that others took the place of. `push` closes
what is open, writes the segments that the store lacks, and then lets the listing name them. A command that is killed,
or that the store fails, leaves its replies in the mirror, and the next one that writes there pushes them. Two machines
may give two segments one number: they keep their names, which have a checksum, and number and name tell their order
everywhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Final

from intel_grapher import disk
from intel_grapher.cache import retired
from intel_grapher.cache.envelope import ALL_AREAS
from intel_grapher.cache.listing import PAGES, Listed, Listing, SharedListing
from intel_grapher.cache.segment import Segment, list_segments
from intel_grapher.cache.writer import Writer
from intel_grapher.errors import CacheError, GrapherError, NotPushedError, StoreError
from intel_grapher.objects import GRACE_SECONDS, Objects, remember, url_of

PUSH_SECONDS: Final = 300.0
"""So often a command that goes on writing pushes: what a machine that never comes back can take along."""
FRESH_SECONDS: Final = 5.0
"""So long what was pulled is read without asking the store again."""
_SLOW_SECONDS: Final = GRACE_SECONDS / 7
_THREADS: Final = 8
_BATCH: Final = 8
"""Segments that are in memory at once: 32 MiB each, or less."""
_PROOF: Final = "proven"
_STORE: Final = "store"
_pulled: dict[Path, float] = {}


class Mirror:
    """The mirror at `root` of a store. Methods raise StoreError where the store fails, CacheError where the disk does.

    `filled` is to be set when a segment is full: `pushing` then pushes it. `retire` are names of segments that others
    took the place of: the next push retires them.
    """

    def __init__(self, root: Path, objects: Objects) -> None:
        self.root = root
        self.url = objects.url
        self.objects = objects
        self.shared = SharedListing(objects, root / PAGES)
        self.filled = Event()
        self.retire: list[str] = []

    def pull(self, *, at_once: bool = False) -> None:
        """Bring what the listing names and the mirror lacks; take away what is retired.

        Nothing is asked within FRESH_SECONDS after an earlier pull of this process, unless `at_once`.
        """
        if not at_once and time.monotonic() - _pulled.get(self.root, -FRESH_SECONDS) < FRESH_SECONDS:
            return
        self.take(self._read())
        _pulled[self.root] = time.monotonic()

    def take(self, listing: Listing) -> None:
        """Bring the mirror to what a listing says."""
        held = {self.name(segment): segment.size for segment in self._closed()}
        lacking = [each for each in listing.segments.values() if held.get(each.name) != each.size]
        with disk.failing(self.root, CacheError, "What is there stays in use."):
            for place in sorted({each.segment().path.parent for each in lacking}):
                disk.refuse_links(self.root, *place.parts).mkdir(parents=True, exist_ok=True)
            with ThreadPoolExecutor(_THREADS) as pool:
                brought = list(pool.map(self._bring, lacking))
            for name in listing.retired.keys() & held.keys():
                retired.retire(self.root / name)
            retired.clean(self.root)
        missing = [each.name for each, is_there in zip(lacking, brought, strict=True) if not is_there]
        if missing:
            raise StoreError(
                f"{self.url}/{missing[0]} is missing in the store{_and_more(missing)}. Run `intel-grapher cache "
                "compact` on a machine that has it, or put it back from a copy; `intel-grapher cache verify` lists all."
            )

    def push(self, writer: Writer, *, close: bool = True) -> int:
        """Write what the store lacks, and return how many segments that were; `close` closes what is open first.

        Raises NotPushedError where that fails: the replies stay in the mirror.
        """
        try:
            for segment in list_segments(self.root, ALL_AREAS) if close else []:
                if not segment.closed:
                    writer.close(segment)
            new = self.unnamed(self._closed())
            if new:
                self._prove()
            for start in range(0, len(new), _BATCH):
                self._put(writer, new[start : start + _BATCH])
            if retire := list(self.retire):
                self.shared.add([], retire)
                for name in retire:  # compaction adds more meanwhile, and so may end another push
                    with suppress(ValueError):
                        self.retire.remove(name)
        except StoreError as error:
            raise NotPushedError(
                f"{error} All replies are kept in {self.root}: the next command that adds replies pushes them, and so "
                "does `intel-grapher cache sync`."
            ) from error
        return len(new)

    def lags(self) -> bool:
        """Tell whether the mirror has what the store lacks, as after a command that could not push."""
        is_open = any(not each.closed and each.size for each in list_segments(self.root, ALL_AREAS))
        return is_open or bool(self.unnamed(self._closed()))

    @contextmanager
    def pushing(self, writer: Writer) -> Iterator[None]:
        """Push every PUSH_SECONDS, when a segment is full, and at the end of the block, even if that fails.

        Raises NotPushedError at the end; before, a failure is left to the next attempt.
        """
        ended = Event()

        def push_on() -> None:
            while not ended.is_set():
                is_full = self.filled.wait(PUSH_SECONDS)
                self.filled.clear()
                if not ended.is_set():
                    with suppress(GrapherError):  # also a full disk: the attempt at the end says so
                        self.push(writer, close=not is_full)

        thread = Thread(target=push_on, name="push", daemon=True)
        thread.start()
        is_whole = False
        try:
            yield
            is_whole = True
        finally:
            ended.set()
            self.filled.set()
            thread.join()
            try:
                self.push(writer)
            except NotPushedError:
                if is_whole:  # else it would cover what ended the block
                    raise

    def unnamed(self, segments: Iterable[Segment]) -> list[Segment]:
        """Return those of some segments that the store does not name: they are open, or have still to be pushed."""
        listing = self._read()
        known = listing.segments.keys() | listing.retired.keys()
        return [segment for segment in segments if self.name(segment) not in known]

    @staticmethod
    def name(segment: Segment) -> str:
        """Return the name of a closed segment in a listing."""
        return f"{segment.area}/{segment.source}/{segment.endpoint}/{segment.path.name}"

    def _closed(self) -> list[Segment]:
        return [segment for segment in list_segments(self.root, ALL_AREAS) if segment.closed]

    def _read(self) -> Listing:
        """Return the listing, if it is still that of the store that this is the mirror of."""
        listing = self.shared.read()
        self._know(listing)
        return listing

    def _know(self, listing: Listing) -> None:
        """Remember which store a listing is of. Raises StoreError where that is not the one of before."""
        path = self.root / PAGES / _STORE
        way_on = (
            f"To read what is there now, move {self.root.parent} away. To write this machine's replies there, remove "
            f"{path}."
        )
        remember(path, self.url, listing.store, way_on)

    def _bring(self, listed: Listed) -> bool:
        """Write a segment to the mirror; False where the store has it no more.

        One that is damaged in the store comes as it is: `verify` then lists it.
        """
        found = self.objects.find(listed.name)
        if found is not None and not listed.is_content(found.content):
            found = self.objects.find(listed.name)
        if found is not None:
            disk.write_atomically(self.root / listed.name, found.content)
        return found is not None

    def _put(self, writer: Writer, segments: list[Segment]) -> None:
        """Write segments to the store, then let the listing name them. A damaged one is written anew before."""
        begun = time.time()
        contents = [(segment, segment.content()) for segment in segments]
        for segment, content in contents:
            if not segment.is_whole(content):
                writer.repair(segment)
        named = [(Listed.of(*each), each[1]) for each in contents if each[0].is_whole(each[1])]
        with ThreadPoolExecutor(_THREADS) as pool:
            for _ in range(2):
                are_new = list(pool.map(lambda each: self.objects.put_new(each[0].name, each[1]), named))
                self._know(self.shared.add(listed for listed, _ in named))
                # Else somebody may have taken them for orphans, and removed them before they were named.
                if all(are_new) and time.time() - begun < _SLOW_SECONDS:
                    break
        if len(named) < len(contents):
            self.push(writer, close=False)

    def _prove(self) -> None:
        """Find out, once for this mirror, whether the store heeds conditions."""
        proof = self.root / PAGES / _PROOF
        if not proof.exists():
            self.objects.prove_conditions()
            with disk.failing(proof, CacheError, "What is there stays in use."):
                proof.parent.mkdir(parents=True, exist_ok=True)
                disk.write_atomically(proof, b"")


def mirror_at(root: Path) -> Mirror | None:
    """Return the mirror whose folder `root` is; None for a folder that is none."""
    url = url_of(root)
    return None if url is None else Mirror(root, Objects(url))


def _and_more(names: list[str]) -> str:
    return f", and so are {len(names) - 1:,} more" if len(names) > 1 else ""
