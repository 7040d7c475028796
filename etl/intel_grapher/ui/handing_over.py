"""Nodes of a picture or a case in the formats of other tools, as `export` writes them from the flat files."""

from __future__ import annotations

import io
from typing import Annotated, Any, Final

import msgspec
from starlette.responses import Response

from intel_grapher import tlp
from intel_grapher.errors import UsageError
from intel_grapher.export import choose, markings
from intel_grapher.export import format as formats
from intel_grapher.export.format import Settings
from intel_grapher.export.part import opened
from intel_grapher.files import Files
from intel_grapher.model import NodeRef
from intel_grapher.ui.graph_api import label_of

MOST: Final = 10_000
TOLD: Final = "X-Intel-Grapher-Written"


class ExportQuestion(msgspec.Struct, frozen=True):
    """Nodes, the name of a format, a title, and the strictest TLP level that may be in it: any, if empty."""

    format: str
    nodes: Annotated[list[NodeRef], msgspec.Meta(max_length=MOST)]
    title: str = ""
    most: str = ""


def listed() -> list[dict[str, str]]:
    """Return the formats by name: what each is called, what its files' names end in, and what is in them."""
    return [
        {"name": each.name, "title": each.title, "suffix": each.suffix, "doc": each.doc}
        for each in formats.installed().values()
    ]


def written(files: Files, asked: ExportQuestion) -> Response:
    """Return a file with the nodes and all relationships among them; the header TOLD says what it has and has not.

    Raises UsageError for an unknown format, label or level, and where none of the nodes is in the flat files.
    """
    chosen = formats.named(asked.format, formats.installed())
    level = tlp.of_tag(asked.most) if asked.most else None
    if asked.most and level is None:
        raise UsageError(f"{asked.most!r} is no TLP level; there are: {', '.join(tlp.LEVELS)}")
    wanted = [NodeRef(label_of(each).name, each.key) for each in asked.nodes]
    out = io.BytesIO()
    with opened(files) as part:
        missing = choose.nodes(part, wanted)
        if len(missing) == len(set(wanted)):
            raise UsageError("none of these nodes is in the flat files yet: wait until the graph has followed")
        if level is not None:
            markings.hide_above(part, level)
        made = chosen.write(part, out, Settings(title=asked.title[:200] or "intel-grapher", unjudged=True))
    told: dict[str, Any] = {
        "nodes": made.nodes,
        "relationships": made.relationships,
        "left_out": dict(sorted(made.left_out.items())),
        "missing": len(missing),
    }
    headers = {TOLD: msgspec.json.encode(told).decode("ascii")}
    return Response(out.getvalue(), media_type="application/octet-stream", headers=headers)
