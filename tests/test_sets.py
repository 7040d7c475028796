"""The sets before the present one: known by their date, bounded, and no room is taken twice."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from transforming import transform

from intel_grapher import diff, sets
from intel_grapher.cache import Cache, Entry
from intel_grapher.diff import Change
from intel_grapher.files import Files
from intel_grapher.transform import Options

START = 1_700_000_000
PARQUET = ("parquet",)


def say(root: Path, key: str, ports: list[int], at: int = START) -> None:
    body = json.dumps({"ip": key, "ports": ports}).encode()
    with Cache(root) as cache, cache.writer() as writer:
        writer.add(Entry(source="internetdb", endpoint="ip", key=key, fetched_at=at, status=200, body=body))


def publish(root: Path, at: int, keep: int = sets.MOST, as_of: int | None = None) -> None:
    with Cache(root) as cache:
        transform(cache, root / "import", Options(formats=PARQUET, keep=keep, as_of=as_of))
    if (root / "import" / "manifest.json").stat().st_mtime > START + 1000:  # it is a new set
        os.utime(root / "import" / "manifest.json", (at, at))


def test_the_sets_before_are_known_by_their_date(tmp_path: Path) -> None:
    for day in range(3):
        say(tmp_path, f"192.0.2.{day}", [80])
        publish(tmp_path, START + day)
    folder = tmp_path / "import"
    assert [each.published_at for each in sets.published(folder)] == [START + 2, START + 1, START]
    assert sets.published(folder)[0].folder == folder
    before = sets.previous(folder)
    assert before is not None
    assert {each.keys[0] for each in diff.rows(before.folder, folder) if each.group == "IPAddress"} == {"192.0.2.2"}
    assert {each.change for each in diff.rows(before.folder, folder)} == {Change.CAME}
    assert sets.as_of(folder, START + 1) == before
    assert sets.as_of(folder, START - 1) is None
    assert Files(before.folder).manifest().nodes["IPAddress"].rows == 2


def test_the_same_rows_again_are_no_new_set(tmp_path: Path) -> None:
    say(tmp_path, "192.0.2.1", [80])
    publish(tmp_path, START)
    publish(tmp_path, START + 500)
    assert [each.published_at for each in sets.published(tmp_path / "import")] == [START]


def test_a_group_that_did_not_change_takes_no_room(tmp_path: Path) -> None:
    say(tmp_path, "192.0.2.1", [80])
    publish(tmp_path, START)
    with Cache(tmp_path) as cache, cache.writer() as writer:
        body = b'{"response_code":"1","emails":["someone@example.com"]}'
        writer.add(
            Entry(source="threatcrowd", endpoint="domain", key="example.com", fetched_at=START, status=200, body=body)
        )
    publish(tmp_path, START + 1)
    before = sets.previous(tmp_path / "import")
    assert before is not None
    services = (folder / "nodes" / "Service.parquet" for folder in (before.folder, tmp_path / "import"))
    assert len({each.stat().st_ino for each in services}) == 1
    assert not list(before.folder.rglob("*.csv"))


def test_no_more_are_kept_than_was_said(tmp_path: Path) -> None:
    for day in range(5):
        say(tmp_path, f"192.0.2.{day}", [80])
        publish(tmp_path, START + day, keep=2)
    assert [each.published_at for each in sets.published(tmp_path / "import")] == [START + 4, START + 3, START + 2]
    say(tmp_path, "192.0.2.9", [80])
    publish(tmp_path, START + 9, keep=0)
    assert len(sets.published(tmp_path / "import")) == 1


def test_old_sets_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "ROOM", 0)
    for day in range(6):
        say(tmp_path, f"192.0.2.{day}", [80])
        publish(tmp_path, START + day)
    assert 2 <= len(sets.published(tmp_path / "import")) < 6


def test_a_set_as_of_an_earlier_time_is_not_kept(tmp_path: Path) -> None:
    say(tmp_path, "192.0.2.1", [80])
    publish(tmp_path, START, as_of=START + 5)
    say(tmp_path, "192.0.2.2", [80])
    publish(tmp_path, START + 1)
    assert len(sets.published(tmp_path / "import")) == 1


def test_a_set_that_was_kept_before_a_kill_is_told_once(tmp_path: Path) -> None:
    say(tmp_path, "192.0.2.1", [80])
    publish(tmp_path, START)
    place = sets.place_of(tmp_path / "import")
    shutil.copytree(tmp_path / "import", place / "2027-01-15T08-00-00Z")
    (place / ".new").mkdir()
    assert len(sets.published(tmp_path / "import")) == 1
    say(tmp_path, "192.0.2.2", [80])
    publish(tmp_path, START + 1)
    assert len(sets.published(tmp_path / "import")) >= 2


def test_what_is_no_set_is_passed_over(tmp_path: Path) -> None:
    assert sets.published(tmp_path / "import") == []
    assert sets.previous(tmp_path / "import") is None
    say(tmp_path, "192.0.2.1", [80])
    publish(tmp_path, START)
    place = sets.place_of(tmp_path / "import")
    place.mkdir()
    (place / "empty").mkdir()
    (place / "link").symlink_to(tmp_path / "import")
    assert len(sets.published(tmp_path / "import")) == 1
