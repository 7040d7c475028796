"""The listing: which segments of a cache an object store has. One small object says it, however many there are.

    s3://bucket/prefix/
      listing.json                                                         replaced by conditional writes alone
      listing/3f79bb7b435b0532.json                                        a page: PAGE entries that stood in it before
      raw/threatcrowd/domain/000001-18211-9f86d081884c7d65.jsonl.zst       a closed segment, as in the cache's folder

A store has closed segments only. They and the pages are written once, under names with a checksum of their content. A
segment counts from the moment when the listing names it, so nothing half-written is ever read, and writers on several
machines need no lock: the one whose write of the listing is refused reads it again and adds its names to that. A
segment that takes the place of others **retires** these: no reader takes them any more, and nobody adds them again.

What no listing names is an **orphan**: an upload that was cut off, a page of a refused write, or what was retired.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, Literal, cast

import msgspec

from intel_grapher import disk
from intel_grapher.cache.envelope import Area
from intel_grapher.cache.segment import Segment
from intel_grapher.errors import CacheError, StoreError
from intel_grapher.objects import Objects

ROOT: Final = "listing.json"
PAGES: Final = "listing"
PAGE: Final = 500
"""Entries that stand in the listing itself. 100,000 segments make 200 pages, and a listing of some 100 KB."""
VERSION: Final = 1
_THREADS: Final = 16
_REMEDY: Final = "Name another prefix, or put the listing back from a copy."
_Name = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A(raw|failed|imports)/[a-z0-9][a-z0-9_]{0,63}/[a-z0-9][a-z0-9_]{0,63}/"
        r"([0-9]{6}|[1-9][0-9]{6,11})-[0-9]{1,12}-[0-9a-f]{16}\.jsonl\.zst\Z"
    ),
]
"""A segment's path in a cache's folder. What a listing says becomes a path, so nothing else is taken."""
_Digest = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class Listed(msgspec.Struct, frozen=True, array_like=True):
    """A closed segment in a store: its name, which is its path in a cache's folder, bytes, SHA-256 of these bytes."""

    name: _Name
    size: int
    sha256: _Digest

    @classmethod
    def of(cls, segment: Segment, content: bytes) -> Listed:
        """Return how a closed segment is listed; `content` are its bytes."""
        return cls.named(f"{segment.area}/{segment.source}/{segment.endpoint}/{segment.path.name}", content)

    @classmethod
    def named(cls, name: str, content: bytes) -> Listed:
        """Return how the closed segment of a name is listed."""
        return cls(name, len(content), hashlib.sha256(content).hexdigest())

    def segment(self, root: Path = Path()) -> Segment:
        """Return the segment, as it is in a cache at `root`. Its methods that take a content read no file."""
        area, source, endpoint, name = self.name.split("/")
        number, records, checksum = name.removesuffix(".jsonl.zst").split("-")
        return Segment(
            root / self.name,
            cast("Area", area),
            source,
            endpoint,
            int(number),
            self.size,
            int(records),
            checksum,
        )

    def is_content(self, content: bytes) -> bool:
        """Tell whether bytes are those that were listed."""
        return len(content) == self.size and hashlib.sha256(content).hexdigest() == self.sha256


class Retired(msgspec.Struct, frozen=True, array_like=True):
    """A segment that others took the place of: its name, and since when (epoch seconds, the writer's clock)."""

    name: _Name
    since: int


class _Page(msgspec.Struct, frozen=True):
    segments: list[Listed]
    retired: list[Retired]


class _PageName(msgspec.Struct, frozen=True, array_like=True):
    """A page: the SHA-256 of its content, which begins its name."""

    sha256: _Digest

    @property
    def name(self) -> str:
        return f"{PAGES}/{self.sha256[:16]}.json"


class _Names(msgspec.Struct, frozen=True, kw_only=True):
    """What the listing is: `store` tells the store from another one at the same URL, if it has been written."""

    kind: Literal["intel-grapher cache"]
    version: int
    store: str = ""
    pages: list[_PageName] = []
    segments: list[Listed] = []
    retired: list[Retired] = []


_NOTHING: Final = _Names(kind="intel-grapher cache", version=VERSION)


class Listing:
    """What one reading of the listing gave: the segments that count, by name, and since when others are retired.

    `pages` are the names of its pages, `store` is what tells the store from others; empty where there is no listing.
    That is the checksum of the segment that was listed first, which stays: a listing is only ever added to.
    """

    def __init__(self, root: _Names, pages: Iterable[_Page]) -> None:
        parts = [*pages, _Page(root.segments, root.retired)]
        self.store = root.store or next((each.sha256[:16] for part in parts for each in part.segments), "")
        self.pages = [page.name for page in root.pages]
        self.retired = {each.name: each.since for part in parts for each in part.retired}
        self.segments = {each.name: each for part in parts for each in part.segments if each.name not in self.retired}

    def lacks(self, segments: Iterable[Listed]) -> list[Listed]:
        """Return those of some segments that it neither has nor retired."""
        return [each for each in segments if each.name not in self.segments and each.name not in self.retired]


class SharedListing:
    """The listing in a store, to be read and added to; `folder` keeps copies of its pages, which never change.

    Every method raises StoreError where the store can't be reached, and where what stands there is no listing.
    """

    def __init__(self, objects: Objects, folder: Path | None = None) -> None:
        self.objects = objects
        self._folder = folder
        self._pages: dict[str, _Page] = {}

    def read(self) -> Listing:
        """Return the listing as it is now; an empty one where there is none yet."""
        found = self.objects.find(ROOT)
        return self._listing(_NOTHING if found is None else self._names(found.content))

    def add(self, segments: Iterable[Listed], retire: Iterable[str] = ()) -> Listing:
        """Let the listing name segments, which are in the store, and retire others; return what it is then."""
        segments, retire = list(segments), list(retire)
        return self._changed(
            lambda listing: (listing.lacks(segments), [name for name in retire if name not in listing.retired])
        )

    def replace(self, old: Iterable[str], new: Listed) -> Listing | None:
        """Let the listing name a segment instead of others; None where another writer has retired one of these."""
        old = list(old)
        after = self._changed(
            lambda listing: ([new], old) if all(name in listing.segments for name in old) else ([], [])
        )
        return after if new.name in after.segments else None

    def _changed(self, change: Callable[[Listing], tuple[list[Listed], list[str]]]) -> Listing:
        """Add to the listing what `change` says of it: segments, and names to be retired; return what it is then."""
        now, after = int(time.time()), _NOTHING

        def changed(content: bytes | None) -> bytes:
            nonlocal after
            after = _NOTHING if content is None else self._names(content)
            listing = self._listing(after)
            segments, retired = change(listing)
            if content is not None and not segments and not retired:
                return content
            after = self._paged(
                msgspec.structs.replace(
                    after,
                    store=listing.store or next((each.sha256[:16] for each in segments), ""),
                    segments=[*after.segments, *segments],
                    retired=[*after.retired, *(Retired(name, now) for name in retired)],
                )
            )
            return msgspec.json.encode(after)

        self.objects.update(ROOT, changed)
        return self._listing(after)

    def content(self, listed: Listed) -> bytes:
        """Return a segment's bytes. Raises StoreError where they are not those that were listed."""
        content = self.objects.get(listed.name)
        if not listed.is_content(content):
            raise StoreError(
                f"{self.objects.url}/{listed.name} is damaged: its checksum differs. Put it back from a copy, or run "
                "`intel-grapher cache compact` on a machine that has it."
            )
        return content

    def _names(self, content: bytes) -> _Names:
        where = f"{self.objects.url}/{ROOT}"
        try:
            root = msgspec.json.decode(content, type=_Names)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise StoreError(f"{where} is not the listing of a cache ({error}). {_REMEDY}") from error
        if root.version > VERSION:
            raise StoreError(f"{where} was written by a later version of intel-grapher: install that one.")
        return root

    def _listing(self, root: _Names) -> Listing:
        missing = [page for page in root.pages if page.sha256 not in self._pages]
        if missing:
            with ThreadPoolExecutor(_THREADS) as pool:
                self._pages |= zip([page.sha256 for page in missing], pool.map(self._page, missing), strict=True)
        return Listing(root, [self._pages[page.sha256] for page in root.pages])

    def _page(self, page: _PageName) -> _Page:
        copy = self._folder / f"{page.sha256}.json" if self._folder is not None else None
        content = b""
        if copy is not None:
            with suppress(OSError), disk.open_reading(copy) as file:
                content = file.read()
        if hashlib.sha256(content).hexdigest() != page.sha256:
            content = self.objects.get(page.name)
            if hashlib.sha256(content).hexdigest() != page.sha256:
                raise StoreError(f"{self.objects.url}/{page.name} is damaged: its checksum differs. {_REMEDY}")
            if copy is not None:
                with disk.failing(copy, CacheError, "Nothing was changed."):
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    disk.write_atomically(copy, content)
        try:
            return msgspec.json.decode(content, type=_Page)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise StoreError(f"{self.objects.url}/{page.name} is no page of a listing ({error}). {_REMEDY}") from error

    def _paged(self, root: _Names) -> _Names:
        """Return a listing whose entries stand in pages, but for less than PAGE; these pages are in the store."""
        pages = list(root.pages)
        segments, retired = root.segments, root.retired
        while len(segments) + len(retired) >= PAGE:
            content = msgspec.json.encode(_Page(segments[:PAGE], retired[: max(PAGE - len(segments), 0)]))
            page = _PageName(hashlib.sha256(content).hexdigest())
            self.objects.put_new(page.name, content)
            pages.append(page)
            segments, retired = segments[PAGE:], retired[max(PAGE - len(segments), 0) :]
        return msgspec.structs.replace(root, pages=pages, segments=segments, retired=retired)
