"""GraphML: the graph with all properties.

http://graphml.graphdrawing.org/specification.html. It has no lists, so items are joined by "; ", as the page does.
"""

from __future__ import annotations

from typing import BinaryIO, Final

from intel_grapher.export.format import Format, Settings, Written
from intel_grapher.export.part import Part, RowBatch
from intel_grapher.export.xml import elements, escaped, type_of

_HEAD: Final = """<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd">
"""


def write(part: Part, out: BinaryIO, settings: Settings) -> Written:
    """Write nodes, then relationships as edges."""
    _ = settings
    written = Written()
    out.write((_HEAD + "".join(_declared(part)) + '<graph edgedefault="directed">\n').encode())
    for group in part.groups():
        for rows in part.rows(group):
            out.write("".join(_edges(rows) if group.type else _nodes(rows)).encode())
            written.add(rows)
    out.write(b"</graph>\n</graphml>\n")
    return written


def _declared(part: Part) -> list[str]:
    """Return the declarations of what nodes and edges have."""
    node = {"label": "string", "key": "string"}
    edge = {"type": "string"}
    for group in part.groups():
        kind = edge if group.type else node
        kind |= {each.name: type_of(each) for each in group.properties}
    return [
        f'<key id="{kind}.{name}" for="{kind}" attr.name="{name}" attr.type="{type_}"/>\n'
        for kind, names in (("node", node), ("edge", edge))
        for name, type_ in names.items()
    ]


def _nodes(rows: RowBatch) -> list[str]:
    label = rows.group.start
    keys = [escaped(key) for key in rows.keys[0]]
    told = f'<data key="node.label">{label}</data><data key="node.key">'
    return [
        f'<node id="{label}:{key}">{told}{key}</data>{data}</node>\n'
        for key, data in zip(keys, _data("node", rows), strict=True)
    ]


def _edges(rows: RowBatch) -> list[str]:
    first, type_, second = rows.group
    starts, ends = ([escaped(key) for key in column] for column in rows.keys)
    return [
        f'<edge source="{first}:{start}" target="{second}:{end}"><data key="edge.type">{type_}</data>{data}</edge>\n'
        for start, end, data in zip(starts, ends, _data("edge", rows), strict=True)
    ]


def _data(kind: str, rows: RowBatch) -> list[str]:
    """Return the properties of each row as elements."""
    return elements(rows, lambda name: f'<data key="{kind}.{name}">', "</data>")


format = Format(
    name="graphml",
    title="GraphML",
    suffix=".graphml",
    doc="The graph with all properties; lists are joined by semicolons.",
    write=write,
    used_by="Gephi, yEd, Cytoscape, networkx, igraph",
    checked_by="networkx",
)
