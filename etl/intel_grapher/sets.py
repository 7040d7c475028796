"""The sets of flat files that were published before: kept beside the present one, known by when they were published.

    import/                                  the present set
    .import.sets/2026-11-25T06-00-00Z/       an earlier one: its Parquet files and its manifest

A kept file is a second name (hard link) of the published one, so a group that did not change takes room once, however
many sets have it. A set is published at the modification time of its manifest. A transform that gives the rows of the
present set publishes nothing: that time stays. A set that was made with `--as-of` is not kept.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from intel_grapher import disk
from intel_grapher.errors import TransformError
from intel_grapher.files import Files, Manifest
from intel_grapher.set_copy import copy_at

MOST: Final = 8
"""How many earlier sets are kept, unless a transform is told otherwise."""
ROOM: Final = 256 << 20
"""Bytes that earlier sets may take beyond what the present one takes, even if that is small."""
_NO_LINKS: Final = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS)
_MANIFEST: Final = "manifest.json"


class PublishedSet(NamedTuple):
    """A set of flat files: its folder, and when it was published (epoch seconds)."""

    folder: Path
    published_at: int


def published(folder: Path) -> list[PublishedSet]:
    """Return the present set of `folder` and the earlier ones that are kept, newest first; [] if there is none."""
    copy = copy_at(folder)
    if copy is not None:
        copy.pull()
        copy.pull_earlier(place_of(folder))
    found = [each for each in (_set(disk.real(folder)), *map(_set, _kept(folder))) if each is not None]
    present = found[:1] if found and found[0][1].folder == disk.real(folder) else []
    earlier = found[len(present) :]
    # A process that was killed before it put its set in place has kept the present one already.
    same = _manifest(present[0][1].folder) if present else None
    earlier = [each for each in earlier if same is None or _manifest(each[1].folder) != same]
    return [each for _, each in (*present, *sorted(earlier, reverse=True))]


def previous(folder: Path) -> PublishedSet | None:
    """Return the set that the present one replaced, None if none is kept."""
    return next(iter(published(folder)[1:]), None)


def as_of(folder: Path, moment: int) -> PublishedSet | None:
    """Return the set that was the present one at a moment (epoch seconds), None if no set is as old as that."""
    return next((each for each in published(folder) if each.published_at <= moment), None)


def keep(folder: Path, new: Path, most: int = MOST) -> None:
    """Keep the present set of `folder`, which `new` is about to replace; at most `most` in all.

    Nothing is kept where `new` has the same rows, where `most` is 0, for a set without Parquet, and on a file system
    without hard links.
    Raises OSError. A lock on the folder must be held.
    """
    files = Files(folder)
    present, replacement = _manifest(folder), _manifest(new)
    if present is None or replacement is None:
        return
    if _rows(present) == _rows(replacement) and present.as_of == replacement.as_of:
        held = (folder / _MANIFEST).stat()
        os.utime(new / _MANIFEST, ns=(held.st_atime_ns, held.st_mtime_ns))
    elif most and present.as_of is None and all(files.has(group) for group, _ in present.groups()):
        _link(folder)


def share(folder: Path, most: int = MOST) -> None:
    """Write the present set of `folder`, where that is the copy of one in a store, to the store.

    Of earlier ones the store then names at most `most`. Raises NotPushedError where that fails.
    """
    copy = copy_at(folder)
    if copy is not None:
        copy.push(most, is_kept=Files(folder).manifest().as_of is None)


def trim(folder: Path, most: int = MOST) -> None:
    """Remove earlier sets of `folder`: beyond `most`, and the oldest that take more room than the present set does.

    The newest of them stays, whatever room it takes. Files that a newer set has too take none.
    """
    counted = {each.stat().st_ino for each in _parquet(folder)}
    room = max(ROOM, sum(each.stat().st_size for each in _parquet(folder)))
    for place, each in enumerate(published(folder)[1:]):
        own = {found.st_ino: found.st_size for found in (path.stat() for path in _parquet(each.folder))}
        room -= sum(size for inode, size in own.items() if inode not in counted)
        if place >= most or (place and room < 0):
            disk.remove(each.folder)
        counted |= own.keys()


def place_of(folder: Path) -> Path:
    """Return the folder that the earlier sets of `folder` are kept in."""
    folder = disk.real(folder)
    return folder.parent / f".{folder.name}.sets"


def _link(folder: Path) -> None:
    """Give every Parquet file of the present set, and its manifest, a second name in a folder of its own."""
    place = disk.refuse_links(folder.parent, place_of(folder).name)
    place.mkdir(exist_ok=True)
    new = place / ".new"
    disk.remove(new)
    try:
        for path in (*_parquet(folder), folder / _MANIFEST):
            name = new / path.relative_to(folder)
            name.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, name, follow_symlinks=False)
        disk.sync_tree(new)
        new.rename(_free(place, (folder / _MANIFEST).stat().st_mtime))
        disk.sync(place)
    except OSError as error:
        with suppress(OSError):
            disk.remove(new)
        if error.errno not in _NO_LINKS:
            raise


def _free(place: Path, seconds: float) -> Path:
    """Return a name for a set published at a moment that no other has."""
    name = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    names = (name if number == 1 else f"{name}.{number}" for number in range(1, 1000))
    return next(place / each for each in names if not (place / each).exists())


def _kept(folder: Path) -> Iterator[Path]:
    with suppress(OSError):
        for path in disk.refuse_links(disk.real(folder).parent, place_of(folder).name).iterdir():
            if not path.name.startswith(".") and not path.is_symlink():
                yield path


def _set(folder: Path) -> tuple[int, PublishedSet] | None:
    """Return a set and its time in nanoseconds, None if the folder has no manifest."""
    try:
        at = (folder / _MANIFEST).stat().st_mtime_ns
    except OSError:
        return None
    return at, PublishedSet(folder, at // 10**9)


def _manifest(folder: Path) -> Manifest | None:
    try:
        return Files(folder).manifest()
    except TransformError:
        return None


def _rows(manifest: Manifest) -> list[object]:
    return [manifest.schema, *manifest.groups()]


def _parquet(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/*.parquet") if disk.is_own(path))
