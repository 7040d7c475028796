"""Loading: the flat files into a database, and the proof that they are there.

`load(files, Embedded(place))` builds the embedded graph beside and swaps it in. `load(files, Server(uri, user, …))`
loads a Neo4j, by neo4j-admin or over Bolt: whichever fits, or the one that is named. `verify` compares, and no more.
Nothing is printed; `Loaded` and `Parity` tell what was done and found.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from intel_grapher import disk, schema
from intel_grapher.errors import LoadError, UsageError
from intel_grapher.files import Files, Manifest
from intel_grapher.load import admin, embedded, pruning, sending
from intel_grapher.load.bolt import Neo4j, Server, connected
from intel_grapher.load.embedded import Embedded, Graph, open_embedded
from intel_grapher.load.parity import Compared, Parity, Progress, check
from intel_grapher.load.pruning import SHARE, Retraction
from intel_grapher.load.writing import Refused
from intel_grapher.lock import locked

__all__ = [
    "SHARE",
    "Compared",
    "Embedded",
    "Graph",
    "Loaded",
    "Method",
    "Parity",
    "Progress",
    "Refused",
    "Retraction",
    "Server",
    "connected",
    "load",
    "open_embedded",
    "verify",
]

ADMIN_FROM = 100_000
"""From how many rows on an import with all that belongs to it takes less time than merging them."""
Method = Literal["auto", "copy", "admin", "bolt"]


@dataclass(frozen=True)
class Loaded:
    """What a load did: where to, how and why so; rows of the files by group; parity; how long it took, in seconds.

    `sent` is how many rows were written, where those that were there already are passed over. `refused` rows are those
    that the server did not take; all others are there. `pruned` tells how many were deleted because the files do not
    have them, `retracted` how many because an analyst's entries took them out.
    """

    target: str
    method: Method
    why: str
    rows: dict[str, int]
    parity: Parity
    seconds: float
    sent: int
    refused: tuple[Refused, ...] = ()
    pruned: int = 0
    retracted: int = 0


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

    `method`: "copy" is the embedded graph's one; "admin" and "bolt" are Neo4j's; "auto" picks. `replace` lets a Neo4j
    database that holds something be replaced as a whole. `prune` deletes from it what the files no longer have, up to
    that share of its rows (`SHARE` is a cautious one); files that lack something are refused then, whatever the target.
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
    with _held(files) as manifest:
        if prune is not None:
            pruning.refuse_partial(manifest)
        if isinstance(target, Embedded):
            if method not in {"auto", "copy"}:
                raise UsageError(
                    f"the embedded graph is not loaded by {method}: leave --method away, or say --to neo4j"
                )
            found = embedded.build(files, manifest, target, progress)
            method, why = "copy", "the embedded graph is always built from the files as a whole"
        else:
            server, method, why = _chosen(manifest, target, method, replace=replace)
            if method == "admin":
                found = admin.replace(files, manifest, server, progress)
            else:
                with connected(server) as database:
                    retracted = _retract(files, manifest, database, retraction)
                    (found, refused, sent), pruned = _send(files, manifest, database, progress, prune)
    rows = {str(group): content.rows for group, content in manifest.groups()}
    sent = sum(rows.values()) if sent is None else sent
    seconds = time.monotonic() - started
    return Loaded(str(target), method, why, rows, found, seconds, sent, refused, pruned, retracted)


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
    with locked(root.parent / f".{root.name}.lock", str(root), failure=LoadError):
        again = "run `intel-grapher transform` again"
        if manifest.schema != schema.VERSION:
            raise LoadError(f"{root} has schema {manifest.schema}, this program {schema.VERSION}: {again}")
        for group, content in manifest.groups():
            path = files.path(group, "parquet")
            if not path.exists():
                raise LoadError(f"{path} with its {content.rows} rows is not there: {again}, with Parquet")
        yield manifest


def _retract(files: Files, manifest: Manifest, database: Neo4j, retraction: Retraction | None) -> int:
    """Retract from a database that holds something; return how many rows went."""
    if not retraction or not any(retraction) or not database.nodes():
        return 0
    database.constrain()  # whose indexes find nodes by their keys
    return pruning.retract(files, manifest, database, retraction)


def _send(
    files: Files, manifest: Manifest, database: Neo4j, progress: Progress, prune: float | None
) -> tuple[sending.Sent, int]:
    """Load over Bolt, and prune if asked to; return what came of it, and how many rows were deleted."""
    sent = sending.send(files, manifest, database, progress)
    if prune is None or sent.parity.equal:
        return sent, 0
    pruned = pruning.prune(files, manifest, database, sent.parity, prune)
    found = check(files, database, progress)
    if any(each.changed or each.missing for each in found.groups) and not sent.refused:
        lines = "\n  ".join(found.differences())
        raise LoadError(f"the database differs from the files after pruning; load again, or mend it:\n  {lines}")
    return sent._replace(parity=found), pruned


def _chosen(manifest: Manifest, server: Server, method: Method, *, replace: bool) -> tuple[Server, Method, str]:
    """Return the server, running if it is ours, the method that was asked for or fits, and the reason."""
    if method == "copy":
        raise UsageError("Neo4j is loaded by admin or bolt, not by copy: leave --method away, or say --to embedded")
    if method == "bolt" and replace:
        raise UsageError("over Bolt a database is added to, not replaced: leave --replace or --method bolt away")
    if server.local is not None:
        server = Server.started(server.local)
    with connected(server) as database:
        nodes = database.nodes()
    rows = sum(content.rows for _, content in manifest.groups())
    picked, why = _pick(server, nodes, rows, replace=replace) if method == "auto" else (method, "it was asked for")
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
