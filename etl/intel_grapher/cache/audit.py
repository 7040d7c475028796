"""Whether the cache is what was written: every file, every record, and the index against both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from intel_grapher.cache.envelope import AREAS
from intel_grapher.cache.index import row_of
from intel_grapher.cache.segment import Damage, Segment, is_leftover
from intel_grapher.cache.store import Cache
from intel_grapher.errors import CacheError


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be: where, what, and what to do.

    `lost` records can't be read; `keys` are those of them that the index still knew.
    """

    where: str
    what: str
    remedy: str
    lost: int = 0
    keys: tuple[str, ...] = ()


def verify(cache: Cache, on_segment: Callable[[Segment], None] = lambda _: None) -> list[Problem]:
    """Read everything, and give what is wrong; what was set aside before is not.

    The index is put right on the way: damaged records leave it, so that they can be asked again. `on_segment` is told
    each segment before it is read.
    """
    cache.refresh()
    problems: list[Problem] = []
    for segment in cache.segments(AREAS):
        on_segment(segment)
        problems += _check_segment(cache, segment)
    problems += _strangers(cache)
    return problems


def set_aside(root: Path) -> list[Path]:
    """Give the files that hold what could not stay in its segment: torn lines, and segments before their mending."""
    return sorted(path for path in (root / "set-aside").rglob("*") if path.is_file())


def _check_segment(cache: Cache, segment: Segment) -> Iterator[Problem]:
    where = str(segment.path)
    damages: list[Damage] = []
    rows = []
    misplaced = 0
    try:
        for record in segment.read(damages.append):
            rows.append(row_of(record))
            place = (record.envelope.source, record.envelope.endpoint)
            misplaced += place != (segment.source, segment.endpoint)
    except CacheError as error:
        yield Problem(where, str(error), "Make it readable and run this again.")
        return
    known = [row for row in cache.index.rows(segment) if segment.closed or row[0] < segment.size]
    if known != rows:
        cache.forget([segment])
    if damages:
        lost = {row[-1]: row[2] for row in known}
        for row in rows:
            lost.pop(row[-1], None)
        yield Problem(
            where,
            "; ".join(str(damage).removeprefix(where).lstrip(":, ") for damage in damages),
            "The whole records stay in use. Ask for the others again with `intel-grapher fetch`, or put the file back "
            "from a copy; `intel-grapher cache compact` writes it anew without them.",
            sum(damage.lost for damage in damages),
            tuple(sorted(set(lost.values()))),
        )
    elif known != rows:
        yield Problem(where, "the index did not fit the segment", "Nothing to do: it has been put right.")
    if misplaced:
        yield Problem(
            where,
            f"{misplaced:,} of its records belong to another source or endpoint",
            "Move the file out of the cache, and add it with `intel-grapher cache add`.",
        )
    if not segment.closed and _is_torn(segment):
        yield Problem(where, "its last line is torn", "Nothing to do: it is set aside when the next reply is added.")


def _is_torn(segment: Segment) -> bool:
    try:
        with segment.path.open("rb") as file:
            file.seek(max(segment.size - 1, 0))
            return file.read(2) not in (b"", b"\n") and segment.path.stat().st_size == segment.size
    except FileNotFoundError:  # closed since it was listed
        return False


def _strangers(cache: Cache) -> Iterator[Problem]:
    """Give what lies in the cache's folders and is no part of it. The remains of a killed writer are no matter."""
    segments = cache.segments(AREAS)
    ours = {segment.path for segment in segments}
    for area in AREAS:
        for path in sorted((cache.root / area).rglob("*")):
            if path.is_dir() or path in ours or (path.name.startswith(".") and path.suffix == ".tmp"):
                continue
            if path.suffix == ".jsonl" and path.stem.isdigit():
                beside = [one for one in segments if one.path.parent == path.parent]
                twin = Segment(path, area, path.parent.parent.name, path.parent.name, int(path.stem), 0)
                if is_leftover(twin, beside):
                    continue
            yield Problem(
                str(path),
                "not a part of the cache, so it is not read",
                "Move it elsewhere. If it holds replies, add them with `intel-grapher cache add`.",
            )
