"""The steps of a transform on Spark: what `_Run` does on one machine, with the work done by executors."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from intel_grapher.analyst.overrides import Overrides, gives_facts, overrides_of
from intel_grapher.cache import Cache
from intel_grapher.cache.segment import Segment
from intel_grapher.errors import TransformError
from intel_grapher.files import NOTHING, Content, Files, Group, GroupWriter, Manifest
from intel_grapher.registry import Registry
from intel_grapher.sql import connect
from intel_grapher.transform.options import Options
from intel_grapher.transform.overriding import Overriding
from intel_grapher.transform.publish import Publisher
from intel_grapher.transform.retirement import Counting
from intel_grapher.transform.segments import Segments, part_name
from intel_grapher.transform.spark import executors, plan
from intel_grapher.transform.spark.plan import MergeJob, StagedSummary, jobs
from intel_grapher.transform.spark.session import Cluster, connected
from intel_grapher.transform.staged import Staged, groups_of
from intel_grapher.transform.store import Store
from intel_grapher.transform.vague import with_vague_keys

TASK_BYTES = 8 << 20  # of small segments that are mapped in one task
ORDER = ["start_key", "end_key", "kind", "part"]


class SparkRun:
    """One transform. The files of the set, and what is kept, must lie where all machines of the cluster see them."""

    def __init__(
        self, cache: Cache, registry: Registry, options: Options, *, old: Files, new: Files, kept: Path
    ) -> None:
        self._cache = cache
        self._registry = registry
        self._options = options
        self._old = old
        self._new = new
        self._kept = kept
        self._overrides = overrides_of(cache, options.as_of)
        self._sources = list(registry)

    def manifest(self) -> Manifest:
        """Make the new set, and return its manifest. What a transform on one machine has kept stays as it is."""
        marks, work = self._cache.marks, self._new.root / "work"
        work.mkdir(parents=True)
        segments = sorted(filter(gives_facts, self._cache.segments()), key=lambda segment: segment.path)
        with connected(self._options.master, self._options.progress) as cluster:
            overriding = Overriding(self._overrides, marks)
            staging = SparkSegments(
                self._cache, self._registry, overriding, self._options, kept=self._kept, work=work, cluster=cluster
            )
            files = staging.staged(segments)
            overrides = with_vague_keys(self._overrides, files)
            planned = jobs([staging.summary(file) for file in files], self._sources)
            contents = self._merged(cluster, planned, files, overrides)
        groups = groups_of(files)
        for group in groups:
            self._begin(group, contents[group])
        found = {group: sum(contents[group].values(), NOTHING) for group in groups}
        publisher = Publisher(self._old, self._new, self._options.formats, {}, {})
        with connect(self._options.memory // 2, work / "spill", self._options.processes) as connection:
            rejects = publisher.write_rejects(connection.cursor, files, Overriding(overrides).rejects())
        staged = list(zip(segments, files, strict=True))
        manifest = publisher.write_manifest(staged, found, rejects, self._options, marks)
        Store(self._kept).clean(files)
        return manifest

    def _merged(
        self, cluster: Cluster, planned: list[MergeJob], staged: list[Staged], overrides: Overrides
    ) -> dict[Group, dict[int | None, Content]]:
        """Merge and write all groups; return what is in each part of them."""
        sources, root, formats = self._sources, self._new.root.absolute(), self._options.formats
        frames = []
        for job in planned:
            read = partial(executors.read, job=job, staged=staged, sources=sources, overrides=overrides)
            write = partial(
                executors.write, job=job, root=root, sources=sources, formats=formats, sort=cluster.is_remote
            )
            rows = cluster.over(len(job.tasks), read, job.schema)
            merged = cluster.merged(rows, ORDER, job.aggregates, job.partitions)
            frames.append(cluster.mapped(merged, write, executors.WRITTEN_SCHEMA))
        tasks = sum(len(job.tasks) + job.partitions for job in planned)
        found: defaultdict[Group, dict[int | None, Content]] = defaultdict(dict)
        for written in cluster.collected("merge", frames, tasks):
            for row in written:
                parts = found[Group.parse(row["name"])]
                if row["part"] in parts:
                    raise TransformError(f"two tasks wrote one part of {row['name']}: this engine mixes partitions")
                parts[row["part"]] = Content(row["rows"], row["checksum"])
        return found

    def _begin(self, group: Group, parts: dict[int | None, Content]) -> None:
        """Write the first part of a group that got no row: it has the header, and a group without rows has files."""
        number = None if None in parts or not parts else 0
        if number not in parts:
            GroupWriter(self._new, group, self._options.formats, number).close()


class SparkSegments(Segments):
    """Stages segments on a cluster."""

    def __init__(
        self,
        cache: Cache,
        registry: Registry,
        overriding: Overriding,
        options: Options,
        *,
        kept: Path,
        work: Path,
        cluster: Cluster,
    ) -> None:
        super().__init__(cache, registry, overriding, options, kept=kept, work=work)
        self._cluster = cluster
        self._summaries: dict[str, StagedSummary] = {}

    def summary(self, staged: Staged) -> StagedSummary:
        """Return the summary of a staged segment."""
        known = self._summaries.get(staged.name) if staged.path else StagedSummary(staged, {}, {})
        return msgspec.structs.replace(known, staged=staged) if known else executors.summary(staged, plan.SAMPLED)

    def _made(self, segments: list[Segment]) -> dict[Segment, Staged]:
        mirror = self._cache.mirror
        found = {} if mirror is None else super()._made(mirror.unnamed(segments))  # what only this machine has
        elsewhere = [(segment, "") for segment in segments if segment not in found]
        return found | self._staged(elsewhere, self._kept)

    def _parts(self, split: list[tuple[Segment, Staged]], which: Counting) -> dict[Segment, Staged]:
        mirror = self._cache.mirror
        here = set() if mirror is None else set(mirror.unnamed(segment for segment, _ in split))
        found = super()._parts([each for each in split if each[0] in here], which)
        elsewhere = [(segment, part_name(file)) for segment, file in split if segment not in found]
        return found | self._staged(elsewhere, self._work, which)

    def _staged(
        self, named: list[tuple[Segment, str]], folder: Path, which: Counting | None = None
    ) -> dict[Segment, Staged]:
        """Stage segments on the cluster, into files of a folder; of some replies those that count."""
        each = [
            (index, replace(segment, path=segment.path.absolute()), name) for index, (segment, name) in enumerate(named)
        ]
        largest_first = sorted(each, key=lambda one: -one[1].size)
        tasks = plan.together(((one, one[1].size) for one in largest_first), TASK_BYTES)
        if not tasks:
            return {}
        function = partial(
            executors.stage,
            tasks=tasks,
            registry=self._registry,
            overriding=self._overriding,
            folder=folder.absolute(),
            store=self._cache.mirror.url if self._cache.mirror else "",
            code=executors.own_code(),
            sampled=plan.SAMPLED,
            which=which,
        )
        frame = self._cluster.over(len(tasks), function, executors.STAGED_SCHEMA)
        found: dict[Segment, Staged] = {}
        for row in self._cluster.collected("read", [frame], len(tasks))[0]:
            summary = msgspec.json.decode(bytes(row["summary"]), type=StagedSummary)
            self._summaries[summary.staged.name] = summary
            found[named[row["segment"]][0]] = summary.staged
        return found
