"""Writing under bad conditions: killed at any moment, two at once, no room."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from places import ROOT

from intel_grapher.cache import Cache, Entry, quarantined, verify
from intel_grapher.errors import BusyError, CacheError

ADD_FOREVER = """
import itertools, sys
from pathlib import Path
from intel_grapher.cache import Cache, Entry

def entry(number):
    body = b'{"n":%d,"pad":"%s"}' % (number, b"x" * (number * 37 % 3000))
    return Entry(source="dns", endpoint="ab"[number % 2], key=f"{number}.example.com", fetched_at=1_700_000_000,
                 status=200, body=body)

with Cache(Path(sys.argv[1]), segment_bytes=200_000) as cache, cache.writer("fetch") as writer:
    for number in itertools.count(int(sys.argv[2])):
        writer.add(entry(number))
        if number % 50 == 0:
            writer.sync()
            print(number, flush=True)
"""


@contextmanager
def adding(root: Path, start: int = 0) -> Iterator["subprocess.Popen[str]"]:
    """Run a process that adds replies until it is killed; it prints the number of the last one that is safe."""
    command = [sys.executable, "-c", ADD_FOREVER, str(root), str(start)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def reply(key: str = "example.com", body: bytes = b"{}", source: str = "dns") -> Entry:
    return Entry(source=source, endpoint="a", key=key, fetched_at=1_700_000_000, status=200, body=body)


def numbers(root: Path) -> list[int]:
    return sorted(
        int(record.envelope.key.split(".")[0])
        for segment in Cache(root).segments()
        for record in segment.read(lambda damage: pytest.fail(str(damage)))
    )


def test_killed_again_and_again_it_loses_and_doubles_nothing(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - when to kill, not a secret
    start = 0
    for _ in range(10):
        with adding(tmp_path, start) as process:
            time.sleep(chance.random() * 0.25)
            process.send_signal(signal.SIGKILL)
            assert process.stdout
            acknowledged = [int(line) for line in process.stdout.read().split()]
        found = numbers(tmp_path)
        assert found == list(range(len(found)))
        assert len(found) > max(acknowledged, default=start)
        start = len(found)
    with Cache(tmp_path) as cache:
        with cache.writer() as writer:
            for endpoint in "ab":
                writer.add(Entry(source="dns", endpoint=endpoint, key="last", fetched_at=0, status=200, body=b"1"))
        assert [problem for problem in verify(cache) if "torn" not in problem.what] == []
        assert sum(holding.replies for holding in cache.holdings()) == start + 2
        assert all(cache.newest("dns", "ab"[number % 2], f"{number}.example.com") for number in range(start))
    assert any(segment.closed for segment in Cache(tmp_path).segments())


def test_the_second_writer_is_told_who_the_first_is_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    with adding(tmp_path) as process:
        with pytest.raises(BusyError, match=rf"process {process.pid} \(fetch\)"), Cache(tmp_path).writer():
            pass
        assert Cache(tmp_path).newest("dns", "a", "0.example.com")  # reading goes on
        process.kill()
        process.wait()
        with Cache(tmp_path) as cache, cache.writer() as writer:
            writer.add(reply())
            with pytest.raises(BusyError, match=f"process {os.getpid()}"), Cache(tmp_path).writer():
                pass
    with Cache(tmp_path) as cache, cache.writer():
        pass


def test_a_reader_sees_what_another_process_adds(tmp_path: Path) -> None:
    with adding(tmp_path) as process, Cache(tmp_path) as cache:
        assert process.stdout
        for _ in range(5):
            number = int(process.stdout.readline())
            cache.refresh()
            found = cache.newest("dns", "ab"[number % 2], f"{number}.example.com")
            assert found
            assert cache.read(found).content.startswith(b'{"n":%d,' % number)
            assert len(numbers(tmp_path)) > number


FILL = """
import resource, sys
from pathlib import Path
from intel_grapher.cache import Cache, Entry
from intel_grapher.errors import CacheError

root = Path(sys.argv[1])
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
try:
    with Cache(root, segment_bytes=int(sys.argv[3]) if len(sys.argv) > 3 else 1 << 30) as cache:
        with cache.writer() as writer:
            for number in range(100_000):
                body = b'{"pad":"%s"}' % (b"y" * 3000)
                writer.add(Entry(source="dns", endpoint="a", key=f"{number}.example.com", fetched_at=0, status=200,
                                 body=body))
                if number == 3:
                    writer.sync()
except CacheError as error:
    print(number, error)
"""


def run_until_full(root: Path, *limits: int) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(root), *map(str, limits)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stderr == ""
    number, message = done.stdout.split(" ", 1)
    return int(number), message


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    count, message = run_until_full(tmp_path, 100_000)
    assert count > 10
    assert str(tmp_path / "raw/dns/a/000001.jsonl") in message
    assert "File too large" in message
    assert numbers(tmp_path) == list(range(count))
    assert (tmp_path / "raw/dns/a/000001.jsonl").read_bytes().endswith(b"}\n")
    with Cache(tmp_path) as cache:
        with cache.writer() as writer:
            writer.add(reply(f"{count}.example.com"))
        assert verify(cache) == []
    assert numbers(tmp_path) == list(range(count + 1))
    assert quarantined(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder],  # noqa: S607 - wherever it is
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)  # noqa: S607 - wherever it is


def test_a_full_disk_leaves_what_was_there(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 300_000)
    count, message = run_until_full(small_disk)
    assert count > 10
    assert "No space left on device" in message
    assert "Free some room" in message
    assert numbers(small_disk) == list(range(count))
    ballast.unlink()
    with Cache(small_disk) as cache:
        with cache.writer() as writer:
            writer.add(reply(f"{count}.example.com"))
        assert verify(cache) == []
    assert numbers(small_disk) == list(range(count + 1))


def test_no_room_for_closing_leaves_the_open_segment(small_disk: Path) -> None:
    with Cache(small_disk, segment_bytes=1 << 30) as cache, cache.writer() as writer:
        for number in range(300):
            writer.add(reply(f"{number}.example.com", os.urandom(1000)))
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 300_000)
    with pytest.raises(CacheError, match="No space left"), Cache(small_disk, 1) as cache, cache.writer() as writer:
        writer.add(reply("300.example.com"))
    assert numbers(small_disk) == list(range(301))
    ballast.unlink()
    with Cache(small_disk, 1) as cache, cache.writer() as writer:
        writer.add(reply("301.example.com"))
    assert numbers(small_disk) == list(range(302))
    assert [segment.closed for segment in Cache(small_disk).segments()] == [True]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a folder read-only")
def test_a_read_only_cache_can_be_read(tmp_path: Path) -> None:
    root = tmp_path / "data"
    with Cache(root) as cache, cache.writer() as writer:
        writer.add(reply())
    (root / "index.sqlite").unlink()
    mounted = subprocess.run(["mount", "--bind", root, root], check=False, capture_output=True)  # noqa: S607 - as above
    if mounted.returncode:
        pytest.skip("no folder can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", root], check=True)  # noqa: S607 - wherever it is
        with Cache(root) as cache:
            assert cache.newest("dns", "a", "example.com")
            with pytest.raises(CacheError, match="can't be written"), cache.writer():
                pass
    finally:
        subprocess.run(["umount", root], check=True)  # noqa: S607 - wherever it is


def test_a_cache_that_is_not_there_is_empty_and_stays_so(tmp_path: Path) -> None:
    root = tmp_path / "none"
    with Cache(root) as cache:
        assert cache.segments() == []
        assert cache.newest("dns", "a", "example.com") is None
        assert cache.holdings() == []
        assert not root.exists()
        with cache.writer() as writer:
            writer.add(reply())
        assert cache.newest("dns", "a", "example.com")
        assert (root / "index.sqlite").exists()


@pytest.mark.parametrize("key", ["../../x", "a\x00b", "k" * 4096, "/etc/passwd", "..", "CON", "\u202egpj.exe", "\n"])
def test_no_key_becomes_a_path_and_twins_stay_apart(tmp_path: Path, key: str) -> None:
    root = tmp_path / "data"
    with Cache(root) as cache:
        with cache.writer() as writer:
            for number, twin in enumerate((key, key.upper(), key.lower(), key + " ")):
                writer.add(reply(twin, b"%d" % number))
        found = cache.newest("dns", "a", key + " ")
        assert found
        assert cache.read(found).content == b"3"
        assert verify(cache) == []
    paths = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert [path for path in paths if "index" not in path] == ["data/.lock", "data/raw/dns/a/000001.jsonl"]


def test_a_failure_never_shadows_an_answer(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        with cache.writer() as writer:
            writer.add(reply(body=b'{"a":1}'))
            writer.add(
                Entry(source="dns", endpoint="a", key="example.com", fetched_at=2_000_000_000, status=503, body=b""),
                "failed",
            )
        found = cache.newest("dns", "a", "example.com")
        assert found
        assert (found.status, found.fetched_at) == (200, 1_700_000_000)
        failed = cache.newest("dns", "a", "example.com", area="failed")
        assert failed
        assert failed.status == 503
        assert [one.area for one in cache.history("example.com")] == ["failed", "raw"]
        assert [segment.area for segment in cache.segments()] == ["raw"]
        assert len(cache.segments(["raw", "failed"])) == 2


def test_many_threads_may_add(tmp_path: Path) -> None:
    with Cache(tmp_path, segment_bytes=20_000) as cache:
        with cache.writer() as writer:

            def add(part: int) -> None:
                for number in range(part * 100, part * 100 + 100):
                    writer.add(reply(f"{number}.example.com", source="dns" if number % 2 else "doh"))

            threads = [threading.Thread(target=add, args=(part,)) for part in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert verify(cache) == []
    assert numbers(tmp_path) == list(range(400))


def test_an_interrupt_between_two_replies_loses_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with Cache(tmp_path) as cache, cache.writer() as writer:
            writer.add(reply("0.example.com"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert numbers(tmp_path) == [0]
    with Cache(tmp_path) as cache:
        assert cache.newest("dns", "a", "0.example.com")
