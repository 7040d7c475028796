"""A local Neo4j by `neo4j-admin database import full`: into a store beside the live one, checked, swapped in, proved.

The server goes on serving the old store while the new one is made; it is down for the swap alone. The old store is
kept until parity holds, and is swapped back where it does not.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from intel_grapher.errors import LoadError
from intel_grapher.files import Files, Manifest
from intel_grapher.load import parity
from intel_grapher.load.neo4j import handoff
from intel_grapher.load.neo4j.handoff import arguments, require_csv
from intel_grapher.load.neo4j.session import connected
from intel_grapher.neo4j.connection import Server
from intel_grapher.neo4j.server import LocalNeo4j

STORE = "intel-grapher-new"
"""The name of the database that is imported beside the live one."""


def replace(files: Files, manifest: Manifest, server: Server, progress: parity.Progress) -> parity.Parity:
    """Put the files in the place of whatever a local server holds; return how the two compare then.

    Raises BusyError where another process is at work on the server's folder, LoadError where the import, its check, the
    start or parity fail: the server then holds what it held before.
    """
    local = server.local
    require_csv(files, manifest)
    if local is None:
        raise LoadError(handoff.by_hand(files, manifest, server))
    total = sum(content.rows for _, content in manifest.groups())
    with local.alone():
        progress("import", 0, total)
        _import(files, manifest, local)
        progress("check", 0, total)
        local.admin("database", "check", STORE, f"--report-path={local.home / 'logs'}")
        running = local.status().running
        local.down()
        local.swap_in(STORE)
        try:
            progress("start", 0, total)
            found = _prove(files, local.up(), progress)
        except BaseException:
            local.down()
            local.swap_back()
            if running:
                local.up()
            raise
        local.drop_old()
    return found


def _import(files: Files, manifest: Manifest, local: LocalNeo4j) -> None:
    for part in ("databases", "transactions"):  # what a killed import left
        shutil.rmtree(local.home / "data" / part / STORE, ignore_errors=True)
    # Through links of plain names: the importer takes commas and patterns in paths for its own.
    for group, _ in manifest.groups():
        files.parts(group, "csv")  # of a set in a store, they come when they are asked for
    with tempfile.TemporaryDirectory(prefix="intel-grapher-") as folder:
        for part in ("nodes", "relationships"):
            (Path(folder) / part).symlink_to(files.root.absolute() / part)
        report = local.home / "logs" / "import.report"
        local.admin(*arguments(Files(Path(folder)), manifest), f"--report-file={report}", STORE)


def _prove(files: Files, server: Server, progress: parity.Progress) -> parity.Parity:
    with connected(server) as database:
        database.reads_types = True  # what was imported is all that there is
        database.constrain()
        found = parity.check(files, database, progress)
    if not found.equal:
        lines = "\n  ".join(found.differences())
        raise LoadError(f"the imported store differs from the files, and the earlier one is back:\n  {lines}")
    return found
