"""Segments that were cut, flipped, half closed or mixed up: what is whole is read, and what is not is told."""

import hashlib
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from intel_grapher.cache import Cache, Compacted, Corruption, Entry, Segment, compact, quarantined, verify
from intel_grapher.cache.envelope import crc_holds
from intel_grapher.errors import CacheError

COUNT = 40


def entry(number: int, body: bytes | None = None) -> Entry:
    reply = b'{"n":%d,"pad":"%s"}' % (number, hashlib.sha256(b"%d" % number).hexdigest().encode() * 4)
    return Entry(
        source="dns",
        endpoint="a",
        key=f"host{number}.example.com",
        fetched_at=1_700_000_000 + number,
        status=200,
        body=reply if body is None else body,
    )


def fill(root: Path, count: int = COUNT, segment_bytes: int = 1 << 30, start: int = 0) -> None:
    with Cache(root, segment_bytes) as cache, cache.writer() as writer:
        for number in range(start, start + count):
            writer.add(entry(number))


def keys(root: Path) -> tuple[list[int], list[Corruption]]:
    damages: list[Corruption] = []
    found = [record.envelope for segment in Cache(root).segments() for record in segment.read(damages.append)]
    told: list[Corruption] = []
    assert [each for segment in Cache(root).segments() for each in segment.envelopes(told.append)] == found
    assert told == damages
    return [int(each.key[4:-12]) for each in found], damages


def only(root: Path) -> Segment:
    (segment,) = Cache(root).segments()
    return segment


def test_a_segment_cut_at_any_byte_of_its_last_record_takes_the_next(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    fill(whole, 2)
    with Cache(whole) as cache, cache.writer() as writer:
        writer.add(entry(2, '{"n":"äöü€😀"}'.encode()))
    data = only(whole).path.read_bytes()
    last = data[:-1].rindex(b"\n") + 1
    path = only(whole).path
    for cut in range(last + 1, len(data) + 1):
        path.write_bytes(data[:cut])
        assert keys(whole) == ([0, 1, 2] if cut >= len(data) - 1 else [0, 1], [])
        if cut % 7 and cut < len(data) - 30:  # appending waits for the disk: at every 7th byte, and around the text
            continue
        root = tmp_path / "cut"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(whole, root)
        fill(root, 1, start=9)
        if cut >= len(data) - 1:  # all but the newline was there
            assert keys(root) == ([0, 1, 2, 9], [])
            assert quarantined(root) == []
        else:
            assert keys(root) == ([0, 1, 9], [])
            assert [file.read_bytes() for file in quarantined(root)] == [data[last:cut]]
        with Cache(root) as cache:
            assert verify(cache) == []


def test_a_torn_line_is_told_and_is_no_loss_of_an_earlier_record(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    path = only(tmp_path).path
    path.write_bytes(path.read_bytes()[:-10])
    with Cache(tmp_path) as cache:
        (problem,) = verify(cache)
    assert "torn" in problem.what
    assert "Nothing to do" in problem.remedy


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(bytes(data))


def test_a_flipped_bit_in_an_open_segment_costs_one_record_at_most_and_is_told(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    fill(whole)
    content = only(whole).path.read_bytes()
    size = len(content)
    newlines = [position * 8 + 4 for position, byte in enumerate(content) if byte == ord("\n")]
    for bit in [*range(3, size * 8, size * 8 // 150), *newlines]:
        root = tmp_path / "flipped"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(whole, root)
        flip(only(root).path, bit)
        found, damages = keys(root)
        missing = set(range(COUNT)) - set(found)
        assert len(missing) == (0 if content[bit // 8] == ord("\n") else 1)
        assert damages
        assert all(damage.line for damage in damages)


def test_a_flipped_bit_in_a_closed_segment_costs_one_frame_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intel_grapher.cache.frames.FRAME_BYTES", 2000)
    whole = tmp_path / "whole"
    fill(whole, segment_bytes=14_000)
    fill(whole, segment_bytes=1, start=COUNT, count=1)
    assert all(segment.closed for segment in Cache(whole).segments())
    total = COUNT + 1
    assert keys(whole) == (list(range(total)), [])
    segment = Cache(whole).segments()[0]
    assert segment.path.read_bytes().count(b"\x28\xb5\x2f\xfd") >= 4
    for bit in range(1, segment.size * 8, segment.size * 8 // 150):
        root = tmp_path / "flipped"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(whole, root)
        damaged = root / segment.path.relative_to(whole)
        flip(damaged, bit)
        found, damages = keys(root)
        missing = total - len(found)
        assert damages[-1].line is None
        assert damages[-1].path == damaged
        assert sum(damage.lost for damage in damages) == missing
        assert missing <= 6
        assert sorted(set(found)) == found


def test_a_truncated_closed_segment_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intel_grapher.cache.frames.FRAME_BYTES", 2000)
    fill(tmp_path, segment_bytes=14_000)
    segment = Cache(tmp_path).segments()[0]
    data = segment.path.read_bytes()
    starts = [at for at in range(len(data)) if data.startswith(b"\x28\xb5\x2f\xfd", at)]
    for cut in [*starts, 0, 1, 5, 20, len(data) - 1, len(data) // 2]:
        segment.path.write_bytes(data[:cut])
        found, damages = keys(tmp_path)
        lost = COUNT - len(found)
        assert lost > 0
        assert sum(damage.lost for damage in damages) == lost
        assert found == sorted(set(found))


def test_a_closed_segment_that_is_another_one_is_told(tmp_path: Path) -> None:
    fill(tmp_path / "one", 3)
    fill(tmp_path / "one", 1, segment_bytes=1, start=3)
    fill(tmp_path / "two", 3, start=5)
    fill(tmp_path / "two", 1, segment_bytes=1, start=8)
    path = only(tmp_path / "one").path
    path.write_bytes(only(tmp_path / "two").path.read_bytes())
    found, (damage,) = keys(tmp_path / "one")
    assert (found, damage.line, damage.lost) == ([5, 6, 7, 8], None, 0)
    assert "checksum differs" in damage.reason
    assert pickle.loads(pickle.dumps((only(tmp_path / "one"), damage))) == (only(tmp_path / "one"), damage)  # noqa: S301 - to and from a worker process


def test_a_damaged_record_is_asked_again(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    path = only(tmp_path).path
    with Cache(tmp_path) as cache:
        found = cache.newest("dns", "a", "host1.example.com")
        assert found
        assert cache.read(found).content.startswith(b'{"n":1,')
        path.write_bytes(path.read_bytes().replace(b'{"n":1,', b'{"n":7,'))
        with pytest.raises(CacheError, match="damaged"):
            cache.read(found)
        assert cache.newest("dns", "a", "host1.example.com") is None
        assert cache.newest("dns", "a", "host2.example.com") is not None


def test_verify_names_the_keys_that_were_lost_and_forgets_them(tmp_path: Path) -> None:
    fill(tmp_path, segment_bytes=14_000)
    segment = Cache(tmp_path).segments()[0]
    flip(segment.path, segment.size * 4)
    with Cache(tmp_path) as cache:
        assert cache.newest("dns", "a", "host0.example.com") is not None
        (problem,) = verify(cache)
        assert problem.lost == segment.records == len(problem.keys)
        assert "host0.example.com" in problem.keys
        assert "fetch" in problem.remedy
        assert cache.newest("dns", "a", "host0.example.com") is None
        assert verify(cache)[0].lost == segment.records  # it stays to be told until it is mended


def test_mending_saves_what_is_whole_and_keeps_the_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intel_grapher.cache.frames.FRAME_BYTES", 2000)
    fill(tmp_path, segment_bytes=14_000)
    segment = Cache(tmp_path).segments()[0]
    flip(segment.path, segment.size * 4)
    damaged = segment.path.read_bytes()
    before, _ = keys(tmp_path)
    with Cache(tmp_path) as cache, cache.writer() as writer:
        assert writer.repair(segment) < (segment.records or 0)
        assert verify(cache) == []
    assert keys(tmp_path) == (before, [])
    assert [path.read_bytes() for path in quarantined(tmp_path)] == [damaged]


def test_compacting_closes_mends_and_loses_nothing_that_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intel_grapher.cache.frames.FRAME_BYTES", 2000)
    fill(tmp_path, segment_bytes=14_000)
    segment = Cache(tmp_path).segments()[0]
    flip(segment.path, segment.size * 4)
    before, _ = keys(tmp_path)
    assert not Cache(tmp_path).segments()[-1].closed
    with Cache(tmp_path) as cache, cache.writer() as writer:
        done = compact(cache, writer)
    assert (done.closed, done.repaired, done.lost > 0, done.after < done.before) == (1, 1, True, True)
    assert keys(tmp_path) == (before, [])
    with Cache(tmp_path) as cache, cache.writer() as writer:
        assert all(each.closed for each in cache.segments())
        assert verify(cache) == []
        assert compact(cache, writer) == Compacted(before=done.after, after=done.after)
    fill(tmp_path, 1, start=1000)
    assert keys(tmp_path) == ([*before, 1000], [])


def test_a_damaged_line_does_not_get_into_a_closed_segment(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    path = only(tmp_path).path
    path.write_bytes(path.read_bytes().replace(b'{"n":2,', b'{"n":7,'))
    fill(tmp_path, 1, segment_bytes=1, start=5)
    segment = only(tmp_path)
    assert segment.records == 5
    assert keys(tmp_path) == ([0, 1, 3, 4, 5], [])
    (kept,) = quarantined(tmp_path)
    assert sum(not crc_holds(line) for line in kept.read_bytes().splitlines()) == 1
    with Cache(tmp_path) as cache:
        assert verify(cache) == []
        assert cache.newest("dns", "a", "host2.example.com") is None
        assert cache.newest("dns", "a", "host3.example.com") is not None


def closing(root: Path) -> tuple[Path, bytes, Path, bytes]:
    """Make a cache whose only segment is closed; give its open form and the content of that, and both closed."""
    fill(root / "open", 6)
    opened = only(root / "open").path
    content = opened.read_bytes()
    shutil.rmtree(root / "open")
    fill(root, 5)
    fill(root, 1, segment_bytes=1, start=5)
    closed = only(root).path
    return closed.parent / opened.name, content, closed, closed.read_bytes()


def half_written(root: Path) -> None:
    opened, content, closed, data = closing(root)
    closed.unlink()
    opened.write_bytes(content)
    (opened.parent / ".000001.tmp").write_bytes(data[:100])


def not_renamed(root: Path) -> None:
    opened, content, closed, _ = closing(root)
    opened.write_bytes(content)
    closed.rename(opened.parent / ".000001.tmp")


def not_unlinked(root: Path) -> None:
    opened, content, _, _ = closing(root)
    opened.write_bytes(content)


def not_indexed(root: Path) -> None:
    opened, content, closed, data = closing(root)
    closed.unlink()
    opened.write_bytes(content)
    with Cache(root) as cache:
        cache.refresh()
    opened.unlink()
    closed.write_bytes(data)


@pytest.mark.parametrize("crash", [half_written, not_renamed, not_unlinked, not_indexed])
def test_a_kill_at_any_step_of_closing(tmp_path: Path, crash: Callable[[Path], None]) -> None:
    crash(tmp_path)
    assert keys(tmp_path) == (list(range(6)), [])
    with Cache(tmp_path) as cache:
        assert verify(cache) == []
        assert len(cache.history("host3.example.com")) == 1
    fill(tmp_path, 3, start=6, segment_bytes=3000)
    assert keys(tmp_path) == (list(range(9)), [])
    with Cache(tmp_path) as cache:
        assert verify(cache) == []
    folder = tmp_path / "raw" / "dns" / "a"
    assert not list(folder.glob(".*"))
    numbers = [path.name[:6] for path in folder.iterdir()]
    assert len(numbers) == len(set(numbers))


def test_a_segment_of_another_cache_with_the_same_number_is_no_leftover(tmp_path: Path) -> None:
    fill(tmp_path / "one", 3, segment_bytes=1)
    fill(tmp_path / "two", 1, start=3)
    shutil.copy(only(tmp_path / "two").path, tmp_path / "one" / "raw" / "dns" / "a")
    assert sorted(keys(tmp_path / "one")[0]) == [0, 1, 2, 3]
    fill(tmp_path / "one", 1, start=4)
    assert sorted(keys(tmp_path / "one")[0]) == [0, 1, 2, 3, 4]
    with Cache(tmp_path / "one") as cache:
        assert verify(cache) == []


def test_strangers_are_told_and_not_read(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    (tmp_path / "raw" / "dns" / "a" / "notes.txt").write_text("hello")
    (tmp_path / "raw" / "DNS" / "a").mkdir(parents=True)
    shutil.copy(only(tmp_path).path, tmp_path / "raw" / "DNS" / "a")
    assert keys(tmp_path)[0] == [0, 1]
    with Cache(tmp_path) as cache:
        problems = verify(cache)
    assert [Path(problem.where).name for problem in problems] == ["DNS", "notes.txt"]
    assert all("cache add" in problem.remedy for problem in problems)


def test_a_record_in_the_wrong_folder_is_told(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    (tmp_path / "raw" / "dns").rename(tmp_path / "raw" / "doh")
    with Cache(tmp_path) as cache:
        (problem,) = verify(cache)
    assert "2 of its records belong to another source" in problem.what


def test_reading_goes_on_while_a_segment_is_closed(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    listed = Cache(tmp_path).segments()
    fill(tmp_path, 1, start=3, segment_bytes=1)
    assert only(tmp_path).closed
    assert [record.envelope.key for record in listed[0].read(lambda damage: pytest.fail(str(damage)))] == [
        f"host{number}.example.com" for number in range(3)
    ]
