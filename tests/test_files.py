"""Checksums of the flat files: Python's, of few rows, are DuckDB's."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from intel_grapher import schema
from intel_grapher.files import NOTHING, SEPARATOR, Group, content, content_of_few, content_of_table
from intel_grapher.model import Type

ODD = {
    Type.TEXT: ["", "plain", f"a{SEPARATOR}b;c", "ünï\U0001f480\n'\"", None],
    Type.TEXTS: [[], ["one"], ["a", "b;c", ""], None, ["ü"]],
    Type.INTEGER: [0, -7, 1 << 62, None, 5],
    Type.TIMESTAMP: [0, -86_400, 1_770_000_000, None, 253_402_300_799],
}
GROUPS = [Group(label) for label in schema.LABELS] + [
    Group(start.name, each.type, end.name) for each in schema.RELATIONSHIPS.values() for start, end in each.joins[:1]
]


@pytest.mark.parametrize("group", GROUPS, ids=str)
def test_python_arrow_and_duckdb_find_one_checksum(group: Group) -> None:
    keys = {name: pa.array([f"{name} {number}" for number in range(5)]) for name in group.keys}
    properties = {each.name: pa.array(ODD[each.type], each.type.arrow) for each in group.properties}
    rows = pa.table(keys | properties)
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        found = content(connection, "rows", group)
        assert content_of_few(rows, group) == found
        assert content_of_table(connection, rows, group) == found


def test_no_rows_have_the_checksum_of_nothing() -> None:
    group = GROUPS[0]
    assert content_of_few(group.arrow.empty_table(), group) == NOTHING
