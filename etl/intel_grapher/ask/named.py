"""The nodes that the rows of an answer name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from intel_grapher import schema
from intel_grapher.ask import find
from intel_grapher.errors import BadValue
from intel_grapher.model import NodeRef

# Labels by the columns that name a node: a label's own name, or "" for the key of an indicator. `id` is left out,
# because that of a certificate is a digest and would be taken for a file's.
_BY_COLUMN: Final = {
    **{label.key: "" for kind in schema.BY_INDICATOR.values() for label in kind.labels if label.key != "id"},
    **{label.lower(): label for label in schema.LABELS},
}


def nodes_named(columns: Sequence[str], rows_: Iterable[Sequence[Any]]) -> list[NodeRef]:
    """Return the nodes that rows name by columns called `label` and `key`, by a label, or by a key's name."""
    pairs = [
        (columns.index(label), columns.index(key))
        for label, key in (("label", "key"), ("to_label", "to_key"), ("label", "name"))
        if label in columns and key in columns
    ]
    alone = [(place, _BY_COLUMN[name]) for place, name in enumerate(columns) if name in _BY_COLUMN and not pairs]
    found = []
    for row in rows_:
        found += [NodeRef(row[label], row[key]) for label, key in pairs if row[label] in schema.LABELS and row[key]]
        for place, label in alone:
            try:
                found.append(NodeRef(label, str(row[place])) if label else find.named(str(row[place])))
            except BadValue:
                continue
    return found
