"""Which nodes go out: the neighbourhood of one, or those that a query or a case names."""

from __future__ import annotations

from collections.abc import Iterable

from intel_grapher import schema
from intel_grapher.export.part import Part
from intel_grapher.files import Group
from intel_grapher.model import NodeRef
from intel_grapher.sql import literal, quoted

HUB = 500
"""A node with more relationships than these is not entered."""
_NEVER = 1 << 62
_BATCH = 1 << 13


def neighbourhood(part: Part, node: NodeRef, hops: int, hub: int = HUB) -> list[NodeRef]:
    """Narrow a part to a node and what is at most so many relationships away; return the hubs that were not entered.

    The node itself is entered, however many relationships it has. Notes, tags and verdicts about the nodes come along.
    """
    run = part.connection.execute
    for table in ("chosen", "frontier"):
        _fill(part, table, [node])
    hubs: list[NodeRef] = []
    for hop in range(hops):
        run("CREATE OR REPLACE TABLE steps (label VARCHAR, key VARCHAR, to_label VARCHAR, to_key VARCHAR)")
        labels = {label for (label,) in run("SELECT DISTINCT label FROM frontier").fetchall()}
        for group in part.relationships():
            for here, there in ((0, 1), (1, 0)):
                if group.labels[here] in labels:
                    _step(part, group, here, there)
        crowded = f"SELECT label, key FROM steps GROUP BY ALL HAVING count(*) > {int(hub) if hop else _NEVER}"
        hubs += [NodeRef(*row) for row in run(f"{crowded} ORDER BY ALL").fetchall()]
        run(
            "CREATE OR REPLACE TABLE frontier AS SELECT DISTINCT to_label AS label, to_key AS key FROM steps "
            f"ANTI JOIN ({crowded}) USING (label, key) EXCEPT FROM chosen"
        )
        run("INSERT INTO chosen FROM frontier")
    _with_notes(part)
    part.chosen()
    return hubs


def nodes(part: Part, wanted: Iterable[NodeRef]) -> list[NodeRef]:
    """Narrow a part to some nodes and the notes about them; return those that the files do not have."""
    each_once = list(dict.fromkeys(wanted))
    _fill(part, "wanted", each_once)
    _fill(part, "chosen", [])
    labels = {each.label for each in each_once}
    for group in [each for each in part.nodes() if each.start in labels]:
        label, key = literal(group.start), quoted(group.keys[0])
        part.connection.execute(
            f"INSERT INTO chosen SELECT {label}, {key} FROM {part.file(group)} "
            f"WHERE {key} IN (SELECT key FROM wanted WHERE label = {label})"
        )
    there = {NodeRef(*row) for row in part.connection.execute("FROM chosen").fetchall()}
    _with_notes(part)
    part.chosen()
    return [each for each in each_once if each not in there]


def _fill(part: Part, table: str, wanted: list[NodeRef]) -> None:
    """Make a table of nodes."""
    part.connection.execute(f"CREATE OR REPLACE TABLE {table} (label VARCHAR, key VARCHAR)")
    for start in range(0, len(wanted), _BATCH):
        some = wanted[start : start + _BATCH]
        columns = [[each.label for each in some], [each.key for each in some]]
        part.connection.execute(f"INSERT INTO {table} SELECT unnest(?), unnest(?)", columns)


def _step(part: Part, group: Group, here: int, there: int) -> None:
    one, other = (quoted(group.keys[place]) for place in (here, there))
    label, to = literal(group.labels[here]), literal(group.labels[there])
    part.connection.execute(
        f"INSERT INTO steps SELECT {label}, {one}, {to}, {other} FROM {part.file(group)} "
        f"WHERE {one} IN (SELECT key FROM frontier WHERE label = {label})"
    )


def _with_notes(part: Part) -> None:
    """Add to the chosen nodes what analysts say of them."""
    for group in part.groups(type_=schema.ABOUT.type):
        part.connection.execute(
            f"INSERT INTO chosen SELECT DISTINCT {literal(group.start)}, start FROM {part.file(group)} "
            f'WHERE "end" IN (SELECT key FROM chosen WHERE label = {literal(group.end)})'
        )
