"""The contract of a format, and the list of all formats."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from intel_grapher.errors import UsageError
from intel_grapher.export import formats
from intel_grapher.export.part import Part, RowBatch
from intel_grapher.model import NodeRef
from intel_grapher.warning_lists import WarningList


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a user may say of an export besides its format.

    title          what the result is called, where a format has a place for that
    newest_before  ISO 8601: what was last seen or told before is left out of a block list; None for no limit
    excluded       warning lists: no block list may have what is on one of them
    unjudged       whether a block list has also what no analyst has judged
    event          the UUID of the MISP event that is to be updated; empty for one that is derived from the content
    """

    title: str = "intel-grapher"
    newest_before: str | None = None
    excluded: tuple[WarningList, ...] = ()
    unjudged: bool = False
    event: str = ""

    def excludes(self, node: NodeRef) -> bool:
        """Tell whether a node is on a warning list, and so has no place in a block list."""
        return any(each.has(node) for each in self.excluded)


@dataclass
class Written:
    """What an export wrote: nodes, relationships, and by what it is, what the format has no place for."""

    nodes: int = 0
    relationships: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, rows: RowBatch) -> None:
        """Count rows that were all written."""
        if rows.group.type:
            self.relationships += len(rows.columns[0])
        else:
            self.nodes += len(rows.columns[0])


@dataclass(frozen=True, kw_only=True)
class Back:
    """What survives the way out and in again, by `cache add` of a file under this source and endpoint.

    labels  nodes of these labels are all there again, and no others of these labels
    types   so are relationships of these types, where all digests of a file count as one
    dated   those types of them whose first_seen and last_seen are there again, merged over the digests of a file
    but     what is left out of these all the same, in words; `has_place` tells it of a node by label and key
    """

    source: str
    endpoint: str
    labels: frozenset[str]
    types: frozenset[str] = frozenset()
    dated: frozenset[str] = frozenset()
    but: str = ""
    has_place: Callable[[str, str], bool] = lambda _label, _key: True


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format that the graph goes out in.

    name       what --format is told
    title      its name in the docs
    suffix     what its files' names end in
    doc        what is in such a file, in one sentence
    write      writes a part of the graph to a stream
    used_by    tools that read it
    checked_by what the tests check it with, that we did not write
    back       what survives the way out and in again; None where we don't read the format
    is_text    whether it may go to a terminal
    """

    name: str
    title: str
    suffix: str
    doc: str
    write: Callable[[Part, BinaryIO, Settings], Written]
    used_by: str
    checked_by: str
    back: Back | None = None
    is_text: bool = True


def installed() -> Mapping[str, Format]:
    """Return all formats by name."""
    modules = [each.name for each in pkgutil.iter_modules(formats.__path__) if not each.name.startswith("_")]
    found = [importlib.import_module(f"{formats.__name__}.{name}").format for name in modules]
    return {each.name: each for each in sorted(found, key=lambda each: each.name)}


def named(name: str, among: Mapping[str, Format]) -> Format:
    """Return the format of a name. Raises UsageError, which lists the names."""
    if name not in among:
        raise UsageError(f"there is no format {name!r}; there are: {', '.join(among)}")
    return among[name]
