"""A local Neo4j by `neo4j-admin database import full`: into a store beside the live one, swapped in, checked, proved.

The server goes on serving the old store while the new one is made; it is down for the swap alone. The old store is
kept until the check and parity hold, and is swapped back where one does not. The check takes a copy of the new store,
so that the server may start and parity may read meanwhile.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from intel_grapher.errors import LoadError
from intel_grapher.files import Files, Manifest
from intel_grapher.load import parity
from intel_grapher.load.neo4j import handoff
from intel_grapher.load.neo4j.importer import parquet_arguments
from intel_grapher.load.neo4j.session import connected
from intel_grapher.neo4j.connection import Server
from intel_grapher.neo4j.server import LocalNeo4j

STORE = "intel-grapher-new"
"""The name of the database that is imported beside the live one."""
CHECKED = "intel-grapher-checked"
"""The name of its copy, which is checked."""
SHARE = "40%"
"""How much of the free memory the check may take beside its heap: the server starts meanwhile."""


def replace(files: Files, manifest: Manifest, server: Server, progress: parity.Progress) -> parity.Parity:
    """Put the files in the place of whatever a local server holds; return how the two compare then.

    Raises BusyError where another process is at work on the server's folder, LoadError where the import, its check, the
    start or parity fail: the server then holds what it held before.
    """
    local = server.local
    if local is None:
        raise LoadError(handoff.by_hand(files, manifest, server))
    total = sum(content.rows for _, content in manifest.groups())
    with local.alone(), _removed_at_the_end(local):
        progress("import", 0, total)
        _import(files, manifest, local)
        progress("check", 0, total)
        running = local.status().running
        with _checked_meanwhile(local) as wait:
            local.down()
            local.swap_in(STORE)
            try:
                progress("start", 0, total)
                found = _prove(files, manifest, local.up(), progress)
                progress("check", 0, total)
                wait()
            except BaseException:
                local.down()
                local.swap_back()
                if running:
                    local.up()
                raise
        local.drop_old()
    return found


@contextmanager
def _removed_at_the_end(local: LocalNeo4j) -> Iterator[None]:
    """Remove both stores beside the live one, before the block what a killed load left, and after it what is there.

    What failed would take the room that the server needs: on a full disk, it could neither write nor stop.
    """
    try:
        for database in (STORE, CHECKED):
            local.remove(database)
        yield
    finally:
        for database in (STORE, CHECKED):
            local.remove(database)


def _import(files: Files, manifest: Manifest, local: LocalNeo4j) -> None:
    with tempfile.TemporaryDirectory(prefix="intel-grapher-") as folder:
        report = local.home / "logs" / "import.report"
        local.admin(*parquet_arguments(files, manifest, Path(folder)), f"--report-file={report}", STORE)


@contextmanager
def _checked_meanwhile(local: LocalNeo4j) -> Iterator[Callable[[], object]]:
    """Check the imported store while the block works on it; yield what waits for that, and raises where it failed.

    Where the disk has no room for a copy, the check comes before the block.
    """

    def command(database: str) -> tuple[str, ...]:
        return "database", "check", database, f"--report-path={local.home / 'logs'}", f"--max-off-heap-memory={SHARE}"

    if not local.has_room_for(STORE):
        local.admin(*command(STORE))
        yield lambda: None
        return
    local.copy(STORE, CHECKED)
    with local.admin_beside(*command(CHECKED)) as wait:
        yield wait


def _prove(files: Files, manifest: Manifest, server: Server, progress: parity.Progress) -> parity.Parity:
    with connected(server) as database:
        database.reads_types = True  # what was imported is all that there is
        found = parity.check(files, database, progress)  # before any constraint: then few labels are in use yet
        if not found.equal:
            lines = "\n  ".join(found.differences())
            raise LoadError(f"the imported store differs from the files, and the earlier one is back:\n  {lines}")
        progress("constraints", 0, 0)
        database.constrain(group for group, _ in manifest.groups())
    return found
