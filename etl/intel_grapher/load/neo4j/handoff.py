"""For a server whose disk is out of reach: a folder with all that an import by `neo4j-admin` takes.

import-neo4j/nodes relationships     the CSV files (hard links where that is possible)
import-neo4j/import.sh               the import and its check
import-neo4j/constraints.cypher      what to run once the server is up
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from intel_grapher import disk
from intel_grapher.errors import LoadError
from intel_grapher.files import Files, Manifest
from intel_grapher.load.neo4j import cypher
from intel_grapher.load.neo4j.importer import csv_arguments
from intel_grapher.neo4j.connection import Server


def by_hand(files: Files, manifest: Manifest, server: Server) -> str:
    """Stage the files for a server that is not ours, and return what to do with them there."""
    place = stage(files, manifest)
    return (
        f"{server} is not one of our own, so neo4j-admin can't be run on it from here. Load with --method bolt; or copy"
        f" {place} to its machine, and there, with the server stopped:\n"
        f"  cd {place.name} && sh import.sh          # it replaces the database `neo4j`\n"
        "then start the server, and:\n"
        "  cypher-shell -f constraints.cypher\n"
        "and here, to prove what is there:\n"
        "  intel-grapher load --to neo4j --method bolt"
    )


def stage(files: Files, manifest: Manifest) -> Path:
    """Make the folder `import-neo4j` beside the files; return where it is."""
    _require_csv(files, manifest)
    root = disk.real(files.root)
    place = root.with_name(f"{root.name}-neo4j")
    new = root.with_name(f".{place.name}.new")
    disk.remove(new)
    for group, _ in manifest.groups():
        for source in files.parts(group, "csv"):
            target = new / group.folder / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except OSError:  # another disk, or one without hard links
                shutil.copyfile(source, target)
    command = " \\\n  ".join(shlex.quote(each) for each in csv_arguments(Files(new), manifest)).replace(f"{new}/", "")
    script = (
        "#!/bin/sh\n"
        "# Run on the server's machine, in this folder, while the server is stopped: sh import.sh\n"
        "set -eu\n"
        f"neo4j-admin {command} \\\n  --overwrite-destination neo4j\n"
        "neo4j-admin database check neo4j\n"
    )
    (new / "import.sh").write_text(script, encoding="utf-8")
    statements = "".join(f"{each};\n" for each in cypher.constraints().values())
    (new / "constraints.cypher").write_text(statements, encoding="utf-8")
    disk.sync_tree(new)
    disk.swap_in(new, place)
    return place


def _require_csv(files: Files, manifest: Manifest) -> None:
    """Raise LoadError where a CSV file is missing, which are what `neo4j-admin` reads."""
    for group, content in manifest.groups():
        if not files.has(group, "csv"):
            path = files.path(group, "csv")
            raise LoadError(
                f"{path} with its {content.rows} rows is not there: run `intel-grapher transform` again, with CSV"
            )
