"""The Cypher that a Neo4j server is sent, all of it derived from the schema: names from there, values as parameters.

Properties merge on the server by the schema's rules, so that it does not matter in which order rows come, nor how
often. A row is a list: the key or the two keys, then the properties; moments travel as seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterator

from etl import schema
from etl.files import Group
from etl.graph import Label, Merge, Property, Type
from etl.load.parity import observed


def name(text: str) -> str:
    """Return a name of the schema as Cypher quotes it."""
    return "`" + text.replace("`", "``") + "`"


def constraints() -> Iterator[str]:
    """Yield the statement that makes each label's constraint where it is not there yet."""
    for label in schema.LABELS.values():
        constraint = f"intel_grapher_{label.name}_{label.key}"
        unique = f"(n:{name(label.name)}) REQUIRE n.{name(label.key)} IS UNIQUE"
        yield f"CREATE CONSTRAINT {name(constraint)} IF NOT EXISTS FOR {unique}"


def merge(group: Group) -> str:
    """Return the statement that merges `$rows` of a group, and returns how many there were."""
    if group.type:
        own, first = "r", 2
        find = (
            f"MATCH (a:{_keyed(schema.LABELS[group.start], 0)})\n"
            f"MATCH (b:{_keyed(schema.LABELS[group.end], 1)})\n"
            f"MERGE (a)-[r:{name(group.type)}]->(b)"
        )
    else:
        own, first = "n", 1
        find = f"MERGE (n:{_keyed(schema.LABELS[group.start], 0)})"
    values = {each.name: _value(each, f"row[{place}]") for place, each in enumerate(group.properties, first)}
    # A newest value is chosen by when the row was observed: before that property itself is merged.
    order = sorted(group.properties, key=lambda each: each.merge is not Merge.NEWEST)
    create = ", ".join(f"{own}.{name(each.name)} = {values[each.name]}" for each in order)
    match = ", ".join(f"{own}.{name(each.name)} = {_merged(each, own, group, values)}" for each in order)
    return f"UNWIND $rows AS row\n{find}\nON CREATE SET {create}\nON MATCH SET {match}\nRETURN count(*) AS rows"


def read(group: Group) -> str:
    """Return the query for all rows of a group, its columns those of the files, moments as seconds since 1970."""
    if group.type:
        own = "r"
        match = f"(a:{name(group.start)})-[r:{name(group.type)}]->(b:{name(group.end)})"
        keys = (("a", group.start), ("b", group.end))
        columns = [f"{node}.{name(schema.LABELS[label].key)}" for node, label in keys]
    else:
        own = "n"
        match = f"(n:{name(group.start)})"
        columns = [f"n.{name(group.keys[0])}"]
    for each in group.properties:
        value = f"{own}.{name(each.name)}"
        columns.append(f"{value}.epochSeconds" if each.type is Type.MOMENT else value)
    named = (f"{value} AS {name(to)}" for value, to in zip(columns, group.arrow.names, strict=True))
    return f"MATCH {match} RETURN {', '.join(named)}"


def count(label: str = "", type_: str = "") -> str:
    """Return the query for the number of nodes of a label, or of relationships of a type; Neo4j keeps both counts."""
    if type_:
        return f"MATCH ()-[r:{name(type_)}]->() RETURN count(r) AS rows"
    return f"MATCH (n:{name(label)}) RETURN count(n) AS rows"


def _keyed(label: Label, place: int) -> str:
    return f"{name(label.name)} {{{name(label.key)}: row[{place}]}}"


def _value(each: Property, raw: str) -> str:
    if each.type is Type.MOMENT:
        return f"CASE WHEN {raw} IS NULL THEN NULL ELSE datetime({{epochSeconds: {raw}}}) END"
    return raw


def _merged(each: Property, own: str, group: Group, values: dict[str, str]) -> str:
    """Return the expression for what a property becomes. A null never wins: comparing with it is neither true nor so.

    The server's types for lists know no sorting, so an item is put in its place among the sorted ones.
    """
    old, new = f"{own}.{name(each.name)}", values[each.name]
    if each.merge is Merge.UNION:
        placed = "[y IN s WHERE y < x] + x + [y IN s WHERE y > x]"
        return f"CASE WHEN {new} IS NULL THEN {old} ELSE reduce(s = coalesce({old}, []), x IN {new} | {placed}) END"
    if each.merge is Merge.NEWEST:
        at = observed(each, group)
        was, is_ = f"{own}.{name(at)}", values[at]
        newer = f"{was} IS NULL OR {is_} > {was} OR ({is_} = {was} AND {new} > {old})"
        return f"CASE WHEN {new} IS NOT NULL AND ({old} IS NULL OR {newer}) THEN {new} ELSE {old} END"
    better = "<" if each.merge is Merge.MIN else ">"
    return f"CASE WHEN {old} IS NULL OR {new} {better} {old} THEN {new} ELSE {old} END"
