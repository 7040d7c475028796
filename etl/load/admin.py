"""A local Neo4j by `neo4j-admin database import full`: into a store beside the live one, checked, swapped in, proved.

The server goes on serving the old store while the new one is made; it is down for the swap alone. The old store is
kept until parity holds, and is swapped back where it does not.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from etl.errors import LoadError
from etl.files import Files, Group, Manifest
from etl.load import bolt, parity
from etl.neo4j_server import LocalNeo4j

STORE = "intel-grapher-new"
"""The name of the database that is imported beside the live one."""
_BLOCK = 1 << 20


def replace(files: Files, manifest: Manifest, server: bolt.Server, progress: parity.Progress) -> parity.Parity:
    """Put the files in the place of whatever a local server holds; return how the two compare then.

    Raises BusyError where another process is at work on the server's folder, LoadError where the import, its check, the
    start or parity fail: the server then holds what it held before.
    """
    local = server.local
    if local is None:
        raise LoadError(by_hand(files, manifest, server))
    for group, content in manifest.groups():
        if not (path := files.path(group, "csv")).exists():
            raise LoadError(f"{path} with its {content.rows} rows is not there: run `intel-grapher transform` again")
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
            found = _prove(files, bolt.Server.started(local), progress)
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
    with tempfile.TemporaryDirectory(prefix="intel-grapher-") as folder:
        for part in ("nodes", "relationships"):
            (Path(folder) / part).symlink_to(files.root.absolute() / part)
        report = local.home / "logs" / "import.report"
        local.admin(*arguments(Files(Path(folder)), manifest), f"--report-file={report}", STORE)


def _prove(files: Files, server: bolt.Server, progress: parity.Progress) -> parity.Parity:
    with bolt.connected(server) as database:
        database.constrain()
        found = parity.check(files, database, progress)
    if not found.equal:
        lines = "\n  ".join(found.differences())
        raise LoadError(f"the imported store differs from the files, and the earlier one is back:\n  {lines}")
    return found


def arguments(files: Files, manifest: Manifest) -> list[str]:
    """Return the arguments of `neo4j-admin` that import the files, but for the database's name."""
    groups = [group for group, _ in manifest.groups()]
    if all(group.type for group in groups):
        raise LoadError(
            f"{files.root} has no nodes, and neo4j-admin imports nothing of nothing: load with --method bolt"
        )
    several = [
        str(files.path(group, "csv")) for group, content in manifest.groups() if _breaks(files, group, content.rows)
    ]
    return [
        "database",
        "import",
        "full",
        "--bad-tolerance=0",
        *([f"--multiline-fields={','.join(several)}", "--multiline-fields-format=v2"] if several else []),
        *(
            f"--relationships={group.type}={files.path(group, 'csv')}"
            if group.type
            else f"--nodes={group.start}={files.path(group, 'csv')}"
            for group in groups
        ),
    ]


def _breaks(files: Files, group: Group, rows: int) -> bool:
    """Tell whether a CSV file has values with line breaks; reading them costs the importer much."""
    with files.path(group, "csv").open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b"")) != rows + 1


def by_hand(files: Files, manifest: Manifest, server: bolt.Server) -> str:
    """Return what to do where the server's disk can't be reached from here."""
    options = " \\\n      ".join(arguments(files, manifest)[3:])
    return (
        f"{server} is not a local one of ours, so neo4j-admin can't be run on it from here. Load with --method bolt,"
        f" or, on its machine, with {files.root} copied there and the server stopped:\n"
        f"  neo4j-admin database import full --overwrite-destination \\\n      {options} neo4j\n"
        "  neo4j-admin database check neo4j\n"
        "then start it, and load with --method bolt: that makes the constraints, and proves the rest"
    )
