"""A group whose rows lie in several parts is read as one that lies in one file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from load_samples import MANY, write

from intel_grapher import diff, disk, sets
from intel_grapher.cli.doctor import _files as checked_files
from intel_grapher.export.part import RowBatch, opened
from intel_grapher.files import FORMATS, Files, Group, GroupWriter
from intel_grapher.load import Embedded, Server, load, verify
from intel_grapher.load.neo4j.handoff import stage
from intel_grapher.load.neo4j.importer import csv_arguments
from intel_grapher.tables import read_tables

PARTS = 3


def in_parts(files: Files) -> Files:
    """Write the rows of each group of files anew, in PARTS parts."""
    for group, content in files.manifest().groups():
        rows = pq.read_table(files.path(group, "parquet"))
        for suffix in FORMATS:
            files.path(group, suffix).unlink()
        size = -(-content.rows // PARTS)
        for part in range(PARTS):
            writer = GroupWriter(files, group, FORMATS, part)
            writer.write(rows.slice(part * size, size))
            writer.close()
    return files


@pytest.fixture
def whole(tmp_path: Path) -> Files:
    return write(tmp_path / "whole" / "import", MANY)


@pytest.fixture
def parted(tmp_path: Path) -> Files:
    return in_parts(write(tmp_path / "parted" / "import", MANY))


def _columns(batches: Iterator[RowBatch]) -> list[list[object]]:
    return [list(chain.from_iterable(parts)) for parts in zip(*(each.columns for each in batches), strict=True)]


def test_parts_are_listed_in_the_order_of_their_rows(whole: Files, parted: Files) -> None:
    group = Group("Domain")
    assert whole.parts(group) == [whole.root / "nodes" / "Domain.parquet"]
    assert [each.name for each in parted.parts(group)] == [f"Domain.{part:05}.parquet" for part in range(PARTS)]
    assert parted.has(group, "csv")
    assert not parted.has(Group("Email"))
    assert parted.parts(Group("Email")) == [parted.root / "nodes" / "Email.parquet"]


def test_the_parts_of_a_csv_file_are_the_file(whole: Files, parted: Files) -> None:
    for group, _ in whole.manifest().groups():
        joined = b"".join(part.read_bytes() for part in parted.parts(group, "csv"))
        assert joined == whole.path(group, "csv").read_bytes()
        first = pa_csv.read_csv(parted.parts(group, "csv")[0])
        assert first.column_names == group.header


def test_nothing_differs_for_a_diff_tables_and_exports(whole: Files, parted: Files) -> None:
    assert list(diff.rows(whole.root, parted.root)) == []
    one, other = read_tables(whole), read_tables(parted)
    assert (other.nodes, other.relationships) == (one.nodes, one.relationships)
    with opened(whole) as all_, opened(parted) as in_parts_:
        for group, _ in whole.manifest().groups():
            assert _columns(in_parts_.rows(group)) == _columns(all_.rows(group))


def test_a_part_that_is_spoilt_is_found(parted: Files) -> None:
    group = Group("Domain")
    rows = pq.read_table(parted.parts(group)[1])
    pq.write_table(rows.slice(1), parted.parts(group)[1])
    found = [each.found for each in checked_files(parted.root, parted.root, deep=True)]
    assert str(parted.path(group, "parquet")) in " ".join(found)
    with pytest.raises(Exception, match="the manifest says 40"):
        read_tables(parted, ["Domain"])


def test_a_set_in_parts_is_kept_beside_its_successor(whole: Files, parted: Files) -> None:
    new = write(parted.root.with_name("new"), {Group("Domain"): MANY[Group("Domain")]}).root
    sets.keep(parted.root, new)
    disk.swap_in(new, parted.root)
    earlier = sets.published(parted.root)[1].folder
    assert list(diff.rows(earlier, whole.root)) == []


def test_the_embedded_graph_is_filled_from_parts_and_equal(parted: Files, whole: Files, tmp_path: Path) -> None:
    target = Embedded(tmp_path / "graph")
    assert load(parted, target).parity.equal
    assert verify(whole, target).equal
    assert load(whole, target).parity.equal


def test_neo4j_admin_is_given_all_parts(parted: Files) -> None:
    place = stage(parted, parted.manifest())
    argument = next(
        each for each in csv_arguments(Files(place), parted.manifest()) if each.startswith("--nodes=Domain=")
    )
    assert argument == "--nodes=Domain=" + ",".join(
        str(place / "nodes" / f"Domain.{part:05}.csv") for part in range(PARTS)
    )
    assert "nodes/Domain.00002.csv" in (place / "import.sh").read_text()
    assert (place / "nodes" / "Domain.00002.csv").read_bytes() == parted.parts(Group("Domain"), "csv")[2].read_bytes()


@pytest.mark.neo4j
def test_neo4j_is_filled_from_parts_and_mended_from_them(parted: Files, server: Server) -> None:
    assert load(parted, server, method="bolt").parity.equal
    assert load(parted, server, method="bolt").parity.equal
