"""Plans: which groups are merged in one Spark job, in how many parts, with which columns.

A job costs about a second, so groups share jobs: those with few facts, and those whose properties have the same types
and merge rules. In a job's rows a property has a *slot*, a column for its rule and type: the first text that follows
the newest observation is `newest_string_0` in every group.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from intel_grapher.files import Group
from intel_grapher.model import Merge, Property, Type
from intel_grapher.transform.facts import ALIASES
from intel_grapher.transform.merge import words_of
from intel_grapher.transform.rules import SPARK, aggregate
from intel_grapher.transform.staged import Staged, groups_of, keys_of

SAMPLED = 2048  # rows of which one is sampled
PART_FACTS = 1 << 19  # facts that one part is merged from
OWN_JOB_FACTS = 1 << 20  # from which on a group has a job with no other columns than its own
TASK_FACTS = 1 << 19  # of small segments that are read in one task
_COLUMNS = {Type.TEXT: "string", Type.TEXTS: "array<string>", Type.INTEGER: "bigint", Type.TIMESTAMP: "bigint"}

Key = tuple[str, ...]
T = TypeVar("T")


class StagedSummary(msgspec.Struct):
    """A staged segment, the property columns of its tables, and the keys of some of their rows."""

    staged: Staged
    columns: dict[str, list[str]]
    samples: dict[str, list[Key]]


class Slot(NamedTuple):
    """A column of a job's rows."""

    rule: Merge
    column: str
    number: int

    @property
    def name(self) -> str:
        """Return the column's name."""
        return f"{self.rule.name}_{self.column.partition('<')[0]}_{self.number}".lower()

    @property
    def aggregate(self) -> str:
        """Return the SQL that merges the column; of the newest observation, the value alone."""
        merged = aggregate(SPARK, self.rule, self.name)
        return f"({merged}).value" if self.rule is Merge.NEWEST else merged


class Spread(NamedTuple):
    """A group in a job: the slots of its properties, the first of its partitions, and the least key of each further."""

    group: Group
    slots: dict[str, Slot]
    first: int
    bounds: list[Key]

    def part(self, partition: int) -> int | None:
        """Return the number of the group's part in a partition; None where it has only one."""
        return partition - self.first if self.bounds else None


class MergeJob(NamedTuple):
    """Groups that are merged together, all nodes or all relationships, and the segments (by index) of each task."""

    spreads: list[Spread]
    slots: list[Slot]
    words: list[str]
    partitions: int
    tasks: list[list[int]]

    @property
    def schema(self) -> str:
        """Return the columns of its rows: partition, group, keys, sources, time, slots."""
        fixed = [
            "part int",
            "kind int",
            "start_key string",
            "end_key string",
            *(f"{word} bigint" for word in self.words),
        ]
        return ", ".join([*fixed, "fetched_at bigint", *(f"{slot.name} {slot.column}" for slot in self.slots)])

    @property
    def aggregates(self) -> list[str]:
        """Return the SQL that merges its rows."""
        merged = [f"bit_or({word}) AS {word}" for word in self.words]
        slots = [f"{slot.aggregate} AS {slot.name}" for slot in self.slots]
        return [*merged, "max(fetched_at) AS fetched_at", *slots]


def holding(columns: Iterable[str], name: str) -> list[str]:
    """Return the columns of a staged table that have the values of a property."""
    return [column for column in columns if name in column.split(ALIASES)]


def jobs(summaries: Sequence[StagedSummary], sources: Sequence[str]) -> list[MergeJob]:
    """Return the jobs that merge all groups of some staged segments."""
    facts: Counter[Group] = Counter()
    columns: defaultdict[Group, set[str]] = defaultdict(set)
    samples: defaultdict[Group, list[Key]] = defaultdict(list)
    groups = groups_of(summary.staged for summary in summaries)
    for group in groups:
        # Relationships say of their ends' nodes that they are there: a row for each key of a segment.
        names = [str(group)] if group.type else [str(group), keys_of(group.start)]
        for summary in summaries:
            for name in names:
                facts[group] += summary.staged.rows(name)
                samples[group] += summary.samples.get(name, [])
            columns[group].update(summary.columns.get(str(group), []))
    slots = {group: _slots(group.properties, columns[group]) for group in groups}
    together: defaultdict[object, list[Group]] = defaultdict(list)
    for group in groups:
        signature = tuple(sorted(Counter(slot[:2] for slot in slots[group].values()).items(), key=str))
        together[bool(group.type), signature if facts[group] >= OWN_JOB_FACTS else None].append(group)
    return [
        _job(some, summaries, facts=facts, slots=slots, samples=samples, sources=sources) for some in together.values()
    ]


def _slots(properties: Iterable[Property], columns: Iterable[str]) -> dict[str, Slot]:
    """Return the slots of the properties that some columns have the values of."""
    numbers: Counter[tuple[Merge, str]] = Counter()
    found: dict[str, Slot] = {}
    columns = list(columns)
    for declared in properties:
        if declared.name not in {"sources", "fetched_at"} and holding(columns, declared.name):
            column = "bigint" if declared.name == "precision" else _COLUMNS[declared.type]
            found[declared.name] = Slot(declared.merge, column, numbers[declared.merge, column])
            numbers[declared.merge, column] += 1
    return found


def _job(
    groups: list[Group],
    summaries: Sequence[StagedSummary],
    *,
    facts: Mapping[Group, int],
    slots: Mapping[Group, dict[str, Slot]],
    samples: Mapping[Group, list[Key]],
    sources: Sequence[str],
) -> MergeJob:
    spreads: list[Spread] = []
    partitions = waiting = 0  # facts of small groups in the last partition
    for group in sorted(groups, key=lambda group: -facts[group]):
        bounds = _bounds(samples[group], -(-facts[group] // PART_FACTS))
        if bounds or not waiting or waiting + facts[group] > PART_FACTS:
            partitions, waiting = partitions + 1, 0
        spreads.append(Spread(group, slots[group], partitions - 1, bounds))
        partitions += len(bounds)
        waiting = 0 if bounds else waiting + max(facts[group], 1)
    used = sorted({slot for group in groups for slot in slots[group].values()}, key=lambda slot: slot.name)
    return MergeJob(spreads, used, words_of(sources), partitions, _tasks(groups, summaries))


def _bounds(sample: list[Key], parts: int) -> list[Key]:
    """Return the least keys of all parts but the first, so that each has about as many of the sample."""
    ordered = sorted(sample)
    return sorted({ordered[part * len(ordered) // parts] for part in range(1, parts)} if ordered else ())


def _tasks(groups: Iterable[Group], summaries: Sequence[StagedSummary]) -> list[list[int]]:
    """Return the segments with facts about some groups, those with few facts together."""
    names = {str(group) for group in groups} | {keys_of(group.start) for group in groups if not group.type}
    facts = [sum(one.staged.rows(name) for name in one.staged.tables if name in names) for one in summaries]
    return together(((index, count) for index, count in enumerate(facts) if count), TASK_FACTS)


def together(sizes: Iterable[tuple[T, int]], most: int) -> list[list[T]]:
    """Return items in lists, in their order: as many in each as have a size of `most` in all, but one at least."""
    found: list[list[T]] = []
    room = 0
    for item, size in sizes:
        if size > room or not found:
            found.append([])
            room = most
        found[-1].append(item)
        room -= size
    return found
