import csv
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from threading import Barrier, current_thread

import msgspec
import pyarrow.parquet as pq
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from places import FIXTURES, SAMPLES
from transforming import REGISTRY, SLOW, adopted, bytes_of, entries, filled, rows, transform

import intel_grapher.transform
from intel_grapher.analyst.overrides import Overrides
from intel_grapher.cache import Cache, Entry, Segment
from intel_grapher.errors import BusyError, TransformError, UsageError
from intel_grapher.files import Files, Manifest
from intel_grapher.lock import locked
from intel_grapher.model import Facts
from intel_grapher.registry import Registry
from intel_grapher.schema import RESOLVES, Address, DomainName
from intel_grapher.source import Rate, Source
from intel_grapher.transform import Options, fingerprint
from intel_grapher.transform import transform as really_transform
from intel_grapher.transform.interning import Interning
from intel_grapher.transform.key_ranks import rank
from intel_grapher.transform.overriding import Overriding
from intel_grapher.transform.staged import Staged, stage
from intel_grapher.transform.workers import Mapper


@SLOW
@given(replies=entries)
def test_agrees_with_the_reference(here: Path, replies: list[Entry]) -> None:
    root = here / str(time.monotonic_ns())
    cache = filled(root, replies)
    manifest = transform(cache, root / "import")
    assert rows(root / "import") == reference.transform(cache)
    assert manifest.replies == len(replies)


@SLOW
@given(replies=entries, seed=st.integers())
def test_order_and_repeats_do_not_matter(here: Path, replies: list[Entry], seed: int) -> None:
    root = here / str(time.monotonic_ns())
    transform(filled(root / "a", replies), root / "import_a")
    shuffled = replies + replies[::2]
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - a shuffle
    transform(filled(root / "b", shuffled), root / "import_b")
    one, other = bytes_of(root / "import_a"), bytes_of(root / "import_b")
    del one["manifest.json"], other["manifest.json"]  # it counts replies
    assert one == other


def test_all_real_replies_agree_with_the_reference(tmp_path: Path) -> None:
    if not FIXTURES.is_dir():
        pytest.skip(f"no real replies: {FIXTURES} is missing")
    cache = adopted(tmp_path, FIXTURES)
    transform(cache, tmp_path / "import")
    assert rows(tmp_path / "import") == reference.transform(cache)


def test_a_second_run_gives_the_same_bytes_in_several_processes_too(
    tmp_path: Path, sampled: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = bytes_of(tmp_path / "import")
    transform(sampled, tmp_path / "import")
    assert bytes_of(tmp_path / "import") == once
    monkeypatch.setattr("intel_grapher.transform.workers.INLINE", 0)
    shutil.rmtree(tmp_path / ".import.stage")  # else there is nothing left to be mapped
    transform(sampled, tmp_path / "import", Options(processes=2))
    assert bytes_of(tmp_path / "import") == once


def test_threads_give_the_same_bytes_where_mappings_are_traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = adopted(tmp_path, SAMPLES / "internetdb", SAMPLES / "threatcrowd")
    transform(cache, tmp_path / "one", Options(processes=1))
    threads = set[str]()
    really = Mapper.stage

    def noted(mapper: Mapper, segment: Segment) -> Staged:
        threads.add(current_thread().name)
        meeting.wait()  # until each thread has a segment
        return really(mapper, segment)

    segments = list(cache.segments())
    meeting = Barrier(len(segments), timeout=60)
    monkeypatch.setattr(Mapper, "stage", noted)
    monkeypatch.setattr("intel_grapher.transform.facts.WORTH_TRACING", 1)
    monkeypatch.setattr("intel_grapher.transform.workers.INLINE", 1)
    transform(cache, tmp_path / "several", Options(processes=len(segments), memory=8 << 30))
    assert len(threads) == len(segments) > 1
    assert bytes_of(tmp_path / "several") == bytes_of(tmp_path / "one")


def test_little_memory_gives_the_same_bytes(tmp_path: Path, sampled: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intel_grapher.transform.key_ranks.FEW", 0)
    transform(sampled, tmp_path / "little", Options(memory=1 << 14))
    assert bytes_of(tmp_path / "little") == bytes_of(tmp_path / "import")


@SLOW
@given(replies=entries, cut=st.integers(0, 12))
def test_what_came_later_gives_the_same_bytes_as_all_at_once(here: Path, replies: list[Entry], cut: int) -> None:
    root = here / str(time.monotonic_ns())
    transform(filled(root / "a", replies[:cut]), root / "import")
    cache = filled(root / "a", replies[cut:])
    transform(cache, root / "import")
    transform(cache, root / "anew")
    assert bytes_of(root / "import") == bytes_of(root / "anew")


@SLOW
@given(replies=entries, moment=st.integers(1_599_999_999, 1_600_000_003))
def test_as_of_a_moment_is_what_the_replies_until_then_give(here: Path, replies: list[Entry], moment: int) -> None:
    root = here / str(time.monotonic_ns())
    told = transform(filled(root / "all", replies), root / "as_of", Options(as_of=moment))
    until = [each for each in replies if each.fetched_at <= moment]
    expected = transform(filled(root / "until", until), root / "until_then")
    assert rows(root / "as_of") == rows(root / "until_then")
    assert (told.nodes, told.relationships) == (expected.nodes, expected.relationships)
    assert (told.outcomes, told.rejects, told.replies) == (expected.outcomes, expected.rejects, expected.replies)


def test_only_what_is_new_or_mapped_anew_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reply(source: str, endpoint: str, key: str) -> Entry:
        body = b'{"ip":"192.0.2.1","ports":[80]}' if source == "internetdb" else b'{"Status":0,"Question":[]}'
        return Entry(source=source, endpoint=endpoint, key=key, fetched_at=1_700_000_000, status=200, body=body)

    read: list[str] = []
    really = Mapper.stage

    def noted(mapper: Mapper, segment: Segment) -> Staged:
        read.append(segment.source)
        return really(mapper, segment)

    monkeypatch.setattr(Mapper, "stage", noted)
    cache = filled(tmp_path, [reply("internetdb", "ip", "192.0.2.1"), reply("doh", "resolve", "a.example")])
    read.clear()
    transform(cache, tmp_path / "import")
    assert sorted(read) == ["doh", "internetdb"]
    transform(cache, tmp_path / "import")
    assert sorted(read) == ["doh", "internetdb"]
    with cache.writer() as writer:
        writer.add(reply("doh", "resolve", "b.example"))
    read.clear()
    transform(cache, tmp_path / "import")
    assert read == ["doh"]
    code_of = fingerprint.code_of

    def changed(*modules: str) -> str:
        return code_of(*modules) + ("!" if any("internetdb" in module for module in modules) else "")

    monkeypatch.setattr(fingerprint, "code_of", changed)
    read.clear()
    transform(cache, tmp_path / "import")
    assert read == ["internetdb"]


def test_only_groups_that_something_new_is_about_are_written_again(tmp_path: Path) -> None:
    def inodes() -> dict[str, int]:
        return {path.stem: path.stat().st_ino for path in (tmp_path / "import").rglob("*.parquet")}

    def asked(source: str, endpoint: str, key: str, body: bytes) -> None:
        entry = Entry(source=source, endpoint=endpoint, key=key, fetched_at=1, status=200, body=body)
        with cache.writer() as writer:
            writer.add(entry)

    cache = Cache(tmp_path)
    asked("internetdb", "ip", "192.0.2.1", b'{"ip":"192.0.2.1","ports":[80],"vulns":["CVE-2024-1234"]}')
    asked("threatcrowd", "email", "a@example.com", b'{"response_code":"1","domains":["example.com"]}')
    transform(cache, tmp_path / "import")
    before = inodes()
    asked("internetdb", "ip", "192.0.2.2", b'{"ip":"192.0.2.2","ports":[443]}')
    transform(cache, tmp_path / "import")
    after = inodes()
    untouched = {name for name, inode in after.items() if before[name] == inode}
    assert untouched == {"Domain", "Email", "Email-OWNS-Domain"}
    assert {"IPAddress", "Service", "IPAddress-EXPOSES-Service"} <= after.keys() - untouched
    transform(cache, tmp_path / "anew")
    assert bytes_of(tmp_path / "import") == bytes_of(tmp_path / "anew")


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
def test_a_file_that_is_not_as_it_was_written_is_written_again(
    tmp_path: Path, sampled: Cache, spoil: Callable[[Path], None]
) -> None:
    once = bytes_of(tmp_path / "import")
    spoil(tmp_path / "import" / "nodes" / "Domain.csv")
    transform(sampled, tmp_path / "import")
    assert bytes_of(tmp_path / "import") == once


def test_what_was_kept_and_is_spoiled_is_read_again(tmp_path: Path, sampled: Cache) -> None:
    once = bytes_of(tmp_path / "import")
    for place, each in enumerate(sorted((tmp_path / ".import.stage").iterdir())):
        whole = each.read_bytes()
        each.write_bytes([b"", whole[: len(whole) // 2], whole[:8] + b"?" + whole[9:], whole][place % 4])
    transform(sampled, tmp_path / "import")
    assert bytes_of(tmp_path / "import") == once


def test_a_damaged_segment_is_asked_for_again_and_not_kept(tmp_path: Path) -> None:
    entry = Entry(source="doh", endpoint="resolve", key="a.example", fetched_at=1, status=200, body=b'{"Status":0}')
    cache = Cache(tmp_path, segment_bytes=1)
    with cache.writer() as writer:
        writer.add(entry)
    (segment,) = cache.segments()
    assert segment.closed
    whole = segment.path.read_bytes()
    segment.path.write_bytes(whole[:-6])
    assert transform(cache, tmp_path / "import").damaged == 1
    assert {path.name for path in (tmp_path / ".import.stage").iterdir()} <= {"index"}
    assert cache.newest("doh", "resolve", "a.example") is None


def test_a_byte_order_mark_before_json_is_passed_over(tmp_path: Path) -> None:
    entry = Entry(
        source="internetdb", endpoint="ip", key="192.0.2.1", fetched_at=1, status=200,
        body=b'\xef\xbb\xbf{"ip":"192.0.2.1","ports":[80]}',
    )  # fmt: skip
    assert transform(filled(tmp_path, [entry]), tmp_path / "import").outcomes == {"found": 1}


@pytest.mark.usefixtures("sampled")
def test_csv_says_what_parquet_says(tmp_path: Path) -> None:
    files = Files(tmp_path / "import")
    for group, content in files.manifest().groups():
        with files.path(group, "csv").open(newline="", encoding="utf-8") as file:
            header, *lines = csv.reader(file)
        assert header == group.header
        assert len(lines) == content.rows
        for line, row in zip(lines, pq.read_table(files.path(group, "parquet")).to_pylist(), strict=True):
            assert line == [_text(value) for value in row.values()]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return ";".join(value) if isinstance(value, list) else str(value)


def test_one_format_alone(tmp_path: Path) -> None:
    cache = adopted(tmp_path, SAMPLES / "threatcrowd")
    both = transform(cache, tmp_path / "both")
    assert transform(cache, tmp_path / "csv", Options(formats=("csv",))).nodes == both.nodes
    assert not list((tmp_path / "csv").rglob("*.parquet"))
    assert transform(cache, tmp_path / "parquet", Options(formats=("parquet",))).nodes == both.nodes
    assert not list((tmp_path / "parquet").rglob("*.csv"))


def test_what_cannot_be_read_is_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    def reply(key: str, body: bytes, status: int = 200) -> Entry:
        return Entry(
            source="threatcrowd", endpoint="domain", key=key, fetched_at=1_700_000_000, status=status, body=body
        )

    good = b'{"response_code":"1","resolutions":[{"ip_address":"192.0.2.7"},{"ip_address":true},{},{"ip_address":7}]}'
    bad = {
        "a.example": (b"<html>", "HTML instead of JSON"),
        "b.example": (b"", "an empty body"),
        "c.example": (b"[1]", "wrong shape"),
        "d.example": (b"\xff\xfe", "not JSON"),
        "localhost": (b'{"response_code":"1"}', "asked for a single label"),
    }
    replies = [reply("example.com", good), reply("e.example", b"{}", 503)]
    replies += [reply(key, body) for key, (body, _) in bad.items()]
    manifest = transform(filled(tmp_path, replies), tmp_path / "import")
    assert manifest.outcomes == {"found": 1, "unreadable": 6}
    listed = [msgspec.json.decode(line) for line in (tmp_path / "import" / "rejects.jsonl").read_bytes().splitlines()]
    whole = {each["key"]: each["reason"] for each in listed if not each["path"]}
    assert whole == {key: reason for key, (_, reason) in bad.items()} | {"e.example": "HTTP 503"}
    assert {(each["path"], each["reason"]) for each in listed if each["path"]} == {
        ("$.resolutions[1].ip_address", "wrong type"),
        ("$.resolutions[2]", "wrong type"),
        ("$.resolutions[3].ip_address", "not an IP address"),
    }
    assert rows(tmp_path / "import")["Domain-RESOLVES-IPAddress"].keys() == {("example.com", "192.0.2.7")}


def test_a_reply_that_no_mapping_reads_is_listed(tmp_path: Path) -> None:
    replies = [
        Entry(source=source, endpoint="new", key=key, fetched_at=1, status=200, body=b'{"a":1}')
        for source, key in (("threatcrowd", "example.com"), ("threatcrowd", "example.net"), ("unheard_of", "x"))
    ]
    manifest = transform(filled(tmp_path, replies), tmp_path / "import")
    assert (manifest.outcomes, manifest.rejects) == ({"no mapping": 3}, {"no mapping": 3})
    listed = [msgspec.json.decode(line) for line in (tmp_path / "import" / "rejects.jsonl").read_bytes().splitlines()]
    assert [tuple(each.values()) for each in listed] == [
        (source, "new", key, "", '{"a":1}', "no mapping")
        for source, key in (("threatcrowd", "example.com"), ("threatcrowd", "example.net"), ("unheard_of", "x"))
    ]


def test_two_hundred_sources_are_told_apart(tmp_path: Path) -> None:
    def source(number: int) -> Source:
        made = Source(f"s{number:03}", title="S", home="https://s.example", limits=(Rate(1),))

        @made.get("/{key}")
        def names(asked: DomainName, reply: dict[str, str]) -> Facts:
            """Say that a name resolves."""
            yield RESOLVES.each(asked, [Address(address) for address in reply.values()])

        return made

    registry = Registry(source(number) for number in range(200))
    cache = Cache(tmp_path)

    def added(numbers: Iterable[int], at: int) -> None:
        with cache.writer() as writer:
            for number in numbers:
                body = b'{"a":"192.0.2.1"}' if number % 3 else b'{"a":"192.0.2.1","b":"192.0.2.2"}'
                entry = Entry(
                    source=f"s{number:03}", endpoint="names", key="example.com", fetched_at=at, status=200, body=body
                )
                writer.add(entry)

    for part in (range(0, 200, 2), range(1, 200, 2)):
        added(part, part[0] + 1)
        really_transform(cache, tmp_path / "import", registry)
    found = rows(tmp_path / "import")["Domain-RESOLVES-IPAddress"]
    assert found["example.com", "192.0.2.1"]["sources"] == [f"s{number:03}" for number in range(200)]
    assert found["example.com", "192.0.2.2"]["sources"] == [f"s{number:03}" for number in range(0, 200, 3)]
    really_transform(cache, tmp_path / "anew", registry)
    assert bytes_of(tmp_path / "import") == bytes_of(tmp_path / "anew")


def test_the_worked_example_of_the_package_has_the_right_numbers(tmp_path: Path) -> None:
    def reply(*names: str) -> Entry:
        body = {
            "response_code": "1",
            "resolutions": [{"domain": name, "last_resolved": "2020-01-01"} for name in names],
        }
        return Entry(
            source="threatcrowd", endpoint="ip", key="192.0.2.7", fetched_at=1, status=200,
            body=json.dumps(body).encode(),
        )  # fmt: skip

    example = [line.split() for line in str(intel_grapher.transform.__doc__).splitlines() if " << 32 | 0" in line]
    assert [tuple(row[1:5]) for row in example] == [
        ("example.org", "0", "example.org", "0"),
        ("Example.com", "1", "example.com", "1"),
        ("example.net", "0", "example.net", "0"),
        ("example.org", "1", "example.org", "1"),
    ]
    cache = Cache(tmp_path, segment_bytes=1)
    overriding, staged, previous = Overriding(Overrides()), list[Staged](), None
    for run, names in enumerate((["example.org", "Example.com"], ["example.net", "example.org"]), 1):
        with cache.writer() as writer:
            writer.add(reply(*names))
        segment = cache.segments()[-1]
        endpoint = REGISTRY.endpoint(segment.source, segment.endpoint)
        path = tmp_path / f"staged{run}"
        staged.append(stage(segment, segment.content(), endpoint, path, Interning(), replies_of=overriding.replies))
        keys = staged[-1].read("keys of Domain")["key"].to_pylist()
        assert keys == [row[3] for row in example if row[0] == str(run)]
        (tmp_path / f"run{run}").mkdir()
        ranked = rank("Domain", dict(enumerate(staged)), overriding, tmp_path / f"run{run}", 1 << 30, previous=previous)
        previous = ranked.keys
        ranks = [ranked.ranks()(number).to_pylist() for number in range(run)]
        assert list(chain.from_iterable(ranks)) == [int(row[5 if run == 1 else -5]) for row in example[: 2 * run]]
    assert previous is not None
    assert previous.array().to_pylist() == ["example.com", "example.net", "example.org"]
    stable_ids = previous.stable_ids()
    assert stable_ids is not None
    assert "stable_ids are then " + ", ".join(map(str, stable_ids.to_pylist())) in str(intel_grapher.transform.__doc__)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are UTF-8 elsewhere")
def test_a_folder_whose_name_is_not_utf_8_gets_the_files(tmp_path: Path) -> None:
    cache = adopted(tmp_path / "data", SAMPLES / "threatcrowd")
    transform(cache, tmp_path / "import")
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    odd.mkdir()
    for _ in range(2):
        transform(cache, odd / os.fsdecode(b"imp\xff"))
    assert bytes_of(odd / os.fsdecode(b"imp\xff")) == bytes_of(tmp_path / "import")


def test_the_root_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--import"):
        transform(Cache(tmp_path), Path("/"))


def test_a_second_run_at_once_is_told_who_holds_it(tmp_path: Path) -> None:
    with locked(tmp_path / ".import.lock", "import"), pytest.raises(BusyError, match=str(os.getpid())):
        transform(Cache(tmp_path), tmp_path / "import")


def test_no_room_leaves_the_old_files(tmp_path: Path, sampled: Cache) -> None:
    once = bytes_of(tmp_path / "import")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(TransformError, match="as it was"):
            transform(sampled, tmp_path / "import")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert bytes_of(tmp_path / "import") == once
    assert not list(tmp_path.glob(".import.new*"))


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_reading_process_that_dies_is_told_and_leaves_the_old_files(
    tmp_path: Path, sampled: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bytes_of(tmp_path / "import")
    shutil.rmtree(tmp_path / ".import.stage")
    monkeypatch.setattr("intel_grapher.transform.workers.INLINE", 0)
    monkeypatch.setattr("intel_grapher.transform.workers._stage", die)
    with pytest.raises(TransformError, match="ended from outside"):
        transform(sampled, tmp_path / "import", Options(processes=2, memory=1 << 30))
    assert bytes_of(tmp_path / "import") == before


def test_the_manifest_is_as_scripts_expect_it(tmp_path: Path, sampled: Cache) -> None:
    made = transform(sampled, tmp_path / "import")
    told = json.loads((tmp_path / "import" / "manifest.json").read_text())
    assert msgspec.convert(told, Manifest) == made
    assert {"version", "schema", "nodes", "relationships", "rejects", "replies"} <= told.keys()
    assert told["relationships"]["Domain-RESOLVES-IPAddress"].keys() == {"rows", "checksum"}
    assert told["replies"] == sum(
        1 for segment in sampled.segments() for _ in segment.read(lambda damage: pytest.fail(str(damage)))
    )
