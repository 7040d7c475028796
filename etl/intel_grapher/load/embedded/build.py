"""Bringing of the embedded graph to what the flat files hold: by an overlay where few rows changed, else built anew."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from intel_grapher import disk
from intel_grapher.errors import LoadError
from intel_grapher.files import Files, Manifest
from intel_grapher.load import parity
from intel_grapher.load.embedded import overlay
from intel_grapher.load.embedded.engine import WriteStatement, run
from intel_grapher.load.embedded.statements import copy_statement, tables
from intel_grapher.load.embedded.store import MANIFEST, PROOF, STORE, Embedded, EmbeddedStore
from intel_grapher.lock import locked

LITTLE = 10_000  # rows that one thread copies as soon as several, which take longer to end
FEW = 100_000  # rows that are copied in one transaction: each commit takes as long as copying some thousands
# The store, what the engine keeps beside it, the manifest and the proof: all that a load may delete.
_OURS = re.compile(
    re.escape(STORE) + r"(\.(wal|shadow|tmp|checkpoint|wal\.checkpoint|checkpoint\.(intent|apply)\.lock))?"
    f"|{re.escape(MANIFEST)}|{re.escape(PROOF)}"
)


class Brought(NamedTuple):
    """How a graph compares with the files that it was brought to, how it was done, why so, and rows written."""

    parity: parity.Parity
    method: Literal["overlay", "copy"]
    why: str
    sent: int


def bring(files: Files, manifest: Manifest, target: Embedded, progress: parity.Progress, *, whole: bool) -> Brought:
    """Bring the embedded graph to what the files hold; `whole` builds it anew, however little has changed.

    Raises BusyError where another load is at work there, LoadError where the graph can't be made or differs from the
    files; the old one is then as it was.
    """
    place = disk.real(target.place)
    if not place.name:
        raise LoadError(f"{place} can't be an embedded graph: name a folder of its own with --db")
    rows = sum(content.rows for _, content in manifest.groups())
    with _replacing(place) as new:
        added = (
            "it was asked for" if whole else overlay.add(files, manifest, replace(target, place=place), new, progress)
        )
        if isinstance(added, str):
            disk.remove(new)
            new.mkdir()
            why = f"built from the files as a whole: {added}"
            found = Brought(_build(files, manifest, target, new, progress), "copy", why, rows)
        else:
            found = Brought(added.parity, "overlay", f"changed rows: {added.changes}", added.changes)
        disk.write_atomically(new / MANIFEST, msgspec.json.encode(manifest))
    return found


@contextmanager
def _replacing(place: Path) -> Iterator[Path]:
    """Yield an empty folder; put it in place of the graph when the block ends without an error."""
    new = place.parent / f".{place.name}.new"
    try:
        with locked(place.parent / f".{place.name}.lock", str(place), failure=LoadError):
            disk.recover(place)
            disk.remove(new)
            _refuse_foreign(place)
            try:
                new.mkdir()
                yield new
                _refuse_foreign(place)  # a build takes minutes: something may have been put there meanwhile
                disk.swap_in(new, place)
            finally:
                shutil.rmtree(new, ignore_errors=True)
    except (OSError, RuntimeError) as wrong:  # LadybugDB raises RuntimeError for everything
        hint = ": give it more with --memory" if "uffer" in str(wrong) else ""
        if isinstance(wrong, OSError) and wrong.errno in {errno.ENOSPC, errno.EDQUOT}:
            hint = ": free some room on that disk"
        raise LoadError(
            f"the embedded graph can't be built at {place} ({wrong}){hint}; what was there is as it was"
        ) from wrong


def _build(files: Files, manifest: Manifest, target: Embedded, new: Path, progress: parity.Progress) -> parity.Parity:
    """Build a store from all rows in the folder `new`; return how it compares with the files. Raises LoadError."""
    memory = target.memory
    groups = list(manifest.groups())
    total, done = sum(content.rows for _, content in groups), 0
    copies = [WriteStatement(copy_statement(files, group), content.rows) for group, content in groups]
    begin, commit = WriteStatement("BEGIN TRANSACTION"), WriteStatement("COMMIT")
    made = [begin, *map(WriteStatement, tables()), commit]  # by themselves, each table is a commit
    if total <= FEW:
        copies = [begin, *copies, commit]
    statements = [*made, *copies, WriteStatement("CHECKPOINT")]
    for rows in run(new / STORE, statements, memory, threads=1 if total <= LITTLE else 0):
        done += rows
        if rows:
            progress("copy", done, total)
    with EmbeddedStore(new / STORE, memory) as graph:
        found = parity.check(files, graph, progress)
    if not found.equal:
        lines = "\n  ".join(found.differences())
        raise LoadError(f"the graph built at {target} differs from the files, and was not put in place:\n  {lines}")
    disk.sync(new / STORE)
    overlay.prove(new, changes=0)
    return found


def _refuse_foreign(place: Path) -> None:
    """Raise LoadError where `place` is anything but an embedded graph: it is replaced as a whole, with all in it."""
    if not place.exists():
        return
    if not place.is_dir():
        raise LoadError(f"{place} is there and is no folder: move it away, or name another place with --db")
    with os.scandir(place) as entries:
        names = {
            each.name for each in entries if not _OURS.fullmatch(each.name) or not each.is_file(follow_symlinks=False)
        }
        if not names and any(place.iterdir()) and not (place / STORE).exists():
            names = {MANIFEST}
    if names:
        raise LoadError(
            f"{place} holds more than an embedded graph ({', '.join(sorted(names)[:3])}), and is replaced as a whole:"
            " move that away, or name another place with --db"
        )
