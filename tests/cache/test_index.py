"""Look-ups: the index says what a scan of every record says, whatever happened to it."""

import random
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intel_grapher.cache import Area, Cache, Entry, Found, verify
from intel_grapher.cache.envelope import AREAS, digest

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - spares the disk hundreds of fsyncs

entries = st.builds(
    Entry,
    source=st.sampled_from(["dns", "threatcrowd"]),
    endpoint=st.sampled_from(["a", "b"]),
    key=st.sampled_from(["x.example", "X.example", "y.example", "\x00"]),
    fetched_at=st.integers(0, 3),
    status=st.sampled_from([200, 404]),
    body=st.sampled_from([b"{}", b"[]", b"x", b"\xff" * 200]),
    params=st.sampled_from([{}, {"type": "A"}, {"type": "MX", "cd": "1"}, {"cd": "1", "type": "MX"}]),
)


def scan(cache: Cache) -> list[tuple[Area, str, str, str, dict[str, str], int, int, bytes]]:
    """Give what every record says, without the index."""
    return [
        (
            segment.area,
            segment.source,
            segment.endpoint,
            record.envelope.key,
            record.envelope.params,
            record.envelope.epoch,
            record.envelope.status,
            digest(record.raw),
        )
        for segment in cache.segments(AREAS)
        for record in segment.read(lambda damage: pytest.fail(str(damage)))
    ]


def as_scanned(found: Found) -> tuple[Area, str, str, str, dict[str, str], int, int, bytes]:
    place = (found.area, found.source, found.endpoint)
    return *place, found.key, found.params, found.fetched_at, found.status, found.digest


def check(cache: Cache) -> None:
    records = scan(cache)
    for area, source, endpoint, key, params in {(*r[:4], tuple(sorted(r[4].items()))) for r in records}:
        rivals = [r for r in records if r[:5] == (area, source, endpoint, key, dict(params))]
        found = cache.newest(source, endpoint, key, dict(params), area)
        assert found
        assert as_scanned(found) == max(rivals, key=lambda r: (r[5], r[7]))
        assert cache.read(found).epoch == found.fetched_at
    for key in {record[3] for record in records}:
        history = [as_scanned(found) for found in cache.history(key)]
        assert sorted(map(repr, history)) == sorted(repr(record) for record in records if record[3] == key)
        assert [one[5] for one in history] == sorted((one[5] for one in history), reverse=True)
    for holding in cache.holdings():
        place = (holding.area, holding.source, holding.endpoint)
        here = [record for record in records if record[:3] == place]
        assert (holding.replies, holding.keys) == (len(here), len({record[3] for record in here}))
        assert holding.statuses == Counter(record[6] for record in here)
        assert (holding.oldest, holding.newest) == (min(r[5] for r in here), max(r[5] for r in here))
    assert sum(holding.replies for holding in cache.holdings()) == len(records)


def delete(root: Path) -> None:
    for path in root.glob("index.sqlite*"):
        path.unlink()


def empty(root: Path) -> None:
    (root / "index.sqlite").write_bytes(b"")


def scribble(root: Path) -> None:
    (root / "index.sqlite").write_bytes(b"not a database, but something else\n" * 500)


def cut(root: Path) -> None:
    path = root / "index.sqlite"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil(root: Path) -> None:
    path = root / "index.sqlite"
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(bytes(data))


def age(root: Path) -> None:
    with sqlite3.connect(root / "index.sqlite") as db:
        db.execute("DROP TABLE replies")
        db.execute("PRAGMA user_version = 99")
    db.close()


def rob(root: Path) -> None:
    with sqlite3.connect(root / "index.sqlite") as db:
        db.execute("DROP TABLE replies")
    db.close()


def nothing(_: Path) -> None:
    pass


FAULTS: list[Callable[[Path], None]] = [delete, empty, scribble, cut, spoil, age, rob, nothing]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.tuples(entries, st.sampled_from(AREAS)), max_size=12), st.sampled_from(FAULTS)),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([1, 1500, 1 << 30]),
)
def test_the_index_says_what_a_scan_says(
    runs: list[tuple[list[tuple[Entry, Area]], Callable[[Path], None]]], segment_bytes: int
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        root = Path(folder)
        for additions, fault in runs:
            with Cache(root, segment_bytes) as cache:
                with cache.writer() as writer:
                    for entry, area in additions:
                        writer.add(entry, area)
                    writer.sync()
                    check(cache)
                check(cache)
            fault(root)
        with Cache(root) as cache:
            check(cache)
            assert {Path(problem.where).name for problem in verify(cache)} <= {"index.sqlite"}
            assert verify(cache) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(entries, max_size=30), st.randoms(use_true_random=False), st.sampled_from([1, 1500, 1 << 30]))
def test_once_is_once_in_any_order(additions: list[Entry], chance: random.Random, segment_bytes: int) -> None:
    different = {
        (e.source, e.endpoint, e.key, e.fetched_at, e.status, e.body, *sorted(e.params.items())) for e in additions
    }
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, Cache(Path(folder), segment_bytes) as cache:
        with cache.writer() as writer:
            assert sum(writer.place(entry).is_new for entry in additions) == len(different)
        chance.shuffle(additions)
        with cache.writer() as writer:
            assert sum(writer.place(entry).is_new for entry in additions) == 0
        assert len(scan(cache)) == len(different)


def reply(key: str = "x.example", fetched_at: int = 0, body: bytes = b"{}") -> Entry:
    return Entry(source="dns", endpoint="a", key=key, fetched_at=fetched_at, status=200, body=body)


@pytest.mark.parametrize("fault", FAULTS)
def test_an_index_that_is_damaged_while_open_is_made_anew(tmp_path: Path, fault: Callable[[Path], None]) -> None:
    with Cache(tmp_path) as cache:
        with cache.writer() as writer:
            for number in range(300):
                writer.add(reply(f"{number}.example", number))
        cache.close()
        with sqlite3.connect(tmp_path / "index.sqlite") as db:
            db.execute("PRAGMA journal_mode = DELETE")
        db.close()
        cache.refresh()
        fault(tmp_path)
        with cache.writer() as writer:
            writer.add(reply("new.example"))
        assert cache.newest("dns", "a", "new.example")
        cache.close()
        check(cache)


def test_segments_that_were_removed_or_replaced_are_not_remembered(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        with cache.writer() as writer:
            for number in range(20):
                writer.add(reply(f"{number}.example"))
        shutil.rmtree(tmp_path / "raw")
        with cache.writer() as writer:  # a longer file of the same name
            for number in range(100, 150):
                writer.add(reply(f"{number}.example"))
        assert cache.newest("dns", "a", "1.example") is None
        check(cache)
        path = cache.segments()[0].path
        lines = path.read_bytes().splitlines(keepends=True)
        with Cache(tmp_path / "other") as other, other.writer() as writer:
            for number in range(200, 300):
                writer.add(reply(f"{number}.example"))
        path.write_bytes((tmp_path / "other/raw/dns/a/000001.jsonl").read_bytes())
        cache.refresh()
        assert cache.newest("dns", "a", "149.example") is None
        assert cache.newest("dns", "a", "299.example")
        path.write_bytes(b"".join(lines[:10]))
        cache.refresh()
        check(cache)
        shutil.rmtree(tmp_path / "raw")
        cache.refresh()
        assert cache.holdings() == []


def test_a_segment_without_a_whole_record_yet_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "raw/dns/a/000001.jsonl"
    path.parent.mkdir(parents=True)
    for content in (b"", b'{"crc":"', b'{"crc":"01234567",'):
        path.write_bytes(content)
        with Cache(tmp_path) as cache:
            assert cache.holdings() == []
            cache.refresh()
            assert cache.newest("dns", "a", "x.example") is None
    with Cache(tmp_path) as cache, cache.writer() as writer:
        writer.add(reply())
        writer.sync()
        check(cache)


def test_a_key_that_is_not_text_is_not_there(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        assert cache.newest("dns", "a", "\udcff") is None
        assert cache.history("\udcff") == []


def test_two_caches_at_once_index_the_same(tmp_path: Path) -> None:
    with Cache(tmp_path, segment_bytes=2000) as one, Cache(tmp_path) as two, one.writer() as writer:
        for number in range(200):
            writer.add(reply(f"{number}.example", number))
            if number % 17 == 0:
                two.refresh()
            if number % 23 == 0:
                writer.sync()
        writer.sync()
        two.refresh()
        check(one)
        check(two)


def test_a_look_up_takes_microseconds(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        with cache.writer() as writer:
            for number in range(5000):
                writer.add(reply(f"{number}.example", number))
        cache.newest("dns", "a", "1.example")
        best = 1.0
        for _ in range(5):
            begun = time.process_time()
            for number in range(200):
                cache.newest("dns", "a", f"{number}.example")
            best = min(best, (time.process_time() - begun) / 200)
    assert best < 100e-6  # a tenth of it on an idle machine


def test_a_flipped_bit_makes_no_summary_and_no_found_reply_wrong_and_is_told(tmp_path: Path) -> None:
    """Flip a bit of every eighth byte that is in use: what is found is there, and what `verify` leaves is right."""
    chance = random.Random(20)  # noqa: S311 - repeatable
    with Cache(tmp_path, 2000) as cache, cache.writer() as writer:
        for number in range(40):
            writer.add(reply(f"{number % 30}.example", number))
    with sqlite3.connect(tmp_path / "index.sqlite") as db:
        db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    with Cache(tmp_path) as cache:
        truth = cache.holdings()
        replies = {key: cache.newest("dns", "a", key) for key in [f"{number}.example" for number in range(30)]}
        held = cache.held(list(replies))
    whole = (tmp_path / "index.sqlite").read_bytes()
    used = [position for position, byte in enumerate(whole) if byte]
    silent = 0
    for position in used[::8]:
        flipped = bytearray(whole)
        flipped[position] ^= 1 << chance.randrange(8)
        for file in tmp_path.glob("index.sqlite*"):
            file.unlink()
        (tmp_path / "index.sqlite").write_bytes(flipped)
        with Cache(tmp_path) as cache:
            found = {key: cache.newest("dns", "a", key) for key in replies}
            assert all(cache.read(one).epoch == one.fetched_at for one in found.values() if one)
            assert cache.holdings() == truth, position
            told = verify(cache)
            silent += not told
            assert {key: cache.newest("dns", "a", key) for key in replies} == replies
            assert cache.held(list(replies)) == held
            assert found == replies, position  # a file as small as this is checked when it is opened
    assert silent < len(used[::8]) / 4  # bits that SQLite does not read


def test_an_index_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    before = other.read_bytes()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "index.sqlite").symlink_to(other)
    with Cache(tmp_path / "data") as cache, cache.writer() as writer:
        writer.add(reply())
    with Cache(tmp_path / "data") as cache:
        check(cache)
    assert other.read_bytes() == before
