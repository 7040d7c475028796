"""The raw cache as the rest of the program uses it."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from intel_grapher.cache import retired
from intel_grapher.cache.envelope import Area, Envelope, decode, digest
from intel_grapher.cache.index import Found, Holding, Index
from intel_grapher.cache.marks import Marks, read_marks
from intel_grapher.cache.mirror import Mirror, mirror_at
from intel_grapher.cache.segment import OnCorruption, Segment, list_folder, list_segments
from intel_grapher.cache.writer import SEGMENT_BYTES, OnWritten, Writer
from intel_grapher.errors import BadValue, CacheError
from intel_grapher.lock import locked
from intel_grapher.objects import shown, url_of

_NO_PARAMS: Final[dict[str, str]] = {}
Held = dict[tuple[str, str, str], tuple[int, int]]


def is_there(root: Path) -> bool:
    """Tell whether there is a cache at a place: of a store, which is brought to this machine, or in a folder."""
    if url_of(root):
        Cache(root).segments()
    return root.is_dir()


class Cache:
    """Every reply ever kept, under `root` (`data/`). Reading takes no lock, and goes on while another process writes.

    `segment_bytes` is the size, uncompressed, at which a segment is closed. `written` is what the next writer tells of
    segments (`Writer`). Where the folder is the mirror of a store, it is brought up to date before it is first read,
    and what a writer adds is pushed. Use it in a `with` statement, or close it.
    """

    def __init__(self, root: Path, segment_bytes: int = SEGMENT_BYTES, mirror: Mirror | None = None) -> None:
        self.root = root
        self.mirror = mirror or mirror_at(root)
        self._is_current = self.mirror is None
        self._segment_bytes = segment_bytes
        self._opened: Index | None = None
        self._marks: Marks | None = None
        self.written: OnWritten = lambda _segment, _bytes: None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the index."""
        self.close()

    def close(self) -> None:
        """Close the index. The next look-up opens it again."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def index(self) -> Index:
        """The index; it catches up with the segments when it is first asked for."""
        if self._opened is None:
            self._bring()
            self._opened = Index(self.root)
            self._opened.marks = self.marks
        return self._opened

    @property
    def marks(self) -> Marks:
        """Which replies are out of use, because their import was taken back; as of the last `refresh`."""
        if self._marks is None:
            self._bring()
            self._marks = read_marks(self.root)
        return self._marks

    @contextmanager
    def writer(self, command: str = "intel-grapher") -> Iterator[Writer]:
        """Yield the writer, of which there is one at a time. `command` is what other processes are told is running.

        Raises BusyError, naming the process, where another one holds the cache; CacheError where it can't be written.
        """
        with locked(self.root / ".lock", shown(self.root), command, failure=CacheError):
            if self._opened is not None and self._opened.in_memory:
                self.close()
            self._bring(at_once=True)
            self.refresh()
            with (
                Writer(self.root, self.index, self._segment_bytes, self._written) as writer,
                nullcontext() if self.mirror is None else self.mirror.pushing(writer),
            ):
                yield writer

    def refresh(self) -> None:
        """Let look-ups see what other processes have added since the first one."""
        self._marks = None
        if self._opened is not None:
            self._opened.catch_up()
        self.index.marks = self.marks

    def replies(self, segment: Segment, on_corruption: OnCorruption = lambda _: None) -> list[Envelope]:
        """Return the replies of a segment that are in use. What can't be read goes to `on_corruption`."""
        return self.marks.in_use(segment, on_corruption)

    def segments(self, areas: Iterable[Area] = ("raw",)) -> list[Segment]:
        """Return the segments as they are now, by area, source, endpoint and number."""
        self._bring()
        return list_segments(self.root, areas)

    def newest(
        self, source: str, endpoint: str, key: str, params: dict[str, str] = _NO_PARAMS, area: Area = "raw"
    ) -> Found | None:
        """Return the newest answer (in the area `failed`: failure), as far as it is synced; None without one."""
        return self.index.newest(area, source, endpoint, key, params)

    def held(self, keys: Sequence[str], source: str | None = None) -> dict[str, Held]:
        """Return, for each key that has answers, the time (epoch seconds) and status of the newest to each question.

        A question is a tuple of source, endpoint and parameters (as `canonical_params` returns them). For many keys at
        once this is several times quicker than `newest`. A reply that `cache add` has kept in both areas, since it
        can't be read, is no answer. An answer dated in the future is the newest only if there is no other.
        """
        rows = self.index.held(keys, source, int(time.time()) + 1)
        failures = {(*question, mark) for area, *question, _, _, mark, _ in rows if area == "failed"}
        found: dict[str, Held] = {}
        for area, key, by, endpoint, params, fetched_at, status, mark, _ in rows:
            if area == "raw" and (not failures or (key, by, endpoint, params, mark) not in failures):
                found.setdefault(key, {})[by, endpoint, params] = (fetched_at, status)
        return found

    def history(self, key: str, source: str | None = None, endpoint: str | None = None) -> list[Found]:
        """Return all replies for a key that are in use, newest first, failures too; `read` returns the bodies."""
        found = self.index.history(key, source, endpoint)
        return [reply for reply in found if not self.is_out(reply)]

    def taken_back(self, key: str, source: str | None = None, endpoint: str | None = None) -> list[Found]:
        """Return all replies for a key that are out of use, newest first."""
        return [reply for reply in self.index.history(key, source, endpoint) if self.is_out(reply)]

    def is_out(self, reply: Found) -> bool:
        """Tell whether a reply is out of use."""
        return self.marks.is_out(reply.import_, reply.digest)

    def questions(self, source: str, endpoint: str) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield key and parameters of each answer of an endpoint that is in use, in the order of the segments."""
        for segment in self.segments():
            if (segment.source, segment.endpoint) == (source, endpoint):
                for _, _, key, params, _, _, by, mark in self.index.rows(segment):
                    if not self.marks.is_out(by, mark):
                        yield key, msgspec.json.decode(params) if params else {}

    def holdings(self) -> list[Holding]:
        """Return what the cache has of each source's endpoints: answers first, then failures."""
        return self.index.summary()

    def read(self, found: Found) -> Envelope:
        """Return a reply that was found. Raises CacheError where it has become corrupt: `newest` then forgets it."""
        for segment in self._places(found):
            line = segment.line_at(found.offset, found.length)
            if digest(line) == found.digest:
                try:
                    return decode(line, check=True)
                except BadValue:
                    pass
            self.forget([segment])
        folder = self.root / found.area / found.source / found.endpoint
        raise CacheError(
            f"{folder / found.segment}: the reply for {found.key[:80]!r} is damaged. "
            "`intel-grapher cache verify` lists what is; `intel-grapher fetch` asks again."
        )

    def forget(self, corrupt: Iterable[Segment]) -> None:
        """Take the corrupt records of segments out of the index, so that `newest` does not find them any more."""
        for segment in corrupt:
            self.index.forget(segment)
        self.index.catch_up()

    def _bring(self, *, at_once: bool = False) -> None:
        """Bring a mirror up to date: once, and when a writer begins."""
        if self.mirror is not None and (at_once or not self._is_current):
            self.mirror.pull(at_once=at_once)
            self._is_current = True

    def _written(self, segment: Segment, size: int) -> None:
        """Tell of what a writer has written."""
        self.written(segment, size)
        if self.mirror is not None and segment.closed:
            self.mirror.filled.set()

    def _places(self, found: Found) -> list[Segment]:
        """Return the segments that may hold a reply: the file of its name, or what that has been closed to."""
        folder = self.root / found.area / found.source / found.endpoint
        like = Segment(folder, found.area, found.source, found.endpoint, 0, 0)
        listed = list_folder(folder, like) if folder.is_dir() else []
        number = found.segment[: len(found.segment) - len(found.segment.lstrip("0123456789"))]
        listed = [segment for segment in listed if segment.path.name.startswith((f"{number}.", f"{number}-"))]
        exact = [segment for segment in listed if segment.path.name == found.segment]
        place = retired.place_of(folder / found.segment)
        return exact or [*listed, *([replace(like, path=place, records=0)] if place.exists() else [])]
