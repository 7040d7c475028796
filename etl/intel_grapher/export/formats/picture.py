"""A picture in one HTML file: it needs no server and no network, and asks for nothing.

Data is in the file as JSON in which no `<` stands, and becomes text alone. The page's own policy forbids it to load
anything. The layout is made in the browser, by the script `_picture.js`.
"""

from __future__ import annotations

import html
from importlib import resources
from typing import Any, BinaryIO, Final

import msgspec

from intel_grapher import schema
from intel_grapher.errors import UsageError
from intel_grapher.export import formats
from intel_grapher.export.format import Format, Settings, Written
from intel_grapher.export.part import Part

MOST: Final = 5000
"""Nodes that a picture has at most: more are no picture."""


def write(part: Part, out: BinaryIO, settings: Settings) -> Written:
    """Write the page. Raises UsageError for more nodes than one can look at."""
    many = sum(part.count(group) for group in part.nodes())
    if many > MOST:
        raise UsageError(f"{many:,} nodes are no picture: narrow it to {MOST:,}, with --around, --saved or --case")
    written = Written()
    nodes: list[dict[str, Any]] = []
    place: dict[tuple[str, str], int] = {}
    for group in part.nodes():
        for rows in part.rows(group):
            for key, known in zip(rows.keys[0], rows.dicts(), strict=True):
                place[group.start, key] = len(nodes)
                nodes.append({"label": group.start, "key": key, "properties": known})
    edges: list[list[Any]] = []
    for group in part.relationships():
        for rows in part.rows(group):
            for start, end, known in zip(*rows.keys, rows.dicts(), strict=True):
                if (group.start, start) in place and (group.end, end) in place:
                    edges.append([place[group.start, start], group.type, place[group.end, end], known])
                else:
                    written.left_out[group.type] += 1
    written.nodes, written.relationships = len(nodes), len(edges)
    colours = {each.name: each.colour for each in schema.LABELS.values() if each.name in part.labels()}
    data = msgspec.json.encode({"nodes": nodes, "edges": edges, "colours": colours}).decode()
    data = data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    folder = resources.files(formats)
    page = (folder / "_picture.html").read_text(encoding="utf-8")
    script = (folder / "_picture.js").read_text(encoding="utf-8")
    title = html.escape(settings.title).replace("{", "&#123;")
    head, _, tail = page.replace("{{title}}", title).replace("{{script}}", script).partition("{{data}}")
    out.write((head + data + tail).encode())
    return written


format = Format(
    name="html",
    title="Picture, HTML",
    suffix=".html",
    doc=f"A page that shows up to {MOST:,} nodes, and needs neither server nor network.",
    write=write,
    used_by="any browser",
    checked_by="Chromium",
)
