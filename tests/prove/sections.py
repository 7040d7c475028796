"""The sections of the proof: each injects one kind of fault, and counts what was lost."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import world
from databases import neo4j_killed, queries
from places import SAMPLES
from powercut import MODES
from services import clocks, services
from workshop import Tally, Workshop

from intel_grapher.cache import Cache, Entry
from intel_grapher.cache.segment import Corruption

OLD, NEW = range(7), range(12)


class Case(NamedTuple):
    """A command to break. `whole` and `final` return what is wrong after a fault, and after the run that follows it."""

    name: str
    prepare: Callable[[Path], None]
    act: Callable[[Path], None]
    whole: Callable[[Workshop, Any], str]
    final: Callable[[Workshop, Any], str]
    wanted: Callable[[Workshop], Any]
    steps: int


# --- what must be true ------------------------------------------------------------------------------------------------


def _cache_wanted(shop: Workshop) -> Any:  # noqa: ANN401 - a case's own
    shop.restore()
    return None


def _cache_whole(shop: Workshop, _: Any) -> str:  # noqa: ANN401
    missing = _missing(shop.home / "data", OLD)
    return f"lost {missing}" if missing else ""


def _cache_final(shop: Workshop, numbers: range) -> str:
    missing = _missing(shop.home / "data", numbers)
    found = sum(world.records(shop.home / "data").values())
    wrong = world.problems(shop.home / "data") and world.problems(shop.home / "data")
    return f"lost {missing}, {found} records, {wrong}" if missing or found != len(numbers) or wrong else ""


def _missing(data: Path, numbers: range) -> list[str]:
    found = world.records(data)
    return [world.entry(number).key for number in numbers if not found[world.entry(number).key, world.body(number)]]


def _sets_wanted(shop: Workshop) -> Any:  # noqa: ANN401
    """Return the files before, and those that a transform from nothing makes."""
    shop.restore()
    old = world.contents(shop.home / "import")
    clean = shop.home.with_name("clean")
    shutil.rmtree(clean, ignore_errors=True)
    shutil.copytree(shop.home / "data", clean / "data")
    shop.result(partial(world.make_files, clean))
    return old, world.contents(clean / "import")


def _files_whole(shop: Workshop, wanted: Any) -> str:  # noqa: ANN401
    return "" if world.contents(shop.home / "import") in wanted else "the files are neither the old set nor the new one"


def _files_final(shop: Workshop, wanted: Any) -> str:  # noqa: ANN401
    found = world.contents(shop.home / "import")
    differing = [name for name in {*found, *wanted[1]} if found.get(name) != wanted[1].get(name)]
    return f"the files differ from those made from nothing: {sorted(differing)[:5]}" if differing else ""


def _graphs_wanted(shop: Workshop) -> Any:  # noqa: ANN401
    shop.restore()
    old = shop.result(partial(world.counts, shop.home))
    shop.result(partial(world.make_graph, shop.home))
    return [old, shop.result(partial(world.counts, shop.home))]


def _graph_whole(shop: Workshop, wanted: Any) -> str:  # noqa: ANN401
    ended = shop.run(partial(world.counts, shop.home))
    return "" if ended.code == world.DONE and ended.value in wanted else f"the graph: {ended.how} {ended.text}"


def _graph_final(shop: Workshop, wanted: Any) -> str:  # noqa: ANN401
    return _graph_whole(shop, wanted[1:])


def _overlay_final(shop: Workshop, wanted: Any) -> str:  # noqa: ANN401
    ended = shop.run(partial(world.differences, shop.home))
    if ended.code != world.DONE or ended.value:
        return f"the graph differs from the files: {ended.how} {ended.text}"
    return _graph_final(shop, wanted)


# --- the commands -----------------------------------------------------------------------------------------------------


def _old_cache(home: Path) -> None:
    world.add(home / "data", OLD)


def _old_files(home: Path) -> None:
    world.add(home / "data", OLD)
    world.make_files(home)
    world.add(home / "data", NEW)


def _old_graph(home: Path) -> None:
    world.add(home / "data", OLD)
    world.make_files(home)
    world.make_graph(home)
    world.add(home / "data", NEW)
    world.make_files(home)


def _new_files(home: Path) -> None:
    _old_graph(home)
    world.make_files(home)


CASES = [
    Case(
        "cache add", _old_cache, lambda home: world.add(home / "data", NEW),
        _cache_whole, lambda shop, _: _cache_final(shop, NEW), _cache_wanted, 16,
    ),
    Case(
        "cache compact", _old_cache, lambda home: world.shrink(home / "data"),
        _cache_whole, lambda shop, _: _cache_final(shop, OLD), _cache_wanted, 10,
    ),
    Case("transform", _old_files, world.make_files, _files_whole, _files_final, _sets_wanted, 10),
    Case("load", _old_graph, world.make_graph, _graph_whole, _graph_final, _graphs_wanted, 5),
]  # fmt: skip
OVERLAY = Case(
    "load, an overlay", _new_files, world.make_overlay,
    _graph_whole, _overlay_final, _graphs_wanted, 1,
)  # fmt: skip
LOADS = CASES[-1], OVERLAY


def _prepared(case: Case, shop: Workshop) -> tuple[Any, Callable[[], object]]:
    """Lay out a case's folder. Return what its checks want, and the command."""
    shop.result(partial(case.prepare, shop.snapshot))
    wanted = case.wanted(shop)
    shop.restore()
    return wanted, partial(case.act, shop.home)


def _after(case: Case, shop: Workshop, wanted: Any, wrong: str) -> str:  # noqa: ANN401
    """Run a command once more after a fault. Return what is wrong, `wrong` before all else."""
    again = shop.run(partial(case.act, shop.home))
    if again.code != world.DONE:
        wrong = wrong or f"the run after it: {again.how} {again.text}"
    return wrong or case.final(shop, wanted)


def _stepped(case: Case, mode: str, shop: Workshop, *, once: bool) -> Tally:
    """Inject a fault at each step of a command, or at some."""
    tally = Tally()
    if shop.library is None:
        tally.note = "not run: no C compiler"
        return tally
    wanted, work = _prepared(case, shop)
    total = int(shop.faulty(work, 0, "eio", once=True).value)
    for step in shop.steps(total, case.steps):
        shop.restore()
        ended = shop.faulty(work, step, mode, once=once)
        wrong = case.final(shop, wanted) if ended.code == world.DONE else case.whole(shop, wanted)
        if ended.how in {"uncaught", "hung", "left"}:
            wrong = wrong or f"{ended.how} {ended.text}"
        tally.add(f"step {step} of {total}, {ended.how}", _after(case, shop, wanted, wrong))
    tally.note = f"{total} calls"
    return tally


def _cut(case: Case, shop: Workshop) -> Tally:
    """Cut the power at moments of a command: the disk keeps what was synced, and anything of all else."""
    tally = Tally()
    if shop.library is None:
        tally.note = "not run: no C compiler"
        return tally
    wanted, work = _prepared(case, shop)
    recording = shop.recorded(work)
    cuts = [recording.cuts[step - 1] for step in shop.steps(len(recording.cuts) - 1, 2 * case.steps)]
    trials = [
        (cut, mode)
        for number, cut in enumerate(cuts)
        for mode in (MODES if shop.thorough else [MODES[number % len(MODES)]])
    ]
    for cut, mode in [*trials, *((len(recording.events), mode) for mode in MODES)]:
        recording.restore(cut, mode, shop.chance, shop.home)
        ended = cut == len(recording.events)  # what a command has said that it did, is there
        wrong = case.final(shop, wanted) if ended else case.whole(shop, wanted)
        where = f"event {cut} of {len(recording.events)}, names {mode.names}, data {mode.data}"
        tally.add(where, _after(case, shop, wanted, wrong))
    tally.note = f"{len(recording.events)} events"
    return tally


# --- kept files -------------------------------------------------------------------------------------------------------


def _spoilt(data: bytes, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield a file with one bit flipped, cut, zeroed, or longer."""
    bit = chance.randrange(len(data) * 8)
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    yield f"bit {bit}", bytes(flipped)
    cut = chance.randrange(len(data))
    yield f"cut at {cut}", data[:cut]
    yield f"zeroed from {cut}", data[:cut] + bytes(len(data) - cut)
    yield "a byte more", data + b"x"


def _spoil(path: Path, data: bytes) -> None:
    """Write a file and leave its times as they were, as a failing disk does."""
    state = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def _segments(shop: Workshop) -> Tally:
    """Spoil segments: what is read is what was written, and what is not is told."""
    tally = Tally()
    world.add(shop.snapshot / "data", NEW)
    whole = world.records(shop.snapshot / "data")
    shop.restore()
    files = sorted((shop.home / "data" / "raw").rglob("0*"))
    for path in files:
        data = path.read_bytes()
        for _ in range(200 if shop.thorough else 8):
            for fault, spoilt in _spoilt(data, shop.chance):
                _spoil(path, spoilt)
                found: list[Corruption] = []
                with Cache(shop.home / "data") as cache:
                    read = [
                        (envelope.key, bytes(envelope.content))
                        for segment in cache.segments()
                        for envelope in segment.envelopes(found.append)
                    ]
                lacking = len(NEW) - len(read)
                wrong = "wrong content" if not set(read) <= set(whole) else ""
                if lacking and not found and not path.name.endswith(".jsonl"):
                    wrong = wrong or f"{lacking} lost, nothing told"
                if lacking and not found and fault.startswith("bit"):
                    wrong = wrong or f"{lacking} lost, nothing told"
                tally.add(f"{path.name}, {fault}", wrong)
        _spoil(path, data)
    return tally


def _index(shop: Workshop) -> Tally:
    """Spoil the index: what it finds is there, what it sums up is right, and `verify` leaves it right."""
    tally = Tally()
    world.add(shop.snapshot / "data", NEW)
    keys = [world.entry(number).key for number in NEW]
    with Cache(shop.snapshot / "data") as cache:
        wanted = cache.holdings(), cache.held(keys)
    shop.restore()
    path = shop.home / "data" / "index.sqlite"
    data = path.read_bytes()
    for _ in range(1000 if shop.thorough else 40):
        for fault, spoilt in _spoilt(data, shop.chance):
            for file in path.parent.glob("index.sqlite*"):
                file.unlink()
            path.write_bytes(spoilt)
            tally.add(fault, _index_wrong(shop, wanted, keys))
    return tally


def _index_wrong(shop: Workshop, wanted: Any, keys: list[str]) -> str:  # noqa: ANN401
    with Cache(shop.home / "data") as cache:
        for key in keys:
            found = cache.newest("threatcrowd", "domain", key)
            if found and cache.read(found).epoch != found.fetched_at:
                return f"{key} is found and is not there"
        if cache.held(keys) != wanted[1]:
            return "a reply is missed"
        if cache.holdings() != wanted[0]:
            return "the summary is wrong"
        world.problems(shop.home / "data")
        return "" if cache.held(keys) == wanted[1] else "wrong after verify"


def _kept(shop: Workshop) -> Tally:
    """Spoil what the transform has kept, and the files themselves: the next run gives those made from nothing."""
    tally = Tally()
    shop.result(partial(_old_files, shop.snapshot))
    wanted = _sets_wanted(shop)
    kept = [path for path in shop.snapshot.rglob("*") if path.is_file() and path.stat().st_size]
    names = sorted(str(path.relative_to(shop.snapshot)) for path in kept)
    names = [name for name in names if not name.startswith("data/") and not name.endswith(".lock")]
    for name in shop.some(names * 4, 24):
        data = (shop.snapshot / name).read_bytes()
        for fault, spoilt in list(_spoilt(data, shop.chance))[: 4 if shop.thorough else 1]:
            shop.restore()
            _spoil(shop.home / name, spoilt)
            ended = shop.run(partial(world.make_files, shop.home))
            wrong = "" if ended.code == world.TOLD else ended.text
            if ended.code == world.DONE:
                wrong = _files_final(shop, wanted)
            tally.add(f"{name}, {fault}", wrong)
    return tally


def _links(shop: Workshop) -> Tally:
    """Replace files and folders by links: nothing outside changes."""
    tally = Tally()
    shop.result(partial(_old_graph, shop.snapshot))
    names = sorted(str(path.relative_to(shop.snapshot)) for path in shop.snapshot.rglob("*"))
    names += [".import.new", ".import.old", ".graph.new", ".graph.old", "data/index.sqlite-wal"]
    places = {"data", "import", "graph"}
    outside = shop.home.with_name("outside")
    for name in shop.some(sorted({*names} - places), 10):
        for target in ("file", "folder"):
            shop.restore()
            shutil.rmtree(outside, ignore_errors=True)
            (outside / "folder" / "threatcrowd" / "domain").mkdir(parents=True)
            (outside / "folder" / "graph.lbug").write_bytes(b"precious")
            (outside / "file").write_bytes(b"precious, too")
            path = shop.home / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            path.symlink_to(outside / target)
            before = world.contents(outside)
            wrong = ""
            for work in (
                lambda: world.add(shop.home / "data", range(13)),
                partial(world.make_files, shop.home),
                partial(world.make_graph, shop.home),
            ):
                ended = shop.run(work)
                if ended.code not in {world.DONE, world.TOLD}:
                    wrong = wrong or f"{ended.how} {ended.text}"
            if world.contents(outside) != before:
                wrong = "what is outside was changed"
            tally.add(f"{name} -> {target}", wrong)
    return tally


# --- replies ----------------------------------------------------------------------------------------------------------

STRANGE: list[Any] = [
    *(None, True, -1, 0, 1.5, 10**30, 1e308, "", " ", "\0", "a\nb", '"', "\u202e", "\U0001f600", "x" * 5000),
    *([], {}, [[]], {"a": {}}, ["x", 1, None], "192.0.2.1", "http://[::1", "9999-99-99", "0000-00-00", "1e999"),
]


def _mutated(value: Any, chance: random.Random) -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON value in which one member is something else."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        name = chance.choice(sorted(value))
        return {**value, name: _mutated(value[name], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        return [*value[:place], _mutated(value[place], chance), *value[place + 1 :]]
    return chance.choice(STRANGE)


def _replies(shop: Workshop) -> Tally:
    """Change real replies at random: files and graph hold the same, whatever they say."""
    tally = Tally()
    samples: list[Entry] = []
    with Cache(SAMPLES.parent) as cache:
        for segment in cache.segments():
            samples += [
                Entry(
                    source=reply.source, endpoint=reply.endpoint, key=reply.key, params=reply.params,
                    fetched_at=reply.epoch, status=reply.status, body=bytes(reply.content),
                )
                for reply in segment.envelopes(lambda _: None)
                if reply.form == "json"
            ]  # fmt: skip
    for turn in range(40 if shop.thorough else 2):
        shutil.rmtree(shop.home, ignore_errors=True)
        with Cache(shop.home / "data") as cache, cache.writer("prove") as writer:
            for sample in samples:
                changed = json.dumps(_mutated(json.loads(sample.body), shop.chance)).encode()
                writer.add(
                    Entry(
                        source=sample.source, endpoint=sample.endpoint, key=sample.key, params=sample.params,
                        fetched_at=sample.fetched_at, status=sample.status, body=changed,
                    )
                )  # fmt: skip
                tally.injected += 1
        for work in (partial(world.make_files, shop.home), partial(world.make_graph, shop.home)):
            ended = shop.run(work)
            if ended.code != world.DONE:
                tally.lost.append(f"turn {turn}: {ended.how} {ended.text}")
    return tally


class Section(NamedTuple):
    """One row of the table."""

    name: str
    run: Callable[[Workshop], Tally]


FAULTS = {"kill": ("kill", False), "eio, lasting": ("eio", False), "enospc, once": ("enospc", True),
          "short, lasting": ("short", False)}  # fmt: skip
SECTIONS = [
    *(
        Section(f"{name}: {case.name}", partial(_stepped, case, mode, once=once))
        for case in CASES
        for name, (mode, once) in FAULTS.items()
    ),
    *(Section(f"kill of the engine: {case.name}", partial(_stepped, case, "part", once=False)) for case in LOADS),
    *(Section(f"power cut: {case.name}", partial(_cut, case)) for case in (*CASES, OVERLAY)),
    Section("spoilt segments", _segments),
    Section("spoilt index", _index),
    Section("spoilt kept state and files", _kept),
    Section("links in place of files", _links),
    Section("changed replies", _replies),
    Section("hostile services", services),
    Section("clocks ahead and behind", clocks),
    Section("queries without a bound", queries),
    Section("a Neo4j killed in a load", neo4j_killed),
]  # fmt: skip
