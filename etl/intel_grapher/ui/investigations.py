"""Saved investigations: a picture's nodes, positions and filters, as JSON files beside the raw cache.

data/investigations/NAME.json           saved by a person, under a name
data/investigations/unsaved/ID.json     the picture of one tab of a browser as it was last, until it is saved
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from intel_grapher import disk
from intel_grapher.errors import CacheError, UsageError

NAME = re.compile(r"[^\W_][\w .()+-]{0,79}")
LARGEST = 64 << 20


_ID = re.compile(r"[a-z0-9]{8,40}")
UNSAVED = "unsaved"
UNSAVED_KEPT = 20


class Saving(msgspec.Struct, frozen=True):
    """An investigation to be saved. Only the page reads its content.

    `mark` is the version that the page opened or saved last, as `opened_with_mark` and `save` return it. Any other one
    is replaced only with `over`.
    """

    name: str
    content: msgspec.Raw = msgspec.Raw(b"{}")
    mark: str = ""
    over: bool = False


class UnsavedPicture(msgspec.Struct, frozen=True):
    """The picture of a tab as it is now; `id` is the tab's own. An empty content removes it."""

    id: str
    content: msgspec.Raw = msgspec.Raw(b"null")


class _PictureHead(msgspec.Struct):
    name: str = ""
    nodes: list[msgspec.Raw] = []


def listed(folder: Path) -> list[dict[str, Any]]:
    """Return the saved investigations, the newest first."""
    return [{"name": path.stem, "saved_at": _moment(at)} for at, path in _newest_first(folder)]


def save(folder: Path, saving: Saving) -> dict[str, Any]:
    """Save an investigation in one step; return the `mark` of this version.

    Returns `exists`, with the time of the version that is there, and saves nothing, where that is not the one that the
    page knows and `over` is not said.
    """
    path = _path(folder, saving.name)
    if _mark(path) not in {"", saving.mark} and not saving.over:
        return {"exists": _moment(path.stat().st_mtime)}
    _write(folder, path, bytes(saving.content))
    return {"mark": _mark(path)}


def opened(folder: Path, name: str) -> msgspec.Raw:
    """Return a saved investigation's content."""
    try:
        return msgspec.Raw(_path(folder, name).read_bytes())
    except OSError as wrong:
        raise UsageError(f"no investigation is called {name!r}") from wrong


def opened_with_mark(folder: Path, name: str) -> dict[str, Any]:
    """Return a saved investigation's `content`, and the `mark` of this version."""
    mark = _mark(_path(folder, name))
    return {"mark": mark, "content": opened(folder, name)}


def remove(folder: Path, name: str) -> None:
    """Remove a saved investigation."""
    _path(folder, name).unlink(missing_ok=True)


def keep_unsaved(folder: Path, picture: UnsavedPicture) -> None:
    """Keep a tab's picture, and of all tabs' the newest UNSAVED_KEPT."""
    path = _unsaved_path(folder, picture.id)
    if bytes(picture.content) == b"null":
        path.unlink(missing_ok=True)
        return
    _write(folder, path, bytes(picture.content))
    for _, old in _newest_first(folder / UNSAVED)[UNSAVED_KEPT:]:
        old.unlink(missing_ok=True)


def unsaved(folder: Path, id_: str) -> dict[str, Any]:
    """Return what was kept of a tab's picture: `content`, None if nothing."""
    try:
        return {"content": msgspec.Raw(_unsaved_path(folder, id_).read_bytes())}
    except OSError:
        return {"content": None}


def unsaved_listed(folder: Path) -> list[dict[str, Any]]:
    """Return the pictures that were not saved, the newest first: id, time, number of nodes, and the name, if any."""
    found = []
    for at, path in _newest_first(folder / UNSAVED):
        try:
            head = msgspec.json.decode(path.read_bytes(), type=_PictureHead)
        except (OSError, msgspec.MsgspecError):
            continue
        found.append({"id": path.stem, "kept_at": _moment(at), "nodes": len(head.nodes), "name": head.name})
    return found


def _newest_first(folder: Path) -> list[tuple[float, Path]]:
    return sorted(((path.stat().st_mtime, path) for path in folder.glob("*.json")), reverse=True)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _mark(path: Path) -> str:
    """Return what tells a version of a file from another; "" if there is none."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_ino}-{found.st_mtime_ns}"


def _write(folder: Path, path: Path, content: bytes) -> None:
    if len(content) > LARGEST:
        raise UsageError("the investigation is too large to be saved: take nodes out of the picture")
    with disk.failing(path, CacheError, "What was saved before is as it was."):
        disk.refuse_links(folder.parent, *path.parent.relative_to(folder.parent).parts).mkdir(
            parents=True, exist_ok=True
        )
        disk.write_atomically(path, content + b"\n")


def _unsaved_path(folder: Path, id_: str) -> Path:
    if not _ID.fullmatch(id_):
        raise UsageError("a tab's id has 8 to 40 small letters and digits")
    return folder / UNSAVED / f"{id_}.json"


def _path(folder: Path, name: str) -> Path:
    if not NAME.fullmatch(name) or name.endswith((" ", ".")) or ".." in name:
        raise UsageError("a name begins with a letter or digit and has at most 80 letters, digits, spaces or .()+-_")
    return folder / f"{name}.json"
