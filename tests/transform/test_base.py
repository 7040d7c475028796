"""A run that adds to what the one before has merged gives the bytes that it would give from nothing."""

import random
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import SAMPLES
from transforming import SLOW, adopted, bytes_of, entries, filled, rows, transform

from intel_grapher.analyst import journal
from intel_grapher.analyst.entries import SameAsEntry, TakeOutEntry
from intel_grapher.cache import Cache, Entry, compact
from intel_grapher.model import NodeRef
from intel_grapher.transform import Options, key_ranks, merge, publish, store
from intel_grapher.transform.store import Previous, Store

RESOLUTIONS = '"resolutions":[{{"ip_address":"192.0.2.7","last_resolved":"2021-03-05"}}]'
DOMAIN = f'{{{{"response_code":"1","votes":{{votes}},{RESOLUTIONS}}}}}'


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What each run has told of whether it adds."""
    told: list[bool] = []
    really = Store.previous

    def noted(self: Store, *arguments: Any) -> Previous | None:  # noqa: ANN401 - passed on
        previous = really(self, *arguments)
        told.append(previous is not None)
        return previous

    monkeypatch.setattr(Store, "previous", noted)
    return told


def reply(body: str, at: int, source: str = "threatcrowd", key: str = "example.com") -> Entry:
    endpoint = "domain" if source == "threatcrowd" else "ip"
    return Entry(source=source, endpoint=endpoint, key=key, fetched_at=at, status=200, body=body.encode())


def same_as_anew(cache: Cache, place: Path) -> None:
    anew = place.parent / str(time.monotonic_ns())
    transform(cache, anew)
    assert bytes_of(place) == bytes_of(anew)


def merge_in_python(patch: pytest.MonkeyPatch, *, few: bool) -> None:
    """Let Python merge few facts, as it does, or DuckDB merge all; few keys likewise are sorted at once, or parted."""
    patch.setattr(merge, "FEW", merge.FEW if few else -1)
    patch.setattr(key_ranks, "FEW", key_ranks.FEW if few else -1)
    patch.setattr(publish, "FEW_REJECTS", publish.FEW_REJECTS if few else 0)


@SLOW
@given(
    parts=st.lists(entries, min_size=2, max_size=5),
    memory=st.sampled_from([1 << 14, 1 << 30]),
    at_a_time=st.sampled_from([1, 2, 3, 1 << 17]),
    few=st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_replies_come_in_parts(
    here: Path, parts: list[list[Entry]], memory: int, at_a_time: int, few: list[bool]
) -> None:
    root = here / str(time.monotonic_ns())
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((store, "BATCH_ROWS"), (merge, "BATCH_ROWS"), (key_ranks, "AT_A_TIME")):
            patch.setattr(module, name, at_a_time)
        for part, in_python in zip(parts, few, strict=False):
            with pytest.MonkeyPatch.context() as by:
                merge_in_python(by, few=in_python)
                transform(filled(root, part), root / "import", Options(memory=memory))
            with pytest.MonkeyPatch.context() as by:
                merge_in_python(by, few=not in_python)
                same_as_anew(Cache(root), root / "import")


def test_samples_come_in_parts(tmp_path: Path, added: list[bool]) -> None:
    samples = sorted(path for path in SAMPLES.rglob("*") if path.is_file() and "analyst" not in path.parts)
    random.Random(7).shuffle(samples)  # noqa: S311 - any order will do
    parts = [samples[start::4] for start in range(4)]
    for part, few in zip(parts, (True, False, True, True), strict=True):
        cache = adopted(tmp_path, *part)
        with pytest.MonkeyPatch.context() as by:
            merge_in_python(by, few=few)
            transform(cache, tmp_path / "import")
    assert added == [False, True, True, True]
    with pytest.MonkeyPatch.context() as by:
        merge_in_python(by, few=False)
        same_as_anew(cache, tmp_path / "import")


def test_the_newest_observation_is_told_from_the_newest_reply(tmp_path: Path, added: list[bool]) -> None:
    bodies = [(DOMAIN.format(votes=1), 10), ('{"response_code":"1","hashes":["' + "a" * 32 + '"]}', 20)]
    for votes, at, expected in [(0, 9, 1), (-1, 15, -1), (1, 15, 1), (0, 15, 1), (0, 30, 0)]:
        cache = filled(tmp_path, [reply(*each) for each in bodies])
        transform(cache, tmp_path / "import")
        transform(filled(tmp_path, [reply(DOMAIN.format(votes=votes), at)]), tmp_path / "import")
        assert rows(tmp_path / "import")["Domain"]["example.com",]["votes"] == expected
        bodies = []
    assert added[0] is False
    assert all(added[1:])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"),
    ],
)
def test_what_is_spoiled_is_not_added_to(tmp_path: Path, spoil: Callable[[Path], None], added: list[bool]) -> None:
    for number, name in enumerate(["index", "Domain.*.keys", "Domain.*.offsets", "Domain.*.ids", "Domain.*.rows"]):
        for part in "ab":
            cache = filled(tmp_path, [reply(DOMAIN.format(votes=1), 10, key=f"{part}{number}.example")])
            transform(cache, tmp_path / "import")
        assert added.pop()
        (found,) = (tmp_path / ".import.stage").glob(name)
        spoil(found)
        cache = filled(tmp_path, [reply(DOMAIN.format(votes=0), number, key=f"c{number}.example")])
        transform(cache, tmp_path / "import")
        assert not added.pop()
        same_as_anew(cache, tmp_path / "import")


def test_nothing_stays_of_a_segment_that_is_gone(tmp_path: Path, added: list[bool]) -> None:
    address = reply('{"ip":"192.0.2.1","ports":[80]}', 10, "internetdb", "192.0.2.1")
    cache = filled(tmp_path, [reply(DOMAIN.format(votes=1), 10), address])
    transform(cache, tmp_path / "import")
    next(each.path for each in cache.segments() if each.source == "internetdb").unlink()
    transform(cache, tmp_path / "import")
    assert added == [False, False]
    assert set(rows(tmp_path / "import")) == {"Domain", "IPAddress", "Domain-RESOLVES-IPAddress"}
    same_as_anew(cache, tmp_path / "import")


def test_nothing_stays_where_a_cache_was_begun_again(tmp_path: Path, added: list[bool]) -> None:
    cache = filled(tmp_path / "data", [reply(DOMAIN.format(votes=1), 10)])
    transform(cache, tmp_path / "import")
    (segment,) = cache.segments()
    shutil.rmtree(tmp_path / "data")
    cache = filled(tmp_path / "data", [reply(DOMAIN.format(votes=1), 10, key=f"e{n}.example") for n in range(3)])
    (other,) = cache.segments()
    assert (segment.path, segment.size < other.size) == (other.path, True)
    transform(cache, tmp_path / "import")
    assert added == [False, False]
    same_as_anew(cache, tmp_path / "import")


def test_a_segment_that_has_grown_or_was_closed_is_added_to(tmp_path: Path, added: list[bool]) -> None:
    for number in range(3):
        cache = filled(tmp_path, [reply(DOMAIN.format(votes=1), 10, key=f"e{number}.example")])
        transform(cache, tmp_path / "import")
    with cache.writer() as writer:
        compact(cache, writer)
    assert all(each.closed for each in cache.segments())
    transform(filled(tmp_path, [reply(DOMAIN.format(votes=1), 10, key="e9.example")]), tmp_path / "import")
    assert added == [False, True, True, True]
    same_as_anew(cache, tmp_path / "import")


def test_a_run_as_of_a_moment_leaves_what_there_is_to_add_to(tmp_path: Path, added: list[bool]) -> None:
    transform(filled(tmp_path, [reply(DOMAIN.format(votes=1), 10)]), tmp_path / "import")
    cache = filled(tmp_path, [reply(DOMAIN.format(votes=0), 20, key="example.org")])
    transform(cache, tmp_path / "import", Options(as_of=5))
    assert not rows(tmp_path / "import")
    transform(cache, tmp_path / "import")
    assert added == [False, True]  # as of 5 there is nothing to merge
    same_as_anew(cache, tmp_path / "import")


def test_what_an_analyst_rules_holds_for_what_comes_later(tmp_path: Path, added: list[bool]) -> None:
    cache = filled(tmp_path, [reply(DOMAIN.format(votes=1), 10)])
    transform(cache, tmp_path / "import")
    journal.keep(cache, TakeOutEntry(author="ana", node=NodeRef("IPAddress", "192.0.2.7")))
    transform(cache, tmp_path / "import")
    for at in (20, 30):
        transform(filled(tmp_path, [reply(DOMAIN.format(votes=0), at, key=f"e{at}.example")]), tmp_path / "import")
        same_as_anew(cache, tmp_path / "import")
    assert not rows(tmp_path / "import").get("IPAddress")
    assert added[:4] == [False, False, True, False]


STEPS: dict[str, Callable[[Path, Cache], object]] = {
    "add": lambda _root, _cache: None,
    "compact": lambda _root, cache: compacted(cache),
    "lose a segment": lambda _root, cache: removed(each.path for each in cache.segments()),
    "lose the files": lambda root, _cache: shutil.rmtree(root / "import", ignore_errors=True),
    "lose a file": lambda root, _cache: removed(sorted((root / "import").rglob("*.parquet"))),
    "forget": lambda root, _cache: (root / ".import.stage" / "index").unlink(missing_ok=True),
    "as of then": lambda root, cache: transform(cache, root / "import", Options(as_of=1_600_000_001)),
    "since then": lambda root, cache: transform(
        cache, root / "import", Options(seen_since={"threatcrowd": 1_600_000_002})
    ),
    "one format": lambda root, cache: transform(cache, root / "import", Options(formats=("csv",))),
    "take out": lambda _root, cache: journal.keep(
        cache, TakeOutEntry(author="ana", node=NodeRef("Domain", "example.com"))
    ),
    "one": lambda _root, cache: journal.keep(
        cache,
        SameAsEntry(author="ana", one=NodeRef("Domain", "example.org"), other=NodeRef("Domain", "example.com")),
    ),
}


def removed(paths: Iterable[Path]) -> None:
    for path in list(paths)[:1]:
        path.unlink()


def compacted(cache: Cache) -> None:
    with cache.writer() as writer:
        compact(cache, writer)


@pytest.mark.long
@settings(SLOW, max_examples=24)
@given(parts=st.lists(st.tuples(st.sampled_from(sorted(STEPS)), entries), min_size=2, max_size=8))
def test_whatever_comes_between_the_files_are_as_from_nothing(here: Path, parts: list[tuple[str, list[Entry]]]) -> None:
    root = here / str(time.monotonic_ns())
    for step, replies in parts:
        cache = filled(root, replies)
        transform(cache, root / "import")
        STEPS[step](root, cache)
        transform(cache, root / "import")
        same_as_anew(cache, root / "import")
