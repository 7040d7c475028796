"""Verification: every file and every record of the cache, and the index against both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from intel_grapher import disk
from intel_grapher.cache.envelope import ALL_AREAS
from intel_grapher.cache.index import row_of
from intel_grapher.cache.segment import Corruption, Segment, strangers
from intel_grapher.cache.store import Cache
from intel_grapher.cache.writer import QUARANTINE
from intel_grapher.errors import CacheError

MAX_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault of the cache: where it is, what it is, and what to do.

    `lost` is the count of records that can't be read, `keys` are the keys of those that the index still knew.
    """

    where: str
    what: str
    remedy: str
    lost: int = 0
    keys: tuple[str, ...] = ()


def verify(cache: Cache, on_segment: Callable[[Segment], None] = lambda _: None) -> list[Problem]:
    """Read all segments, and return what is wrong; the quarantine is not read.

    The index is corrected on the way: corrupt records leave it, so that they are asked for again. `on_segment` is
    called with each segment before it is read.
    """
    problems = list(check_index(cache))
    for segment in cache.segments(ALL_AREAS):
        on_segment(segment)
        problems += _check_segment(cache, segment)
    problems += _check_strangers(cache.root)
    return problems


def quarantined(root: Path) -> list[Path]:
    """Return the files that hold what could not stay in its segment: torn lines, and segments before their repair."""
    return sorted(path for path in (root / QUARANTINE).rglob("*") if disk.is_own(path))


def check_index(cache: Cache) -> Iterator[Problem]:
    """Yield a problem if the index, when it was opened or now, was not what had been written. It is then made anew."""
    cache.refresh()
    whole = cache.index.check()
    if cache.index.rebuilt or not whole:
        cache.index.rebuilt = False
        yield Problem(
            str(cache.root / "index.sqlite"), "the index was corrupt", "Nothing to do: it has been made anew."
        )


def _check_segment(cache: Cache, segment: Segment) -> Iterator[Problem]:
    where = str(segment.path)
    corruptions: list[Corruption] = []
    rows = []
    misplaced = 0
    try:
        for record in segment.read(corruptions.append):
            rows.append(row_of(record))
            place = (record.envelope.source, record.envelope.endpoint)
            misplaced += place != (segment.source, segment.endpoint)
    except CacheError as error:
        yield Problem(where, str(error), "Make it readable and run this again.")
        return
    known = [row for row in cache.index.rows(segment) if segment.closed or row[0] < segment.size]
    if known != rows:
        cache.forget([segment])
    if corruptions:
        lost = {row[-1]: row[2] for row in known}
        for row in rows:
            lost.pop(row[-1], None)
        yield Problem(
            where,
            _listed(corruptions, where),
            "The whole records stay in use. Ask for the others again with `intel-grapher fetch`, or put the file back "
            "from a copy; `intel-grapher cache compact` writes it anew without them.",
            sum(corruption.lost for corruption in corruptions),
            tuple(sorted(set(lost.values()))),
        )
    elif known != rows:
        yield Problem(where, "the index did not fit the segment", "Nothing to do: it has been corrected.")
    if misplaced:
        yield Problem(
            where,
            f"{misplaced:,} of its records belong to another source or endpoint",
            "Move the file out of the cache, and add it with `intel-grapher cache add`.",
        )
    if not segment.closed and _is_torn(segment):
        remedy = "Nothing to do: it goes to the quarantine when the next reply is added."
        yield Problem(where, "its last line is torn", remedy)


def _listed(corruptions: list[Corruption], where: str) -> str:
    """Return the first MAX_LISTED corruptions of a file as a text, and the count of the others."""
    texts = [str(corruption).removeprefix(where).lstrip(":, ") for corruption in corruptions[:MAX_LISTED]]
    more = len(corruptions) - len(texts)
    return "; ".join([*texts, *([f"and {more:,} more"] if more else [])])


def _is_torn(segment: Segment) -> bool:
    try:
        with disk.open_reading(segment.path) as file:
            file.seek(max(segment.size - 1, 0))
            return file.read(2) not in (b"", b"\n") and segment.path.stat().st_size == segment.size
    except OSError:  # closed since it was listed
        return False


def _check_strangers(root: Path) -> Iterator[Problem]:
    """Yield what lies in the cache's folders and is no part of it."""
    for path in strangers(root):
        kind = "a symbolic link" if path.is_symlink() else "not a part of the cache"
        remedy = "Move it elsewhere. If it holds replies, add them with `intel-grapher cache add`."
        yield Problem(str(path), f"{kind}, so it is not read", remedy)
