"""Taking from a Neo4j what the files no longer have: rows that transform retired, values that they no longer hold.

Only rows that a load wrote go, which their marks tell: the database may be shared with others, whose nodes have the
same labels. Relationships go before nodes. What others tied to a node of ours, or wrote on it, stays, and the node with
it; it loses our properties alone. More than a stated share is never deleted, and nothing by files that lack something.
"""

from __future__ import annotations

import neo4j

from intel_grapher.errors import LoadError
from intel_grapher.files import NOTHING, Files, Group, Manifest, quoted
from intel_grapher.load import bolt, cypher
from intel_grapher.load.beside import Kind, lay_beside, rows_of
from intel_grapher.load.packing import BATCH, Packed, pack
from intel_grapher.load.parity import Parity, spilling

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


def prune(files: Files, manifest: Manifest, database: bolt.Neo4j, found: Parity, share: float) -> int:
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
    contents = dict(manifest.groups())
    groups = [Group.parse(each.group) for each in found.groups if each.differs and not each.stray]
    deleted = 0
    with spilling() as connection:
        for group in sorted(groups, key=lambda group: not group.type):
            wanted = contents.get(group, NOTHING)
            lay_beside(connection, files, group, database, wanted)
            keys = ", ".join(quoted(name) for name in group.keys)
            gone = f"SELECT {keys} FROM differing WHERE kind = {Kind.EXTRA:d}"  # noqa: S608 - names of the schema
            for batch in connection.sql(gone).to_arrow_reader(BATCH):
                deleted += _write(database, cypher.delete(group), pack(batch, group))
            if wanted.rows:
                for batch in rows_of(connection, files, group, Kind.LESSER, Kind.CHANGED):
                    values = pack(batch, group)
                    _write(database, cypher.overwrite(group, values.given), values)
    return deleted


def _write(database: bolt.Neo4j, statement: str, some: Packed) -> int:
    """Run a statement over some rows; return for how many it was done."""

    def write(transaction: neo4j.ManagedTransaction) -> int:
        return int(transaction.run(statement, some.parameters).single(strict=True)["rows"])

    return database.session.execute_write(write)
