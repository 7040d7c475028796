"""GEXF 1.2: the graph with the time in which each node and relationship was seen, and the colours of the page.

https://gexf.net/schema.html. A node or an edge with first_seen or last_seen has their days as `start` and `end`; the
exact moments are among its values. Lists are joined by "; ".

On 2026-11-27 lxml found the sample campaign and a hostile graph valid by the schema of 1.2draft (gephi/gexf), but for
one thing: the schema has `color` in GEXF's own namespace, where the format's description and its readers have `viz`.
"""

from __future__ import annotations

from typing import BinaryIO, Final

from intel_grapher import schema
from intel_grapher.export.format import Format, Settings, Written
from intel_grapher.export.part import Part, RowBatch
from intel_grapher.export.xml import elements, escaped, type_of

_DAY: Final = len("2026-01-31")
_HEAD: Final = """<?xml version="1.0" encoding="UTF-8"?>
<gexf xmlns="http://www.gexf.net/1.2draft" xmlns:viz="http://www.gexf.net/1.2draft/viz" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://www.gexf.net/1.2draft http://www.gexf.net/1.2draft/gexf.xsd" version="1.2">
<graph defaultedgetype="directed" mode="dynamic" timeformat="date">
"""


def write(part: Part, out: BinaryIO, settings: Settings) -> Written:
    """Write nodes, then relationships as edges."""
    _ = settings
    written = Written()
    node = {"node_label": "string", "key": "string"} | _types(part, nodes=True)
    edge = {"type": "string"} | _types(part, nodes=False)
    out.write((_HEAD + _declared("node", node) + _declared("edge", edge) + "<nodes>\n").encode())
    for group in part.nodes():
        for rows in part.rows(group):
            out.write("".join(_nodes(rows)).encode())
            written.add(rows)
    out.write(b"</nodes>\n<edges>\n")
    for group in part.relationships():
        for rows in part.rows(group):
            out.write("".join(_edges(rows, written.relationships)).encode())
            written.add(rows)
    out.write(b"</edges>\n</graph>\n</gexf>\n")
    return written


def _types(part: Part, *, nodes: bool) -> dict[str, str]:
    groups = part.nodes() if nodes else part.relationships()
    return {each.name: type_of(each) for group in groups for each in group.properties}


def _declared(kind: str, names: dict[str, str]) -> str:
    """Return the declaration of what nodes or edges have."""
    lines = (f'<attribute id="{name}" title="{name}" type="{type_}"/>\n' for name, type_ in names.items())
    return f'<attributes class="{kind}" mode="static">\n{"".join(lines)}</attributes>\n'


def _nodes(rows: RowBatch) -> list[str]:
    label = rows.group.start
    colour = schema.LABELS[label].colour
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    end = f'</attvalues><viz:color r="{red}" g="{green}" b="{blue}"/></node>\n'
    told = f'<attvalues><attvalue for="node_label" value="{label}"/><attvalue for="key" value="'
    keys = [escaped(key) for key in rows.keys[0]]
    return [
        f'<node id="{label}:{key}" label="{key}"{span}>{told}{key}"/>{values}{end}'
        for key, span, values in zip(keys, _spans(rows), _values(rows), strict=True)
    ]


def _edges(rows: RowBatch, number: int) -> list[str]:
    first, type_, second = rows.group
    starts, ends = ([escaped(key) for key in column] for column in rows.keys)
    told = f'<attvalues><attvalue for="type" value="{type_}"/>'
    whole = zip(starts, ends, _spans(rows), _values(rows), strict=True)
    return [
        f'<edge id="{place}" source="{first}:{start}" target="{second}:{end}" label="{type_}"{span}>{told}{values}'
        "</attvalues></edge>\n"
        for place, (start, end, span, values) in enumerate(whole, start=number)
    ]


def _spans(rows: RowBatch) -> list[str]:
    """Return the days between which each row was seen, as attributes."""
    columns = {each.name: column for each, column in rows.properties}
    return [
        (f' start="{first[:_DAY]}"' if first else "") + (f' end="{last[:_DAY]}"' if last else "")
        for first, last in zip(columns["first_seen"], columns["last_seen"], strict=True)
    ]


def _values(rows: RowBatch) -> list[str]:
    """Return the properties of each row as elements."""
    return elements(rows, lambda name: f'<attvalue for="{name}" value="', '"/>')


format = Format(
    name="gexf",
    title="GEXF",
    suffix=".gexf",
    doc="The graph with all properties, the times of each node and relationship, and the page's colours.",
    write=write,
    used_by="Gephi",
    checked_by="networkx",
)
