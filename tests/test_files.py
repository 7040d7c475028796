"""Checksums of the flat files: Python's, of few rows, are DuckDB's."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from intel_grapher import schema
from intel_grapher.files import FEW, NOTHING, SEPARATOR, Group, content, content_of_few, content_of_table
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
        assert content_of_table(connection.cursor, rows, group) == found


@pytest.mark.parametrize("group", GROUPS[::4], ids=str)
@pytest.mark.parametrize("every", [1, 2, 3])
def test_columns_without_any_value_count_for_nothing(group: Group, every: int) -> None:
    times = FEW // 5 + 1  # of fewer rows no engine sums up the hashes
    count = 5 * times
    columns = {name: pa.array([f"{name} {number}" for number in range(count)]) for name in group.keys}
    for place, each in enumerate(group.properties):
        values = pa.array(ODD[each.type], each.type.arrow)
        columns[each.name] = pa.nulls(count, values.type) if place % every == 0 else pa.concat_arrays([values] * times)
    rows = pa.table(columns)
    with duckdb.connect() as connection:
        assert content_of_table(connection.cursor, rows, group) == content_of_few(rows, group)


def test_no_rows_have_the_checksum_of_nothing() -> None:
    group = GROUPS[0]
    assert content_of_few(group.arrow.empty_table(), group) == NOTHING
