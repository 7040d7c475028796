"""Imports: each run is known, can be taken back and brought back; what else gave a reply keeps it in use."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore
from transforming import REGISTRY, SLOW, bytes_of, transform

from intel_grapher.cache import Cache, Entry, bring_back, drop, import_replies, take_back, verify
from intel_grapher.cache.compaction import compact
from intel_grapher.cache.mirror import Mirror
from intel_grapher.cli.cache_add import resolve, standing
from intel_grapher.errors import UsageError
from intel_grapher.objects import Objects

MTIME = 1_500_000_000
NAMES = ("a.example", "b.example", "c.example", "d.example")


def lay(folder: Path, *names: str) -> list[Path]:
    """Write a reply about each name."""
    paths = []
    for name in names:
        path = folder / "kept" / "threatcrowd" / "domain" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            b'{"response_code":"1","resolutions":[{"ip_address":"192.0.2.1","last_resolved":"2020-01-01"}]}'
        )
        os.utime(path, (MTIME, MTIME))
        paths.append(path)
    return paths


def add(cache: Cache, *paths: Path, **flags: str) -> str:
    """Add files, and return the import's id."""
    with cache.writer() as writer:
        return import_replies(
            writer,
            paths,
            judge=partial(standing, REGISTRY),
            resolve=partial(resolve, REGISTRY),
            **flags,  # type: ignore[arg-type] # the tests' own
        ).id


def remove(cache: Cache, id_: str) -> None:
    with cache.writer() as writer:
        take_back(cache, writer, id_)
    cache.refresh()


def restore(cache: Cache, id_: str) -> None:
    with cache.writer() as writer:
        bring_back(cache, writer, id_)
    cache.refresh()


def in_use(cache: Cache) -> set[str]:
    """Return the keys of which a reply is in use: as a transform reads them, and as look-ups say."""
    cache.refresh()
    read = {reply.key for segment in cache.segments() for reply in cache.replies(segment)}
    assert read == {name for name in NAMES if cache.history(name, "threatcrowd", "domain")}
    assert read == {name for name in NAMES if cache.newest("threatcrowd", "domain", name)}
    assert read == {name for name in NAMES if cache.held([name])}
    return read


def test_an_import_is_listed_taken_back_and_brought_back(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "data")
    first, second = add(cache, *lay(tmp_path, "a.example", "b.example")), add(cache, *lay(tmp_path, "c.example"))
    cache.refresh()
    assert list(cache.marks.imports) == [first, second]
    made = cache.marks.imports[first]
    assert made.begun
    assert made.ended
    assert (len(made.begun.paths), made.ended.added, made.ended.whole) == (2, 2, True)
    remove(cache, first[:5])
    assert in_use(cache) == {"c.example"}
    assert [holding.taken_back for holding in cache.holdings()] == [2]
    assert len(cache.taken_back("a.example")) == 1
    remove(cache, first)  # again
    restore(cache, first)
    assert in_use(cache) == {"a.example", "b.example", "c.example"}
    assert not cache.marks


@pytest.mark.parametrize("id_", ["", "0", "xyz", "zzzzzzzz", "abc"])
def test_an_id_that_there_is_not_is_refused(tmp_path: Path, id_: str) -> None:
    cache = Cache(tmp_path / "data")
    add(cache, *lay(tmp_path, "a.example"))
    with pytest.raises(UsageError, match="there is no import"):
        remove(cache, id_)


def test_what_is_added_again_after_it_was_taken_back_counts_again(tmp_path: Path) -> None:
    cache, [path] = Cache(tmp_path / "data"), lay(tmp_path, "a.example")
    remove(cache, add(cache, path))
    assert in_use(cache) == set()
    with cache.writer() as writer:
        outcome = import_replies(writer, [path], judge=partial(standing, REGISTRY))
    assert (outcome.added, outcome.already_there) == (1, 0)
    assert in_use(cache) == {"a.example"}
    assert len(cache.history("a.example")) == 1  # it was not written twice
    remove(cache, outcome.id)
    assert in_use(cache) == set()


def test_what_was_fetched_as_well_stays(tmp_path: Path) -> None:
    cache, [path] = Cache(tmp_path / "data"), lay(tmp_path, "a.example")
    fetched = Entry(
        source="threatcrowd", endpoint="domain", key="a.example", fetched_at=MTIME, status=200, body=path.read_bytes()
    )
    with cache.writer() as writer:
        writer.add(fetched)
    remove(cache, add(cache, path))
    assert in_use(cache) == {"a.example"}


def test_an_import_that_was_killed_can_be_taken_back(tmp_path: Path) -> None:
    cache, paths = Cache(tmp_path / "data"), lay(tmp_path, "a.example", "b.example")

    def interrupt(entry: Entry) -> None:
        if entry.key == "b.example":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), cache.writer() as writer:
        import_replies(writer, paths, judge=partial(standing, REGISTRY), check=interrupt)
    cache.refresh()
    [made] = cache.marks.imports.values()
    assert made.ended
    assert not made.ended.whole
    log = next((tmp_path / "data" / "imports" / "cache" / "log").iterdir())
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])  # as after a kill: it has begun, and no more
    assert in_use(cache) == {"a.example"}
    remove(cache, made.id)
    assert in_use(cache) == set()


def test_replies_to_one_question_are_taken_back_and_later_ones_count(tmp_path: Path) -> None:
    cache, paths = Cache(tmp_path / "data"), lay(tmp_path, "a.example", "b.example")
    add(cache, *paths)
    with cache.writer() as writer:
        id_, count = drop(cache, writer, "threatcrowd", "domain", "a.example")
    assert (count, in_use(cache)) == (1, {"b.example"})
    with pytest.raises(UsageError, match="no reply"), cache.writer() as writer:
        drop(cache, writer, "threatcrowd", "domain", "a.example")
    restore(cache, id_)
    assert in_use(cache) == {"a.example", "b.example"}
    remove(cache, id_)
    os.utime(paths[0], (MTIME + 60, MTIME + 60))
    add(cache, paths[0])
    assert in_use(cache) == {"a.example", "b.example"}


def test_what_is_taken_back_and_added_again_counts_in_the_log_of_several_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine's log comes in between, which gives the events other numbers."""
    monkeypatch.setattr("intel_grapher.cache.mirror.FRESH_SECONDS", -1)
    objects = Objects("s3://bucket", MemoryStore())

    def on(machine: str) -> Cache:
        root = tmp_path / machine / "data"
        return Cache(root, mirror=Mirror(root, objects))

    judged = {"judge": partial(standing, REGISTRY), "resolve": partial(resolve, REGISTRY)}
    for number in range(4):  # where the other log comes in depends on its checksum
        a, b = (lay(tmp_path / f"{number}{name}", name) for name in NAMES[:2])
        with on(f"late{number}").writer() as slow:
            add(on("one"), *a)
            with on("one") as cache, cache.writer() as writer:
                drop(cache, writer, "threatcrowd", "domain", NAMES[0])
            add(on("one"), *a)
            import_replies(slow, b, **judged)  # type: ignore[arg-type] # the tests' own
        assert NAMES[0] in in_use(on(f"new{number}"))
        assert in_use(on("one")) == in_use(on(f"new{number}"))


def test_an_unreadable_reply_that_is_taken_back_is_no_failure_any_more(tmp_path: Path) -> None:
    cache, [path] = Cache(tmp_path / "data"), lay(tmp_path, "a.example")
    path.write_bytes(b"nonsense")
    os.utime(path, (MTIME, MTIME))
    made = add(cache, path)
    assert transform(cache, tmp_path / "import").outcomes == {"unreadable": 1}
    remove(cache, made)
    assert [cache.replies(segment) for segment in cache.segments(["raw", "failed"])] == [[], []]
    assert transform(cache, tmp_path / "import").outcomes == {}


def test_the_graph_follows_to_the_byte(tmp_path: Path) -> None:
    good, [mistaken] = lay(tmp_path, "a.example", "b.example"), lay(tmp_path / "wrong", "c.example")
    plain, cache = Cache(tmp_path / "plain"), Cache(tmp_path / "data")
    add(plain, *good)
    transform(plain, tmp_path / "expected")
    add(cache, *good)
    made = add(cache, mistaken, endpoint="domain", source="threatcrowd", key="c.example")
    transform(cache, tmp_path / "import")
    before = bytes_of(tmp_path / "import")
    remove(cache, made)
    transform(cache, tmp_path / "import")
    assert bytes_of(tmp_path / "import") == bytes_of(tmp_path / "expected")
    transform(cache, tmp_path / "afresh")
    assert bytes_of(tmp_path / "afresh") == bytes_of(tmp_path / "expected")
    restore(cache, made)
    transform(cache, tmp_path / "import")
    assert bytes_of(tmp_path / "import") == before


def test_an_analyst_s_entry_that_is_taken_back_overrides_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "data")
    add(cache, *lay(tmp_path, "a.example"))
    entry = tmp_path / "out.json"
    entry.write_bytes(b'{"what":"take_out","author":"me","node":{"label":"Domain","key":"a.example"}}')
    made = add(cache, entry, source="analyst", endpoint="take_out", key="f" * 32)
    assert transform(cache, tmp_path / "import").nodes["Domain"].rows == 0
    remove(cache, made)
    assert transform(cache, tmp_path / "import").nodes["Domain"].rows == 1


def test_marks_survive_compaction_a_new_index_and_a_look_for_damage(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "data")
    first = add(cache, *lay(tmp_path, "a.example", "b.example"))
    add(cache, *lay(tmp_path, "b.example", "c.example"))
    remove(cache, first)
    with cache.writer() as writer:
        compact(cache, writer)
    assert in_use(cache) == {"b.example", "c.example"}
    assert verify(cache) == []
    cache.close()
    for path in (tmp_path / "data").glob("index.sqlite*"):
        path.unlink()
    assert in_use(cache) == {"b.example", "c.example"}


def test_a_damaged_log_is_told(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "data")
    remove(cache, add(cache, *lay(tmp_path, "a.example")))
    log = next((tmp_path / "data" / "imports" / "cache" / "log").iterdir())
    log.write_bytes(log.read_bytes().replace(b"removed", b"remowed"))
    cache.refresh()
    assert transform(cache, tmp_path / "import").damaged == 1
    assert [problem.lost for problem in verify(cache)] == [1]


STEPS = st.one_of(
    st.tuples(st.just("add"), st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)),
    st.tuples(st.sampled_from(["remove", "restore"]), st.integers(0, 7)),
    st.tuples(st.just("drop"), st.sampled_from(NAMES)),
)


@SLOW
@given(steps=st.lists(STEPS, max_size=9))
def test_a_reply_is_in_use_while_an_import_that_gave_it_is(
    steps: list[tuple[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    cache, paths = Cache(folder / "data"), dict(zip(NAMES, lay(folder, *NAMES), strict=True))
    ids: list[str] = []
    out: set[str] = set()
    given_by: dict[str, list[tuple[int, str]]] = {name: [] for name in NAMES}
    drops: list[tuple[int, str, str]] = []

    def expected() -> set[str]:
        found = set()
        for name, givers in given_by.items():
            after = max((at for at, id_, dropped in drops if dropped == name and id_ not in out), default=-1)
            if any(at > after and id_ not in out for at, id_ in givers):
                found.add(name)
        return found

    for at, (what, value) in enumerate(steps):
        if isinstance(value, list):
            ids.append(add(cache, *(paths[name] for name in value)))
            for name in value:
                given_by[name].append((at, ids[-1]))
        elif isinstance(value, int):
            if value < len(ids):
                (remove if what == "remove" else restore)(cache, ids[value])
                (out.add if what == "remove" else out.discard)(ids[value])
        elif isinstance(value, str) and value in expected():
            with cache.writer() as writer:
                drops.append((at, drop(cache, writer, "threatcrowd", "domain", value)[0], value))
        assert in_use(cache) == expected()
    cache.close()
