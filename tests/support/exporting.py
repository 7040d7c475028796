"""What a format makes of a part of the graph."""

from __future__ import annotations

from io import BytesIO

from intel_grapher.export import format as formats
from intel_grapher.export.format import Settings, Written
from intel_grapher.export.part import Part


def exported(name: str, part: Part, settings: Settings | None = None) -> bytes:
    """Return what a format makes of a part."""
    return exported_with(name, part, settings)[0]


def exported_with(name: str, part: Part, settings: Settings | None = None) -> tuple[bytes, Written]:
    """Return what a format makes of a part, and what it says of that."""
    out = BytesIO()
    written = formats.installed()[name].write(part, out, settings or Settings())
    return out.getvalue(), written
