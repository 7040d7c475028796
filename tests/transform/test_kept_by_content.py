"""What a run keeps is known by its content: no later run takes it for what another cache, or another record, gave."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from transforming import bytes_of, rows, transform

from intel_grapher.cache import Cache, Entry, Segment, compact, verify
from intel_grapher.transform.staged import find

RESOLVES = "Domain-RESOLVES-IPAddress"


def added(root: Path, *names: str, address: str = "192.0.2.1") -> Cache:
    cache = Cache(root)
    body = f'{{"response_code":"1","resolutions":[{{"ip_address":"{address}","last_resolved":"2020-01-01"}}]}}'
    with cache.writer() as writer:
        for name in names:
            entry = Entry(
                source="threatcrowd", endpoint="domain", key=name, fetched_at=1_700_000_000, status=200,
                body=body.encode(),
            )  # fmt: skip
            writer.add(entry)
    return cache


def last_record_replaced(cache: Cache, by: Callable[[bytes], bytes]) -> None:
    (segment,) = cache.segments()
    whole = segment.path.read_bytes()
    cut = whole[:-1].rfind(b"\n") + 1
    segment.path.write_bytes(whole[:cut] + by(whole[cut:]))


def resolved(place: Path) -> list[str]:
    return sorted(start for start, _ in rows(place).get(RESOLVES, {}))


def test_two_caches_may_share_one_folder_of_files(tmp_path: Path) -> None:
    one = added(tmp_path / "one", "example.com", address="192.0.2.10")
    other = added(tmp_path / "other", "example.org", address="192.0.2.77")
    for cache, name in ((one, "example.com"), (other, "example.org"), (one, "example.com")):
        transform(cache, tmp_path / "import")
        assert resolved(tmp_path / "import") == [name]
        transform(cache, tmp_path / f"anew_{name}")
        assert bytes_of(tmp_path / "import") == bytes_of(tmp_path / f"anew_{name}")


def test_another_cache_that_begins_with_the_same_replies_adds_to_them(tmp_path: Path) -> None:
    transform(added(tmp_path / "one", "example.com"), tmp_path / "import")
    transform(added(tmp_path / "other", "example.com", "example.net"), tmp_path / "import")
    assert resolved(tmp_path / "import") == ["example.com", "example.net"]


@pytest.mark.parametrize("lost", [lambda _record: b"", lambda record: bytes(len(record))], ids=["cut", "zeroed"])
@pytest.mark.parametrize("compacted", [False, True])
def test_a_record_that_a_power_cut_took_and_another_of_its_length(
    tmp_path: Path, lost: Callable[[bytes], bytes], *, compacted: bool
) -> None:
    cache = added(tmp_path, "example.com", "aaaaaa.com")
    transform(cache, tmp_path / "import")
    last_record_replaced(cache, lost)
    cache = added(tmp_path, "bbbbbb.com")
    assert not verify(cache)
    if compacted:
        with cache.writer() as writer:
            compact(cache, writer)
    transform(cache, tmp_path / "import")
    assert resolved(tmp_path / "import") == ["bbbbbb.com", "example.com"]
    transform(cache, tmp_path / "anew")
    assert bytes_of(tmp_path / "import") == bytes_of(tmp_path / "anew")


def test_an_exchanged_record_is_read_again_whatever_its_time(tmp_path: Path) -> None:
    cache = added(tmp_path, "example.com", "aaaaaa.com")
    transform(cache, tmp_path / "import")
    other = added(tmp_path / "other", "example.com", "bbbbbb.com")
    (segment,), (of_other,) = cache.segments(), other.segments()
    assert segment.size == of_other.size
    shutil.copystat(segment.path, of_other.path)
    shutil.copy2(of_other.path, segment.path)
    transform(cache, tmp_path / "import")
    assert resolved(tmp_path / "import") == ["bbbbbb.com", "example.com"]


def test_a_staged_file_in_whose_place_that_of_another_open_segment_was_put(tmp_path: Path) -> None:
    cache = added(tmp_path / "data", "example.com", "-")  # a reject is read from staged files in each run
    transform(cache, tmp_path / "import")
    transform(added(tmp_path / "other", "example.net"), tmp_path / "beside")
    (staged,), (of_other,) = (filter(find, (tmp_path / f".{name}.stage").iterdir()) for name in ("import", "beside"))
    shutil.copy2(of_other, staged)
    transform(cache, tmp_path / "import")
    transform(cache, tmp_path / "anew")
    assert bytes_of(tmp_path / "import") == bytes_of(tmp_path / "anew")


def test_a_damaged_open_segment_is_read_again(tmp_path: Path) -> None:
    cache = added(tmp_path, "example.com", "aaaaaa.com")
    assert transform(cache, tmp_path / "import").damaged == 0
    (segment,) = cache.segments()
    whole = segment.path.read_bytes()
    last_record_replaced(cache, lambda record: record.replace(b"aaaaaa", b"aaaaab"))
    for _ in range(2):
        assert transform(cache, tmp_path / "import").damaged == 1
        assert resolved(tmp_path / "import") == ["example.com"]
    segment.path.write_bytes(whole)
    assert transform(cache, tmp_path / "import").damaged == 0
    assert resolved(tmp_path / "import") == ["aaaaaa.com", "example.com"]


def test_bytes_that_change_between_the_look_and_the_reading_are_kept_for_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = added(tmp_path, "example.com", "aaaaaa.com")
    (segment,) = cache.segments()
    whole = segment.path.read_bytes()
    content = Segment.content

    def exchanged(self: Segment) -> bytes:
        found = content(self)
        if b"aaaaaa" in found:
            last_record_replaced(cache, lambda _record: b"")
            added(tmp_path, "bbbbbb.com")
        return found

    monkeypatch.setattr(Segment, "content", exchanged)
    transform(cache, tmp_path / "import")
    monkeypatch.undo()
    assert resolved(tmp_path / "import") == ["bbbbbb.com", "example.com"]
    assert segment.path.stat().st_size == len(whole)
    segment.path.write_bytes(whole)
    transform(cache, tmp_path / "import")
    assert resolved(tmp_path / "import") == ["aaaaaa.com", "example.com"]
