"""What holds for every format: the same bytes each time, nothing lost without a word, a row in the docs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from exporting import exported, exported_with
from hypothesis import given
from hypothesis import strategies as st
from places import ROOT
from transforming import rows

from intel_grapher.export import format as formats
from intel_grapher.export.formats.sheets import FORMULA, LONGEST, cell
from intel_grapher.export.part import Part, opened
from intel_grapher.files import Files, Group

FORMATS = formats.installed()
READERS = {"graphml": nx.read_graphml, "gexf": nx.read_gexf}


def there(site: Path) -> dict[str, dict[tuple[str, ...], dict[str, Any]]]:
    """Return what the files have, by another way than the export's: groups, keys, properties that are known."""
    return {
        name: {
            keys: {name: value for name, value in properties.items() if value not in (None, [])}
            for keys, properties in group.items()
        }
        for name, group in rows(site / "import").items()
    }


def epoch(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_graph_gives_the_same_bytes(name: str, site: Path) -> None:
    with opened(Files(site / "import")) as one, opened(Files(site / "import")) as other:
        first = exported(name, one)
        assert first
        assert exported(name, other) == first
        assert exported(name, one) == first


@pytest.mark.parametrize("name", FORMATS)
def test_every_node_is_written_or_counted_as_left_out(name: str, part: Part) -> None:
    _, written = exported_with(name, part)
    nodes = sum(part.count(group) for group in part.nodes())
    relationships = sum(part.count(group) for group in part.relationships())
    left = Counter({group.start: part.count(group) for group in part.nodes()})
    assert written.nodes + sum(count for what, count in written.left_out.items() if what in left) == nodes
    assert written.relationships + sum(n for what, n in written.left_out.items() if what not in left) == relationships


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_has_its_row_in_the_docs(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "exchange.md").read_text()


def test_json_lines_have_every_node_and_relationship_with_all_that_is_known(site: Path, part: Part) -> None:
    found: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {}
    for line in map(json.loads, exported("jsonl", part).splitlines()):
        if "label" in line:
            group, keys = Group(line["label"]), [line["key"]]
        else:
            group = Group(line["start"]["label"], line["type"], line["end"]["label"])
            keys = [line["start"]["key"], line["end"]["key"]]
        moments = {each.name for each in group.properties if each.type.name == "TIMESTAMP"}
        properties = {name: epoch(value) if name in moments else value for name, value in line["properties"].items()}
        found.setdefault(str(group), {})[*keys] = properties
    assert found == there(site)


def test_the_table_has_a_row_for_each_and_a_column_for_each_property(site: Path, part: Part) -> None:
    table = list(csv.DictReader(io.StringIO(exported("csv", part).decode("utf-8-sig"), newline="")))
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for row in table:
        node = row["what"] == "node"
        group = row["label"] if node else f"{row['label']}-{row['type']}-{row['to_label']}"
        found[(group, row["key"]) if node else (group, row["key"], row["to_key"])] = row
    assert len(found) == len(table)
    for name, group in there(site).items():
        for keys, properties in group.items():
            row = found.pop((name, *keys))
            known = {column: value for column, value in row.items() if value and column in properties}
            assert known.keys() == properties.keys()
            assert known["sources"] == "; ".join(properties["sources"])
    assert not found


@pytest.mark.parametrize("graph", ["site", "hostile_site"])
def test_no_cell_of_the_table_is_a_formula(graph: str, request: pytest.FixtureRequest) -> None:
    with opened(Files(request.getfixturevalue(graph) / "import")) as part:
        text = exported("csv", part).decode("utf-8-sig")
    values = {value for row in csv.reader(io.StringIO(text, newline="")) for value in row}
    assert [value for value in values if re.match(r"\s*[=+@\uff1d\uff0b\uff20]|[\t\r\n]|-(?![0-9]+\Z)", value)] == []


@given(st.text(max_size=20) | st.builds("{}{}".format, st.sampled_from("=+-@\t\r\n|%\uff1d '\""), st.text(max_size=9)))
def test_a_cell_reads_back_as_it_was_or_with_an_apostrophe_before_it(text: str) -> None:
    read = next(csv.reader(io.StringIO(cell(text), newline="")), [""])
    assert read == ["'" + text if FORMULA.match(text) else text]


def test_a_cell_that_excel_could_not_hold_is_cut() -> None:
    assert len(cell("a" * 40_000)) == LONGEST


@pytest.mark.parametrize("name", ["graphml", "gexf"])
@pytest.mark.parametrize("graph", ["site", "hostile_site"])
def test_another_program_reads_the_same_graph(name: str, graph: str, request: pytest.FixtureRequest) -> None:
    site: Path = request.getfixturevalue(graph)
    with opened(Files(site / "import")) as part:
        read = READERS[name](io.BytesIO(exported(name, part)))
    label = {"graphml": "label", "gexf": "node_label"}[name]
    refs = {id_: (node[label], node["key"]) for id_, node in read.nodes(data=True)}
    found: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {}
    for id_, node in read.nodes(data=True):
        found.setdefault(refs[id_][0], {})[node["key"],] = node
    for one, other, edge in read.edges(data=True):
        (start, *ends), (end, *more) = refs[one], refs[other]
        found.setdefault(f"{start}-{edge['type']}-{end}", {})[*ends, *more] = edge
    expected = there(site)
    assert {group: set(rows_) for group, rows_ in found.items()} == {g: set(rows_) for g, rows_ in expected.items()}
    for group, rows_ in expected.items():
        for keys, known in rows_.items():
            has = {each: found[group][keys][each] for each in known}
            assert {each: _read(value, has[each]) for each, value in known.items()} == {
                each: ";".join(value) if isinstance(value, list) else value for each, value in known.items()
            }


def _read(expected: object, value: str | int) -> object:
    """Return a value that was read back in the form that the files have, a list with its items joined."""
    if isinstance(value, str) and isinstance(expected, list):
        return value.replace("; ", ";")
    return epoch(value) if isinstance(expected, int) and isinstance(value, str) else value
