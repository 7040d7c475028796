"""Saved investigations: a picture's nodes, positions and filters, as JSON files beside the raw cache."""

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


class Saving(msgspec.Struct, frozen=True):
    """An investigation to be saved. Only the page reads its content."""

    name: str
    content: msgspec.Raw = msgspec.Raw(b"{}")


def listed(folder: Path) -> list[dict[str, Any]]:
    """Return the saved investigations, the newest first."""
    if not folder.is_dir():
        return []
    found = [(path.stat().st_mtime, path.stem) for path in folder.glob("*.json")]
    return [
        {"name": name, "saved_at": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        for at, name in sorted(found, reverse=True)
    ]


def save(folder: Path, saving: Saving) -> None:
    """Save an investigation; one of the same name is replaced, in one step."""
    path = _path(folder, saving.name)
    if len(bytes(saving.content)) > LARGEST:
        raise UsageError("the investigation is too large to be saved: take nodes out of the picture")
    with disk.failing(path, CacheError, "What was saved before is as it was."):
        disk.refuse_links(folder.parent, folder.name).mkdir(parents=True, exist_ok=True)
        disk.write_atomically(path, bytes(saving.content) + b"\n")


def opened(folder: Path, name: str) -> msgspec.Raw:
    """Return a saved investigation's content."""
    try:
        return msgspec.Raw(_path(folder, name).read_bytes())
    except OSError as wrong:
        raise UsageError(f"no investigation is called {name!r}") from wrong


def remove(folder: Path, name: str) -> None:
    """Remove a saved investigation."""
    _path(folder, name).unlink(missing_ok=True)


def _path(folder: Path, name: str) -> Path:
    if not NAME.fullmatch(name) or name.endswith((" ", ".")) or ".." in name:
        raise UsageError("a name begins with a letter or digit and has at most 80 letters, digits, spaces or .()+-_")
    return folder / f"{name}.json"
