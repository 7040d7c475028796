"""One transform from the cache to the flat files, which replace the old set in one step."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from intel_grapher import disk, sets
from intel_grapher.analyst.overrides import gives_facts, overrides_of
from intel_grapher.cache import Cache
from intel_grapher.errors import TransformError, UsageError
from intel_grapher.files import Files, Group, Manifest
from intel_grapher.lock import locked
from intel_grapher.registry import Registry
from intel_grapher.set_copy import at_work, copy_at
from intel_grapher.transform.fingerprint import group_inputs, merge_code, merges_by_label
from intel_grapher.transform.merge import Merger
from intel_grapher.transform.options import Options
from intel_grapher.transform.overriding import Overriding
from intel_grapher.transform.publish import Publisher
from intel_grapher.transform.segments import Segments
from intel_grapher.transform.staged import groups_of
from intel_grapher.transform.store import GroupState, Kept, Store, kept_folder
from intel_grapher.transform.vague import with_vague_keys
from intel_grapher.transform.workers import prepare_arrow

if TYPE_CHECKING:
    from intel_grapher.transform.spark.run import SparkRun

OURS = {"manifest.json", "rejects.jsonl", "nodes", "relationships"}
"""The names in a set of flat files."""
LARGE = 100_000
"""Rows of a group that is made durable as soon as it is written. All others are at the end, many at once."""


def transform(cache: Cache, folder: Path, registry: Registry, options: Options | None = None) -> Manifest:
    """Make the flat files of a cache in `folder`, and return their manifest. A link to a folder stays a link.

    Raises BusyError if another transform is at work there, TransformError if the files can't be made, CacheError if
    the cache can't be read; the old set is then as it was. NotPushedError where `folder` is the copy of a set in a
    store, and that does not take the new one.
    """
    prepare_arrow()
    options = options or Options()
    folder = disk.real(folder)
    if not folder.name:
        raise UsageError(f"{folder} is no folder that can be replaced: name another one with --import")
    new, kept = folder.parent / f".{folder.name}.new", kept_folder(folder)
    copy = copy_at(folder)
    if copy is not None:
        copy.pull(at_once=True)  # a set that says the same as the present one keeps its time
    try:
        lock = folder.parent / f".{folder.name}.lock"
        with locked(lock, str(Files(folder)), failure=TransformError), at_work(folder):
            disk.recover(folder)
            _refuse_foreign(folder)
            disk.remove(new)
            try:
                new.mkdir()
                disk.refuse_links(folder.parent, kept.name).mkdir(exist_ok=True)
                with reachable(new) as new_path, reachable(kept) as kept_path:
                    run = _engine(options)(
                        cache, registry, options, old=Files(folder), new=Files(new_path), kept=kept_path
                    )
                    manifest = run.manifest()
                disk.remove(new / "work")
                sets.keep(folder, new, 0 if copy else options.keep)
                disk.sync_tree(new)
                disk.swap_in(new, folder)
                if copy is not None:
                    sets.share(folder, options.keep)
                else:
                    with suppress(OSError):  # the new set is in place; the next transform trims again
                        sets.trim(folder, options.keep)
            finally:
                shutil.rmtree(new, ignore_errors=True)
    except BrokenProcessPool as dead:
        raise TransformError(
            f"a process that read replies was ended from outside, perhaps for want of memory: run it again, with a "
            f"smaller --memory or --processes 1; what was at {Files(folder)} is as it was"
        ) from dead
    except (OSError, pa.ArrowException, duckdb.Error) as error:
        raise TransformError(
            f"the flat files can't be written at {folder}: {error}; what was there is as it was"
        ) from error
    return manifest


def _engine(options: Options) -> type[_Run | SparkRun]:
    if not options.master:
        return _Run
    from intel_grapher.transform.spark.run import SparkRun  # noqa: PLC0415 - few need it, and it loads an extra

    return SparkRun


@contextmanager
def reachable(folder: Path) -> Iterator[Path]:
    """Yield a path of a folder that is UTF-8, as Arrow and DuckDB need it: the path itself, or one by descriptor.

    Descriptors of other processes have paths on Linux; elsewhere file names are UTF-8.
    """
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
        finally:
            os.close(descriptor)
    else:
        yield folder


def _refuse_foreign(folder: Path) -> None:
    """Raise TransformError if there is something else than flat files: the folder is replaced as a whole."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise TransformError(f"{folder} is there and is no folder: move it away, or name another place with --import")
    if foreign := sorted({path.name for path in folder.iterdir()} - OURS):
        raise TransformError(
            f"{folder} holds more than flat files ({', '.join(foreign[:3])}), and is replaced as a whole: move that "
            "away, or name another folder with --import"
        )


class _Run:
    """The steps of one transform, in order; `work` is removed at the end."""

    def __init__(
        self, cache: Cache, registry: Registry, options: Options, *, old: Files, new: Files, kept: Path
    ) -> None:
        self._cache = cache
        self._registry = registry
        self._old = old
        self._new = new
        self._store = Store(kept)
        self._options = options
        self._work = new.root / "work"
        self._overrides = overrides_of(cache, options.as_of)

    def manifest(self) -> Manifest:
        """Make the new set, keep what the next run can use, and return the manifest."""
        self._work.mkdir(parents=True)
        kept, marks = self._store.folder, self._cache.marks
        segments = sorted(filter(gives_facts, self._cache.segments()), key=lambda segment: segment.path)
        staging = Segments(
            self._cache, self._registry, Overriding(self._overrides, marks), self._options, kept=kept, work=self._work
        )
        staged = list(zip(segments, staging.staged(segments), strict=True))
        files = [file for _, file in staged]
        overrides = with_vague_keys(self._overrides, files)
        overriding = Overriding(overrides)
        code = merge_code(self._registry, Overriding(self._overrides))
        merges = merges_by_label(self._overrides, overrides)
        # A run in which not all replies count, or some are damaged, leaves what is kept as it is.
        is_whole = all(Path(file.path).parent == kept for file in files)
        inputs = group_inputs(files, code, merges) if is_whole else {}
        groups = groups_of(files)
        publisher = Publisher(self._old, self._new, self._options.formats, self._store.index.groups, inputs)
        states = publisher.reuse(groups)
        missing = [group for group in groups if group not in states]
        previous = self._store.previous(missing, staged, code, merges, staging.name) if is_whole else None
        merger = Merger(
            files,
            previous,
            overriding,
            list(self._registry),
            self._work,
            memory=self._options.memory,
            threads=self._options.processes,
        )
        with ThreadPoolExecutor(1) as aside:
            rejects = aside.submit(publisher.write_rejects, merger.cursor, files, overriding.rejects())
            # Else all that was written would be waited for at the end, while no processor has work.
            synced = [aside.submit(disk.sync_all, [Path(file.path) for file in files if is_whole])]
            for group, state in self._written(publisher, merger, missing, list(states)):
                states[group] = state
                if state.content.rows >= LARGE:
                    synced.append(aside.submit(disk.sync_all, self._files_of(group, state)))
            for each in synced:
                each.result()
        contents = {group: states[group].content for group in groups}
        manifest = publisher.write_manifest(staged, contents, rejects.result(), self._options, marks)
        merger.close()
        if is_whole:
            labels = {label for group in groups for label in group.labels}
            keys = self._store.keys_of(labels) | {label: merger.keys(label) for label in merger.ranked_labels}
            if previous is None:  # stable_ids of these labels have changed
                states = {group: _without_rows(state, group, merger, missing) for group, state in states.items()}
            by_name = {str(group): state for group, state in states.items()}
            self._store.commit(Kept(code, merges, staged, keys, by_name), self._work)
        else:
            self._store.clean(files)
        return manifest

    def _files_of(self, group: Group, state: GroupState) -> list[Path]:
        """Return the files that were made of a group."""
        rows = [self._work / state.rows.name] if state.rows and state.rows.name else []
        return [*(self._new.path(group, suffix) for suffix in self._options.formats), *rows]

    def _written(
        self, publisher: Publisher, merger: Merger, groups: list[Group], others: list[Group]
    ) -> Iterator[tuple[Group, GroupState]]:
        """Merge and write some groups, and yield them. The largest come first, so that no thread is left with one.

        Relationships among the `others` are merged too if they say something about the nodes.
        """
        nodes = [group for group in groups if not group.type]
        labels_of_nodes = {group.start for group in nodes}
        relationships = [group for group in groups if group.type] + [
            group
            for group in others
            if group.type and merger.facts(group) and not labels_of_nodes.isdisjoint(group.labels)
        ]
        merged = [*relationships, *nodes]
        labels = {label for group in merged for label in group.labels}
        with ThreadPoolExecutor(self._options.processes) as pool:
            list(
                pool.map(lambda label: merger.rank(label, merged), sorted(labels, key=merger.staged_keys, reverse=True))
            )
            for kind, size in ((relationships, merger.facts), (nodes, merger.mentions)):
                largest_first = sorted(kind, key=size, reverse=True)
                list(pool.map(merger.merge, chain.from_iterable(pool.map(merger.ranges, largest_first))))
            groups = sorted(groups, key=lambda group: -merger.rows(group))
            total = sum(map(merger.rows, groups))
            done = 0
            for group, state in zip(
                groups, pool.map(lambda group: publisher.write(merger, group, self._work), groups), strict=True
            ):
                done += merger.rows(group)
                self._options.progress("write", done, total)
                yield group, state


def _without_rows(state: GroupState, group: Group, merger: Merger, written: list[Group]) -> GroupState:
    """Return the state of a group that was not written now, without rows whose stable_ids no longer hold."""
    if group in written or merger.ranked_labels.isdisjoint(group.labels):
        return state
    return GroupState(state.inputs, state.content, None, state.files)
