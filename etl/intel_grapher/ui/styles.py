"""Style rules of a workspace: which nodes have which colour, size and badge, in `data/style-rules.json`."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from intel_grapher import disk
from intel_grapher.errors import CacheError, UsageError

FILE: Final = "style-rules.json"
MOST: Final = 50

Comparison = Literal["is", "contains", "over", "under"]


class StyleRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rule: nodes whose `field` compares with `value` have this colour, size and badge, as far as given.

    `field` is label, key, verdict, tag, source, age (days since it was seen last), neighbours, warning list, or the
    name of a property. `size` is a factor.
    """

    field: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    comparison: Comparison
    value: Annotated[str, msgspec.Meta(max_length=400)]
    colour: Annotated[str, msgspec.Meta(pattern=r"\A(#[0-9a-fA-F]{6})?\Z")] = ""
    size: Annotated[float, msgspec.Meta(ge=0.5, le=3)] = 1.0
    badge: Annotated[str, msgspec.Meta(max_length=2)] = ""


class StyleRules(msgspec.Struct, frozen=True):
    """All rules: of several that give a node a colour, a size or a badge, the first counts."""

    rules: Annotated[list[StyleRule], msgspec.Meta(max_length=MOST)] = []


class StyleChange(StyleRules, frozen=True):
    """The rules as they are to be, and the version of those that were changed; None for any."""

    version: str | None = None


_CHANGING: Final = threading.Lock()


def version(data: Path) -> str:
    """Return what tells one state of a workspace's rules from another."""
    try:
        return _mark((data / FILE).read_bytes())
    except OSError:
        return ""


def _mark(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]


def told(data: Path) -> dict[str, Any]:
    """Return the rules of a workspace, and their version. Raises UsageError for a file that holds none."""
    path = data / FILE
    try:
        body = path.read_bytes()
        rules = msgspec.to_builtins(msgspec.json.decode(body, type=StyleRules).rules)
        return {"rules": rules, "version": _mark(body)}
    except FileNotFoundError:
        return {"rules": [], "version": ""}
    except (OSError, msgspec.MsgspecError) as wrong:
        raise UsageError(f"{path} can't be read: {wrong}; mend or remove it") from wrong


def change(data: Path, asked: StyleChange) -> dict[str, Any]:
    """Keep the rules of a workspace in one step; return them with their version.

    Raises UsageError where the rules that were changed are not those that are kept: another tab was quicker.
    """
    path = data / FILE
    with _CHANGING, disk.failing(path, CacheError, "The rules are as they were."):
        if asked.version not in {None, version(data)}:
            raise UsageError(
                "the rules were changed in another tab meanwhile; here they are as they are now: try again"
            )
        data.mkdir(parents=True, exist_ok=True)
        disk.write_atomically(path, msgspec.json.format(msgspec.json.encode(StyleRules(asked.rules))) + b"\n")
        return told(data)
