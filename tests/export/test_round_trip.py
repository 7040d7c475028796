"""Out and in again: what the table in the docs says survives, does, whatever the graph."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from exporting import exported
from hypothesis import given, settings
from transforming import REGISTRY, entries, filled, rows, transform

from intel_grapher.cache import Cache, Entry, import_replies
from intel_grapher.cli.cache_add import resolve, standing
from intel_grapher.export import format as formats
from intel_grapher.export.format import Back
from intel_grapher.export.part import opened
from intel_grapher.files import Files, Group
from intel_grapher.transform import Options

BACK = {each.name: each.back for each in formats.installed().values() if each.back is not None}
FORMATS = formats.installed()
Graph = dict[str, dict[tuple[str, ...], dict[str, Any]]]


def again(site: Path, name: str, back: Back, folder: Path) -> Graph:
    """Return the graph of what a format made of a site's files, read into an empty cache."""
    folder.mkdir(exist_ok=True)
    file = folder / f"there{FORMATS[name].suffix}"
    with opened(Files(site / "import")) as part:
        file.write_bytes(exported(name, part))
    with Cache(folder / "data") as cache:
        with cache.writer() as writer:
            added = import_replies(
                writer,
                [file],
                judge=partial(standing, REGISTRY),
                resolve=partial(resolve, REGISTRY),
                source=back.source,
                endpoint=back.endpoint,
                key="there-and-back",
            )
        assert added.skipped == []
        transform(cache, folder / "import", Options(processes=1))
    return rows(folder / "import")


def digest_files(graph: Graph) -> dict[str, str]:
    """Return each digest's file, named by the least of its digests."""
    of: dict[str, set[str]] = {key: {key} for (key,) in graph.get("Hash", {})}
    for one, other in graph.get("Hash-SAME_FILE-Hash", {}):
        whole = of[one] | of[other]
        for each in whole:
            of[each] = whole
    return {key: min(whole) for key, whole in of.items()}


def nodes(graph: Graph, back: Back) -> set[tuple[str, str]]:
    return {(label, key) for label in back.labels for (key,) in graph.get(label, {}) if back.has_place(label, key)}


Span = tuple[int | None, int | None]


def relationships(graph: Graph, back: Back) -> dict[tuple[str, ...], Span]:
    """Return the relationships that are to survive, by their ends' files, with the dates of those that keep these."""
    file_of = digest_files(graph)
    found: dict[tuple[str, ...], Span] = {}
    for name, group_rows in graph.items():
        group = Group.parse(name)
        if group.type not in back.types or not set(group.labels) <= back.labels | BY_RELATIONSHIP:
            continue
        for keys, known in group_rows.items():
            if not all(map(back.has_place, group.labels, keys)):
                continue
            ends = [file_of[key] if label == "Hash" else key for label, key in zip(group.labels, keys, strict=True)]
            first, last = (known["first_seen"], known["last_seen"]) if group.type in back.dated else (None, None)
            if ends[0] != ends[1]:
                before = found.get((name, *ends), (None, None))
                found[name, *ends] = _least(before[0], first), _most(before[1], last or first)
    return found


def _least(*moments: int | None) -> int | None:
    return min((each for each in moments if each is not None), default=None)


def _most(*moments: int | None) -> int | None:
    return max((each for each in moments if each is not None), default=None)


BY_RELATIONSHIP = {"Malware", "Organization", "Network", "Report"}
"""Labels of which those nodes come back that a relationship names."""


def compare(before: Graph, after: Graph, back: Back) -> None:
    assert nodes(after, back) == nodes(before, back)
    told, found = relationships(before, back), relationships(after, back)
    assert sorted(told.keys() - found.keys()) == []
    assert sorted(found.keys() - told.keys()) == []
    for each, (first, last) in told.items():
        assert first is None or found[each] == (first, last), each


@pytest.mark.parametrize(("name", "back"), BACK.items(), ids=BACK)
def test_the_campaign_comes_back(name: str, back: Back, site: Path, tmp_path: Path) -> None:
    compare(rows(site / "import"), again(site, name, back, tmp_path), back)


@pytest.mark.parametrize(("name", "back"), BACK.items(), ids=BACK)
@settings(deadline=None, max_examples=4)
@given(replies=entries)
def test_any_graph_comes_back(name: str, back: Back, replies: list[Entry]) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        transform(filled(root / "data", replies), root / "import", Options(processes=1))
        compare(rows(root / "import"), again(root, name, back, root / "back"), back)
