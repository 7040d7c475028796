"""The listing of a store: writers side by side, pages, what is retired, what is damaged or foreign."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from obstore.store import MemoryStore
from small_cache import Fill

from intel_grapher.cache import Cache, Corruption
from intel_grapher.cache.listing import PAGE, ROOT, Listed, SharedListing
from intel_grapher.errors import StoreError
from intel_grapher.objects import Objects

HEAD = {"kind": "intel-grapher cache", "version": 1}


def listed(number: int) -> Listed:
    digest = hashlib.sha256(b"%d" % number).hexdigest()
    return Listed(f"raw/dns/a/{number:06}-1-{digest[:16]}.jsonl.zst", 7, digest)


def refuse(corruption: Corruption) -> None:
    raise AssertionError(corruption)


def memory() -> Objects:
    return Objects("s3://bucket", MemoryStore())


def test_a_listing_names_what_was_added_and_what_is_retired_no_more() -> None:
    shared = SharedListing(memory())
    assert shared.read().segments == {}
    shared.add([listed(1), listed(2)])
    after = shared.add([listed(2), listed(3)], retire=[listed(1).name])
    assert list(after.segments) == [listed(2).name, listed(3).name]
    assert shared.add([listed(1)]).segments == after.segments, "what is retired does not come back"
    assert SharedListing(shared.objects).read().segments == after.segments
    assert after.lacks(map(listed, (1, 2, 4))) == [listed(4)]


def test_writers_side_by_side_lose_no_segment() -> None:
    objects = memory()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: SharedListing(objects).add([listed(number), listed(number + 1)]), range(40)))
    assert set(SharedListing(objects).read().segments) == {listed(number).name for number in range(41)}


def test_a_long_listing_is_in_pages_that_are_read_once(tmp_path: Path) -> None:
    objects = memory()
    first = SharedListing(objects)
    for start in range(0, 2 * PAGE + 100, 100):
        first.add(map(listed, range(start, start + 100)))
    first.add([], retire=[listed(5).name])
    assert len(objects.get(ROOT)) < 120 * PAGE
    with_copies = SharedListing(objects, tmp_path / "pages")
    assert len(with_copies.read().segments) == 2 * PAGE + 99
    for name in with_copies.read().pages:
        assert objects.find(name)
    objects.delete(with_copies.read().pages)
    again = SharedListing(objects, tmp_path / "pages").read()
    assert again.segments == with_copies.read().segments
    assert len(again.pages) == 2
    next((tmp_path / "pages").iterdir()).write_bytes(b"{}")
    with pytest.raises(StoreError, match="is not there"):
        SharedListing(objects, tmp_path / "pages").read()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>", "is not the listing of a cache"),
        (b"\xff\xfe", "is not the listing of a cache"),
        (b'{"kind":"somebody else\'s"}', "is not the listing of a cache"),
        (b'{"kind":"intel-grapher cache","version":2}', "later version"),
        (b"{}", "is not the listing of a cache"),
        (json.dumps({**HEAD, "pages": [["../../etc"]]}).encode(), "is not the listing of a cache"),
        *(
            (json.dumps({**HEAD, "segments": [[name, 1, "0" * 64]]}).encode(), "is not the listing of a cache")
            for name in (
                "raw/dns/../../000001-1-0123456789abcdef.jsonl.zst",
                "raw/dns/a/000001.jsonl",
                "/raw/dns/a/000001-1-0123456789abcdef.jsonl.zst",
                "raw/dns/a/000001-1-0123456789abcdef.jsonl.zst\n",
                "raw/dns/a/0000001-1-0123456789abcdef.jsonl.zst",
                "other/dns/a/000001-1-0123456789abcdef.jsonl.zst",
            )
        ),
    ],
)
def test_what_is_no_listing_is_refused_and_stays(content: bytes, message: str) -> None:
    objects = memory()
    objects.put_new(ROOT, content)
    for work in (SharedListing(objects).read, lambda: SharedListing(objects).add([listed(1)])):
        with pytest.raises(StoreError, match=message):
            work()
    assert objects.get(ROOT) == content


def test_a_segment_is_read_from_the_store_alone(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path, *range(20), segment_bytes=1000)
    objects = memory()
    with Cache(tmp_path) as cache:
        closed = [segment for segment in cache.segments() if segment.closed]
    contents = [segment.path.read_bytes() for segment in closed]
    entries = [Listed.of(*each) for each in zip(closed, contents, strict=True)]
    for each, content in zip(entries, contents, strict=True):
        objects.put_new(each.name, content)
    shared = SharedListing(objects)
    found = shared.add(entries).segments
    assert [each.segment(tmp_path) for each in found.values()] == closed
    for each, segment in zip(found.values(), closed, strict=True):
        away = each.segment(Path("nowhere"))
        assert away.envelopes(refuse, shared.content(each)) == segment.envelopes(refuse)
    objects.delete([entries[0].name])
    objects.put_new(entries[0].name, contents[0][:-1])
    with pytest.raises(StoreError, match="is damaged"):
        shared.content(entries[0])
