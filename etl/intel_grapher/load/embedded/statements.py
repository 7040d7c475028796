"""The statements in the engine's Cypher that make its tables, and fill them from Parquet files."""

from __future__ import annotations

import glob
from pathlib import Path

from intel_grapher import schema
from intel_grapher.files import Files, Group
from intel_grapher.load.quote import quote
from intel_grapher.model import Label, Property, Relationship, Type

_TYPES = {Type.TEXT: "STRING", Type.TEXTS: "STRING[]", Type.INTEGER: "INT64", Type.TIMESTAMP: "TIMESTAMP"}


def tables() -> list[str]:
    """Return the statements that make the schema's tables."""
    return [*map(_node_table, schema.LABELS.values()), *map(_relationship_table, schema.RELATIONSHIPS.values())]


def _node_table(label: Label) -> str:
    columns = [f"{quote(label.key)} STRING", *map(_column, label.properties), f"PRIMARY KEY ({quote(label.key)})"]
    return f"CREATE NODE TABLE {quote(label.name)} ({', '.join(columns)})"


def _relationship_table(each: Relationship[str, str]) -> str:
    columns = [f"FROM {quote(start.name)} TO {quote(end.name)}" for start, end in each.joins]
    columns += map(_column, each.properties)
    return f"CREATE REL TABLE {quote(each.type)} ({', '.join(columns)})"


def _column(each: Property) -> str:
    return f"{quote(each.name)} {_TYPES[each.type]}"  # no DEFAULT: a store that has one may not open after a crash


def copy_statement(files: Files, group: Group) -> str:
    """Return the statement that fills a group's table from its Parquet files."""
    paths = [text(glob.escape(str(path.absolute()))) for path in files.parts(group)]
    source = paths[0] if len(paths) == 1 else f"[{', '.join(paths)}]"
    names = [each.name for each in group.properties] if group.type else group.arrow.names
    # Parquet columns are taken by position; a relationship's first two are its ends' keys.
    columns = f"({', '.join(map(quote, names))})" if names else ""
    ends = f" (from = {text(group.start)}, to = {text(group.end)})" if group.type else ""
    return f"COPY {quote(group.type or group.start)}{columns} FROM {source}{ends}"


def keys_pattern(group: Group) -> str:
    """Return the patterns that find what a file's row names: a node as `n`, or the ends of a relationship as `n`, `m`.

    Each end has a MATCH of its own: from one pattern for both, the engine plans a cross product, or reads all rows.
    """
    ends = zip("nm", group.labels, strict=False)
    return " ".join(
        f"MATCH ({variable}:{quote(label)} {{{quote(schema.LABELS[label].key)}: k{at}}})"
        for at, (variable, label) in enumerate(ends)
    )


def rows_statement(group: Group, file: Path, returned: str) -> str:
    """Return the query for the rows of a group whose keys a file has (`k0`, `k1`): `n`, or `r` from `n` to `m`."""
    return f"{_load(file)} {keys_pattern(group)}{_between(group)} RETURN {returned}"


def delete_statement(group: Group, file: Path) -> str:
    """Return the statement that deletes the rows of a group whose keys a file has; nodes must be without ties."""
    return f"{_load(file)} {keys_pattern(group)}{_between(group)} DELETE {'r' if group.type else 'n'}"


def create_statement(group: Group, file: Path) -> str:
    """Return the statement that creates the rows of a file: `k0`, `k1`, and the properties as `p0`, `p1` …."""
    values = [f"{quote(each.name)}: p{at}" for at, each in enumerate(group.properties)]
    if group.type:
        created = f"(n)-[:{quote(group.type)} {{{', '.join(values)}}}]->(m)"
        return f"{_load(file)} {keys_pattern(group)} CREATE {created}"
    values = [f"{quote(group.keys[0])}: k0", *values]
    return f"{_load(file)} CREATE (:{quote(group.start)} {{{', '.join(values)}}})"


def set_statement(group: Group, file: Path) -> str:
    """Return the statement that sets all properties of the nodes of a file, which has the columns of `create`."""
    values = [f"n.{quote(each.name)} = p{at}" for at, each in enumerate(group.properties)]
    return f"{_load(file)} {keys_pattern(group)} SET {', '.join(values)}"


def _load(file: Path) -> str:
    return f"LOAD FROM {text(glob.escape(str(file.absolute())))}"


def _between(group: Group) -> str:
    return f" MATCH (n)-[r:{quote(group.type)}]->(m)" if group.type else ""


def text(value: str) -> str:
    """Return a text as a literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
