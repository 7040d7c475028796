"""What does not count: replies out of use, and the analyst's overrides. No other module of the transform knows them.

Replies of imports that were taken back and undone entries are left out before they are mapped. A node's overrides are
then ranks like all keys: its key is ranked along with the staged ones, and a merged node's rank is replaced by its
survivor's, wherever it stands. Facts about nodes and relationships that are taken out are masked before they are
merged.
"""

from __future__ import annotations

from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher.analyst.entries import SOURCE
from intel_grapher.analyst.overrides import Overrides
from intel_grapher.cache.envelope import Envelope
from intel_grapher.cache.marks import NO_MARKS, Marks
from intel_grapher.cache.segment import OnCorruption, Segment
from intel_grapher.files import Group
from intel_grapher.reading import shown
from intel_grapher.schema import RELATIONSHIPS
from intel_grapher.transform.facts import BEGUN, Reject


class Overriding:
    """Applies overrides. `rank_named` must be called for a label before facts about its nodes are given to `apply`.

    `marks` say which replies are out of use.
    """

    def __init__(self, overrides: Overrides, marks: Marks = NO_MARKS) -> None:
        self._overrides = overrides
        self._marks = marks
        self._ranks: dict[str, dict[str, int]] = {}

    def staged_inputs(self, segment: Segment) -> object:
        """Return what the staged facts of a segment depend on: what is out of use, and the analyst's entries undone."""
        return self._marks.inputs(segment), self._overrides.entry_inputs if segment.source == SOURCE else ()

    def merge_inputs(self) -> object:
        """Return what merged rows depend on."""
        overrides = self._overrides
        return sorted(overrides.nodes_out), sorted(overrides.relationships_out), sorted(overrides.same.items())

    def all_count(self, segment: Segment) -> bool:
        """Tell whether all of a segment's replies count, as they are."""
        return segment.source != SOURCE and not self._marks.inputs(segment)

    def replies(self, segment: Segment, on_corruption: OnCorruption, content: bytes | None = None) -> list[Envelope]:
        """Return what counts of a segment's replies. `content` are its bytes, where they have been read."""
        found = self._marks.in_use(segment, on_corruption, content)
        if segment.source == SOURCE:
            return [counted for reply in found if (counted := self._overrides.counted(reply)) is not None]
        return found

    def rejects(self) -> list[Reject]:
        """Return a reject for each overriding entry that was passed over."""
        return [
            Reject(SOURCE, entry.what, entry.id, "", shown(entry.body[:BEGUN].decode("utf-8", "replace")), entry.reason)
            for entry in self._overrides.refused
        ]

    def named(self, label: str) -> list[str]:
        """Return the keys of a label's nodes that overrides name, sorted. They are ranked as if they were staged."""
        return sorted(self._overrides.keys(label))

    def rank_named(self, label: str, ranks: dict[str, int]) -> None:
        """Take the ranks of the keys that `named` returned."""
        self._ranks[label] = ranks

    def survivors(self, label: str, ranks: pa.Array) -> pa.Array:
        """Return `ranks` (int32) with every merged node's rank replaced by its survivor's."""
        known = self._ranks[label]
        same = [(known[key], known[one]) for (of, key), one in self._overrides.same.items() if of == label]
        if not same:
            return ranks
        merged, survivors = (pa.array(side, pa.int32()) for side in zip(*same, strict=True))
        return pc.coalesce(survivors.take(pc.index_in(ranks, merged)), ranks)

    def apply(self, group: Group, ranks: list[pa.ChunkedArray]) -> tuple[list[pa.ChunkedArray], pa.ChunkedArray | None]:
        """Return the ranks (int64) of a group's facts, a column for each of its labels, and a mask of those that stay.

        The mask is None if all stay. Ends of relationships without a direction are put in order again where nodes have
        been merged.
        """
        overrides, masks = self._overrides, []
        for label, column in zip(group.labels, ranks, strict=True):
            out = [self._ranks[label][key] for of, key in overrides.nodes_out if of == label]
            if out:
                masks.append(pc.invert(pc.is_in(column, pa.array(out, pa.int64()))))
        if group.type and group.start == group.end and any(of == group.start for of, _ in overrides.same):
            masks.append(pc.not_equal(*ranks))
            if RELATIONSHIPS[group.type].both_ways:
                ranks = [pc.min_element_wise(*ranks), pc.max_element_wise(*ranks)]
        for name, start, end in overrides.relationships_out:
            if name == str(group):
                starts = pc.equal(ranks[0], self._ranks[group.start][start])
                masks.append(pc.invert(pc.and_(starts, pc.equal(ranks[1], self._ranks[group.end][end]))))
        return ranks, reduce(pc.and_, masks) if masks else None
