"""Arguments of `neo4j-admin database import full`, by which it reads the flat files: the Parquet files, or the CSV."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from intel_grapher.errors import LoadError
from intel_grapher.files import Files, Group, Manifest

_BLOCK = 1 << 20


def parquet_arguments(files: Files, manifest: Manifest, folder: Path) -> list[str]:
    """Return the arguments that import the Parquet files, but for the database's name.

    The folder, an empty one, gets a header for each group, and links of plain names to the files: the importer takes
    commas and patterns in paths for its own. A header names the columns and tells no types. With one, the importer
    makes a text of each value, and reads that again: half as much time more.
    """
    inputs = {}
    for group, _ in manifest.groups():
        header = folder / f"{group}.csv"
        named = [*group.header[: len(group.keys)], *(each.name for each in group.properties)]
        header.write_text(f"{','.join(named)}\n{','.join(group.arrow.names)}\n", encoding="utf-8")
        inputs[group] = [header]
        for part in files.parts(group):
            link = folder / part.name
            link.symlink_to(part.absolute())
            inputs[group].append(link)
    return _arguments(files, inputs, "--input-type=parquet")


def csv_arguments(files: Files, manifest: Manifest) -> list[str]:
    """Return the arguments that import the CSV files, but for the database's name."""
    inputs = {group: files.parts(group, "csv") for group, _ in manifest.groups()}
    several = [
        part for group, content in manifest.groups() if _breaks(inputs[group], content.rows) for part in inputs[group]
    ]
    lines = ("--multiline-fields=" + ",".join(map(str, several)), "--multiline-fields-format=v2") if several else ()
    return _arguments(files, inputs, *lines)


def _arguments(files: Files, inputs: dict[Group, list[Path]], *options: str) -> list[str]:
    if all(group.type for group in inputs):
        raise LoadError(f"{files} has no nodes, and neo4j-admin imports nothing of nothing: load with --method bolt")
    # Types in order, so that the ids of each lie together: parity reads them from the first to the last.
    listed = [
        f"--{'relationships' if group.type else 'nodes'}={group.type or group.start}={','.join(map(str, paths))}"
        for group, paths in sorted(inputs.items(), key=lambda each: each[0].type)
    ]
    return ["database", "import", "full", "--bad-tolerance=0", *options, *listed]


def _breaks(parts: list[Path], rows: int) -> bool:
    """Tell whether a group's CSV has values with line breaks; reading them costs the importer much."""
    breaks = 0
    for part in parts:
        with part.open("rb") as file:
            breaks += sum(block.count(b"\n") for block in iter(partial(file.read, _BLOCK), b""))
    return breaks != rows + 1
