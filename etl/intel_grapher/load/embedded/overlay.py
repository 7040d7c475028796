"""The overlay of the embedded graph: few changed rows, in the engine's own log beside a store that stays as it is.

The engine reads its log with the store. What is in it costs a question nothing that can be measured; opening takes some
20 µs more for each row. So an addition costs by its size: the rows that differ between the files that the graph holds
and the new ones are found, a copy of the store is opened, rows are deleted and created in one transaction, and its log
is put beside the store. The copy is thrown away. The store itself is linked, and never opened for writing.

The proof is by checksums that were kept. Store and log have the sizes and checksums as of their own proof. Of each
group that changed, the rows that the change names are read back: with the checksum of what was there before, less that
of the rows replaced, they must give the manifest's. All groups are counted. So a change that was found wrongly, or that
the engine did not apply as it should, does not pass. The graph is then built anew, and so it is where anything is
missing.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
import ladybug
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from intel_grapher import disk, sets
from intel_grapher.errors import GrapherError, NoGraphError
from intel_grapher.files import NOTHING, Content, Files, Group, Manifest, content, content_of_table
from intel_grapher.load.embedded.engine import WriteStatement, run
from intel_grapher.load.embedded.statements import create_statement, delete_statement, set_statement
from intel_grapher.load.embedded.store import (
    LOG,
    PROOF,
    STORE,
    Checked,
    Embedded,
    EmbeddedStore,
    Proof,
    open_manifest,
    proof_of,
)
from intel_grapher.load.parity import Compared, Parity, Progress, spilling
from intel_grapher.sql import quoted

MOST = 5_000
"""Rows that an overlay may have: opening the graph takes 0.1 to 0.15 s more then."""
LEAST = 20_000
"""Rows of a graph from which on an overlay takes less time than a build."""
_BLOCK = 1 << 22
_LINE_END = "\n"


class Added(NamedTuple):
    """How the graph compares with the files, and how many rows were changed in it."""

    parity: Parity
    changes: int


class Held(NamedTuple):
    """A set of files, and what each of its groups holds."""

    files: Files
    contents: dict[Group, Content]


class GroupChange(NamedTuple):
    """What is to change in one group.

    `rest` is what it holds now without the rows that differ. There are `rows` of these; the file `named` has their
    keys. Other files, None where they would be empty: `gone` has the keys of those to delete, `created` the rows to
    create, `updated` the nodes to change.
    """

    group: Group
    rest: Content
    rows: int
    named: Path
    gone: Path | None
    created: Path | None
    updated: Path | None


def add(files: Files, manifest: Manifest, target: Embedded, new: Path, progress: Progress) -> Added | str:
    """Make in the folder `new` the graph of `target` with an overlay for what differs in the files.

    Returns the reason where that can't be done, or where the result is not proved to be right: then the graph must be
    built. `new` may have anything in it then.
    """
    try:
        return _added(Held(files, dict(manifest.groups())), target, new, progress)
    except _NotAdded as reason:
        return str(reason)
    except NoGraphError:
        return "there was no graph"
    except (GrapherError, OSError, RuntimeError, duckdb.Error, pa.ArrowException) as wrong:
        return f"an overlay failed: {str(wrong).partition(_LINE_END)[0]}"


class _NotAdded(Exception):  # noqa: N818 - a reason, and no error
    """Why there can be no overlay."""


def _added(wanted: Held, target: Embedded, new: Path, progress: Progress) -> Added:
    """Return what `add` does. Raises _NotAdded."""
    place, work = target.place, new / "work"
    held, proof = dict(open_manifest(place).groups()), proof_of(place)
    if wanted.contents != held and sum(content.rows for content in wanted.contents.values()) < LEAST:
        raise _NotAdded(f"they have fewer than {LEAST} rows")
    if proof.store is None or proof.engine != str(ladybug.__version__):
        raise _NotAdded("the graph there had no proof, or another engine's")
    work.mkdir()
    changes = _changes(wanted, held, work, MOST - proof.changes)
    _log(target, proof, work, changes, progress)
    if (work / LOG).exists():
        (work / LOG).rename(new / LOG)
    os.link(place / STORE, new / STORE, follow_symlinks=False)
    with EmbeddedStore(new / STORE, target.memory) as graph:
        parity = _compared(graph, changes, wanted.contents, progress)
    if not parity.equal:
        raise _NotAdded(f"an overlay would differ from the files: {parity.differences()[0]}")
    shutil.rmtree(work)
    rows = sum(change.rows for change in changes)
    prove(new, changes=proof.changes + rows, store=proof.store)
    return Added(parity, rows)


def prove(folder: Path, *, changes: int, store: Checked | None = None) -> None:
    """Write the proof of the graph in a folder, whose rows have just been compared; make its overlay durable."""
    log = None
    if (folder / LOG).exists():
        disk.sync(folder / LOG)
        log = _checked(folder / LOG)
    proof = Proof(str(ladybug.__version__), store or _checked(folder / STORE), log, changes)
    disk.write_atomically(folder / PROOF, msgspec.json.encode(proof))


# --- what has changed -------------------------------------------------------------------------------------------------


def _changes(new: Held, held: dict[Group, Content], work: Path, most: int) -> list[GroupChange]:
    """Return what is to change where the graph holds `held`; raises _NotAdded where that is too much, or unknown."""
    wanted = new.contents
    differing = [group for group in {**wanted, **held} if wanted.get(group) != held.get(group)]
    if not differing:
        return []
    old = next((found.folder for found in sets.published(new.files.root) if _holds(found.folder, held)), None)
    if old is None:
        raise _NotAdded("the files that it held before are not kept any more")
    too_many = f"more than {MOST} rows would be in its overlay"
    if sum(abs(wanted.get(group, NOTHING).rows - held.get(group, NOTHING).rows) for group in differing) > most:
        raise _NotAdded(too_many)
    changes: list[GroupChange] = []
    with spilling() as connection:
        for group in differing:
            changes.append(_change(connection, group, (Held(Files(old), held), new), work, most))
            most -= changes[-1].rows
            if most < 0:
                raise _NotAdded(too_many)
    return changes


def _holds(folder: Path, held: dict[Group, Content]) -> bool:
    return dict(Files(folder).manifest().groups()) == held


def _change(
    connection: duckdb.DuckDBPyConnection, group: Group, sides: tuple[Held, Held], work: Path, most: int
) -> GroupChange:
    """Find the rows of a group that differ between two sets, at most one more than `most`; write them to `work`."""
    for side, held in zip(("old", "new"), sides, strict=True):
        source = held.files.relation(group) if group in held.contents else "nothing"
        connection.register("nothing", group.arrow.empty_table())
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {side}_rows AS FROM {source}")
    keys = ", ".join(map(quoted, group.keys))
    properties = [quoted(each.name) for each in group.properties]
    differ = " OR ".join(f"o.{name} IS DISTINCT FROM n.{name}" for name in properties)
    first = quoted(group.keys[0])
    values = ", ".join(f"n.{name} AS p{at}" for at, name in enumerate(properties))
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE changed AS
        SELECT {keys}, o.{first} IS NOT NULL AS was, n.{first} IS NOT NULL AS is_there, {values}
        FROM old_rows o FULL JOIN new_rows n USING ({keys})
        WHERE o.{first} IS NULL OR n.{first} IS NULL OR {differ}
        LIMIT {most + 1}""")  # noqa: S608 - names of the schema
    named = ", ".join(f"{quoted(key)} AS k{at}" for at, key in enumerate(group.keys))
    whole = ", ".join([named, *(f"p{at}" for at in range(len(properties)))])

    def written(name: str, columns: str, condition: str) -> Path | None:
        rows = connection.sql(f"SELECT {columns} FROM changed WHERE {condition}").to_arrow_table()  # noqa: S608
        path = work / f"{group}.{name}.parquet"
        pq.write_table(rows, path)
        return path if rows.num_rows else None

    before = content(connection, f"(FROM old_rows SEMI JOIN (FROM changed WHERE was) USING ({keys}))", group)
    return GroupChange(
        group,
        sides[0].contents.get(group, NOTHING) - before,
        connection.table("changed").shape[0],
        named=written("named", named, "true") or work,
        gone=written("gone", named, "was" if group.type else "was AND NOT is_there"),
        created=written("created", whole, "is_there" if group.type else "is_there AND NOT was"),
        updated=None if group.type else written("updated", whole, "is_there AND was"),
    )


# --- the log ----------------------------------------------------------------------------------------------------------


def _statements(changes: list[GroupChange]) -> Iterator[WriteStatement]:
    """Yield the statements that apply changes: relationships go before nodes, and come after them."""
    nodes = [each for each in changes if not each.group.type]
    relationships = [each for each in changes if each.group.type]
    for each in (*relationships, *nodes):
        if each.gone:
            yield WriteStatement(delete_statement(each.group, each.gone))
    for each in (*nodes, *relationships):
        if each.created:
            yield WriteStatement(create_statement(each.group, each.created), each.rows)
        if each.updated:
            yield WriteStatement(set_statement(each.group, each.updated), each.rows)


def _log(target: Embedded, proof: Proof, work: Path, changes: list[GroupChange], progress: Progress) -> None:
    """Write to `work` the log of a graph with changes. They are applied to a copy of its store.

    Raises _NotAdded where the graph is not as it was proved.
    """
    for name, checked in ((LOG, proof.log), (STORE, proof.store)):
        if checked is not None and _copied(target.place / name, work / name) != checked:
            raise _NotAdded(f"{target.place / name} was damaged")
    if changes:
        total, done = sum(each.rows for each in changes), 0
        statements = [WriteStatement("BEGIN TRANSACTION"), *_statements(changes), WriteStatement("COMMIT")]
        for rows in run(work / STORE, statements, target.memory, to_log=True):
            done += rows
            if rows:
                progress("overlay", min(done, total), total)
    (work / STORE).unlink()


def _copied(path: Path, copy: Path) -> Checked:
    """Copy a file; return the size and checksum of what was copied."""
    size = crc = 0
    with path.open("rb") as source, copy.open("wb") as target:
        while block := source.read(_BLOCK):
            target.write(block)
            size, crc = size + len(block), zlib.crc32(block, crc)
    return Checked(size, crc)


def _checked(path: Path) -> Checked:
    size = crc = 0
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            size, crc = size + len(block), zlib.crc32(block, crc)
    return Checked(size, crc)


# --- the proof --------------------------------------------------------------------------------------------------------


def _compared(
    graph: EmbeddedStore, changes: list[GroupChange], wanted: dict[Group, Content], progress: Progress
) -> Parity:
    """Return how a graph with an overlay compares with the files, by what was there before and the rows read back."""
    total = sum(content.rows for content in wanted.values())
    progress("parity", 0, total)
    changed = {each.group: each for each in changes}
    read: dict[Group, Content] = {}
    if changes:
        with spilling() as connection:
            read = {each.group: each.rest + _named(connection, graph, each) for each in changes}
    compared: dict[Group, Compared] = {}
    for group in {**wanted, **changed}:
        expected = wanted.get(group, NOTHING)
        found = read.get(group, expected)
        rows = graph.count(group)
        found = found if rows == found.rows else Content(rows, "")
        compared[group] = Compared(str(group), expected, found)
    known = {group: each.database.rows for group, each in compared.items()}
    others = [Compared(str(group), NOTHING, Content(graph.count(group), "")) for group in graph.others(known)]
    progress("parity", total, total)
    kept = (each for each in compared.values() if each.files.rows or each.differs)
    return Parity((*kept, *(each for each in others if each.database.rows)))


def _named(connection: duckdb.DuckDBPyConnection, graph: EmbeddedStore, change: GroupChange) -> Content:
    """Return what the graph has of the rows that a change names."""
    return content_of_table(connection.cursor, graph.rows_named(change.group, change.named), change.group)
