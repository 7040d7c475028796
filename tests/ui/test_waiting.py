"""Edits that wait while another process writes to the cache: durable, in their order, once, and undone like others."""

from __future__ import annotations

import threading
from pathlib import Path

from intel_grapher.analyst import journal
from intel_grapher.analyst.entries import TagEntry, UndoEntry
from intel_grapher.cache import Cache
from intel_grapher.model import NodeRef
from intel_grapher.ui.waiting import FOLDER, WaitingEdits

NODE = NodeRef("Domain", "example.com")


def tag(text: str) -> TagEntry:
    return TagEntry(author="ana", about=NODE, tag=text)


def tags(data: Path) -> list[tuple[str, bool]]:
    with Cache(data) as cache:
        return sorted((each.body["tag"], each.undone) for each in journal.stored(cache) if each.what == "tag")


def test_edits_wait_on_disk_and_are_added_by_the_next_page_in_their_order(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache, cache.writer("a fetch"):
        first = WaitingEdits(tmp_path, lambda: None)
        kept, waits = first.take([tag("one"), tag("two")])
        assert waits
        _, waits = first.take([UndoEntry(author="ana", undoes=kept[0].id)])  # of one that is not in the cache yet
        assert waits
        assert [each.what for each in first.listed()] == ["tag", "tag", "undo"]
        first.close()  # as when the server ends: nothing is lost
    (tmp_path / FOLDER / "x.json").write_text("{")
    added = threading.Event()
    second = WaitingEdits(tmp_path, added.set)
    assert added.wait(30)
    assert tags(tmp_path) == [("one", True), ("two", False)]
    assert second.listed() == []
    second.close()
    assert "x.json is no edit that waits" in second.fault
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["x.json"]


def test_an_edit_that_was_added_before_its_file_was_removed_is_added_once(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache, cache.writer("a fetch"):
        first = WaitingEdits(tmp_path, lambda: None)
        first.take([tag("once")])
        first.close()
    [path] = (tmp_path / FOLDER).iterdir()
    content = path.read_bytes()
    for _ in range(2):
        path.write_bytes(content)
        added = threading.Event()
        page = WaitingEdits(tmp_path, added.set)
        assert added.wait(30)
        page.close()
    assert tags(tmp_path) == [("once", False)]
