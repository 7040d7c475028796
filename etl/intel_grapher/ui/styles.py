"""Style rules of a workspace: which nodes have which colour, size and badge, in `data/style-rules.json`."""

from __future__ import annotations

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


def read(data: Path) -> StyleRules:
    """Return the rules of a workspace. Raises UsageError for a file that holds none."""
    path = data / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=StyleRules)
    except FileNotFoundError:
        return StyleRules()
    except (OSError, msgspec.MsgspecError) as wrong:
        raise UsageError(f"{path} can't be read: {wrong}; mend or remove it") from wrong


def write(data: Path, rules: StyleRules) -> dict[str, Any]:
    """Keep the rules of a workspace in one step; return them."""
    path = data / FILE
    with disk.failing(path, CacheError, "The rules are as they were."):
        data.mkdir(parents=True, exist_ok=True)
        disk.write_atomically(path, msgspec.json.format(msgspec.json.encode(rules)) + b"\n")
    return msgspec.to_builtins(rules)  # type: ignore[no-any-return]
