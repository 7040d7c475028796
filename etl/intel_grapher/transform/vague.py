"""Keys that say less than others, merged with the one that says more.

One source tells a port, 192.0.2.1:161, another its transport as well, 192.0.2.1:161/udp: the two are one service. A
label declares which of its keys say less (`Label.vague`). The merge is a node's merge into another, as an analyst's
entry asks for one. It follows from all keys of the graph, not from the order in which they came. Where the graph has
several keys that say more (tcp and udp), none is the right one, and the vague key stays a node of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher.analyst.overrides import Overrides
from intel_grapher.model import NodeRef
from intel_grapher.schema import LABELS
from intel_grapher.transform.staged import Staged, keys_of


def with_vague_keys(overrides: Overrides, staged: Sequence[Staged]) -> Overrides:
    """Return the overrides, and with them the merges of vague keys; what an analyst's entry says counts before these.

    Reads all staged keys of the labels that declare vague ones.
    """
    merges: dict[NodeRef, str] = {}
    for name, label in LABELS.items():
        if label.vague is not None:
            table = keys_of(name)
            keys = [segment.read(table)["key"] for segment in staged if segment.rows(table)]
            merges |= {NodeRef(name, key): exact for key, exact in _merges(keys, label.vague)}
    if not merges:
        return overrides
    same = {node: merges.get(NodeRef(node.label, one), one) for node, one in overrides.same.items()}
    return replace(overrides, same={**merges, **same})


def _merges(columns: Sequence[pa.ChunkedArray], vague: Callable[[pa.Array], pa.Array]) -> Iterator[tuple[str, str]]:
    """Yield the vague keys of which there is exactly one that says more, each with that one."""
    chunks = [chunk for column in columns for chunk in column.chunks if len(chunk)]
    counts = [(len(chunk), vague(chunk).null_count) for chunk in chunks]
    if not any(nulls for _, nulls in counts) or all(length == nulls for length, nulls in counts):
        return  # none is vague, or all are
    keys = pa.chunked_array(chunks, pa.string()).unique()
    less = vague(keys)
    exact = keys.filter(pc.is_valid(less))
    less = less.drop_null()
    known = pc.is_in(less, keys.filter(pc.is_null(vague(keys)))) if len(less) else None
    if known is None or not pc.any(known).as_py():
        return
    exact, less = exact.filter(known), less.filter(known)
    said = pc.value_counts(less)
    once = said.field("values").filter(pc.equal(said.field("counts"), 1))
    only = pc.is_in(less, once)
    yield from zip(less.filter(only).to_pylist(), exact.filter(only).to_pylist(), strict=True)
