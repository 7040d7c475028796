"""The Cypher that a Neo4j server is sent: derived from the schema, with all values as parameters.

Properties merge on the server by the schema's rules, so that neither the order of rows matters nor how often one comes.
`batches` makes the parameters: a row is a list of its key or keys, then its properties; texts, lists and timestamps are
positions in `$values` and `$moments`.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from intel_grapher import schema
from intel_grapher.files import ARRAY_DELIMITER, SEPARATOR, Group
from intel_grapher.load.quote import quote
from intel_grapher.load.row_diff import MARKS, observed
from intel_grapher.model import Label, Merge, Property, Type

NAMES = (
    "CALL db.labels() YIELD label AS name RETURN name\n"
    "UNION CALL db.relationshipTypes() YIELD relationshipType AS name RETURN name"
)
"""The query for the names of all labels and relationship types that there are."""
_ROWS = "WITH [each IN $moments | datetime({epochSeconds: each})] AS moments\nUNWIND $rows AS row"
_ENDS_BY_ID = "MATCH (a) WHERE id(a) = row[0]\nMATCH (b) WHERE id(b) = row[1]"


def constraints(labels: Container[str] = schema.LABELS) -> dict[str, str]:
    """Return the statement that makes each label's constraint where it is not there yet, by the constraint's name."""
    made = {}
    for label in (each for each in schema.LABELS.values() if each.name in labels):
        constraint = f"intel_grapher_{label.name}_{label.key}"
        unique = f"(n:{quote(label.name)}) REQUIRE n.{quote(label.key)} IS UNIQUE"
        made[constraint] = f"CREATE CONSTRAINT {quote(constraint)} IF NOT EXISTS FOR {unique}"
    return made


# --- writing ----------------------------------------------------------------------------------------------------------


def create(group: Group, given: Sequence[Property], *, by_id: bool = False) -> str:
    """Return the statement that makes `$rows` of a group, none of which is there yet, and returns how many it made.

    Of nodes it returns their ids as well, in order. `by_id`: the rows of relationships have those of their ends.
    """
    values = _values(group, given)
    if group.type:
        ends = _ENDS_BY_ID if by_id else _ends(group)
        made = f"{ends}\nCREATE (a)-[r:{quote(group.type)} {_map(values)}]->(b)\nRETURN count(*) AS rows"
    else:
        made = f"CREATE (n:{quote(group.start)} {_map({group.keys[0]: 'row[0]'} | values)})"
        made += "\nRETURN count(*) AS rows, collect(id(n)) AS ids"
    return f"CYPHER 5 {_ROWS}\n{made}"


def merge(group: Group, given: Sequence[Property]) -> str:
    """Return the statement that merges `$rows` of a group, and returns how many there were."""
    own = _own(group)
    if group.type:
        find = f"{_ends(group)}\nMERGE (a)-[r:{quote(group.type)}]->(b)"
    else:
        find = f"MERGE (n:{_keyed(schema.LABELS[group.start], 0)})"
    values = _values(group, given)
    # A newest value is chosen by when the row was observed: before that property itself is merged.
    order = sorted(given, key=lambda each: each.merge is not Merge.NEWEST)
    match = ", ".join(f"{own}.{quote(each.name)} = {_merged(each, own, group, values)}" for each in order)
    put = f"\nON CREATE SET {own} += {_map(values)}\nON MATCH SET {match}" if given else ""
    return f"{_ROWS}\n{find}{put}\nRETURN count(*) AS rows"


def overwrite(group: Group, given: Sequence[Property]) -> str:
    """Return the statement that gives `$rows` of a group, all there already, just these values of the schema's."""
    values = {each.name: "null" for each in group.properties} | _values(group, given)
    return f"{_ROWS}\n{_match_ours(group)}\nSET {_own(group)} += {_map(values)}\nRETURN count(*) AS rows"


def delete(group: Group) -> str:
    """Return the statement that deletes `$rows` of a group, as far as a load wrote them, and returns how many it did.

    What somebody else wrote stays: a node that something is tied to or that has another label, and whatever has a
    property beyond the schema's, loses the schema's properties alone, and keeps its key.
    """
    own = _own(group)
    properties = [each.name for each in group.properties]
    names = _list(properties if group.type else [*group.keys, *properties])
    shared = [f"any(name IN keys({own}) WHERE NOT name IN {names})"]
    if not group.type:
        shared += ["EXISTS { (n)--() }", "size(labels(n)) > 1"]
    nulls = _map(dict.fromkeys(properties, "null"))
    return (
        f"UNWIND $rows AS row\n{_match_ours(group)}\nWITH {own}, {' OR '.join(shared)} AS shared\n"
        f"FOREACH (x IN CASE WHEN shared THEN [{own}] ELSE [] END | SET x += {nulls})\n"
        f"FOREACH (x IN CASE WHEN shared THEN [] ELSE [{own}] END | DELETE x)\n"
        "RETURN count(CASE WHEN shared THEN NULL ELSE 1 END) AS rows"
    )


def without_ends(group: Group) -> str:
    """Return the query for the keys of those `$rows` of relationships whose ends are not both there."""
    start, end = (_keyed(schema.LABELS[label], place) for place, label in enumerate((group.start, group.end)))
    return (
        f"UNWIND $rows AS row\nWITH row WHERE NOT EXISTS {{ MATCH (:{start}) }} OR NOT EXISTS {{ MATCH (:{end}) }}\n"
        "RETURN row[0] AS start, row[1] AS end"
    )


def _own(group: Group) -> str:
    return "r" if group.type else "n"


def _keyed(label: Label, place: int) -> str:
    return f"{quote(label.name)} {{{quote(label.key)}: row[{place}]}}"


def _match_ours(group: Group) -> str:
    """Return the clause that finds those of `$rows` that are ours."""
    if group.type:
        find = f"{_ends(group)}\nMATCH (a)-[r:{quote(group.type)}]->(b)"
    else:
        find = f"MATCH (n:{_keyed(schema.LABELS[group.start], 0)})"
    return f"{find}\nWHERE {' AND '.join(_ours(group))}"


def _ours(group: Group) -> list[str]:
    """Return the conditions that a node or relationship has our marks.

    A node that somebody gave a second label of the schema's is passed over, and so are its relationships: it is
    another label's node, whose row says what holds.
    """
    marked = [f"{_own(group)}.{quote(mark)} IS NOT NULL" for mark in MARKS]
    if group.type:
        return [*marked, _single("a", group.start), _single("b", group.end)]
    return [*marked, _single("n", group.start)]


def _single(node: str, label: str) -> str:
    """Return the condition that a node has no other label of the schema's."""
    others = _list([each for each in schema.LABELS if each != label])
    return f"none(label IN labels({node}) WHERE label IN {others})"


def _ends(group: Group) -> str:
    start, end = schema.LABELS[group.start], schema.LABELS[group.end]
    return f"MATCH (a:{_keyed(start, 0)})\nMATCH (b:{_keyed(end, 1)})"


def _values(group: Group, given: Sequence[Property]) -> dict[str, str]:
    """Return the expressions of a row's properties by name."""
    return {each.name: _value(each, f"row[{place}]") for place, each in enumerate(given, len(group.keys))}


def _value(each: Property, raw: str) -> str:
    if each.type is Type.TIMESTAMP:
        return f"moments[{raw}]"
    return f"$values[{raw}]" if each.type in {Type.TEXT, Type.TEXTS} else raw


def _map(values: dict[str, str]) -> str:
    return "{" + ", ".join(f"{quote(to)}: {value}" for to, value in values.items()) + "}"


def _merged(each: Property, own: str, group: Group, values: dict[str, str]) -> str:
    """Return the expression for what a property becomes. A null never wins: a comparison with it is not true.

    Cypher can't sort a list, so an item is put in its place among the sorted ones.
    """
    old, new = f"{own}.{quote(each.name)}", values[each.name]
    if each.merge is Merge.UNION:
        placed = "[y IN s WHERE y < x] + x + [y IN s WHERE y > x]"
        return f"CASE WHEN {new} IS NULL THEN {old} ELSE reduce(s = coalesce({old}, []), x IN {new} | {placed}) END"
    if each.merge is Merge.NEWEST:
        at = observed(each, group)
        was, is_ = f"{own}.{quote(at)}", values.get(at, "null")
        newer = f"{was} IS NULL OR {is_} > {was} OR ({is_} = {was} AND {new} > {old})"
        return f"CASE WHEN {new} IS NOT NULL AND ({old} IS NULL OR {newer}) THEN {new} ELSE {old} END"
    better = "<" if each.merge is Merge.MIN else ">"
    return f"CASE WHEN {old} IS NULL OR {new} {better} {old} THEN {new} ELSE {old} END"


# --- reading ----------------------------------------------------------------------------------------------------------


def read(group: Group) -> str:
    """Return the query for all rows of a group, its columns those of the files, moments as seconds since 1970."""
    return f"MATCH {_pattern(group)} RETURN {_row(group)}"


def read_ours(group: Group, by: str) -> str:
    """Return the query, with the same columns, for those rows of a group that have our marks and a key in `$keys`.

    `by` is "start", "end" or "both": which key, or keys, an item of `$keys` is. A node has the one key "start".
    """
    labels = (group.start, group.end) if group.type else (group.start,)
    nodes = ("a", "b") if group.type else ("n",)
    items = ("keys[0]", "keys[1]") if by == "both" else ("keys", "keys")
    found = [
        f"MATCH ({node}:{quote(label)} {{{quote(schema.LABELS[label].key)}: {item}}})"
        for node, label, item, which in zip(nodes, labels, items, ("start", "end"), strict=False)
        if by in {which, "both"}
    ]
    tied = [f"MATCH {_pattern(group)}"] if group.type else []
    conditions = " AND ".join(_ours(group))
    return "\n".join(["UNWIND $keys AS keys", *found, *tied, f"WHERE {conditions}", f"RETURN {_row(group)}"])


def types_at(label: str) -> str:
    """Return the query for the types of the relationships that a label's nodes with `$keys` have."""
    node = f"(n:{quote(label)} {{{quote(schema.LABELS[label].key)}: key}})"
    return f"UNWIND $keys AS key\nMATCH {node}-[r]-()\nRETURN DISTINCT type(r) AS name"


def _row(group: Group) -> str:
    columns = [
        f"{value}.epochSeconds" if type_ is Type.TIMESTAMP else value
        for value, type_ in zip(*_columns(group), strict=True)
    ]
    return ", ".join(f"{value} AS {quote(to)}" for value, to in zip(columns, group.arrow.names, strict=True))


def texts(group: Group, *, whole_type: bool = False) -> str:
    """Return the query for the texts of a group's rows from id `$first` to `$last`, as lists.

    `whole_type`: for those of all relationships of the group's type, whatever they join.
    Its columns are those of `Database.texts`. Long lists cost the driver a hundredth of what as many rows of a dozen
    values do; to look up the keys of both ends costs the server two thirds of what all the rest does.
    """
    own = _own(group)
    columns = ", ".join(f"collect({value}) AS {quote(to)}" for to, value in _text_columns(group).items())
    pattern = "(a)-[r]->(b)" if group.type else "(n)"
    if group.type:
        is_ = f"type(r) = {_literal(group.type)}"
        is_ += "" if whole_type else f" AND a:{quote(group.start)} AND b:{quote(group.end)}"
    else:
        is_ = f"n:{quote(group.start)}"
    rows = f"MATCH {pattern} WHERE id({own}) IN range($first, $last) AND {is_}"
    return f"CYPHER 5 {rows}\n{_own_once(group)}\nRETURN {columns}"


def texts_of_rows(group: Group, *, whole_type: bool = False) -> str:
    """Return the query for the same texts, one by one, with the same columns."""
    columns = ", ".join(f"{value} AS {quote(to)}" for to, value in _text_columns(group).items())
    pattern = f"(a)-[r:{quote(group.type)}]->(b)" if group.type and whole_type else _pattern(group)
    return f"CYPHER 5 MATCH {pattern} {_own_once(group)} RETURN {columns}"


def ids(group: Group) -> str:
    """Return the query for the least and the greatest id of a label's nodes or a type's relationships, and how many."""
    pattern = f"()-[r:{quote(group.type)}]->()" if group.type else f"(n:{quote(group.start)})"
    own = _own(group)
    return f"CYPHER 5 MATCH {pattern} RETURN min(id({own})) AS first, max(id({own})) AS last, count(*) AS rows"


def count(label: str = "", type_: str = "") -> str:
    """Return the query for the number of nodes of a label, or of relationships of a type; Neo4j keeps both counts."""
    if type_:
        return f"MATCH ()-[r:{quote(type_)}]->() RETURN {_literal(type_)} AS name, count(r) AS rows"
    return f"MATCH (n:{quote(label)}) RETURN {_literal(label)} AS name, count(n) AS rows"


def _own_once(group: Group) -> str:
    """Return the clause that reads all properties in one go; one by one, each would be looked for from the first."""
    return "WITH id(a) AS a, id(b) AS b, properties(r) AS r" if group.type else "WITH id(n) AS a, properties(n) AS n"


def _pattern(group: Group) -> str:
    if group.type:
        return f"(a:{quote(group.start)})-[r:{quote(group.type)}]->(b:{quote(group.end)})"
    return f"(n:{quote(group.start)})"


def _columns(group: Group) -> tuple[list[str], list[Type]]:
    """Return the expressions of a group's columns, and their types."""
    ends = (("a", group.start), ("b", group.end)) if group.type else (("n", group.start),)
    keys = [f"{node}.{quote(schema.LABELS[label].key)}" for node, label in ends]
    own = _own(group)
    return (
        keys + [f"{own}.{quote(each.name)}" for each in group.properties],
        [Type.TEXT] * len(keys) + [each.type for each in group.properties],
    )


def _text_columns(group: Group) -> dict[str, str]:
    """Return the expressions of the columns of `Database.texts`."""
    texts = [_text(value, type_) for value, type_ in zip(*_columns(group), strict=True)]
    ids = {"start": "a", "end": "b"} if group.type else {"id": "a", "key": texts[0]}
    return ids | {"text": f" + {_literal(SEPARATOR)} + ".join(texts[len(group.keys) :])}


def _text(value: str, type_: Type) -> str:
    """Return the expression of a value's text in a row's text."""
    text = {
        Type.TEXT: value,
        Type.TEXTS: f"substring(reduce(s = '', x IN {value} | s + {_literal(ARRAY_DELIMITER)} + x), 1)",
        Type.TIMESTAMP: f"toString({value}.epochSeconds)",
        Type.INTEGER: f"toString({value} + 0)",  # of a text that looks like one, this makes another
    }.get(type_, f"toString({value})")
    return f"coalesce({text}, '')"


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_literal, texts))}]"


def _literal(text: str) -> str:
    return "'" + "".join(f"\\u{ord(each):04x}" for each in text) + "'"
