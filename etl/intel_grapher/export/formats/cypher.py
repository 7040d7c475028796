"""Cypher: a script that makes the graph in an empty Neo4j, a statement a line.

Values are literals, so every text is escaped; names come from the schema alone. Line breaks in texts are escaped as
well, so that no statement goes over a line, and what a text says never begins one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from intel_grapher import schema
from intel_grapher.export.format import Format, Settings, Written
from intel_grapher.export.part import Part, RowBatch
from intel_grapher.model import Type

ROWS: Final = 500
"""Rows that one statement makes."""
_SPECIAL: Final = re.compile(r"['\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SHORT: Final = {"'": "\\'", "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def write(part: Part, out: BinaryIO, settings: Settings) -> Written:
    """Write constraints, then nodes, then relationships."""
    _ = settings
    written = Written()
    for label in schema.LABELS.values():
        name = _quoted(f"intel_grapher_{label.name}_{label.key}")
        unique = f"(n:{_quoted(label.name)}) REQUIRE n.{_quoted(label.key)} IS UNIQUE"
        out.write(f"CREATE CONSTRAINT {name} IF NOT EXISTS FOR {unique};\n".encode())
    out.write(b"CALL db.awaitIndexes(300);\n")
    for group in part.groups():
        for rows in part.rows(group):
            out.write("".join(_statements(rows)).encode())
            written.add(rows)
    return written


def literal(text: str) -> str:
    """Return a text as a Cypher literal on one line."""
    if _SPECIAL.search(text):
        text = _SPECIAL.sub(lambda found: _SHORT.get(found[0]) or f"\\u{ord(found[0]):04x}", text)
    return f"'{text}'"


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _statements(rows: RowBatch) -> Iterator[str]:
    group = rows.group
    if group.type:
        first, second = (schema.LABELS[label] for label in group.labels)
        ends = f"MATCH (a:{_quoted(first.name)} {{{_quoted(first.key)}: row[0]}})"
        ends += f" MATCH (b:{_quoted(second.name)} {{{_quoted(second.key)}: row[1]}})"
        make = f"{ends} MERGE (a)-[r:{_quoted(group.type)}]->(b) SET r += row[2]"
    else:
        label = schema.LABELS[group.start]
        make = f"MERGE (n:{_quoted(label.name)} {{{_quoted(label.key)}: row[0]}}) SET n += row[1]"
    types = {each.name: each.type for each in group.properties}
    keys = zip(*([literal(key) for key in column] for column in rows.keys), strict=True)
    lines = [f"[{','.join(ends)},{{{_map(known, types)}}}]" for ends, known in zip(keys, rows.dicts(), strict=True)]
    for start in range(0, len(lines), ROWS):
        yield f"UNWIND [{','.join(lines[start : start + ROWS])}] AS row {make};\n"


def _map(known: dict[str, Any], types: dict[str, Type]) -> str:
    return ",".join(f"{_quoted(name)}:{_value(value, types[name])}" for name, value in known.items())


def _value(value: Any, type_: Type) -> str:  # noqa: ANN401 - a property's
    if type_ is Type.TIMESTAMP:
        return f"datetime('{value}')"
    if type_ is Type.TEXTS:
        return f"[{','.join(map(literal, value))}]"
    return literal(value) if type_ is Type.TEXT else str(value)


format = Format(
    name="cypher",
    title="Cypher script",
    suffix=".cypher",
    doc="Statements that make the graph in an empty Neo4j, constraints first; run again they change nothing.",
    write=write,
    used_by="cypher-shell, Neo4j Browser",
    checked_by="a real Neo4j, whose content is compared by checksums",
)
