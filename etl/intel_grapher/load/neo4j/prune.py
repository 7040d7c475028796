"""Deletion from a Neo4j of what the files no longer have: rows that a transform retired, values that changed.

Only rows that a load wrote go, which their marks tell: the database may be shared with others, whose nodes have the
same labels. Relationships go before nodes. What others tied to a node of ours, or wrote on it, stays, and the node with
it; it loses our properties alone. More than a stated share is never deleted, and nothing by files that lack something.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from intel_grapher import schema
from intel_grapher.errors import LoadError
from intel_grapher.files import Files, Group, Manifest
from intel_grapher.load.neo4j import cypher
from intel_grapher.load.neo4j.batches import BATCH, PackedBatch, pack
from intel_grapher.load.neo4j.session import Neo4jSession
from intel_grapher.load.parity import Parity, spilling
from intel_grapher.load.row_diff import Difference, Scope, diff_rows, differing_rows
from intel_grapher.model import NodeRef
from intel_grapher.sql import quoted

if TYPE_CHECKING:
    import neo4j
else:
    from intel_grapher.neo4j import driver as neo4j

SHARE = 0.1
"""How much of a database may be deleted unasked."""
_UNREAD = "unreadable"


def refuse_partial(manifest: Manifest) -> None:
    """Raise LoadError where files were made from less than there is: what they lack need not be gone."""
    unread = manifest.outcomes.get(_UNREAD, 0)
    again = "mend the cache, transform, load again"
    if manifest.damaged or unread or not any(content.rows for _, content in manifest.groups()):
        raise LoadError(
            f"these files may lack what is not gone ({manifest.damaged} damaged records, {unread} unreadable replies,"
            f" {manifest.replies} replies in all), so nothing is pruned by them: {again}"
        )
    if manifest.as_of is not None:
        raise LoadError(
            "these files were made with --as-of, without later replies, so nothing is pruned by them: transform again"
            " without it"
        )


def prune(files: Files, manifest: Manifest, database: Neo4jSession, found: Parity, share: float) -> int:
    """Delete the rows that the files do not have, and give changed ones the files' values; return how many went.

    Raises LoadError where more than that share of the database's rows would go; nothing is deleted then.
    """
    foreign = sum(each.foreign for each in found.groups)
    extra = sum(each.extra for each in found.groups) - foreign
    rows = sum(each.database.rows for each in found.groups) - foreign
    if extra > share * rows:
        raise LoadError(
            f"prune would delete {extra} of {rows} rows, more than {share:.0%}; nothing was deleted. If that is right,"
            " add --yes"
        )
    relations = _relations(files, manifest)
    groups = [Group.parse(each.group) for each in found.groups if each.differs and not each.stray]
    deleted = 0
    with spilling() as connection:
        for group in sorted(groups, key=lambda group: not group.type):
            diff_rows(connection, group, relations.get(group), database.rows(group))
            deleted += _settle(connection, group, relations.get(group), database)
    return deleted


class Retraction(NamedTuple):
    """What an analyst's entries may have changed of others' facts, so that a database may hold what no longer holds.

    nodes           taken out, merged into others, or stated by an entry that was undone; with all of our relationships
                    at them
    relationships   (start, type, end), likewise; with the rows of both ends, but without other relationships at these
    """

    nodes: frozenset[NodeRef] = frozenset()
    relationships: frozenset[tuple[NodeRef, str, NodeRef]] = frozenset()


def retract(files: Files, manifest: Manifest, database: Neo4jSession, retraction: Retraction) -> int:
    """Delete what a retraction names and the files do not have, as far as a load wrote it; return how many rows went.

    What the files have of it gets the files' values. What they have is left alone where they were made from less than
    there is: from a damaged cache, or with --as-of.
    """
    relations = _relations(files, manifest)
    partial = bool(manifest.damaged) or manifest.as_of is not None
    deleted = 0
    with spilling() as connection:
        scopes = _scopes(connection, relations, database, retraction, partial=partial)
        for group, scope in sorted(scopes.items(), key=lambda each: not each[0].type):
            diff_rows(connection, group, relations.get(group), database.rows_within(group, scope), scope)
            deleted += _settle(connection, group, relations.get(group), database)
    return deleted


def _scopes(
    connection: duckdb.DuckDBPyConnection,
    relations: Mapping[Group, str],
    database: Neo4jSession,
    retraction: Retraction,
    *,
    partial: bool,
) -> dict[Group, Scope]:
    """Return the rows that a retraction names, by group."""
    named: dict[str, set[str]] = defaultdict(set)
    ends: dict[str, set[str]] = defaultdict(set)
    pairs: dict[Group, set[tuple[str, str]]] = defaultdict(set)
    for node in retraction.nodes:
        named[node.label].add(node.key)
    for start, type_, end in retraction.relationships:
        pairs[Group(start.label, type_, end.label)].add((start.key, end.key))
        for node in (start, end):
            ends[node.label].add(node.key)
    scopes: dict[Group, Scope] = {}
    for label in sorted({*named, *ends} & schema.LABELS.keys()):
        group = Group(label)
        keys = frozenset(named[label] | ends[label])
        known = _in_file(connection, group, relations[group], Scope(keys)) if group in relations else set()
        # A node that the files do not have goes with its relationships, whyever it was named.
        named[label] = (named[label] - known if partial else named[label]) | (ends[label] - known)
        scopes[group] = Scope(keys - known if partial else keys)
    for group in _tied(database, named, pairs):
        starts, ends_, whole = frozenset(named[group.start]), frozenset(named[group.end]), frozenset(pairs[group])
        scopes[group] = Scope(starts, ends_, whole)
    return scopes


def _tied(
    database: Neo4jSession, named: dict[str, set[str]], pairs: Mapping[Group, set[tuple[str, str]]]
) -> list[Group]:
    """Return the groups of the relationships that nodes have, and of the pairs."""
    found: dict[Group, None] = {}
    for label, keys in named.items():
        for type_ in database.types_at(label, sorted(keys)) if label in schema.LABELS and keys else ():
            for start, end in schema.RELATIONSHIPS[type_].joins if type_ in schema.RELATIONSHIPS else ():
                if label in {start.name, end.name}:
                    found[Group(start.name, type_, end.name)] = None
    for group in pairs:
        joins = schema.RELATIONSHIPS[group.type].joins if group.type in schema.RELATIONSHIPS else ()
        if (group.start, group.end) in {(start.name, end.name) for start, end in joins}:
            found[group] = None
    return list(found)


def _relations(files: Files, manifest: Manifest) -> dict[Group, str]:
    """Return the SQL of the rows of each group that the files have."""
    return {group: files.relation(group) for group, _ in manifest.groups()}


def _in_file(connection: duckdb.DuckDBPyConnection, group: Group, file: str, scope: Scope) -> set[str]:
    """Return which keys of a scope a file of nodes has."""
    found = f"SELECT {quoted(group.keys[0])} FROM {file} WHERE {scope.condition(group)}"  # noqa: S608
    return {key for (key,) in connection.sql(found).fetchall()}


def _settle(connection: duckdb.DuckDBPyConnection, group: Group, file: str | None, database: Neo4jSession) -> int:
    """Delete the extra rows of `differing`, and give the other ones the file's values; return how many went."""
    deleted = 0
    keys = ", ".join(quoted(name) for name in group.keys)
    gone = f"SELECT {keys} FROM differing WHERE kind = {Difference.EXTRA:d}"  # noqa: S608 - names of the schema
    for batch in connection.sql(gone).to_arrow_reader(BATCH):
        deleted += _write(database, cypher.delete(group), pack(batch, group))
    if file is not None:
        for batch in differing_rows(connection, group, file, Difference.LESSER, Difference.CHANGED):
            values = pack(batch, group)
            _write(database, cypher.overwrite(group, values.given), values)
    return deleted


def _write(database: Neo4jSession, statement: str, some: PackedBatch) -> int:
    """Run a statement over some rows; return for how many it was done."""

    def write(transaction: neo4j.ManagedTransaction) -> int:
        return int(transaction.run(statement, some.parameters).single(strict=True)["rows"])

    return database.session.execute_write(write)
