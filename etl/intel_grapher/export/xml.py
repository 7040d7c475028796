"""Text and properties as XML 1.0 has them, for the formats that are made of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from intel_grapher.export.part import RowBatch
from intel_grapher.model import Property, Type

_SPECIAL: Final = re.compile('[<>&"\t\n\r\x00-\x1f\ud800-\udfff\ufffe\uffff]')
_ENTITIES: Final = {
    "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;",
}  # fmt: skip


def escaped(text: str) -> str:
    """Return a text as content or as an attribute's value in double quotes. What XML can't hold becomes U+FFFD."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], "\ufffd"), text)


def type_of(property_: Property) -> str:
    """Return the type of a property as GraphML and GEXF name it."""
    return "long" if property_.type is Type.INTEGER else "string"


def elements(rows: RowBatch, begin: Callable[[str], str], end: str) -> list[str]:
    """Return for each row its known properties, each between what `begin` makes of its name and `end`.

    Items of a list are joined by "; ".
    """
    columns = [_column(each, column, begin(each.name), end) for each, column in rows.properties]
    return ["".join(values) for values in zip(*columns, strict=True)]


def _column(property_: Property, column: list[Any], begin: str, end: str) -> list[str]:
    if property_.type is Type.TEXTS:
        column = [None if value is None else "; ".join(value) for value in column]
    if property_.type is Type.INTEGER:
        return ["" if value is None else f"{begin}{value}{end}" for value in column]
    return ["" if value is None else f"{begin}{escaped(value)}{end}" for value in column]
