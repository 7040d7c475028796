"""Loading of the flat files into either database, and comparing what it holds with them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from intel_grapher import disk, schema
from intel_grapher.errors import LoadError, UsageError
from intel_grapher.files import Files, Manifest
from intel_grapher.load.embedded.build import bring
from intel_grapher.load.embedded.store import Embedded, open_embedded
from intel_grapher.load.neo4j import admin, resume
from intel_grapher.load.neo4j import prune as pruning
from intel_grapher.load.neo4j.prune import Retraction
from intel_grapher.load.neo4j.session import Neo4jSession, connected
from intel_grapher.load.neo4j.writer import Refused
from intel_grapher.load.parity import Parity, Progress, check
from intel_grapher.lock import unchanged
from intel_grapher.neo4j.connection import Server

ADMIN_FROM = 100_000
"""From how many rows on an import with all that belongs to it takes less time than merging them."""
Method = Literal["auto", "copy", "admin", "bolt"]


@dataclass(frozen=True)
class Loaded:
    """What a load did.

    target         the database
    method         how it was loaded, and `why` so: by "overlay" or "copy" (embedded), by "admin" or "bolt" (Neo4j)
    rows           rows of the files by group, of which `nodes` are nodes, and `relationships` relationships
    parity         how files and database compare afterwards
    seconds        how long it took
    sent           rows written; those that were there already are passed over
    refused        rows that the server did not take; all others are there
    pruned         rows deleted because the files do not have them
    retracted      rows deleted because an analyst's entries took them out
    """

    target: str
    method: str
    why: str
    rows: dict[str, int]
    nodes: int
    relationships: int
    parity: Parity
    seconds: float
    sent: int
    refused: tuple[Refused, ...] = ()
    pruned: int = 0
    retracted: int = 0


@dataclass(frozen=True)
class LoadOptions:
    """How to load, as `load` takes it."""

    method: Method = "auto"
    replace: bool = False
    prune: float | None = None


def load(
    files: Files,
    target: Embedded | Server,
    *,
    method: Method = "auto",
    replace: bool = False,
    prune: float | None = None,
    retraction: Retraction | None = None,
    progress: Progress = lambda _step, _done, _of: None,
) -> Loaded:
    """Load the files into a database and prove that they are there.

    `method`: "copy" builds the embedded graph anew, "admin" and "bolt" are Neo4j's, "auto" picks. `replace` lets a
    Neo4j database that holds something be replaced as a whole. `prune` deletes from it what the files no longer have,
    up to that share of its rows (`SHARE` is a cautious one); files that lack something are refused then, whatever the
    target.
    `retraction` names what an analyst's entries took out: that goes, whatever `prune` says, unless the files have it.
    The other ways leave nothing to prune or to retract: they begin with nothing. `progress` is told of a step, the rows
    done, and of how many.

    Raises UsageError where the target has no such method, BusyError where another process is at work on the files or
    the target, TransformError where there are no files, LoadError where the load fails or does not end in parity: its
    text says what then holds.
    """
    started = time.monotonic()
    refused: tuple[Refused, ...] = ()
    pruned, retracted, sent = 0, 0, None
    how: str
    with _held(files) as manifest:
        if prune is not None:
            pruning.refuse_partial(manifest)
        if isinstance(target, Embedded):
            if method not in {"auto", "copy"}:
                raise UsageError(
                    f"the embedded graph is not loaded by {method}: leave --method away, or say --to neo4j"
                )
            found, how, why, sent = bring(files, manifest, target, progress, whole=method == "copy")
        else:
            server, how, why = _chosen(manifest, target, method, replace=replace)
            if how == "admin":
                found = admin.replace(files, manifest, server, progress)
            else:
                with connected(server) as database:
                    retracted = _retract(files, manifest, database, retraction)
                    (found, refused, sent), pruned = _send(files, manifest, database, progress, prune)
    rows = {str(group): content.rows for group, content in manifest.groups()}
    nodes = sum(content.rows for content in manifest.nodes.values())
    relationships = sum(content.rows for content in manifest.relationships.values())
    return Loaded(
        str(target),
        how,
        why,
        rows,
        nodes,
        relationships,
        found,
        seconds=time.monotonic() - started,
        sent=nodes + relationships if sent is None else sent,
        refused=refused,
        pruned=pruned,
        retracted=retracted,
    )


def verify(files: Files, target: Embedded | Server, progress: Progress = lambda _step, _done, _of: None) -> Parity:
    """Compare what a database holds with the files; raises as `load` does where either can't be read."""
    with _held(files):
        if isinstance(target, Embedded):
            with open_embedded(target.place, memory=target.memory) as graph:
                return check(files, graph, progress)
        with connected(target) as database:
            return check(files, database, progress)


@contextmanager
def _held(files: Files) -> Iterator[Manifest]:
    """Keep a transform from putting other files in place meanwhile, and yield the manifest of these."""
    manifest = files.manifest()
    root = disk.real(files.root)
    with unchanged(root.parent / f".{root.name}.lock", str(files), failure=LoadError):
        again = "run `intel-grapher transform` again"
        if manifest.schema != schema.VERSION:
            raise LoadError(f"{files} has schema {manifest.schema}, this program {schema.VERSION}: {again}")
        for group, content in manifest.groups():
            if not files.has(group):
                path = files.path(group, "parquet")
                raise LoadError(f"{path} with its {content.rows} rows is not there: {again}, with Parquet")
        yield manifest


def _retract(files: Files, manifest: Manifest, database: Neo4jSession, retraction: Retraction | None) -> int:
    """Retract from a database that holds something; return how many rows went."""
    if not retraction or not any(retraction) or not database.nodes():
        return 0
    database.constrain(group for group, _ in manifest.groups())  # whose indexes find nodes by their keys
    return pruning.retract(files, manifest, database, retraction)


def _send(
    files: Files, manifest: Manifest, database: Neo4jSession, progress: Progress, prune: float | None
) -> tuple[resume.Sent, int]:
    """Load over Bolt, and prune if asked to; return what came of it, and how many rows were deleted."""
    sent = resume.send(files, manifest, database, progress)
    if prune is None or sent.parity.equal:
        return sent, 0
    pruned = pruning.prune(files, manifest, database, sent.parity, prune)
    found = check(files, database, progress)
    if any(each.changed or each.missing for each in found.groups) and not sent.refused:
        lines = "\n  ".join(found.differences())
        raise LoadError(f"the database differs from the files after pruning; load again, or mend it:\n  {lines}")
    return sent._replace(parity=found), pruned


def _chosen(manifest: Manifest, server: Server, method: Method, *, replace: bool) -> tuple[Server, Method, str]:
    """Return the server, the method that was asked for or fits, and the reason.

    One of our own is running then, unless the import would only stop it again.
    """
    if method == "copy":
        raise UsageError("Neo4j is loaded by admin or bolt, not by copy: leave --method away, or say --to embedded")
    if method == "bolt" and replace:
        raise UsageError("over Bolt a database is added to, not replaced: leave --replace or --method bolt away")
    local, nodes = server.local, 0
    is_down = local is not None and not local.status().running
    if not (is_down and local is not None and (replace or local.is_empty)):
        server = local.up() if local else server
        with connected(server) as database:
            nodes = database.nodes()
    rows = sum(content.rows for _, content in manifest.groups())
    picked, why = _pick(server, nodes, rows, replace=replace) if method == "auto" else (method, "it was asked for")
    if picked == "bolt" and local is not None:
        server = local.up()
    if picked == "admin" and nodes and not replace:
        raise LoadError(f"{server} holds {nodes} nodes, and admin replaces them all: say --replace, or --method bolt")
    return server, picked, why


def _pick(server: Server, nodes: int, rows: int, *, replace: bool) -> tuple[Method, str]:
    if replace:
        return "admin", "what the database holds is to be replaced"
    if nodes:
        return "bolt", f"the database holds {nodes} nodes, to which these are added"
    if server.local is None:
        return "bolt", "the server is not one of ours, so its disk is out of reach"
    if rows < ADMIN_FROM:
        return "bolt", f"{rows} rows are soon merged"
    return "admin", f"the database is empty, and {rows} rows are faster imported than merged"
